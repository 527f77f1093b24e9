"""What every pod has to be: restricted, with resources, exact images and probes, spread, not killed while it drains."""

import math
import re

from images import why_not_exact
from objects import component_of, containers_of, matches, pod_of, ports_of, settings_of

OUR_UID = 10001
OUR_PROGRAMS = ("command-api", "query-api", "projector", "uploader", "migrate", "topics", "buckets")
SPREAD_OVER = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
ALLOWED_VOLUMES = {"configMap", "secret", "emptyDir", "projected", "persistentVolumeClaim", "downwardAPI"}
QUANTITY = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
            "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def check(rendered):
    for workload in rendered.workloads:
        restricted(rendered, workload)
        resources(rendered, workload)
        images(rendered, workload)
        if workload["kind"] == "Job":
            job(rendered, workload)
        else:
            probes(rendered, workload)
            grace(rendered, workload)
            spread(rendered, workload)


def quantity(text):
    number, unit = re.fullmatch(r"([\d.]+)([A-Za-z]*)", str(text)).groups()
    return float(number) * QUANTITY[unit]


def restricted(rendered, workload):
    """The Pod Security Standard `restricted`, and more."""
    spec = pod_of(workload)[1]
    pod = spec.get("securityContext", {})
    ours = component_of(workload) in OUR_PROGRAMS
    wanted = [
        (pod.get("runAsNonRoot") is True, "runAsNonRoot is not true"),
        (isinstance(pod.get("runAsUser"), int) and pod["runAsUser"] > 0, "no user by number other than root"),
        (not ours or pod.get("runAsUser") == OUR_UID, f"runs as another user than the image's {OUR_UID}"),
        (pod.get("seccompProfile", {}).get("type") == "RuntimeDefault", "no seccomp profile RuntimeDefault"),
        (spec.get("automountServiceAccountToken") is False, "mounts a token of the API server"),
        (spec.get("enableServiceLinks") is False,
         "has service links: a Service's variables would be taken for settings"),
        (not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), "shares the machine's namespaces"),
    ]
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        wanted.append((kinds <= ALLOWED_VOLUMES, f"volume {volume['name']} is of a kind that is not allowed: {kinds}"))
    for container in containers_of(workload):
        security = container.get("securityContext", {})
        capabilities = security.get("capabilities", {})
        where = f"container {container['name']}: "
        wanted += [
            (security.get("allowPrivilegeEscalation") is False, where + "allowPrivilegeEscalation is not false"),
            (security.get("readOnlyRootFilesystem") is True, where + "readOnlyRootFilesystem is not true"),
            (capabilities == {"drop": ["ALL"]}, where + "does not drop all capabilities"),
            (not security.get("privileged"), where + "is privileged"),
            (security.get("runAsUser", 1) != 0 and security.get("runAsNonRoot", True), where + "runs as root"),
            (not any("hostPort" in port for port in container.get("ports", [])), where + "has a port of the machine"),
        ]
    for good, text in wanted:
        if not good:
            rendered.fault(workload, text)


def resources(rendered, workload):
    """No limit of processors is asked for: docs/decisions/0087."""
    for container in containers_of(workload):
        resources = container.get("resources", {})
        requests, limits = resources.get("requests", {}), resources.get("limits", {})
        for kind, names in (("requests", ("cpu", "memory")), ("limits", ("memory",))):
            for name in names:
                if name not in resources.get(kind, {}):
                    rendered.fault(workload, f"container {container['name']}: no {kind} of {name}")
        for name in set(requests) & set(limits):
            if quantity(requests[name]) > quantity(limits[name]):
                rendered.fault(workload, f"container {container['name']}: requests more {name} than its limit")


def images(rendered, workload):
    for container in containers_of(workload):
        image = container.get("image", "")
        reason = why_not_exact(image)
        if reason:
            rendered.fault(workload, f"container {container['name']}: image {image}: {reason}")


def probes(rendered, workload):
    ports = ports_of(workload)
    for container in containers_of(workload):
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = container.get(kind)
            if not probe:
                rendered.fault(workload, f"container {container['name']}: no {kind}")
                continue
            for way in ("httpGet", "tcpSocket", "grpc"):
                port = probe.get(way, {}).get("port")
                if port is not None and port not in ports and port not in ports.values():
                    text = f"container {container['name']}: {kind} asks port {port}, which it has not"
                    rendered.fault(workload, text)


def grace(rendered, workload):
    """A pod is not killed while its process drains."""
    for variables in settings_of(workload, rendered.items).values():
        deadline = variables.get("SHUTDOWN_DEADLINE_SECONDS")
        if deadline is None:
            continue
        notice = math.ceil(int(variables.get("SHUTDOWN_NOTICE_MS") or 0) / 1000)
        least = notice + int(deadline) + rendered.facts.after_drain_seconds
        grace = pod_of(workload)[1].get("terminationGracePeriodSeconds", 30)
        if grace <= least:
            rendered.fault(workload, f"is killed after {grace} s, and may take {least} s to drain")
    if workload["kind"] == "Deployment" and component_of(workload) in OUR_PROGRAMS:
        if not any("SHUTDOWN_DEADLINE_SECONDS" in found for found in settings_of(workload, rendered.items).values()):
            rendered.fault(workload, "does not say how long it drains")


def spread(rendered, workload):
    """Over zones and machines, each counted by the pods of this workload."""
    labels, spec = pod_of(workload)
    constraints = {constraint["topologyKey"]: constraint for constraint in spec.get("topologySpreadConstraints", [])}
    for key in SPREAD_OVER:
        if key not in constraints:
            rendered.fault(workload, f"is not spread over {key}")
        elif not matches(constraints[key].get("labelSelector", {}), labels):
            rendered.fault(workload, f"is spread over {key} by other pods than its own")


def job(rendered, workload):
    spec = workload["spec"]
    for key in ("backoffLimit", "ttlSecondsAfterFinished"):
        if key not in spec:
            rendered.fault(workload, f"no {key}")
    if pod_of(workload)[1].get("restartPolicy") not in ("Never", "OnFailure"):
        rendered.fault(workload, "restartPolicy is neither Never nor OnFailure")
