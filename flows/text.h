/// Flows over text: categorical normalizing flows (Lippe and Gavves 2021, arXiv:2006.09790) that
/// are autoregressive over the characters.
///
/// Each character x_t is encoded as a point z_t of R^d (flows/categories.h). The flow maps the
/// points of a sequence to uniform noise, step by step, and within a step coordinate by coordinate:
///
///     u_tj = F_j(z_tj | z_t1 ... z_t,j-1, z_<t)
///
/// F_j is the conditional distribution function of a mixture of the encoders, with the weights w_t
/// that a causal net gives (the mixtures of Flow++, Ho et al. 2019, arXiv:1902.00275). The log-
/// Jacobian of a step, summed over its coordinates, is the logarithm of that mixture's density:
///
///     log p(z_t | z_<t) = log sum_c w_tc q(z_t | c),   w_t = softmax(net(z_<t))
///
/// The net sees of a point the probabilities p(c | z) of its decoder. With that, the bound on a
/// character's log-probability becomes log sum_c w_tc p(c | z_t).
///
/// A text has lines, each a sequence by itself, or is running text in windows (flows/sequences.h).
/// Private to flows/ and to the command.
#pragma once

#include "flows/fit_internal.h"
#include "flows/sequences.h"

#include <stdbool.h>

typedef struct mr_text_flow mr_text_flow;

/// Whether the text of a flow names one over text: "text", "text:length=128".
bool mr_text_flow_is(const char *flow);

/// Its options.
size_t mr_text_flow_option_count(void);
mr_flow_part_option mr_text_flow_option_at(size_t i);

/// A new flow. The caller frees it. Fails with MR_ERR_USAGE on a text that is not understood.
///
///   text  what it is to be fitted to; its characters are the alphabet
///   name  of the text, for messages
mr_status mr_text_flow_new(const char *flow, const char *name, const mr_characters *text,
                           uint64_t seed, mr_text_flow **out);
void mr_text_flow_free(mr_text_flow *flow); // NULL is fine

/// Its text with every option; owned by it.
const char *mr_text_flow_text(const mr_text_flow *flow);
const mr_alphabet *mr_text_flow_alphabet(const mr_text_flow *flow);
mr_params *mr_text_flow_params(const mr_text_flow *flow);
size_t mr_text_flow_length(const mr_text_flow *flow); // of a window; 0: it is about lines

/// The sequences of a text, for this flow. Otherwise as mr_sequences_cut.
mr_status mr_text_flow_cut(const mr_text_flow *flow, const char *name, const mr_characters *text,
                           mr_sequences *out);

/// Adds a bound on the log-probability of the sequences u [rows x (context + length)] to their
/// graph: [rows x 1], nats; its latents are drawn by mr_graph_draw. A row may hold several lines,
/// one after the other. `self` is an mr_text_flow.
mr_node *mr_text_flow_build_log_prob(const void *self, mr_node *u);

/// Writes a model file, replaced atomically; reads one. The caller frees the flow.
mr_status mr_text_flow_save(const mr_text_flow *flow, const char *path);
mr_status mr_text_flow_load(const char *path, mr_text_flow **out);

/// Whether a file is a model of text.
bool mr_text_flow_is_file(const char *path);

/// Fits it to sequences, as mr_fit does; log-likelihoods are nats a character. Weights are not for
/// text.
mr_status mr_text_flow_fit(mr_text_flow *flow, const mr_sequences *sequences,
                           const mr_fit_options *options, mr_fit_watcher watcher, void *self,
                           const volatile sig_atomic_t *stop, mr_fit_progress *result);

/// Bounds on the log-probabilities of sequences, log_prob [n], nats: the logarithm of the mean
/// probability over `n_samples` draws of the latents, which is the tighter the more there are
/// (Burda et al. 2016, arXiv:1509.00519). The latents come from stream (seed, latent).
mr_status mr_text_flow_score(const mr_text_flow *flow, const mr_sequences *sequences, int n_threads,
                             uint64_t seed, size_t n_samples, double *log_prob);

// ---- Sampling

enum { MR_TEXT_BATCH = 64 }; // sequences that are sampled at a time

typedef struct mr_text_sampler mr_text_sampler;

/// Draws sequences one after the other. The caller frees it; the flow must outlive it.
///
///   temperature  that the logarithms of the mixtures' weights are divided by, above 0
///   max_length   characters of a sequence; 0: those of the longest that it was fitted to
mr_status mr_text_sampler_new(const mr_text_flow *flow, uint64_t seed, double temperature,
                              size_t max_length, mr_text_sampler **out);
void mr_text_sampler_free(mr_text_sampler *sampler); // NULL is fine

/// The next n sequences, n from 1 to MR_TEXT_BATCH. Owned by the sampler until the next call. What
/// a sequence is depends on its number alone, not on n.
mr_status mr_text_sampler_draw(mr_text_sampler *sampler, size_t n, const mr_characters **out);
