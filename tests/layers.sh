#!/usr/bin/env bash
# layers.sh [ROOT]: fails on an #include that points the wrong way between the folders of lib/, daemon/ and cli/.
#
# The order is the architecture: the core decides and knows nothing of the outside; only the engine sends.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

# folder: the folders that it may include from, besides itself
declare -A may=(
  [lib/base]=""
  [lib/core]="base"
  [lib/actions]="core base"
  [lib/checks]="core base"
  [lib/notify]="base"
  [lib/config]="core base notify"
  [lib/io]="base"
  [lib/kube]="io config core base"
  [lib/store]="base"
  [lib/engine]="base core actions checks config io kube store notify"
  [daemon]="base core actions checks config io kube store notify engine daemon"
  [cli]="base core actions checks config io kube store notify engine cli"
)
# what the pure folders must not reach for: sockets, clocks, files, processes, the loop
pure='^#include <(curl/|sys/socket|netdb|sqlite3|microhttpd|hiredis|systemd/|pthread|time\.h|sys/time|poll\.h|sys/epoll|fcntl|unistd|dirent)'
bad=0 seen=0

complain() { echo "$1" >&2; bad=$((bad + 1)); }

for folder in lib/* daemon cli; do
  [[ -d $folder ]] || continue
  [[ -v may[$folder] ]] || { complain "$folder: a folder without a line in tests/layers.sh"; continue; }
  while IFS=: read -r file line include; do
    seen=$((seen + 1))
    target=$(sed -n 's#^ *\# *include "\([a-z0-9_]*\)/.*#\1#p' <<<"$include")
    [[ -n $target && $target != "${folder#lib/}" ]] || continue
    # a folder's own subfolder (daemon/http/…) is its own business
    [[ -d $folder/$target ]] && continue
    [[ " ${may[$folder]} " == *" $target "* ]] || complain "$file:$line: $folder must not know $target (${include})"
  done < <(grep -rnE --include='*.[ch]' '^ *# *include "' "$folder")
done
for folder in lib/core lib/actions lib/checks lib/notify; do
  while IFS= read -r hit; do
    complain "$hit: $folder does no I/O and reads no clock"
  done < <(grep -rnE --include='*.[ch]' "$pure" "$folder" || true)
done
((seen > 0)) || complain "no #include was found at all: is this the right folder?"
echo "$seen includes looked at, $bad in a forbidden direction"
((bad == 0))
