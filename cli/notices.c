// Notes and warnings of several commands.

#include "cli/notices.h"

#include <stdio.h>

#include "envs/zmq/curve.h"

void mr_notice_env(const mr_env_spec *spec) {
    for (size_t i = 0; i < spec->n_notes; i++)
        fprintf(stderr, "note: %s: %s\n", spec->name, spec->notes[i]);
}

void mr_notice_engine(const mr_policy_spec *policy, const mr_env_spec *env) {
    if (mr_env_is_other_engine(env, policy->engine, policy->engine_version))
        fprintf(stderr,
                "note: the policy was trained on %s %s and plays on %s %s: simulations differ a "
                "little, and so may returns\n",
                policy->engine, policy->engine_version, env->engine, env->engine_version);
}

void mr_notice_warning(const char *env, const char *warning) {
    fprintf(stderr, "warning: %s: %s\n", env, warning);
}

void mr_notice_waiting(void *self, const char *endpoint, size_t n_asked) {
    (void)self;
    fprintf(stderr, "%s: no reply yet, asked %zu time%s; is the server running?\n", endpoint,
            n_asked, n_asked == 1 ? "" : "s");
}

void mr_notice_open_key(const char *secret_file) {
    if (secret_file[0] != '\0' && mr_curve_is_open_to_others(secret_file))
        fprintf(stderr,
                "warning: %s is a secret key that others than its owner can read or change; "
                "chmod 600 %s, and make another (`millrace keygen`) if they have\n",
                secret_file, secret_file);
}
