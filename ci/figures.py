"""What runs of the product cost: time, memory, journal. Called by ci/figures.

Each figure stands beside its goal. Costs per poll and per update are differences between two runs that differ in nothing else.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile


class Run:
    """One run of a scenario: what it took."""

    def __init__(self, program, scenario, seed=7):
        with tempfile.TemporaryDirectory(prefix="fleetproof-figures.") as folder:
            report = pathlib.Path(folder) / "run"
            command = [program, "run", str(scenario), "--seed", str(seed), "--jobs", "1", "--report", str(report)]
            with open(pathlib.Path(folder) / "said", "w+", encoding="utf-8") as said:
                started = os.times().elapsed
                process = subprocess.Popen(command, stdout=said, stderr=said)
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                self.wall = os.times().elapsed - started
                if process.returncode:
                    said.seek(0)
                    sys.exit(f"{scenario}: exit code {process.returncode}\n{said.read()}")
            self.cpu = used.ru_utime + used.ru_stime
            self.memory = used.ru_maxrss * 1024
            told = json.loads((report / "report.json").read_text())["scenarios"][0]
            self.attempts, self.devices, self.polls = sum(told["attempts"].values()), told["devices"], told["polls"]
            self.journal = sum(journal.stat().st_size for journal in report.glob("scenarios/*/run.jsonl"))


def fleet(folder, devices, minutes, update=False):
    """A scenario of ten tenants whose devices poll once a minute for so long, all of them updated on the way or none."""
    tenants, groups = [], []
    for number in range(1, 11):
        tenants.append(f"    t{number}: {{ device_limit: {devices}, admin: admin@t{number}.test }}")
        groups.append(
            f"  fleet-{number}: {{ tenant: t{number}, simulated: {devices // 10}, speaks: mender, runs: \"1.0\", poll: 60s }}"
        )
    everybody = ", ".join(f"fleet-{number}" for number in range(1, 11))
    deploy = f"  - deploy: {{ artifact: v2, devices: [{everybody}], name: rollout }}\n" if update else ""
    text = f"""scenario: {devices} devices for {minutes} minutes{" and an update" if update else ""}
budget: 3h
platform:
  provider: {{ device_limit: {devices * 10}, admin: pia@provider.test }}
  tenants:
{chr(10).join(tenants)}
artifacts:
  v2: {{ version: "2.0", size: 64 KiB }}
devices:
{chr(10).join(groups)}
steps:
  - enroll: {{ devices: [{everybody}], within: 30m }}
  - expect: {{ within: 5m, online: {{ devices: [{everybody}] }} }}
{deploy}  - wait_until: {{ elapsed: {{ for: {minutes}m }} }}
  - expect: {{ within: 5m, online: {{ devices: [{everybody}] }} }}
"""
    path = pathlib.Path(folder) / f"{devices}-{minutes}-{update}.yaml"
    path.write_text(text)
    return path


def tell(what, figure, goal=""):
    print(f"{what:<64} {figure:>16}   {goal}", flush=True)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--program", required=True)
    arguments.add_argument("--sizes", type=int, nargs="*", default=[1_000, 10_000])
    arguments = arguments.parse_args()
    program = arguments.program

    quick = [Run(program, "scenarios/quickstart.yaml") for _ in range(3)]
    tell("quickstart, wall, median of 3", f"{statistics.median(run.wall for run in quick):.2f} s", "goal 3 s")
    tell("quickstart, most memory", f"{quick[0].memory / 2**20:.0f} MiB")
    hats = Run(program, "scenarios/two-hats.yaml")
    tell("attempts per second, with controls and looks (two-hats)", f"{hats.attempts / hats.wall:.0f}", "goal 2000")
    large = Run(program, "scenarios/service-provider/five-thousand.yaml")
    tell("five-thousand, wall", f"{large.wall:.1f} s")
    tell("five-thousand, most memory", f"{large.memory / 2**20:.0f} MiB")
    tell("five-thousand, journal per device", f"{large.journal / large.devices:.0f} B")

    with tempfile.TemporaryDirectory(prefix="fleetproof-figures.") as folder:
        before = None
        for devices in arguments.sizes:
            short, long = (Run(program, fleet(folder, devices, minutes)) for minutes in (2, 12))
            tell(f"{devices} devices, enrolled: CPU for each", f"{short.cpu / devices * 1e6:.0f} µs")
            tell(f"{devices} devices, virtual poll through the platform", f"{(long.cpu - short.cpu) / (long.polls - short.polls) * 1e6:.1f} µs", "goal 12 µs")
            tell(f"{devices} devices, most memory", f"{short.memory / 2**20:.0f} MiB")
            if before:
                slope = (short.memory - before.memory) / (devices - before.devices)
                tell("    more memory for one more device, its platform's part included", f"{slope / 1024:.1f} KiB", "goal 3 KiB, device alone")
            before = short
        without, updated = Run(program, fleet(folder, 2_000, 12)), Run(program, fleet(folder, 2_000, 12, update=True))
        cost = (updated.cpu - without.cpu) / 2_000
        tell("an update, through the platform, virtual", f"{cost * 1e6:.0f} µs", "goal 100 µs")
        tell("an update, journal", f"{(updated.journal - without.journal) / 2_000:.0f} B")


main()
