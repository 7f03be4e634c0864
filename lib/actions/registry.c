#include "actions/registry.h"

extern const struct action action_certificate_renew, action_events_list, action_exec, action_exec_read,
    action_flux_reconcile, action_flux_resume, action_flux_suspend, action_gitops_suspend, action_hpa_set,
    action_keda_pause, action_keda_resume, action_pod_describe, action_pod_logs, action_pods_delete,
    action_resource_annotate, action_resource_label, action_resource_patch, action_rollout_pause,
    action_rollout_restart, action_rollout_resume, action_rollout_undo, action_scale, action_set_image,
    action_set_resources, action_wait;

const struct action *const all_actions[] = {
    &action_certificate_renew, /* certificate.c */
    &action_events_list,       /* evidence.c */
    &action_exec,              /* exec.c */
    &action_exec_read,         /* exec.c */
    &action_flux_reconcile,    /* flux.c */
    &action_flux_resume,       /* flux.c */
    &action_flux_suspend,      /* flux.c */
    &action_gitops_suspend,    /* gitops.c */
    &action_hpa_set,           /* merge.c */
    &action_keda_pause,        /* merge.c */
    &action_keda_resume,       /* merge.c */
    &action_pod_describe,      /* evidence.c */
    &action_pod_logs,          /* evidence.c */
    &action_pods_delete,       /* pods.c */
    &action_resource_annotate, /* merge.c */
    &action_resource_label,    /* merge.c */
    &action_resource_patch,    /* resource.c */
    &action_rollout_pause,     /* merge.c */
    &action_rollout_restart,   /* rollout.c */
    &action_rollout_resume,    /* merge.c */
    &action_rollout_undo,      /* undo.c */
    &action_scale,             /* scale.c */
    &action_set_image,         /* set.c */
    &action_set_resources,     /* set.c */
    &action_wait,              /* wait.c */
    NULL,
};
