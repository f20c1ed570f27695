/// What a server announced of its environments, kept.
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
} mr_announced;

/// Keeps what a spec message says. The caller frees it.
mr_status mr_announced_copy(const mr_message *spec, mr_announced *out);
void mr_announced_free(mr_announced *announced);

/// Whether one may be taken for the other; how many environments there are is another matter.
bool mr_announced_alike(const mr_announced *a, const mr_announced *b);
