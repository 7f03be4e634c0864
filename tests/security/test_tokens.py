"""Who may do what: forged webhooks, tokens of the wrong scope, guesses, rotation, and the audit log of all of it."""
import re
import socket

from doors import Doors, basic, bearer, receive, status_of
from doors import h

TOKENS = {"webhook": "webhook-secret-0123", "viewer": "viewer-secret-01234", "approve": "approve-secret-0123", "operator": "operator-secret-012"}
ID = "01jgq2v5h0000000000000000z"
# what each scope opens, and nothing else (docs/http-api.md)
OPEN = {("GET", "/actions/{id}/approve"), ("GET", "/-/healthy"), ("GET", "/-/ready"), ("GET", "/openapi.json")}
ROUTES = {("POST", "/webhook"): "webhook", ("GET", "/events"): "viewer", ("GET", "/actions"): "viewer", ("GET", f"/actions/{ID}"): "viewer",
          ("GET", f"/actions/{ID}/report"): "viewer", ("GET", "/playbooks"): "viewer", ("GET", "/status"): "viewer",
          ("GET", "/clusters"): "viewer", ("GET", "/metrics"): "viewer", ("GET", "/"): "viewer",
          ("POST", f"/actions/{ID}/plan"): "viewer", ("POST", f"/actions/{ID}/approve"): "approve", ("POST", f"/actions/{ID}/reject"): "approve",
          ("POST", f"/actions/{ID}/acknowledge"): "approve", ("POST", f"/actions/{ID}/cancel"): "operator",
          ("POST", "/-/reload"): "operator", ("POST", "/-/pause"): "operator", ("POST", "/-/resume"): "operator",
          ("POST", "/-/reset"): "operator"}
OPENS = {"webhook": {"webhook"}, "viewer": {"viewer"}, "approve": {"approve", "viewer"}, "operator": {"operator", "approve", "viewer", "webhook"}}


class Scopes(Doors):
    def setUp(self):
        super().setUp()
        self.tokens = [{"name": f"the-{s}", "token": t, "scopes": [s]} for s, t in TOKENS.items()]

    def status(self, method, path, headers):
        if path == "/events":
            return self.stream(headers=headers).status
        return self.ask(path, method, {} if method == "POST" else None, headers).status

    def test_every_scope_on_every_route(self):
        self.mendd_with(tokens=self.tokens).start()
        described = {(method.upper(), path) for path, methods in self.ask("/openapi.json").json["paths"].items() for method in methods
                     if method in ("get", "post", "put", "patch", "delete")}
        self.assertEqual({(method, path.replace(ID, "{id}")) for method, path in ROUTES} | OPEN, described, "every route is looked at here")
        for method, path in OPEN:
            self.assertNotIn(self.status(method, path.replace("{id}", ID), {}), (401, 403), path)
        for scope, token in TOKENS.items():
            refused = []
            for (method, path), least in ROUTES.items():
                a = self.status(method, path, bearer(token))
                with self.subTest(scope=scope, route=f"{method} {path}"):
                    if least in OPENS[scope]:
                        self.assertNotIn(a, (401, 403))
                    else:
                        self.assertEqual(a, 403)
                        refused.append(path.replace(ID, "ID"))
            self.answered(f"a token of scope {scope} on every route", f"403 on {len(refused)} of {len(ROUTES)}")
        for (method, path), _ in ROUTES.items():
            for headers in ({}, bearer("no-such-secret-at-all"), bearer(""), {"Authorization": TOKENS["operator"]},
                            basic("the-operator", TOKENS["operator"])):
                self.assertIn(self.status(method, path, headers), (401, 429), (method, path, headers))
        self.answered("no token, an unknown one, a bare one, one as a password", "401, then 429")
        self.assertEqual(h.request(self.m.url + "/status", headers=bearer(TOKENS["viewer"])).json["paused"], [])

    def test_a_forged_webhook_makes_no_record(self):
        self.mendd_with(tokens=self.tokens, unmatched="record").start()
        forged = h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api"}})
        for name, headers in {"without a token": {}, "with a viewer's token": bearer(TOKENS["viewer"]),
                              "with an approver's token": bearer(TOKENS["approve"]), "with a guess": bearer("webhook-secret-0124")}.items():
            a = self.m.webhook(forged, headers)
            self.answered(f"a webhook {name}", a.status)
            self.assertIn(a.status, (401, 403))
        own = h.payload({"labels": {"alertname": "MenddStorm", "namespace": "shop"}}, {"labels": {"alertname": "MenddSchedule", "schedule": "x"}})
        a = self.m.webhook(own, bearer(TOKENS["webhook"]))
        self.assertEqual(a.status, 200)

        def records():
            return self.ask("/actions?state=done", headers=bearer(TOKENS["viewer"])).json["actions"]
        reasons = [r["reason"] for r in h.until("both of them", lambda: len(records()) == 2 and records())]
        self.answered("mendd's own alerts, forged by who may post", f"{a.status}, recorded as {reasons}: nothing is run")
        self.assertEqual(reasons, ["malformed"] * 2)

    def test_guessing_tokens_is_slowed_and_locks_nobody_out(self):
        self.mendd_with(tokens=self.tokens).start()
        seen = [self.ask("/-/pause", "POST", {}, bearer(f"guess-number-{i:06}")) for i in range(60)]
        statuses = [a.status for a in seen]
        self.answered("60 guesses of a token", f"{statuses.count(401)} times 401, then 429, Retry-After {seen[-1].headers['Retry-After']}")
        self.assertLessEqual(statuses.count(401), 25)
        self.assertEqual(statuses[-1], 429)
        self.assertGreaterEqual(int(seen[-1].headers["Retry-After"]), 1)
        self.assertEqual(self.ask("/status", headers=bearer(TOKENS["viewer"])).status, 200, "who has a token is not locked out")
        self.assertEqual(self.m.webhook(h.payload({"labels": {"alertname": "A"}}), bearer(TOKENS["webhook"])).status, 200)

    def test_the_page_of_a_link_is_no_place_to_guess(self):
        """The one page that is open to whoever shows nothing: what is shown there is judged and counted as everywhere."""
        self.mendd_with(tokens=self.tokens).start()
        page = f"/actions/{ID}/approve"
        self.assertEqual(self.ask(page).status, 200, "who shows nothing is asked for a token")
        statuses = [self.ask(page, headers=bearer(f"guess-number-{i:06}")).status for i in range(60)]
        self.answered("60 guesses of a token at the page of a notice's link", f"{statuses.count(401)} times 401, then 429")
        self.assertEqual(set(statuses), {401, 429})
        self.assertLessEqual(statuses.count(401), 25)
        self.assertEqual(statuses[-1], 429)
        self.assertEqual(self.ask(page, headers=bearer(TOKENS["viewer"])).status, 404, "there is no such run; who may look hears so")
        self.assertEqual(self.ask(page, headers=bearer(TOKENS["webhook"])).status, 200, "who may not sees the same page for every run")
        metrics = self.ask("/metrics", headers=bearer(TOKENS["viewer"])).body.decode()
        self.assertIn('mendd_http_refused_total{why="login"} 60', metrics)

    def test_a_stream_ends_with_its_token(self):
        secret = self.folder / "token"
        secret.write_text("old-secret-0123456\nnew-secret-0123456\n")
        self.mendd_with(tokens=[{"name": "ops", "token_file": str(secret), "scopes": ["operator"]}]).start()
        stream = self.stream(headers=bearer("old-secret-0123456"))
        secret.write_text("new-secret-0123456\n")
        self.assertEqual(self.ask("/-/reload", "POST", None, bearer("new-secret-0123456")).status, 200)
        self.assertEqual(self.m.webhook(h.payload({"labels": {"alertname": "Late"}}), bearer("new-secret-0123456")).status, 200)
        seen = stream.wait_ended(10)
        self.answered("/events with a token that was rotated out", "ended")
        self.assertFalse([line for line in seen if b"Late" in line])
        self.assertEqual(self.stream(headers=bearer("old-secret-0123456")).status, 401)
        self.assertEqual(self.stream(headers=bearer("new-secret-0123456")).status, 200)

    def test_two_secrets_at_once_and_the_old_one_out(self):
        secret = self.folder / "token"
        secret.write_text("old-secret-0123456\n")
        self.mendd_with(tokens=[{"name": "ops", "token_file": str(secret), "scopes": ["operator"]}]).start()

        def status(token):
            return self.ask("/status", headers=bearer(token)).status
        secret.write_text("old-secret-0123456\nnew-secret-0123456\n")
        self.assertEqual(status("new-secret-0123456"), 401, "a file is read at a reload")
        self.assertEqual(self.ask("/-/reload", "POST", None, bearer("old-secret-0123456")).status, 200)
        self.assertEqual([status("old-secret-0123456"), status("new-secret-0123456")], [200, 200])
        secret.write_text("new-secret-0123456\n")
        self.assertEqual(self.ask("/-/reload", "POST", None, bearer("new-secret-0123456")).status, 200)
        self.assertEqual([status("old-secret-0123456"), status("new-secret-0123456")], [401, 200])
        self.answered("the old secret after a rotation", 401)


class Audit(Doors):
    def test_a_line_for_every_call_that_changes_something(self):
        self.mendd_with(tokens=[{"name": "ops", "token": TOKENS["operator"], "scopes": ["operator"]},
                                {"name": "look", "token": TOKENS["viewer"], "scopes": ["viewer"]}]).start()
        ops = bearer(TOKENS["operator"])
        calls = (("/-/pause", {"reason": "x", "by": "alice"}, ops, 200, "pause", "alice (via ops)"),
                 ("/-/resume", {}, ops, 200, "resume", "ops"), ("/-/reload", None, ops, 200, "reload", "ops"),
                 (f"/actions/{ID}/approve", {}, ops, 404, "approve", "ops"), (f"/actions/{ID}/reject", {}, ops, 404, "reject", "ops"),
                 (f"/actions/{ID}/cancel", {}, ops, 404, "cancel", "ops"), ("/-/reset", {"what": "budget"}, ops, 404, "reset", "ops"),
                 ("/-/pause", {"fro": 1}, ops, 400, "pause", "ops"), ("/-/pause", {}, bearer(TOKENS["viewer"]), 403, "/-/pause", "look"),
                 ("/-/pause", {}, {}, 401, "/-/pause", "anonymous from 127.0.0.1"))
        for path, body, headers, status, did, by in calls:
            with self.subTest(path=path, by=by, status=status):
                self.assertEqual(self.ask(path, "POST", body, headers).status, status)
                by = f'by="{by}"' if " " in by else f"by={by}"
                line = self.log_lines("msg=operator", f"did={did} ", by, "from=127.0.0.1", f"status={status} ")
                self.assertTrue(line, self.m.tail())
                self.assertRegex(line[-1], r"^ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z level=")
        self.assertEqual(self.m.webhook(h.payload({"labels": {"alertname": "A"}}), ops).status, 200)
        h.until("who posted", lambda: self.log_lines("msg=webhooks", "by=ops", "from=127.0.0.1", "accepted=1"))
        self.assertFalse([t for t in TOKENS.values() if t in self.m.text()], "no secret in the log")

    def test_log_lines_cannot_be_forged(self):
        self.mendd_with().start()
        forged = 'x\nts=2026-01-01T00:00:00Z level=info msg=operator did=approve by=ceo status=200'
        attempts = {"in by": ("/-/pause", {"by": forged}), "in a reason": ("/-/pause", {"reason": forged}),
                    "in a scope": ("/-/pause", {"scope": {"namespace": forged}}), "in an unknown key": ("/-/pause", {forged: 1}),
                    "in a run's id": ("/actions/x%0ats=2026%20level=info%20msg=operator%20by=ceo/approve", {}),
                    "with a terminal's escapes": ("/-/pause", {"by": "\x1b[2J\x1b]0;owned\x07"})}
        for name, (path, body) in attempts.items():
            a = self.ask(path, "POST", body)
            self.answered(f"a forged log line {name}", a.status)
            self.assertIn(a.status, (400, 404))
        with self.subTest("in headers and labels"):
            self.raw(b"POST /-/pause HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: a\x1b[2J/b\r\nContent-Length: 2\r\n\r\n{}")
            labels = {"alertname": "Broken", "namespace": "shop", "deployment": forged, "x": "\x1b[31m\u2028\u202e"}
            self.assertEqual(self.m.webhook(h.payload({"labels": labels})).status, 200)
            self.m.wait_done(self.m.run_of("Broken")["id"])
        text = self.m.log.read_bytes()
        self.assertNotIn(b"\x1b", text)
        self.assertFalse(re.search(rb"^ts=2026-01-01T00:00:00Z", text, re.M), "no line begins with what was forged")
        self.assertFalse([line for line in text.splitlines() if not line.startswith(b"ts=20")], "every line is mendd's own")

    def test_a_flood_of_refused_calls_is_no_flood_of_lines(self):
        self.mendd_with(tokens=[{"name": "ops", "token": TOKENS["operator"], "scopes": ["operator"]}]).start()
        for _ in range(300):
            self.ask("/-/pause", "POST", {})
        lines = self.log_lines("msg=operator", "did=/-/pause")
        self.answered("300 refused calls", f"{len(lines)} lines in the log")
        self.assertLess(len(lines), 120)
        self.assertEqual(self.ask("/-/pause", "POST", {}, bearer(TOKENS["operator"])).status, 200)
        self.assertTrue(self.log_lines("did=pause", "by=ops", "status=200"), "what was done is always told")

    def test_a_known_caller_is_not_hidden_behind_a_flood(self):
        self.mendd_with(tokens=[{"name": "ops", "token": TOKENS["operator"], "scopes": ["operator"]},
                                {"name": "look", "token": TOKENS["viewer"], "scopes": ["viewer"]}]).start()
        for _ in range(80):
            self.ask("/-/pause", "POST", {})
        self.assertLess(len(self.log_lines("msg=operator", "by=\"anonymous")), 80, "strangers' lines are limited")
        self.assertEqual(self.ask("/-/pause", "POST", {}, bearer(TOKENS["viewer"])).status, 403)
        self.assertTrue(self.log_lines("did=/-/pause", "by=look", "status=403"), self.m.tail())
        self.assertEqual(self.ask(f"/actions/{ID}/cancel", "POST", {}, bearer(TOKENS["operator"])).status, 404)
        self.assertTrue(self.log_lines("did=cancel", "by=ops", "status=404"), self.m.tail())
        self.answered("a viewer's pause after 80 calls without a token", "403, with its line in the log")

    def test_calls_that_end_before_they_are_judged_have_their_line(self):
        self.mendd_with(tokens=[{"name": "ops", "token": TOKENS["operator"], "scopes": ["operator"]}]).start()
        self.assertEqual(self.ask("/-/pause", "POST", b"x" * 20000, bearer(TOKENS["operator"])).status, 413)
        self.assertTrue(self.log_lines("did=/-/pause", "by=ops", "status=413"), self.m.tail())

    def test_a_call_over_the_rate_has_its_line(self):
        """The limit of requests does not hold for this host's loopback: they come to another address of it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.connect(("192.0.2.1", 9))  # sends nothing: it says which address would
            except OSError:
                self.skipTest("this host has no address but loopback's")
            own = s.getsockname()[0]
        self.mendd_with(tokens=[{"name": "ops", "token": TOKENS["operator"], "scopes": ["operator"]}])
        self.m.options.append(f"--web.listen-address=0.0.0.0:{self.m.port}")
        self.m.start()
        token = TOKENS["operator"]
        waiting = []
        for _ in range(200):  # all but the last line: their ends come in the same few turns of mendd's loop
            waiting.append(socket.create_connection((own, self.m.port), 20))
            self.addCleanup(waiting[-1].close)
            waiting[-1].sendall(f"POST /-/pause HTTP/1.1\r\nHost: {own}\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n".encode())
        batch = f"GET /-/healthy HTTP/1.1\r\nHost: {own}\r\n\r\n".encode() * 100
        answers, n = b"", 0
        with socket.create_connection((own, self.m.port), 20) as s:
            while b" 429 " not in answers and n < 400:
                s.sendall(batch)
                answers, n = b"", n + 1
                while answers.count(b"HTTP/1.1 ") < 100 and (piece := s.recv(1 << 16)):
                    answers += piece
        for s in waiting:
            s.sendall(b"\r\n")
        self.assertIn(429, [status_of(receive(s, keep=True)) for s in waiting])
        lines = self.log_lines("did=/-/pause", f'by="anonymous from {own}"', "status=429", "too many requests")
        self.answered("a pause over the rate of requests", f"429, {len(lines)} lines in the log")
        self.assertTrue(lines, self.m.tail())
