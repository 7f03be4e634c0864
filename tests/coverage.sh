#!/usr/bin/env bash
# coverage.sh [--update]: docs/coverage.md is what `mendctl playbooks --coverage` says of this tree. $MENDD_BIN: the folder of
# mendctl (build/bin).
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${MENDD_BIN:-build/bin}
page=$(mktemp)
trap 'rm -f "$page"' EXIT
"$bin/mendctl" playbooks --coverage --markdown --playbooks playbooks >"$page"
if [[ ${1:-} == --update ]]; then
  cat "$page" >docs/coverage.md
elif ! diff -u docs/coverage.md "$page"; then
  echo "docs/coverage.md is out of date: tests/coverage.sh --update" >&2
  exit 1
fi
