"""The rows of docs/coverage.yaml on a real API server: one case a file in tests/real/cases, run side by side.

KUBECONFIG and MENDD_REAL_DIR as in test_real.py. One of them quickly: tests/real/rows.
"""
import pathlib
import sys

import places
import rows

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

Rows, load_tests = rows.test_class(places.Real)
