"""The same cases as tests/e2e on a real Kubernetes API server (tests/real/control-plane): scripts/test --real.

KUBECONFIG is its admin's; MENDD_REAL_DIR its folder, with mendd's own kubeconfig (user `mendd`) and audit.log, in which the API
server itself says what was done, by whom and how often.
"""
import os
import pathlib
import re
import socket
import struct
import threading
import time

import harness as h
import worlds

DIR = pathlib.Path(os.environ["MENDD_REAL_DIR"])


def cluster(name):
    text = (DIR / f"{name}.kubeconfig").read_text()
    found = {k: re.search(rf'{k}: "([^"]+)"', text).group(1) for k in ("server", "token", "certificate-authority")}
    return h.Cluster(found["server"], found["token"], found["certificate-authority"])


class SlowProxy:
    """Passes TCP through to the API server and holds every answer back for `delay` seconds, so that a test can see an effect on
    the server before mendd has its answer, and cut() the connections then. TLS goes through untouched."""

    def __init__(self, upstream_port, delay):
        self.upstream_port, self.delay, self.open = upstream_port, delay, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.upstream_port))
            except OSError:
                return
            self.open.append(client)
            threading.Thread(target=self.pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, True), daemon=True).start()

    def pump(self, source, sink, held_back):
        try:
            while data := source.recv(65536):
                if held_back and self.delay:
                    time.sleep(self.delay)
                sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        source.close()

    def cut(self):
        """Resets what is open, answers and all; what comes afterwards passes at once."""
        self.delay = 0
        cut, self.open = self.open, []
        for s in cut:
            try:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.shutdown(socket.SHUT_RDWR)
                s.close()
            except OSError:
                pass

    def close(self):
        self.cut()
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self.listener.close()


class Real(h.Scene):
    def setUp(self):
        super().setUp()
        self.admin, self.as_mendd = cluster("admin"), cluster("mendd")
        binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "mendd-e2e"},
                   "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                   "subjects": [{"kind": "User", "name": "mendd", "apiGroup": "rbac.authorization.k8s.io"}]}
        if not self.admin.get("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/mendd-e2e"):
            self.admin.create(binding)
        self.ns = "e2e-" + self.id().rsplit("_", 1)[-1] + "-" + str(time.time_ns())[-9:]

    def tearDown(self):
        super().tearDown()
        self.admin.call("DELETE", f"/api/v1/namespaces/{self.ns}")

    def effects(self, resource="deployments", verb="patch"):
        """What the API server's audit log says mendd did in this test's namespace, dry runs aside."""
        return [e for e in h.audited(DIR / "audit.log", verb, "mendd") if e["objectRef"].get("namespace") == self.ns
                and e["objectRef"]["resource"] == resource and "dryRun" not in e["requestURI"]
                and e.get("responseStatus", {}).get("code", 0) < 300]


class RealPlaybooks(Real):
    def test_the_five_shipped_playbooks_repair_real_workloads(self):
        world = h.Cluster(self.as_mendd.url, self.admin.token, self.admin.ca)
        kubeconfig = self.as_mendd.kubeconfig
        world.kubeconfig = kubeconfig  # the test breaks as admin, mendd repairs as itself
        worlds.repair_all(self, world, self.ns)
        h.until("the audit log has the repairs", lambda: len(self.effects()) >= 3 and self.effects("pods", "delete"))


class RealOnce(Real):
    def world(self, kubeconfig_url=None):
        self.admin.create(h.namespace(self.ns))
        self.admin.create(h.deployment(self.ns, "api", 2, {"sim/unready-until-restarted": "true"}))
        self.admin.wait_pods(self.ns, "app=api", 2, ready=False)
        self.mendd = self.new_mendd()
        self.am = self.alertmanager(self.mendd.url + "/webhook")
        kubeconfig = self.as_mendd.kubeconfig(self.mendd.folder / "kubeconfig", url=kubeconfig_url)
        self.mendd.configure(kubeconfig, [self.am]).with_playbooks(h.restart_playbook()).start()
        self.am.fire("Broken", namespace=self.ns, deployment="api")
        return self.mendd.run_of("Broken")["id"]

    def restarted(self):
        return "restartedAt" in str(self.admin.deployment(self.ns, "api")["spec"]["template"])

    def slow_proxy(self):
        proxy = SlowProxy(int(self.as_mendd.url.rsplit(":", 1)[1]), 0.7)
        self.addCleanup(proxy.close)
        return proxy

    def resolved_once(self, run):
        record = self.mendd.wait_done(run, 60)
        self.assertEqual((record["outcome"], record["reason"]), ("resolved", "repaired"), h.json.dumps(h.brief(record), indent=1))
        h.until("Alertmanager shows it resolved", lambda: not self.am.active("Broken"))
        h.until("the audit log has the effect", self.effects)
        time.sleep(1.5)  # the audit log is written once a second: a second effect would be there by now
        self.assertEqual(len(self.effects()), 1, self.effects())

    def test_killed_while_verifying(self):
        run = self.world()
        self.mendd.wait_run(run, state="verifying")
        self.mendd.kill9()
        self.mendd.start()
        self.resolved_once(run)

    def test_killed_between_the_effect_and_its_answer(self):
        proxy = self.slow_proxy()
        run = self.world(f"https://127.0.0.1:{proxy.port}")
        h.until("the effect is there", self.restarted, interval=0.02)
        self.mendd.kill9()
        proxy.cut()
        self.mendd.start()
        self.resolved_once(run)

    def test_connection_reset_after_the_effect_before_its_answer(self):
        proxy = self.slow_proxy()
        run = self.world(f"https://127.0.0.1:{proxy.port}")
        h.until("the effect is there", self.restarted, interval=0.02)
        proxy.cut()
        self.resolved_once(run)

    def test_forbidden_says_verb_and_resource(self):
        self.admin.call("DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/mendd-e2e")
        run = self.world()
        record = self.mendd.wait_done(run)
        self.assertEqual((record["outcome"], record["escalated"]), ("skipped", True), h.json.dumps(h.brief(record), indent=1))
        self.assertEqual(record["reason"], "forbidden")
        self.assertRegex(record["message"], 'GET deployments.*User "mendd" cannot get resource "deployments"')
