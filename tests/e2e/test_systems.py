"""Other systems than Kubernetes: AWS (a server that checks each signature by itself), Prometheus' API, Redis."""
import datetime
import hashlib
import hmac
import http.server
import json
import subprocess
import urllib.parse

import harness as h

ACCESS, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session-token-0123456789"


class Server(h.LocalServer):
    """A server in this process; `answer(method, path, headers, body)` gives (status, text)."""

    def __init__(self, name, answer):
        server, self.got = self, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {k.lower(): v for k, v in self.headers.items()}
                status, text = answer(self.command, self.path, headers, body)
                server.got.append((self.command, self.path, headers, body.decode(), status))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

        super().__init__(name, Handler)

    def tail(self):
        return "\n".join(f"{m} {p} {s} {b[:200]}" for m, p, _, b, s in self.got[-20:])


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature_fault(method, path, headers, body):
    """What AWS would say of the signature, or None. After AWS' description, not after mendd's code."""
    fields = dict(f.strip().split("=", 1) for f in headers.get("authorization", "").removeprefix("AWS4-HMAC-SHA256 ").split(","))
    access, day, region, service, end = fields["Credential"].split("/")
    if access != ACCESS or end != "aws4_request" or headers.get("x-amz-security-token") != TOKEN:
        return "UnrecognizedClientException"
    at = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    if abs((datetime.datetime.now(datetime.timezone.utc) - at).total_seconds()) > 300 or not headers["x-amz-date"].startswith(day):
        return "RequestExpired"
    names = fields["SignedHeaders"].split(";")
    if not {"host", "x-amz-date", "x-amz-security-token"} <= set(names) or ("content-type" in headers and "content-type" not in names):
        return "a header that must be signed is not"
    url = urllib.parse.urlsplit(path)
    quote = lambda s, safe="": urllib.parse.quote(s, safe=safe + "-_.~")
    query = sorted((quote(k), quote(v)) for k, v in urllib.parse.parse_qsl(url.query, keep_blank_values=True))
    canonical = "\n".join([method, quote(url.path, "/"), "&".join(f"{k}={v}" for k, v in query),
                           *(f"{n}:{' '.join(headers[n].split())}" for n in names), "", ";".join(names),
                           hashlib.sha256(body).hexdigest()])
    scope = f"{day}/{region}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + SECRET.encode()
    for part in scope.split("/"):
        key = sign(key, part)
    expected = sign(key, to_sign).hex()
    return None if hmac.compare_digest(expected, fields["Signature"]) else f"SignatureDoesNotMatch for\n{canonical}"


class Aws(Server):
    """ECS (JSON 1.1) and RDS (query API): one service that runs again once it was deployed anew."""

    def __init__(self):
        super().__init__("aws", self.answer)
        self.running, self.rebooted = 0, []

    def answer(self, method, path, headers, body):
        fault = signature_fault(method, path, headers, body)
        if fault:
            return 403, json.dumps({"__type": fault})
        target = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
        if target == "UpdateService":
            self.running = 2
        if target in ("UpdateService", "DescribeServices"):
            return 200, json.dumps({"services": [{"serviceName": json.loads(body)["service"] if "service" in json.loads(body) else "",
                                                  "runningCount": self.running, "desiredCount": 2}]})
        form = urllib.parse.parse_qs(body.decode())
        if form.get("Action") == ["RebootDBInstance"]:
            self.rebooted.append((path, form["DBInstanceIdentifier"][0]))
            return 200, "<RebootDBInstanceResponse/>"
        return 400, "<Error>InvalidAction</Error>"


class Systems(h.Scene):
    def setUp(self):
        super().setUp()
        self.sim, self.mendd = self.kubesim(), self.new_mendd()
        self.sim.create(h.namespace("shop"))
        self.sim.create(h.deployment("shop", "api", 1))
        self.sim.wait_pods("shop", "app=api", 1)

    def file(self, name, text):
        path = self.mendd.folder / name
        path.write_text(text + "\n")
        return str(path)

    def begin(self, playbook, **config):
        self.mendd.configure(self.sim.kubeconfig(self.mendd.folder / "kubeconfig"), **config)
        self.mendd.with_playbooks(playbook)
        self.mendd.start()

    def run_to_end(self, **labels):
        a = self.mendd.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api", **labels}}))
        self.assertEqual(a.status, 200, a)
        return self.mendd.run_of("Broken")["id"]

    def everything(self, run):
        stored = b"".join(p.read_bytes() for p in self.mendd.storage.rglob("*") if p.is_file())
        return self.mendd.text() + json.dumps(self.mendd.record(run)) + stored.decode("latin-1")

    def aws_playbook(self, aws, url):
        ecs = {"service": "ecs", "region": "eu-central-1", **aws}
        describe = {"url": url + "/", "method": "POST", "aws": ecs,
                    "headers": {"X-Amz-Target": "AmazonEC2ContainerServiceV20141113.DescribeServices"}}
        return h.restart_playbook(diagnose=[{"action": "http.read", "with": {**describe, "json": {"services": ["api"]}}}], steps=[
            {"action": "http.request", "with": {
                "url": url + "/", "json": {"service": "{{ labels.service }}", "forceNewDeployment": True}, "aws": ecs,
                "headers": {"X-Amz-Target": "AmazonEC2ContainerServiceV20141113.UpdateService"}}},
            {"action": "http.request", "with": {
                "url": url + "/a%20b/{{ labels.db }}?x={{ labels.db }}&a", "aws": {**ecs, "service": "rds"},
                "form": {"Action": "RebootDBInstance", "DBInstanceIdentifier": "{{ labels.db }}"}}}],
            verify={"timeout": "5s", "interval": "200ms", "for": "0s", "checks": [{"check": "http", "with": {
                **describe, "body": '{"services": ["api"]}', "json": {"pointer": "/services/0/runningCount", "equals": 2}}}]})

    def aws_files(self, secret=SECRET):
        return {"access_key_id_file": self.file("aws-id", ACCESS), "secret_access_key_file": self.file("aws-secret", secret),
                "session_token_file": self.file("aws-token", TOKEN)}

    def test_aws_requests_are_signed(self):
        aws = self.add(Aws())
        self.begin(self.aws_playbook(self.aws_files(), aws.url))
        run = self.run_to_end(service='we"b', db="orders/1 +&=")
        record = self.mendd.wait_run(run, state="settling")
        self.assertEqual([s["status"] for s in record["steps"]], ["done", "done"])
        self.assertEqual(aws.rebooted, [("/a%20b/orders%2F1%20%2B%26%3D?x=orders%2F1%20%2B%26%3D&a", "orders/1 +&=")])
        update = [json.loads(b) for _, _, hs, b, _ in aws.got if hs.get("x-amz-target", "").endswith("UpdateService")]
        self.assertEqual(update, [{"service": 'we"b', "forceNewDeployment": True}], "once, and the label is a value")
        first = record["evidence"][0]
        self.assertEqual(first["action"], "http.read")
        self.assertIn('"runningCount": 0', first["text"])
        said = self.everything(run)
        for secret in (SECRET, TOKEN, "AWS4-HMAC"):
            self.assertNotIn(secret, said)

    def test_aws_refuses_a_wrong_key(self):
        aws = self.add(Aws())
        self.begin(self.aws_playbook(self.aws_files("not-the-secret-key"), aws.url))
        record = self.mendd.wait_done(self.run_to_end(service="web", db="orders"))
        self.assertEqual((record["outcome"], record["reason"], record["escalated"]), ("failed", "forbidden", True))
        self.assertIn("HTTP 403", record["steps"][0]["error"])
        self.assertIn("SignatureDoesNotMatch", record["steps"][0]["error"])
        self.assertEqual(aws.rebooted, [])

    def test_a_key_that_is_rotated_is_read_anew(self):
        aws = self.add(Aws())
        self.begin(self.aws_playbook(self.aws_files("not-the-secret-key"), aws.url))
        self.mendd.wait_done(self.run_to_end(service="web", db="orders"))
        self.file("aws-secret", SECRET)
        self.mendd.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api", "service": "web", "db": "orders",
                                                 "again": "1"}}))
        self.mendd.wait_run(self.mendd.run_of("Broken", again="1")["id"], state="settling")

    def test_prometheus_is_asked(self):
        """The rate falls after the restart; a label that would change the query is refused, and nothing is asked."""
        value = {"now": "0.9"}

        def answer(method, path, headers, body):
            if headers.get("authorization") != "Bearer prom-secret-token":
                return 401, "no"
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)["query"][0]
            if self.sim.writes("PATCH", "/deployments/"):
                value["now"] = "0.01"
            return 200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": [
                {"metric": {"query": query}, "value": [1, value["now"]]}]}})

        prometheus = self.add(Server("prometheus", answer))
        query = 'sum(rate(errors{namespace="{{ labels.namespace }}",pod="{{ labels.pod }}"}[5m]))'
        self.begin(h.restart_playbook(
            diagnose=[{"action": "promql.query", "with": {"query": query}}],
            verify={"timeout": "10s", "interval": "200ms", "for": "0s", "checks": [{"check": "promql", "with": {"query": query, "at_most": 0.05}}]}),
            prometheus={"url": prometheus.url, "auth": {"bearer_token_file": self.file("prom", "prom-secret-token")}})
        run = self.run_to_end(pod="api-1")
        record = self.mendd.wait_run(run, state="settling")
        asked = {urllib.parse.parse_qs(urllib.parse.urlsplit(p).query)["query"][0] for _, p, _, _, _ in prometheus.got}
        self.assertEqual(asked, {'sum(rate(errors{namespace="shop",pod="api-1"}[5m]))'})
        self.assertIn("0.9", record["evidence"][0]["text"])
        self.assertIn("0.01, at most 0.05 is fine", json.dumps(record["checks"]))
        self.assertNotIn("prom-secret-token", self.everything(run))
        before = len(prometheus.got)
        self.mendd.webhook(h.payload({"labels": {"alertname": "Broken", "namespace": "shop", "deployment": "api", "pod": '"} or vector(0) #'}}))
        h.until("the hostile label has its record", lambda: len(self.mendd.records()) == 2)
        self.assertEqual([q for q in prometheus.got[before:] if "vector" in q[1]], [])

    def test_redis_command(self):
        redis = self.redis()
        password = "redis-secret-password"
        command = lambda *w: subprocess.run(["redis-cli", "-p", str(redis.port), "--no-auth-warning", "-a", password, *w],
                                            capture_output=True, text=True, check=True).stdout.strip()
        subprocess.run(["redis-cli", "-p", str(redis.port), "CONFIG", "SET", "requirepass", password], check=True, capture_output=True)
        at = {"address": f"127.0.0.1:{redis.port}", "password_file": self.file("redis-password", password)}
        self.begin(h.restart_playbook(
            steps=[{"action": "redis.command", "with": {**at, "command": ["RPUSH", "ci:jobs", "{{ labels.job }}"]}}],
            verify={"timeout": "5s", "interval": "200ms", "for": "0s", "checks": [
                {"check": "redis", "with": {**at, "command": ["LLEN", "ci:jobs"], "at_least": 1}}]}))
        run = self.run_to_end(job="a b\r\nFLUSHALL")
        record = self.mendd.wait_run(run, state="settling")
        self.assertEqual(command("LRANGE", "ci:jobs", "0", "-1").splitlines(), ["a b", "FLUSHALL"], "a label is one argument")
        self.assertEqual(command("LLEN", "ci:jobs"), "1")
        self.assertEqual([e["text"] for e in record["evidence"]], ["1"])
        self.assertNotIn(password, self.everything(run))

    def test_silence_in_a_real_alertmanager(self):
        """Made once, with the labels as they are; found by its key when the same step is planned again."""
        am = self.alertmanager(self.mendd.url + "/webhook")
        self.mendd.configure(self.sim.kubeconfig(self.mendd.folder / "kubeconfig"), [am])
        self.mendd.with_playbooks(h.restart_playbook(resolve="wait", steps=[
            {"action": "silence.create", "with": {"matchers": {"alertname": "{{ labels.alertname }}", "job": "{{ labels.job }}"},
                                                  "duration": "10m", "comment": "while it is repaired"}}, {"action": "rollout.restart"}]))
        self.mendd.start()
        am.fire("Broken", namespace="shop", deployment="api", job='a".*\\')
        record = self.mendd.wait_run(self.mendd.run_of("Broken")["id"], state="settling")
        silences = h.request(am.url + "/api/v2/silences").json
        self.assertEqual([s["status"]["state"] for s in silences], ["active"])
        self.assertEqual([(m["name"], m["value"], m["isRegex"]) for m in silences[0]["matchers"]],
                         [("alertname", "Broken", False), ("job", 'a".*\\', False)])
        self.assertEqual(silences[0]["comment"], f"while it is repaired [{record['id']}/0/0/silence.0]")
        self.assertEqual([s["status"] for s in record["steps"]], ["done", "done"])
        h.until("the alert is silenced", lambda: am.active("Broken")[0]["status"]["state"] == "suppressed")
