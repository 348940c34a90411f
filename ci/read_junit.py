"""Whether others read our junit.xml as we mean it: junitparser's counts against report.json's. Called by ci/test."""

import json
import pathlib
import sys

from junitparser import Error, Failure, JUnitXml, Skipped

folder = pathlib.Path(sys.argv[1])
report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
document = JUnitXml.fromfile(str(folder / "junit.xml"))
suites = {suite.name: suite for suite in document}
scenarios = {scenario["name"]: scenario for scenario in report["scenarios"]}
assert suites.keys() == scenarios.keys(), suites.keys() ^ scenarios.keys()

cases = 0
for name, suite in suites.items():
    told = {"failures": 0, "errors": 0, "skipped": 0}
    for case in suite:
        cases += 1
        for result in case.result:
            told["failures"] += isinstance(result, Failure)
            told["errors"] += isinstance(result, Error)
            told["skipped"] += isinstance(result, Skipped)
    said = {"failures": suite.failures, "errors": suite.errors, "skipped": suite.skipped}
    assert told == said, (name, told, said)
    assert suite.tests == len(list(suite)), name
    is_red = bool(told["failures"] or told["errors"])
    assert is_red == (scenarios[name]["verdict"] not in ("passed", "skipped")), (name, told, scenarios[name]["verdict"])
    seed = [one.value for one in suite.properties() if one.name == "seed"]
    assert seed == [str(scenarios[name]["seed"])], (name, seed)
assert cases > len(suites), "cases are missing"
print(f"junitparser reads {len(suites)} suites and {cases} cases as report.json has them")
