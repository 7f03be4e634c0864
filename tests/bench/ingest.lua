-- One alert a request, each with a label set of its own: the harder case, since nothing can be folded into an open episode.
-- The receivers of one run all get the same kind of body.
local threads = 0

function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
end

function init(args)
  n = 0
  headers = { ["Content-Type"] = "application/json" }
  run = args[1] or "0"
end

local body = [[{"receiver":"mendd","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"KubePodCrashLooping",]] ..
  [["container":"app","job":"kube-state-metrics","namespace":"shop","pod":"api-%s-%d-%d","severity":"warning"},]] ..
  [["annotations":{"description":"Pod shop/api (app) is in waiting state (reason: CrashLoopBackOff).",]] ..
  [["runbook_url":"https://runbooks.prometheus-operator.dev/runbooks/kubernetes/kubepodcrashlooping","summary":"Pod is crash looping."},]] ..
  [["startsAt":"2026-01-05T10:00:00.123Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus.example/graph?g0.expr=1",]] ..
  [["fingerprint":"ab77f3e4ba5f2517"}],"groupLabels":{"alertname":"KubePodCrashLooping"},"commonLabels":{"namespace":"shop"},]] ..
  [["commonAnnotations":{},"externalURL":"http://alertmanager.example","version":"4","groupKey":"{}:{alertname=\"KubePodCrashLooping\"}",]] ..
  [["truncatedAlerts":0}]]

function request()
  n = n + 1
  return wrk.format("POST", nil, headers, string.format(body, run, id, n))
end

function done(summary, latency, requests)
  io.write(string.format('{"requests": %d, "duration_us": %d, "bad_status": %d, "socket_errors": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
