#!/usr/bin/env python3
"""page.py: turns the JSON lines of scripts/bench on stdin into docs/benchmarks.md on stdout. Numbers come from a run only."""
import json
import sys

HEAD = """# Benchmarks

Written by `scripts/bench --write-docs` from one run; no number here was typed. Medians of {runs} runs, with the runs beside
them. {cores} cores ({cpu}), Linux {kernel}, {date}; the machine's load average before the run was {load_average_before}, and what else ran
takes its part of the cores from both sides. Run it yourself: `scripts/bench`, or `scripts/bench ingest`.

What is measured, and how, stands at the head of [tests/bench/bench.py](../tests/bench/bench.py). The peers run in the same run on
the same machine, one after the other. Both sides of a comparison get the same bodies.
"""


def cell(v):
    if isinstance(v, dict) and "median" in v:
        return f"**{v['median']:g}** ({', '.join(f'{r:g}' for r in v['runs'])})"
    if isinstance(v, dict):
        return "; ".join(f"{k} {cell(x)}" for k, x in v.items())
    return f"{v:g}" if isinstance(v, (int, float)) else str(v)


def table(title, rows):
    print(f"\n## {title}\n\n| | |\n|---|---|")
    for k, v in rows:
        print(f"| {k} | {cell(v)} |")


def main():
    results = [json.loads(line) for line in sys.stdin if line.strip()]
    print(HEAD.format(**next(r for r in results if r["name"] == "machine")).rstrip())
    for r in results:
        name = r.pop("name")
        if name == "machine":
            continue
        if name == "ingest":
            name += f", {r.pop('connections')} connections"
        table(name, [(k.replace("_", " "), v) for k, v in r.items()])


main()
