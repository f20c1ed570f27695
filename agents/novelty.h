/// A net that learns how novel states are (bonus_kind.h): its graphs, its training, its rollback.
///
/// A snapshot holds the last good state of the net. If a novelty, the loss or its gradient is not
/// finite, or if the loss is far higher than the snapshot's on the same states, the net returns to
/// the snapshot and halves its learning rate.
#pragma once

#include "agents/bonus_kind.h"
#include "base/tensors.h"

typedef struct mr_novelty mr_novelty;

typedef struct {
    size_t batch_size; // rows that it is trained on at a time
    size_t max_rows;   // that are scored at a time; batch_size at least
    double lr;         // 0: the kind's
    uint64_t seed;
    int n_threads;
} mr_novelty_options;

/// A net of a kind. The caller frees it. Fails as the kind's `make` does.
mr_status mr_novelty_new(const mr_bonus_kind *kind, const mr_bonus_setup *setup,
                         const mr_novelty_options *options, mr_novelty **out);
void mr_novelty_free(mr_novelty *novelty);

/// Gives the net a start that depends on data u [n x dim], before anything else.
mr_status mr_novelty_start(mr_novelty *novelty, size_t n, const mr_real *u);

/// The novelty of standardised features u [n x dim], n up to max_rows: out [n]. Allocates nothing.
void mr_novelty_score(mr_novelty *novelty, size_t n, const mr_real *u, double *out);

/// One training step on u [batch_size x dim], with the kind's noise from stream (seed, bonus,
/// index). Allocates nothing.
void mr_novelty_train(mr_novelty *novelty, const mr_real *u, uint64_t index);

/// How often the net went back to its last good state.
double mr_novelty_n_restarts(const mr_novelty *novelty);

/// The trained parameters, and the net as a density (NULL: it is none). Owned by it.
mr_params *mr_novelty_params(const mr_novelty *novelty);
mr_density *mr_novelty_density(const mr_novelty *novelty);

/// Adds all of its state to a checkpoint; the data is borrowed until the file is written.
mr_status mr_novelty_write(mr_novelty *novelty, mr_tensors_writer *writer);

/// Reads the same back into one that was built alike.
mr_status mr_novelty_read(mr_novelty *novelty, const mr_tensors *file);
