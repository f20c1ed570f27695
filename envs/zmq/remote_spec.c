// Specs of remote environments.

#include "envs/zmq/remote_spec.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

mr_status mr_remote_spec_copy(const mr_message *m, mr_remote_spec *spec) {
    *spec = (mr_remote_spec){.num_envs = (size_t)m->num_envs,
                             .obs_dim = (size_t)m->obs_dim,
                             .act_dim = (size_t)m->act_dim,
                             .max_episode_steps = (size_t)m->max_episode_steps,
                             .obs_size =
                                 strcmp(m->obs_dtype, "f4") == 0 ? sizeof(float) : sizeof(double),
                             .act_low = malloc(m->act_low.n_bytes),
                             .act_high = malloc(m->act_high.n_bytes),
                             .lease_s = m->lease_s};
    if (spec->act_low == NULL || spec->act_high == NULL) {
        mr_remote_spec_free(spec);
        return mr_fail_memory("a server's spec");
    }
    memcpy(spec->act_low, m->act_low.data, m->act_low.n_bytes);
    memcpy(spec->act_high, m->act_high.data, m->act_high.n_bytes);
    snprintf(spec->name, sizeof spec->name, "%s", m->name);
    snprintf(spec->engine, sizeof spec->engine, "%s", m->engine[0] != '\0' ? m->engine : m->server);
    snprintf(spec->engine_version, sizeof spec->engine_version, "%s", m->engine_version);
    return MR_OK;
}

void mr_remote_spec_free(mr_remote_spec *spec) {
    free(spec->act_low);
    free(spec->act_high);
}

bool mr_remote_spec_matches(const mr_remote_spec *a, const mr_remote_spec *b) {
    assert(a->act_low && a->act_high && b->act_low && b->act_high); // both were copied
    return strcmp(a->name, b->name) == 0 && a->obs_dim == b->obs_dim && a->act_dim == b->act_dim &&
           a->obs_size == b->obs_size && a->max_episode_steps == b->max_episode_steps &&
           memcmp(a->act_low, b->act_low, a->act_dim * sizeof(double)) == 0 &&
           memcmp(a->act_high, b->act_high, a->act_dim * sizeof(double)) == 0;
}
