#include "checks/registry.h"

extern const struct check check_alert_cleared, check_cluster_active, check_condition, check_dns, check_endpoints_ready,
    check_exec, check_field, check_flux_ready, check_http, check_job_succeeded, check_node_drained, check_nodes_ready,
    check_pods_gone, check_pods_none_waiting, check_pods_ready, check_promql, check_redis, check_replicas,
    check_rollout_complete, check_service_port, check_service_selects, check_tcp, check_tls, check_volumes_claimed;

const struct check *const all_checks[] = {
    &check_alert_cleared,     /* alert.c */
    &check_cluster_active,    /* clusters.c */
    &check_condition,         /* kube.c */
    &check_dns,               /* dns.c */
    &check_endpoints_ready,   /* kube.c */
    &check_exec,              /* exec.c */
    &check_field,             /* field.c */
    &check_flux_ready,        /* flux.c */
    &check_http,              /* http.c */
    &check_job_succeeded,     /* job.c */
    &check_node_drained,      /* nodes.c */
    &check_nodes_ready,       /* nodes_ready.c */
    &check_pods_gone,         /* clusters.c */
    &check_pods_none_waiting, /* causes.c */
    &check_pods_ready,        /* pods.c */
    &check_promql,            /* promql.c */
    &check_redis,             /* tcp.c */
    &check_replicas,          /* rollout.c */
    &check_rollout_complete,  /* rollout.c */
    &check_service_port,      /* causes.c */
    &check_service_selects,   /* causes.c */
    &check_tcp,               /* tcp.c */
    &check_tls,               /* tls.c */
    &check_volumes_claimed,   /* volumes.c */
    NULL,
};
