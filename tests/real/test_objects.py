"""Jobs, server-side apply, claims, Services and quarantines on a real API server.

KUBECONFIG and MENDD_REAL_DIR as in test_real.py.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import making  # noqa: E402
import test_real  # noqa: E402  (its cases are not taken over: only the classes of this module's own are run)


class RealObjects(making.Making, test_real.Real):
    def prepare(self):
        return self.admin, self.ns, self.as_mendd.kubeconfig

    def test_a_job_runs_once_and_its_last_words_are_kept(self):
        super().test_a_job_runs_once_and_its_last_words_are_kept()
        test_real.h.until("the audit log has the Job", lambda: self.effects("jobs", "create"))
        self.assertEqual(len(self.effects("jobs", "create")), 1)
