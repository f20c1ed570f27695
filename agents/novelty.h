/// Nets that learn how novel states are.
///
/// The loss of such a net on a state is the state's novelty, so that training on the states that
/// the agent visits makes them less novel. What the net is, a row of functions says
/// (mr_novelty_ops): a density, or random network distillation. bonus.h makes intrinsic rewards of
/// the novelty.
///
/// A snapshot holds the last good state of the net. If a novelty, the loss or its gradient is not
/// finite, or if the loss is far higher than the snapshot's on the same states, the net returns to
/// the snapshot and halves its learning rate.
#pragma once

#include "base/tensors.h"
#include "flows/density.h"
#include "nn/graph.h"

#include <stdbool.h>

/// What a net is built from.
typedef struct {
    size_t dim;       // features of a state
    const char *flow; // a flow's text, for nets that have one
    uint64_t seed;
} mr_novelty_setup;

/// A kind of net. To add one: a file agents/bonus_NAME.c, a line in bonus.c and the name in the row
/// `bonus` of the settings.
typedef struct {
    const char *name;
    const char *summary;   // one line, with the paper
    const char *normalize; // what bonus_normalize=auto stands for
    bool is_log_density;   // the novelty is -log p(u)
    double noise;          // standard deviation of what is added to states in training
    double clip;           // standardised features are clipped to [-clip, clip]
    double lr;
    size_t train_every; // updates of the agent for each training step
    double max_rise;    // per feature, by which a batch's mean novelty may exceed the snapshot's

    /// Builds the net. Fails with MR_ERR_USAGE if a flow's text is not understood.
    mr_status (*make)(const mr_novelty_setup *setup, void **out);
    void (*free)(void *self);
    mr_params *(*params)(const void *self); // the trained ones
    /// Adds the novelty [rows x 1] of standardised features u [rows x dim] to their graph.
    mr_node *(*build)(const void *self, mr_node *u);
    /// Initialises the net from data [n x dim]; NULL: it needs none.
    mr_status (*start)(void *self, size_t n, const mr_real *u);
    /// The net as a density; NULL: it is not one.
    mr_density *(*density)(void *self);
} mr_novelty_ops;

extern const mr_novelty_ops mr_novelty_density;
extern const mr_novelty_ops mr_novelty_rnd;

typedef struct mr_novelty mr_novelty;

typedef struct {
    size_t batch_size; // rows of a training step
    size_t max_rows;   // that are scored at a time; batch_size at least
    double lr;         // 0: the default of the kind of net
    uint64_t seed;
    int n_threads;
} mr_novelty_options;

/// A net with its graphs and optimizer. The caller frees it. Fails as ops->make does.
mr_status mr_novelty_new(const mr_novelty_ops *ops, const mr_novelty_setup *setup,
                         const mr_novelty_options *options, mr_novelty **out);
void mr_novelty_free(mr_novelty *novelty);

/// Initialises the net from data u [n x dim]. Called before it scores or trains.
mr_status mr_novelty_start(mr_novelty *novelty, size_t n, const mr_real *u);

/// The novelty of standardised features u [n x dim], n up to max_rows: out [n]. Not finite if even
/// the snapshot's is not. Allocates nothing.
void mr_novelty_score(mr_novelty *novelty, size_t n, const mr_real *u, double *out);

/// One training step on u [batch_size x dim], with noise from stream (seed, bonus, index).
/// Allocates nothing.
void mr_novelty_train(mr_novelty *novelty, const mr_real *u, uint64_t index);

/// How often the net returned to its snapshot.
double mr_novelty_n_restarts(const mr_novelty *novelty);

/// The trained parameters, and the net as a density (NULL: it is not one). Owned by `novelty`.
mr_params *mr_novelty_params(const mr_novelty *novelty);
mr_density *mr_novelty_get_density(const mr_novelty *novelty);

/// Adds all of its state to a checkpoint; the data is borrowed until the file is written. Reads it
/// back into one that was built alike; on failure it is partly overwritten.
mr_status mr_novelty_write(mr_novelty *novelty, mr_tensors_writer *writer);
mr_status mr_novelty_read(mr_novelty *novelty, const mr_tensors *file);
