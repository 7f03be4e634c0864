"""As whom and which way the API server is reached: exec plugins and proxies of the kubeconfig."""
import base64
import json
import os
import subprocess
import time

import harness as h
import proxies


class Access(h.Scene):
    def setUp(self):
        super().setUp()
        self.sim, self.mendd = self.kubesim(), self.new_mendd()
        self.sim.create(h.namespace("shop"))
        self.sim.create(h.deployment("shop", "api", 2))
        self.sim.wait_pods("shop", "app=api", 2, ready=True)

    def kubeconfig(self, user=None, **cluster):
        path = self.mendd.folder / "kubeconfig"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": self.sim.url, **cluster}}],
            "users": [{"name": "u", "user": user or {"token": self.sim.token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}))
        path.chmod(0o600)
        return path

    def repair(self, timeout=40, **playbook):
        self.mendd.with_playbooks(h.restart_playbook(settle="1s", **playbook)).start()
        return self.fire(timeout)

    def fire(self, timeout=40):
        self.mendd.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api"}}))
        return self.mendd.wait_done(self.mendd.run_of("Broken")["id"], timeout)

    def assertRepaired(self, record):
        self.assertEqual((record["outcome"], record["reason"]), ("resolved", "repaired"), h.json.dumps(h.brief(record), indent=1))
        self.assertEqual(len(self.sim.writes("PATCH", "/deployments/api")), 1)

    # ---- exec plugins ----

    def plugin(self, body):
        """A login program beside the kubeconfig; it counts its runs."""
        path = self.mendd.folder / "login"
        path.write_text(f"#!/bin/sh\ncd {self.mendd.folder}\necho run >> runs\n{body}\n")
        path.chmod(0o755)
        return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./login", "args": ["--for", "mendd"],
                         "env": [{"name": "LOGIN_TOKEN", "value": self.sim.token}], "interactiveMode": "Never",
                         "provideClusterInfo": True}}

    def runs(self):
        path = self.mendd.folder / "runs"
        return len(path.read_text().splitlines()) if path.exists() else 0

    GIVES = """printf '%s' "$KUBERNETES_EXEC_INFO" > info
echo "{\\"apiVersion\\": \\"client.authentication.k8s.io/v1\\", \\"kind\\": \\"ExecCredential\\",
\\"status\\": {\\"token\\": \\"$LOGIN_TOKEN\\", \\"expirationTimestamp\\": \\"2099-01-01T00:00:00Z\\"}}" """

    def test_a_repair_by_a_plugins_token(self):
        self.mendd.configure(self.kubeconfig(self.plugin(self.GIVES)))
        self.assertRepaired(self.repair())
        self.assertEqual(self.runs(), 1)
        info = json.loads((self.mendd.folder / "info").read_text())
        self.assertEqual(info["spec"]["cluster"]["server"], self.sim.url)
        self.assertNotIn(self.sim.token, self.mendd.text())

    def test_mendctl_asks_by_the_plugin_too(self):
        self.mendd.configure(self.kubeconfig(self.plugin(self.GIVES))).with_playbooks(h.restart_playbook())
        alert = json.dumps({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api"}})
        r = subprocess.run([h.BIN / "mendctl", "plan", "--alert", "-", "-o", "json", "--playbooks", self.mendd.playbooks[0],
                            "--config.file", self.mendd.config_file], input=alert, capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        self.assertIn("/deployments/api", r.stdout)
        self.assertEqual(self.runs(), 1)

    def test_a_plugin_that_fails_is_said_and_the_daemon_lives_on(self):
        self.mendd.configure(self.kubeconfig(self.plugin("echo 'session over: aws sso login' >&2; exit 1")))
        self.mendd.with_playbooks(h.restart_playbook(settle="1s", limits={"cooldown": "0s"})).start()
        self.mendd.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api"}}))
        h.until("the log says why", lambda: "session over: aws sso login" in self.mendd.text())
        run = self.mendd.run_of("Broken")["id"]
        h.until("the record says why", lambda: "exit status 1" in json.dumps(self.mendd.record(run)["timeline"]))
        begun = time.monotonic()
        self.assertEqual(self.mendd.get("/-/healthy").status, 200)
        self.assertLess(time.monotonic() - begun, 1)
        self.plugin(self.GIVES)  # somebody logs in: the run that waited goes on
        self.assertRepaired(self.mendd.wait_done(run, 60))
        self.assertEqual(self.sim.writes("DELETE"), [])

    def test_a_plugin_that_hangs_holds_up_nothing(self):
        self.mendd.configure(self.kubeconfig(self.plugin("echo $$ > pid; exec sleep 1000")))
        self.mendd.with_playbooks(h.restart_playbook()).start()
        self.mendd.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api"}}))
        pid = int(h.until("it hangs", lambda: (self.mendd.folder / "pid").read_text()))
        for _ in range(20):
            begun = time.monotonic()
            self.assertEqual(self.mendd.get("/-/healthy").status, 200)
            self.assertLess(time.monotonic() - begun, 1)
        self.assertEqual(self.mendd.stop(), 0)
        h.until("the plugin went with mendd", lambda: not os.path.exists(f"/proc/{pid}"))

    def test_a_kubeconfig_that_others_can_write_runs_nothing(self):
        self.mendd.configure(self.kubeconfig(self.plugin(self.GIVES)))
        (self.mendd.folder / "kubeconfig").chmod(0o666)
        self.mendd.with_playbooks(h.restart_playbook()).start()
        self.mendd.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api"}}))
        run = self.mendd.run_of("Broken")["id"]
        h.until("the record says why", lambda: "exec plugin is not run" in json.dumps(self.mendd.record(run)["timeline"]))
        self.assertIn("exec plugin is not run", self.mendd.text())
        self.assertEqual(self.runs(), 0)

    # ---- proxies ----

    def proxy(self, kind):
        proxy = kind()
        self.addCleanup(proxy.close)
        return proxy

    def test_through_an_http_proxy(self):
        proxy = self.proxy(proxies.Connect)
        self.mendd.configure(self.kubeconfig(**{"proxy-url": f"http://me:s3cret-word@127.0.0.1:{proxy.port}"}))
        record = self.repair(diagnose=[{"action": "exec.read", "with": {"command": ["true"]}}])
        self.assertRepaired(record)
        self.assertIn("exit 0", json.dumps(record["evidence"]))  # a WebSocket goes the same way
        self.assertEqual(set(proxy.asked), {f"CONNECT 127.0.0.1:{self.sim.port}"})
        self.assertEqual(set(proxy.authorizations), {"Basic " + base64.b64encode(b"me:s3cret-word").decode()})
        self.assertNotIn("s3cret-word", self.mendd.text())

    def test_through_a_socks_proxy(self):
        proxy = self.proxy(proxies.Socks5)
        self.sim.url = f"http://localhost:{self.sim.port}"  # the name is the proxy's to resolve
        self.mendd.configure(self.kubeconfig(**{"proxy-url": f"socks5://127.0.0.1:{proxy.port}"}))
        self.assertRepaired(self.repair())
        self.assertEqual(set(proxy.asked), {f"1 3 localhost:{self.sim.port}"})

    def test_a_proxy_that_refuses_is_no_api_server(self):
        proxy = self.proxy(proxies.Connect)
        proxy.refuse = 407
        self.mendd.configure(self.kubeconfig(**{"proxy-url": f"http://127.0.0.1:{proxy.port}"}))
        self.mendd.with_playbooks(h.restart_playbook(settle="1s")).start()
        self.mendd.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api"}}))
        run = self.mendd.run_of("Broken")["id"]
        words = f"connect to 127.0.0.1:{self.sim.port} through the proxy 127.0.0.1:{proxy.port}: it refused with status 407"
        h.until("the record names the proxy", lambda: words in json.dumps(self.mendd.record(run)["timeline"]))
        proxy.refuse = None
        self.assertRepaired(self.mendd.wait_done(run, 60))
