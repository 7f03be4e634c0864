"""What the end-to-end tests share: programs that are started, watched and ended, and waiting for conditions.

Python's standard library only. Every program gets a folder of its own under a temporary one, a free port and a log file;
`Scene` starts what a test asks for and ends it afterwards, last first. When a test fails, the tails of all logs are
printed. Nothing sleeps for a guess: `until()` polls a condition and says what it was waiting for when it gives up.
"""
import http.client
import http.server
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("MENDD_BIN", ROOT / "build" / "bin"))


def free_port():
    """Below the range from which the kernel takes ports for connections: one of those could be taken again before its program listens."""
    while True:
        port = random.randrange(20000, 32768)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def until(what, condition, timeout=20.0, interval=0.05):
    """Polls until condition() is truthy and returns that; AssertionError with the last thing seen otherwise."""
    end, seen = time.monotonic() + timeout, None
    while True:
        try:
            seen = condition()
            if seen:
                return seen
        except (OSError, http.client.HTTPException, ValueError, KeyError) as e:
            seen = repr(e)
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {timeout:g} s; last seen: {str(seen)[:2000]}")
        time.sleep(interval)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:500]!r}>"


def request(url, method="GET", body=None, headers=None, timeout=10, context=None):
    """One request on a connection of its own. `body`: bytes as they are, anything else as JSON."""
    u = urllib.parse.urlsplit(url)
    headers = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
    if u.scheme == "https":
        conn = http.client.HTTPSConnection(u.hostname, u.port, timeout=timeout, context=context or ssl._create_unverified_context())
    else:
        conn = http.client.HTTPConnection(u.hostname, u.port, timeout=timeout)
    try:
        try:
            conn.request(method, u.path + ("?" + u.query if u.query else ""), body, headers)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer may be there before all was sent: 413
        r = conn.getresponse()
        return Answer(r.status, r.headers, r.read())
    finally:
        conn.close()


class Program:
    """A child process with a log. Subclasses say how they are started and when they are ready."""

    def __init__(self, folder, name):
        self.folder = pathlib.Path(folder) / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name, self.log, self.process = name, self.folder / "log", None

    def launch(self, *argv, env=None):
        with open(self.log, "ab") as log:
            # a folder of its own as the working directory: nothing a program drops lands in the checkout
            self.process = subprocess.Popen([str(a) for a in argv], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            cwd=self.folder, env={**os.environ, **(env or {})}, restore_signals=False)
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def alive(self):
        if not self.running():
            raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
        return True

    def ready(self, condition, timeout=15):
        until(f"{self.name} is ready", lambda: self.alive() and condition(), timeout)
        return self

    def stop(self, sig=signal.SIGTERM, timeout=10):
        """Ends it and returns its exit code (negative: the signal)."""
        if self.running():
            self.process.send_signal(sig)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"{self.name} did not end within {timeout} s of {signal.Signals(sig).name}")
        return self.process.returncode if self.process else None

    def kill9(self):
        self.stop(signal.SIGKILL)

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, lines=40):
        return "\n".join(self.text().splitlines()[-lines:])

    def memory_kb(self, key="VmRSS"):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{key}:\s+(\d+) kB", status, re.M).group(1))


class Cluster:
    """A Kubernetes API as the tests see it: kubesim or a real one."""

    def __init__(self, url, token, ca=None):
        self.url, self.token, self.ca = url, token, ca

    def call(self, method, path, body=None, content_type="application/json"):
        return request(self.url + path, method, body, {"Authorization": "Bearer " + self.token, "Content-Type": content_type})

    def get(self, path):
        a = self.call("GET", path)
        return a.json if a.status == 200 else None

    def create(self, obj):
        """Creates an object (apps/v1 or v1 or rbac) and returns it."""
        path = collection(obj)
        a = self.call("POST", path, obj)
        if a.status not in (200, 201):
            raise AssertionError(f"POST {path}: {a}")
        return a.json

    def deployment(self, ns, name):
        return self.get(f"/apis/apps/v1/namespaces/{ns}/deployments/{name}")

    def pods(self, ns, selector=None):
        query = "?labelSelector=" + urllib.parse.quote(selector) if selector else ""
        return (self.get(f"/api/v1/namespaces/{ns}/pods{query}") or {}).get("items", [])

    def wait_pods(self, ns, selector, count, ready=None):
        def there():
            pods = [p for p in self.pods(ns, selector) if not p["metadata"].get("deletionTimestamp")]
            return pods if len(pods) == count and (ready is None or all(is_ready(p) == ready for p in pods)) and \
                all(p.get("status", {}).get("containerStatuses") for p in pods) else None
        return until(f"{count} pods of {selector} in {ns}, ready={ready}", there)

    def kubeconfig(self, path, token=None, ca=None, url=None):
        """Writes a kubeconfig for mendd and returns its path."""
        cluster = {"server": url or self.url}
        if ca or self.ca:
            cluster["certificate-authority"] = str(ca or self.ca)
        doc = {"apiVersion": "v1", "kind": "Config", "current-context": "c",
               "clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": {"token": token or self.token}}],
               "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}
        path = pathlib.Path(path)
        path.write_text(json.dumps(doc))
        path.chmod(0o600)
        return path


CLUSTER_SCOPED = {"Namespace": "namespaces", "ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings"}
NAMESPACED = {"Deployment": "deployments", "Pod": "pods", "Service": "services", "Endpoints": "endpoints", "ReplicaSet": "replicasets"}


def collection(obj):
    api, kind = obj["apiVersion"], obj["kind"]
    base = ("/apis/" if "/" in api else "/api/") + api
    if kind in CLUSTER_SCOPED:
        return f"{base}/{CLUSTER_SCOPED[kind]}"
    return f"{base}/namespaces/{obj['metadata']['namespace']}/{NAMESPACED[kind]}"


def is_ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))


def namespace(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def deployment(ns, name, replicas=2, sim=None, labels=None, image="registry.example/app:1", annotations=None):
    """`sim`: the annotations that say how its pods behave (tests/real/node-sim)."""
    labels = labels or {"app": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": ns, "labels": labels, "annotations": annotations or {}},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels, "annotations": sim or {}},
                                  "spec": {"containers": [{"name": "app", "image": image}]}}}}


def service(ns, name, port=80):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": ns},
            "spec": {"selector": {"app": name}, "ports": [{"port": port, "targetPort": port}]}}


class Kubesim(Program, Cluster):
    def __init__(self, folder, start_delay=0.2, name="kubesim"):
        Program.__init__(self, folder, name)
        self.port, self.start_delay, self.audit_file = free_port(), start_delay, self.folder / "audit.log"
        self.tls = None  # (certificate, key)
        Cluster.__init__(self, f"http://127.0.0.1:{self.port}", "e2e-token")

    def start(self):
        self.launch(BIN / "kubesim", "--port", self.port, "--start-delay", self.start_delay, "--token", self.token,
                    "--audit", self.audit_file, *(("--tls-cert", self.tls[0], "--tls-key", self.tls[1]) if self.tls else ()))
        return self.ready(lambda: re.search(r"^ready", self.text(), re.M))

    def faults(self, *rules):
        a = self.call("POST", "/_sim/faults", list(rules))
        assert a.status in (200, 201, 204), a

    def writes(self, method, path=""):
        """Its audit log: every such request that took effect, in order."""
        if not self.audit_file.exists():
            return []
        return [e for e in lines(self.audit_file) if e["method"] == method and path in e["path"] and e["applied"]]


def lines(path):
    out = []
    for line in pathlib.Path(path).read_text().splitlines():
        try:
            out.append(json.loads(line))
        except ValueError:
            continue  # its last line is still being written
    return out


def audited(path, verb, user):
    """A real API server's audit log: who did what."""
    return [e for e in lines(path) if e.get("verb") == verb and e.get("user", {}).get("username") == user]


class Redis(Program):
    def __init__(self, folder):
        super().__init__(folder, "redis")
        self.port = free_port()

    def start(self):
        self.launch("redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        return self.ready(lambda: "Ready to accept connections" in self.text())


class Web(Program):
    """A service that a playbook's `http` check asks: answers 200 with {"status":"ok"} to everything."""

    CODE = """
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"status": "ok", "version": "1.21.0"}'
        self.send_response(200); self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def do_HEAD(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""

    def __init__(self, folder, name="web"):
        super().__init__(folder, name)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        self.launch("/usr/bin/env", "python3", "-c", self.CODE, self.port)
        return self.ready(lambda: request(self.url + "/").status == 200)


class LocalServer:
    """An HTTP server in this process, on a free port of 127.0.0.1; `handler` is a BaseHTTPRequestHandler."""

    def __init__(self, name, handler):
        self.name, handler.log_message = name, lambda *args: None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Alertmanager(Program):
    """Debian's prometheus-alertmanager with short intervals, alone (no cluster)."""

    def __init__(self, folder, webhook_url, name="alertmanager"):
        super().__init__(folder, name)
        self.port, self.webhook_url = free_port(), webhook_url
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        (self.folder / "alertmanager.yml").write_text(json.dumps({
            "global": {"resolve_timeout": "1h"},
            "route": {"receiver": "mendd", "group_by": ["..."], "group_wait": "100ms", "group_interval": "1s", "repeat_interval": "1h"},
            "receivers": [{"name": "mendd", "webhook_configs": [{"url": self.webhook_url, "send_resolved": True}]}]}))
        self.launch(shutil.which("prometheus-alertmanager") or shutil.which("alertmanager") or "prometheus-alertmanager",
                    "--config.file=alertmanager.yml", f"--storage.path={self.folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=")
        return self.ready(lambda: request(self.url + "/-/ready").status == 200)

    def fire(self, alertname, **labels):
        alert = {"labels": {"alertname": alertname, **labels}, "annotations": {"summary": alertname},
                 "generatorURL": "http://prometheus.example/graph"}
        a = request(self.url + "/api/v2/alerts", "POST", [alert])
        assert a.status == 200, a
        return alert

    def active(self, alertname=None):
        alerts = request(self.url + "/api/v2/alerts").json
        return [a for a in alerts if alertname in (None, a["labels"]["alertname"])]


class Mendd(Program):
    def __init__(self, folder, name="mendd"):
        super().__init__(folder, name)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.storage, self.config_file = self.folder / "data", self.folder / "config.json"
        self.playbooks, self.options = [ROOT / "playbooks"], []

    def configure(self, kubeconfig, alertmanagers=(), vars=None, **more):
        """JSON is YAML too, so that nothing has to be quoted by hand."""
        doc = {"clusters": [{"name": "e2e", "kubeconfig": str(kubeconfig)}], **more}
        if alertmanagers:
            doc["alertmanager"] = {"urls": [a.url if hasattr(a, "url") else a for a in alertmanagers]}
        if vars:
            doc["vars"] = vars
        self.config_file.write_text(json.dumps(doc, indent=1))
        return self

    def with_playbooks(self, *playbooks):
        """Playbooks of the test's own instead of the shipped ones."""
        path = self.folder / "playbooks.yaml"
        path.write_text(json.dumps({"playbooks": list(playbooks)}, indent=1))
        self.playbooks = [path]
        return self

    def argv(self):
        args = [BIN / "mendd", f"--config.file={self.config_file}", f"--storage.path={self.storage}",
                f"--web.listen-address=127.0.0.1:{self.port}", "--log.format=logfmt", *self.options]
        return args + [a for p in self.playbooks for a in ("--playbooks", p)]

    def start(self, wait=True, env=None):
        self.launch(*self.argv(), env=env)
        return self.ready(lambda: request(self.url + "/-/ready").status == 200) if wait else self

    def webhook(self, body, headers=None, timeout=20):
        return request(self.url + "/webhook", "POST", body, headers, timeout)

    def get(self, path, timeout=10):
        return request(self.url + path, timeout=timeout)

    def records(self, query=""):
        return self.get("/actions" + query).json["actions"]

    def record(self, run_id):
        return self.get("/actions/" + run_id).json

    def run_of(self, alertname, timeout=20, **labels):
        """The newest record of that alert, as soon as there is one."""
        def find():
            for r in self.records("?limit=1000"):
                have = r["alert"].get("labels", {})
                if have.get("alertname") == alertname and all(have.get(k) == v for k, v in labels.items()):
                    return r
            return None
        return until(f"a record of {alertname} {labels or ''}", find, timeout)

    def wait_run(self, run_id, timeout=40, **fields):
        """Until the record has these values: wait_run(id, state="done", outcome="resolved")."""
        last = {}

        def there():
            nonlocal last
            last = self.record(run_id)
            return last if all(last.get(k) == v for k, v in fields.items()) else None
        try:
            return until(f"run {run_id} with {fields}", there, timeout)
        except AssertionError as e:
            raise AssertionError(f"{e}\nits record: {json.dumps(brief(last), indent=1)}") from None

    def wait_done(self, run_id, timeout=40):
        return self.wait_run(run_id, timeout, state="done")

    def metrics(self):
        return self.get("/metrics").body.decode()


def brief(record):
    """What a person reads first."""
    keys = ("id", "playbook", "state", "outcome", "reason", "message", "held", "steps", "checks", "timeline")
    return {k: record[k] for k in keys if k in record}


def payload(*alerts, status="firing", **more):
    """A webhook body as Alertmanager writes it."""
    return {"version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": status, "receiver": "mendd", "groupLabels": {},
            "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager.example",
            "alerts": [{"status": status, "annotations": {}, "startsAt": "2026-01-05T10:00:00Z",
                        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": "", **a} for a in alerts], **more}


def restart_playbook(name="restart", alertname="Broken", **more):
    """A small playbook for tests that are not about the shipped ones."""
    return {"name": name, "matchers": [f'alertname="{alertname}"', 'namespace=~".+"'],
            "target": {"kind": "Deployment", "namespace": "{{ labels.namespace }}", "name": "{{ labels.deployment }}"},
            "mode": "auto", "limits": {"cooldown": "0s"}, "steps": [{"action": "rollout.restart"}],
            "verify": {"timeout": "20s", "interval": "200ms", "for": "0s", "checks": [{"check": "rollout.complete"}]},
            "settle": "30s", **more}


class Scene(unittest.TestCase):
    """A test with programs. self.kubesim(), self.mendd(), … start them; tearDown ends them, last first."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mendd-e2e-"))
        self.programs = []

    def add(self, program):
        self.programs.append(program)
        return program

    def kubesim(self, **options):
        return self.add(Kubesim(self.folder, **options)).start()

    def redis(self):
        return self.add(Redis(self.folder)).start()

    def web(self, name="web"):
        return self.add(Web(self.folder, name)).start()

    def alertmanager(self, webhook_url, **options):
        return self.add(Alertmanager(self.folder, webhook_url, **options)).start()

    def new_mendd(self, name="mendd"):
        """Not started yet: configure() it first."""
        return self.add(Mendd(self.folder, name))

    def failed(self):
        outcome = self._outcome
        result = getattr(outcome, "result", None)
        return bool(result and any(t is self for t, _ in result.errors + result.failures))

    def tearDown(self):
        failed, late = self.failed(), []
        for p in reversed(self.programs):
            try:
                p.stop()
            except AssertionError as e:
                late.append(str(e))
        if failed:
            for p in self.programs:
                print(f"---- {p.name}: the end of its log ----\n{p.tail()}")
        shutil.rmtree(self.folder, ignore_errors=True)
        if late and not failed:
            self.fail("; ".join(late))


# two thousand connections need as many descriptors here
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
