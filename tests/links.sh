#!/usr/bin/env bash
# links.sh [ROOT]: every relative link of README.md, CONTRIBUTING.md, SECURITY.md, docs/ and deploy/ leads to something that
# exists, and no page speaks of a place on one developer's machine.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"
bad=0 seen=0

for page in README.md CONTRIBUTING.md SECURITY.md docs/*.md deploy/k8s/README.md deploy/k8s/helm/*/README.md; do
  [[ -f $page ]] || { echo "$page is missing" >&2; bad=$((bad + 1)); continue; }
  while IFS= read -r link; do
    [[ $link =~ ^(https?:|mailto:|#) ]] && continue
    seen=$((seen + 1))
    path=${link%%#*}
    if [[ ! -e $(dirname "$page")/$path ]]; then
      echo "$page: the link to $link leads nowhere" >&2
      bad=$((bad + 1))
    elif [[ $link == *'#'* && $path == *.md ]]; then
      # GitHub's anchors: lower case, spaces to dashes, punctuation gone
      grep -E '^#+ ' "$(dirname "$page")/$path" | sed -E 's/^#+ +//' | tr '[:upper:]' '[:lower:]' | tr ' ' '-' |
        tr -cd 'a-z0-9_\n-' | grep -qxF -- "${link#*#}" ||
        { echo "$page: $link: no such heading" >&2; bad=$((bad + 1)); }
    fi
  done < <(sed 's/`[^`]*`//g' "$page" | grep -oE '\]\([^) ]+\)' | sed 's/^](//; s/)$//')
  if grep -nE '/(home|root|work)/[a-z]' "$page" >&2; then
    echo "$page: names a folder of one machine" >&2
    bad=$((bad + 1))
  fi
done
echo "$seen relative links looked at, $bad faults"
((bad == 0 && seen > 0))
