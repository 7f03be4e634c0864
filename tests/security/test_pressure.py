"""What must hold while many come at once: certificates and users that rotate, the end of the daemon, bodies in small pieces."""
import http.client
import os
import socket
import threading
import time

from doors import ALICE, BOB, Doors, basic, bcrypt, bearer, receive, status_of
from doors import h

SENDERS, ROTATIONS = 6, 4


class Pressure(Doors):
    def setUp(self):
        super().setUp()
        self.over, self.threads, self.statuses = threading.Event(), [], []

    def tearDown(self):
        self.over.set()
        for t in self.threads:
            t.join(20)
        super().tearDown()

    def with_alice(self):
        return self.mendd_with({"basic_auth_users": {"alice": bcrypt(ALICE)}}, users=[{"name": "alice", "scopes": ["webhook"]}])

    def again_and_again(self, what, times=1):
        def loop():
            while not self.over.is_set():
                try:
                    what()
                except (OSError, http.client.HTTPException):
                    if not self.m.running():
                        return
        for _ in range(times):
            t = threading.Thread(target=loop)
            t.start()
            self.threads.append(t)

    def send_webhooks(self):
        """Over one connection until it ends."""
        body = h.json.dumps(h.payload({"labels": {"alertname": "Nothing"}}))
        headers = {"Content-Type": "application/json", **basic("alice", ALICE)}
        c = http.client.HTTPConnection("127.0.0.1", self.m.port, timeout=10)
        try:
            while not self.over.is_set():
                c.request("POST", "/webhook", body, headers)
                answer = c.getresponse()
                answer.read()
                self.statuses.append(answer.status)
        finally:
            c.close()

    def knock(self):
        socket.create_connection(("127.0.0.1", self.m.port), 10).close()

    def guess(self):
        h.request(self.m.url + "/actions", headers=basic("alice", BOB))

    def test_users_rotate_while_webhooks_come(self):
        self.with_alice().start()
        self.again_and_again(self.send_webhooks, SENDERS)
        self.again_and_again(self.knock, 2)

        def rotated():
            os.utime(self.web_file)
            return len(self.log_lines("TLS and users were read again")) >= ROTATIONS
        h.until("users were read again several times", lambda: self.m.alive() and rotated(), timeout=30)
        self.over.set()
        for t in self.threads:
            t.join(20)
        self.assertTrue(self.m.alive())
        self.assertEqual(set(self.statuses), {200})
        self.answered("rotation of users in the middle of webhooks", "200 to each; the daemon lives")
        self.assertEqual(self.m.stop(), 0)

    def test_the_end_comes_while_webhooks_and_guesses_come(self):
        self.with_alice()
        for _ in range(3):
            self.over.clear()
            self.m.start()
            before = len(self.statuses)
            h.until("alice is known", lambda: self.ask("/-/pause", "POST", {}, basic("alice", ALICE)).status == 403)
            self.again_and_again(self.send_webhooks, SENDERS)
            self.again_and_again(self.guess, SENDERS)
            h.until("webhooks flow", lambda: self.m.alive() and len(self.statuses) > before + 20, timeout=20)
            self.assertEqual(self.m.stop(), 0, self.m.tail())
            self.over.set()
            for t in self.threads:
                t.join(20)
        self.assertLessEqual(set(self.statuses), {200, 503})
        self.answered("SIGTERM amid webhooks and guessed passwords", "200 or 503, exit code 0 each time")

    def test_a_form_in_small_pieces_over_a_small_limit(self):
        token = "t0ken-of-the-operator-0123456789"
        self.mendd_with(tokens=[{"name": "ops", "token": token, "scopes": ["operator", "viewer"]}])
        self.m.options.append("--web.max-body=4KiB")
        self.m.start()
        head = (b"POST /actions/01aryz6s41tsv4rrffq69g5fav/approve HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n")
        seen = set()
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", self.m.port), 10) as s:
                s.sendall(head)
                for piece in [b"token="] + [b"a" * 1000] * 15:
                    s.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                    time.sleep(0)
                s.sendall(b"0\r\n\r\n")
                seen.add(status_of(receive(s)))
        self.assertTrue(self.m.alive())
        self.assertLessEqual(seen, {401, 429})
        self.assertEqual(self.ask("/status", headers=bearer(token)).status, 200)
        self.answered("a form of 15 KB in pieces, --web.max-body=4KiB", f"{sorted(seen)}; the daemon lives")
        self.assertEqual(self.m.stop(), 0)
