// An invertible linear map of all features (Kingma and Dhariwal 2018, arXiv:1807.03039, section
// 3.2; Oliva et al. 2018).
//
//     y = W x,   W = P L (U + diag(sgn exp(log_s))),   log |det dy/dx| = sum log_s
//
// Of an image, W is a map of the channels, the same in every place: a 1x1 convolution.
//
// W starts as a rotation, which leaves a standard normal what it is; P and sgn stay as they are
// then. The rotation is drawn from a fixed stream, by the number of features and the part's index.
// L, U and log_s are parameters, P and sgn buffers: what is loaded does not depend on how the
// rotation is drawn. Files of version 0.1 have no buffers, so theirs is drawn again.

#include "flows/part.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const uint64_t rotation_seed = 0x610c; // of the fixed stream

typedef struct {
    mr_param lu;     // [channels x channels] L below the diagonal, U above
    mr_param log_s;  // [1 x channels]
    mr_buffer sign;  // [1 x channels]
    mr_buffer order; // [1 x channels] channel i of P x is channel order[i] of x
} lu;

// ---- The rotation

/// A rotation as P L U.
typedef struct {
    double *a;   // [n x n] row-major
    size_t *row; // [n] where row i of the factors stood before pivoting
} factors;

static double dot(size_t n, const double *x, const double *y) {
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += x[j] * y[j];
    return sum;
}

// Rows made orthogonal to those before (Gram and Schmidt; twice, so that rounding does not add up).
static void draw_rotation(mr_random *random, size_t n, double *a) {
    for (size_t i = 0; i < n; i++) {
        double *row = a + i * n;
        for (size_t j = 0; j < n; j++)
            row[j] = mr_random_normal(random);
        for (size_t k = 0; k < 2 * i; k++) {
            const double *before = a + k % i * n;
            const double share = dot(n, row, before);
            for (size_t j = 0; j < n; j++)
                row[j] -= share * before[j];
        }
        const double length = sqrt(dot(n, row, row));
        for (size_t j = 0; j < n; j++)
            row[j] /= length;
    }
    if (n == 1)
        a[0] = 1; // a single feature is not mirrored
}

static void swap_rows(factors *f, size_t n, size_t i, size_t k) {
    const size_t row = f->row[i];
    f->row[i] = f->row[k];
    f->row[k] = row;
    for (size_t j = 0; j < n; j++) {
        const double value = f->a[i * n + j];
        f->a[i * n + j] = f->a[k * n + j];
        f->a[k * n + j] = value;
    }
}

// In place, with partial pivoting.
static void factorise(factors *f, size_t n) {
    for (size_t k = 0; k < n; k++) {
        size_t pivot = k;
        for (size_t i = k + 1; i < n; i++)
            if (fabs(f->a[i * n + k]) > fabs(f->a[pivot * n + k]))
                pivot = i;
        swap_rows(f, n, k, pivot);
        for (size_t i = k + 1; i < n; i++) {
            f->a[i * n + k] /= f->a[k * n + k];
            for (size_t j = k + 1; j < n; j++)
                f->a[i * n + j] -= f->a[i * n + k] * f->a[k * n + j];
        }
    }
}

/// The start of the parameters, and the buffers.
typedef struct {
    mr_real *lu, *log_s, *sign, *order;
} map_start;

static void split_factors(const factors *f, size_t n, map_start *start) {
    for (size_t i = 0; i < n; i++) {
        const double diagonal = f->a[i * n + i];
        for (size_t j = 0; j < n; j++)
            start->lu[i * n + j] = i == j ? 0 : (mr_real)f->a[i * n + j];
        start->log_s[i] = (mr_real)log(fabs(diagonal));
        start->sign[i] = diagonal < 0 ? -1 : 1;
        start->order[f->row[i]] = (mr_real)i;
    }
}

// ---- The part

static void declare_map(lu *l, mr_params *params, const char *prefix, size_t n,
                        const map_start *start) {
    char name[256];
    snprintf(name, sizeof name, "%s.lu", prefix);
    l->lu = mr_params_add_values(params, name, n, n, start->lu);
    snprintf(name, sizeof name, "%s.log_s", prefix);
    l->log_s = mr_params_add_values(params, name, 1, n, start->log_s);
    snprintf(name, sizeof name, "%s.sign", prefix);
    l->sign = mr_params_add_buffer_values(params, name, 1, n, MR_BUFFER_SIGNS, start->sign);
    snprintf(name, sizeof name, "%s.order", prefix);
    l->order = mr_params_add_buffer_values(params, name, 1, n, MR_BUFFER_PERMUTATION, start->order);
}

static mr_status lu_declare(mr_part *part, mr_params *params, const char *prefix) {
    const size_t n = part->shape.channels;
    mr_status status = mr_params_check_room(params, n * n);
    if (status != MR_OK)
        return status;
    mr_random random = mr_random_stream(rotation_seed + n, MR_STREAM_INIT, part->index);
    factors f = {.a = calloc(n * n, sizeof *f.a), .row = calloc(n, sizeof *f.row)};
    map_start start = {.lu = calloc(n * n, sizeof *start.lu),
                       .log_s = calloc(n, sizeof *start.log_s),
                       .sign = calloc(n, sizeof *start.sign),
                       .order = calloc(n, sizeof *start.order)};
    if (!f.a || !f.row || !start.lu || !start.log_s || !start.sign || !start.order) {
        status = mr_fail_memory("a linear map");
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        f.row[i] = i;
    draw_rotation(&random, n, f.a);
    factorise(&f, n);
    split_factors(&f, n, &start);
    declare_map(part->state, params, prefix, n, &start);
done:
    free(f.a);
    free(f.row);
    free(start.lu);
    free(start.log_s);
    free(start.sign);
    free(start.order);
    return status;
}

// sum log_s over all places, times `sign`.
static mr_node *log_det_of(const mr_part *part, mr_params *params, mr_node *x, double sign) {
    const lu *l = part->state;
    const double factor = sign * (double)mr_shape_places(part->shape);
    mr_node *sum = mr_row_sum(mr_param_rows(mr_node_graph(x), params, l->log_s));
    return factor == 1 ? sum : mr_affine(sum, factor, 0);
}

static mr_node *lu_forward(const mr_part *part, mr_params *params, mr_node *x, mr_node *context,
                           mr_node **log_det) {
    const lu *l = part->state;
    (void)context;
    *log_det = log_det_of(part, params, x, 1);
    mr_node *y = mr_lower(mr_upper(x, params, l->lu, l->log_s, l->sign), params, l->lu);
    return mr_permute(y, params, l->order);
}

static mr_node *lu_inverse(const mr_part *part, mr_params *params, mr_node *y, mr_node *context,
                           mr_node **log_det) {
    const lu *l = part->state;
    (void)context;
    *log_det = log_det_of(part, params, y, -1);
    mr_node *x = mr_lower_solve(mr_unpermute(y, params, l->order), params, l->lu);
    return mr_upper_solve(x, params, l->lu, l->log_s, l->sign);
}

const mr_part_ops mr_part_lu = {
    .name = "lu",
    .summary = "linear map of all features, or of an image's channels, as L U; starts as a "
               "rotation (Kingma and Dhariwal 2018)",
    .inverse_by = "two triangular solves",
    .state_size = sizeof(lu),
    .is_affine = true,
    .step_name = "linear",
    .declare = lu_declare,
    .forward = lu_forward,
    .inverse = lu_inverse,
};
