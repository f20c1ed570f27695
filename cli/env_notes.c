// What commands say of a task that is open and of the engine that simulates it.

#include "cli/env_notes.h"

#include <stdio.h>

void mr_env_notes_tell(const mr_env_spec *spec) {
    for (size_t i = 0; i < spec->n_notes; i++)
        fprintf(stderr, "note: %s: %s\n", spec->name, spec->notes[i]);
}

void mr_engine_tell(const mr_policy_spec *policy, const mr_env_spec *env) {
    if (mr_env_is_other_engine(env, policy->engine, policy->engine_version))
        fprintf(stderr,
                "note: the policy was trained on %s %s and plays on %s %s: simulations differ a "
                "little, and so may returns\n",
                policy->engine, policy->engine_version, env->engine, env->engine_version);
}

void mr_warning_tell(const char *env, const char *warning) {
    fprintf(stderr, "warning: %s: %s\n", env, warning);
}
