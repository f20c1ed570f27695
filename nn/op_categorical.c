// Categorical distributions over evenly spaced atoms, as distributional critics have them. Source:
// Bellemare et al. 2017 (arXiv:1707.06887), C51.

#include "nn/op.h"

#include "base/vmath.h"

#include <math.h>

enum { LANES = 8 };

typedef struct {
    mr_atoms atoms;
    mr_real *scratch; // [n_threads x cols of the logits]
} categorical_options;

static const categorical_options *options_of(const mr_node *node) {
    return node->options;
}

static mr_real *scratch_of(const mr_node *node, mr_rows rows) {
    return options_of(node)->scratch + (size_t)rows.thread * node->input[0]->cols;
}

// z_j = low + j spacing
static mr_real spacing(mr_atoms atoms, size_t n) {
    return (mr_real)((atoms.high - atoms.low) / (double)(n - 1));
}

// In lanes, since a maximum of NaN is one that compilers don't reorder.
static mr_real largest(size_t n, const mr_real *x) {
    mr_real lane[LANES];
    for (size_t k = 0; k < LANES; k++)
        lane[k] = x[0];
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
        for (size_t k = 0; k < LANES; k++)
            lane[k] = x[j + k] > lane[k] ? x[j + k] : lane[k];
    for (; j < n; j++)
        lane[0] = x[j] > lane[0] ? x[j] : lane[0];
    for (size_t k = 1; k < LANES; k++)
        lane[0] = lane[k] > lane[0] ? lane[k] : lane[0];
    return lane[0];
}

// p = exp(x - max x), not divided by its sum, which is returned.
static mr_real exponentials(size_t n, const mr_real *x, mr_real *p) {
    const mr_real top = largest(n, x);
    mr_real sum = 0;
    for (size_t j = 0; j < n; j++)
        p[j] = x[j] - top;
    mr_vexp(n, p, p);
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < n; j++)
        sum += p[j];
    return sum;
}

// The mean over atoms of a distribution p / sum.
static mr_real mean_of(mr_atoms atoms, size_t n, const mr_real *p, mr_real sum) {
    mr_real weighted = 0;
#pragma omp simd reduction(+ : weighted)
    for (size_t j = 0; j < n; j++)
        weighted += (mr_real)j * p[j];
    return (mr_real)atoms.low + spacing(atoms, n) * (weighted / sum);
}

static mr_node *node_on(const mr_op *op, size_t cols, mr_atoms atoms, size_t n,
                        mr_node *const *input) {
    if (!input[0])
        return NULL;
    assert(input[0]->cols >= 2 && atoms.low < atoms.high);
    const categorical_options options = {atoms, mr_graph_scratch(input[0]->graph, input[0]->cols)};
    return mr_node_of(op, cols, &options, n, input);
}

// ---- The mean

static void mean_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    mr_real *p = scratch_of(node, rows);
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real sum = exponentials(x->cols, mr_row(x->value, x, i), p);
        node->value[i] = mean_of(options_of(node)->atoms, x->cols, p, sum);
    }
}

// dx_j = p_j (z_j - mean) dy. A row without a gradient, of the larger one under mr_min, needs no
// exponentials.
static void mean_backward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0];
    const mr_atoms atoms = options_of(node)->atoms;
    const mr_real low = (mr_real)atoms.low, dz = spacing(atoms, x->cols);
    mr_real *p = scratch_of(node, rows);
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        mr_real dy = 0, mean = node->value[i];
        if (node->grad[i] != 0)
            dy = node->grad[i] / exponentials(x->cols, mr_row(x->value, x, i), p);
        for (size_t j = 0; j < x->cols; j++)
            p[j] = dy == 0 ? 0 : dy * p[j] * (low + (mr_real)j * dz - mean);
        mr_put(node->adds[0], x->cols, p, mr_row(x->grad, x, i));
    }
}

static const mr_op op_mean = {
    .name = "categorical_mean",
    .options_size = sizeof(categorical_options),
    .reads = MR_READS_INPUTS | MR_READS_OUTPUT,
    .forward = mean_forward,
    .backward = mean_backward,
};

mr_node *mr_categorical_mean(mr_node *logits, mr_atoms atoms) {
    return node_on(&op_mean, 1, atoms, 1, &logits);
}

// ---- The probabilities of the distribution with the least mean

static void least_forward(const mr_node *node, mr_rows rows) {
    const size_t n = node->cols;
    mr_real *p = scratch_of(node, rows);
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        mr_real *least = mr_row(node->value, node, i), least_mean = 0;
        for (size_t k = 0; k < node->n_inputs; k++) {
            const mr_node *x = node->input[k];
            const mr_real sum = exponentials(n, mr_row(x->value, x, i), p);
            const mr_real mean = mean_of(options_of(node)->atoms, n, p, sum);
            if (k > 0 && mean >= least_mean)
                continue;
            least_mean = mean;
            for (size_t j = 0; j < n; j++)
                least[j] = p[j] / sum;
        }
    }
}

static const mr_op op_least = {
    .name = "categorical_least",
    .options_size = sizeof(categorical_options),
    .forward = least_forward,
};

mr_node *mr_categorical_least(size_t n, mr_node *const *logits, mr_atoms atoms) {
    return logits[0] ? node_on(&op_least, logits[0]->cols, atoms, n, logits) : NULL;
}

// ---- The projection

// The atom z_j, moved to scale z_j + shift, lies at the place b_j = b_0 + scale j between atoms
// floor(b_j) and floor(b_j) + 1, and shares its mass between them so that the mean is kept.
static void project_row(size_t n, const mr_real *p, mr_real b_0, mr_real scale, mr_real *out) {
    const mr_real end = (mr_real)(n - 1);
    for (size_t j = 0; j < n; j++)
        out[j] = 0;
    for (size_t j = 0; j < n; j++) {
        mr_real b = b_0 + scale * (mr_real)j;
        b = b > 0 ? b : 0; // NaN too
        b = b < end ? b : end;
        const size_t below = b < end ? (size_t)b : n - 2;
        const mr_real above = b - (mr_real)below;
        out[below] += p[j] * (1 - above);
        out[below + 1] += p[j] * above;
    }
}

static void project_forward(const mr_node *node, mr_rows rows) {
    const mr_atoms atoms = options_of(node)->atoms;
    const mr_real low = (mr_real)atoms.low, dz = spacing(atoms, node->cols);
    const mr_node *p = node->input[0], *scale = node->input[1], *shift = node->input[2];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real moved = scale->value[i] * low + shift->value[i];
        project_row(node->cols, mr_row(p->value, p, i), (moved - low) / dz, scale->value[i],
                    mr_row(node->value, node, i));
    }
}

static const mr_op op_project = {
    .name = "categorical_project",
    .options_size = sizeof(categorical_options),
    .forward = project_forward,
};

mr_node *mr_categorical_project(mr_node *p, mr_node *scale, mr_node *shift, mr_atoms atoms) {
    if (!p || !scale || !shift)
        return NULL;
    assert(scale->cols == 1 && shift->cols == 1);
    return node_on(&op_project, p->cols, atoms, 3, (mr_node *[]){p, scale, shift});
}

// ---- The cross-entropy

// -sum_j p_j log softmax(x)_j = log(sum exp x) sum p - sum_j p_j x_j
static void cross_entropy_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0], *p = node->input[1];
    mr_real *e = scratch_of(node, rows);
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *logits = mr_row(x->value, x, i), *target = mr_row(p->value, p, i);
        const mr_real top = largest(x->cols, logits);
        const mr_real log_sum = (mr_real)log((double)exponentials(x->cols, logits, e));
        mr_real sum = 0;
        // Each term is of one sign: nothing cancels.
#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < x->cols; j++)
            sum += target[j] * (log_sum - (logits[j] - top));
        node->value[i] = sum;
    }
}

// dx_j = (softmax(x)_j sum p - p_j) dy
static void cross_entropy_backward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[0], *p = node->input[1];
    mr_real *e = scratch_of(node, rows);
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *target = mr_row(p->value, p, i);
        const mr_real dy = node->grad[i], sum = exponentials(x->cols, mr_row(x->value, x, i), e);
        mr_real mass = 0;
#pragma omp simd reduction(+ : mass)
        for (size_t j = 0; j < x->cols; j++)
            mass += target[j];
        for (size_t j = 0; j < x->cols; j++)
            e[j] = dy * (e[j] * (mass / sum) - target[j]);
        mr_put(node->adds[0], x->cols, e, mr_row(x->grad, x, i));
    }
}

static const mr_op op_cross_entropy = {
    .name = "cross_entropy",
    .options_size = sizeof(categorical_options),
    .reads = MR_READS_INPUTS,
    .forward = cross_entropy_forward,
    .backward = cross_entropy_backward,
};

mr_node *mr_cross_entropy(mr_node *logits, mr_node *p) {
    if (!logits || !p)
        return NULL;
    assert(logits->cols == p->cols);
    const categorical_options options = {.scratch = mr_graph_scratch(logits->graph, logits->cols)};
    return mr_node_of(&op_cross_entropy, 1, &options, 2, (mr_node *[]){logits, p});
}
