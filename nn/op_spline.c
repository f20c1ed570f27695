// Monotone rational-quadratic splines (Durkan et al. 2019, arXiv:1906.04032), all features of a row
// at once. With the bin that a point is in (nn/spline_bins.h),
//
//     xi = (x - x_k) / w,   s = h / w,   y = y_k + h r(xi),
//     r = [s xi^2 + d0 xi (1 - xi)] / [s + (d0 + d1 - 2 s) xi (1 - xi)].

#include "nn/spline_bins.h"

#include "base/vmath.h"

#include <math.h>
#include <string.h>

// ---- Forward

/// The curve at one point, and the terms of its derivatives.
typedef struct {
    mr_real s;
    mr_real q;           // xi (1 - xi)
    mr_real curvature;   // d0 + d1 - 2 s
    mr_real denominator; // of r
    mr_real r;
    mr_real n;          // d1 xi^2 + 2 s q + d0 (1 - xi)^2
    mr_real derivative; // dy/dx = s^2 n / denominator^2
} curve;

static inline curve curve_at(mr_real w, mr_real h, mr_real d0, mr_real d1, mr_real xi) {
    curve c;
    c.s = h / w;
    c.q = xi * (1 - xi);
    c.curvature = d0 + d1 - 2 * c.s;
    // s + curvature q, with nothing to cancel: q is at most 1/4.
    c.denominator = c.s * (1 - 2 * c.q) + (d0 + d1) * c.q;
    c.r = (c.s * xi * xi + d0 * c.q) / c.denominator;
    c.n = d1 * xi * xi + 2 * c.s * c.q + d0 * (1 - xi) * (1 - xi);
    c.derivative = (c.s / c.denominator) * (c.s / c.denominator) * c.n;
    return c;
}

static bool is_inside(mr_real x, mr_real bound) {
    return x >= -bound && x <= bound;
}

// Writes the moved features, and adds their log-derivatives up into the last column.
static void write_values(const mr_node *node, const mr_spline_piece *at, const mr_real *y,
                         const mr_real *log_derivative) {
    for (size_t r = 0; r < at->n_rows; r++) {
        mr_real *row = mr_row(node->value, node, at->row + r);
        double sum = at->col > 0 ? (double)row[node->cols - 1] : 0;
        for (size_t j = 0; j < at->n_cols; j++) {
            row[at->col + j] = y[r * at->n_cols + j];
            sum += (double)log_derivative[r * at->n_cols + j];
        }
        row[node->cols - 1] = (mr_real)sum;
    }
}

static void compute(const mr_node *node, mr_rows rows, bool inverse) {
    mr_spline_block b;
    mr_real y[LANES], derivative[LANES];
    const mr_real sign = inverse ? -1 : 1;
    for (mr_spline_piece at = {.row = rows.first}; mr_spline_next_piece(node, rows, &at);) {
        const mr_real *x = node->input[0]->value + mr_spline_first(node, &at);
        mr_spline_find_bins(node, &at, inverse, &b);
#pragma omp simd
        for (size_t i = 0; i < b.n; i++) {
            const curve c =
                curve_at(b.size[X][i], b.size[Y][i], b.slope[LEFT][i], b.slope[RIGHT][i], b.xi[i]);
            const mr_real moved = inverse ? b.corner[X][i] + b.size[X][i] * b.xi[i]
                                          : b.corner[Y][i] + b.size[Y][i] * c.r;
            y[i] = is_inside(x[i], b.bound) ? moved : x[i];
            derivative[i] = c.derivative;
        }
        mr_vlog(b.n, derivative, derivative);
        for (size_t i = 0; i < b.n; i++)
            derivative[i] = is_inside(x[i], b.bound) ? sign * derivative[i] : 0;
        write_values(node, &at, y, derivative);
    }
}

// ---- Backward

/// The loss's gradient with respect to the bins of a block.
typedef struct {
    mr_real point[LANES];
    mr_real corner[2][LANES];
    mr_real size[2][LANES];
    mr_real slope[2][LANES]; // to their logits
} gradients;

/// The gradients of a loss that an op's results y and l = log dy/dx enter.
///
///   dy, dl  the gradients with respect to them
///
/// With y = F(x, theta) and l = log F'(x): dtheta = A dF/dtheta + B dl/dtheta. Going forward A = dy
/// and B = dl. Going back from y to x the same partial derivatives serve, by the implicit function
/// theorem: B = -dl, A = -(dx + B dl/dx) / F'.
static void find_gradients(const mr_node *node, const mr_spline_piece *at, bool inverse,
                           const mr_spline_block *b, const mr_real *restrict dy,
                           const mr_real *restrict dl, gradients *g) {
    const mr_real *x = node->input[0]->value + mr_spline_first(node, at);
#pragma omp simd
    for (size_t i = 0; i < b->n; i++) {
        const mr_real w = b->size[X][i], h = b->size[Y][i], xi = b->xi[i];
        const mr_real d0 = b->slope[LEFT][i], d1 = b->slope[RIGHT][i];
        const curve c = curve_at(w, h, d0, d1, xi);
        const bool inside = is_inside(x[i], b->bound);
        const mr_real inverse_n = 1 / c.n, inverse_denominator = 1 / c.denominator;
        const mr_real q_share = c.q * inverse_denominator;

        const mr_real n_xi = 2 * (d1 * xi + c.s * (1 - 2 * xi) - d0 * (1 - xi));
        const mr_real l_xi =
            n_xi * inverse_n - 2 * c.curvature * (1 - 2 * xi) * inverse_denominator;
        const mr_real up = inside ? dy[i] : 0, up_l = inside ? dl[i] : 0;
        const mr_real B = inverse ? -up_l : up_l;
        const mr_real A = inverse ? -(up + B * l_xi / w) / c.derivative : up;

        const mr_real d_xi = A * w * c.derivative + B * l_xi;
        const mr_real d_s =
            A * h * (xi * xi - c.r * (1 - 2 * c.q)) * inverse_denominator +
            2 * B * (1 / c.s + c.q * inverse_n - (1 - 2 * c.q) * inverse_denominator);
        g->point[i] = inside ? (inverse ? -A : d_xi / w) : dy[i];
        g->corner[X][i] = -d_xi / w;
        g->corner[Y][i] = A;
        g->size[X][i] = -(d_s * c.s + d_xi * xi) / w;
        g->size[Y][i] = A * c.r + d_s / w;
        g->slope[LEFT][i] =
            A * h * q_share * (1 - c.r) + B * ((1 - xi) * (1 - xi) * inverse_n - 2 * q_share);
        g->slope[RIGHT][i] = -A * h * q_share * c.r + B * (xi * xi * inverse_n - 2 * q_share);
    }
}

// From the slopes to their logits: the logistic function, as (1 + tanh(v/2)) / 2.
static void pass_slopes(const mr_spline_block *b, gradients *g) {
    mr_real half[LANES];
    for (int side = LEFT; side <= RIGHT; side++) {
        for (size_t i = 0; i < b->n; i++)
            half[i] = b->logit[side][i] / 2;
        mr_vtanh(b->n, half, half);
        for (size_t i = 0; i < b->n; i++)
            g->slope[side][i] *= (1 + half[i]) / 2;
    }
}

// From a bin's corner and size to all logits of its axis. With p the shares and v their gradients
// (the corner's for the bins before, the size's for the bin itself, 0 for those after), a logit's
// gradient is p (v - sum(p v)). Overwrites the shares.
static void pass_shares(const mr_spline_block *b, int axis, mr_real factor, const gradients *g,
                        mr_real *restrict share) {
    const size_t n = b->n;
    const mr_real scale = factor * b->range;
    mr_real mean[LANES];
    for (size_t i = 0; i < n; i++)
        mean[i] = g->size[axis][i] * b->of_bin[axis][i] + g->corner[axis][i] * b->before[axis][i];
    for (size_t k = 0; k < b->n_bins; k++) {
        const mr_real number = (mr_real)k;
#pragma omp simd
        for (size_t i = 0; i < n; i++) {
            const mr_real up_to = number == b->bin[i] ? g->size[axis][i] : 0;
            const mr_real v = number < b->bin[i] ? g->corner[axis][i] : up_to;
            share[k * n + i] *= scale * (v - mean[i]);
        }
    }
}

static void write_parameters(const mr_node *node, const mr_spline_piece *at,
                             const mr_spline_block *b, const gradients *g) {
    const mr_node *raw = node->input[1];
    const size_t dim = mr_spline_dim(node), n_bins = b->n_bins;
    for (size_t r = 0; r < at->n_rows; r++) {
        mr_real *row = mr_row(raw->grad, raw, at->row + r) + at->col;
        const size_t lane = r * at->n_cols;
        for (size_t p = 0; p < 2 * n_bins; p++) {
            const mr_real *from =
                p < n_bins ? &b->share[X][p * b->n] : &b->share[Y][(p - n_bins) * b->n];
            mr_put(node->adds[1], at->n_cols, from + lane, row + p * dim);
        }
        for (size_t p = 2 * n_bins; p < 3 * n_bins - 1 && !node->adds[1]; p++)
            memset(row + p * dim, 0, at->n_cols * sizeof *row);
    }
    for (size_t i = 0; i < b->n; i++) {
        mr_real *row = mr_row(raw->grad, raw, at->row + i / at->n_cols);
        const size_t k = (size_t)b->bin[i];
        if (k > 0)
            row[mr_spline_slope_column(node, at, b, k, i)] += g->slope[LEFT][i];
        if (k + 1 < n_bins)
            row[mr_spline_slope_column(node, at, b, k + 1, i)] += g->slope[RIGHT][i];
    }
}

static void read_gradients(const mr_node *node, const mr_spline_piece *at, mr_real *dy,
                           mr_real *dl) {
    for (size_t r = 0; r < at->n_rows; r++) {
        const mr_real *row = mr_row(node->grad, node, at->row + r);
        for (size_t j = 0; j < at->n_cols; j++) {
            dy[r * at->n_cols + j] = row[at->col + j];
            dl[r * at->n_cols + j] = row[node->cols - 1];
        }
    }
}

static void differentiate(const mr_node *node, mr_rows rows, bool inverse) {
    mr_spline_block b;
    gradients g;
    mr_real dy[LANES], dl[LANES];
    for (mr_spline_piece at = {.row = rows.first}; mr_spline_next_piece(node, rows, &at);) {
        mr_spline_find_bins(node, &at, inverse, &b);
        read_gradients(node, &at, dy, dl);
        find_gradients(node, &at, inverse, &b, dy, dl, &g);
        if (mr_node_passes(node, 0))
            mr_put(node->adds[0], b.n, g.point, node->input[0]->grad + mr_spline_first(node, &at));
        if (!mr_node_passes(node, 1))
            continue;
        pass_slopes(&b, &g);
        for (int axis = X; axis <= Y; axis++)
            pass_shares(&b, axis, (mr_real)mr_spline_of(node)->logit_factor, &g, b.share[axis]);
        write_parameters(node, &at, &b, &g);
    }
}

// ---- The ops

static void spline_forward(const mr_node *node, mr_rows rows) {
    compute(node, rows, false);
}

static void spline_backward(const mr_node *node, mr_rows rows) {
    differentiate(node, rows, false);
}

static void spline_inverse_forward(const mr_node *node, mr_rows rows) {
    compute(node, rows, true);
}

static void spline_inverse_backward(const mr_node *node, mr_rows rows) {
    differentiate(node, rows, true);
}

/// r and dy/dx of curve_at as values of a program.
typedef struct {
    mr_value *r, *derivative;
} curve_values;

static curve_values write_curve(const mr_spline_values *v, mr_net_program *program) {
    mr_value *d0 = v->slope[LEFT], *d1 = v->slope[RIGHT], *xi = v->xi;
    mr_value *rest = mr_do_affine(program, xi, -1, 1);
    mr_value *s = mr_do_two(program, MR_DO_DIV, v->size[Y], v->size[X]);
    mr_value *q = mr_do_two(program, MR_DO_MUL, xi, rest);
    mr_value *s_part = mr_do_two(program, MR_DO_MUL, s, mr_do_affine(program, q, -2, 1));
    mr_value *slopes = mr_do_two(program, MR_DO_ADD, d0, d1);
    mr_value *denominator =
        mr_do_two(program, MR_DO_ADD, s_part, mr_do_two(program, MR_DO_MUL, slopes, q));
    mr_value *s_xi_2 = mr_do_two(program, MR_DO_MUL, mr_do_two(program, MR_DO_MUL, s, xi), xi);
    mr_value *numerator =
        mr_do_two(program, MR_DO_ADD, s_xi_2, mr_do_two(program, MR_DO_MUL, d0, q));
    curve_values c = {.r = mr_do_two(program, MR_DO_DIV, numerator, denominator)};

    mr_value *steepness = mr_do_two(program, MR_DO_DIV, s, denominator);
    mr_value *d1_xi_2 = mr_do_two(program, MR_DO_MUL, mr_do_two(program, MR_DO_MUL, d1, xi), xi);
    mr_value *d0_rest_2 =
        mr_do_two(program, MR_DO_MUL, mr_do_two(program, MR_DO_MUL, d0, rest), rest);
    mr_value *two_s_q = mr_do_affine(program, mr_do_two(program, MR_DO_MUL, s, q), 2, 0);
    mr_value *n =
        mr_do_two(program, MR_DO_ADD, mr_do_two(program, MR_DO_ADD, d1_xi_2, two_s_q), d0_rest_2);
    c.derivative =
        mr_do_two(program, MR_DO_MUL, mr_do_two(program, MR_DO_MUL, steepness, steepness), n);
    return c;
}

// The moved features, and the sum of their log-derivatives. Outside of the box, x stays itself: the
// curve's slope at its ends is 1.
static mr_value *write_results(const mr_node *node, bool inverse, mr_net_program *program,
                               mr_value *const *input) {
    const mr_spline_values v = mr_spline_write_bins(node, inverse, program, input);
    const curve_values c = write_curve(&v, program);
    const int axis = inverse ? X : Y;
    mr_value *step = mr_do_two(program, MR_DO_MUL, v.size[axis], inverse ? v.xi : c.r);
    mr_value *moved = mr_do_two(program, MR_DO_ADD, v.corner[axis], step);
    mr_value *log_derivative = mr_do_one(program, MR_DO_LOG, c.derivative);
    mr_value *log_det =
        mr_do_affine(program, mr_do_sum_all(program, log_derivative), inverse ? -1 : 1, 0);
    return mr_do_concat(
        program, 2, (mr_value *const[]){mr_do_two(program, MR_DO_ADD, moved, v.beyond), log_det});
}

static mr_value *spline_write(const mr_node *node, mr_net_program *program,
                              mr_value *const *input) {
    return write_results(node, false, program, input);
}

static mr_value *spline_inverse_write(const mr_node *node, mr_net_program *program,
                                      mr_value *const *input) {
    return write_results(node, true, program, input);
}

static const mr_op op_spline = {
    .name = "spline",
    .options_size = sizeof(mr_spline),
    .reads = MR_READS_INPUTS,
    .forward = spline_forward,
    .backward = spline_backward,
    .write = spline_write,
};

static const mr_op op_spline_inverse = {
    .name = "spline_inverse",
    .options_size = sizeof(mr_spline),
    .reads = MR_READS_INPUTS,
    .forward = spline_inverse_forward,
    .backward = spline_inverse_backward,
    .write = spline_inverse_write,
};

static mr_node *spline_new(const mr_op *op, mr_node *x, mr_node *raw, mr_spline spline) {
    if (!x || !raw)
        return NULL;
    assert(spline.n_bins >= 1 && spline.n_bins <= MR_MAX_BINS && spline.bound > 0);
    assert(raw->cols == x->cols * mr_spline_n_params(spline.n_bins));
    return mr_node_of(op, x->cols + 1, &spline, 2, (mr_node *[]){x, raw});
}

mr_node *mr_spline_forward(mr_node *x, mr_node *raw, mr_spline spline) {
    return spline_new(&op_spline, x, raw, spline);
}

mr_node *mr_spline_inverse(mr_node *y, mr_node *raw, mr_spline spline) {
    return spline_new(&op_spline_inverse, y, raw, spline);
}
