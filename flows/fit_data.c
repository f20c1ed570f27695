// What fits to rows in memory and to rows in a file have in common.

#include "flows/fit_data.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"

enum { MAX_LIST = 400 }; // bytes, in a message

void mr_fit_shuffle(mr_random *random, size_t n, size_t *order) {
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n; i > 1; i--) {
        const size_t j = mr_random_below(random, i), last = order[i - 1];
        order[i - 1] = order[j];
        order[j] = last;
    }
}

size_t mr_fit_find_batch(size_t n, size_t batch_size, size_t k, size_t *first) {
    const size_t n_batches = (n + batch_size - 1) / batch_size;
    *first = k < n_batches ? n * k / n_batches : 0;
    return k < n_batches ? n * (k + 1) / n_batches - *first : 0;
}

size_t mr_fit_copy_batch(const mr_fit_rows *from, size_t width, size_t n, const size_t *order,
                         size_t batch_size, size_t k, mr_real *u, mr_real *weight) {
    size_t first;
    const size_t n_rows = mr_fit_find_batch(n, batch_size, k, &first);
    for (size_t i = 0; i < n_rows; i++)
        memcpy(u + i * width, from->u + order[first + i] * width, width * sizeof *u);
    for (size_t i = 0; i < n_rows && from->weight; i++)
        weight[i] = from->weight[order[first + i]];
    return n_rows;
}

size_t mr_fit_copy_next(const mr_fit_rows *from, size_t width, size_t n, size_t first, mr_real *u,
                        mr_real *weight) {
    const size_t n_left = n - first;
    const size_t n_rows = n_left < MR_DENSITY_BATCH ? n_left : MR_DENSITY_BATCH;
    memcpy(u, from->u + first * width, n_rows * width * sizeof *u);
    if (from->weight)
        memcpy(weight, from->weight + first, n_rows * sizeof *weight);
    return n_rows;
}

size_t mr_fit_count_held_out(size_t n, double fraction) {
    const size_t n_held_out = (size_t)round((double)n * fraction);
    return n_held_out < 1 ? 1 : n_held_out < n ? n_held_out : n - 1;
}

mr_status mr_fit_check_weights(size_t n, const double *weights) {
    double sum = 0;
    for (size_t i = 0; i < n && weights; i++) {
        if (!isfinite(weights[i]) || weights[i] < 0)
            return mr_fail(MR_ERR_INPUT,
                           "the weight of row %zu is %g; a weight is a finite number from 0", i + 1,
                           weights[i]);
        sum += weights[i];
    }
    if (weights && !(sum > 0 && isfinite(sum)))
        return mr_fail(MR_ERR_INPUT, "the weights' sum is %g; it must be finite and above 0", sum);
    return MR_OK;
}

// Names all of them at once.
mr_status mr_fit_check_constants(const mr_density *density, const bool *is_constant,
                                 const double *x) {
    char list[MAX_LIST] = "", value[32];
    const size_t width = mr_density_width(density);
    size_t n_constant = 0;
    for (size_t j = mr_density_is_image(density) ? mr_density_dim(density) : 0; j < width; j++) {
        const size_t used = strlen(list);
        if (!is_constant[j])
            continue;
        mr_number_write_digits(value, sizeof value, 6, x[j]);
        snprintf(list + used, sizeof list - used, "%s%zu (%s)", n_constant++ > 0 ? ", " : "", j + 1,
                 value);
    }
    if (n_constant == 0)
        return MR_OK;
    return mr_fail(MR_ERR_INPUT,
                   "%zu of %zu columns are the same in every row, so they have no density: %s; "
                   "leave them out",
                   n_constant, width, list);
}

mr_status mr_fit_check_sum(double sum) {
    if (sum > 0)
        return MR_OK;
    return mr_fail(MR_ERR_INPUT, "all rows of a part of the data have the weight 0; give other "
                                 "weights or another seed");
}

void mr_fit_hash_begin(crypto_generichash_state *state) {
    crypto_generichash_init(state, NULL, 0, crypto_generichash_BYTES_MIN);
}

void mr_fit_hash_end(crypto_generichash_state *state, char text[MR_FIT_HASH_SIZE]) {
    unsigned char hash[crypto_generichash_BYTES_MIN];
    crypto_generichash_final(state, hash, sizeof hash);
    sodium_bin2hex(text, MR_FIT_HASH_SIZE, hash, sizeof hash);
}
