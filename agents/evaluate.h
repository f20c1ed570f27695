/// Evaluations (millrace/evaluate.h), and how long their episodes last in training.
#pragma once

#include "millrace/evaluate.h"
#include "agents/policy.h"
#include "envs/vec_env.h"

/// After how many steps an evaluation, which must end, cuts an episode off: `given`; if that is 0,
/// the largest of the task's own limit, the longest episode seen (0: none) and 1,000, the limit of
/// Gymnasium's MuJoCo tasks.
size_t mr_eval_max_steps(const mr_env_spec *env, size_t given, size_t longest);
