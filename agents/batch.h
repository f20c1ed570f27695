/// Batches for an agent: drawn from the replay buffer, with rewards and discounts that are final.
///
///     r = reward_scale (sum_k gamma^k r_{t+k}) + beta b(s'),   discount = gamma^n or 0
///
/// What a reward is made of (scale, n-step return, intrinsic reward) is decided here, between the
/// replay buffer and the agent; an agent only sees the result.
#pragma once

#include "agents/bonus.h"
#include "agents/replay.h"

/// A batch: rows of one transition each. Borrowed from whoever made it.
typedef struct {
    size_t n;
    const mr_real *obs;       // [n x obs_dim]
    const mr_real *act;       // [n x act_dim] in (-1, 1)
    const mr_real *reward;    // [n]
    const mr_real *discount;  // [n] what the value of next_obs is multiplied by; 0: the end
    const mr_real *next_obs;  // [n x obs_dim]
    const mr_real *intrinsic; // [n] b of next_obs, to be valued apart; NULL: part of the reward
    double beta;              // what an intrinsic value of 1 is worth now
} mr_batch;

typedef struct mr_batch_maker mr_batch_maker;

typedef struct {
    size_t batch_size;
    double gamma;
    double reward_scale; // what the task's rewards are multiplied by
    mr_bonus *bonus;     // borrowed; NULL: none
    bool is_separate;    // the intrinsic reward is valued apart, not added
    uint64_t seed;
} mr_batch_options;

/// A maker of batches. The caller frees it.
mr_status mr_batch_maker_new(const mr_batch_options *options, size_t obs_dim, size_t act_dim,
                             mr_batch_maker **out);
void mr_batch_maker_free(mr_batch_maker *maker);

/// Draws a batch from stream (seed, replay, index), each transition uniformly, and scores its
/// intrinsic rewards. The batch is valid until the next call. Allocates nothing after the bonus has
/// begun. Fails as mr_bonus_score does. The replay buffer is not empty.
mr_status mr_batch_draw(mr_batch_maker *maker, const mr_replay *replay, uint64_t index,
                        const mr_batch **out);
