/// The inputs that golden policies were recorded with: numbers that any program can make again.
#pragma once

#include "agents/policy.h"

#include <math.h>

enum { GOLDEN_ROWS = 8, GOLDEN_MAX_DIM = 32 };

/// Fills obs [GOLDEN_ROWS x obs_dim] and noise [GOLDEN_ROWS x act_dim] from a sine.
static inline void golden_inputs(const mr_policy *policy, double *obs, mr_real *noise) {
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    for (size_t i = 0; i < GOLDEN_ROWS * spec->obs_dim; i++)
        obs[i] = 2 * sin((double)i + 1);
    for (size_t i = 0; i < GOLDEN_ROWS * spec->act_dim; i++)
        noise[i] = (mr_real)(1.5 * sin(3 * (double)i + 2));
}
