#include "actions/registry.h"

extern const struct action action_events_list, action_gitops_suspend, action_pod_describe, action_pod_logs, action_pods_delete,
    action_resource_patch, action_rollout_restart, action_rollout_undo, action_scale, action_wait;

const struct action *const all_actions[] = {
    &action_events_list,     /* evidence.c */
    &action_gitops_suspend,  /* gitops.c */
    &action_pod_describe,    /* evidence.c */
    &action_pod_logs,        /* evidence.c */
    &action_pods_delete,     /* pods.c */
    &action_resource_patch,  /* resource.c */
    &action_rollout_restart, /* rollout.c */
    &action_rollout_undo,    /* undo.c */
    &action_scale,           /* scale.c */
    &action_wait,            /* wait.c */
    NULL,
};
