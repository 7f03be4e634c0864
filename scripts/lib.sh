# shellcheck shell=bash
# lib.sh: what the scripts of this folder share. Sourced, never run.
#
#   packages:  need_packages SET...      installs what is missing of build, test, bench, real, image, fuzz, lint, demo, package, boot (Debian 12)
#   progress:  headline, step, ok, warn, fail, run_quietly
#   building:  build PRESET [TARGET...]
#   the rest:  free_port, free_ports, wait_for, keep_pid, stop_all
#
# Colours and the moving line appear on a terminal only; NO_COLOR turns the colours off.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=$root/build/bin
started_s=$SECONDS

if [[ -t 1 && ${TERM:-dumb} != dumb ]]; then tty=1; else tty=; fi
if [[ -n $tty && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' blue=$'\e[36m' plain=$'\e[0m'
else
  bold='' dim='' red='' green='' yellow='' blue='' plain=''
fi

headline() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
ok() { printf '  %s✓%s %s\n' "$green" "$plain" "$*"; }
warn() { printf '  %s!%s %s\n' "$yellow" "$plain" "$*" >&2; }
fail() { printf '  %s✗ %s%s\n' "$red" "$*" "$plain" >&2; }
die() { fail "$*"; exit 1; }
note() { printf '    %s%s%s\n' "$dim" "$*" "$plain"; }

# run_quietly WHAT LOG COMMAND...: one line while it runs, one when it is done, the log's tail when it fails.
run_quietly() {
  local what=$1 log=$2 begun=$SECONDS pid status=0
  shift 2
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  if [[ -n $tty ]]; then
    while kill -0 "$pid" 2>/dev/null; do
      printf '\r\e[K  %s…%s %s %s%ds  %s%s' "$blue" "$plain" "$what" "$dim" $((SECONDS - begun)) \
        "$(tail -n 1 "$log" 2>/dev/null | tr -d '\r' | tr -c '[:print:]\n' ' ' | cut -c "1-$((${COLUMNS:-80} > 60 ? 40 : 10))")" "$plain"
      sleep 0.2
    done
    printf '\r\e[K'
  else
    printf '  … %s\n' "$what"
  fi
  wait "$pid" || status=$?
  if ((status == 0)); then
    ok "$what $dim($((SECONDS - begun)) s)$plain"
  else
    fail "$what: exit code $status after $((SECONDS - begun)) s; the end of $log:"
    tail -n 40 "$log" | sed 's/^/    /' >&2
  fi
  return "$status"
}

# ---- packages ----

package_set() {
  case $1 in
    build) echo gcc libc6-dev cmake ninja-build pkg-config libmicrohttpd-dev libjansson-dev libcurl4-gnutls-dev \
      libyaml-dev libsystemd-dev libhiredis-dev libsqlite3-dev libpcre2-dev libwslay-dev libcmocka-dev uthash-dev ;;
    demo) echo prometheus-alertmanager curl jq procps ;;
    test) echo systemd redis-server prometheus prometheus-alertmanager exim4-daemon-light curl jq openssl python3 python3-yaml \
      python3-jsonschema procps ;;
    bench) echo webhook wrk kubernetes-client prometheus-alertmanager python3 curl jq procps ;;
    real) echo etcd-server golang-go golang-github-masterminds-sprig-dev golang-k8s-sigs-yaml-dev dpkg-dev openssl python3 curl \
      redis-server prometheus-alertmanager bubblewrap procps ;;
    image) echo buildah crun debootstrap binutils jq ;;
    fuzz) echo clang libclang-rt-14-dev ;;
    package) echo dpkg-dev file ;;
    boot) echo debootstrap systemd-container lintian ;;
    kubectl) echo kubernetes-client ;;
    lint) echo clang-format git ;;
    *) die "no such set of packages: $1" ;;
  esac
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo -n "$@"; fi
}

# Debian starts the services that a package brings. This machine's owner asked for a build or a test, not for a Redis
# on port 6379: policy-rc.d forbids starting while we install, and what came new is not enabled for the next boot either.
install_packages() {
  local policy=/usr/sbin/policy-rc.d ours='' unit status=0
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null && as_root chmod 755 "$policy" && ours=1
  fi
  {
    # lists that are younger than a day are good enough; a mirror that has moved on says so by failing
    if [[ -z $(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' -mtime -1 2>/dev/null | head -n 1) ]]; then
      as_root apt-get -q update
    fi
    apt_install "$@" || { as_root apt-get -q update && apt_install "$@"; }
  } || status=$?
  if [[ -n $ours ]]; then as_root rm -f "$policy"; fi
  if ((status == 0)) && [[ -d /run/systemd/system ]]; then
    for unit in $(dpkg -L "$@" 2>/dev/null | sed -n 's#^\(/usr\)\{0,1\}/lib/systemd/system/\([^/@]*\.service\)$#\2#p'); do
      as_root systemctl --quiet disable --now "$unit" || true
    done
  fi
  return "$status"
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@"
}

# need_packages SET...: the sets' packages that are missing get installed, with one line of progress.
need_packages() {
  local set package missing=()
  command -v dpkg-query >/dev/null || {
    warn "this is no Debian: taking for granted what would be installed here ($*)"
    return 0
  }
  for set in "$@"; do
    for package in $(package_set "$set"); do
      [[ " ${missing[*]-} " == *" $package "* ]] && continue
      # whoever has a kubectl of another source keeps it: Debian's package would clash with it
      [[ $package == kubernetes-client ]] && command -v kubectl >/dev/null && continue
      [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
  done
  ((${#missing[@]})) || return 0
  if [[ $(id -u) != 0 ]]; then
    command -v sudo >/dev/null || die "missing packages: ${missing[*]} (install them as root: apt-get install ${missing[*]})"
    [[ -z $tty ]] || sudo -v
  fi
  run_quietly "install ${#missing[@]} Debian packages: ${missing[*]:0:4}$( ((${#missing[@]} > 4)) && echo ' …')" \
    "$root/build/log/apt.log" install_packages "${missing[@]}"
}

# ---- building ----

preset_folder() { if [[ $1 == asan ]]; then echo "$root/build-asan"; else echo "$root/build"; fi; }

# build PRESET [TARGET...]: without targets everything.
build() {
  local preset=$1 folder
  shift
  folder=$(preset_folder "$preset")
  export NINJA_STATUS='[%f/%t] '
  configure_and_build() {
    cd "$root" || return 1
    cmake --preset "$preset" && cmake --build "$folder" "${@/#/--target=}"
  }
  run_quietly "build mendd (preset $preset)" "$root/build/log/build-$preset.log" configure_and_build "$@"
}

# ---- processes, ports, waiting ----

pids=()
keep_pid() { pids+=("$1"); }

# Ends what this script started, in the reverse order, and waits for it.
stop_all() {
  local i n
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill "${pids[i]}" 2>/dev/null || continue
    for ((n = 0; n < 70; n++)); do
      kill -0 "${pids[i]}" 2>/dev/null || break
      sleep 0.1
    done
    kill -9 "${pids[i]}" 2>/dev/null || true
    wait "${pids[i]}" 2>/dev/null || true
  done
  pids=()
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port WANTED: that one, or the next one above it on which nobody listens.
free_port() {
  local port=$1
  until port_is_free "$port"; do port=$((port + 1)); done
  echo "$port"
}

# free_ports WANTED N: the first port at or above it that is free together with the N - 1 behind it.
free_ports() {
  local port=$1 i
  for ((i = 0; i < $2; i++)); do
    port_is_free $((port + i)) || { port=$((port + i + 1)) i=-1; }
  done
  echo "$port"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}
