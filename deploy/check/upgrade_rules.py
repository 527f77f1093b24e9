"""What only an upgrade has: its steps are hooks, since a Job that is part of the release would be changed in place."""

from objects import by_kind


def check(rendered):
    for job in by_kind(rendered.items, "Job"):
        hooks = job["metadata"].get("annotations", {}).get("helm.sh/hook", "")
        if "pre-upgrade" not in hooks.split(","):
            rendered.fault(job, "is no hook of the upgrade, and Kubernetes changes no Job in place")
