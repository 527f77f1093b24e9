"""Whatever an object refers to is there, and secrets are where they belong."""

import re

from objects import by_kind, component_of, containers_of, matches, name_of, pod_of, ports_of

SECRET_NAMES = re.compile(r"SECRET|PASSWORD|TOKEN|ACCESS_KEY|^DATABASE_URL$|_DATABASE_URL$|^REDIS_ADDR$")
# Settings that only sound like a secret.
NO_SECRETS = re.compile(r"_FILE$|_SECONDS$|_MS$")
CREDENTIALS = re.compile(r"://[^/@\s]*:[^/@\s]+@")


def check(rendered):
    names(rendered)
    for workload in rendered.workloads:
        references(rendered, workload)
        if workload["kind"] != "Job":
            selector(rendered, workload)
    services(rendered)
    ingresses(rendered)
    no_secret_in_the_open(rendered)
    least_privilege(rendered)


def names(rendered):
    seen = set()
    for item in rendered.items:
        if name_of(item) in seen:
            rendered.fault(item, "is there twice")
        seen.add(name_of(item))
        if len(item["metadata"]["name"]) > 63:
            rendered.fault(item, "has a name of more than 63 characters")
        release = item["metadata"].get("labels", {}).get("app.kubernetes.io/instance", "")
        if not release or not item["metadata"]["name"].startswith(release):
            rendered.fault(item, "has a name that does not begin with its release's")
    spaces = {item["metadata"].get("namespace") for item in rendered.items}
    if len(spaces) > 1:
        rendered.faults.append(f"objects are in different namespaces: {spaces}")


def selector(rendered, workload):
    labels = pod_of(workload)[0]
    if not matches(workload["spec"]["selector"], labels):
        rendered.fault(workload, "does not select its own pods")
    if workload["kind"] == "StatefulSet":
        name = workload["spec"]["serviceName"]
        service = next((item for item in by_kind(rendered.items, "Service") if item["metadata"]["name"] == name), None)
        if not service or service["spec"].get("clusterIP") != "None":
            rendered.fault(workload, f"there is no headless Service {name}")


def references(rendered, workload):
    spec = pod_of(workload)[1]
    account = spec.get("serviceAccountName")
    if account:
        rendered.refer(workload, "ServiceAccount", account)
    elif workload["kind"] != "Job":
        rendered.fault(workload, "has no ServiceAccount of its own")
    for pull in spec.get("imagePullSecrets", []):
        rendered.refer(workload, "Secret", pull["name"])
    claims = [claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])]
    volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
    for volume in volumes.values():
        for source, kind, key in (("secret", "Secret", "secretName"), ("configMap", "ConfigMap", "name")):
            if source in volume:
                wanted = [item["key"] for item in volume[source].get("items", [])]
                rendered.refer(workload, kind, volume[source][key], *wanted)
        if "persistentVolumeClaim" in volume:
            rendered.refer(workload, "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
    for container in containers_of(workload):
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes and mount["name"] not in claims:
                rendered.fault(workload, f"mounts {mount['name']}, which is no volume of the pod")
        for source in container.get("envFrom", []):
            for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                if key in source:
                    rendered.refer(workload, kind, source[key]["name"])
        for variable in container.get("env", []):
            for kind, key in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
                if key in variable.get("valueFrom", {}):
                    source = variable["valueFrom"][key]
                    rendered.refer(workload, kind, source["name"], source["key"])


def services(rendered):
    for service in by_kind(rendered.items, "Service"):
        found = rendered.pods({"matchLabels": service["spec"]["selector"]})
        if not found:
            rendered.fault(service, "selects no pod")
        for workload in found:
            ports = ports_of(workload)
            for port in service["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                if target not in ports and target not in ports.values():
                    rendered.fault(service, f"port {port['name']} leads to {target}, which {name_of(workload)} has not")
                elif ports.get(target, target) != port["port"]:
                    rendered.fault(service, f"port {port['name']} is {port['port']}, and the container's another")


def ingresses(rendered):
    services = {item["metadata"]["name"]: item for item in by_kind(rendered.items, "Service")}
    hosts = {}
    for ingress in by_kind(rendered.items, "Ingress"):
        for tls in ingress["spec"].get("tls", []):
            rendered.refer(ingress, "Secret", tls["secretName"])
        for rule in ingress["spec"]["rules"]:
            if rule["host"] in hosts:
                other = hosts[rule["host"]]
                rendered.fault(ingress, f"has the host of {other}, and no Ingress splits a path by method")
            hosts[rule["host"]] = name_of(ingress)
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                service = services.get(backend["name"])
                ports = {port["name"] for port in service["spec"]["ports"]} if service else set()
                if backend["port"].get("name") not in ports:
                    rendered.fault(ingress, f"leads to {backend}, which is not there")
                if backend["port"].get("name") == "admin":
                    rendered.fault(ingress, "leads to an admin port")


def no_secret_in_the_open(rendered):
    for item in by_kind(rendered.items, "ConfigMap"):
        for key, value in item.get("data", {}).items():
            if is_secret(key, value):
                rendered.fault(item, f"{key} is a secret, and belongs into a Secret")
    for workload in rendered.workloads:
        for container in containers_of(workload):
            for variable in container.get("env", []):
                if "value" in variable and is_secret(variable["name"], variable["value"]):
                    rendered.fault(workload, f"{variable['name']} is a secret, and stands in the pod itself")


def least_privilege(rendered):
    """A Secret is read by the program that it is named after; the migration reads URLs for the passwords in them."""
    for workload in rendered.workloads:
        reader = component_of(workload)
        for container in containers_of(workload):
            for variable in container.get("env", []):
                source = variable.get("valueFrom", {}).get("secretKeyRef")
                if not source or reader == "migrate" and source["key"] == "DATABASE_URL":
                    continue
                if not source["name"].endswith(f"-{reader}"):
                    rendered.fault(workload, f"reads {source['key']} of Secret/{source['name']}, which is another's")


def is_secret(name, value):
    if CREDENTIALS.search(str(value)):
        return True
    return bool(SECRET_NAMES.search(name)) and not NO_SECRETS.search(name)
