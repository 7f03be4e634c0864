"""What mendd asks may be hostile too: an API server that redirects, floods or lies, and files that everybody can read."""
import http.server
import json
import re

from doors import Doors
from doors import h


class Thief(h.LocalServer):
    """Whoever follows a redirect to it shows what he brings along."""

    def __init__(self):
        thief, self.got = self, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                thief.got.append(dict(self.headers))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")
            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = answer

        super().__init__("thief", Handler)


class Hostile(h.LocalServer):
    """An API server that answers everything in one way."""

    def __init__(self, status, headers, body):
        hostile, self.got = self, []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                hostile.got.append((self.command, self.path, dict(self.headers)))
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass
            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = answer

        super().__init__("hostile", Handler)


def told(record):
    events = [t["event"] for t in record["timeline"] if t.get("event")] or [record.get("message") or "asks again"]
    return f"{record.get('reason') or record['state']}, nothing changed: {events[-1]}"


class ApiServer(Doors):
    def against(self, status, headers, body):
        self.server = self.add(Hostile(status, headers, body))
        self.m = self.new_mendd(f"mendd-{len(self.programs)}")
        cluster = h.Cluster(self.server.url, "the-clusters-token-4711")
        self.m.configure(cluster.kubeconfig(self.m.folder / "kubeconfig"), unmatched="record")
        self.m.with_playbooks(h.restart_playbook())
        self.m.start()
        self.assertEqual(self.m.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api"}})).status, 200)
        run = self.m.run_of("Broken")["id"]
        h.until("it was asked", lambda: [g for g in self.server.got if g[0] == "GET"])
        return h.until("the record tells of it", lambda: (r := self.m.record(run)) and (r["state"] == "done" or [t for t in r["timeline"] if t.get("event")] or
                                                                                     len(self.server.got) > 2) and r)

    def test_a_redirect_is_not_followed_and_the_token_stays(self):
        for status in (301, 302, 307, 308):
            with self.subTest(status):
                thief = self.add(Thief())
                record = self.against(status, {"Location": thief.url + "/steal"}, b"")
                self.answered(f"an API server that answers {status} to another host", told(record))
                self.assertEqual(thief.got, [], "nobody came, and no token with him")
                self.assertTrue(self.server.got, "it was asked")
                self.assertNotEqual(record["outcome"], "resolved")
                self.assertNotIn("the-clusters-token-4711", json.dumps(record) + self.m.text())
                self.m.stop()

    def test_answers_that_are_none(self):
        deep = b'{"a":' * 5000 + b"1" + b"}" * 5000
        lies = {"HTML": (200, {"Content-Type": "text/html"}, b"<html>login</html>"), "a list": (200, {}, b"[1,2]"), "deep JSON": (200, {}, deep),
                "9 MiB": (200, {}, b'{"x":"' + b"y" * (9 << 20) + b'"}'), "no UTF-8": (200, {}, b'{"kind":"\xff\xfe"}'),
                "the wrong kind": (200, {}, json.dumps({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "x"}}).encode())}
        for name, (status, headers, body) in lies.items():
            with self.subTest(name):
                record = self.against(status, headers, body)
                self.answered(f"an API server that answers with {name}", told(record))
                self.assertNotEqual(record["outcome"], "resolved")
                # SelfSubjectAccessReviews are questions, and an Event tells that nothing was done
                harmless = re.compile(r"/selfsubjectaccessreviews$|/events$")
                changes = [g for g in self.server.got if g[0] != "GET" and not harmless.search(g[1].split("?")[0])]
                self.assertEqual(changes, [], "nothing was changed")
                self.assertLess(self.m.memory_kb(), 200 * 1024)
                self.m.stop()


class Files(Doors):
    def test_a_kubeconfig_that_everybody_can_read(self):
        self.mendd_with()
        kubeconfig = self.m.folder / "kubeconfig"
        kubeconfig.chmod(0o644)
        self.m.start()
        lines = self.log_lines("level=warn", "the kubeconfig holds a token or key, and others can read it: chmod 600", str(kubeconfig))
        self.answered("a kubeconfig with mode 0644", "a warning that says chmod 600")
        self.assertTrue(lines, self.m.tail())
        self.m.stop()
        self.m.log.unlink()
        kubeconfig.chmod(0o600)
        self.m.start()
        self.assertFalse(self.log_lines("others can read it"))
