#!/usr/bin/env bash
# named.sh [ROOT]: every test that SECURITY.md names exists: `FOLDER/FILE: NAME` holds that name, `FOLDER/FILE` is there.
# Each row of its tables names one at least.
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"
bad=0 seen=0

complain() { echo "SECURITY.md: $1" >&2; bad=$((bad + 1)); }

while IFS= read -r named; do
  file=${named%%: *} name=${named#*: }
  seen=$((seen + 1))
  if [[ ! -f tests/$file ]]; then
    complain "there is no tests/$file"
  elif [[ $named == *': '* ]] && ! grep -qE "^ *(def|static void) $name\(" "tests/$file"; then
    complain "there is no test $name in tests/$file"
  fi
done < <(grep -oE '`(unit|golden|e2e|real|security|simulation)/[^`]+`' SECURITY.md | tr -d '`')

while IFS= read -r row; do
  grep -qE '`(unit|golden|e2e|real|security|simulation)/|\]\(docs/' <<<"$row" || complain "this row names no test: $row"
done < <(grep -E '^\| ' SECURITY.md | grep -vE '^\| (attack|aimed at) \|')
echo "$seen tests named, $bad faults"
((bad == 0 && seen > 20))
