"""Small local servers in other systems' places, for the row cases: scripted HTTP, a PromQL API, an Alertmanager, a Redis.

All record what they are asked. An answer is a map, or a list of them: the first whose `when` (an object of the cluster, as
doings.look reads it) holds is given; without any `when`, one after the other, and the last one stays.
"""
import datetime
import fnmatch
import http.server
import json
import socket
import ssl
import subprocess
import threading
import urllib.parse

import harness as h
import templates


class Answers:
    """What a route answers, call after call."""

    def __init__(self, answers, holds):
        self.answers = answers if isinstance(answers, list) and answers else [answers]  # [] is an answer: nothing is found
        self.holds, self.turn = holds, 0

    def next(self):
        conditional = [a for a in self.answers if isinstance(a, dict) and "when" in a]
        for a in conditional:
            if self.holds(a["when"]):
                return a
        plain = [a for a in self.answers if a not in conditional]
        a = plain[min(self.turn, len(plain) - 1)]
        self.turn += 1
        return a


class Local(h.LocalServer):
    """An HTTP server in this process; subclasses answer(method, path, query, headers, body) -> (status, headers, bytes)."""

    def __init__(self, name):
        local, self.got, self.lock = self, [], threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                url = urllib.parse.urlsplit(self.path)
                with local.lock:
                    local.got.append({"method": self.command, "path": url.path, "query": url.query,
                                      "headers": dict(self.headers), "body": body.decode(errors="replace")})
                    status, headers, answer = local.answer(self.command, url.path, url.query, self.headers, body)
                self.send_response(status)
                for k, v in {"Content-Length": len(answer), **headers}.items():
                    self.send_header(k, str(v))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = serve

        super().__init__(name, Handler)

    def names(self):
        return {"url": self.url, "port": self.port, "address": f"127.0.0.1:{self.port}", "host": "127.0.0.1"}

    def tail(self):
        return "\n".join(f"{g['method']} {g['path']}?{g['query']} {g['body'][:200]}" for g in self.got[-20:])

    def missing_calls(self, wanted):
        """Those of `wanted` that did not come, in this order (others may have come between). A list of misses."""
        came, at = list(self.got), 0
        for call in wanted:
            spec = call if isinstance(call, dict) else {"request": call}
            while at < len(came) and not self.is_call(came[at], spec):
                at += 1
            if at == len(came):
                return [f"{self.name} was not asked {spec} (in this order); it was asked:\n{self.tail()}"]
            at += 1
        return []

    @staticmethod
    def is_call(got, spec):
        path = got["path"] + ("?" + got["query"] if "?" in spec["request"] else "")
        if not fnmatch.fnmatchcase(f"{got['method']} {path}", spec["request"]):
            return False
        headers = {k.lower(): v for k, v in got["headers"].items()}
        if any(not templates.like(p, headers.get(k.lower(), "")) for k, p in spec.get("headers", {}).items()):
            return False
        if "json" in spec:
            try:
                doc = json.loads(got["body"])
            except ValueError:
                return False
            if not all(templates.meets(templates.at(doc, p), w) for p, w in spec["json"].items()):
                return False
        return templates.like(spec.get("body", ""), urllib.parse.unquote_plus(got["body"]) + "\n" + got["body"])


def as_json(status, value):
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


class Http(Local):
    """routes: {"GET /health": {status, json | body, headers}}: `*` stands for anything; others are answered 404."""

    def __init__(self, name, routes, holds):
        self.holds, self.routes = holds, {}
        self.script(routes)
        super().__init__(name)

    def script(self, routes):
        self.routes = {**self.routes, **{r: Answers(a, self.holds) for r, a in routes.items()}}

    def answer(self, method, path, query, headers, body):
        full = f"{method} {path}"
        for pattern, answers in self.routes.items():
            if fnmatch.fnmatchcase(full + "?" + query, pattern) or fnmatch.fnmatchcase(full, pattern):
                a = answers.next()
                if "json" in a:
                    status, more, answer = as_json(a.get("status", 200), a["json"])
                else:
                    status, more, answer = a.get("status", 200), {"Content-Type": "text/plain"}, a.get("body", "").encode()
                return status, {**more, **a.get("headers", {})}, answer
        return as_json(404, {"error": f"no route for {full}"})


class Tls:
    """A server that only shakes hands: {days: 90}, how long its certificate still lasts, or answers with `when`."""

    def __init__(self, folder, name, answers, holds):
        self.folder, self.name, self.answers, self.shown, self.contexts = folder, name, Answers(answers, holds), [], {}
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def context(self, days):
        if days not in self.contexts:
            cert, key = self.folder / f"{self.name}-{days}.crt", self.folder / f"{self.name}-{days}.key"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days),
                            "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                            "-out", cert, "-keyout", key], check=True, capture_output=True)
            self.contexts[days] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.contexts[days].load_cert_chain(cert, key)
        return self.contexts[days]

    def serve(self):
        while True:
            try:
                plain, _ = self.socket.accept()
            except OSError:
                return
            try:
                plain.settimeout(5)
                days = self.answers.next()["days"]
                self.shown.append(days)
                self.context(days).wrap_socket(plain, server_side=True).close()
            except (OSError, AssertionError):
                plain.close()

    def names(self):
        return {"port": self.port, "address": f"127.0.0.1:{self.port}", "host": "127.0.0.1"}

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def tail(self):
        return f"days shown: {self.shown[-20:]}"


class Promql(Local):
    """queries: {part of the query's text: value}: a number, a list of {labels, value}, or [] for nothing."""

    def __init__(self, name, queries, holds):
        self.holds, self.queries = holds, {}
        self.script(queries)
        super().__init__(name)

    def script(self, queries):
        self.queries = {**self.queries, **{q: Answers(a, self.holds) for q, a in queries.items()}}

    def answer(self, method, path, query, headers, body):
        if path not in ("/api/v1/query", "/api/v1/query_range"):
            return as_json(404, {"status": "error", "errorType": "not_found", "error": path})
        asked = urllib.parse.parse_qs(query + "&" + body.decode()).get("query", [""])[0]
        for part, answers in self.queries.items():
            if part in asked:
                a = answers.next()
                a = a["value"] if isinstance(a, dict) and "labels" not in a else a
                rows = [] if a is None else a if isinstance(a, list) else [a if isinstance(a, dict) else {"labels": {}, "value": a}]
                now = datetime.datetime.now().timestamp()
                return as_json(200, {"status": "success", "data": {"resultType": "vector", "result": [
                    {"metric": r.get("labels", {}), "value": [now, str(r["value"])]} for r in rows]}})
        return as_json(400, {"status": "error", "errorType": "bad_data", "error": f"no script for the query {asked!r}"})


class Alertmanager(Local):
    """What fires, as /api/v2/alerts knows it; tells mendd's webhook (self.webhook) of what fires and what is resolved."""

    def __init__(self):
        self.active, self.silences, self.webhook = {}, [], None
        super().__init__("alertmanager")

    @staticmethod
    def key(labels):
        return json.dumps(labels, sort_keys=True)

    def fire(self, labels, annotations):
        with self.lock:
            self.active[self.key(labels)] = {"labels": labels, "annotations": annotations, "startsAt": templates.moment("-", "1", "m"),
                                             "endsAt": "0001-01-01T00:00:00Z", "status": {"state": "active"}}
        a = self.webhook(h.payload({"labels": labels, "annotations": annotations, "startsAt": templates.moment("-", "1", "m")}))
        assert a.status == 200, a

    def clear(self, labels):
        with self.lock:
            alert = self.active.pop(self.key(labels), None)
        if alert:
            self.tell_resolved(alert)

    def tell_resolved(self, alert):
        self.webhook(h.payload({"labels": alert["labels"], "annotations": alert["annotations"], "status": "resolved",
                                "startsAt": alert["startsAt"], "endsAt": templates.moment()}, status="resolved"))

    def answer(self, method, path, query, headers, body):
        if path == "/api/v2/alerts" and method == "POST":
            for a in json.loads(body):
                alert = self.active.pop(self.key(a["labels"]), None)
                if alert:
                    threading.Thread(target=self.tell_resolved, args=(alert,), daemon=True).start()
            return as_json(200, {})
        if path == "/api/v2/alerts":
            return as_json(200, [{**a, "fingerprint": "", "receivers": [{"name": "mendd"}], "generatorURL": "",
                                  "updatedAt": a["startsAt"]} for a in self.active.values()])
        if path == "/api/v2/silences":
            if method == "GET":
                return as_json(200, self.silences)
            self.silences.append({**json.loads(body), "id": f"silence-{len(self.silences) + 1}"})
            return as_json(200, {"silenceID": self.silences[-1]["id"]})
        if path == "/api/v2/status":
            return as_json(200, {"cluster": {"status": "disabled", "peers": []}, "uptime": templates.moment("-", "1", "d"),
                                 "versionInfo": {"version": "0.25.0"}, "config": {"original": ""}})
        return as_json(404, path)


class KubesimServer(h.Kubesim):
    """A second cluster: doings with `on: NAME` and conditions with `on` go there; `stop` loses it, `start` brings it back, empty."""

    def __init__(self, folder, name, admin):
        super().__init__(folder, name=name)
        self.start()
        self.admin = admin(self)

    def names(self):
        return {"url": self.url, "port": self.port, "kubeconfig": str(self.kubeconfig(self.folder / "kubeconfig"))}

    def start(self):
        self.log.write_text("")
        return super().start()

    def applied(self):
        """What mendd changed there, in order."""
        entries = h.lines(self.audit_file) if self.audit_file.exists() else []
        return [f"{e['method']} {e['path']}" for e in entries
                if e["applied"] and (e["query"] or {}).get("by") != "runner" and "/exec" not in e["path"]]


class RedisServer(h.Redis):
    """A real redis-server, with commands run at its start: [[RPUSH, queue, job]]."""

    def __init__(self, folder, name, commands):
        h.Program.__init__(self, folder, name)
        self.port = h.free_port()
        self.start()
        for command in commands:
            self.command(*command)

    def names(self):
        return {"port": self.port, "address": f"127.0.0.1:{self.port}", "host": "127.0.0.1"}

    def command(self, *words):
        with socket.create_connection(("127.0.0.1", self.port)) as s, s.makefile("rb") as f:
            words = [str(w).encode() for w in words]
            s.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
            return self.reply(f)

    def reply(self, f):
        kind, rest = (line := f.readline().strip())[:1], line[1:].decode()
        if kind == b"-":
            raise AssertionError(f"redis: {rest}")
        if kind == b"$":
            return None if rest == "-1" else f.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self.reply(f) for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest
