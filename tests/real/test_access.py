"""A real API server, over TLS: by an exec plugin's credential, and through a proxy.

KUBECONFIG and MENDD_REAL_DIR as in test_real.py.
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import proxies  # noqa: E402
import test_real  # noqa: E402  (its cases are not taken over: only the classes of this module's own are run)

h = test_real.h


class RealAccess(test_real.Real):
    def repair(self, user, **cluster):
        self.admin.create(h.namespace(self.ns))
        self.admin.create(h.deployment(self.ns, "api", 2))
        self.admin.wait_pods(self.ns, "app=api", 2, ready=True)
        self.mendd = self.new_mendd()
        path = self.mendd.folder / "kubeconfig"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": self.as_mendd.url, "certificate-authority": self.as_mendd.ca, **cluster}}],
            "users": [{"name": "u", "user": user}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}))
        path.chmod(0o600)
        self.mendd.configure(path).with_playbooks(h.restart_playbook(settle="1s")).start()
        self.mendd.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": self.ns, "deployment": "api"}}))
        record = self.mendd.wait_done(self.mendd.run_of("Broken")["id"], 60)
        self.assertEqual(record["outcome"], "resolved", h.json.dumps(h.brief(record), indent=1))
        h.until("the audit log has the effect", self.effects)
        self.assertEqual(len(self.effects()), 1)

    def test_by_an_exec_plugin(self):
        credential = {"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential",
                      "status": {"token": self.as_mendd.token}}
        self.repair({"exec": {"apiVersion": credential["apiVersion"], "command": "echo", "args": [json.dumps(credential)],
                              "env": None, "provideClusterInfo": False}})

    def test_through_a_proxy(self):
        proxy = proxies.Connect()
        self.addCleanup(proxy.close)
        self.repair({"token": self.as_mendd.token}, **{"proxy-url": f"http://127.0.0.1:{proxy.port}"})
        self.assertEqual(set(proxy.asked), {"CONNECT " + self.as_mendd.url.split("//")[1]})
