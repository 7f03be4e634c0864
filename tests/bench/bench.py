#!/usr/bin/env python3
"""bench.py [NAME...]: measures mendd beside its peers in the same run. One JSON line a result on stdout, progress on stderr.

ingest  webhook answers a second, one alert each, synced to disk before 200; peer: Debian's `webhook`, which parses the same
        bodies, compares one field and keeps nothing
storm   200 alerts for 200 Deployments on a real API server, first POST to last PATCH (by the API server's audit log); peer: one
        sequential keep-alive loop of PATCHes over the same Deployments; for information: webhook + kubectl
idle    memory and wake-ups of a daemon that has repaired something and now has nothing to do
ack     the webhook's answer times under 100 alerts/s, with the disk's own sync latency beside it

Medians of --runs (5). The data lie under build/, on the disk that the checkout is on.
"""
import argparse
import calendar
import http.client
import json
import os
import pathlib
import platform
import re
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.dont_write_bytecode = True
here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "e2e"))
import harness as h  # noqa: E402


def say(*words):
    print("bench:", *words, file=sys.stderr, flush=True)


def result(name, **fields):
    print(json.dumps({"name": name, **fields}), flush=True)


def spread(runs, digits=1):
    return {"median": round(statistics.median(runs), digits), "runs": [round(r, digits) for r in runs]}


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))]


class Webhook(h.Program):
    """adnanh/webhook as Debian ships it."""

    def __init__(self, folder, name="webhook"):
        super().__init__(folder, name)
        self.port = h.free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self, hook):
        (self.folder / "hooks.json").write_text(json.dumps([{"id": "alert", "trigger-rule-mismatch-http-response-code": 200, **hook}]))
        self.launch("webhook", "-hooks", "hooks.json", "-ip", "127.0.0.1", "-port", self.port)
        return self.ready(lambda: h.request(self.url + "/").status == 200)


# parses the body, looks into it, and does nothing
LOOK = {"execute-command": "/bin/true", "trigger-rule": {"match": {
    "type": "value", "value": "never", "parameter": {"source": "payload", "name": "alerts.0.status"}}}}


class Bench:
    def __init__(self, runs, seconds):
        self.runs, self.seconds = runs, seconds
        (h.ROOT / "build").mkdir(exist_ok=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=h.ROOT / "build"))
        self.programs, self.count, self.plane = [], 0, None

    def add(self, program):
        self.programs.append(program)
        return program

    def close(self):
        for p in reversed(self.programs):
            if p.running():
                p.kill9()
        if self.plane:
            subprocess.run([h.ROOT / "tests/real/control-plane", "down", self.plane], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_mendd(self, kubeconfig, *playbooks, **config):
        self.count += 1
        m = self.add(h.Mendd(self.folder, f"mendd-{self.count}"))
        m.configure(kubeconfig, unmatched="record", **config).with_playbooks(*playbooks)
        m.options = ["--log.level=warn"]
        return m.start()

    def end(self, program):
        program.kill9()
        self.programs.remove(program)
        shutil.rmtree(program.folder, ignore_errors=True)

    def away(self):
        """A kubeconfig of a cluster that is never asked."""
        return h.Cluster(f"http://127.0.0.1:{h.free_port()}", "none").kubeconfig(self.folder / "kubeconfig-away")

    # ---- ingest ----

    def wrk(self, url, connections):
        r = subprocess.run(["wrk", "-t2", f"-c{connections}", f"-d{self.seconds}s", "-s", here / "ingest.lua", url, "--", str(time.time_ns())],
                           capture_output=True, text=True)
        m = re.search(r"^\{.*\}$", r.stdout, re.M)
        if not m:
            raise RuntimeError(f"wrk: {r.stdout}{r.stderr}")
        got = json.loads(m.group(0))
        good = got["requests"] - got["bad_status"]
        return good / (got["duration_us"] / 1e6), got

    def ingest(self):
        for connections in (64, 16):
            ours, theirs, refused = [], [], 0
            for i in range(self.runs):
                mendd = self.new_mendd(self.away(), h.restart_playbook(alertname="Other"))
                rate, got = self.wrk(mendd.url + "/webhook", connections)
                # what was answered 200 must be in the journal, however late it is decided
                mendd.kill9()
                kept = self.kept(mendd)
                if kept < got["requests"] - got["bad_status"]:
                    raise RuntimeError(f"{got['requests'] - got['bad_status']} answers, but {kept} alerts in the journal")
                ours.append(rate)
                refused += got["bad_status"] + got["socket_errors"]
                self.end(mendd)
                hook = self.add(Webhook(self.folder)).start(LOOK)
                rate, _ = self.wrk(hook.url + "/hooks/alert", connections)
                theirs.append(rate)
                self.end(hook)
                say(f"ingest {connections}: run {i + 1}: mendd {ours[-1]:.0f}/s, webhook {theirs[-1]:.0f}/s")
            mine, peer = spread(ours, 0), spread(theirs, 0)
            result("ingest", connections=connections, unit="answers/s", mendd=mine, mendd_not_200=refused, webhook=peer,
                   ratio=round(mine["median"] / peer["median"], 2), wanted=1.0 if connections == 64 else 0.7)

    @staticmethod
    def kept(mendd):
        import sqlite3
        db = sqlite3.connect(mendd.storage / "mendd.db")
        tables = {r[0] for r in db.execute("select name from sqlite_master where type = 'table'")}
        total = 0
        for table in ("inbox", "runs"):
            if table in tables:
                total += db.execute(f"select count(*) from {table}").fetchone()[0]
        db.close()
        return total

    # ---- storm ----

    def real(self):
        """A real API server; its admin, and mendd's kubeconfig (user `mendd`, allowed everything)."""
        self.plane = str(self.folder / "plane")
        say("starting a real API server")
        r = subprocess.run([h.ROOT / "tests/real/control-plane", "up", self.plane, str(self.plane_port())], stdout=subprocess.PIPE, text=True)
        if r.returncode:
            raise RuntimeError("no control plane")
        admin = from_kubeconfig(f"{self.plane}/admin.kubeconfig")
        binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "mendd-bench"},
                   "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                   "subjects": [{"kind": "User", "name": "mendd", "apiGroup": "rbac.authorization.k8s.io"}]}
        admin.create(binding)
        return admin, f"{self.plane}/mendd.kubeconfig"

    @staticmethod
    def plane_port():
        # it takes five in a row
        for port in range(20443, 30000, 10):
            try:
                sockets = []
                for p in range(port, port + 5):
                    s = h.socket.socket()
                    s.bind(("127.0.0.1", p))
                    sockets.append(s)
                return port
            except OSError:
                continue
            finally:
                for s in sockets:
                    s.close()
        raise RuntimeError("no free ports")

    def settled(self, admin, ns):
        def quiet():
            items = admin.get(f"/apis/apps/v1/namespaces/{ns}/deployments")["items"]
            return all(d["metadata"]["generation"] == d.get("status", {}).get("observedGeneration") for d in items)
        h.until("the controllers have caught up", quiet, 120, 0.5)
        time.sleep(1.1)  # two restarts within a second would be one: restartedAt has whole seconds

    def storm(self, n=200):
        admin, kubeconfig = self.real()
        ns, names = "storm", [f"app-{i:03d}" for i in range(n)]
        admin.create(h.namespace(ns))
        for name in names:
            admin.create(h.deployment(ns, name, 0))
        ours, loop = [], []
        for i in range(self.runs):
            self.settled(admin, ns)
            loop.append(self.patch_loop(admin, ns, names))
            self.settled(admin, ns)
            ours.append(self.storm_mendd(kubeconfig, ns, names))
            say(f"storm: run {i + 1}: mendd {ours[-1]:.2f} s, loop {loop[-1]:.2f} s")
        self.settled(admin, ns)
        kubectl = self.storm_kubectl(kubeconfig, ns, names)
        mine, peer = spread(ours, 2), spread(loop, 2)
        result("storm", deployments=n, unit="s", mendd=mine, patch_loop=peer, webhook_and_kubectl=round(kubectl, 1),
               ratio=round(mine["median"] / peer["median"], 2), wanted=1.2, aim=0.7)

    @staticmethod
    def patch_loop(admin, ns, names):
        u = urllib.parse.urlsplit(admin.url)
        conn = http.client.HTTPSConnection(u.hostname, u.port, context=ssl._create_unverified_context())
        conn.connect()
        headers = {"Authorization": "Bearer " + admin.token, "Content-Type": "application/strategic-merge-patch+json"}
        body = json.dumps({"spec": {"template": {"metadata": {"annotations": {
            "kubectl.kubernetes.io/restartedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}}}}})
        begun = time.monotonic()
        for name in names:
            conn.request("PATCH", f"/apis/apps/v1/namespaces/{ns}/deployments/{name}", body, headers)
            r = conn.getresponse()
            r.read()
            if r.status != 200:
                raise RuntimeError(f"PATCH {name}: {r.status}")
        took = time.monotonic() - begun
        conn.close()
        return took

    def storm_mendd(self, kubeconfig, ns, names):
        book = h.restart_playbook(alertname="Storm")
        book["limits"] = {"cooldown": "0s", "attempts": "1000/1h", "concurrent": len(names) + 10}
        book["settle"] = "10m"
        mendd = self.new_mendd(kubeconfig, book)
        audit = pathlib.Path(self.plane) / "audit.log"
        size = audit.stat().st_size
        bodies = [json.dumps(h.payload({"labels": {"alertname": "Storm", "namespace": ns, "deployment": n}})).encode() for n in names]
        conn = http.client.HTTPConnection("127.0.0.1", mendd.port)
        conn.connect()
        begun = time.time()
        for body in bodies:
            conn.request("POST", "/webhook", body, {"Content-Type": "application/json"})
            r = conn.getresponse()
            r.read()
            if r.status != 200:
                raise RuntimeError(f"webhook: {r.status}")
        conn.close()
        last = self.last_patch(audit, size, len(names))
        self.end(mendd)
        return last - begun

    @staticmethod
    def last_patch(audit, offset, n):
        """When the API server had answered the n-th PATCH of user mendd, by its own audit log."""
        def done():
            with open(audit, "rb") as f:
                f.seek(offset)
                events = [json.loads(line) for line in f.read().decode().splitlines() if line.endswith("}")]
            hits = {e["objectRef"]["name"]: e for e in events if e.get("verb") == "patch" and e["objectRef"]["resource"] == "deployments"
                    and e["user"]["username"] == "mendd" and e.get("responseStatus", {}).get("code") == 200}
            return hits if len(hits) == n else None
        hits = h.until(f"{n} patches in the audit log", done, 60, 0.25)
        return max(stamp(e["stageTimestamp"]) for e in hits.values())

    def storm_kubectl(self, kubeconfig, ns, names):
        hook = self.add(Webhook(self.folder, "webhook-kubectl")).start({
            "execute-command": shutil.which("kubectl"), "pass-arguments-to-command": [
                *({"source": "string", "name": a} for a in ("--kubeconfig", kubeconfig, "-n", ns, "rollout", "restart", "deployment")),
                {"source": "payload", "name": "alerts.0.labels.deployment"}]})
        audit = pathlib.Path(self.plane) / "audit.log"
        size, begun = audit.stat().st_size, time.time()
        for name in names:
            h.request(hook.url + "/hooks/alert", "POST", h.payload({"labels": {"alertname": "Storm", "deployment": name}}), timeout=60)
        last = self.last_patch(audit, size, len(names))
        self.end(hook)
        return last - begun

    # ---- idle ----

    def idle(self, seconds=60):
        admin, kubeconfig = self.real() if not self.plane else (from_kubeconfig(f"{self.plane}/admin.kubeconfig"), f"{self.plane}/mendd.kubeconfig")
        admin.create(h.namespace("idle"))
        daemons = [self.idle_mendd(admin, kubeconfig, f"app-{i}") for i in range(self.runs)]
        hook = self.add(Webhook(self.folder)).start(LOOK)
        h.request(hook.url + "/hooks/alert", "POST", h.payload({"labels": {"alertname": "X"}}))
        say(f"idle: watching {len(daemons)} daemons do nothing for {seconds} s")
        time.sleep(5)
        before = [wakeups(d) for d in daemons]
        time.sleep(seconds)
        woken = [(wakeups(d) - b) * 60 / seconds for d, b in zip(daemons, before)]
        result("idle", after="one repair through a real API server over TLS",
               rss_anon_mb=spread([d.memory_kb("RssAnon") / 1024 for d in daemons]), wanted_rss_anon_mb=5,
               vm_rss_mb=spread([d.memory_kb("VmRSS") / 1024 for d in daemons]), wanted_vm_rss_mb=16,
               wakeups_per_minute=spread(woken), wanted_wakeups_per_minute=10,
               webhook={"rss_anon_mb": round(hook.memory_kb("RssAnon") / 1024, 1), "vm_rss_mb": round(hook.memory_kb("VmRSS") / 1024, 1)},
               one_kubectl_get_vm_rss_mb=round(kubectl_memory_mb(kubeconfig), 1))
        for p in [*daemons, hook]:
            self.end(p)

    def idle_mendd(self, admin, kubeconfig, name):
        admin.create(h.deployment("idle", name, 1, {"sim/unready-until-restarted": "true"}))
        mendd = self.new_mendd(kubeconfig, h.restart_playbook(alertname="Idle"))
        alert = {"labels": {"alertname": "Idle", "namespace": "idle", "deployment": name}}
        mendd.webhook(h.payload(alert))
        run = mendd.run_of("Idle")["id"]
        mendd.wait_run(run, state="settling")
        mendd.webhook(h.payload({**alert, "endsAt": "2026-01-05T11:00:00Z"}, status="resolved"))
        mendd.wait_run(run, state="done", outcome="resolved")
        return mendd

    # ---- ack ----

    def ack(self, rate=100, seconds=10):
        ours, theirs, disk = [], [], []
        for i in range(self.runs):
            disk.append(sync_latencies_ms(self.folder))
            mendd = self.new_mendd(self.away(), h.restart_playbook(alertname="Other"))
            ours.append(paced(mendd.url + "/webhook", rate, seconds))
            self.end(mendd)
            hook = self.add(Webhook(self.folder)).start(LOOK)
            theirs.append(paced(hook.url + "/hooks/alert", rate, seconds))
            self.end(hook)
            say(f"ack: run {i + 1}: p99 {percentile(ours[-1], 99):.1f} ms, the disk's own sync {percentile(disk[-1], 99):.1f} ms")

        def shape(runs):
            return {p: spread([percentile(r, n) for r in runs], 2) for p, n in (("p50", 50), ("p99", 99), ("max", 100))}
        result("ack", rate=rate, unit="ms", mendd=shape(ours), webhook_without_keeping_anything=shape(theirs), disk_sync=shape(disk), wanted_p99=10)


def machine(runs):
    """What it was measured on, and how busy that was with other things when it began."""
    cpu = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    result("machine", date=time.strftime("%Y-%m-%d"), cpu=cpu.group(1) if cpu else platform.machine(), cores=os.cpu_count(),
           kernel=platform.release(), load_average_before=round(os.getloadavg()[0], 1), runs=runs)


def stamp(text):
    m = re.match(r"(.*?)(\.\d+)?Z$", text)
    return calendar.timegm(time.strptime(m.group(1), "%Y-%m-%dT%H:%M:%S")) + float(m.group(2) or 0)


def from_kubeconfig(path):
    text = pathlib.Path(path).read_text()
    return h.Cluster(re.search(r'server: "([^"]+)"', text).group(1), re.search(r'token: "([^"]+)"', text).group(1),
                     re.search(r'certificate-authority: "([^"]+)"', text).group(1))


def wakeups(program):
    """Every time a thread of it went from waiting to running: voluntary context switches."""
    total = 0
    for status in pathlib.Path(f"/proc/{program.process.pid}/task").glob("*/status"):
        total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read_text(), re.M).group(1))
    return total


def kubectl_memory_mb(kubeconfig):
    p = subprocess.Popen(["kubectl", "--kubeconfig", kubeconfig, "get", "namespaces"], stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(p.pid, 0)
    p.returncode = 0
    return usage.ru_maxrss / 1024


def sync_latencies_ms(folder, n=200):
    """What one small append and fdatasync takes on this disk, right now."""
    out, fd = [], os.open(folder / "sync", os.O_WRONLY | os.O_CREAT, 0o600)
    for _ in range(n):
        begun = time.perf_counter()
        os.write(fd, b"x" * 4096)
        os.fdatasync(fd)
        out.append((time.perf_counter() - begun) * 1000)
    os.close(fd)
    return out


def paced(url, rate, seconds):
    """One request each 1/rate s whatever the last one took; how long each answer took from when it was due, in ms."""
    u = urllib.parse.urlsplit(url)
    conn = http.client.HTTPConnection(u.hostname, u.port)
    conn.connect()
    out, begun = [], time.perf_counter() + 0.1
    for i in range(rate * seconds):
        due = begun + i / rate
        body = json.dumps(h.payload({"labels": {"alertname": "Ack", "namespace": "shop", "i": str(i)}})).encode()
        time.sleep(max(0, due - time.perf_counter()))
        conn.request("POST", u.path, body, {"Content-Type": "application/json"})
        r = conn.getresponse()
        r.read()
        if r.status != 200:
            raise RuntimeError(f"{url}: {r.status}")
        out.append((time.perf_counter() - due) * 1000)
    conn.close()
    return out


def main():
    names = ["ingest", "storm", "idle", "ack"]
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    ap.add_argument("--runs", type=int, default=5)
    ap.add_argument("--seconds", type=int, default=5, help="of one ingest run")
    args = ap.parse_args()
    for name in args.names:
        if name not in names:
            ap.error(f"no benchmark {name}: {', '.join(names)}")
    machine(args.runs)
    bench = Bench(args.runs, args.seconds)
    try:
        for name in args.names or names:
            getattr(bench, name)()
    finally:
        bench.close()


main()
