// Maximum likelihood fitting.

#include "millrace/fit.h"

#include "flows/fit_internal.h"
#include "nn/lr_schedule.h"
#include "base/threads.h"
#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A checkpoint is written after this time, but of a large model more seldom, so that at most a
// fiftieth of the time goes into writing.
static const double checkpoint_interval = 2; // s
static const double checkpoint_part = 1.0 / 50;

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

/// A graph that computes the log-density of its input's rows, times their weights if there are any.
typedef struct {
    mr_graph *graph;
    mr_node *u, *weight, *log_prob;
} likelihood;

typedef struct {
    const mr_fit_options *options;
    const mr_fit_watch *watch;
    mr_lr_schedule lr_schedule;
    mr_fit_state state;
    mr_params *params; // the model's
    mr_fit_data *data; // owned
    likelihood training, validation;
    mr_real *newest; // [size of the parameters] where they are while the average has their place
    double saved_s;  // mr_clock_s, when the checkpoint was last written
    double saving_s; // how long that took
} fit;

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

// ---- Building

static mr_status build_likelihood(const fit *f, size_t max_rows, bool trains, likelihood *s) {
    mr_params *trained = f->params;
    const mr_status status = mr_graph_new(max_rows, f->options->n_threads, &s->graph);
    if (status != MR_OK)
        return status;
    const mr_fit_model *model = f->state.model;
    s->u = mr_input(s->graph, model->width, false);
    s->weight = f->options->weights ? mr_input(s->graph, 1, false) : NULL;
    s->log_prob = model->build_log_prob(model->self, s->u);
    if (s->weight)
        s->log_prob = mr_mul(s->weight, s->log_prob);
    mr_keep(s->log_prob);
    const double rows_in_unit = (double)f->data->trained.n / f->data->trained.n_units;
    mr_node *loss = trains ? mr_affine(s->log_prob, -rows_in_unit, 0) : NULL;
    return mr_graph_plan(s->graph, loss, trains ? 1 : 0, &trained);
}

static mr_status build(fit *f) {
    mr_status status;
    const size_t n_params = mr_params_size(f->params);
    f->state.best = malloc(n_params * sizeof *f->state.best);
    f->newest = malloc(n_params * sizeof *f->newest);
    if (!f->state.best || !f->newest)
        return mr_fail_memory("a fit");
    memcpy(f->state.best, mr_params_read(f->params), n_params * sizeof *f->state.best);
    MR_TRY(mr_params_copy(f->params, &f->state.average));
    const size_t batch_size = smaller(f->options->batch_size, f->data->trained.n);
    MR_TRY(build_likelihood(f, batch_size, true, &f->training));
    const size_t held_out_batch =
        f->data->held_out_batch > 0 ? f->data->held_out_batch : (size_t)MR_DENSITY_BATCH;
    MR_TRY(
        build_likelihood(f, smaller(held_out_batch, f->data->held_out.n), false, &f->validation));
done:
    return status;
}

static void release(fit *f) {
    mr_graph_free(f->training.graph);
    mr_graph_free(f->validation.graph);
    if (f->data)
        f->data->ops->free(f->data);
    free(f->state.best);
    mr_params_free(f->state.average);
    free(f->newest);
}

// ---- The checkpoint

static size_t count_rows(const fit *f) {
    return f->data->trained.n + f->data->held_out.n;
}

static mr_status save(fit *f) {
    const char *path = f->options->checkpoint;
    if (!path)
        return MR_OK;
    const double begun = mr_clock_s();
    const mr_status status = mr_fit_state_save(&f->state, f->options, count_rows(f), path);
    f->saved_s = mr_clock_s();
    f->saving_s = f->saved_s - begun;
    return status;
}

// Goes on from a checkpoint if there is one. Else saves one, so that a path that cannot be written
// to is known before the work.
static mr_status resume_or_save(fit *f) {
    const char *path = f->options->checkpoint;
    if (!path || access(path, F_OK) != 0)
        return save(f);
    f->saved_s = mr_clock_s();
    return mr_fit_state_load(&f->state, f->options, count_rows(f), path);
}

static bool is_save_due(const fit *f) {
    return f->options->checkpoint &&
           mr_clock_s() - f->saved_s >= fmax(checkpoint_interval, f->saving_s / checkpoint_part);
}

// ---- An epoch

// Runs a graph on its first n rows. What is random in it is drawn from the stream `index`.
static void run_graph(const fit *f, const likelihood *s, size_t n, uint64_t index) {
    mr_random random = mr_random_stream(f->options->seed, MR_STREAM_LATENT, index);
    mr_graph_draw(s->graph, n, &random);
    mr_graph_run(s->graph, n);
}

// The (weighted) sum of the log-densities that a run left. Over all of `rows` it is that with
// respect to the data as given.
static double sum_of(const mr_fit_part *of, const likelihood *s, size_t n) {
    double weight = 1;
    if (s->weight)
        weight = mr_node_mean(s->weight, n);
    return (mr_node_mean(s->log_prob, n) - weight * of->log_scale) * (double)n;
}

// The arrays for the rows and weights of the next run.
static mr_real *weights_of(const likelihood *s) {
    return s->weight ? mr_node_value(s->weight) : NULL;
}

static mr_status score_held_out(const fit *f, double *mean) {
    mr_status status;
    const likelihood *s = &f->validation;
    mr_fit_data *data = f->data;
    double sum = 0;
    size_t n;
    uint64_t n_drawn = 0; // the same latents in every epoch, so that epochs compare
    MR_TRY(data->ops->begin_held_out(data));
    for (;;) {
        MR_TRY(data->ops->next_held_out(data, mr_node_value(s->u), weights_of(s), &n));
        if (n == 0)
            break;
        run_graph(f, s, n, UINT64_MAX - n_drawn++);
        sum += sum_of(&data->held_out, s, n);
    }
    *mean = sum / data->held_out.n_units;
done:
    return status;
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

// The schedule's, and while the learning rate warms up a fraction of it.
static double lr_factor_of(const fit *f) {
    const size_t n_of_epochs = f->state.progress.epoch * f->data->trained.n;
    const double factor = mr_lr_factor(&f->lr_schedule, n_of_epochs + f->state.n_done);
    const double n_steps = (double)f->state.adam.n_steps + 1, warm_up = (double)f->options->warm_up;
    return n_steps < warm_up ? factor * n_steps / warm_up : factor;
}

// One step on the n rows of the graph's input.
static mr_status step(fit *f, size_t n) {
    run_graph(f, &f->training, n, f->state.adam.n_steps);
    f->state.sum += sum_of(&f->data->trained, &f->training, n);
    const double norm = mr_grad_clip(f->params, f->options->clip_norm);
    if (!isfinite(f->state.sum) || !isfinite(norm))
        return fail_infinite(f->state.progress.epoch + 1);
    f->state.adam.lr_factor = lr_factor_of(f);
    mr_adam_step(&f->state.adam, f->params, f->options->n_threads);
    mr_polyak(f->state.average, f->params, ema_rate_at(f->state.adam.n_steps),
              f->options->n_threads);
    f->state.n_done += n;
    return MR_OK;
}

static void report_step(const fit *f) {
    const mr_fit_part *part = &f->data->trained;
    const size_t n_done = f->state.n_done;
    if (f->watch->step)
        f->watch->step(f->watch->self, &(mr_fit_step){.epochs = &f->state.progress,
                                                      .n_steps = f->state.adam.n_steps,
                                                      .n_done = n_done,
                                                      .n = part->n,
                                                      .log_prob = f->state.sum / (double)n_done *
                                                                  (double)part->n / part->n_units});
}

// The next rows of the epoch, in the input of the training graph; n = 0 at its end.
static mr_status next_rows(const fit *f, size_t *n) {
    const likelihood *s = &f->training;
    return f->data->ops->next(f->data, mr_node_value(s->u), weights_of(s), n);
}

// Begins an epoch, or goes on with one: goes past the rows that it has done.
static mr_status begin_epoch(const fit *f) {
    mr_status status;
    MR_TRY(f->data->ops->begin_epoch(f->data, f->state.progress.epoch));
    for (size_t n = 1, n_past = 0; n > 0 && n_past < f->state.n_done; n_past += n)
        MR_TRY(next_rows(f, &n));
done:
    return status;
}

// The rest of an epoch, until `stop`.
static mr_status train(fit *f, const volatile sig_atomic_t *stop) {
    mr_status status;
    size_t n;
    MR_TRY(begin_epoch(f));
    for (;;) {
        MR_TRY(next_rows(f, &n));
        if (n == 0)
            break;
        MR_TRY(step(f, n));
        report_step(f);
        if (stop && *stop)
            return MR_OK;
        if (is_save_due(f))
            MR_TRY(save(f));
    }
done:
    return status;
}

// Finds the held-out rows' mean log-density by the average, which has taken the place of the
// parameters. If that is the best so far, the average is kept.
static mr_status validate_average(fit *f) {
    mr_fit_progress *now = &f->state.progress;
    double log_prob = (double)NAN;
    const mr_status status = score_held_out(f, &log_prob);
    if (status != MR_OK)
        return status;
    now->held_out_log_prob = log_prob;
    if (isfinite(log_prob) && (now->best_epoch == 0 || log_prob > now->best_log_prob)) {
        now->best_log_prob = log_prob;
        now->best_epoch = now->epoch;
        memcpy(f->state.best, mr_params_read(f->params),
               mr_params_size(f->params) * sizeof *f->state.best);
    }
    if (!isfinite(log_prob))
        return fail_infinite(now->epoch);
    if (f->watch->epoch)
        f->watch->epoch(f->watch->self, now);
    return MR_OK;
}

// The average is in the place of the parameters meanwhile.
static mr_status validate(fit *f) {
    mr_real *value = mr_params_value(f->params);
    const size_t n_bytes = mr_params_size(f->params) * sizeof *value;
    memcpy(f->newest, value, n_bytes);
    memcpy(value, mr_params_read(f->state.average), n_bytes);
    const mr_status status = validate_average(f);
    memcpy(value, f->newest, n_bytes);
    return status;
}

// The learning rate falls if the held-out likelihood has not risen for a third of the patience.
static mr_status finish_epoch(fit *f) {
    mr_fit_progress *now = &f->state.progress;
    now->train_log_prob = f->state.sum / f->data->trained.n_units;
    f->state.sum = 0;
    f->state.n_done = 0;
    now->epoch++;
    const mr_status status = validate(f);
    if (status != MR_OK)
        return status;
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

static mr_status run(fit *f, const volatile sig_atomic_t *stop) {
    mr_status status = MR_OK;
    while (!is_finished(f)) {
        MR_TRY(train(f, stop));
        if (stop && *stop) {
            status = save(f);
            goto done;
        }
        MR_TRY(finish_epoch(f));
        if (is_save_due(f))
            MR_TRY(save(f));
    }
done:
    return status;
}

mr_status mr_fit_check_options(const mr_fit_options *options) {
    mr_lr_schedule schedule;
    const bool are_valid = options->lr > 0 && options->clip_norm > 0 && options->batch_size > 0 &&
                           options->held_out > 0 && options->held_out < 1;
    if (!are_valid)
        return mr_fail(MR_ERR_USAGE,
                       "options of a fit: lr, clip_norm and batch_size must be above 0, held_out "
                       "between 0 and 1; begin with mr_fit_defaults");
    if (options->lr_schedule && !mr_lr_schedule_find(options->lr_schedule, &schedule))
        return mr_fail(MR_ERR_USAGE,
                       "options of a fit: lr_schedule is '%s'; give one of " MR_LR_SCHEDULE_WORDS,
                       options->lr_schedule);
    return mr_threads_check(options->n_threads);
}

static mr_lr_schedule lr_schedule_of(const mr_fit_options *options, size_t n_rows) {
    mr_lr_schedule schedule = {.last = 0};
    mr_lr_schedule_find(options->lr_schedule ? options->lr_schedule : "constant", &schedule);
    schedule.n_updates = (double)options->max_epochs * (double)n_rows;
    return schedule;
}

mr_status mr_fit_train(const mr_fit_model *model, mr_fit_data *data, const mr_fit_options *options,
                       const mr_fit_watch *watch, const volatile sig_atomic_t *stop,
                       mr_fit_progress *result) {
    mr_status status;
    fit f = {.options = options,
             .watch = watch,
             .lr_schedule = lr_schedule_of(options, data->trained.n),
             .state = {.model = model, .adam = mr_adam_new(options->lr), .data = data->text},
             .params = model->params,
             .data = data};
    MR_TRY(build(&f));
    MR_TRY(resume_or_save(&f));
    status = run(&f, stop);
    memcpy(mr_params_value(f.params), f.state.best, mr_params_size(f.params) * sizeof(mr_real));
    if (status == MR_OK)
        *result = f.state.progress;
done:
    release(&f);
    return status;
}

static mr_node *build_density(const void *self, mr_node *u) {
    return mr_density_build_log_prob(self, u);
}

static mr_fit_model model_of(const mr_density *density) {
    const size_t width = mr_density_width(density);
    mr_fit_model model = {.params = mr_density_params(density),
                          .width = width,
                          .build_log_prob = build_density,
                          .self = density,
                          .flow = mr_density_flow(density),
                          .dim = mr_density_dim(density),
                          .fingerprint = {{"shift", width, mr_density_shift(density)},
                                          {"scale", width, mr_density_scale(density)}}};
    if (!mr_density_is_plain(density))
        snprintf(model.base, sizeof model.base, ", base %s, %zu given", mr_density_base(density),
                 mr_density_given_dim(density));
    return model;
}

// Fits to rows x in memory, or to those of a source.
static mr_status fit_density(mr_density *density, size_t n, const double *x,
                             const mr_row_source *source, const mr_fit_options *options,
                             mr_fit_watcher watcher, void *self, const volatile sig_atomic_t *stop,
                             mr_fit_progress *result) {
    mr_fit_data *data;
    mr_status status = mr_fit_check_options(options);
    if (status == MR_OK)
        status = source ? mr_fit_data_streamed(density, options, source, &data)
                        : mr_fit_data_in_memory(density, options, n, x, &data);
    if (status != MR_OK)
        return status;
    const mr_fit_model model = model_of(density);
    return mr_fit_train(&model, data, options, &(mr_fit_watch){.epoch = watcher, .self = self},
                        stop, result);
}

mr_status mr_fit(mr_density *density, size_t n, const double *x, const mr_fit_options *options,
                 mr_fit_watcher watcher, void *self, const volatile sig_atomic_t *stop,
                 mr_fit_progress *result) {
    MR_REQUIRE(density);
    MR_REQUIRE(x);
    MR_REQUIRE(result);
    const mr_fit_options how = options != NULL ? *options : mr_fit_defaults();
    return fit_density(density, n, x, NULL, &how, watcher, self, stop, result);
}

mr_status mr_fit_to_rows(mr_density *density, const mr_row_source *source,
                         const mr_fit_options *options, mr_fit_watcher watcher, void *self,
                         const volatile sig_atomic_t *stop, mr_fit_progress *result) {
    const mr_fit_options how = options != NULL ? *options : mr_fit_defaults();
    return fit_density(density, source->n, NULL, source, &how, watcher, self, stop, result);
}

mr_status mr_fit_to_images(mr_density *density, const mr_images *images,
                           const mr_augmentation *augmentation, const mr_fit_options *options,
                           const mr_fit_watch *watch, const volatile sig_atomic_t *stop,
                           mr_fit_progress *result) {
    mr_fit_data *data;
    mr_status status = mr_fit_check_options(options);
    if (status == MR_OK)
        status = mr_fit_data_of_images(density, options, images, augmentation, &data);
    if (status != MR_OK)
        return status;
    const mr_fit_model model = model_of(density);
    status = mr_fit_train(&model, data, options, watch, stop, result);
    if (status == MR_OK && result->best_epoch > 0)
        density->pixels.mean_bits = mr_bits_per_dim(density, result->best_log_prob);
    return status;
}
