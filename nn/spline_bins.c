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

// ---- In programs: matrices [bins x dim], from which a sum over the bins, each times 1 or 0, picks
// the one that a point is in

/// The bins of an axis, [bins x dim].
typedef struct {
    mr_value *size;
    mr_value *corner; // where each begins
} axis_values;

static axis_values write_axis(const mr_node *node, int axis, mr_net_program *program,
                              mr_value *raw) {
    const mr_spline *spline = mr_spline_of(node);
    const size_t n = spline->n_bins, dim = mr_spline_dim(node);
    const double box = 2 * spline->bound;
    mr_value *logits = mr_do_affine(
        program, mr_do_part(program, raw, (size_t)axis * n * dim, n, dim), spline->logit_factor, 0);
    axis_values a;
    a.size = mr_do_affine(program, mr_do_one(program, MR_DO_SOFTMAX, logits),
                          box * (1 - min_share * (double)n), box * min_share);
    a.corner =
        mr_do_affine(program, mr_do_one(program, MR_DO_SUM_UP_TO, a.size), 1, -spline->bound);
    return a;
}

// 1 for the bin that the point is in, else 0: [bins x dim]. Its number, counted from 1, is that of
// the corners that are not above the point.
static mr_value *write_choice(const mr_node *node, mr_net_program *program, mr_value *corner,
                              mr_value *point) {
    const size_t dim = mr_spline_dim(node);
    mr_real number[MR_MAX_BINS * LANES];
    const size_t n = mr_spline_of(node)->n_bins;
    if (dim > LANES)
        return NULL;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < dim; j++)
            number[i * dim + j] = (mr_real)(i + 1);
    mr_value *reached = mr_do_two(program, MR_DO_AT_LEAST, point, corner);
    return mr_do_two(program, MR_DO_EQUAL, mr_do_one(program, MR_DO_SUM, reached),
                     mr_do_constant(program, n, dim, number));
}

static mr_value *write_chosen(mr_net_program *program, mr_value *choice, mr_value *of) {
    return mr_do_one(program, MR_DO_SUM, mr_do_two(program, MR_DO_MUL, choice, of));
}

// The slope at an end of the bin. The slopes between bins are the last rows of raw; at an end of
// the box the slope is 1.
static mr_value *write_slope(const mr_node *node, int side, mr_net_program *program, mr_value *raw,
                             mr_value *choice) {
    const size_t n = mr_spline_of(node)->n_bins, dim = mr_spline_dim(node);
    mr_value *at_end = mr_do_part(program, choice, side == LEFT ? 0 : (n - 1) * dim, 1, dim);
    if (n == 1)
        return at_end;
    mr_value *others = mr_do_part(program, choice, side == LEFT ? dim : 0, n - 1, dim);
    mr_value *logits = mr_do_part(program, raw, 2 * n * dim, n - 1, dim);
    mr_value *softplus =
        mr_do_one(program, MR_DO_SOFTPLUS, mr_do_affine(program, logits, 1, slope_shift));
    return mr_do_two(program, MR_DO_ADD, at_end,
                     write_chosen(program, others, mr_do_affine(program, softplus, 1, min_slope)));
}

static mr_value *write_clamp(mr_net_program *program, mr_value *x, double low, double high) {
    x = mr_do_two(program, MR_DO_MAX, x, mr_do_number(program, low));
    return mr_do_two(program, MR_DO_MIN, x, mr_do_number(program, high));
}

// The root of find_xi_inverse in its form for b > 0. For b < 0 the bin's slopes make a c so large
// that hardly a digit cancels.
static mr_value *write_xi_inverse(mr_net_program *program, const mr_spline_values *v, mr_value *q) {
    mr_value *h = v->size[Y], *d0 = v->slope[LEFT];
    mr_value *s = mr_do_two(program, MR_DO_DIV, h, v->size[X]);
    mr_value *slopes = mr_do_two(program, MR_DO_ADD, d0, v->slope[RIGHT]);
    mr_value *bent = mr_do_two(program, MR_DO_SUB, slopes, mr_do_affine(program, s, 2, 0));
    mr_value *q_bent = mr_do_two(program, MR_DO_MUL, q, bent);
    mr_value *steeper = mr_do_two(program, MR_DO_MUL, h, mr_do_two(program, MR_DO_SUB, s, d0));
    mr_value *a = mr_do_two(program, MR_DO_ADD, steeper, q_bent);
    mr_value *b = mr_do_two(program, MR_DO_SUB, mr_do_two(program, MR_DO_MUL, h, d0), q_bent);
    mr_value *c = mr_do_affine(program, mr_do_two(program, MR_DO_MUL, s, q), -1, 0);
    mr_value *four_ac = mr_do_affine(program, mr_do_two(program, MR_DO_MUL, a, c), 4, 0);
    mr_value *discriminant =
        mr_do_two(program, MR_DO_SUB, mr_do_two(program, MR_DO_MUL, b, b), four_ac);
    mr_value *root = mr_do_one(program, MR_DO_SQRT, mr_do_one(program, MR_DO_RELU, discriminant));
    mr_value *below = mr_do_affine(program, mr_do_two(program, MR_DO_ADD, b, root), -1, 0);
    return mr_do_two(program, MR_DO_DIV, mr_do_affine(program, c, 2, 0), below);
}

mr_spline_values mr_spline_write_bins(const mr_node *node, bool inverse, mr_net_program *program,
                                      mr_value *const *input) {
    const double bound = mr_spline_of(node)->bound;
    mr_value *x = input[0], *raw = input[1], *point = write_clamp(program, x, -bound, bound);
    const axis_values axis[] = {
        [X] = write_axis(node, X, program, raw), [Y] = write_axis(node, Y, program, raw)};
    const int along = inverse ? Y : X;
    mr_value *choice = write_choice(node, program, axis[along].corner, point);
    mr_spline_values v = {.beyond = mr_do_two(program, MR_DO_SUB, x, point)};
    for (int a = X; a <= Y; a++) {
        v.corner[a] = write_chosen(program, choice, axis[a].corner);
        v.size[a] = write_chosen(program, choice, axis[a].size);
    }
    for (int side = LEFT; side <= RIGHT; side++)
        v.slope[side] = write_slope(node, side, program, raw, choice);
    mr_value *from_corner = mr_do_two(program, MR_DO_SUB, point, v.corner[along]);
    mr_value *xi = inverse ? write_xi_inverse(program, &v, from_corner)
                           : mr_do_two(program, MR_DO_DIV, from_corner, v.size[X]);
    v.xi = write_clamp(program, xi, 0, 1);
    return v;
}
