"""The shipped Prometheus rules: promtool takes them, their own tests pass, and each alert leads to the playbook file that its comment names."""
import json
import pathlib
import re
import subprocess
import unittest

import harness as h

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = sorted((ROOT / "contrib" / "prometheus").glob("*.rules.yaml"))
FOR_PLAYBOOKS = [r for r in RULES if r.name != "mendd.rules.yaml"]  # that one's alerts go to people (test_monitoring.py)


class Rules(unittest.TestCase):
    def run_ok(self, *args):
        r = subprocess.run([str(a) for a in args], capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        return r.stdout

    def test_promtool_takes_them_and_their_tests_pass(self):
        self.assertTrue(RULES)
        for rules in RULES:
            self.run_ok("promtool", "check", "rules", rules)
            self.run_ok("promtool", "test", "rules", str(rules).replace(".rules.yaml", ".test.yaml"))

    def test_every_alert_leads_to_the_playbook_beside_it(self):
        books = {b["name"]: b for b in json.loads(self.run_ok(h.BIN / "mendctl", "playbooks", "--playbooks", ROOT / "playbooks", "-o", "json"))["playbooks"]}
        named = [(a, f) for r in FOR_PLAYBOOKS for a, f in re.findall(r"- alert: (\w+) # (playbooks/[\w.-]+)", r.read_text())]
        self.assertGreaterEqual(len(named), 5)
        self.assertEqual(len(named), sum(r.read_text().count("- alert:") for r in FOR_PLAYBOOKS))
        for alert, path in named:
            here = [b["name"] for b in books.values() if b["file"].endswith(path) and any(re.search(rf"\b{alert}\b", m) for m in b["matchers"])]
            self.assertTrue(here, f"{alert} is in no matcher of {path}")
