"""Requests that are built to be misread, never end, come too often, or come from another site's page."""
import re
import socket
import time

from doors import Doors, bearer, receive, status_of, wait_closed
from doors import h

HEAD = b"POST /webhook HTTP/1.1\r\nHost: 127.0.0.1\r\n"


class Smuggling(Doors):
    def setUp(self):
        super().setUp()
        self.mendd_with().start()

    def test_what_can_be_read_in_two_ways_is_refused_and_the_line_closed(self):
        behind = b"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"  # the smuggled one: must never be answered
        attacks = {
            "two Content-Lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            "two equal Content-Lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            "a list as Content-Length": HEAD + b"Content-Length: 5, 5\r\n\r\nhello",
            "Content-Length and chunked": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "chunked and Content-Length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            "chunked twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "gzip, chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "xchunked": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            "chunked with HTTP/1.0": HEAD.replace(b"1.1\r", b"1.0\r") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "+5": HEAD + b"Content-Length: +5\r\n\r\nhello",
            "0x5": HEAD + b"Content-Length: 0x5\r\n\r\nhello",
            "-1": HEAD + b"Content-Length: -1\r\n\r\n",
            "a blank before the colon": HEAD + b"Content-Length : 5\r\n\r\nhello",
            "a folded header": HEAD + b"X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
            "a folded header that makes a Content-Length": HEAD + b"Content: 44\r\n -Length\r\n\r\n",
            "a folded Transfer-Encoding": HEAD + b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\nhello",
            "a bare LF that hides a header": HEAD + b"X-A: b\nContent-Length: 44\r\n\r\n",
            "a bare LF after the request's line": b"POST /webhook HTTP/1.1\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n",
            "a bare CR in a value": HEAD + b"X-A: b\rContent-Length: 5\r\nContent-Length: 0\r\n\r\n",
            "a bare CR alone": HEAD + b"X-A: b\rX-B: c\r\nContent-Length: 0\r\n\r\n",
            "a NUL in a value": HEAD + b"X-A: b\0c\r\nContent-Length: 0\r\n\r\n",
            "a NUL in a name": HEAD + b"X\0-A: b\r\nContent-Length: 0\r\n\r\n",
            "two Hosts": HEAD + b"Host: evil.example\r\nContent-Length: 0\r\n\r\n",
            "no Host": b"GET /status HTTP/1.1\r\n\r\n",
            "no colon": HEAD + b"Content-Length 5\r\n\r\n",
            "HTTP/1.2": b"GET /status HTTP/1.2\r\nHost: 127.0.0.1\r\n\r\n",
            "HTTP/2.0": b"GET /status HTTP/2.0\r\nHost: 127.0.0.1\r\n\r\n",
            "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "a chunk whose size is no number": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5x\r\nhello\r\n0\r\n\r\n",
            "a chunk of 2^64 bytes": HEAD + b"Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
        }
        for name, attack in attacks.items():
            with self.subTest(name):
                answer = self.raw(attack + behind)
                self.answered(name, f"{status_of(answer) or ''} closed".strip())
                self.assertIn(status_of(answer), (400, 413, 505, None), answer[:300])
                lines = re.findall(rb"HTTP/1\.1 (\d+) ", answer)  # libmicrohttpd writes that of its own errors twice
                self.assertTrue(all(int(n) >= 400 for n in lines) and len(set(lines)) <= 1, "one answer, and the line is closed")
                self.assertNotIn(b'"version"', answer)
                self.assertNotIn(b"bad_payload", answer, "what followed was read as its body")
        self.assertEqual(self.m.get("/-/healthy").status, 200)
        self.assertEqual(self.m.records(), [], "nothing of it was taken for a webhook")
        self.assertIn('mendd_http_refused_total{why="request"}', self.m.metrics())

    def test_requests_as_programs_send_them_still_work(self):
        body = b'{"alerts":[{"status":"firing","labels":{"alertname":"A"}}]}'
        length = f"Content-Length: {len(body)}\r\n".encode()
        good = {"two on one line": (HEAD + length + b"\r\n" + body) * 2,
                "no blank after the colon": HEAD + length.replace(b": ", b":") + b"\r\n" + body,
                "tabs and blanks around a value": HEAD + b"X-A:\t b\tc \t\r\n" + length + b"\r\n" + body,
                "an empty value": HEAD + b"X-A:\r\n" + length + b"\r\n" + body,
                "UTF-8 in a value": HEAD + "X-A: é\r\n".encode() + length + b"\r\n" + body,
                "chunks": HEAD + b"Transfer-Encoding: Chunked\r\n\r\n%x;ext=1\r\n%s\r\n0\r\nX-T: 1\r\n\r\n" % (len(body), body)}
        for name, data in good.items():
            with self.subTest(name):
                with socket.create_connection(("127.0.0.1", self.m.port), 5) as s:
                    s.sendall(data)
                    answer = b""
                    while answer.count(b'"accepted":1') < data.count(b"POST "):
                        answer += s.recv(65536)
                self.assertEqual(status_of(answer), 200, answer)


class Slow(Doors):
    def test_a_request_that_never_ends_is_ended(self):
        """Slow-loris: a byte now and then keeps libmicrohttpd's own timeout from firing."""
        self.mendd_with().start()
        begun, ends = time.monotonic(), {}
        socks = {name: socket.create_connection(("127.0.0.1", self.m.port), 40)
                 for name in ("the head a byte a second", "nothing at all", "a body of a byte a second")}
        socks["a body of a byte a second"].sendall(HEAD + b"Content-Length: 9000\r\n\r\n")
        socks["the head a byte a second"].sendall(HEAD + b"X-A: ")

        def trickle():
            for name, s in socks.items():
                s.setblocking(False)
                try:
                    if s.recv(4096) == b"":
                        ends.setdefault(name, time.monotonic() - begun)
                except BlockingIOError:
                    pass
                except OSError:
                    ends.setdefault(name, time.monotonic() - begun)
                try:
                    if name != "nothing at all" and name not in ends:
                        s.send(b"x")
                except OSError:
                    pass
            return len(ends) == len(socks)
        h.until("all of them are cut off", trickle, timeout=60, interval=1)
        for name, s in socks.items():
            s.close()
            self.answered(f"slow-loris: {name}", f"closed after {ends[name]:.0f} s")
        self.assertLess(ends["the head a byte a second"], 25)
        self.assertLess(ends["nothing at all"], 35)
        self.assertLess(ends["a body of a byte a second"], 45)
        self.assertEqual(self.m.get("/-/healthy").status, 200)
        self.assertIn('mendd_http_refused_total{why="slow"}', self.m.metrics())


class Often(Doors):
    def test_a_crowd_of_idle_connections_leaves_room_for_others(self):
        """One peer gets three quarters of the connections at most (loopback), 256 from elsewhere."""
        self.mendd_with().start()
        socks = []
        self.addCleanup(lambda: [s.close() for s in socks])
        for i in range(4200):
            s = socket.socket()
            s.settimeout(2)
            try:
                s.connect(("127.0.0.1", self.m.port))
                socks.append(s)
            except OSError:
                break
        s = socket.socket()
        s.bind(("127.0.0.2", 0))  # another peer
        s.settimeout(10)
        s.connect(("127.0.0.1", self.m.port))
        socks.append(s)
        s.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = receive(s)
        self.answered("4,200 connections from one peer", f"another peer meanwhile: {status_of(answer)}")
        self.assertEqual(status_of(answer), 200)

    def test_requests_of_loopback_are_not_limited(self):
        self.mendd_with().start()
        data = b"GET /-/healthy HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 6000
        with socket.create_connection(("127.0.0.1", self.m.port), 30) as s:
            s.sendall(data[:200000])
            answer, sent = b"", 200000
            while answer.count(b"HTTP/1.1 ") < 6000:
                answer += s.recv(1 << 20)
                if sent < len(data):
                    s.sendall(data[sent:sent + 20000])
                    sent += 20000
        self.assertEqual(answer.count(b"HTTP/1.1 200 "), 6000)

    def test_a_flood_of_oversized_webhooks_is_one_incident(self):
        self.mendd_with().start()
        statuses = set()
        for i in range(60):
            statuses.add(status_of(self.raw(HEAD + b"Content-Length: 99999999\r\n\r\n")))
        records = h.until("their records", lambda: self.m.records("?reason=malformed"))
        self.answered("60 oversized webhooks", f"{statuses}, {len(records)} records that tell a person")
        self.assertEqual(statuses, {413})
        self.assertLessEqual(len(self.m.records("?reason=malformed")), 4)


class Sites(Doors):
    """What a page of another site can make a browser do."""

    def test_rebinding_and_foreign_origins_without_a_login(self):
        self.mendd_with().start()
        rebound = {"Host": f"evil.example:{self.m.port}"}
        for path in ("/", "/actions", "/status", "/playbooks", "/events"):
            a = self.ask(path, headers=rebound)
            self.answered(f"GET {path} by a name of the attacker's (DNS rebinding)", a.status)
            self.assertEqual(a.status, 403, path)
        posts = {"a form of another site": {"Origin": "http://evil.example"}, "a sandboxed frame": {"Origin": "null"},
                 "DNS rebinding": {**rebound, "Origin": f"http://evil.example:{self.m.port}"},
                 "rebinding without an Origin": rebound,
                 "another port of this host": {"Origin": "http://127.0.0.1:1"},
                 "a browser that hides the Origin": {"Sec-Fetch-Site": "cross-site"}}
        for name, headers in posts.items():
            for path in ("/-/pause", "/-/reload") + (() if name == "rebinding without an Origin" else ("/webhook",)):
                a = self.ask(path, "POST", {}, headers)
                self.answered(f"POST {path} from {name}", a.status)
                self.assertEqual(a.status, 403, (name, path))
        self.assertEqual(self.m.get("/status").json["paused"], [])
        self.assertTrue(self.log_lines("did=/-/pause", "status=403"))
        for host in (f"127.0.0.1:{self.m.port}", f"localhost:{self.m.port}", "[::1]:9490", "127.0.0.1"):
            self.assertEqual(self.ask("/actions", headers={"Host": host}).status, 200, host)

    def test_the_name_of_the_external_url_is_ours(self):
        self.mendd_with()
        self.m.options.append("--web.external-url=https://mendd.example/ops")
        self.m.start()
        self.assertEqual(self.ask("/actions", headers={"Host": "mendd.example"}).status, 200)
        self.assertEqual(self.ask("/actions", headers={"Host": "other.example"}).status, 403)
        self.assertEqual(self.ask("/-/pause", "POST", {}, {"Host": "mendd.example", "Origin": "https://mendd.example"}).status, 200)

    def test_origin_with_a_login(self):
        """A browser sends a password by itself, to forms of other sites as well."""
        token = "operator-token-0123"
        self.mendd_with(tokens=[{"name": "ops", "token": token, "scopes": ["operator"]}]).start()
        a = self.ask("/-/pause", "POST", {}, {**bearer(token), "Origin": "https://evil.example"})
        self.answered("POST /-/pause from another site's page, with a valid token", a.status)
        self.assertEqual(a.status, 403)
        self.assertEqual(self.ask("/-/pause", "POST", {}, {**bearer(token), "Host": "mendd.svc:9490"}).status, 200)

    def test_every_answer_bears_the_security_headers(self):
        self.mendd_with().start()
        seen = {}
        for path, method in (("/", "GET"), ("/actions", "GET"), ("/status", "GET"), ("/metrics", "GET"), ("/openapi.json", "GET"),
                             ("/nothing", "GET"), ("/webhook", "GET"), ("/webhook", "POST"), ("/-/healthy", "GET"),
                             ("/actions/01jgq2v5h0000000000000000z/approve", "GET"), ("/-/pause", "POST")):
            a = self.ask(path, method, None if method == "GET" else {})
            with self.subTest(f"{method} {path}"):
                csp = a.headers["Content-Security-Policy"]
                self.assertIn("default-src 'none'", csp)
                self.assertIn("frame-ancestors 'none'", csp)
                self.assertEqual(a.headers["X-Content-Type-Options"], "nosniff")
                self.assertEqual(a.headers["X-Frame-Options"], "DENY")
                self.assertEqual(a.headers["Referrer-Policy"], "same-origin")
                self.assertEqual(a.headers["Cache-Control"], "no-store")
            seen[a.status] = seen.get(a.status, 0) + 1
        self.answered("framing, sniffing, caching", f"CSP, nosniff, DENY, no-store on all of {seen}")

    def test_there_is_no_directory_of_anything(self):
        self.mendd_with().start()
        paths = ("/../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "//etc/passwd", "/actions/../../../etc/passwd", "/actions/%2e%2e/report",
                 "/actions/..", "/actions/.", "/actions/", "/data/mendd.db", "/static/", "/.git/config", "/actions/%00", "/%5c..%5cetc",
                 "/actions/a/../b/report", "/debug/pprof/", "/playbooks/../config")
        for path in paths:
            answer = self.raw(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            with self.subTest(path):
                self.answered(f"GET {path}", status_of(answer))
                self.assertIn(status_of(answer), (400, 404))
                self.assertNotIn(b"root:", answer)


class Doorstep(Doors):
    """Who is let in at all: others only where somebody must log in, or where the operator said otherwise."""

    def refused(self, *options, **config):
        self.mendd_with(**config)
        self.m.options += [f"--web.listen-address=0.0.0.0:{self.m.port}", *options]
        self.m.start(wait=False)
        h.until("it gives up", lambda: not self.m.running())
        return self.m

    def test_others_without_a_login_refuses_to_start(self):
        m = self.refused()
        self.answered("listening on 0.0.0.0 without a login", f"exit code {m.process.returncode}")
        self.assertEqual(m.process.returncode, 2)
        self.assertIn("--web.allow-anonymous", m.text())
        self.assertIn("nobody would have to log in", m.text())

    def serves_others(self, *options, **config):
        self.mendd_with(**config)
        self.m.options += [f"--web.listen-address=0.0.0.0:{self.m.port}", *options]
        self.m.start()

    def test_others_on_purpose(self):
        self.serves_others("--web.allow-anonymous")

    def test_others_with_a_login(self):
        self.serves_others(tokens=[{"name": "a", "token": "a-token-0123456789", "scopes": ["viewer"]}])
        self.assertTrue(self.log_lines("level=warn", "cross the network readable by all"))

    def test_a_reload_cannot_take_the_login_away(self):
        tokens = [{"name": "a", "token": "a-token-0123456789", "scopes": ["operator"]}]
        self.mendd_with(tokens=tokens)
        self.m.options.append(f"--web.listen-address=0.0.0.0:{self.m.port}")
        self.m.start()
        self.m.configure(self.m.folder / "kubeconfig", unmatched="record")
        a = self.ask("/-/reload", "POST", None, bearer(tokens[0]["token"]))
        self.answered("a reload without tokens while others can reach it", f"{a.status}, the old configuration stays")
        self.assertEqual(a.status, 500)
        self.assertIn("nobody would have to log in any more", a.json["error"]["message"])
        self.assertEqual(self.ask("/actions").status, 401)
