"""An operator's hand: approvals, cancelling, pausing, tokens, the approval page, mendctl's verbs for them."""
import html
import json
import os
import pty
import re
import signal
import subprocess
import urllib.parse

import harness as h

SCOPES = {"am": "webhook", "look": "viewer", "oncall": "approve", "ops": "operator"}


def secret(name):
    return f"{name}-secret-0123456789"


class Operators(h.Scene):
    def setUp(self):
        super().setUp()
        self.sim, self.mendd = self.kubesim(), self.new_mendd()
        self.sim.create(h.namespace("shop"))
        self.token_file = None

    def begin(self, *playbooks, **config):
        self.mendd.configure(self.sim.kubeconfig(self.mendd.folder / "kubeconfig"), **config)
        self.mendd.with_playbooks(*playbooks)
        self.mendd.start()

    def broken(self, name="api"):
        self.sim.create(h.deployment("shop", name, 2, {"sim/unready-until-restarted": "true"}))
        self.sim.wait_pods("shop", "app=" + name, 2, ready=False)

    def fire(self, name="api", alertname="Broken", **more):
        a = self.mendd.webhook(h.payload({"labels": {"alertname": alertname, "namespace": "shop", "deployment": name}}), **more)
        self.assertEqual(a.status, 200, a)

    def waiting(self, name="api"):
        self.fire(name)
        return self.mendd.wait_run(self.mendd.run_of("Broken", deployment=name)["id"], state="awaiting_approval")

    def post(self, path, body=None, token=None, **headers):
        if token:
            headers["Authorization"] = "Bearer " + token
        return h.request(self.mendd.url + path, "POST", body, headers)

    def get(self, path, token=None):
        return h.request(self.mendd.url + path, headers={"Authorization": "Bearer " + token} if token else {})

    def ctl(self, *words, code=0):
        argv = [str(h.BIN / "mendctl"), "--url", self.mendd.url, *words]
        if self.token_file:
            argv += ["--token-file", str(self.token_file)]
        r = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(r.returncode, code, f"{words}: {r.stdout}{r.stderr}")
        return r

    def restarts(self):
        return len(self.sim.writes("PATCH", "/deployments/"))

    def replicas(self, name="api"):
        return self.sim.deployment("shop", name)["spec"]["replicas"]

    def status(self):
        return self.mendd.get("/status").json


class Approvals(Operators):
    def setUp(self):
        super().setUp()
        self.broken()

    def test_the_right_hash_and_only_once(self):
        self.begin(h.restart_playbook(mode="approve"))
        run = self.waiting()
        path, good = f"/actions/{run['id']}/approve", run["approval"]["hash"]
        wrong = self.post(path, {"hash": "0" * 64})
        self.assertEqual((wrong.status, wrong.json["error"]["code"]), (409, "plan_changed"))
        self.assertEqual(self.restarts(), 0)
        right = self.post(path, {"hash": good, "by": "alice"})
        self.assertEqual(right.status, 200, right)
        second = self.post(path, {"hash": good, "by": "bob"})
        self.assertEqual(second.status, 409, second)
        record = self.mendd.wait_run(run["id"], state="settling")
        self.assertEqual((record["approval"]["status"], record["approval"]["by"]),
                         ("approved", "alice (via anonymous from 127.0.0.1)"))
        self.assertEqual(self.restarts(), 1)
        self.assertRegex(self.mendd.text(), r'msg=operator did=approve by="alice \(via anonymous from 127\.0\.0\.1\)" run='
                         + run["id"] + r" status=200")
        self.assertRegex(self.mendd.text(), r"level=warn msg=operator did=approve .*status=409")
        late = self.post(f"/actions/{'0' * 26}/approve", {})
        self.assertEqual(late.status, 404, late)

    def test_what_is_over_says_so(self):
        self.begin(h.restart_playbook(mode="approve"))
        run = self.waiting()
        self.assertEqual(self.post(f"/actions/{run['id']}/reject", {"reason": "not now"}).status, 200)
        record = self.mendd.wait_done(run["id"])
        self.assertEqual((record["outcome"], record["reason"]), ("skipped", "not_approved"))
        self.assertIn("not now", record["message"])
        for verb in ("approve", "reject", "cancel"):
            a = self.post(f"/actions/{run['id']}/{verb}")
            self.assertEqual((a.status, a.json["error"]["code"]), (409, "over"), a)
            self.assertIn("not_approved", a.json["error"]["message"])
        self.assertEqual(self.restarts(), 0)

    def test_nobody_comes(self):
        self.begin(h.restart_playbook(mode="approve", approval={"expires": "1s"}))
        run = self.waiting()
        record = self.mendd.wait_done(run["id"])
        self.assertEqual((record["reason"], record["approval"]["status"]), ("not_approved", "expired"))
        self.assertTrue(record["escalated"])
        self.assertEqual(self.restarts(), 0)

    def test_mendctl(self):
        self.begin(h.restart_playbook(mode="approve"))
        run = self.waiting()
        good = run["approval"]["hash"]
        self.ctl("actions", "approve", run["id"], code=2)
        self.assertIn("another one", self.ctl("actions", "approve", run["id"], "--hash", "0" * 12, code=1).stderr)
        self.assertEqual(self.restarts(), 0)
        self.assertIn("awaiting_approval", self.ctl("actions", "-o", "table").stdout)
        r = self.ctl("actions", "approve", run["id"][:20], "--hash", good[:12], "-o", "table")
        self.assertIn("PATCH /apis/apps/v1/namespaces/shop/deployments/api", r.stdout)
        self.assertIn(good, r.stdout)
        self.mendd.wait_run(run["id"], state="settling")
        self.assertIn("is settling", self.ctl("actions", "approve", run["id"], "--yes", code=1).stderr)

        self.broken("other")
        run = self.waiting("other")
        self.ctl("actions", "reject", run["id"], "--reason", "by hand")
        self.assertEqual(self.mendd.wait_done(run["id"])["reason"], "not_approved")

    def test_mendctl_asks_on_a_terminal(self):
        self.begin(h.restart_playbook(mode="approve"))
        run = self.waiting()
        for answer, code in ((b"\n", 1), (b"n\n", 1), (b"y\n", 0)):
            outer, inner = pty.openpty()
            with subprocess.Popen([str(h.BIN / "mendctl"), "--url", self.mendd.url, "actions", "approve", run["id"], "-o", "table"],
                                  stdin=inner, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
                os.close(inner)
                os.write(outer, answer)
                out, err = p.communicate(timeout=20)
                os.close(outer)
            self.assertEqual(p.returncode, code, (out, err))
            self.assertIn(b"[y/N]", err)
            self.assertIn(run["approval"]["hash"].encode(), out)
            self.assertEqual(self.mendd.record(run["id"])["approval"]["status"], "approved" if code == 0 else "waiting")

    def test_the_page_shows_and_its_form_approves(self):
        self.begin(h.restart_playbook(mode="approve"))
        a = self.mendd.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api"},
                                          "annotations": {"summary": "<script>alert(1)</script>"}}))
        self.assertEqual(a.status, 200)
        run = self.mendd.wait_run(self.mendd.run_of("Broken")["id"], state="awaiting_approval")
        path = f"/actions/{run['id']}/approve"
        for method in ("GET", "HEAD", "GET"):
            page = h.request(self.mendd.url + path, method)
            self.assertEqual(page.status, 200)
        text = page.body.decode()
        self.assertIn("default-src 'none'", page.headers["Content-Security-Policy"])
        self.assertIn("form-action 'self'", page.headers["Content-Security-Policy"])
        self.assertNotIn("<script", text)
        self.assertIn("/apis/apps/v1/namespaces/shop/deployments/api", text)
        self.assertNotIn('name="token"', text)
        self.assertEqual(self.mendd.record(run["id"])["state"], "awaiting_approval", "looking approves nothing")
        self.assertIn(run["id"] + "/approve", self.mendd.get("/").body.decode(), "the front page leads there")

        shown = html.unescape(re.search(r'name="hash" value="([^"]*)"', text).group(1))
        browser = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html,*/*", "Origin": self.mendd.url}

        def send(fields, **headers):
            return h.request(self.mendd.url + path, "POST", urllib.parse.urlencode(fields).encode(), {**browser, **headers})
        self.assertEqual(send({"hash": shown}, Origin="http://evil.example").status, 403)
        self.assertEqual(send({"hash": shown}, Origin="null").status, 403)
        self.assertEqual(send({"by": "no hash"}).status, 400)
        changed = send({"hash": "f" * 64})
        self.assertEqual(changed.status, 409)
        self.assertIn("text/html", changed.headers["Content-Type"])
        done = send({"hash": shown, "by": "eve & bob", "reason": ""})
        self.assertEqual(done.status, 200, done)
        self.assertIn("text/html", done.headers["Content-Type"])
        record = self.mendd.wait_run(run["id"], state="settling")
        self.assertEqual(record["approval"]["by"], "eve & bob (via anonymous from 127.0.0.1)")
        self.assertIn("Nothing to approve", self.mendd.get(path).body.decode())

    def test_bodies_are_understood_whole_or_refused(self):
        self.begin(h.restart_playbook(mode="approve"))
        run = self.waiting()
        base = f"/actions/{run['id']}"
        for path, body, words in [
                (base + "/approve", {"hahs": "x"}, "did you mean 'hash'"), (base + "/approve", {"hash": 5}, "must be a text"),
                (base + "/approve", [], "must be an object"), (base + "/approve", b'{"hash":"a","hash":"b"}', "duplicate"),
                (base + "/cancel", {"rollback": "perhaps"}, "true or false"), (base + "/reject", {"reason": "a\nb"}, "control"),
                ("/-/pause", {"for": "soon"}, "duration"), ("/-/pause", {"scope": {"playbok": "x"}}, "did you mean 'playbook'"),
                ("/-/pause", {"scope": {"playbook": "nope"}}, "there is no playbook"),
                ("/-/pause", {"scope": {"cluster": "nope"}}, "there is no cluster"), ("/-/pause", {"scope": {"namespace": ""}}, "empty"),
                ("/-/reset", {}, "\"what\" is missing"), ("/-/reset", {"what": "moon"}, "budget or breaker")]:
            a = self.post(path, body)
            self.assertEqual(a.status, 400, (path, body, a))
            self.assertIn(words, a.json["error"]["message"], (path, body))
        self.assertEqual(self.post(base + "/approve", b"{}", **{"Content-Type": "text/plain"}).status, 415)
        self.assertEqual(self.post(base + "/approve", b"x" * 20000).status, 413)
        self.assertEqual(self.status()["paused"], [])
        self.assertEqual(self.mendd.record(run["id"])["state"], "awaiting_approval")


class Hands(Operators):
    SLOW = {"steps": [{"action": "scale", "with": {"replicas": "+2"}}, {"action": "wait", "with": {"duration": "2s"}},
                      {"action": "rollout.restart"}]}

    def setUp(self):
        super().setUp()
        self.broken()

    def half_way(self):
        """The run stands behind its first effect."""
        self.fire()
        run = self.mendd.run_of("Broken")["id"]
        h.until("the first effect", lambda: self.replicas() == 4)
        return run

    def test_cancel_with_rollback(self):
        self.begin(h.restart_playbook(**self.SLOW))
        run = self.half_way()
        self.ctl("cancel", run, "--rollback")
        record = self.mendd.wait_done(run)
        self.assertEqual((record["outcome"], record["reason"], record["rollback"]), ("cancelled", "cancelled", "done"))
        self.assertEqual(self.replicas(), 2, "the Deployment is as before")
        self.assertNotIn("restartedAt", json.dumps(self.sim.deployment("shop", "api")))

    def test_cancel_leaves_what_was_done(self):
        self.begin(h.restart_playbook(**self.SLOW))
        run = self.half_way()
        self.assertEqual(self.post(f"/actions/{run}/cancel", {"rollback": False}).status, 200)
        record = self.mendd.wait_done(run)
        self.assertEqual((record["outcome"], record["rollback"]), ("cancelled", "none"))
        self.assertEqual(self.replicas(), 4)

    def test_pause_holds_half_way_over_a_restart(self):
        self.begin(h.restart_playbook(**self.SLOW))
        run = self.half_way()
        self.ctl("pause", "--for", "1h", "--reason", "a look first", "--namespace", "shop")
        h.until("it stands half-way", lambda: [e for e in self.status()["half_way"] if e["run"] == run])
        paused = self.status()["paused"]
        self.assertEqual((paused[0]["scope"], paused[0]["reason"]), ({"namespace": "shop"}, "a look first"))
        self.assertTrue(paused[0]["until"])
        table = self.ctl("status", "-o", "table").stdout
        self.assertRegex(table, r"Paused\n.*REASON")
        self.assertIn("a look first", table)
        self.assertRegex(table, r"(?s)half-way\n.*" + run)
        page = self.mendd.get("/").body.decode()
        self.assertIn("a look first", page)

        self.mendd.kill9()
        self.mendd.start()
        h.until("still half-way", lambda: [e for e in self.status()["half_way"] if e["run"] == run])
        self.assertEqual(self.status()["paused"], paused, "a pause survives a restart")
        self.assertNotIn("restartedAt", json.dumps(self.sim.deployment("shop", "api")))
        self.assertIn("exactly", self.ctl("resume", "--help").stdout)
        self.ctl("resume", code=1)  # another scope
        self.ctl("resume", "--namespace", "shop")
        self.mendd.wait_run(run, state="settling")
        self.assertIn("restartedAt", json.dumps(self.sim.deployment("shop", "api")))
        self.assertEqual(self.replicas(), 4)
        self.assertEqual(self.status()["paused"], [])

    def test_a_pause_ends_by_itself(self):
        self.begin(h.restart_playbook())
        self.ctl("pause", "--for", "5s", "--playbook", "restart")
        self.fire()
        run = self.mendd.run_of("Broken")["id"]
        self.assertEqual(self.mendd.wait_run(run, state="queued")["held"]["reason"], "paused")
        self.mendd.wait_run(run, state="settling")

    def test_reset_and_acknowledge_say_what_there_is_not(self):
        self.begin(h.restart_playbook())
        self.ctl("reset", "breaker", "nobody", code=1)
        self.ctl("reset", "moon", code=2)
        self.ctl("actions", "acknowledge", "0" * 26, code=1)


class Tokens(Operators):
    def setUp(self):
        super().setUp()
        self.broken()
        self.am_file = self.mendd.folder / "am-token"
        self.am_file.write_text(secret("am") + "\n")

    def with_tokens(self):
        tokens = [{"name": n, "token": secret(n), "scopes": [s]} for n, s in SCOPES.items() if n != "am"]
        tokens.append({"name": "am", "token_file": "am-token", "scopes": ["webhook"]})
        self.begin(h.restart_playbook(mode="approve"), tokens=tokens)

    def test_each_scope_opens_its_own(self):
        self.with_tokens()
        run = "0" * 26
        wants = {("GET", "/actions"): "viewer", ("GET", "/status"): "viewer", ("GET", "/playbooks"): "viewer",
                 ("GET", "/metrics"): "viewer", ("GET", "/"): "viewer", ("GET", f"/actions/{run}"): "viewer",
                 ("GET", f"/actions/{run}/report"): "viewer",
                 ("POST", "/webhook"): "webhook", ("POST", f"/actions/{run}/approve"): "approve",
                 ("POST", f"/actions/{run}/reject"): "approve", ("POST", f"/actions/{run}/acknowledge"): "approve",
                 ("POST", f"/actions/{run}/cancel"): "operator", ("POST", "/-/pause"): "operator",
                 ("POST", "/-/resume"): "operator", ("POST", "/-/reset"): "operator", ("POST", "/-/reload"): "operator"}
        also = {"viewer": {"viewer", "approve", "operator"}, "approve": {"approve", "operator"}, "operator": {"operator"},
                "webhook": {"webhook", "operator"}}
        for (method, path), scope in wants.items():
            call = self.get if method == "GET" else self.post
            a = call(path)
            self.assertEqual((a.status, a.headers["WWW-Authenticate"][:6]), (401, "Bearer"), path)
            self.assertEqual(call(path, token="wrong-secret-0123456789").status, 401, path)
            for name, has in SCOPES.items():
                a = call(path, token=secret(name))
                if has in also[scope]:
                    self.assertNotIn(a.status, (401, 403), (path, name, a))
                else:
                    self.assertEqual(a.status, 403, (path, name, a))
                    self.assertIn(f'"{scope}"', a.json["error"]["message"])
        for path in ("/-/healthy", "/-/ready", "/openapi.json"):
            self.assertEqual(self.get(path).status, 200, path)
        self.assertEqual(self.post("/webhook", b"x" * (9 << 20)).status, 401, "413 would tell of lost alerts")
        self.assertRegex(self.mendd.text(), r"level=warn msg=operator did=/-/pause by=look status=403")
        self.assertNotIn("secret-0123", self.mendd.text(), "no token in the log")

    def test_a_refused_tail_says_so(self):
        self.with_tokens()
        self.assertIn("token", self.ctl("actions", "tail", code=1).stderr)
        self.token_file = self.am_file
        self.assertIn('"viewer"', self.ctl("actions", "tail", code=1).stderr)

    def test_rotation_by_reload(self):
        self.with_tokens()
        body = h.payload({"labels": {"alertname": "X"}})

        def tries():
            return [self.post("/webhook", body, token=s).status for s in (secret("am"), "fresh-secret-0123456789")]
        self.assertEqual(tries(), [200, 401])
        for content, expected in ((f"{secret('am')}\nfresh-secret-0123456789\n", [200, 200]), ("fresh-secret-0123456789\n", [401, 200])):
            self.am_file.write_text(content)
            self.mendd.process.send_signal(signal.SIGHUP)
            h.until(f"the tokens are {expected}", lambda: tries() == expected)
        self.am_file.write_text("short\n")
        a = self.post("/-/reload", b"", token=secret("ops"))
        self.assertEqual(a.status, 500, a)
        self.assertIn("shorter than 16", a.json["error"]["message"])
        self.assertEqual(tries(), [401, 200], "the old ones stay")

    def test_who_approved_and_the_page_with_a_token(self):
        self.with_tokens()
        self.fire(headers={"Authorization": "Bearer " + secret("am")})
        get = lambda: self.get("/actions", secret("look")).json["actions"]
        run = h.until("a plan waits", lambda: [r for r in get() if r["state"] == "awaiting_approval"])[0]
        path = f"/actions/{run['id']}/approve"
        door = self.get(path).body.decode()
        self.assertIn('name="token"', door)
        self.assertNotIn("deployments/api", door, "the id alone shows nothing")
        self.assertEqual(door, self.get(f"/actions/{'0' * 26}/approve").body.decode(), "nor which runs there are")
        self.assertIn("deployments/api", self.get(path, secret("look")).body.decode())
        browser = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}

        def send(where, **fields):
            return h.request(self.mendd.url + f"/actions/{run['id']}/{where}", "POST", urllib.parse.urlencode(fields).encode(), browser)
        for fields, status in (({}, 401), ({"token": "wrong-secret-0123456789"}, 401), ({"token": secret("am")}, 403)):
            self.assertEqual(send("plan", **fields).status, status, fields)
        page = send("plan", token=secret("oncall")).body.decode()
        self.assertIn("deployments/api", page)
        shown, carried = (re.search(rf'name="{n}" value="([^"]*)"', page).group(1) for n in ("hash", "token"))
        self.assertEqual(carried, secret("oncall"))
        for fields, status in (({}, 401), ({"token": "wrong-secret-0123456789"}, 401), ({"token": secret("look")}, 403)):
            a = send("approve", hash=shown, **fields)
            self.assertEqual(a.status, status, fields)
            self.assertIn("text/html", a.headers["Content-Type"])
        self.assertEqual(send("approve", hash=shown, token=carried, by="carol").status, 200)
        record = h.until("it goes on", lambda: [r for r in get() if r["state"] == "settling"])[0]
        self.assertEqual(record["approval"]["by"], "carol (via oncall)")

    def test_mendctl_with_a_token_file(self):
        self.with_tokens()
        self.ctl("status", code=1)
        self.token_file = self.mendd.folder / "look-token"
        self.token_file.write_text(secret("look") + "\n")
        self.ctl("status")
        self.assertIn("operator", self.ctl("pause", code=1).stderr)
        self.token_file.write_text(secret("ops") + "\n")
        self.ctl("pause", "--reason", "mine")
        paused = json.loads(self.ctl("status").stdout)["paused"][0]
        self.assertRegex(paused["by"], r"^\S+ \(via ops\)$")


class Replay(h.Scene):
    """mendctl replay needs no daemon and no cluster."""

    def replay(self, *lines, playbooks=None, config=None, code=0):
        history, table = self.folder / "history.ndjson", self.folder / "playbooks.yaml"
        history.write_text("".join(json.dumps(line) + "\n" for line in lines))
        table.write_text(json.dumps({"playbooks": playbooks or [h.restart_playbook(limits={"cooldown": "5m"})]}))
        argv = [str(h.BIN / "mendctl"), "replay", str(history), "--playbooks", str(table)]
        if config:
            (self.folder / "config.json").write_text(json.dumps(config))
            argv += ["--config.file", str(self.folder / "config.json")]
        r = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "KUBECONFIG": "/nonexistent"})
        self.assertEqual(r.returncode, code, r.stdout + r.stderr)
        return json.loads(r.stdout) if code == 0 else r.stderr

    def line(self, time, *alerts):
        return {"time": f"2026-01-05T{time}Z", "payload": h.payload(*alerts)}

    def broken(self, name="api", **more):
        return {"labels": {"alertname": "Broken", "namespace": "shop", "deployment": name}, **more}

    def test_decisions_on_the_historys_own_clock(self):
        seen = self.replay(
            self.line("10:00:00", self.broken(), {"labels": {"alertname": "Nobody"}}), self.line("10:01:00", self.broken()),
            self.line("10:02:00", self.broken(status="resolved")), self.line("10:03:00", self.broken()),
            {"time": 1767607200 + 3600, **h.payload(self.broken("web"))})
        rows = [(d["time"][11:19], d["alertname"], d["decision"], d["seen"]) for d in seen["decisions"]]
        self.assertEqual(rows[0], ("10:00:00", "Broken", "act", 2))
        self.assertEqual(rows[1][1:3], ("Nobody", "no_playbook"))
        self.assertEqual(seen["decisions"][0]["requests"], ["PATCH /apis/apps/v1/namespaces/shop/deployments/api"])
        self.assertEqual(rows[2][:3], ("10:03:00", "Broken", "act"), "decided again when the cooldown was over")
        self.assertEqual(rows[3][:3], ("11:00:00", "Broken", "act"))
        self.assertEqual(seen["summary"]["alerts"], 6)

    def test_limits_stand_in_the_way_as_they_would_have(self):
        book = h.restart_playbook(limits={"cooldown": "0s", "attempts": "2/1h"})
        lines = []
        for minute in range(0, 40, 10):
            lines += [self.line(f"10:{minute:02}:00", self.broken()), self.line(f"10:{minute + 5:02}:00", self.broken(status="resolved"))]
        decisions = [d["decision"] for d in self.replay(*lines, playbooks=[book])["decisions"]]
        self.assertEqual(decisions, ["act", "act", "attempts_exhausted", "attempts_exhausted"])

    def test_whom_it_would_have_told(self):
        config = {"receivers": [{"name": "pager", "webhook": {"url": "http://127.0.0.1:1/"}}], "escalation": {"default": {"notify": ["pager"]}}}
        seen = self.replay(self.line("10:00:00", {"labels": {"alertname": "Nobody"}}), config=config)
        self.assertEqual(seen["decisions"][0]["told"], ["trigger pager"])

    def test_faults_have_a_line(self):
        self.assertIn("ndjson:2: its time lies before", self.replay(self.line("10:00:00", self.broken()),
                                                                    self.line("09:00:00", self.broken()), code=1))
        self.assertIn('ndjson:1: "time" must be', self.replay(h.payload(self.broken()), code=1))
        self.assertIn("ndjson:1:", self.replay({"time": "2026-01-05T10:00:00Z"}, code=1))
