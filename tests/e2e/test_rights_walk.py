"""Every writing right, taken away in turn, on kubesim (rights_walk.py); all of them, on the real API server: tests/real."""
import unittest

import places
import rights_walk


class Rights(unittest.TestCase):
    def test_every_writing_one_is_missed(self):
        def writes(who, right):  # no case of kubesim's gets as far as expanding a claim, or serves a custom resource
            return right.verb not in ("get", "list") and right.resource not in ("persistentvolumeclaims", "clusters")
        missed, runs, wrong = rights_walk.walk(places.Sim(), rights_walk.cases_for("kubesim"), wanted=writes)
        print(f"{missed} rights, each missed by who needs it, in {runs} runs ", end="", flush=True)
        self.assertGreater(missed, 20)
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))
