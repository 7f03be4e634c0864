"""contrib/prometheus, alertmanager and grafana, each loaded by the real program beside a running mendd: what they name exists there,
and what they promise happens."""
import json
import pathlib
import re
import shutil
import subprocess
import urllib.parse

import harness as h

CONTRIB = h.ROOT / "contrib"
RULES = CONTRIB / "prometheus" / "mendd.rules.yaml"
OURS = {"MenddSchedule", "MenddStorm", "MenddClusterUnavailable", "MenddClusterSet", "MenddEscalationOverdue"}
TOKENS = {"webhook": "w" * 32, "viewer": "v" * 32}
FOREIGN = {"up", "scrape_duration_seconds"}  # Prometheus' own


def run_ok(*argv):
    r = subprocess.run([str(a) for a in argv], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr
    return r.stdout


def grafana_values(expr):
    """What Grafana puts in place of its variables."""
    for name, value in (("$__rate_interval", "1m"), ("$__range", "6h"), ("$job", "mendd"), ("$instance", ".*")):
        expr = expr.replace(name, value)
    return expr


class Prometheus(h.Program):
    def __init__(self, folder, config):
        super().__init__(folder, "prometheus")
        self.port, self.config = h.free_port(), config
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        self.launch("prometheus", f"--config.file={self.config}", f"--storage.tsdb.path={self.folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn")
        return self.ready(lambda: h.request(self.url + "/-/ready").status == 200)

    def query(self, expr):
        a = h.request(self.url + "/api/v1/query?" + urllib.parse.urlencode({"query": expr}))
        assert a.status == 200, f"{expr}: {a}"
        return a.json["data"]["result"]


class Monitoring(h.Scene):
    def setUp(self):
        super().setUp()
        self.sim, self.mendd = self.kubesim(), self.new_mendd()
        tokens = [{"name": n, "token": t, "scopes": [n]} for n, t in TOKENS.items()]
        self.mendd.configure(self.sim.kubeconfig(self.mendd.folder / "kubeconfig"), tokens=tokens,
                             budgets={"enabled": True, "workloads": "20/1h", "nodes": "1/1h"})
        self.mendd.with_playbooks(h.restart_playbook()).start()
        self.token_files = {}
        for name, token in TOKENS.items():
            self.token_files[name] = self.folder / f"{name}-token"
            self.token_files[name].write_text(token + "\n")

    def metrics(self):
        return h.request(self.mendd.url + "/metrics", headers={"Authorization": "Bearer " + TOKENS["viewer"]}).body.decode()

    def records(self, query=""):
        return h.request(self.mendd.url + "/actions" + query, headers={"Authorization": "Bearer " + TOKENS["viewer"]}).json["actions"]

    def adapt(self, sample, *changes):
        """A copy of the sample in which only addresses and paths are other ones; each has to be there."""
        text = sample.read_text()
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, str(new))
        path = self.folder / sample.name
        path.write_text(text)
        return path

    def names_exist(self, exprs):
        seen = self.metrics()
        known = set(FOREIGN)
        for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", seen, re.M):
            known |= {name + s for s in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
        self.assertIn("mendd_pauses", known)
        for expr in exprs:
            names = set(re.findall(r"\b((?:mendd|process|scrape)_[a-z_]+|up)\b(?!\()", re.sub(r'"[^"]*"', "", expr)))
            self.assertTrue(names, expr)
            self.assertLessEqual(names, known, expr)
            for name, label, value in re.findall(r'(mendd_\w+)\{[^}]*\b(reason|outcome|state|result)="([^"]+)"', expr):
                if name != "mendd_cluster_nodes":  # of watched clusters only
                    self.assertIn(f'{name}{{{label}="{value}"', seen, "no such series: it would never fire")

    def test_the_rules_speak_of_what_there_is(self):
        alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
        self.assertGreater(len(alerts), 20)
        self.assertEqual([a for a in alerts if not a.startswith("Mendd") or a in OURS], [], "routed by this beginning; mendd's own are refused")
        tested = re.split(r"\n- interval", RULES.with_name("mendd.test.yaml").read_text())
        for alert in alerts:
            fires = {"exp_labels" in t for t in tested if re.search(rf"alertname: {alert}\b", t)}
            self.assertEqual(fires, {True, False}, f"{alert}: a test where it fires and one where it does not")
        rules = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True)
        self.assertRegex(rules.stdout, rf"SUCCESS: {len(alerts)} rules found")
        # block scalars apart, an expr is one line
        self.names_exist(re.findall(r"expr: (?:\|\n)?((?:.|\n)*?)\n    (?:for|labels):", RULES.read_text()))

    def test_every_panel_asks_for_what_there_is(self):
        board = json.loads((CONTRIB / "grafana" / "mendd.json").read_text())
        self.assertGreaterEqual(board["schemaVersion"], 36)
        ids = [p["id"] for p in board["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertNotIn("__inputs", board, "with them it could be imported by hand only")
        variables = {v["name"]: v for v in board["templating"]["list"]}
        self.assertEqual(variables["datasource"]["type"], "datasource")
        exprs = [t["expr"] for p in board["panels"] for t in p.get("targets", [])]
        self.assertGreater(len(exprs), 30)
        for p in board["panels"]:
            self.assertTrue(p["type"] == "row" or p["targets"], p["title"])
            for t in p.get("targets", []):
                self.assertEqual((t["datasource"]["uid"], p["datasource"]["uid"]), ("${datasource}",) * 2, p["title"])
                self.assertRegex(t["expr"], r'job="\$job", instance=~"\$instance"')
                self.assertLessEqual(set(re.findall(r"\$(\w+)", t["expr"])), {*variables, "__rate_interval", "__range"})
        self.overlaps([p["gridPos"] for p in board["panels"]])
        self.names_exist(exprs)
        rules = {"groups": [{"name": "panels", "rules": [{"record": f"panel:{i}", "expr": grafana_values(e)} for i, e in enumerate(exprs)]}]}
        path = self.folder / "panels.yaml"
        path.write_text(json.dumps(rules).replace("panel:", "panel:n"))
        self.assertIn(f"{len(exprs)} rules found", run_ok("promtool", "check", "rules", path))

    def overlaps(self, boxes):
        taken = set()
        for b in boxes:
            cells = {(x, y) for x in range(b["x"], b["x"] + b["w"]) for y in range(b["y"], b["y"] + b["h"])}
            self.assertFalse(cells & taken, b)
            self.assertLessEqual(b["x"] + b["w"], 24)
            taken |= cells

    def test_prometheus_scrapes_with_the_token_and_tells_when_mendd_is_down(self):
        for rules in (CONTRIB / "prometheus").glob("*.rules.yaml"):
            shutil.copy(rules, self.folder)
        config = self.adapt(CONTRIB / "prometheus" / "prometheus.yml", ("127.0.0.1:9490", f"127.0.0.1:{self.mendd.port}"),
                            ("/etc/prometheus/mendd-token", self.token_files["viewer"]), ("_interval: 30s", "_interval: 1s"))
        run_ok("promtool", "check", "config", config)
        prometheus = self.add(Prometheus(self.folder, config)).start()
        h.until("mendd is scraped", lambda: prometheus.query('up{job="mendd"} == 1'))
        lost = {"alertname": "Broken", "namespace": "shop", "deployment": "nobody"}
        self.assertEqual(self.mendd.webhook(h.payload({"labels": lost}), {"Authorization": "Bearer " + TOKENS["webhook"]}).status, 200)
        h.until("its end and the 404 are scraped", lambda: prometheus.query('rate(mendd_decisions_total{reason="no_target"}[1m]) > 0')
                and prometheus.query('rate(mendd_kube_answers_total{code="4xx"}[1m]) > 0'))
        board = json.loads((CONTRIB / "grafana" / "mendd.json").read_text())
        dark = [p["title"] for p in board["panels"] if p["type"] != "row"
                and not any(prometheus.query(grafana_values(t["expr"])) for t in p["targets"])]
        self.assertEqual(set(dark), {"Watched clusters"}, "none is watched here")
        self.mendd.stop()
        h.until("MenddDown is on its way", lambda: prometheus.query('ALERTS{alertname="MenddDown",alertstate="pending",severity="critical"}'))

    def test_alertmanager_tells_mendd_and_people_but_of_mendd_only_people(self):
        sample = CONTRIB / "alertmanager" / "alertmanager.yml"
        run_ok("amtool", "check-config", sample)

        def goes_to(**labels):
            return run_ok("amtool", "config", "routes", "test", f"--config.file={sample}", *(f"{k}={v}" for k, v in labels.items())).strip()
        self.assertEqual(goes_to(alertname="RedisDown", namespace="shop"), "mendd,people")
        for alert in re.findall(r"- alert: (\w+)", RULES.read_text()):
            self.assertEqual(goes_to(alertname=alert), "people")
        self.assertEqual(goes_to(alertname="Watchdog"), "people")

        config = self.adapt(sample, ("http://127.0.0.1:9490/webhook", self.mendd.url + "/webhook"),
                            ("/etc/alertmanager/mendd-token", self.token_files["webhook"]), *((f"group_wait: {s}", "group_wait: 0s") for s in ("5s", "10s", "30s")),
                            ("smarthost: 127.0.0.1:25", f"smarthost: 127.0.0.1:{h.free_port()}"))  # that it tries is enough
        alertmanager = h.Alertmanager(self.folder, None)
        self.add(alertmanager)
        alertmanager.launch(shutil.which("prometheus-alertmanager") or "alertmanager", f"--config.file={config}",
                            f"--storage.path={alertmanager.folder / 'data'}", f"--web.listen-address=127.0.0.1:{alertmanager.port}",
                            "--cluster.listen-address=")
        alertmanager.ready(lambda: h.request(alertmanager.url + "/-/ready").status == 200)
        alertmanager.fire("MenddDown", severity="critical")
        alertmanager.fire("RedisDown", namespace="shop")
        records = h.until("mendd has it, with the token", self.records)
        self.assertEqual([r["alert"]["labels"]["alertname"] for r in records], ["RedisDown"])

        def notified(how):
            text = h.request(alertmanager.url + "/metrics").body.decode()
            return int(re.search(rf'^alertmanager_notifications_total{{integration="{how}"}} (\d+)', text, re.M).group(1))
        h.until("people are told of both", lambda: notified("email") >= 2)
        self.assertEqual(notified("webhook"), 1)
