/// A policy as a program, for the writers of exported files (agents/export_*.c).
#pragma once

#include "agents/policy.h"
#include "nn/program.h"

/// Its inputs are the observation, in the task's own units, and the noise.
typedef struct {
    const mr_policy_spec *spec; // of the policy
    bool is_stochastic;         // of the policy
    mr_net_program *program;
    const mr_value *action;   // [1 x act_dim] in the task's own units
    const mr_value *log_prob; // [1 x 1] nats, as of mr_policy_sample; NULL: of samples alone
    double *constants;        // of MR_DO_RESCALE; owned
} mr_exported;

/// Which actions a program computes.
typedef enum {
    MR_EXPORTED_DETERMINISTIC, // without noise
    MR_EXPORTED_SAMPLES,       // by noise, and their log-densities
    MR_EXPORTED_EITHER         // by noise, which is 0 for the deterministic action
} mr_exported_actions;

/// Fails as the functions of agents/export.h do. mr_exported_release releases it, also after a
/// failure.
mr_status mr_exported_make(const mr_policy *policy, mr_exported_actions actions, mr_exported *out);
void mr_exported_release(mr_exported *exported);
