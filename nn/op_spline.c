// Monotone rational-quadratic splines (Durkan et al. 2019, arXiv:1906.04032), all features of a row
// at once.
//
// Many splines are computed side by side, one in each lane, so that every step is a loop over lanes
// that the compiler turns into vector code: the logits are copied into lanes, a softmax turns them
// into fractions of the box, and a pass over the bins finds the one that each point is in. All
// later steps need that bin alone. The paper's symbols: in bin k, with width w, height h, slopes d0
// and d1 at its ends,
//
//     xi = (x - x_k) / w,   s = h / w,   y = y_k + h r(xi),
//     r = [s xi^2 + d0 xi (1 - xi)] / [s + (d0 + d1 - 2 s) xi (1 - xi)].

#include "nn/op.h"

#include "base/vmath.h"

#include <math.h>
#include <string.h>

enum {
    LANES = 64, // splines at a time: with 8 bins all that is touched stays in the first cache
};

// The least width and height of a bin, as a fraction of the box, and the least slope (the paper's).
static const double min_share = 1e-3;
static const double min_slope = 1e-3;

// log(exp(1 - min_slope) - 1), so that a slope's logit of 0 is the slope 1.
static const double slope_shift = 0.5397424172369522;

enum { X, Y };        // the axes
enum { LEFT, RIGHT }; // the ends of a bin

/// Up to LANES splines, and the bin of each that its point is in.
typedef struct {
    size_t n; // lanes in use
    size_t n_bins;
    mr_real bound;
    mr_real min_size, range;               // a bin's size is min_size + range share
    mr_real point[LANES];                  // the input, moved into [-bound, bound]
    mr_real share[2][MR_MAX_BINS * LANES]; // softmax of the logits: bin k of lane i at [k n + i]

    mr_real bin[LANES];       // its number, as a real so that it fits into vectors
    mr_real before[2][LANES]; // shares of the bins before it, summed
    mr_real of_bin[2][LANES]; // its own share
    mr_real corner[2][LANES]; // (x_k, y_k)
    mr_real size[2][LANES];   // (w, h)
    mr_real slope[2][LANES];  // (d0, d1)
    mr_real logit[2][LANES];  // of the slopes; a slope's derivative by it is the logistic function
    mr_real xi[LANES];
} block;

/// A run of splines: whole rows, or part of a row that has more than LANES.
typedef struct {
    size_t row, n_rows;
    size_t col, n_cols;
} piece;

static const mr_spline *options_of(const mr_node *node) {
    return node->options;
}

static size_t dim_of(const mr_node *node) {
    return node->input[0]->cols;
}

/// The next piece of the rows; false at the end. Starts from a piece of no columns at the first
/// row.
static bool next_piece(const mr_node *node, mr_rows rows, piece *at) {
    const size_t dim = dim_of(node), end = rows.first + rows.n;
    at->col += at->n_cols;
    if (at->col == dim || at->n_cols == 0) {
        at->row += at->n_rows;
        at->col = 0;
    }
    const size_t n_cols = dim - at->col < LANES ? dim - at->col : LANES;
    const size_t n_rows = dim < LANES ? LANES / dim : 1;
    at->n_cols = n_cols;
    at->n_rows = end - at->row < n_rows ? end - at->row : n_rows;
    return at->row < end;
}

// The lanes of a piece lie side by side in x [rows x dim].
static size_t first_of(const mr_node *node, const piece *at) {
    return at->row * dim_of(node) + at->col;
}

// ---- From the parameters to the bin

static void read_points(const mr_node *node, const piece *at, block *b) {
    const mr_real *x = node->input[0]->value + first_of(node, at);
    for (size_t i = 0; i < b->n; i++) // NaN stays NaN
        b->point[i] = x[i] < -b->bound ? -b->bound : x[i] > b->bound ? b->bound : x[i];
}

// Parameter p of feature j of a row lies at column p dim + j.
static void read_logits(const mr_node *node, const piece *at, block *b) {
    const mr_node *raw = node->input[1];
    const size_t dim = dim_of(node);
    const mr_real factor = (mr_real)options_of(node)->logit_factor;
    for (size_t r = 0; r < at->n_rows; r++) {
        const mr_real *row = mr_row(raw->value, raw, at->row + r) + at->col;
        for (size_t p = 0; p < 2 * b->n_bins; p++) {
            mr_real *to =
                p < b->n_bins ? &b->share[X][p * b->n] : &b->share[Y][(p - b->n_bins) * b->n];
            for (size_t j = 0; j < at->n_cols; j++)
                to[r * at->n_cols + j] = factor * row[p * dim + j];
        }
    }
}

static void softmax(const block *b, mr_real *restrict share) {
    const size_t n = b->n;
    mr_real of_lane[LANES]; // the greatest logit, then the sum's inverse
    memcpy(of_lane, share, n * sizeof *share);
    for (size_t k = 1; k < b->n_bins; k++)
        for (size_t i = 0; i < n; i++)
            of_lane[i] = share[k * n + i] > of_lane[i] ? share[k * n + i] : of_lane[i];
    for (size_t k = 0; k < b->n_bins; k++)
        for (size_t i = 0; i < n; i++)
            share[k * n + i] -= of_lane[i];
    mr_vexp(b->n_bins * n, share, share);
    memcpy(of_lane, share, n * sizeof *share);
    for (size_t k = 1; k < b->n_bins; k++)
        for (size_t i = 0; i < n; i++)
            of_lane[i] += share[k * n + i];
    for (size_t i = 0; i < n; i++)
        of_lane[i] = 1 / of_lane[i];
    for (size_t k = 0; k < b->n_bins; k++)
        for (size_t i = 0; i < n; i++)
            share[k * n + i] *= of_lane[i];
}

// Walks over the knots of the axis that the point is on; a point at a knot belongs to the bin above
// it.
static void find_bin(block *b, int axis) {
    const size_t n = b->n;
    const int other = axis == X ? Y : X;
    mr_real sum[2][LANES] = {0};
    memset(b->bin, 0, n * sizeof *b->bin);
    for (int a = X; a <= Y; a++) {
        memset(b->before[a], 0, n * sizeof **b->before);
        memcpy(b->of_bin[a], b->share[a], n * sizeof **b->of_bin);
    }
    for (size_t k = 1; k < b->n_bins; k++) {
        const mr_real *along = &b->share[axis][k * n], *across = &b->share[other][k * n];
        const mr_real *along_before = &b->share[axis][(k - 1) * n];
        const mr_real *across_before = &b->share[other][(k - 1) * n];
        const mr_real number = (mr_real)k, low = number * b->min_size - b->bound;
#pragma omp simd
        for (size_t i = 0; i < n; i++) {
            sum[axis][i] += along_before[i];
            sum[other][i] += across_before[i];
            const bool above = b->point[i] >= low + b->range * sum[axis][i];
            b->bin[i] = above ? number : b->bin[i];
            b->before[axis][i] = above ? sum[axis][i] : b->before[axis][i];
            b->before[other][i] = above ? sum[other][i] : b->before[other][i];
            b->of_bin[axis][i] = above ? along[i] : b->of_bin[axis][i];
            b->of_bin[other][i] = above ? across[i] : b->of_bin[other][i];
        }
    }
    for (int a = X; a <= Y; a++)
        for (size_t i = 0; i < n; i++) {
            b->corner[a][i] = b->bin[i] * b->min_size - b->bound + b->range * b->before[a][i];
            b->size[a][i] = b->min_size + b->range * b->of_bin[a][i];
        }
}

// The column of the logit of the slope at the left of bin k (from 1), for lane i of the piece.
static size_t slope_column(const mr_node *node, const piece *at, const block *b, size_t k,
                           size_t i) {
    return (2 * b->n_bins + k - 1) * dim_of(node) + at->col + i % at->n_cols;
}

// At the ends of the box the slope is 1, whatever the parameters.
static void read_slopes(const mr_node *node, const piece *at, block *b) {
    const mr_node *raw = node->input[1];
    const size_t n = b->n;
    for (size_t i = 0; i < n; i++) {
        const mr_real *row = mr_row(raw->value, raw, at->row + i / at->n_cols);
        const size_t k = (size_t)b->bin[i];
        b->logit[LEFT][i] = k > 0 ? row[slope_column(node, at, b, k, i)] : 0;
        b->logit[RIGHT][i] = k + 1 < b->n_bins ? row[slope_column(node, at, b, k + 1, i)] : 0;
    }
    for (int side = LEFT; side <= RIGHT; side++) {
        const mr_real end = side == LEFT ? 0 : (mr_real)(b->n_bins - 1);
        mr_real *logit = b->logit[side], *slope = b->slope[side];
        for (size_t i = 0; i < n; i++) {
            logit[i] += (mr_real)slope_shift;
            slope[i] = logit[i] < 0 ? logit[i] : -logit[i];
        }
        mr_vexp(n, slope, slope);
        mr_vlog1p(n, slope, slope); // log(1 + exp(-|logit|))
        for (size_t i = 0; i < n; i++) {
            const mr_real softplus = slope[i] + (logit[i] > 0 ? logit[i] : 0);
            slope[i] = b->bin[i] == end ? 1 : (mr_real)min_slope + softplus;
        }
    }
}

// Into [0, 1]; NaN, the result of a quotient whose digits all cancel, becomes a bound too.
static mr_real clamp01(mr_real x) {
    return x > 0 ? (x < 1 ? x : 1) : 0;
}

static void find_xi(block *b) {
#pragma omp simd
    for (size_t i = 0; i < b->n; i++)
        b->xi[i] = clamp01((b->point[i] - b->corner[X][i]) / b->size[X][i]);
}

// The root xi in [0, 1] of a xi^2 + b xi + c = 0, at which y(xi) is the point. Of the two forms of
// the root the one that does not subtract like numbers; rounding may take the discriminant below 0.
static void find_xi_inverse(block *at) {
#pragma omp simd
    for (size_t i = 0; i < at->n; i++) {
        const mr_real h = at->size[Y][i], s = h / at->size[X][i];
        const mr_real d0 = at->slope[LEFT][i], d1 = at->slope[RIGHT][i];
        const mr_real q = at->point[i] - at->corner[Y][i];
        const mr_real a = h * (s - d0) + q * (d0 + d1 - 2 * s);
        const mr_real b = h * d0 - q * (d0 + d1 - 2 * s);
        const mr_real c = -s * q;
        const mr_real discriminant = b * b - 4 * a * c;
        const mr_real root = mr_sqrt(discriminant > 0 ? discriminant : 0);
        at->xi[i] = clamp01(b > 0 ? 2 * c / (-b - root) : (root - b) / (2 * a));
    }
}

static void find_places(const mr_node *node, const piece *at, bool inverse, block *b) {
    const double box = 2 * options_of(node)->bound;
    b->n = at->n_rows * at->n_cols;
    b->n_bins = options_of(node)->n_bins;
    b->bound = (mr_real)options_of(node)->bound;
    b->min_size = (mr_real)(box * min_share);
    b->range = (mr_real)(box * (1 - min_share * (double)b->n_bins));
    read_points(node, at, b);
    read_logits(node, at, b);
    softmax(b, b->share[X]);
    softmax(b, b->share[Y]);
    find_bin(b, inverse ? Y : X);
    read_slopes(node, at, b);
    if (inverse)
        find_xi_inverse(b);
    else
        find_xi(b);
}

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
static void write_values(const mr_node *node, const piece *at, const mr_real *y,
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
    block b;
    mr_real y[LANES], derivative[LANES];
    const mr_real sign = inverse ? -1 : 1;
    for (piece at = {.row = rows.first}; next_piece(node, rows, &at);) {
        const mr_real *x = node->input[0]->value + first_of(node, &at);
        find_places(node, &at, inverse, &b);
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
static void find_gradients(const mr_node *node, const piece *at, bool inverse, const block *b,
                           const mr_real *restrict dy, const mr_real *restrict dl, gradients *g) {
    const mr_real *x = node->input[0]->value + first_of(node, at);
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
static void pass_slopes(const block *b, gradients *g) {
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
static void pass_shares(const block *b, int axis, mr_real factor, const gradients *g,
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

static void write_parameters(const mr_node *node, const piece *at, const block *b,
                             const gradients *g) {
    const mr_node *raw = node->input[1];
    const size_t dim = dim_of(node), n_bins = b->n_bins;
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
            row[slope_column(node, at, b, k, i)] += g->slope[LEFT][i];
        if (k + 1 < n_bins)
            row[slope_column(node, at, b, k + 1, i)] += g->slope[RIGHT][i];
    }
}

static void read_gradients(const mr_node *node, const piece *at, mr_real *dy, mr_real *dl) {
    for (size_t r = 0; r < at->n_rows; r++) {
        const mr_real *row = mr_row(node->grad, node, at->row + r);
        for (size_t j = 0; j < at->n_cols; j++) {
            dy[r * at->n_cols + j] = row[at->col + j];
            dl[r * at->n_cols + j] = row[node->cols - 1];
        }
    }
}

static void differentiate(const mr_node *node, mr_rows rows, bool inverse) {
    block b;
    gradients g;
    mr_real dy[LANES], dl[LANES];
    for (piece at = {.row = rows.first}; next_piece(node, rows, &at);) {
        find_places(node, &at, inverse, &b);
        read_gradients(node, &at, dy, dl);
        find_gradients(node, &at, inverse, &b, dy, dl, &g);
        if (mr_node_passes(node, 0))
            mr_put(node->adds[0], b.n, g.point, node->input[0]->grad + first_of(node, &at));
        if (!mr_node_passes(node, 1))
            continue;
        pass_slopes(&b, &g);
        for (int axis = X; axis <= Y; axis++)
            pass_shares(&b, axis, (mr_real)options_of(node)->logit_factor, &g, b.share[axis]);
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

static const mr_op op_spline = {
    .name = "spline",
    .options_size = sizeof(mr_spline),
    .reads = MR_READS_INPUTS,
    .forward = spline_forward,
    .backward = spline_backward,
};

static const mr_op op_spline_inverse = {
    .name = "spline_inverse",
    .options_size = sizeof(mr_spline),
    .reads = MR_READS_INPUTS,
    .forward = spline_inverse_forward,
    .backward = spline_inverse_backward,
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
