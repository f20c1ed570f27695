// Variational inference (Rezende and Mohamed 2015, arXiv:1505.05770): one graph, built once.

#include "flows/vi.h"

#include "flows/density_internal.h"
#include "nn/optim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    REPORT_STEPS = 100, // between two calls of the watcher
    N_FRESH = 50000,    // samples that the result is measured by
    BATCH = 1024,       // points that the target alone is computed for at a time
};

static const double first_weight = 0.01; // of the target when annealing begins: the paper's
static const double wide_scale = 3;      // of the base's noise, where mass outside is looked for
static const double pi = 3.14159265358979323846;

/// u ~ q by noise, x = shift + scale u; loss = log q(x) - weight log p~(x).
typedef struct {
    mr_density *density;
    const mr_target *target;
    mr_vi_options options;
    mr_graph *graph;
    mr_node *noise;
    mr_node *weight;        // [rows x 1]
    mr_node *shift, *scale; // [rows x dim] each row the same
    mr_node *log_p, *log_q;
    mr_node *loss;
} fit;

mr_vi_options mr_vi_defaults(void) {
    return (mr_vi_options){.lr = 0.005,
                           .clip_norm = 10,
                           .batch_size = 256,
                           .n_steps = 10000,
                           .anneal = 0.25,
                           .seed = 1,
                           .n_threads = 1};
}

// ---- The target alone

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

mr_status mr_target_log_prob(const mr_target *target, int n_threads, size_t n, const double *x,
                             double *log_prob) {
    mr_status status;
    const size_t dim = target->dim;
    mr_graph *graph = NULL;
    MR_TRY(mr_graph_new(smaller(n, BATCH), n_threads, &graph));
    mr_node *points = mr_input(graph, dim, false);
    mr_node *result = mr_keep(target->build(target, points));
    MR_TRY(mr_graph_plan(graph, NULL, 0, NULL));
    for (size_t first = 0; first < n; first += BATCH) {
        const size_t n_rows = smaller(n - first, BATCH);
        for (size_t i = 0; i < n_rows * dim; i++)
            mr_node_value(points)[i] = (mr_real)x[first * dim + i];
        mr_graph_run(graph, n_rows);
        for (size_t i = 0; i < n_rows; i++)
            log_prob[first + i] = (double)mr_node_value(result)[i];
    }
done:
    mr_graph_free(graph);
    return status;
}

// ---- Building

// Gives every row of an input the same values.
static void fill_rows(const fit *f, mr_node *input, const double *values) {
    const size_t n = mr_node_cols(input);
    for (size_t i = 0; i < f->options.batch_size * n; i++)
        mr_node_value(input)[i] = (mr_real)values[i % n];
}

static mr_status build(fit *f) {
    mr_params *trained = mr_density_params(f->density);
    const size_t dim = f->target->dim;
    mr_node *log_q;
    mr_status status = mr_graph_new(f->options.batch_size, f->options.n_threads, &f->graph);
    if (status != MR_OK)
        return status;
    f->noise = mr_input(f->graph, dim, false);
    f->weight = mr_input(f->graph, 1, false);
    f->shift = mr_input(f->graph, dim, false);
    f->scale = mr_input(f->graph, dim, false);
    mr_node *u = mr_density_build_sample(f->density, f->noise, &log_q);
    mr_node *x = mr_add(f->shift, mr_mul(f->scale, u));
    f->log_q = mr_keep(mr_affine(log_q, 1, -mr_density_log_scale(f->density)));
    f->log_p = mr_keep(f->target->build(f->target, x));
    f->loss = mr_sub(f->log_q, mr_mul(f->weight, f->log_p));
    status = mr_graph_plan(f->graph, f->loss, 1, &trained);
    if (status != MR_OK)
        return status;
    fill_rows(f, f->shift, mr_density_shift(f->density));
    fill_rows(f, f->scale, mr_density_scale(f->density));
    return MR_OK;
}

static void run(const fit *f, mr_random *random, double weight, double noise_scale, size_t n_rows) {
    mr_real *noise = mr_node_value(f->noise);
    const size_t n = n_rows * f->target->dim;
    mr_random_fill_normal(random, n, noise);
    for (size_t i = 0; i < n && noise_scale != 1; i++)
        noise[i] *= (mr_real)noise_scale;
    fill_rows(f, f->weight, &weight);
    mr_graph_run(f->graph, n_rows);
}

static mr_status fail_bound(const fit *f, size_t step, double elbo) {
    return mr_fail(MR_ERR_NUMERIC,
                   "target %s: the bound or its gradient is not finite after %zu steps (bound %g); "
                   "try a smaller learning rate, or look at where the target's density is 0",
                   f->target->name, step, elbo);
}

// ---- Fitting

static double learning_rate(const mr_vi_options *options, size_t step) {
    return options->lr * (1 + cos(pi * (double)step / (double)options->n_steps)) / 2;
}

static double annealed_weight(const mr_vi_options *options, size_t step) {
    const double n_annealed = options->anneal * (double)options->n_steps;
    if ((double)step >= n_annealed)
        return 1;
    return first_weight + (1 - first_weight) * (double)step / n_annealed;
}

static mr_status take_step(fit *f, mr_adam *adam, size_t step, double *elbo) {
    const size_t n = f->options.batch_size;
    mr_params *params = mr_density_params(f->density);
    mr_random random = mr_random_stream(f->options.seed, MR_STREAM_VI, step + 1);
    run(f, &random, annealed_weight(&f->options, step), 1, n);
    *elbo = mr_node_mean(f->log_p, n) - mr_node_mean(f->log_q, n);
    const double norm = mr_grad_clip(params, f->options.clip_norm);
    if (!isfinite(*elbo) || !isfinite(norm))
        return fail_bound(f, step, *elbo);
    adam->lr = learning_rate(&f->options, step);
    mr_adam_step(adam, params, f->options.n_threads);
    return MR_OK;
}

static mr_status take_steps(fit *f, mr_vi_watcher watcher, void *self,
                            const volatile sig_atomic_t *stop, size_t *n_steps) {
    mr_adam adam = mr_adam_new(f->options.lr);
    double elbo, sum = 0;
    size_t step;
    for (step = 0; step < f->options.n_steps && !(stop && *stop); step++) {
        const mr_status status = take_step(f, &adam, step, &elbo);
        if (status != MR_OK)
            return status;
        sum += elbo;
        if ((step + 1) % REPORT_STEPS > 0)
            continue;
        if (watcher)
            watcher(self, &(mr_vi_progress){.n_steps = step + 1, .elbo = sum / REPORT_STEPS});
        sum = 0;
    }
    *n_steps = step;
    return MR_OK;
}

// ---- Measuring

// The mean of n values, and the standard error of that mean.
static void measure_mean(size_t n, const double *values, double *mean, double *error) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - sum) * (values[i] - sum);
    *mean = sum;
    *error = sqrt(squares / (double)(n - 1) / (double)n);
}

/// Importance ratios, summed up.
typedef struct {
    double log_mean, error, n_effective, k;
} ratios;

// log mean exp(l), through the largest l; its standard error by the delta method. Overwrites l.
static mr_status measure_ratios(size_t n, double *l, ratios *r) {
    double largest = l[0], mean, mean_error, sum = 0, squares = 0;
    const mr_status status = mr_pareto_k(n, l, &r->k);
    if (status != MR_OK)
        return status;
    for (size_t i = 1; i < n; i++)
        largest = fmax(largest, l[i]);
    for (size_t i = 0; i < n; i++) {
        l[i] = exp(l[i] - largest);
        sum += l[i];
        squares += l[i] * l[i];
    }
    measure_mean(n, l, &mean, &mean_error);
    r->log_mean = largest + log(mean);
    r->error = mean_error / mean;
    r->n_effective = sum * sum / squares;
    return MR_OK;
}

// log p~ - log q of fresh samples [N_FRESH] whose noise is standard normal times `scale`.
static void draw_log_ratios(const fit *f, mr_random *random, double scale, double *log_ratio,
                            double *noise_squared) {
    const size_t dim = f->target->dim;
    for (size_t first = 0; first < N_FRESH; first += f->options.batch_size) {
        const size_t n_rows = smaller(N_FRESH - first, f->options.batch_size);
        run(f, random, 1, scale, n_rows);
        const mr_real *log_p = mr_node_value(f->log_p), *log_q = mr_node_value(f->log_q);
        const mr_real *noise = mr_node_value(f->noise);
        for (size_t i = 0; i < n_rows; i++) {
            double sum = 0;
            for (size_t j = 0; j < dim; j++)
                sum += (double)noise[i * dim + j] * (double)noise[i * dim + j];
            log_ratio[first + i] = (double)log_p[i] - (double)log_q[i];
            noise_squared[first + i] = sum;
        }
    }
}

// Makes of log p~/q the logarithm of p~/m, where m = (q + w)/2 and w is q with a base that is
// wide_scale times as wide: w/q = wide_scale^-dim exp((1 - wide_scale^-2) |noise|^2 / 2). The
// mixture keeps p~/m below 2 p~/q (Hesterberg 1995). Where float32 holds no number, the target is
// taken to be 0.
static void divide_by_mixture(size_t n, size_t dim, const double *noise_squared, double *l) {
    for (size_t i = 0; i < n; i++) {
        const double log_w = -(double)dim * log(wide_scale) +
                             (1 - 1 / (wide_scale * wide_scale)) * noise_squared[i] / 2;
        // log((1 + e^log_w) / 2)
        const double log_m = fmax(log_w, 0) + log1p(exp(-fabs(log_w))) - log(2);
        l[i] = isfinite(l[i]) ? l[i] - log_m : -INFINITY;
    }
}

static mr_status measure(const fit *f, mr_vi_result *result) {
    mr_status status;
    mr_random random = mr_random_stream(f->options.seed, MR_STREAM_VI, 0);
    ratios narrow, wide;
    double *bound = calloc(N_FRESH, sizeof *bound);
    double *mixed = calloc((size_t)2 * N_FRESH, sizeof *mixed);
    double *noise_squared = calloc((size_t)2 * N_FRESH, sizeof *noise_squared);
    if (!bound || !mixed || !noise_squared) {
        status = mr_fail_memory("the samples");
        goto done;
    }
    draw_log_ratios(f, &random, 1, mixed, noise_squared);
    draw_log_ratios(f, &random, wide_scale, mixed + N_FRESH, noise_squared + N_FRESH);
    memcpy(bound, mixed, N_FRESH * sizeof *bound);
    measure_mean(N_FRESH, bound, &result->elbo, &result->elbo_stderr);
    if (!isfinite(result->elbo)) {
        status = fail_bound(f, result->n_steps, result->elbo);
        goto done;
    }
    MR_TRY(measure_ratios(N_FRESH, bound, &narrow));
    divide_by_mixture((size_t)2 * N_FRESH, f->target->dim, noise_squared, mixed);
    MR_TRY(measure_ratios((size_t)2 * N_FRESH, mixed, &wide));
    result->log_z = narrow.log_mean;
    result->log_z_stderr = narrow.error;
    result->n_effective = narrow.n_effective;
    result->pareto_k = narrow.k;
    result->wide_log_z = wide.log_mean;
    result->wide_log_z_stderr = wide.error;
    result->wide_pareto_k = wide.k;
done:
    free(bound);
    free(mixed);
    free(noise_squared);
    return status;
}

const char *mr_vi_doubt(const mr_vi_result *result) {
    static const double max_k = 0.7, n_errors = 4, rounding = 0.01;
    const double error = hypot(result->log_z_stderr, result->wide_log_z_stderr);
    if (result->pareto_k > max_k || result->wide_pareto_k > max_k)
        return "a few samples outweigh all others (Pareto k above 0.7)";
    if (fabs(result->log_z - result->wide_log_z) > n_errors * error + rounding)
        return "the target has mass where the flow has none (the wider estimate differs)";
    return NULL;
}

mr_status mr_vi(mr_density *density, const mr_target *target, const mr_vi_options *options,
                mr_vi_watcher watcher, void *self, const volatile sig_atomic_t *stop,
                mr_vi_result *result) {
    mr_status status;
    fit f = {.density = density, .target = target, .options = *options};
    mr_vi_result measured = {0};
    assert(mr_density_dim(density) == target->dim);
    if (!mr_density_is_plain(density))
        return mr_fail(MR_ERR_USAGE, "variational inference takes a density over the base "
                                     "'normal' without given, bounded or circular columns");
    if (target->shift)
        MR_TRY(mr_density_set_scale(density, target->shift, target->scale));
    MR_TRY(build(&f));
    MR_TRY(take_steps(&f, watcher, self, stop, &measured.n_steps));
    MR_TRY(measure(&f, &measured));
    *result = measured;
done:
    mr_graph_free(f.graph);
    return status;
}
