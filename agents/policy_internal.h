/// Policies from files. Private to agents/policy*.c.
#pragma once

#include "agents/policy.h"

/// mr_policy_new, but fails with MR_ERR_INPUT if the policy would have more than `max_params`
/// numbers, before anything of that size is made.
mr_status mr_policy_new_within(const mr_policy_spec *spec, uint64_t seed, size_t max_params,
                               mr_policy **out);
