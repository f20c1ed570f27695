// Maximum likelihood fitting.

#include "millrace/fit.h"

#include "flows/density_internal.h"
#include "flows/fit_internal.h"
#include "base/threads.h"
#include "base/clock.h"
#include "base/number.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SCORE_BATCH = 1024, // held-out rows that are scored at a time
    N_KEPT = 4,         // values, both moments, average
    MAX_LIST = 400,     // bytes, in a message
};

static const double checkpoint_interval = 2; // s

// What is validated and kept is an exponential moving average of the parameters (Polyak's), whose
// decay is 1 - ema_rate; early on the rate is higher (ema_rate_at). The average has half the noise
// of the last steps. Above all it tames the far tails, in which a single fresh row can cost more
// than all others together: measured by tests/oracle/flow_gaps.py.
static const double ema_rate = 0.005;

// Whenever a third of the patience has passed without a better held-out likelihood, the learning
// rate falls to 0.3 of itself.
static const double lr_fall = 0.3;
static const size_t falls_in_patience = 3;

mr_fit_options mr_fit_defaults(void) {
    return (mr_fit_options){.lr = 4e-3,
                            .batch_size = 256,
                            .max_epochs = 1000,
                            .patience = 30,
                            .held_out = 0.1,
                            .clip_norm = 10,
                            .seed = 1,
                            .n_threads = 1};
}

/// Rows of data, standardised.
typedef struct {
    size_t n;
    mr_real *u;       // [n x width]
    mr_real *weight;  // [n] their mean is 1; NULL: all are
    double log_scale; // what a mean log-density in x is smaller by than that in u
} rows;

/// A graph that computes the log-density of its input's rows, times their weights if there are any.
typedef struct {
    mr_graph *graph;
    mr_node *u, *weight, *log_prob;
} likelihood;

typedef struct {
    const mr_fit_options *options;
    mr_fit_state state;
    mr_params *params; // the density's
    size_t width;      // of a row
    rows trained, held_out;
    size_t *order; // [trained.n] of this epoch
    likelihood training, validation;
    // The state of the parameters at the end of the last whole epoch.
    mr_real *kept[N_KEPT];
    uint64_t kept_steps;
    double saved_s; // mr_clock_s, when the checkpoint was last written
} fit;

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

// ---- The data

static bool is_constant(size_t n, size_t dim, const double *column) {
    for (size_t i = 1; i < n; i++)
        if (column[i * dim] != column[0])
            return false;
    return true;
}

// Names all of them at once.
static mr_status check_constants(size_t n, size_t dim, const double *x) {
    char list[MAX_LIST] = "", value[32];
    size_t n_constant = 0;
    for (size_t j = 0; j < dim; j++) {
        const size_t used = strlen(list);
        if (!is_constant(n, dim, x + j))
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
                   n_constant, dim, list);
}

static mr_status check_weights(size_t n, const double *weights) {
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

static mr_status check_data(size_t n, size_t dim, const double *x, const double *weights) {
    if (n < 2)
        return mr_fail(MR_ERR_INPUT, "the data has %zu row; a fit needs two at least", n);
    const mr_status status = check_weights(n, weights);
    return status == MR_OK ? check_constants(n, dim, x) : status;
}

// A random order of 0 .. n-1 (Fisher and Yates).
static void shuffle(mr_random random, size_t n, size_t *order) {
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n; i > 1; i--) {
        const size_t j = mr_random_below(&random, i), last = order[i - 1];
        order[i - 1] = order[j];
        order[j] = last;
    }
}

// The weighted mean of what a log-density in x is smaller by than that in u.
static double mean_log_scale(const fit *f, size_t n, const double *x, const double *weights) {
    const mr_density *density = f->state.density;
    double sum = 0, total = 0;
    for (size_t i = 0; i < n; i++) {
        const double weight = weights ? weights[i] : 1;
        sum += weight * mr_density_log_slope(density, x + i * f->width);
        total += weight;
    }
    return mr_density_log_scale(density) - sum / total;
}

static mr_status standardise(const fit *f, size_t n, const double *x, const double *weights,
                             rows *out) {
    double sum = 0;
    out->n = n;
    out->u = malloc(n * f->width * sizeof *out->u);
    out->weight = weights ? malloc(n * sizeof *out->weight) : NULL;
    if (!out->u || (weights && !out->weight))
        return mr_fail_memory("the data");
    mr_density_standardise(f->state.density, n, x, out->u);
    for (size_t i = 0; i < n && weights; i++)
        sum += weights[i] / (double)n;
    if (weights && sum <= 0)
        return mr_fail(MR_ERR_INPUT, "all rows of a part of the data have the weight 0; give other "
                                     "weights or another seed");
    for (size_t i = 0; i < n && weights; i++)
        out->weight[i] = (mr_real)(weights[i] / sum);
    out->log_scale = mean_log_scale(f, n, x, weights);
    return MR_OK;
}

static size_t count_held_out(size_t n, double share) {
    const size_t n_held_out = (size_t)round((double)n * share);
    return n_held_out < 1 ? 1 : smaller(n_held_out, n - 1);
}

// Splits the rows at random; the density starts from those that it will be trained on.
static mr_status split(fit *f, size_t n, const double *x) {
    mr_status status;
    const size_t n_trained = n - count_held_out(n, f->options->held_out);
    const double *weights = f->options->weights;
    size_t *order = malloc(n * sizeof *order);
    double *mixed = malloc(n * f->width * sizeof *mixed);
    double *weight = weights ? malloc(n * sizeof *weight) : NULL;
    if (!order || !mixed || (weights && !weight)) {
        status = mr_fail_memory("the data");
        goto done;
    }
    shuffle(mr_random_stream(f->options->seed, MR_STREAM_SPLIT, 0), n, order);
    for (size_t i = 0; i < n; i++)
        memcpy(mixed + i * f->width, x + order[i] * f->width, f->width * sizeof *mixed);
    for (size_t i = 0; i < n && weights; i++)
        weight[i] = weights[order[i]];
    MR_TRY(mr_density_start(f->state.density, n_trained, mixed, weight));
    MR_TRY(standardise(f, n_trained, mixed, weight, &f->trained));
    MR_TRY(standardise(f, n - n_trained, mixed + n_trained * f->width,
                       weight ? weight + n_trained : NULL, &f->held_out));
done:
    free(order);
    free(mixed);
    free(weight);
    return status;
}

// ---- Building

static mr_status build_likelihood(const fit *f, size_t max_rows, bool trains, likelihood *s) {
    mr_params *trained = f->params;
    const mr_status status = mr_graph_new(max_rows, f->options->n_threads, &s->graph);
    if (status != MR_OK)
        return status;
    s->u = mr_input(s->graph, f->width, false);
    s->weight = f->options->weights ? mr_input(s->graph, 1, false) : NULL;
    s->log_prob = mr_density_build_log_prob(f->state.density, s->u);
    if (s->weight)
        s->log_prob = mr_mul(s->weight, s->log_prob);
    mr_keep(s->log_prob);
    mr_node *loss = trains ? mr_affine(s->log_prob, -1, 0) : NULL;
    return mr_graph_plan(s->graph, loss, trains ? 1 : 0, &trained);
}

static mr_status build(fit *f) {
    mr_status status;
    const size_t n_params = mr_params_size(f->params);
    f->state.best = malloc(n_params * sizeof *f->state.best);
    f->order = malloc(f->trained.n * sizeof *f->order);
    bool is_allocated = f->state.best && f->order;
    for (size_t k = 0; k < N_KEPT; k++) {
        f->kept[k] = malloc(n_params * sizeof *f->kept[k]);
        is_allocated = is_allocated && f->kept[k];
    }
    if (!is_allocated)
        return mr_fail_memory("a fit");
    memcpy(f->state.best, mr_params_read(f->params), n_params * sizeof *f->state.best);
    MR_TRY(mr_params_copy(f->params, &f->state.average));
    const size_t batch_size = smaller(f->options->batch_size, f->trained.n);
    MR_TRY(build_likelihood(f, batch_size, true, &f->training));
    MR_TRY(build_likelihood(f, smaller(SCORE_BATCH, f->held_out.n), false, &f->validation));
done:
    return status;
}

static void release(fit *f) {
    mr_graph_free(f->training.graph);
    mr_graph_free(f->validation.graph);
    free(f->trained.u);
    free(f->trained.weight);
    free(f->held_out.u);
    free(f->held_out.weight);
    free(f->order);
    free(f->state.best);
    mr_params_free(f->state.average);
    for (size_t k = 0; k < N_KEPT; k++)
        free(f->kept[k]);
}

// ---- The state at the end of an epoch

static mr_real *kept_array(const fit *f, size_t k) {
    mr_real *const arrays[N_KEPT] = {mr_params_value(f->params), mr_params_moment(f->params, 1),
                                     mr_params_moment(f->params, 2),
                                     mr_params_value(f->state.average)};
    return arrays[k];
}

static void keep_state(fit *f) {
    const size_t n_bytes = mr_params_size(f->params) * sizeof(mr_real);
    for (size_t k = 0; k < N_KEPT; k++)
        memcpy(f->kept[k], kept_array(f, k), n_bytes);
    f->kept_steps = f->state.adam.n_steps;
}

static void return_to_kept(fit *f) {
    const size_t n_bytes = mr_params_size(f->params) * sizeof(mr_real);
    for (size_t k = 0; k < N_KEPT; k++)
        memcpy(kept_array(f, k), f->kept[k], n_bytes);
    f->state.adam.n_steps = f->kept_steps;
}

static mr_status save(fit *f) {
    const char *path = f->options->checkpoint;
    f->saved_s = mr_clock_s();
    if (!path)
        return MR_OK;
    return mr_fit_state_save(&f->state, f->options, f->trained.n + f->held_out.n, path);
}

// Goes on from a checkpoint if there is one. Else saves one, so that a path that cannot be written
// to is known before the work.
static mr_status resume_or_save(fit *f) {
    const char *path = f->options->checkpoint;
    if (!path || access(path, F_OK) != 0)
        return save(f);
    f->saved_s = mr_clock_s();
    return mr_fit_state_load(&f->state, f->options, f->trained.n + f->held_out.n, path);
}

static bool is_save_due(const fit *f) {
    return f->options->checkpoint && mr_clock_s() - f->saved_s >= checkpoint_interval;
}

// ---- An epoch

// The (weighted) sum of the log-densities that a run left. Over all of `rows` it is that with
// respect to the data as given.
static double sum_of(const rows *of, const likelihood *s, size_t n) {
    double weight = 1;
    if (s->weight)
        weight = mr_node_mean(s->weight, n);
    return (mr_node_mean(s->log_prob, n) - weight * of->log_scale) * (double)n;
}

static double score_held_out(const fit *f) {
    double sum = 0;
    for (size_t first = 0; first < f->held_out.n; first += SCORE_BATCH) {
        const size_t n = smaller(f->held_out.n - first, SCORE_BATCH);
        memcpy(mr_node_value(f->validation.u), f->held_out.u + first * f->width,
               n * f->width * sizeof *f->held_out.u);
        if (f->validation.weight)
            memcpy(mr_node_value(f->validation.weight), f->held_out.weight + first,
                   n * sizeof *f->held_out.weight);
        mr_graph_run(f->validation.graph, n);
        sum += sum_of(&f->held_out, &f->validation, n);
    }
    return sum / (double)f->held_out.n;
}

static mr_status fail_infinite(size_t epoch) {
    return mr_fail(
        MR_ERR_NUMERIC,
        "the likelihood or its gradient stopped being finite in epoch %zu; try a smaller "
        "learning rate",
        epoch);
}

// Early on the average is over the last tenth of the steps, so that it soon forgets the start.
static double ema_rate_at(uint64_t n_steps) {
    return fmax(ema_rate, 10 / (10 + (double)n_steps));
}

// One step on the rows order[first .. first+n-1]; adds their log-densities before it to `sum`.
static mr_status step(fit *f, size_t first, size_t n, double *sum) {
    mr_real *u = mr_node_value(f->training.u);
    for (size_t i = 0; i < n; i++)
        memcpy(u + i * f->width, f->trained.u + f->order[first + i] * f->width,
               f->width * sizeof *u);
    for (size_t i = 0; i < n && f->training.weight; i++)
        mr_node_value(f->training.weight)[i] = f->trained.weight[f->order[first + i]];
    mr_graph_run(f->training.graph, n);
    *sum += sum_of(&f->trained, &f->training, n);
    const double norm = mr_grad_clip(f->params, f->options->clip_norm);
    if (!isfinite(*sum) || !isfinite(norm))
        return fail_infinite(f->state.progress.epoch + 1);
    mr_adam_step(&f->state.adam, f->params, f->options->n_threads);
    mr_polyak(f->state.average, f->params, ema_rate_at(f->state.adam.n_steps),
              f->options->n_threads);
    return MR_OK;
}

// Batches are of equal size, give or take a row, so that no small one at the end is noisier than
// the rest.
static mr_status train(fit *f, const volatile sig_atomic_t *stop) {
    const size_t n = f->trained.n, batch_size = f->options->batch_size;
    const size_t n_batches = (n + batch_size - 1) / batch_size;
    double sum = 0;
    shuffle(mr_random_stream(f->options->seed, MR_STREAM_ORDER, f->state.progress.epoch), n,
            f->order);
    for (size_t k = 0; k < n_batches; k++) {
        const size_t first = n * k / n_batches, end = n * (k + 1) / n_batches;
        const mr_status status = step(f, first, end - first, &sum);
        if (status != MR_OK || (stop && *stop))
            return status;
    }
    f->state.progress.train_log_prob = sum / (double)n;
    return MR_OK;
}

// Validates the average, which takes the place of the parameters meanwhile: returns the held-out
// rows' mean log-density. If that is the best so far, the average is kept.
static double validate(fit *f) {
    mr_fit_progress *now = &f->state.progress;
    mr_real *value = mr_params_value(f->params);
    const size_t n_bytes = mr_params_size(f->params) * sizeof *value;
    memcpy(value, mr_params_read(f->state.average), n_bytes);
    const double log_prob = score_held_out(f);
    if (isfinite(log_prob) && (now->best_epoch == 0 || log_prob > now->best_log_prob)) {
        now->best_log_prob = log_prob;
        now->best_epoch = now->epoch;
        memcpy(f->state.best, value, n_bytes);
    }
    memcpy(value, f->kept[0], n_bytes);
    return log_prob;
}

// The learning rate falls if the held-out likelihood has not risen for a third of the patience.
static mr_status finish_epoch(fit *f) {
    mr_fit_progress *now = &f->state.progress;
    keep_state(f);
    now->epoch++;
    now->held_out_log_prob = validate(f);
    if (!isfinite(now->held_out_log_prob))
        return fail_infinite(now->epoch);
    const size_t n_waited = now->epoch - now->best_epoch;
    const size_t n_before_fall = (f->options->patience + falls_in_patience - 1) / falls_in_patience;
    if (n_waited > 0 && n_waited % n_before_fall == 0)
        f->state.adam.lr *= lr_fall;
    return MR_OK;
}

static bool is_finished(const fit *f) {
    const mr_fit_progress *now = &f->state.progress;
    return now->epoch >= f->options->max_epochs ||
           now->epoch - now->best_epoch >= f->options->patience;
}

static mr_status run(fit *f, mr_fit_watcher watcher, void *self,
                     const volatile sig_atomic_t *stop) {
    mr_status status = MR_OK;
    keep_state(f);
    while (!is_finished(f)) {
        MR_TRY(train(f, stop));
        if (stop && *stop) {
            return_to_kept(f);
            status = save(f);
            goto done;
        }
        MR_TRY(finish_epoch(f));
        if (is_save_due(f))
            MR_TRY(save(f));
        if (watcher)
            watcher(self, &f->state.progress);
    }
done:
    return status;
}

static mr_status check_options(const mr_fit_options *options) {
    const bool are_valid = options->lr > 0 && options->clip_norm > 0 && options->batch_size > 0 &&
                           options->held_out > 0 && options->held_out < 1;
    if (!are_valid)
        return mr_fail(MR_ERR_USAGE,
                       "options of a fit: lr, clip_norm and batch_size must be above 0, held_out "
                       "between 0 and 1; begin with mr_fit_defaults");
    return mr_threads_check(options->n_threads);
}

mr_status mr_fit(mr_density *density, size_t n, const double *x, const mr_fit_options *options,
                 mr_fit_watcher watcher, void *self, const volatile sig_atomic_t *stop,
                 mr_fit_progress *result) {
    mr_status status;
    MR_REQUIRE(density);
    MR_REQUIRE(x);
    MR_REQUIRE(result);
    const mr_fit_options how = options != NULL ? *options : mr_fit_defaults();
    fit f = {.options = &how,
             .state = {.density = density, .adam = mr_adam_new(how.lr)},
             .params = mr_density_params(density),
             .width = mr_density_width(density)};
    MR_TRY(check_options(&how));
    MR_TRY(check_data(n, f.width, x, how.weights));
    MR_TRY(mr_density_check_bounds(density, n, x));
    MR_TRY(split(&f, n, x));
    MR_TRY(build(&f));
    MR_TRY(resume_or_save(&f));
    status = run(&f, watcher, self, stop);
    memcpy(mr_params_value(f.params), f.state.best, mr_params_size(f.params) * sizeof(mr_real));
    if (status == MR_OK)
        *result = f.state.progress;
done:
    release(&f);
    return status;
}
