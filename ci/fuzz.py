"""schemathesis over every operation of the interface document, as everybody who may call one. Called by ci/fuzz.

A caller whose session ended, because an operation ends sessions, people or tenants, logs in again or finds a fresh platform: no
operation starves another. Ids in paths are half of the time those of things that are there.
"""

import argparse
import base64
import collections
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import warnings

import hypothesis
import requests
import schemathesis
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, Phase, settings
from hypothesis.configuration import set_hypothesis_home_dir
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import status_code_conformance

CHECKS = [not_a_server_error, status_code_conformance]

PLATFORM = """scenario: fuzzed
platform:
  provider: { device_limit: 1000, admin: pia@provider.test }
  tenants:
    acme: { device_limit: 200, admin: ada@acme.test, users: { vic@acme.test: { role: viewer } } }
    globex: { device_limit: 200, admin: gus@globex.test }
artifacts:
  v2: { version: "2.0", size: 1 KiB }
devices:
  hvac: { tenant: acme, simulated: 1, speaks: mender, runs: "1.0" }
steps:
  - enroll: { devices: [hvac] }
  - expect: { within: 20s, online: { devices: [hvac] } }
"""

MANAGEMENT = "/api/management"


class Platform:
    """`fleetproof serve` with a few things in it. Started anew when somebody cannot get in any more."""

    def __init__(self, program, folder):
        self.program, self.folder, self.process, self.starts = program, folder, None, 0
        (folder / "platform.yaml").write_text(PLATFORM)
        self.key = ec.derive_private_key(0xF1EE7, ec.SECP256R1())
        self.start()

    def start(self):
        self.stop()
        self.starts += 1
        self.process = subprocess.Popen(
            [self.program, "serve", "platform.yaml"], cwd=self.folder, stdout=subprocess.PIPE, stderr=self.log(), text=True
        )
        line = self.process.stdout.readline()
        if not line:
            sys.exit("broken: `fleetproof serve` said nothing")
        self.told = json.loads(line)
        self.tokens = {caller: None for caller in ("tenant", "provider", "operator", "device")}
        self.furnish()

    def log(self):
        return open(self.folder / "serve.log", "a", encoding="utf-8")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()

    def url(self, caller):
        return self.told["operator"]["http"] if caller == "operator" else self.told["http"]

    def ask(self, caller, method, path, **kwargs):
        headers = {"Authorization": f"Bearer {self.tokens.get(caller, '')}"}
        return requests.request(method, self.url(caller) + path, headers=headers, timeout=30, **kwargs)

    def person(self, caller):
        return self.told["provider"]["admin"] if caller == "provider" else self.told["tenants"]["acme"]["admin"]

    def login(self, caller):
        """A token for the caller, or None."""
        if caller == "operator":
            return self.told["operator"]["token"]
        if caller == "device":
            return self.device_token()
        who = self.person(caller)
        answer = requests.post(
            self.url(caller) + MANAGEMENT + "/v1/useradm/auth/login", auth=(who["email"], who["password"]), timeout=30
        )
        return answer.text if answer.status_code == 200 else None

    def device_token(self):
        public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        body = json.dumps(
            {
                "id_data": json.dumps({"mac": "02:00:00:00:00:01"}),
                "pubkey": public.decode(),
                "tenant_token": self.told["tenants"]["acme"]["tenant_token"],
            }
        ).encode()
        signature = base64.b64encode(self.key.sign(body, ec.ECDSA(hashes.SHA256()))).decode()
        headers = {"X-MEN-Signature": signature, "Content-Type": "application/json"}
        path = "/api/devices/v1/authentication/auth_requests"
        for _ in range(2):
            answer = requests.post(self.url("device") + path, data=body, headers=headers, timeout=30)
            if answer.status_code == 200:
                return answer.text
            # It knocked: the tenant's admin lets it in.
            devices = self.ask("tenant", "GET", MANAGEMENT + "/v2/devauth/devices").json()
            for device in devices if isinstance(devices, list) else []:
                for one in device["auth_sets"]:
                    if device["identity_data"] == {"mac": "02:00:00:00:00:01"} and one["status"] != "accepted":
                        at = f"{MANAGEMENT}/v2/devauth/devices/{device['id']}/auth/{one['id']}/status"
                        self.ask("tenant", "PUT", at, json={"status": "accepted"})
        return None

    def furnish(self):
        """A bit of everything, so that there are ids to guess right."""
        for caller in self.tokens:
            self.tokens[caller] = self.login(caller)
        attributes = [{"name": "device_type", "value": "board"}, {"name": "artifact_name", "value": "v1"}]
        self.ask("device", "PATCH", "/api/devices/v1/inventory/device/attributes", json=attributes)
        devices = self.ids()["device"][:1]
        for device in devices:
            self.ask("tenant", "PUT", f"{MANAGEMENT}/v1/inventory/devices/{device}/group", json={"group": "attic"})
        role = {"name": "helper", "permission_sets_with_scope": [{"name": "ReadDevices"}]}
        self.ask("tenant", "POST", MANAGEMENT + "/v2/useradm/roles", json=role)
        terms = [{"scope": "system", "attribute": "group", "type": "$eq", "value": "attic"}]
        self.ask("tenant", "POST", MANAGEMENT + "/v2/inventory/filters", json={"name": "upstairs", "terms": terms})
        self.ask("tenant", "POST", MANAGEMENT + "/v1/useradm/settings/tokens", json={"name": "ci", "expires_in": 3600})
        made = self.folder / "v2.mender"
        if made.exists():
            files = {"artifact": ("v2.mender", made.read_bytes(), "application/octet-stream")}
            self.ask("tenant", "POST", MANAGEMENT + "/v1/deployments/artifacts", files=files)
            body = {"name": "rollout", "artifact_name": "v2", "devices": devices}
            self.ask("tenant", "POST", MANAGEMENT + "/v1/deployments/deployments", json=body)

    def ready(self, caller):
        """There is something of everything, and the caller gets in."""
        self.alive("tenant")
        if not all(self.ids()[kind] for kind in ("device", "group", "role", "filter", "token")):
            self.furnish()
        self.alive(caller)

    def alive(self, caller):
        """Whether the caller still gets in, a person as the admin that she was; makes sure that it does."""
        ways = {
            "operator": ("GET", "/api/internal/v1/tenantadm/tenants"),
            "device": ("GET", "/api/devices/v1/deployments/artifacts?release_name=x&device_type=y"),
        }
        method, path = ways.get(caller, ("GET", MANAGEMENT + "/v2/useradm/roles"))
        if self.ask(caller, method, path).status_code == 200:
            return
        self.tokens[caller] = self.login(caller)
        if self.tokens[caller] is None or self.ask(caller, method, path).status_code != 200:
            self.start()

    def ids(self):
        """What there is, by the word that stands before it in paths."""

        def listed(path, field="id", caller="tenant"):
            answer = self.ask(caller, "GET", MANAGEMENT + path)
            rows = answer.json() if answer.status_code == 200 else []
            return [row[field] if isinstance(row, dict) else row for row in rows]

        devices = self.ask("tenant", "GET", MANAGEMENT + "/v2/devauth/devices")
        devices = devices.json() if devices.status_code == 200 else []
        known = listed("/v1/inventory/devices")
        children = [tenant["id"] for tenant in self.told["tenants"].values()]
        return {
            "device": known and [device["id"] for device in devices if device["status"] == "accepted"],
            "auth": [one["id"] for device in devices for one in device["auth_sets"]],
            "user": listed("/v1/useradm/users"),
            "token": listed("/v1/useradm/settings/tokens"),
            "role": listed("/v2/useradm/roles", "name"),
            "artifact": listed("/v1/deployments/artifacts"),
            "release": listed("/v2/deployments/deployments/releases", "name"),
            "deployment": listed("/v1/deployments/deployments"),
            "filter": listed("/v2/inventory/filters"),
            "group": listed("/v1/inventory/groups"),
            "tenant": children,
            "limit": ["max_devices", "storage"],
        }


def kind(path, name):
    """What an id in a path names: told by the word before it, or by its own name."""
    before = path.split("{" + name + "}")[0].rstrip("/").rsplit("/", 1)[-1]
    words = {"devices": "device", "tokens": "token", "auth": "auth", "users": "user", "group": "group", "groups": "group"}
    words |= {"tenants": "tenant", "tenant": "tenant", "roles": "role", "artifacts": "artifact", "releases": "release"}
    words |= {"deployments": "deployment", "filters": "filter", "limits": "limit"}
    return words.get(before)


def schemes(document):
    """Who may call which operation, taken out of the document: what is wrong shall be the request, and not always the token."""
    found = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict):
                needs = operation.pop("security", [])
                found[f"{method.upper()} {path}"] = {name for need in needs for name in need}
    return found


def callers(schemes):
    """Who may call an operation, and one who may not."""
    if "operator" in schemes:
        return ["operator"]
    if "device" in schemes and "user" not in schemes:
        return ["device", "tenant"]
    return ["tenant", "provider"]


def documented(operation):
    statuses = list(operation.definition.raw["responses"])
    vague = [status for status in statuses if not status.isdigit()]
    if vague:
        sys.exit(f"{operation.label}: `{vague[0]}` documents nothing: name the statuses")
    return statuses


class Fuzz:
    def __init__(self, platform, examples, seed):
        self.platform, self.examples, self.seed = platform, examples, seed
        self.failures = []

    def one(self, operation, caller):
        """All examples of an operation as one caller; how often which status came."""
        statuses = collections.Counter()
        name = f"{operation.label} as {caller}"
        self.platform.ready(caller)
        dice = random.Random(f"{self.seed}/{name}")
        self.run(operation, caller, GenerationMode.NEGATIVE, self.examples // 2, dice, statuses, name)
        # Nothing can be wrong with a request that has no parts: then more of the others.
        left = self.examples - sum(statuses.values())
        self.run(operation, caller, GenerationMode.POSITIVE, left, dice, statuses, name)
        return statuses

    def run(self, operation, caller, mode, share, dice, statuses, name):
        platform = self.platform
        if share < 1:
            return

        def send(case):
            platform.alive(caller)
            for parameter in list(case.path_parameters or {}):
                there = self.there.get(kind(operation.path, parameter), [])
                if there and dice.random() < 0.5:
                    case.path_parameters[parameter] = dice.choice(there)
            headers = {"Authorization": f"Bearer {platform.tokens[caller]}"}
            response = case.call(base_url=platform.url(caller), headers=headers, timeout=30)
            statuses[response.status_code] += 1
            try:
                case.validate_response(response, checks=CHECKS)
            except (Failure, FailureGroup) as failure:
                self.failures.append((name, mode.value, str(failure)))

        self.there = platform.ids()
        strategy = operation.as_strategy(generation_mode=mode)
        quiet = settings(
            max_examples=share,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        try:
            quiet(hypothesis.given(case=strategy)(send))()
        except hypothesis.errors.Unsatisfiable:
            pass


def artifact(program, folder):
    """An update to be deployed, where the program that makes one is there."""
    (folder / "image").write_bytes(b"image " * 100)
    command = ["mender-artifact", "write", "module-image", "-T", "hil", "-t", "board", "-n", "v2", "-f", "image", "-o", "v2.mender"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        print("without an artifact: mender-artifact is not here", file=sys.stderr)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--program", required=True)
    arguments.add_argument("--examples", type=int, required=True)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", default="", help="operations whose name contains this")
    arguments = arguments.parse_args()
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory(prefix="fleetproof-fuzz-") as folder:
        folder = pathlib.Path(folder)
        # What the generator keeps of a run is no part of the repository.
        set_hypothesis_home_dir(folder / "hypothesis")
        program = str(pathlib.Path(arguments.program).resolve())
        artifact(program, folder)
        platform = Platform(program, folder)
        try:
            code = fuzz(platform, arguments)
        finally:
            platform.stop()
        log = (folder / "serve.log").read_text(encoding="utf-8", errors="replace").strip()
        if log:
            print("the platform said:", log[-3000:], sep="\n")
        sys.exit(code)


def fuzz(platform, arguments):
    document = requests.get(platform.told["openapi"], timeout=30).json()
    needs = schemes(document)
    schema = schemathesis.openapi.from_dict(document)
    work = Fuzz(platform, arguments.examples, arguments.seed)
    operations, cases, all_statuses = 0, 0, collections.Counter()
    for result in schema.get_all_operations():
        operation = result.ok()
        if arguments.only not in operation.label:
            continue
        operations += 1
        known = documented(operation)
        for caller in callers(needs[operation.label]):
            statuses = work.one(operation, caller)
            cases += sum(statuses.values())
            all_statuses += statuses
            told = ", ".join(f"{status} × {times}" for status, times in sorted(statuses.items()))
            print(f"{sum(statuses.values()):>5}  {operation.label} as {caller}: {told}", flush=True)
            for status in statuses:
                if str(status) not in known:
                    work.failures.append((f"{operation.label} as {caller}", "status", f"{status} is not documented"))
    print()
    for name, mode, failure in work.failures[:40]:
        print(f"{name} ({mode}):\n{failure}\n")
    summary = ", ".join(f"{status} × {times}" for status, times in sorted(all_statuses.items()))
    print(f"{operations} operations, {cases} cases, {platform.starts} platforms; {summary}")
    print(f"{len(work.failures)} answers not as documented")
    return 1 if work.failures or not cases else 0


main()
