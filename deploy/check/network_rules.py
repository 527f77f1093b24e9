"""Everything is denied, and what is allowed again is for somebody in particular."""

from objects import by_kind, matches, name_of, pod_of, ports_of


def check(rendered):
    policies = by_kind(rendered.items, "NetworkPolicy")
    every = [policy for policy in policies if not policy["spec"]["podSelector"]]
    denied = any(set(policy["spec"].get("policyTypes", [])) == {"Ingress", "Egress"}
                 and not policy["spec"].get("ingress") and not policy["spec"].get("egress") for policy in every)
    if rendered.workloads and not denied and any(item["kind"] != "Job" for item in rendered.workloads):
        rendered.faults.append("no NetworkPolicy denies all of the namespace by default")
    for workload in rendered.workloads:
        labels = pod_of(workload)[0]
        if not any(policy not in every and matches(policy["spec"]["podSelector"], labels) for policy in policies):
            rendered.fault(workload, "no NetworkPolicy of its own covers its pods")
    for policy in policies:
        if policy in every:
            if policy["spec"].get("ingress") or policy["spec"].get("egress"):
                rendered.fault(policy, "opens something for every pod of the namespace")
            continue
        if set(policy["spec"].get("policyTypes", [])) != {"Ingress", "Egress"}:
            rendered.fault(policy, "does not govern both directions")
        _rules(rendered, policy)
    _both_ends_agree(rendered, [policy for policy in policies if policy not in every])


def _rules(rendered, policy):
    covered = rendered.pods(policy["spec"]["podSelector"])
    if not covered:
        rendered.fault(policy, "covers no pod")
    for direction, end in (("ingress", "from"), ("egress", "to")):
        for rule in policy["spec"].get(direction, []):
            if not rule.get(end) or not rule.get("ports"):
                rendered.fault(policy, f"has a rule of {direction} for everybody, or for every port")
            for peer in rule.get(end, []):
                # Without a namespace it means this one.
                if "podSelector" in peer and "namespaceSelector" not in peer and not rendered.pods(peer["podSelector"]):
                    rendered.fault(policy, f"names pods that are not there: {peer['podSelector']}")
                if "namespaceSelector" in peer and not peer["namespaceSelector"]:
                    rendered.fault(policy, "names every namespace")
            for port in rule.get("ports", []):
                if direction == "ingress":
                    for workload in covered:
                        ports = ports_of(workload)
                        if port["port"] not in ports and port["port"] not in ports.values():
                            rendered.fault(policy, f"opens port {port['port']}, which {name_of(workload)} has not")
    _admin_is_apart(rendered, policy)


def _admin_is_apart(rendered, policy):
    """Whoever may send requests to a public port may not read metrics, or ask an admin's questions."""
    admin_ports = {"admin", *rendered.facts.admin_ports}
    peers = {"admin": [], "public": []}
    for rule in policy["spec"].get("ingress", []):
        for port in rule.get("ports", []):
            peers["admin" if port["port"] in admin_ports else "public"] += rule.get("from", [])
    for peer in peers["admin"]:
        if peer in peers["public"]:
            rendered.fault(policy, f"opens the admin port for {peer}, which sends requests to a public port")


def _both_ends_agree(rendered, policies):
    """Pods of one application: whom one may call has to let it in, and who is let in has to be able to call."""
    ends = {"ingress": set(), "egress": set()}
    for policy in policies:
        covered = rendered.pods(policy["spec"]["podSelector"])
        for direction, end in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(direction, []):
                for peer in rule.get(end, []):
                    if "podSelector" not in peer or "namespaceSelector" in peer:
                        continue
                    for this in covered:
                        for other in rendered.pods(peer["podSelector"]):
                            caller, called = (other, this) if direction == "ingress" else (this, other)
                            numbers = ports_of(called)
                            for port in rule.get("ports", []):
                                number = numbers.get(port["port"], port["port"])
                                ends[direction].add((name_of(caller), name_of(called), number))
    for caller, called, port in sorted(ends["egress"] - ends["ingress"]):
        rendered.faults.append(f"{caller} may call {called} at {port}, which does not let it in")
    for caller, called, port in sorted(ends["ingress"] - ends["egress"]):
        rendered.faults.append(f"{called} lets {caller} in at {port}, which may not call it")
