"""Nodes are cordoned and drained on a real API server: its own disruption budgets and its own evictions.

KUBECONFIG and MENDD_REAL_DIR as in test_real.py.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import draining  # noqa: E402
import test_real  # noqa: E402  (its cases are not taken over: only the classes of this module's own are run)


class RealNodes(draining.Draining, test_real.Real):
    def prepare(self):
        return self.admin, self.ns, self.as_mendd.kubeconfig

    def test_a_drain_moves_the_pods_and_leaves_the_node_cordoned(self):
        super().test_a_drain_moves_the_pods_and_leaves_the_node_cordoned()
        evictions = [e for e in test_real.h.audited(test_real.DIR / "audit.log", "create", "mendd")
                     if e["objectRef"].get("subresource") == "eviction" and e["objectRef"].get("namespace") == self.ns]
        names = [e["objectRef"]["name"] for e in evictions if e["responseStatus"]["code"] < 300]
        self.assertEqual(len(names), len(set(names)), "a pod was evicted twice")
