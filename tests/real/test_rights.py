"""Least rights proven on the real API server: each right that a step, a check or mendd itself says it needs is taken away in turn
(rights_walk.py; $MENDD_WALK_ONLY: a regular expression on "step x: verb resource", $MENDD_WALK_VERBOSE). That all of them together are enough is shown by the row cases, which have no others.
"""
import os
import pathlib
import re
import sys
import unittest

import places
import rights_walk

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))


class Rights(unittest.TestCase):
    def test_every_single_one_is_missed(self):
        only = re.compile(os.environ.get("MENDD_WALK_ONLY", ""))
        missed, runs, wrong = rights_walk.walk(places.Real(), rights_walk.cases_for("real"),
                                               wanted=lambda who, right: only.search(f"{who}: {right.verb} {right.resource}"))
        print(f"{missed} rights, each missed by who needs it, in {runs} runs ", end="", flush=True)
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))
