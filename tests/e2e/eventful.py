"""Kubernetes Events as somebody reads them with kubectl describe, on kubesim and on a real API server alike."""
import urllib.parse

import harness as h


def described(cluster, obj, reason=None):
    """mendd's Events of exactly this object, as `kubectl describe` looks them up."""
    meta = obj["metadata"]
    fields = {"involvedObject.name": meta["name"], "involvedObject.uid": meta["uid"], "involvedObject.kind": obj["kind"]}
    if meta.get("namespace"):
        fields["involvedObject.namespace"] = meta["namespace"]
    selector = urllib.parse.quote(",".join(f"{k}={v}" for k, v in fields.items()))
    items = cluster.get(f"/api/v1/namespaces/{meta.get('namespace', 'default')}/events?fieldSelector={selector}")["items"]
    return [e for e in items if e["source"].get("component") == "mendd" and reason in (None, e["reason"])]


def judge_repair(t, cluster, obj, record):
    """The Deployment tells what was done to it and that it worked, with the run to look up."""
    obj = {"kind": "Deployment", **obj}
    repaired = h.until("the Event Repaired", lambda: described(cluster, obj, "Repaired"))[0]
    acting = described(cluster, obj, "Remediating")
    t.assertEqual(len(acting), 1, acting)
    t.assertIn("rollout.restart: PATCH Deployment", acting[0]["message"])
    for event in (repaired, acting[0]):
        t.assertEqual(event["type"], "Normal")
        t.assertIn(f"run {record['id']}", event["message"])
        t.assertIn(f"playbook {record['playbook']}", event["message"])
        t.assertEqual(event["reportingComponent"], "mendd")
        t.assertEqual(event["involvedObject"]["apiVersion"], "apps/v1")
        t.assertGreaterEqual(event["count"], 1)


def judge_refusal(t, cluster, obj):
    obj = {"kind": "Deployment", **obj}
    refused = h.until("the Event Refused", lambda: described(cluster, obj, "Refused"))[0]
    t.assertEqual(refused["type"], "Warning")
    t.assertIn("mendd.io/ignore", refused["message"])
    t.assertEqual(described(cluster, obj, "Remediating"), [])
