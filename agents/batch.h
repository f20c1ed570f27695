/// Batches for an agent: drawn from the replay buffer, with rewards and discounts that are final.
///
/// With demonstrations (demonstrations.h), the last n_demonstrations rows of a batch are drawn from
/// their replay buffer, and the rows before from that of the run: symmetric sampling, if it is half
/// of them. All else is the same for both.
///
/// An agent only sees the result; what a reward is made of is decided here, in this order:
///
///     R = sum_{k<m} gamma^k r_{t+k}              n-step return of the task's rewards as they were
///     R = R reward_scale / std(G)                std(G) is 1 without normalize_reward
///                                                (or / max(std(G), max |G| / max_return))
///     B = sum_{k<m} gamma^k b(s_{t+k+1})         intrinsic rewards, of the bonus as it is now
///     reward = R + beta B,  discount = gamma^m   or reward = R and intrinsic = B (is_separate)
///
/// m is n_step, or less if the episode ends before: a termination has discount 0, a truncation is
/// bootstrapped from its last observation. Observations are standardised last (obs_norm.h): the
/// bonus sees them as they are. Rewards of the steps between are those of the actions
/// that were taken, with no correction for the policy's change since.
///
/// G is the discounted return of each environment up to each of its steps, G <- gamma G + r,
/// beginning anew with each episode; std(G) is over all steps of the run so far (as XQC,
/// arXiv:2509.25174, and SimbaV2, arXiv:2502.15280, scale rewards; the latter has max_return = 5,
/// so that returns stay within its critics' atoms). The replay buffer holds rewards as the task
/// gave them, so that all of them are always divided by the same number.
#pragma once

#include "agents/bonus.h"
#include "agents/obs_norm.h"
#include "agents/replay.h"

/// A batch: rows of one transition each. Borrowed from whoever made it.
typedef struct {
    size_t n;
    const mr_real *obs;       // [n x obs_dim]
    const mr_real *act;       // [n x act_dim] in (-1, 1)
    const mr_real *reward;    // [n]
    const mr_real *discount;  // [n] what the value of next_obs is multiplied by; 0: the end
    const mr_real *next_obs;  // [n x obs_dim]
    const mr_real *weight;    // [n] of each row's critic loss; NULL: all are 1
    const mr_real *intrinsic; // [n] B, for critics of its own; NULL: part of the reward
    double beta;              // present weight of the intrinsic reward
} mr_batch;

typedef struct mr_batch_maker mr_batch_maker;

typedef struct {
    size_t batch_size;
    size_t n_envs; // whose rewards are observed at a time
    size_t n_step;
    double gamma;
    double reward_scale;
    bool normalize_reward;
    double max_return;     // of normalised rewards; 0: no bound
    double priority_alpha; // 0: transitions are drawn uniformly
    double priority_beta;
    mr_bonus *bonus;             // borrowed; NULL: none
    const mr_obs_norm *obs_norm; // standardises what the agent sees; borrowed; NULL: nothing does
    size_t n_demonstrations;     // rows of a batch that are drawn from demonstrations
    bool is_separate;            // the intrinsic reward is not added: it has critics of its own
    uint64_t seed;
} mr_batch_options;

/// A maker of batches. The caller frees it.
mr_status mr_batch_maker_new(const mr_batch_options *options, size_t obs_dim, size_t act_dim,
                             mr_batch_maker **out);
void mr_batch_maker_free(mr_batch_maker *maker);

/// Takes the rewards of a step of all environments into std(G).
///
///   step      [n_envs] one that was lost (mr_step.lost) has no reward
///   is_first  [n_envs] it was the first step of an episode
void mr_batch_observe(mr_batch_maker *maker, const mr_step *step, const bool *is_first);

/// Takes the rewards [n] of an episode that was played elsewhere into std(G).
void mr_batch_observe_episode(mr_batch_maker *maker, size_t n, const double *rewards);

/// Draws a batch from stream (seed, replay, index), each transition uniformly or by its priority,
/// and scores its intrinsic rewards. `demonstrations`: not empty; NULL if no rows are drawn from
/// them. These are drawn uniformly. The batch is valid until the next call. Allocates nothing
/// after the bonus has begun. Fails as mr_bonus_score does. The replay buffer is not empty.
mr_status mr_batch_draw(mr_batch_maker *maker, const mr_replay *replay,
                        const mr_replay *demonstrations, uint64_t index, const mr_batch **out);

/// Sets the priorities of the latest batch's transitions in the replay buffer that it was drawn
/// from, if they have some: p = (sqrt(L) + 1e-6)^alpha. A batch then has the weights w = (N
/// P)^-beta / max w of N transitions, each drawn with the probability P = p / sum p (Schaul et al.
/// 2016, arXiv:1511.05952, proportional). Rows of demonstrations, each drawn with P = 1 / N of
/// theirs, have N P = 1.
///
///   loss  [n] L, of the critics on each row, not weighted. Half the sum of two squared TD errors
///         makes sqrt(L) their root mean square
void mr_batch_reprioritise(mr_batch_maker *maker, mr_replay *replay, const mr_real *loss);

/// Adds the state of std(G) to a checkpoint if rewards are normalised; the data is borrowed until
/// the file is written. Reads it back; on failure it is partly overwritten.
mr_status mr_batch_write(mr_batch_maker *maker, mr_tensors_writer *writer);
mr_status mr_batch_read(mr_batch_maker *maker, const mr_tensors *file);

/// Reads std(G) alone, of the checkpoint of another run that normalises rewards: the present
/// returns are those of its environments.
mr_status mr_batch_read_statistics(mr_batch_maker *maker, const mr_tensors *file);
