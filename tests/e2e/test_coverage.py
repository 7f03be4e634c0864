"""mendctl playbooks --coverage: what counts for a row, and what is told to be wrong."""
import json
import pathlib
import subprocess

import harness as h


class Coverage(h.Scene):
    def setUp(self):
        super().setUp()
        self.books, self.cases = self.folder / "playbooks", self.folder / "tests" / "real" / "cases"
        self.books.mkdir()
        self.cases.mkdir(parents=True)

    def write(self, path, doc):
        pathlib.Path(path).write_text(json.dumps(doc))

    def book(self, runbook, tests=1, name="restart"):
        self.write(self.books / f"{name}.yaml", {"playbooks": [{**h.restart_playbook(name), "runbook": runbook}]})
        self.write(self.books / f"{name}.test.yaml", {"tests": [{
            "name": f"{i}", "alert": {"labels": {"alertname": "Broken"}}, "expect": {"playbook": name}} for i in range(tests)]})

    def case(self, name, **doc):
        self.write(self.cases / f"{name}.yaml", {"row": "000.1", "playbook": "restart", "expect": {"outcome": "resolved"}, **doc})

    def ctl(self, *args):
        return subprocess.run([str(h.BIN / "mendctl"), "playbooks", "--coverage", "--playbooks", str(self.books), *args],
                              capture_output=True, text=True)

    def look(self, *args, code=0):
        r = self.ctl(*args)
        self.assertEqual(r.returncode, code, r.stderr)
        coverage = json.loads(r.stdout)
        return coverage, {row["id"]: row for row in coverage["rows"]}

    def test_a_row_is_done_with_playbook_test_and_case(self):
        self.book("000.1, 001.7 Some Runbook", tests=2)
        self.case("000.1-restart")
        coverage, rows = self.look()
        self.assertEqual((coverage["done"], coverage["total"], coverage["faults"]), (1, 74, []))
        self.assertEqual((rows["000.1"]["cases"], rows["000.1"]["missing"]), (["000.1-restart"], []))
        self.assertEqual({k: rows["000.1"]["playbooks"][0][k] for k in ("name", "mode", "actions", "tests")},
                         {"name": "restart", "mode": "auto", "actions": ["rollout.restart"], "tests": 2})
        self.assertEqual(rows["001.7"]["missing"], ["e2e case"])
        self.assertEqual(rows["004.22"]["missing"], ["playbook", "e2e case"])
        self.assertEqual(rows["000.10"]["playbooks"], [], "000.1 is not 000.10")
        self.look("--strict", code=1)

    def test_a_playbook_without_an_offline_test_is_not_done(self):
        self.book("000.1 Some Runbook", tests=0)
        self.case("000.1-restart")
        coverage, rows = self.look()
        self.assertEqual((coverage["done"], rows["000.1"]["missing"]), (0, ["offline test"]))

    def test_a_case_counts_only_where_its_playbook_carries_the_row(self):
        self.book("000.2 Some Runbook")
        self.case("000.1-restart")
        self.case("000.2-none", row="000.2", playbook="unheard")
        self.case("000.2-empty", row="000.2", expect=None)
        self.case("000.2-test", row="000.2", test="tests/real/test_gone.py")
        self.case("009.1", row="009.1")
        coverage, rows = self.look(code=1)
        self.assertEqual(rows["000.1"]["cases"] + rows["000.2"]["cases"], [])
        for part in ('"restart" does not name row 000.1', '"unheard" does not name row 000.2', "test_gone.py is not there",
                     "000.2-empty.yaml: expects nothing", "there is no row 009.1"):
            self.assertIn(part, "\n".join(coverage["faults"]))

    def test_a_number_that_is_no_row_is_a_fault(self):
        self.book("000.99 Some Runbook")
        coverage, _ = self.look(code=1)
        self.assertRegex(coverage["faults"][0], r'restart.yaml:\d+: playbook "restart": runbook: there is no row 000.99')

    def test_installed_playbooks_have_no_cases_and_say_so(self):
        self.book("000.1 Some Runbook")
        self.cases.rmdir()
        r = self.ctl()
        self.assertIn("--cases DIR", r.stderr)
        self.assertFalse(json.loads(r.stdout)["cases_known"])

    def test_the_table_names_what_is_missing(self):
        self.book("000.1 Some Runbook")
        r = self.ctl("-o", "table")
        self.assertRegex(r.stdout, r"000.1 +Redis pod failure +restart +auto +rollout.restart +1 +- +e2e case")
        self.assertRegex(r.stdout, r"000.2 +Gitea unavailable +MISSING")
        self.assertIn("0 of 74 rows done", r.stdout)
