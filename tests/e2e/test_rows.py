"""The rows of docs/coverage.yaml on kubesim, where it can serve their cases (rows.py; on the real API server: tests/real)."""
import places
import rows

Rows, load_tests = rows.test_class(places.Sim)
