"""What a webhook must survive: each bad body gets its status, the daemon answers on, and its memory stays bounded."""
import json
import socket

import harness as h

MIB = 1 << 20


class BadInput(h.Scene):
    def setUp(self):
        super().setUp()
        self.sim, self.mendd = self.kubesim(), self.new_mendd()
        self.sim.create(h.namespace("shop"))
        self.mendd.configure(self.sim.kubeconfig(self.mendd.folder / "kubeconfig"), unmatched="record")
        self.mendd.with_playbooks(h.restart_playbook()).start()

    def post(self, body, **more):
        answer = self.mendd.webhook(body, **more)
        self.assertEqual(self.mendd.get("/-/healthy").status, 200)
        return answer

    def refused(self, status, body, **more):
        answer = self.post(body, **more)
        self.assertIn(answer.status, status if isinstance(status, tuple) else (status,), answer)
        error = answer.json["error"]
        self.assertTrue(error["code"] and error["message"], error)

    def taken(self, alertname, body, reason):
        self.assertEqual(self.post(body).status, 200)
        record = self.mendd.wait_done(self.mendd.run_of(alertname)["id"])
        self.assertEqual(record["reason"], reason, h.json.dumps(h.brief(record)))
        return record

    def test_bodies_that_are_no_payload_get_400(self):
        bodies = {
            "empty": b"", "text": b"hello", "half": b'{"alerts": [', "number": b"7", "list": b"[]", "null": b"null",
            "no alerts": b"{}", "zero alerts": b'{"version":"4","alerts":[]}', "alerts of the wrong type": b'{"alerts": {}}',
            "only broken alerts": b'{"alerts": [{}, 7, null, {"labels": {}}, {"labels": {"a": 1}}]}',
            "deep": b'{"alerts":' + b"[" * 100000 + b"]" * 100000 + b"}",
            "NUL": b'{"alerts": [{"labels": {"alertname": "a\\u0000b"}}]}', "raw NUL": b'{"alerts": [\x00]}',
            "invalid UTF-8": b'{"alerts": [{"labels": {"alertname": "\xff\xfe"}}]}',
            "a label of 1 MB alone": json.dumps(h.payload({"labels": {"alertname": "A", "big": "x" * MIB}})).encode(),
        }
        for name, body in bodies.items():
            with self.subTest(name):
                self.refused(400, body)

    def test_too_large_is_413_and_memory_stays_bounded(self):
        self.refused(413, b"[" + b"{}," * (17 * MIB) + b"{}]", timeout=60)  # 51 MB
        many = b'{"alerts":[' + b"{}," * (8 * MIB // 3 - 10) + b"{}]}"
        self.assertLess(len(many), 8 * MIB)
        self.refused((400, 413), many, timeout=60)  # too many values is too large as well
        self.refused((400, 413), b"[" + b"{}," * (8 * MIB // 3 - 10) + b"{}]", timeout=60)
        self.assertLess(self.mendd.memory_kb("VmHWM"), 400 * 1024, "at its highest, kB")
        self.assertLess(self.mendd.memory_kb("VmRSS"), 200 * 1024, "afterwards, kB")

    def test_a_body_without_a_length_is_counted(self):
        with socket.create_connection(("127.0.0.1", self.mendd.port), 20) as s:
            s.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            chunk, answer = b"10000\r\n" + b" " * 65536 + b"\r\n", b""
            try:
                for _ in range(200):  # 12.5 MiB
                    s.sendall(chunk)
                s.sendall(b"0\r\n\r\n")
            except OSError:
                pass  # it has hung up on us, which is right
            try:
                answer = s.recv(4096)
            except OSError:
                pass
            self.assertTrue(not answer or b" 413 " in answer.split(b"\r\n")[0], answer)
        self.assertEqual(self.mendd.get("/-/healthy").status, 200)

    def test_one_good_alert_carries_the_bad_ones(self):
        body = h.payload({"labels": {"alertname": "Good", "namespace": "shop"}})
        body["alerts"] += [{}, 7, {"labels": {"alertname": 3}}, {"labels": {"alertname": "Big", "x": "y" * MIB}}]
        answer = self.post(body)
        self.assertEqual(answer.status, 200)
        self.assertEqual((answer.json.get("accepted"), answer.json.get("malformed")), (1, 4))
        h.until("a record each", lambda: len(self.mendd.records("?state=done")) == 5)
        reasons = sorted(r["reason"] for r in self.mendd.records())
        self.assertEqual(reasons, ["malformed"] * 4 + ["no_playbook"])

    def test_mendds_own_alert_names_are_malformed(self):
        body = h.payload({"labels": {"alertname": "Good"}}, {"labels": {"alertname": "MenddStorm", "namespace": "shop"}})
        self.assertEqual(self.post(body).status, 200)
        h.until("both decided", lambda: sorted(r["reason"] for r in self.mendd.records("?state=done")) == ["malformed", "no_playbook"])

    def test_payloads_as_vendors_send_them(self):
        bare = {"alerts": [{"labels": {"alertname": "Bare", "namespace": "shop"}, "startsAt": "2026-01-05T10:00:00Z"}]}
        self.taken("Bare", bare, "no_playbook")
        text = h.payload({"labels": {"alertname": "FreeText"}, "fingerprint": "not a fingerprint at all"})
        record = self.taken("FreeText", text, "no_playbook")
        self.assertRegex(record["alert"]["fingerprint"], "^[0-9a-f]{16}$")
        more = h.payload({"labels": {"alertname": "Newer"}, "unheardOf": {"a": []}}, notification_reason="x", routeLabels={})
        self.taken("Newer", more, "no_playbook")

    def test_duplicate_keys_do_no_harm(self):
        body = b'{"alerts": [{"labels": {"alertname": "Twice", "alertname": "Once"}}], "alerts": [{"labels": {"alertname": "Last"}}]}'
        self.assertIn(self.post(body).status, (200, 400))

    def test_hostile_label_values_reach_neither_path_nor_selector(self):
        for i, bad in enumerate(["../../kube-system/deployments/x", "a;reboot", "a\nb", "a b", "a%2f..", "?x=y", "a,b", "A" * 300, "é"]):
            with self.subTest(bad):
                labels = {"alertname": "Broken", "namespace": "shop", "deployment": bad, "case": str(i)}
                self.assertEqual(self.post(h.payload({"labels": labels})).status, 200)
                record = self.mendd.wait_done(self.mendd.run_of("Broken", case=str(i))["id"])
                self.assertEqual((record["outcome"], record["reason"], record["escalated"]), ("skipped", "no_target", True))
                self.assertEqual(record["alert"]["labels"]["deployment"], bad)
        self.assertEqual(self.sim.writes("PATCH"), [])
        self.assertNotIn("\nb", self.mendd.text().replace("\nb=", ""), "a line break of theirs never reaches the log")

    def test_the_wrong_method_and_the_wrong_path(self):
        self.assertEqual(self.mendd.get("/webhook").status, 405)
        self.assertEqual(self.mendd.get("/nothing-here").status, 404)
        self.assertEqual(self.mendd.get("/actions/../../etc/passwd").status, 404)
        self.assertEqual(self.mendd.get("/actions/01jgq2v5h0000000000000000z").status, 404)
        self.assertEqual(self.mendd.get("/actions?limit=nonsense").status, 400)
        self.assertEqual(self.mendd.get("/actions?cursor=nonsense").status, 400)

    def test_requests_that_smuggle_are_refused(self):
        for head in (b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                     b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: gzip\r\n"):
            with self.subTest(head), socket.create_connection(("127.0.0.1", self.mendd.port), 10) as s:
                s.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n0\r\n\r\n")
                s.settimeout(5)
                try:
                    line = s.recv(4096).split(b"\r\n")[0]
                except OSError:
                    line = b""
                self.assertRegex(line, b"^(HTTP/1.1 (400|413|501).*)?$")
        self.assertEqual(self.mendd.get("/-/healthy").status, 200)
