#include "actions/registry.h"

extern const struct action action_backup, action_certificate_reissue, action_certificate_renew, action_cluster_read,
    action_command_run, action_configmap_set, action_events_list, action_exec, action_exec_read, action_flux_reconcile,
    action_flux_resume, action_flux_suspend, action_gitops_suspend, action_hpa_set, action_http_read,
    action_http_request, action_job_from_cronjob, action_job_run, action_keda_pause, action_keda_resume,
    action_metrics_top, action_networkpolicy_quarantine, action_node_cordon, action_node_drain, action_node_uncordon,
    action_notify, action_pod_describe, action_pod_logs, action_pods_delete, action_pods_evict, action_promql_query,
    action_pvc_expand, action_redis_command, action_redis_read, action_resource_annotate, action_resource_apply,
    action_resource_delete, action_resource_label, action_resource_patch, action_resource_read, action_restore,
    action_rollout_pause, action_rollout_restart, action_rollout_resume, action_rollout_undo, action_scale,
    action_secret_set, action_service_switch, action_set_image, action_set_resources, action_silence_create,
    action_wait;

const struct action *const all_actions[] = {
    &action_backup,                   /* backup.c */
    &action_certificate_reissue,      /* certificate.c */
    &action_certificate_renew,        /* certificate.c */
    &action_cluster_read,             /* clusters.c */
    &action_command_run,              /* command.c */
    &action_configmap_set,            /* objects.c */
    &action_events_list,              /* evidence.c */
    &action_exec,                     /* exec.c */
    &action_exec_read,                /* exec.c */
    &action_flux_reconcile,           /* flux.c */
    &action_flux_resume,              /* flux.c */
    &action_flux_suspend,             /* flux.c */
    &action_gitops_suspend,           /* gitops.c */
    &action_hpa_set,                  /* merge.c */
    &action_http_read,                /* http.c */
    &action_http_request,             /* http.c */
    &action_job_from_cronjob,         /* job.c */
    &action_job_run,                  /* job.c */
    &action_keda_pause,               /* merge.c */
    &action_keda_resume,              /* merge.c */
    &action_metrics_top,              /* top.c */
    &action_networkpolicy_quarantine, /* quarantine.c */
    &action_node_cordon,              /* node.c */
    &action_node_drain,               /* node.c */
    &action_node_uncordon,            /* node.c */
    &action_notify,                   /* notify.c */
    &action_pod_describe,             /* evidence.c */
    &action_pod_logs,                 /* evidence.c */
    &action_pods_delete,              /* pods.c */
    &action_pods_evict,               /* evict.c */
    &action_promql_query,             /* promql.c */
    &action_pvc_expand,               /* claim.c */
    &action_redis_command,            /* redis.c */
    &action_redis_read,               /* redis.c */
    &action_resource_annotate,        /* merge.c */
    &action_resource_apply,           /* apply.c */
    &action_resource_delete,          /* apply.c */
    &action_resource_label,           /* merge.c */
    &action_resource_patch,           /* resource.c */
    &action_resource_read,            /* read.c */
    &action_restore,                  /* restore.c */
    &action_rollout_pause,            /* merge.c */
    &action_rollout_restart,          /* rollout.c */
    &action_rollout_resume,           /* merge.c */
    &action_rollout_undo,             /* undo.c */
    &action_scale,                    /* scale.c */
    &action_secret_set,               /* secret.c */
    &action_service_switch,           /* objects.c */
    &action_set_image,                /* set.c */
    &action_set_resources,            /* set.c */
    &action_silence_create,           /* silence.c */
    &action_wait,                     /* wait.c */
    NULL,
};
