"""A user for mendd with exactly the rights that `mendctl rbac` prints, and no more: on a real API server a service account and
the roles, on kubesim a token and the same roles.
"""
import json
import subprocess
import urllib.parse

import harness as h

RBAC = "/apis/rbac.authorization.k8s.io/v1"
PLURALS = {"Role": "roles", "RoleBinding": "rolebindings", "ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings"}
SIM_TOKEN = "granted-token"


def manifests(playbooks, config_file, cluster, ns, name):
    """What `mendctl rbac -o json` prints for the service account `mendd` of the namespace, without that account."""
    r = subprocess.run([str(h.BIN / "mendctl"), "rbac", "--config.file", str(config_file), "--cluster", cluster, "--name", name,
                        "--subject", f"serviceaccount:{ns}/mendd", "-o", "json", *(a for p in playbooks for a in ("--playbooks", str(p)))],
                       capture_output=True, text=True)
    if r.returncode:
        raise AssertionError(f"mendctl rbac: {r.stderr}")
    return [m for m in json.loads(r.stdout)["items"] if m["kind"] != "ServiceAccount"]


def for_mendd(config_file, playbooks, kubeconfig, ns):
    """The manifests for that one of the configuration's clusters which this kubeconfig leads to (there may be several names)."""
    clusters = json.loads(config_file.read_text())["clusters"]
    names = [c["name"] for c in clusters if c.get("kubeconfig") == str(kubeconfig)]
    return [m for i, name in enumerate(names) for m in manifests(playbooks, config_file, name, ns, f"{ns}-{i}")]


def account(admin, ns):
    """A token of the service account `mendd` in the namespace, which is made."""
    base = f"/api/v1/namespaces/{ns}/serviceaccounts"
    a = admin.call("POST", base, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "mendd"}})
    if a.status not in (201, 409):
        raise AssertionError(f"the service account: {a}")
    a = admin.call("POST", f"{base}/mendd/token", {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
    if a.status != 201:
        raise AssertionError(f"its token: {a}")
    return a.json["status"]["token"]


def path_of(manifest):
    ns = manifest["metadata"].get("namespace")
    return f"{RBAC}/{f'namespaces/{ns}/' if ns else ''}{PLURALS[manifest['kind']]}"


def attributes(role):
    """One thing that the role allows, as an access review asks for it."""
    rule = role["rules"][0]
    resource, _, sub = rule["resources"][0].partition("/")
    wanted = {"verb": rule["verbs"][0], "group": rule["apiGroups"][0], "resource": resource, "subresource": sub,
              "namespace": role["metadata"].get("namespace", ""), "name": (rule.get("resourceNames") or [""])[0]}
    return {k: v for k, v in wanted.items() if v}


def allowed(cluster, wanted):
    a = cluster.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": wanted}})
    return a.status == 201 and a.json["status"].get("allowed", False)


def grant(admin, user, items):
    """Makes the roles and bindings, and waits until the server goes by them. Returns the paths of those that it made: a Role in a
    namespace that is not there is left out, nobody can need it."""
    made = []
    for m in items:
        a = admin.call("POST", path_of(m), m)
        if a.status == 404 and m["metadata"].get("namespace"):
            continue
        if a.status != 201:
            raise AssertionError(f"POST {path_of(m)}: {a}")
        made.append(f"{path_of(m)}/{urllib.parse.quote(m['metadata']['name'])}")
        if m["kind"].endswith("Binding"):
            wanted = attributes(role)
            h.until(f"{m['kind']} {m['metadata']['name']} holds ({wanted})", lambda: allowed(user, wanted), 10)
        else:
            role = m
    return made


def revoke(admin, made):
    for path in reversed(made):
        admin.call("DELETE", path)


def grant_sim(sim, items):
    a = sim.call("POST", "/_sim/rbac", {"token": SIM_TOKEN, "user": "mendd", "items": items})
    if a.status != 200:
        raise AssertionError(f"/_sim/rbac: {a}")
