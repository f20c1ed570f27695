// The distribution function of a mixture of logistics, as a map of each feature onto the line (Ho
// et al. 2019, arXiv:1902.00275, section 3.2):
//
//     y = logit F(x),   F(x) = sum_k pi_k sigmoid(a_k),   a_k = (x - mu_k) exp(-s_k)
//     log dy/dx = log f - log F - log (1 - F),   f = sum_k pi_k sigmoid(a_k) sigmoid(-a_k)
//     exp(-s_k)
//
// F, 1 - F and f are each the sum of exponentials, whose logarithm does not cancel: sigmoid(-a) is
// 1 - sigmoid(a).

#include "nn/op.h"

#include "base/vmath.h"

#include <math.h>

enum { LANES = 64, SIZE = MR_MAX_LOGISTICS * LANES };

enum { BELOW, ABOVE, HERE, N_SUMS }; // F, 1 - F and f

/// The mixtures of up to LANES features of a row: number k of lane i is at [k n + i].
typedef struct {
    size_t n, n_components, total; // lanes in use, components, their product
    mr_real log_weight[SIZE];      // log pi
    mr_real mean[SIZE], log_scale[SIZE];
    mr_real inverse_scale[SIZE];
    mr_real a[SIZE];
    mr_real log_sigmoid[SIZE], log_rest[SIZE]; // log sigmoid(a), log sigmoid(-a)
    mr_real term[N_SUMS][SIZE];                // logarithms of the sums' terms
    mr_real log_sum[N_SUMS][LANES];
} block;

static const mr_logistics *options_of(const mr_node *node) {
    return node->options;
}

// log(sum_k exp(term)) of each lane.
static void add_up(const block *b, const mr_real *restrict term, mr_real *restrict log_sum) {
    mr_real largest[LANES], power[SIZE];
    for (size_t i = 0; i < b->n; i++)
        largest[i] = term[i];
    for (size_t j = b->n; j < b->total; j++)
        largest[j % b->n] = term[j] > largest[j % b->n] ? term[j] : largest[j % b->n];
    for (size_t j = 0; j < b->total; j++)
        power[j] = term[j] - largest[j % b->n];
    mr_vexp(b->total, power, power);
    for (size_t i = 0; i < b->n; i++) {
        mr_real sum = 0;
        for (size_t j = i; j < b->total; j += b->n)
            sum += power[j];
        log_sum[i] = sum;
    }
    mr_vlog(b->n, log_sum, log_sum);
    for (size_t i = 0; i < b->n; i++)
        log_sum[i] += largest[i];
}

// Parameter p of feature j of a row is in column p d + j: logits of pi, means from their places at
// the start, log-scales.
static void read_mixtures(const mr_node *node, size_t row, size_t first, size_t n, block *b) {
    const mr_logistics *o = options_of(node);
    const size_t dim = node->input[0]->cols;
    const mr_real *raw = mr_row(node->input[1]->value, node->input[1], row) + first;
    mr_real log_total[LANES];
    b->n = n;
    b->n_components = o->n;
    b->total = o->n * n;
    for (size_t k = 0; k < o->n; k++)
        for (size_t i = 0; i < n; i++) {
            const size_t j = k * n + i;
            b->log_weight[j] = raw[k * dim + i];
            b->mean[j] = raw[(o->n + k) * dim + i] + (mr_real)mr_logistics_place(o, k);
            b->log_scale[j] = raw[(2 * o->n + k) * dim + i];
            b->inverse_scale[j] = -b->log_scale[j];
        }
    add_up(b, b->log_weight, log_total);
    for (size_t j = 0; j < b->total; j++)
        b->log_weight[j] -= log_total[j % n];
    mr_vexp(b->total, b->inverse_scale, b->inverse_scale);
}

// All that depends on x [n].
static void look_at(block *b, const mr_real *x) {
    mr_real tail[SIZE]; // log(1 + exp(-|a|))
    for (size_t j = 0; j < b->total; j++) {
        b->a[j] = (x[j % b->n] - b->mean[j]) * b->inverse_scale[j];
        tail[j] = b->a[j] < 0 ? b->a[j] : -b->a[j];
    }
    mr_vexp(b->total, tail, tail);
    mr_vlog1p(b->total, tail, tail);
    for (size_t j = 0; j < b->total; j++) {
        b->log_sigmoid[j] = (b->a[j] < 0 ? b->a[j] : 0) - tail[j];
        b->log_rest[j] = (b->a[j] > 0 ? -b->a[j] : 0) - tail[j];
        b->term[BELOW][j] = b->log_weight[j] + b->log_sigmoid[j];
        b->term[ABOVE][j] = b->log_weight[j] + b->log_rest[j];
        b->term[HERE][j] = b->term[BELOW][j] + b->log_rest[j] - b->log_scale[j];
    }
    for (size_t s = 0; s < N_SUMS; s++)
        add_up(b, b->term[s], b->log_sum[s]);
}

// y - logit and log dy/dx of lane i.
static mr_real moved(const block *b, size_t i) {
    return b->log_sum[BELOW][i] - b->log_sum[ABOVE][i];
}

static mr_real log_slope(const block *b, size_t i) {
    return b->log_sum[HERE][i] - b->log_sum[BELOW][i] - b->log_sum[ABOVE][i];
}

// ---- Forward

static double sum_log_slopes(const block *b) {
    double sum = 0;
    for (size_t i = 0; i < b->n; i++)
        sum += (double)log_slope(b, i);
    return sum;
}

static size_t count_lanes(const mr_node *node, size_t first) {
    const size_t n = node->input[0]->cols - first;
    return n < LANES ? n : (size_t)LANES;
}

// The last column is the sum of the log-derivatives, in double over all of a row.
static void mixture_forward(const mr_node *node, mr_rows rows) {
    block b;
    for (size_t row = rows.first; row < rows.first + rows.n; row++) {
        mr_real *y = mr_row(node->value, node, row);
        double log_det = 0;
        for (size_t first = 0; first < node->input[0]->cols; first += LANES) {
            read_mixtures(node, row, first, count_lanes(node, first), &b);
            look_at(&b, mr_row(node->input[0]->value, node->input[0], row) + first);
            for (size_t i = 0; i < b.n; i++)
                y[first + i] = moved(&b, i);
            log_det += sum_log_slopes(&b);
        }
        y[node->cols - 1] = (mr_real)log_det;
    }
}

// ---- The root x of logit F(x) = y, in double

/// One mixture.
typedef struct {
    size_t n;
    double log_weight[MR_MAX_LOGISTICS], mean[MR_MAX_LOGISTICS], scale[MR_MAX_LOGISTICS];
} mixture;

static mixture mixture_of(const block *b, size_t i) {
    mixture m = {.n = b->n_components};
    for (size_t k = 0; k < m.n; k++) {
        m.log_weight[k] = (double)b->log_weight[k * b->n + i];
        m.mean[k] = (double)b->mean[k * b->n + i];
        m.scale[k] = exp((double)b->log_scale[k * b->n + i]);
    }
    return m;
}

static double log_add(double a, double b) {
    const double high = fmax(a, b), low = fmin(a, b);
    return isinf(high) ? high : high + log1p(exp(low - high));
}

// logit F(x), and its slope.
static double logit_at(const mixture *m, double x, double *slope) {
    double below = -INFINITY, above = -INFINITY, here = -INFINITY;
    for (size_t k = 0; k < m->n; k++) {
        const double a = (x - m->mean[k]) / m->scale[k], tail = log1p(exp(-fabs(a)));
        const double log_sigmoid = fmin(a, 0) - tail, log_rest = -fmax(a, 0) - tail;
        below = log_add(below, m->log_weight[k] + log_sigmoid);
        above = log_add(above, m->log_weight[k] + log_rest);
        here = log_add(here, m->log_weight[k] + log_sigmoid + log_rest - log(m->scale[k]));
    }
    *slope = exp(here - below - above);
    return below - above;
}

// Newton's method, safeguarded by bisection, which takes over when a step leaves the bracket or is
// more than half of the one before the last (Press et al., Numerical Recipes). F lies between the
// least and the greatest sigmoid(a_k), so that the root lies between the least and the greatest of
// mu_k + y exp(s_k).
static double find_root(const mixture *m, double y) {
    enum { MAX_STEPS = 200 }; // bisection has halved any bracket of floats to rounding by then
    static const double rounding = 4 * 0x1p-52;
    double low = INFINITY, high = -INFINITY, least_scale = INFINITY;
    if (!isfinite(y))
        return y;
    for (size_t k = 0; k < m->n; k++) {
        low = fmin(low, m->mean[k] + y * m->scale[k]);
        high = fmax(high, m->mean[k] + y * m->scale[k]);
        least_scale = fmin(least_scale, m->scale[k]);
    }
    double x = low + (high - low) / 2, last = high - low, before = last;
    for (int i = 0; i < MAX_STEPS; i++) {
        double slope;
        const double distance = logit_at(m, x, &slope) - y;
        if (distance > 0)
            high = x;
        else
            low = x;
        const double newton = x - distance / slope;
        const bool is_good = newton >= low && newton <= high && fabs(newton - x) <= before / 2;
        const double next = is_good ? newton : low + (high - low) / 2;
        before = last;
        last = fabs(next - x);
        x = next;
        if (last <= rounding * (fabs(x) + least_scale))
            break;
    }
    return x;
}

static void mixture_inverse_forward(const mr_node *node, mr_rows rows) {
    block b;
    for (size_t row = rows.first; row < rows.first + rows.n; row++) {
        mr_real *x = mr_row(node->value, node, row);
        double log_det = 0;
        for (size_t first = 0; first < node->input[0]->cols; first += LANES) {
            const mr_real *y = mr_row(node->input[0]->value, node->input[0], row) + first;
            read_mixtures(node, row, first, count_lanes(node, first), &b);
            for (size_t i = 0; i < b.n; i++) {
                const mixture m = mixture_of(&b, i);
                x[first + i] = (mr_real)find_root(&m, (double)y[i]);
            }
            look_at(&b, x + first);
            log_det -= sum_log_slopes(&b);
        }
        x[node->cols - 1] = (mr_real)log_det;
    }
}

// ---- Backward
//
// With P_k, Q_k and R_k the parts that component k has in F, 1 - F and f, a loss with the gradients
// A of y and B of l = log dy/dx has
//
//     d/d a_k = A (P_k sigmoid(-a_k) + Q_k sigmoid(a_k))
//             + B (R_k (sigmoid(-a_k) - sigmoid(a_k)) - P_k sigmoid(-a_k) + Q_k sigmoid(a_k))
//     d/d log pi_k = A (P_k - Q_k) + B (R_k - P_k - Q_k)
//
// Going back from y to x the same derivatives serve, by the implicit function theorem: B = -dl,
// A = -(dx + B dl/dx) / (dy/dx).

/// sigmoid(a), sigmoid(-a) and the parts of the components.
typedef struct {
    mr_real sigmoid[SIZE], rest[SIZE], part[N_SUMS][SIZE];
} parts;

static void find_parts(const block *b, parts *p) {
    mr_vexp(b->total, b->log_sigmoid, p->sigmoid);
    mr_vexp(b->total, b->log_rest, p->rest);
    for (size_t s = 0; s < N_SUMS; s++) {
        for (size_t j = 0; j < b->total; j++)
            p->part[s][j] = b->term[s][j] - b->log_sum[s][j % b->n];
        mr_vexp(b->total, p->part[s], p->part[s]);
    }
}

static mr_real y_by_a(const parts *p, size_t j) {
    return p->part[BELOW][j] * p->rest[j] + p->part[ABOVE][j] * p->sigmoid[j];
}

static mr_real l_by_a(const parts *p, size_t j) {
    return p->part[HERE][j] * (p->rest[j] - p->sigmoid[j]) - p->part[BELOW][j] * p->rest[j] +
           p->part[ABOVE][j] * p->sigmoid[j];
}

// A and B of the inverse, from the gradients dx [n] of its results and dl of its log |det|.
static void turn(const block *b, const parts *p, mr_real *of_y, mr_real *of_l) {
    mr_real slope[LANES];
    for (size_t i = 0; i < b->n; i++)
        slope[i] = log_slope(b, i);
    mr_vexp(b->n, slope, slope);
    for (size_t i = 0; i < b->n; i++) {
        mr_real l_by_x = 0;
        for (size_t j = i; j < b->total; j += b->n)
            l_by_x += l_by_a(p, j) * b->inverse_scale[j];
        of_l[i] = -of_l[i];
        of_y[i] = -(of_y[i] + of_l[i] * l_by_x) / slope[i];
    }
}

static void pass_to_raw(const mr_node *node, const block *b, const parts *p, size_t row,
                        size_t first, const mr_real *of_y, const mr_real *of_l) {
    const size_t dim = node->input[0]->cols, n = b->n, n_components = b->n_components;
    mr_real weight[SIZE], by_weight[SIZE], by_mean[SIZE], by_log_scale[SIZE];
    mr_real *d_raw = mr_row(node->input[1]->grad, node->input[1], row) + first;
    mr_vexp(b->total, b->log_weight, weight);
    for (size_t j = 0; j < b->total; j++) {
        const mr_real A = of_y[j % n], B = of_l[j % n];
        const mr_real by_a = A * y_by_a(p, j) + B * l_by_a(p, j);
        // sum_k d/d log pi_k = -B, by which a logit's gradient is d/d log pi_k + pi_k B.
        by_weight[j] = A * (p->part[BELOW][j] - p->part[ABOVE][j]) +
                       B * (p->part[HERE][j] - p->part[BELOW][j] - p->part[ABOVE][j] + weight[j]);
        by_mean[j] = -by_a * b->inverse_scale[j];
        by_log_scale[j] = -by_a * b->a[j] - B * p->part[HERE][j];
    }
    for (size_t k = 0; k < n_components; k++) {
        mr_put(node->adds[1], n, by_weight + k * n, d_raw + k * dim);
        mr_put(node->adds[1], n, by_mean + k * n, d_raw + (n_components + k) * dim);
        mr_put(node->adds[1], n, by_log_scale + k * n, d_raw + (2 * n_components + k) * dim);
    }
}

static void differentiate(const mr_node *node, mr_rows rows, bool inverse) {
    block b;
    parts p;
    mr_real of_y[LANES], of_l[LANES], by_x[LANES];
    for (size_t row = rows.first; row < rows.first + rows.n; row++)
        for (size_t first = 0; first < node->input[0]->cols; first += LANES) {
            const mr_node *from = inverse ? node : node->input[0];
            const mr_real *up = mr_row(node->grad, node, row);
            read_mixtures(node, row, first, count_lanes(node, first), &b);
            look_at(&b, mr_row(from->value, from, row) + first);
            find_parts(&b, &p);
            for (size_t i = 0; i < b.n; i++) {
                of_y[i] = up[first + i];
                of_l[i] = up[node->cols - 1];
            }
            if (inverse)
                turn(&b, &p, of_y, of_l);
            for (size_t i = 0; i < b.n; i++) {
                by_x[i] = inverse ? -of_y[i] : 0;
                for (size_t j = i; j < b.total && !inverse; j += b.n)
                    by_x[i] +=
                        (of_y[i] * y_by_a(&p, j) + of_l[i] * l_by_a(&p, j)) * b.inverse_scale[j];
            }
            if (mr_node_passes(node, 0))
                mr_put(node->adds[0], b.n, by_x,
                       mr_row(node->input[0]->grad, node->input[0], row) + first);
            if (mr_node_passes(node, 1))
                pass_to_raw(node, &b, &p, row, first, of_y, of_l);
        }
}

static void mixture_backward(const mr_node *node, mr_rows rows) {
    differentiate(node, rows, false);
}

static void mixture_inverse_backward(const mr_node *node, mr_rows rows) {
    differentiate(node, rows, true);
}

// ---- The ops

static const mr_op op_mixture = {
    .name = "logistic_mixture",
    .options_size = sizeof(mr_logistics),
    .reads = MR_READS_INPUTS,
    .forward = mixture_forward,
    .backward = mixture_backward,
};

static const mr_op op_mixture_inverse = {
    .name = "logistic_mixture_inverse",
    .options_size = sizeof(mr_logistics),
    .reads = MR_READS_INPUTS | MR_READS_OUTPUT,
    .forward = mixture_inverse_forward,
    .backward = mixture_inverse_backward,
};

static mr_node *mixture_new(const mr_op *op, mr_node *x, mr_node *raw, mr_logistics logistics) {
    if (!x || !raw)
        return NULL;
    assert(logistics.n >= 1 && logistics.n <= MR_MAX_LOGISTICS);
    assert(raw->cols == 3 * logistics.n * x->cols);
    return mr_node_of(op, x->cols + 1, &logistics, 2, (mr_node *[]){x, raw});
}

mr_node *mr_logistic_mixture_forward(mr_node *x, mr_node *raw, mr_logistics logistics) {
    return mixture_new(&op_mixture, x, raw, logistics);
}

mr_node *mr_logistic_mixture_inverse(mr_node *y, mr_node *raw, mr_logistics logistics) {
    return mixture_new(&op_mixture_inverse, y, raw, logistics);
}
