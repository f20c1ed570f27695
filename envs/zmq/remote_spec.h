/// The spec of remote environments, as their server announced it.
#pragma once

#include <stdbool.h>

#include "envs/zmq/message.h"

typedef struct {
    char name[MR_MESSAGE_TEXT_SIZE], engine[MR_MESSAGE_TEXT_SIZE],
        engine_version[MR_MESSAGE_TEXT_SIZE];
    size_t num_envs, obs_dim, act_dim, max_episode_steps;
    size_t obs_size;            // bytes of a number
    double *act_low, *act_high; // [act_dim] owned
    double lease_s;
} mr_remote_spec;

/// Copies a spec message. The caller frees the copy.
mr_status mr_remote_spec_copy(const mr_message *spec, mr_remote_spec *out);
void mr_remote_spec_free(mr_remote_spec *spec);

/// Whether both describe the same environment; their numbers of environments may differ.
bool mr_remote_spec_matches(const mr_remote_spec *a, const mr_remote_spec *b);
