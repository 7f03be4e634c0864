"""The cases' templates and conditions: {{ ns }}, {{ web.url }}, {{ now-30m }}; JSON pointers; what a value must be like.

A name that the runner does not know stays as it stands: {{ vars.x }} and {{ labels.x }} are the playbooks' own.
"""
import datetime
import json
import re

HOLE = re.compile(r"\{\{\s*([A-Za-z_][\w.-]*)(?:([+-])(\d+)([smhd]))?\s*\}\}")
UNIT = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(sign=None, count=None, unit=None):
    at = datetime.datetime.now(datetime.timezone.utc)
    if sign:
        at += datetime.timedelta(**{UNIT[unit]: int(sign + count)})
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def named(names, path):
    for key in path.split("."):
        if not isinstance(names, dict) or key not in names:
            return None
        names = names[key]
    return names


def fill(value, names):
    """The value with its templates filled in; one that is a whole text keeps its type (a port is a number)."""
    if isinstance(value, dict):
        return {fill(k, names): fill(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [fill(v, names) for v in value]
    if not isinstance(value, str):
        return value

    def one(match):
        path, sign, count, unit = match.groups()
        if path == "now":
            return moment(sign, count, unit)
        got = named(names, path + (f"{sign}{count}{unit}" if sign else ""))
        return match.group(0) if got is None else got
    whole = HOLE.fullmatch(value)
    return one(whole) if whole else HOLE.sub(lambda m: str(one(m)), value)


def at(doc, pointer):
    """What a JSON pointer leads to, None if nothing."""
    for key in pointer.split("/")[1:]:
        key = key.replace("~1", "/").replace("~0", "~")
        try:
            doc = doc[int(key)] if isinstance(doc, list) else doc[key]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return doc


def like(pattern, text):
    """A regular expression, found anywhere; what is no text is looked at as JSON."""
    text = text if isinstance(text, str) else json.dumps(text)
    return re.search(pattern, text, re.S) is not None


def meets(value, wanted):
    """wanted: a value, or {equals|matches|at_least|at_most|exists: …}."""
    if not isinstance(wanted, dict):
        return value == wanted
    tests = {"equals": lambda w: value == w, "not": lambda w: value != w, "matches": lambda w: like(w, value),
             "at_least": lambda w: value is not None and float(value) >= w,
             "at_most": lambda w: value is not None and float(value) <= w,
             "exists": lambda w: (value is not None) == w}
    return all(tests[k](w) for k, w in wanted.items())
