"""TLS and who shows a certificate: exporter-toolkit's web configuration against the running daemon."""
import http.client
import pathlib
import socket
import ssl
import subprocess
import time
import warnings

from doors import ALICE, BOB, Authority, Doors, basic, bcrypt, bearer, handshake
from doors import h

TOKEN = "operator-secret-012"

class Tls(Doors):
    def setUp(self):
        super().setUp()
        self.ca = Authority(self.folder)
        self.pair = self.ca.sign("server", "IP:127.0.0.1,DNS:localhost")

    def server(self, **tls):
        return {"tls_server_config": {"cert_file": str(self.pair[0]), "key_file": str(self.pair[1]), **tls}}

    def mutual(self, kind="RequireAndVerifyClientCert", **tls):
        return self.server(client_auth_type=kind, client_ca_file=str(self.ca.cert), **tls)

    def test_a_client_of_a_foreign_authority_gets_no_connection(self):
        self.mendd_with(self.mutual())
        mine = self.ca.sign("client", "DNS:prom.example")
        self.start_tls(self.ca.context(mine))
        foreign = Authority(self.folder, "foreign")
        # the same name, the same key usage, another signature
        stranger = foreign.sign("client", "DNS:prom.example")
        cases = {"of a foreign CA": stranger, "expired": self.ca.sign("old", "DNS:prom.example", days=-1),
                 "for servers only": self.ca.sign("server2", "DNS:prom.example", usage="serverAuth")}
        self.assertEqual(handshake(self.m.port, self.ca.context(mine)), 200)
        for what, client in cases.items():
            with self.subTest(what):
                context = self.ca.context()
                context.load_cert_chain(*client)
                seen = handshake(self.m.port, context)
                self.answered(f"a client certificate {what}", f"handshake refused: {seen}")
                self.assertNotIsInstance(seen, int, seen)
        seen = handshake(self.m.port, self.ca.context())
        self.answered("no client certificate where one is required", f"handshake refused: {seen}")
        self.assertNotIsInstance(seen, int)
        self.assertTrue(self.log_lines("a client certificate was refused", "from=127.0.0.1"))
        self.assertEqual(handshake(self.m.port, self.ca.context(mine)), 200, "it still serves")

    def test_what_is_only_asked_for_proves_nothing(self):
        """RequireAnyClientCert: a certificate that anybody can make is shown, and opens nothing."""
        self.mendd_with({**self.server(client_auth_type="RequireAnyClientCert"), "basic_auth_users": {"alice": bcrypt(ALICE)}},
                        users=[{"certificate": "client", "scopes": ["operator"]}, {"name": "alice", "scopes": ["viewer"]}])
        own = Authority(self.folder, "own").sign("client")
        self.start_tls(self.ca.context(own))
        seen = handshake(self.m.port, self.ca.context(own))
        self.answered("a self-made certificate with an operator's name, RequireAnyClientCert", seen)
        self.assertEqual(seen, 401)
        none = handshake(self.m.port, self.ca.context())
        self.assertNotIsInstance(none, int, none)

    def test_names_and_scopes_of_certificates(self):
        self.mendd_with(self.mutual("VerifyClientCertIfGiven", client_allowed_sans=["am.example", "ops.example"]),
                        users=[{"certificate": "am.example", "scopes": ["webhook"]}, {"certificate": "ops.example", "scopes": ["operator"]}])
        am = self.ca.context(self.ca.sign("am", "DNS:am.example"))
        ops = self.ca.context(self.ca.sign("ops", "DNS:ops.example"))
        other = self.ca.sign("am.example", "DNS:other.example")  # the right name as CN, which does not count beside a SAN
        self.start_tls(self.ca.context())
        post = {"method": "POST", "body": h.payload({"labels": {"alertname": "A"}})}
        self.assertEqual(self.ask("/webhook", context=am, **post).status, 200)
        self.assertEqual(self.ask("/actions", context=am).status, 403)
        self.assertEqual(self.ask("/-/pause", "POST", {}, context=am).status, 403)
        self.assertEqual(self.ask("/-/pause", "POST", {}, context=ops).status, 200)
        self.assertEqual(self.ask("/webhook", context=self.ca.context(), **post).status, 401)
        self.answered("the webhook's certificate pauses mendd", 403)
        context = self.ca.context()
        context.load_cert_chain(*other)
        seen = handshake(self.m.port, context)
        self.answered("a certificate whose CN, but no SAN, is in client_allowed_sans", f"handshake refused: {seen}")
        self.assertNotIsInstance(seen, int)
        self.assertTrue(self.log_lines("did=pause", 'by="certificate ops.example"', "status=200"))
        self.assertTrue(self.log_lines("did=/-/pause", 'by="certificate am.example"', "status=403"))

    def test_certificates_are_rotated_under_the_running_daemon(self):
        self.mendd_with(self.server())
        self.start_tls(self.ca.context())

        def serial():
            with socket.create_connection(("127.0.0.1", self.m.port), 10) as plain, \
                    self.ca.context().wrap_socket(plain, server_hostname="127.0.0.1") as s:
                return s.getpeercert()["serialNumber"]
        first = serial()
        self.ca.sign("server", "IP:127.0.0.1", into=self.pair)
        h.until("the new certificate, without a signal", lambda: serial() != first, timeout=10)
        second = serial()
        key = self.pair[1].read_bytes()
        Authority.new_key(self.pair[1])  # belongs to nothing
        h.until("the fault is told", lambda: serial() and self.log_lines("TLS and users stay as they were", "does not belong"), timeout=10)
        self.assertEqual(serial(), second, "the old one stays")
        a = self.ask("/-/reload", "POST")
        self.assertEqual(a.status, 500, a)
        self.assertIn("does not belong", a.json["error"]["message"])
        self.assertEqual(serial(), second)
        self.answered("a rotation that writes a key of another certificate", "the old pair stays; logged; /-/reload 500")
        self.ca.sign("server", "IP:127.0.0.1", into=self.pair, days=-1)
        self.assertEqual(self.ask("/-/reload", "POST").status, 500)
        self.assertEqual(serial(), second, "an expired one does not take its place")
        self.pair[1].write_bytes(key)
        self.ca.sign("server", "IP:127.0.0.1", into=self.pair)
        self.assertEqual(self.ask("/-/reload", "POST").status, 200)
        self.assertNotEqual(serial(), second)

    def test_the_versions_and_suites_that_were_chosen(self):
        self.mendd_with(self.server(min_version="TLS12", max_version="TLS12",
                                    cipher_suites=["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"], curve_preferences=["CurveP384"]))
        self.start_tls(self.ca.context())
        self.assertEqual(handshake(self.m.port, self.ca.context()), 200)
        seen = handshake(self.m.port, self.ca.context(versions=(ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)))
        self.assertNotIsInstance(seen, int)
        weak = self.ca.context()
        weak.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        weak.maximum_version = ssl.TLSVersion.TLSv1_2
        seen = handshake(self.m.port, weak)
        self.answered("a cipher suite that was not chosen", f"handshake refused: {seen}")
        self.assertNotIsInstance(seen, int)

    def test_tls_1_1_and_plain_http_are_refused(self):
        self.mendd_with(self.server())
        self.start_tls(self.ca.context())
        warnings.simplefilter("ignore", DeprecationWarning)  # it is an attack
        old = self.ca.context()
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        seen = handshake(self.m.port, old)
        self.answered("TLS 1.1", f"handshake refused: {seen}")
        self.assertNotIsInstance(seen, int)
        plain = self.raw(b"GET /actions HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        self.answered("plain HTTP on the TLS port", "closed" if b"HTTP" not in plain else plain)
        self.assertNotIn(b"HTTP/1.1 200", plain)

    def test_a_certificate_that_is_no_longer_trusted(self):
        """An open connection does not outlive the trust in its certificate."""
        self.mendd_with(self.mutual(), users=[{"certificate": "am.example", "scopes": ["viewer"]}])
        am = self.ca.context(self.ca.sign("am", "DNS:am.example"))
        self.start_tls(am)
        conn = http.client.HTTPSConnection("127.0.0.1", self.m.port, context=am, timeout=10)
        self.addCleanup(conn.close)

        def status():
            conn.request("GET", "/status")
            r = conn.getresponse()
            r.read()
            return r.status
        self.assertEqual(status(), 200)
        new = Authority(self.folder, "new")
        self.write_web(self.server(client_auth_type="RequireAndVerifyClientCert", client_ca_file=str(new.cert)))
        self.m.process.send_signal(h.signal.SIGHUP)
        h.until("reloaded", lambda: self.log_lines("configuration and playbooks reloaded"))
        seen = status()
        self.answered("a kept connection after its CA was taken out", seen)
        self.assertEqual(seen, 401)

    def kept(self, context):
        """A connection that stays: what asks on it, for (status, the Connection header, its local port or None: closed)."""
        conn = http.client.HTTPSConnection("127.0.0.1", self.m.port, context=context, timeout=10)
        self.addCleanup(conn.close)

        def ask(path="/status", method="GET"):
            if method == "POST":
                conn.request(method, path, b"{}", {**bearer(TOKEN), "Content-Type": "application/json"})
            else:
                conn.request(method, path, headers=bearer(TOKEN))
            r = conn.getresponse()
            r.read()
            return r.status, r.getheader("Connection"), conn.sock and conn.sock.getsockname()[1]
        return ask

    def test_a_token_does_not_replace_the_certificate_that_is_required(self):
        """What a new connection could not have is not served on a kept one either, whatever token comes with it."""
        self.mendd_with(self.mutual(), tokens=[{"name": "ops", "token": TOKEN, "scopes": ["operator"]}])
        am = self.ca.context(self.ca.sign("am", "DNS:am.example"))
        self.start_tls(am)
        first, second = self.kept(am), self.kept(am)
        self.assertEqual((first()[0], second()[0]), (200, 200))
        new = Authority(self.folder, "new")
        self.write_web(self.server(client_auth_type="RequireAndVerifyClientCert", client_ca_file=str(new.cert)))
        self.m.process.send_signal(h.signal.SIGHUP)
        h.until("reloaded", lambda: self.log_lines("configuration and playbooks reloaded"))
        self.assertNotIsInstance(handshake(self.m.port, am), int, "a new connection gets no further than the handshake")
        looks, pauses = first(), second("/-/pause", "POST")
        self.answered("a kept connection with a token after its CA was taken out", f"GET {looks[0]}, POST {pauses[0]}, closed")
        self.assertEqual((looks, pauses), ((401, "close", None), (401, "close", None)))
        self.assertTrue(self.log_lines("did=/-/pause", "status=401 ", "does not hold any more"))
        theirs = self.ca.context(new.sign("am", "DNS:am.example"))
        self.assertEqual(self.ask("/status", headers=bearer(TOKEN), context=theirs).json["paused"], [])

    def test_a_certificate_is_required_from_now_on(self):
        """NoClientCert becomes RequireAnyClientCert or more: connections from before have none."""
        self.mendd_with(self.server(), tokens=[{"name": "ops", "token": TOKEN, "scopes": ["operator"]}])
        self.start_tls(self.ca.context())
        for kind, more in (("RequireAnyClientCert", {}), ("RequireAndVerifyClientCert", {"client_ca_file": str(self.ca.cert)})):
            with self.subTest(kind):
                self.write_web(self.server())
                h.until("no certificate is needed", lambda: handshake(self.m.port, self.ca.context()) == 401)
                ask = self.kept(self.ca.context())
                self.assertEqual(ask()[0], 200)
                self.write_web(self.server(client_auth_type=kind, **more))
                h.until("one is needed", lambda: handshake(self.m.port, self.ca.context()) != 401)
                seen = ask()
                self.answered(f"a kept connection without a certificate when {kind} came", seen[0])
                self.assertEqual(seen, (401, "close", None))

    def test_a_certificate_that_expires_on_a_kept_connection(self):
        self.mendd_with(self.mutual(), tokens=[{"name": "ops", "token": TOKEN, "scopes": ["operator"]}])
        self.start_tls(self.ca.context(self.ca.sign("am", "DNS:am.example")))
        brief = self.ca.context(self.ca.sign("brief", "DNS:am.example", seconds=8))
        ask = self.kept(brief)
        self.assertEqual(ask()[0], 200)
        stream = self.stream(brief, bearer(TOKEN))
        h.until("it expires", lambda: not isinstance(handshake(self.m.port, brief), int), timeout=30)
        seen = ask()
        self.answered("a kept connection with a token after its certificate expired", seen[0])
        self.assertEqual(seen, (401, "close", None))
        stream.wait_ended(30)
        self.answered("/events after its certificate expired", "ended at the heartbeat")


class Mendctl(Doors):
    def test_mendctl_logs_in_every_way(self):
        ca = Authority(self.folder)
        cert, key = ca.sign("server", "IP:127.0.0.1")
        self.mendd_with({"tls_server_config": {"cert_file": str(cert), "key_file": str(key), "client_ca_file": str(ca.cert),
                                               "client_auth_type": "RequireAndVerifyClientCert"},
                         "basic_auth_users": {"alice": bcrypt(ALICE)}},
                        users=[{"name": "alice", "scopes": ["viewer"]}, {"certificate": "ops.example", "scopes": ["operator"]}])
        ops, other = ca.sign("ops", "DNS:ops.example"), ca.sign("other", "DNS:other.example")
        self.start_tls(ca.context(ops))
        password = self.folder / "password"
        password.write_text(ALICE + "\n")

        def run(*args):
            p = subprocess.run([h.BIN / "mendctl", "--url", self.m.url, *map(str, args)], capture_output=True, text=True, timeout=30)
            return p.returncode, p.stdout + p.stderr
        trust = ("--ca-file", ca.cert)
        mine, others = (("--cert-file", c, "--key-file", k) for c, k in (ops, other))
        self.assertEqual(run(*trust, *mine, "pause", "--reason", "x")[0], 0)
        self.assertEqual(run(*trust, *others, "--user", "alice", "--password-file", password, "status")[0], 0)
        code, text = run(*trust, *others, "--user", "alice", "--password-file", password, "resume")
        self.assertEqual((code, "lacks the scope" in text), (1, True), text)
        self.assertEqual(run(*trust, *others, "status")[0], 1)
        self.assertEqual(run(*trust, "status")[0], 3, "no certificate, no connection")
        self.assertEqual(run(*mine, "status")[0], 3, "whom nobody trusts mendctl does not talk to")
        self.assertEqual(run("--user", "alice", "status")[0], 2)


class Users(Doors):
    def test_passwords(self):
        self.mendd_with({"basic_auth_users": {"alice": bcrypt(ALICE), "bob": bcrypt(BOB)}},
                        users=[{"name": "alice", "scopes": ["operator"]}])
        self.m.start()
        self.assertEqual(self.ask("/-/pause", "POST", {}, headers=basic("alice", ALICE)).status, 200)
        self.assertEqual(self.ask("/actions", headers=basic("bob", BOB)).status, 403, "known, and not on the list")
        for name, headers in {"a wrong password": basic("alice", BOB), "an unknown user": basic("eve", ALICE),
                              "an empty password": basic("alice", ""), "a NUL in it": basic("alice", ALICE + "\0"),
                              "no colon": {"Authorization": "Basic YWxpY2U="}, "the hash as the password": basic("alice", bcrypt(ALICE)),
                              "nothing": {}}.items():
            with self.subTest(name):
                a = self.ask("/actions", headers=headers)
                self.answered(f"a login with {name}", a.status)
                self.assertEqual(a.status, 401)
                self.assertIn("Basic", a.headers["WWW-Authenticate"])
        self.assertFalse([w for w in (ALICE, BOB, bcrypt(ALICE)) if w in self.m.text()], "no secret in the log")
        self.assertTrue(self.log_lines("did=pause", 'by="user alice"', "status=200"))

    def test_an_unknown_user_takes_as_long_as_a_known_one(self):
        self.mendd_with({"basic_auth_users": {"alice": bcrypt(ALICE, 10), "bob": bcrypt(BOB)}})
        self.m.start()

        def ticks():
            return sum(map(int, pathlib.Path(f"/proc/{self.m.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))

        def cpu(user):
            before = ticks()
            for i in range(4):
                self.assertEqual(self.ask("/actions", headers=basic(user, f"wrong{i}"), timeout=30).status, 401)
            return ticks() - before
        known, unknown = cpu("alice"), cpu("eve")
        self.answered("is there a user \"eve\"? by the time it takes", f"CPU ticks of four tries: {unknown} unknown, {known} known")
        self.assertGreater(unknown, known / 2)

    def test_bcrypt_does_not_stop_the_loop(self):
        self.mendd_with({"basic_auth_users": {"alice": bcrypt(ALICE, 12)}})
        self.m.start()
        socks = []
        for i in range(10):
            s = socket.create_connection(("127.0.0.1", self.m.port), 30)
            self.addCleanup(s.close)
            head = basic("alice", f"wrong{i}")["Authorization"]
            s.sendall(f"GET /actions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {head}\r\n\r\n".encode())
            socks.append(s)
        begun = time.monotonic()
        self.assertEqual(self.m.get("/-/healthy").status, 200)
        took = time.monotonic() - begun
        self.answered("ten logins at once with cost 12 (a quarter second each)", f"/-/healthy meanwhile in {took * 1000:.0f} ms")
        self.assertLess(took, 0.25)
        self.assertIn(b" 401 ", socks[0].recv(4096))

    def test_guessing_is_slowed_and_locks_nobody_out(self):
        self.mendd_with({"basic_auth_users": {"alice": bcrypt(ALICE)}}, users=[{"name": "alice", "scopes": ["viewer"]}])
        self.m.start()
        self.assertEqual(self.ask("/actions", headers=basic("alice", ALICE)).status, 200)
        seen = [self.ask("/actions", headers=basic("alice", f"guess{i}")) for i in range(40)]
        statuses = [a.status for a in seen]
        self.answered("40 guesses of a password", f"{statuses.count(401)} times 401, then 429, Retry-After {seen[-1].headers['Retry-After']}")
        self.assertEqual(set(statuses), {401, 429})
        self.assertEqual(statuses[-1], 429)
        self.assertLessEqual(statuses.count(401), 25)
        self.assertEqual(self.ask("/actions", headers=basic("alice", ALICE)).status, 200, "who was right before is not locked out")

    def test_another_user_is_not_locked_out_at_the_same_address(self):
        """Behind an ingress everybody has one address: who guesses at one name slows that name down there."""
        self.mendd_with({"basic_auth_users": {"alice": bcrypt(ALICE), "bob": bcrypt(BOB)}},
                        users=[{"name": "alice", "scopes": ["viewer"]}, {"name": "bob", "scopes": ["viewer"]}])
        self.m.start()
        statuses = [self.ask("/actions", headers=basic("bob", f"guess{i}")).status for i in range(30)]
        self.assertEqual(statuses[-1], 429)
        seen = self.ask("/actions", headers=basic("alice", ALICE)).status
        self.answered("a user's first login after 30 guesses at another's password from the same address", seen)
        self.assertEqual(seen, 200)
        begun = time.monotonic()
        many = [self.ask("/actions", headers=basic(f"nobody{i}", "guess")).status for i in range(150)]
        self.answered("150 guesses at as many names", f"{many.count(401)} times 401, then 429")
        self.assertEqual(set(many), {401, 429})
        self.assertLessEqual(many.count(401), 101 + time.monotonic() - begun)
        self.assertEqual(self.ask("/actions", headers=basic("alice", ALICE)).status, 200, "who was right before")

    def test_guesses_leave_room_in_the_queue(self):
        self.mendd_with({"basic_auth_users": {"alice": bcrypt(ALICE, 12), "bob": bcrypt(BOB, 5)}},
                        users=[{"name": "alice", "scopes": ["viewer"]}, {"name": "bob", "scopes": ["viewer"]}])
        self.m.start()
        socks = []
        for i in range(18):
            s = socket.create_connection(("127.0.0.1", self.m.port), 60)
            self.addCleanup(s.close)
            head = basic("alice", f"wrong{i}")["Authorization"]
            s.sendall(f"POST /-/pause HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nAuthorization: {head}\r\n\r\n".encode())
            socks.append(s)
        h.until("the queue has no more place for it", lambda: self.log_lines("did=/-/pause", "status=503 ", "too many passwords wait"))
        seen = self.ask("/actions", headers=basic("bob", BOB), timeout=60).status
        self.answered("a login while 18 guesses at another's password came at once", seen)
        self.assertEqual(seen, 200)

    def test_a_stream_ends_with_its_user(self):
        self.mendd_with({"basic_auth_users": {"alice": bcrypt(ALICE), "bob": bcrypt(BOB)}},
                        users=[{"name": n, "scopes": ["viewer"]} for n in ("alice", "bob")])
        self.m.start()
        stream = self.stream(None, basic("alice", ALICE))
        self.write_web({"basic_auth_users": {"bob": bcrypt(BOB)}})
        h.until("alice is out, without a signal", lambda: self.ask("/actions", headers=basic("alice", ALICE)).status in (401, 429))
        stream.wait_ended(5)
        self.answered("/events of a user who was taken out", "ended")

    def test_a_removed_user_is_out_at_once(self):
        self.mendd_with({"basic_auth_users": {"alice": bcrypt(ALICE), "bob": bcrypt(BOB)}})
        self.m.start()
        self.assertEqual(self.ask("/actions", headers=basic("alice", ALICE)).status, 200)
        self.write_web({"basic_auth_users": {"bob": bcrypt(BOB)}})
        h.until("alice is out, without a signal", lambda: self.ask("/actions", headers=basic("alice", ALICE)).status in (401, 429))
        self.assertEqual(self.ask("/actions", headers=basic("bob", BOB)).status, 200)


class WebConfig(Doors):
    """What cannot be honoured is a fault with its line, never ignored."""

    def test_faults(self):
        ca = Authority(self.folder)
        pair = ca.sign("server", "IP:127.0.0.1")
        tls = f"tls_server_config:\n  cert_file: {pair[0]}\n  key_file: {pair[1]}\n"
        faults = {
            "http_server_config:\n  http2: true\n": ":2:10: mendd answers in HTTP/1.1 only",
            "tls_server_config:\n  cert_file: a\n": 'needs "key_file"',
            tls + "  min_version: TLS10\n": ':4:16: "TLS10": mendd speaks TLS 1.2 and 1.3 only',
            tls + "  client_auth_type: RequireAndVerifyClientCert\n": "needs client_ca_file",
            tls + "  client_auth_type: Sometimes\n": ":4:21:",
            tls + f"  client_ca_file: {ca.cert}\n": "is not looked at with client_auth_type NoClientCert",
            tls + "  cipher_suites: [TLS_FOO]\n": ':4:18: "TLS_FOO" in cipher_suites cannot be had',
            tls + "  cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n": "GnuTLS cannot offer these suites without",
            tls + "  client_allowed_sans: [a]\n": "client_allowed_sans needs client_auth_type",
            "basic_auth_users:\n  alice: plain-text-password\n": ":2:10: the password of \"alice\" must be a bcrypt hash",
            "basic_auth_users:\n  alice: $2y$31$" + "a" * 53 + "\n": "has cost 31",
            "basic_auth_excluded_paths: [/webhook]\n": "basic_auth_excluded_paths",
            "http_server_config:\n  headers:\n    Set-Cookie: a\n": 'the header "Set-Cookie" cannot be set',
            "tls_config: {}\n": 'unknown key "tls_config"',
        }
        self.mendd_with("")
        for text, words in faults.items():
            with self.subTest(text):
                self.write_web(text)
                self.m.log.unlink(missing_ok=True)
                self.m.start(wait=False)
                h.until("it gives up", lambda: not self.m.running())
                self.assertEqual(self.m.process.returncode, 2)
                self.assertIn(words, self.m.text().replace('\\"', '"'))
                self.assertNotIn("plain-text-password", self.m.text(), "never the secret itself")

    def test_headers_of_http_server_config(self):
        self.mendd_with({"http_server_config": {"headers": {"Strict-Transport-Security": "max-age=60", "X-Frame-Options": "SAMEORIGIN"}}})
        self.m.start()
        a = self.ask("/status")
        self.assertEqual(a.headers["Strict-Transport-Security"], "max-age=60")
        self.assertEqual(a.headers.get_all("X-Frame-Options"), ["SAMEORIGIN"])
