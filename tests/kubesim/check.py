#!/usr/bin/env python3
"""What the contract suite cannot ask of a real server: faults on demand, the audit file, fixtures, hostile requests.

  check.py build/bin/kubesim
"""
import http.client, json, os, shutil, socket, ssl, subprocess, sys, tempfile, time, unittest, urllib.request

PROGRAM = sys.argv.pop(1)
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": {
    "replicas": 2, "selector": {"matchLabels": {"app": "web"}},
    "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}}}
PATH = "/apis/apps/v1/namespaces/shop/deployments/web"
MERGE = "application/merge-patch+json"


class KubesimTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.audit = os.path.join(self.folder.name, "audit.log")
        self.process = subprocess.Popen([PROGRAM, "--start-delay", "0.05", "--token", "t", "--audit", self.audit],
                                        stdout=subprocess.PIPE, text=True)
        word, url = self.process.stdout.readline().split()
        self.assertEqual(word, "ready")
        self.port = int(url.rpartition(":")[2])
        self.assertEqual(self.ask("POST", "/_sim/load", {"kind": "List", "items": [DEPLOYMENT]})[0], 200)

    def tearDown(self):
        self.assertIsNone(self.process.poll(), "kubesim ended by itself")
        self.process.terminate()
        self.assertEqual(self.process.wait(timeout=5), 0)
        self.process.stdout.close()
        self.folder.cleanup()

    def ask(self, method, path, body=None, media_type="application/json", timeout=5, token="t"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            data = body if isinstance(body, bytes) or body is None else json.dumps(body)
            connection.request(method, path, data, {"Authorization": "Bearer " + token, "Content-Type": media_type})
            answer = connection.getresponse()
            self.headers = answer.headers
            text = answer.read().decode()
            return answer.status, json.loads(text) if answer.headers.get_content_type() == "application/json" else text
        finally:
            connection.close()

    def fault(self, **rule):
        self.assertEqual(self.ask("POST", "/_sim/faults", {"method": "PATCH", "path": "deployments/web", **rule})[0], 200)

    def scale(self, n, **how):
        return self.ask("PATCH", PATH, {"spec": {"replicas": n}}, MERGE, **how)

    def replicas(self):
        return self.ask("GET", PATH)[1]["spec"]["replicas"]

    def audited(self):
        return [json.loads(line) for line in open(self.audit)]

    def test_answers_instead_of_effects(self):
        for rule, status in (({"kind": "conflict"}, 409), ({"kind": "error", "code": 503, "retry_after_s": 2}, 503)):
            self.fault(**rule)
            self.assertEqual(self.scale(7)[0], status)
            self.assertEqual(self.replicas(), 2)
        self.assertEqual(self.headers["Retry-After"], None)
        self.fault(kind="throttle", retry_after_s=3)
        self.assertEqual(self.scale(7)[0], 429)
        self.assertEqual(self.headers["Retry-After"], "3")
        self.assertEqual(self.scale(4)[0], 200, "a fault counts one request")
        self.assertEqual(self.replicas(), 4)

    def test_reset_before_the_effect(self):
        self.fault(kind="reset_before")
        with self.assertRaises(ConnectionResetError):
            self.scale(7)
        self.assertEqual(self.replicas(), 2)
        self.assertEqual([line["applied"] for line in self.audited()], [False])

    def test_reset_after_the_effect(self):
        self.fault(kind="reset_after")
        with self.assertRaises(ConnectionResetError):
            self.scale(7)
        self.assertEqual(self.replicas(), 7)
        self.assertEqual([(line["applied"], line["fault"]) for line in self.audited()], [(True, "reset_after")])

    def test_stall(self):
        self.fault(kind="stall")
        with self.assertRaises(TimeoutError):
            self.scale(7, timeout=0.5)
        self.assertEqual(self.replicas(), 2)
        self.fault(kind="stall", apply=True, ms=200)
        with self.assertRaises(ConnectionResetError):
            self.scale(7)
        self.assertEqual(self.replicas(), 7)

    def test_slow_and_others_are_served_meanwhile(self):
        self.fault(kind="slow", ms=700)
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as raw:
            body = b'{"spec":{"replicas":5}}'
            raw.sendall(b"PATCH %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
                        % (PATH.encode(), MERGE.encode(), len(body), body))
            while self.replicas() != 5:
                self.assertLess(time.monotonic() - began, 0.6)
            self.assertTrue(raw.recv(64).startswith(b"HTTP/1.1 200"))
        self.assertGreaterEqual(time.monotonic() - began, 0.7)

    def test_truncate(self):
        self.fault(kind="truncate")
        with self.assertRaises(http.client.IncompleteRead):
            self.scale(7)
        self.assertEqual(self.replicas(), 7)

    def test_count_after_and_clear(self):
        self.fault(kind="error", count=2, after=1)
        self.assertEqual([self.scale(n)[0] for n in (3, 4, 5, 6)], [200, 500, 500, 200])
        self.fault(kind="error", count=0)
        self.assertEqual([self.scale(n)[0] for n in (7, 8, 9)], [500, 500, 500])
        self.ask("DELETE", "/_sim/faults")
        self.assertEqual(self.scale(7)[0], 200)

    def test_faults_that_make_no_sense(self):
        for rule in ({"kind": "frob"}, {"kind": "error", "path": "("}, {}, "x", [{"kind": "slow"}, 1]):
            self.assertEqual(self.ask("POST", "/_sim/faults", rule)[0], 400)

    def test_audit_tells_what_was_served(self):
        self.scale(3)
        self.ask("GET", PATH)
        self.ask("PATCH", PATH + "?dryRun=All&fieldManager=mendd", {"spec": {"replicas": 9}}, MERGE)
        lines = self.audited()
        self.assertEqual([(line["method"], line["path"], line["code"], line["applied"]) for line in lines],
                         [("PATCH", PATH, 200, True), ("PATCH", PATH, 200, False)])
        self.assertEqual(lines[0]["body"], {"spec": {"replicas": 3}})
        self.assertEqual(lines[1]["query"], {"dryRun": "All", "fieldManager": "mendd"})

    def test_token(self):
        self.assertEqual(self.ask("GET", PATH, token="other")[0], 401)

    def test_fixtures_that_make_no_sense(self):
        for bad in ([{"kind": "Frob", "apiVersion": "v1"}], {"kind": "Pod", "apiVersion": "v1"}, [1], 7, "x",
                    {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "../x"}, "spec": {"containers": []}}):
            self.assertEqual(self.ask("POST", "/_sim/load", bad)[0], 400, bad)

    @unittest.skipUnless(shutil.which("openssl"), "no openssl to make a certificate with")
    def test_tls(self):
        cert, key = (os.path.join(self.folder.name, name) for name in ("cert", "key"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=kubesim", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, stderr=subprocess.DEVNULL)
        with subprocess.Popen([PROGRAM, "--tls-cert", cert, "--tls-key", key], stdout=subprocess.PIPE, text=True) as process:
            url = process.stdout.readline().split()[1]
            try:
                context = ssl.create_default_context(cafile=cert)
                with urllib.request.urlopen(url + "/readyz", context=context, timeout=5) as answer:
                    self.assertEqual(answer.read(), b"ok")
            finally:
                process.terminate()
                self.assertEqual(process.wait(timeout=5), 0)

    def test_hostile_requests(self):
        pods = "/api/v1/namespaces/shop/pods"
        deep = b"[" * 5000
        self.assertEqual(self.ask("POST", pods, deep)[0], 400)
        self.assertEqual(self.ask("POST", pods, b'{"a":' * 1500 + b"1" + b"}" * 1500)[0], 422)
        self.assertEqual(self.ask("POST", pods, b"\xff\xfe")[0], 400)
        self.assertEqual(self.ask("POST", pods, b" " * (9 << 20))[0], 413)
        self.assertEqual(self.ask("POST", pods, {"metadata": 1, "spec": "x", "status": []})[0], 400)
        self.assertEqual(self.ask("POST", PATH.rpartition("/")[0], {"metadata": {"name": "a"}, "spec": [1], "status": 1})[0], 400)
        for path in ("/", "//", "/api/v1/" + "x/" * 50, "/apis", "/apis/apps/v1/namespaces//deployments", "/api/v1/namespaces/%00/pods",
                     "/%ff", PATH + "/scale/x", pods + "?labelSelector=" + "a,(" * 200, pods + "?continue=zz&limit=1"):
            self.assertIn(self.ask("GET", path)[0], (200, 400, 404), path)
        for body in ({"spec": {"replicas": 10 ** 18}}, {"spec": None}, {"metadata": None}, {"spec": {"template": 7}},
                     {"metadata": {"annotations": [1]}}, {"spec": {"template": {"metadata": None, "spec": {"containers": [1, None]}}}},
                     {"spec": {"strategy": "x", "selector": []}}, {"metadata": {"ownerReferences": [1, {"uid": 7}], "finalizers": 3}}):
            for kind in (MERGE, "application/strategic-merge-patch+json"):
                self.ask("PATCH", PATH, body, kind)
        for patch in ([{"op": "add", "path": "x", "value": 1}], [{"op": "move", "from": "/spec", "path": "/spec/a"}], [7],
                      [{"op": "remove", "path": ""}], [{"op": "add", "path": "", "value": []}], [{"op": "copy", "path": "/a"}]):
            self.assertGreaterEqual(self.ask("PATCH", PATH, patch, "application/json-patch+json")[0], 400, patch)
        self.assertEqual(self.ask("GET", "/readyz")[0], 200)


unittest.main()
