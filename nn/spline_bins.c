// From the parameters of splines to the bins that points are in: the logits are copied into lanes,
// a softmax turns them into fractions of the box, and a pass over the bins finds the one that each
// point is in. All later steps need that bin alone.

#include "nn/spline_bins.h"

#include "base/vmath.h"

#include <math.h>
#include <string.h>

// The least width and height of a bin, as a fraction of the box, and the least slope (the paper's).
static const double min_share = 1e-3;
static const double min_slope = 1e-3;

// log(exp(1 - min_slope) - 1), so that a slope's logit of 0 is the slope 1.
static const double slope_shift = 0.5397424172369522;

bool mr_spline_next_piece(const mr_node *node, mr_rows rows, mr_spline_piece *at) {
    const size_t dim = mr_spline_dim(node), end = rows.first + rows.n;
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

static void read_points(const mr_node *node, const mr_spline_piece *at, mr_spline_block *b) {
    const mr_real *x = node->input[0]->value + mr_spline_first(node, at);
    for (size_t i = 0; i < b->n; i++) // NaN stays NaN
        b->point[i] = x[i] < -b->bound ? -b->bound : x[i] > b->bound ? b->bound : x[i];
}

// Parameter p of feature j of a row lies at column p dim + j.
static void read_logits(const mr_node *node, const mr_spline_piece *at, mr_spline_block *b) {
    const mr_node *raw = node->input[1];
    const size_t dim = mr_spline_dim(node);
    const mr_real factor = (mr_real)mr_spline_of(node)->logit_factor;
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

static void softmax(const mr_spline_block *b, mr_real *restrict share) {
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
static void find_bin(mr_spline_block *b, int axis) {
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

// At the ends of the box the slope is 1, whatever the parameters.
static void read_slopes(const mr_node *node, const mr_spline_piece *at, mr_spline_block *b) {
    const mr_node *raw = node->input[1];
    const size_t n = b->n;
    for (size_t i = 0; i < n; i++) {
        const mr_real *row = mr_row(raw->value, raw, at->row + i / at->n_cols);
        const size_t k = (size_t)b->bin[i];
        b->logit[LEFT][i] = k > 0 ? row[mr_spline_slope_column(node, at, b, k, i)] : 0;
        b->logit[RIGHT][i] =
            k + 1 < b->n_bins ? row[mr_spline_slope_column(node, at, b, k + 1, i)] : 0;
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

static void find_xi(mr_spline_block *b) {
#pragma omp simd
    for (size_t i = 0; i < b->n; i++)
        b->xi[i] = clamp01((b->point[i] - b->corner[X][i]) / b->size[X][i]);
}

// The root xi in [0, 1] of a xi^2 + b xi + c = 0, at which y(xi) is the point. Of the two forms of
// the root the one that does not subtract like numbers; rounding may take the discriminant below 0.
static void find_xi_inverse(mr_spline_block *at) {
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

void mr_spline_find_bins(const mr_node *node, const mr_spline_piece *at, bool inverse,
                         mr_spline_block *b) {
    const double box = 2 * mr_spline_of(node)->bound;
    b->n = at->n_rows * at->n_cols;
    b->n_bins = mr_spline_of(node)->n_bins;
    b->bound = (mr_real)mr_spline_of(node)->bound;
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
