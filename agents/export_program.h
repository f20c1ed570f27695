/// A policy as a program, for the writers of exported files (agents/export_*.c).
#pragma once

#include "agents/policy.h"
#include "nn/program.h"

/// Its inputs are the observation, in the task's own units, and the noise.
typedef struct {
    const mr_policy_spec *spec; // of the policy
    bool is_stochastic;         // it reads the noise
    mr_net_program *program;
    const mr_value *action; // in the task's own units
    double *constants;      // of MR_DO_RESCALE; owned
} mr_exported;

/// Fails as mr_export_c does. mr_exported_release releases it, also after a failure.
mr_status mr_exported_make(const mr_policy *policy, mr_exported *out);
void mr_exported_release(mr_exported *exported);
