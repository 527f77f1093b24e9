"""Rules and dashboards: each name in their queries is measured or recorded, each alarm is tested and has its page.

promtool (deploy/check/rules.sh) says whether rules can be read and do what they should; here they are compared with the
sources and the documents.
"""

import json
import re

import yaml

from comparison import ROLES
from sources import without_tests

RULES, TESTS, DASHBOARDS = "deploy/prometheus/rules", "deploy/prometheus/tests", "deploy/grafana/dashboards"
SOURCES = "deploy/grafana/provisioning/datasources/depot.yml"
RUNBOOK, OPERATIONS = "docs/runbook.md", "docs/operations.md"
SEVERITIES = {"page", "ticket"}
# Not part of a recorded name, which has colons.
MEASURED = re.compile(r"(?<![\w:])((?:depot|process)_[a-z0-9_]+)(?![\w:])")
RECORDED = re.compile(r"(?<![\w:])(depot:[a-z0-9_:]+)")
OF_HISTOGRAM = ("_bucket", "_count", "_sum")
# Texts of the sources that look like metrics: headers of messages, names of databases and of what is generated.
NO_METRICS = re.compile(r"depot_(?:dlq|retry|test|template|descriptor)(?:_|$)")
FIRING = re.compile(r"ALERTS\{alertname=\"(\w+)\",alertstate=\"firing\"")


def compare(comparison):
    root = comparison.root
    measured = metrics_of(comparison.sources)
    rules = [(path, rule) for path in sorted((root / RULES).glob("*.yml"))
             for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
    recorded = {rule["record"] for _, rule in rules if "record" in rule}
    alerts = {rule["alert"]: (path, rule) for path, rule in rules if "alert" in rule}
    for path, rule in rules:
        _query(comparison, f"{path.relative_to(root)}, {rule.get('record') or rule.get('alert')}", rule["expr"],
               measured, recorded)
    _alerts(comparison, alerts)
    sources = {each["uid"] for each in yaml.safe_load((root / SOURCES).read_text())["datasources"]}
    for path in sorted((root / DASHBOARDS).glob("*.json")):
        _dashboard(comparison, path, sources, measured, recorded)
    _documented(comparison, measured)


def metrics_of(sources):
    """Names of metrics in what is shipped, without texts that only look so."""
    found = set()
    for folder in ("command-api", "query-api", "projector", "uploader", "crates"):
        for path in (sources.root / folder).rglob("src/**/*.rs"):
            # What tests and the tool's texts name is measured elsewhere, if at all.
            if "test-stack" not in path.parts and "cli" not in path.parts:
                text = without_tests(path.read_text())
                found |= set(re.findall(r"\"((?:depot|process)_[a-z0-9_]+)\"", text))
    return {name for name in found - ROLES if not NO_METRICS.match(name)}


def _query(comparison, where, query, measured, recorded):
    for name in sorted(set(MEASURED.findall(query))):
        comparison.compared["metrics"] += 1
        base = next((name.removesuffix(end) for end in OF_HISTOGRAM if name.endswith(end)), name)
        if name not in measured and base not in measured:
            comparison.differ(where, f"{name} is no metric of the sources")
    for name in sorted(set(RECORDED.findall(query)) - recorded):
        comparison.differ(where, f"no rule records {name}")


def _alerts(comparison, alerts):
    root = comparison.root
    # A test that says "not now" names it too: what counts is a sample that is expected.
    tested = set()
    for path in sorted((root / TESTS).glob("*.yml")):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for expected in test.get("promql_expr_test", []):
                for sample in expected["exp_samples"]:
                    tested |= set(FIRING.findall(sample["labels"]))
    runbook = (root / RUNBOOK).read_text() if (root / RUNBOOK).exists() else ""
    pages = set(re.findall(r"^## (Depot\w+)$", runbook, re.MULTILINE))
    for name, (path, rule) in alerts.items():
        where = f"{path.relative_to(root)}, {name}"
        if rule.get("labels", {}).get("severity") not in SEVERITIES:
            comparison.differ(where, f"its severity is none of {', '.join(sorted(SEVERITIES))}")
        annotations = rule.get("annotations", {})
        for wanted in ("summary", "description"):
            if not annotations.get(wanted):
                comparison.differ(where, f"has no {wanted}")
        if annotations.get("runbook_url") != f"{RUNBOOK}#{name.lower()}":
            comparison.differ(where, f"its runbook_url is not {RUNBOOK}#{name.lower()}")
        if name not in pages:
            comparison.differ(where, f"{RUNBOOK} has no heading ## {name}")
        if name not in tested:
            comparison.differ(where, f"no test of {TESTS} expects it to fire")
    for name in sorted(pages - set(alerts)):
        comparison.differ(RUNBOOK, f"## {name} is no alert")


def _dashboard(comparison, path, sources, measured, recorded):
    where = str(path.relative_to(comparison.root))
    dashboard = json.loads(path.read_text())
    if dashboard["uid"] != f"depot-{path.stem}":
        comparison.differ(where, f"its uid is {dashboard['uid']}, and its links lead to depot-{path.stem}")
    titles = [panel["title"] for panel in dashboard["panels"]]
    for title in sorted({title for title in titles if titles.count(title) > 1}):
        comparison.differ(where, f"two panels are called {title}")
    for panel in dashboard["panels"]:
        place = f"{where}, {panel['title']}"
        if panel["type"] == "row":
            continue
        if not panel["fieldConfig"]["defaults"].get("unit"):
            comparison.differ(place, "has no unit")
        if not panel["targets"]:
            comparison.differ(place, "asks nothing")
        for target in panel["targets"]:
            if target["datasource"]["uid"] not in sources:
                comparison.differ(place, f"asks {target['datasource']['uid']}, which {SOURCES} does not have")
            _query(comparison, place, target["expr"], measured, recorded)


def _documented(comparison, measured):
    """Each metric has its row, and each row its metric."""
    text = (comparison.root / OPERATIONS).read_text()
    section = re.search(r"^## Metrics$(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    if not section:
        comparison.differ(OPERATIONS, "has no section Metrics")
        return
    named = set(re.findall(r"`((?:depot|process)_[a-z0-9_]+)[`{]", section.group(1)))
    for name in sorted(measured - named):
        comparison.differ(OPERATIONS, f"its section Metrics does not name {name}")
    for name in sorted(named - measured):
        comparison.differ(OPERATIONS, f"{name} is no metric of the sources")
