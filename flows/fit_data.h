/// The data of a fit: rows to train on and rows held out, standardised. Private to flows/fit*.c.
#pragma once

#include "flows/density_internal.h"
#include "flows/fit_images.h"
#include "flows/fit_rows.h"

#include <sodium.h>

typedef struct mr_fit_data mr_fit_data;

/// Where the rows are. A row's weight comes beside it if the fit has weights; their mean is 1.
typedef struct {
    /// Begins an epoch, in an order of its own.
    mr_status (*begin_epoch)(mr_fit_data *data, uint64_t epoch);
    /// The rows of its next step: u [batch_size x width], weight [batch_size]; n = 0 at its end.
    mr_status (*next)(mr_fit_data *data, mr_real *u, mr_real *weight, size_t *n);
    /// The same for the held-out rows, held_out_batch of them at most.
    mr_status (*begin_held_out)(mr_fit_data *data);
    mr_status (*next_held_out)(mr_fit_data *data, mr_real *u, mr_real *weight, size_t *n);
    void (*free)(mr_fit_data *data);
} mr_fit_data_ops;

/// A part of the rows.
typedef struct {
    size_t n;
    double n_units;   // that a mean log-density is one of: rows, of a text characters
    double log_scale; // what a mean log-density in x is smaller by than that in u: of all rows, or
                      // of those that came last
} mr_fit_part;

enum { MR_FIT_DATA_SIZE = MR_FLOW_MAX_TEXT + 192 };

struct mr_fit_data {
    const mr_fit_data_ops *ops;
    mr_fit_part trained, held_out;
    size_t held_out_batch;       // 0: MR_DENSITY_BATCH
    char text[MR_FIT_DATA_SIZE]; // what a fit that goes on must have the same; "": nothing
};

/// Rows in memory, x [n x width]; each epoch's order is a permutation of them all. Checks them,
/// splits off the held-out ones at random, and gives the density its shift, scale and start. `x` is
/// needed no longer afterwards.
mr_status mr_fit_data_in_memory(mr_density *density, const mr_fit_options *options, size_t n,
                                const double *x, mr_fit_data **out);

/// The same of rows that are read when they are needed. Density, options and source must outlive
/// it.
mr_status mr_fit_data_streamed(mr_density *density, const mr_fit_options *options,
                               const mr_row_source *source, mr_fit_data **out);

/// Images that are read when their turn comes (fit_images.h). All must outlive it.
mr_status mr_fit_data_of_images(mr_density *density, const mr_fit_options *options,
                                const mr_images *images, const mr_augmentation *augmentation,
                                mr_fit_data **out);

// ---- What they have in common

enum { MR_FIT_HASH_SIZE = 2 * crypto_generichash_BYTES_MIN + 1 };

/// Begins a hash by which a checkpoint knows its data; ends it, as a text of hexadecimal digits.
void mr_fit_hash_begin(crypto_generichash_state *state);
void mr_fit_hash_end(crypto_generichash_state *state, char text[MR_FIT_HASH_SIZE]);

/// Rows in memory, standardised.
typedef struct {
    mr_real *u;      // [n x width]
    mr_real *weight; // [n] NULL: there are none
} mr_fit_rows;

/// Finds the `k`th batch of n rows: how many rows it has, 0 if there is no such batch, and its
/// first. Batches are of equal size, give or take a row, so that no small one at the end is noisier
/// than the rest.
size_t mr_fit_find_batch(size_t n, size_t batch_size, size_t k, size_t *first);

/// Copies the `k`th batch of n rows that are taken in that order, as mr_fit_find_batch
/// finds it. Returns how many rows it has.
///
///   order  [n] of rows in `from`
size_t mr_fit_copy_batch(const mr_fit_rows *from, size_t width, size_t n, const size_t *order,
                         size_t batch_size, size_t k, mr_real *u, mr_real *weight);

/// Copies the rows from `first` on, MR_DENSITY_BATCH of n at most. Returns how many.
size_t mr_fit_copy_next(const mr_fit_rows *from, size_t width, size_t n, size_t first, mr_real *u,
                        mr_real *weight);

/// A random order of 0 .. n-1 (Fisher and Yates).
void mr_fit_shuffle(mr_random *random, size_t n, size_t *order);

/// How many of n are held out: one at least, and not all.
size_t mr_fit_count_held_out(size_t n, double fraction);

mr_status mr_fit_check_weights(size_t n, const double *weights);

/// Names the constant columns, of which row x [width] has the values. OK if there are none. A pixel
/// of an image may be constant.
mr_status mr_fit_check_constants(const mr_density *density, const bool *is_constant,
                                 const double *x);

/// Fails unless the weights of a part have a sum above 0.
mr_status mr_fit_check_sum(double sum);
