#!/usr/bin/env python3
"""run.py FILE... [-k PATTERN]: runs the end-to-end tests of those files, as unittest does, from any folder."""
import importlib.util
import pathlib
import sys
import unittest

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here))
sys.dont_write_bytecode = True


def main():
    files = [a for a in sys.argv[1:] if a.endswith(".py")]
    rest = [a for a in sys.argv[1:] if not a.endswith(".py")]
    names = []
    for file in files or sorted(map(str, here.glob("test_*.py"))):
        name = pathlib.Path(file).stem
        sys.path.insert(0, str(pathlib.Path(file).resolve().parent))
        spec = importlib.util.spec_from_file_location(name, file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        names.append(name)
    unittest.main(module=None, argv=["run.py", "-v", *rest, *names])


main()
