#!/usr/bin/env bash
# manifests.sh [--update]: what deploy/k8s holds is what it was made from: each rbac.yaml is what `mendctl rbac` says for the playbooks
# beside it, overlays/monitoring/prometheusrule.yaml is contrib/prometheus/mendd.rules.yaml. $MENDD_BIN: the folder of mendctl
# (build/bin).
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${MENDD_BIN:-build/bin}
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
bad=0

# rbac KUSTOMIZATION: of the playbooks that it makes the ConfigMap of
rbac() {
  local folder
  folder=$(dirname "$1")
  sed -n '/^- name: mendd-playbooks$/,/files:/s/^ *files: \[\(.*\)\]$/\1/p' "$1" | tr -d ' ' | tr ',' '\n' |
    sed "s#^#--playbooks=$folder/#" | xargs "$bin/mendctl" rbac --config.file=deploy/k8s/common/mendd.yaml --subject=serviceaccount:mendd/mendd
}

rules() {
  cat <<'EOT'
# Made by tests/manifests.sh from contrib/prometheus/mendd.rules.yaml. kube-prometheus-stack wants the label `release: NAME` on it.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: mendd
  namespace: mendd
  labels: {app.kubernetes.io/name: mendd, app.kubernetes.io/instance: mendd}
spec:
EOT
  sed -e '/^#/d' -e 's/^\(.\)/  \1/' contrib/prometheus/mendd.rules.yaml
}

# same MADE FILE
same() {
  if [[ ${update:-} ]]; then
    cp "$1" "$2"
  elif ! diff -u "$2" "$1"; then
    echo "$2 is out of date: tests/manifests.sh --update" >&2
    bad=1
  fi
}

[[ ${1:-} == --update ]] && update=1
rbac playbooks/Kustomization >"$made/base.yaml"
rbac deploy/k8s/overlays/own/kustomization.yaml >"$made/own.yaml"
rules >"$made/rules.yaml"
same "$made/base.yaml" deploy/k8s/base/rbac.yaml
same "$made/own.yaml" deploy/k8s/overlays/own/rbac.yaml
same "$made/rules.yaml" deploy/k8s/overlays/monitoring/prometheusrule.yaml
exit "$bad"
