/// The action of a stochastic policy without noise: which there are, and the workspace that
/// computes one. Private to agents/policy*.c.
///
///     base  the base's mean, mapped through flow and tanh
///     mean  the mean of N samples
///     mode  the mode of the density before the tanh: ascent of the log-density from the densest of
///           N samples
///     best  the one of N samples that the critics value most
///
/// The samples' noise is fixed, in pairs z, -z: an action is a function of the observation alone,
/// and a flow that is linear has its base's mean as the mean.
#pragma once

#include "agents/critic.h"
#include "agents/policy_net.h"

enum { MR_DETERMINISTIC_SIZE = 64 }; // bytes of its text, with the final zero

typedef struct mr_deterministic_kind mr_deterministic_kind;

/// A kind and its options.
typedef struct {
    const mr_deterministic_kind *kind;
    size_t n_samples;
} mr_deterministic;

extern const mr_deterministic mr_deterministic_base;

/// Reads "mean" or "mean:samples=16". Fails with MR_ERR_USAGE on anything else.
mr_status mr_deterministic_read(const char *text, mr_deterministic *out);

/// Writes its text with every option.
void mr_deterministic_format(const mr_deterministic *d, char text[MR_DETERMINISTIC_SIZE]);

bool mr_deterministic_needs_critics(const mr_deterministic *d);

/// Whether a policy's nets make it the same as `base`: the nets have no flow, or one that moves
/// neither mean nor mode.
bool mr_deterministic_is_base(const mr_deterministic *d, const mr_policy_net *net);

/// What the critics' values are, for `best`.
typedef struct {
    const mr_critic *critics; // borrowed; NULL: there are none
    bool takes_mean;          // of their values; else the least
} mr_policy_critics;

/// A workspace. The caller frees it.
typedef struct mr_chooser mr_chooser;

/// The net and the critics are borrowed, and may be trained while it is there.
mr_status mr_chooser_new(const mr_deterministic *d, const mr_policy_net *net,
                         const mr_policy_critics *critics, mr_chooser **out);
void mr_chooser_free(mr_chooser *chooser);

/// Where the observation [obs_dim] goes, standardised.
mr_real *mr_chooser_obs(mr_chooser *chooser);

/// Computes the action [act_dim] in [-1, 1] for that observation. Allocates nothing.
const mr_real *mr_chooser_act(mr_chooser *chooser);
