"""Where row cases are played (rows.py): the real API server of tests/real/control-plane, or kubesim."""
import urllib.parse

import doings
import granted
import harness as h


class Real:
    """The real API server of tests/real/control-plane; all cases share it."""
    name, audit_delay_s = "real", 1.3

    def __init__(self):
        import test_real
        self.dir = test_real.DIR
        self.admin = test_real.cluster("admin")
        self.audit = None

    def enter(self, scene):
        scene.cluster = doings.Admin(self.admin)

    def leave(self, scene):
        granted.revoke(self.admin, getattr(scene, "granted", []))
        self.admin.call("DELETE", "/api/v1/namespaces/" + scene.ns)
        for node in scene.nodes:  # a namespace does not take them along, and the next case counts what is ready
            self.admin.call("DELETE", "/api/v1/nodes/" + node)

    def kubeconfig(self, scene, path):
        scene.user = h.Cluster(self.admin.url, granted.account(self.admin, scene.ns), self.admin.ca)
        return scene.user.kubeconfig(path)

    def grant(self, scene, items):
        scene.granted = granted.grant(self.admin, scene.user, items)

    def writes(self, scene, told):
        if self.audit is None:
            methods = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE", "deletecollection": "DELETE"}
            self.audit = [(e.get("objectRef") or {}, methods[e["verb"]] + " " + urllib.parse.urlsplit(e["requestURI"]).path,
                           e["requestReceivedTimestamp"])
                          for e in h.lines(self.dir / "audit.log") if e.get("user", {}).get("username", "").endswith(":mendd")
                          and e["verb"] in methods and e["stage"] == "ResponseComplete" and "dryRun" not in e["requestURI"]
                          and e.get("responseStatus", {}).get("code", 0) < 300
                          and not e["requestURI"].startswith("/apis/authorization")]
            self.audit.sort(key=lambda a: a[2])
        # of what lies in no namespace: the objects that the records speak of, and what bears the case's name
        own, paths = scene.namespaces(), {line.split(" ")[1] for line in told}
        return [line for of, line, _ in self.audit if of.get("subresource") != "exec" and (
            of["namespace"] in own if of.get("namespace") else line.split(" ")[1] in paths or scene.ns in line)]


class Sim:
    """A kubesim a case: nothing to share."""
    name, audit_delay_s = "kubesim", 0

    def enter(self, scene):
        scene.sim = scene.add(h.Kubesim(scene.folder)).start()
        scene.cluster = doings.Admin(scene.sim)

    def leave(self, scene):
        """Before its folder goes."""
        written = h.lines(scene.sim.audit_file) if hasattr(scene, "sim") else []
        scene.written = [f"{e['method']} {e['path']}" for e in written
                         if e["applied"] and (e["query"] or {}).get("by") != "runner" and "/exec" not in e["path"]]

    def kubeconfig(self, scene, path):
        return scene.sim.kubeconfig(path, token=granted.SIM_TOKEN)

    def grant(self, scene, items):
        granted.grant_sim(scene.sim, items)

    def writes(self, scene, told):
        return scene.written
