/// A trained policy: from an observation to an action.
///
/// A net embeds the observation. Mean and deviation of a Gaussian come from the embedding; a
/// normalizing flow (none for the plain Gaussian) conditioned on it transforms the sample; tanh
/// squashes it into (-1, 1), which is scaled to the task's action bounds. A policy called
/// "deterministic" has neither Gaussian nor flow: its action is the tanh of a linear layer over the
/// embedding. Source: Haarnoja et al. 2018 (arXiv:1812.05905); Ward et al. 2019 (arXiv:1906.02771).
///
/// A policy that has been loaded does not change: any number of threads may act on it at once.
#pragma once

#include <millrace/env.h>
#include <millrace/widths.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A policy: from an observation to an action.
typedef struct mr_policy mr_policy;

/// What a policy is for and how it is built; kept in the metadata of a policy file.
typedef struct {
    const char *env;     // name of the task
    const char *env_set; // how it is opened (mr_env_options); NULL or "": as it is by default
    const char *task;
    const char *engine; // what simulated it in training, and which version; NULL or "": not known
    const char *engine_version;
    const char *flow; // text of the flow: "gaussian", "real_nvp:layers=4"; or "deterministic"
    size_t obs_dim;
    size_t act_dim;
    const double *act_low;  // [act_dim]
    const double *act_high; // [act_dim]
    mr_widths hidden;
    const char *norm;          // normalisation of the embedding's layers: "layer", "rms", "batch",
                               // "batch_renorm"; NULL or "none": none
    bool norm_last;            // after the activation; else before it
    double log_std_low;        // bounds of the Gaussian's log-deviation, which are approached
    double log_std_high;       // smoothly; both 0: -5 and 2
    const double *obs_mean;    // [obs_dim] the nets see (obs - mean) / std, clipped to [-10, 10];
    const double *obs_std;     // [obs_dim] both NULL: they see the observations as they are
    const char *deterministic; // the action without noise (mr_policy_set_deterministic); NULL: base
} mr_policy_spec;

/// Reads a policy file (policy.safetensors of a run). Fails with one clear line on anything that is
/// not a whole millrace policy. The caller frees it.
MR_API mr_status mr_policy_load(const char *path, mr_policy **out);

/// The same from the bytes of a policy file, which are needed no longer afterwards. Messages call
/// it "policy in memory".
MR_API mr_status mr_policy_load_memory(const void *bytes, size_t size, mr_policy **out);

/// Releases it; NULL is fine. No thread may be acting on it.
MR_API void mr_policy_free(mr_policy *policy);

/// What it is for; owned by the policy. NULL of NULL.
MR_API const mr_policy_spec *mr_policy_get_spec(const mr_policy *policy);

/// Whether its actions depend on noise.
MR_API bool mr_policy_is_stochastic(const mr_policy *policy);

/// An entry of the metadata of a policy file.
typedef struct {
    const char *key;
    const char *value;
} mr_metadata;

/// Writes a policy file (safetensors; the spec and `entries` [n_entries] in its metadata), replaced
/// atomically.
MR_API mr_status mr_policy_save(const mr_policy *policy, const char *path, size_t n_entries,
                                const mr_metadata *entries);

/// Fails with MR_ERR_INPUT when the policy's sizes or bounds are not those of `env`.
MR_API mr_status mr_policy_check_env(const mr_policy *policy, const mr_env_spec *env);

/// Sets what the policy does without noise. A file says what it was in training, where the policy
/// was evaluated so.
///
///   action  "base": the mean of the Gaussian, mapped through the flow.
///           "mean": the mean of 8 samples; of 16: "mean:samples=16", likewise for the next two.
///           "mode": the mode of the density before the tanh, by ascent from the densest sample.
///           "best": the sample that the critics value most, if the file has them
///
/// The samples are the same for the same observation. A policy without a flow has "base" for "mean"
/// and "mode". No thread may be using the policy. Fails with MR_ERR_USAGE on another text and on
/// "best" without critics; the policy then acts as before.
MR_API mr_status mr_policy_set_deterministic(mr_policy *policy, const char *action);

/// The action for one observation.
///
///   obs     [obs_dim] in, the task's own units, not normalised
///   noise   [act_dim] in, standard normals (mr_policy_noise); NULL: the deterministic action
///           (mr_policy_set_deterministic)
///   action  [act_dim] out, the task's own units, within its bounds; rounded to float32, as all
///           of Gymnasium's actions are (at a bound of 0.4: 0.4000000059604645)
///
/// The action depends on these and the parameters alone, to the last bit, whatever other threads
/// do. Each of the threads that act at the same time uses a workspace of its own, which the policy
/// keeps for the next call: nothing is allocated unless more threads act at once than ever before.
/// A fork() waits until no thread acts, so that its child may act too; it does not wait for threads
/// that train, fit or score.
/// Fails with MR_ERR_NUMERIC if the observation, or the action computed from it, is not finite.
MR_API mr_status mr_policy_act(const mr_policy *policy, const double *obs, const float *noise,
                               double *action);

/// Draws the noise [act_dim] for action number `index` of the stream of `seed`: the same numbers
/// for the same two, and independent ones for others. Fails on a NULL alone.
MR_API mr_status mr_policy_noise(const mr_policy *policy, uint64_t seed, uint64_t index,
                                 float *noise);

/// Makes ready for batches of up to `max_rows` observations (mr_policy_sample). No thread may be
/// using the policy. Fails with MR_ERR_USAGE on 0 rows.
MR_API mr_status mr_policy_prepare(mr_policy *policy, size_t max_rows);

/// Actions for a batch of observations, and their log-densities.
///
///   obs       [n x obs_dim]  in, the task's own units, not normalised
///   noise     [n x act_dim]  in, standard normals; NULL: the deterministic actions
///   action    [n x act_dim]  out, the task's own units, within its bounds; rounded to float32
///   log_prob  [n]            out, nats, of the action in (-1, 1), before it is scaled to the
///                            task's bounds; may be NULL. 0 for a deterministic policy; not known
///                            of a deterministic action that is not "base"
///
/// Faster than mr_policy_act for each observation; the last bits of a row depend on how many rows
/// there are. Threads and memory as for mr_policy_act. Fails with MR_ERR_USAGE when there are more
/// rows than were prepared or a log-density is not known, and with MR_ERR_NUMERIC when an
/// observation, an action or a log-density is not finite (the row is named).
MR_API mr_status mr_policy_sample(const mr_policy *policy, size_t n, const double *obs,
                                  const float *noise, double *action, float *log_prob);

/// The log-densities of given actions.
///
///   obs       [n x obs_dim]  in, the task's own units, not normalised
///   action    [n x act_dim]  in, the task's own units
///   log_prob  [n]            out, nats, as mr_policy_sample gives them: with respect to the action
///                            scaled to (-1, 1). An action closer to a bound than 5e-6 of the range
///                            counts as one at that distance, also one that rounding to float32 put
///                            outside of it
///
/// `n` is at most what was prepared (mr_policy_prepare). Threads as for mr_policy_act; each
/// allocates a workspace when it first asks. Fails with MR_ERR_USAGE if there are more rows or the
/// policy is deterministic, with MR_ERR_INPUT if an action is outside of its bounds, and with
/// MR_ERR_NUMERIC if an observation or a log-density is not finite (the row is named).
MR_API mr_status mr_policy_log_prob(const mr_policy *policy, size_t n, const double *obs,
                                    const double *action, float *log_prob);

#ifdef __cplusplus
}
#endif
