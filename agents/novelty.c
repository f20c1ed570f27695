// Scoring and training of a novelty net, and its return to the last good state.

#include "agents/novelty.h"

#include "agents/numbers.h"
#include "nn/learner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SNAPSHOT_EVERY = 250 }; // training steps

static const double clip_norm = 10;          // of the gradient, as in fits (millrace/fit.h)
static const double typical_fraction = 0.01; // weight of a batch in the typical loss
static const double lr_factor = 0.5;         // of the learning rate, at each rollback

/// A graph that gives the novelty of its input's rows.
typedef struct {
    mr_graph *graph;
    mr_node *u, *novelty;
} scorer;

/// The state besides the net. All doubles: a checkpoint has each under its name.
typedef struct {
    double n_steps;    // of training
    double adam_steps; // of the optimizer, since the net last returned to its snapshot
    double lr;
    double typical; // loss: its running mean
    double n_restarts;
    double good_adam_steps;
} state;

struct mr_novelty {
    const mr_novelty_ops *ops;
    mr_novelty_options options;
    size_t dim;
    void *self;         // the net, as ops knows it
    mr_learner learner; // its snapshot is the last good state
    scorer scorer, trainer;
    mr_real *noise; // [batch_size x dim]
    state state;
};

// ---- Building

static mr_status build_scorer(const mr_novelty *v, size_t max_rows, bool trains, scorer *s) {
    mr_params *trained = v->learner.params;
    const mr_status status = mr_graph_new(max_rows, v->options.n_threads, &s->graph);
    if (status != MR_OK)
        return status;
    s->u = mr_input(s->graph, v->dim, false);
    s->novelty = mr_keep(v->ops->build(v->self, s->u));
    return mr_graph_plan(s->graph, trains ? s->novelty : NULL, trains ? 1 : 0, &trained);
}

static void note_adam(mr_novelty *v) {
    v->state.adam_steps = (double)v->learner.adam.n_steps;
    v->state.lr = v->learner.adam.lr;
    v->state.good_adam_steps = (double)v->learner.good_steps;
}

mr_status mr_novelty_new(const mr_novelty_ops *ops, const mr_novelty_setup *setup,
                         const mr_novelty_options *options, mr_novelty **out) {
    mr_status status;
    mr_novelty *v = calloc(1, sizeof *v);
    if (!v)
        return mr_fail_memory("the intrinsic reward");
    *v =
        (mr_novelty){.ops = ops, .options = *options, .dim = setup->dim, .state = {.typical = NAN}};
    MR_TRY(ops->make(setup, &v->self));
    MR_TRY(mr_learner_init(&v->learner, ops->params(v->self),
                           mr_adam_new(options->lr > 0 ? options->lr : ops->lr),
                           MR_LEARNER_SNAPSHOT, options->n_threads));
    v->noise = calloc(options->batch_size * v->dim, sizeof *v->noise);
    if (!v->noise)
        MR_TRY(mr_fail_memory("the intrinsic reward"));
    MR_TRY(build_scorer(v, options->max_rows, false, &v->scorer));
    MR_TRY(build_scorer(v, options->batch_size, true, &v->trainer));
    note_adam(v);
    *out = v;
    v = NULL;
done:
    mr_novelty_free(v);
    return status;
}

void mr_novelty_free(mr_novelty *v) {
    if (!v)
        return;
    mr_graph_free(v->scorer.graph);
    mr_graph_free(v->trainer.graph);
    mr_learner_release(&v->learner);
    free(v->noise);
    v->ops->free(v->self);
    free(v);
}

mr_status mr_novelty_start(mr_novelty *v, size_t n, const mr_real *u) {
    const mr_status status = v->ops->start ? v->ops->start(v->self, n, u) : MR_OK;
    if (status == MR_OK)
        mr_learner_snapshot(&v->learner);
    return status;
}

// ---- Scoring

static void roll_back(mr_novelty *v) {
    mr_learner_rollback(&v->learner);
    v->learner.adam.lr *= lr_factor;
    v->state.typical = NAN;
    v->state.n_restarts++;
    note_adam(v);
}

static void fill(const mr_novelty *v, const scorer *s, size_t n, const mr_real *u) {
    const mr_real clip = (mr_real)v->ops->clip;
    mr_real *input = mr_node_value(s->u);
    for (size_t i = 0; i < n * v->dim; i++)
        input[i] = u[i] > clip ? clip : u[i] < -clip ? -clip : u[i];
}

static bool run_scorer(const mr_novelty *v, size_t n) {
    bool is_finite = true;
    mr_graph_run(v->scorer.graph, n);
    for (size_t i = 0; i < n; i++)
        is_finite = is_finite && isfinite(mr_node_value(v->scorer.novelty)[i]);
    return is_finite;
}

void mr_novelty_score(mr_novelty *v, size_t n, const mr_real *u, double *out) {
    fill(v, &v->scorer, n, u);
    if (!run_scorer(v, n)) {
        roll_back(v);
        run_scorer(v, n);
    }
    for (size_t i = 0; i < n; i++)
        out[i] = (double)mr_node_value(v->scorer.novelty)[i];
}

// ---- Training

static void add_noise(mr_novelty *v, uint64_t index) {
    const size_t n = v->options.batch_size * v->dim;
    mr_random random = mr_random_stream(v->options.seed, MR_STREAM_BONUS, index);
    mr_real *input = mr_node_value(v->trainer.u);
    if (v->ops->noise == 0)
        return;
    mr_random_fill_normal(&random, n, v->noise);
    for (size_t i = 0; i < n; i++)
        input[i] += (mr_real)v->ops->noise * v->noise[i];
}

// The snapshot's mean novelty on the batch that the trainer holds.
static double loss_of_snapshot(mr_novelty *v) {
    const size_t n = v->options.batch_size;
    mr_input_fill(v->scorer.u, n, mr_node_value(v->trainer.u));
    mr_params_swap(v->learner.params, v->learner.snapshot);
    mr_graph_run(v->scorer.graph, n);
    mr_params_swap(v->learner.params, v->learner.snapshot);
    return mr_node_mean(v->scorer.novelty, n);
}

// States of a new kind raise the loss as well; then the snapshot's loss on them is as high, and the
// net must learn them. The snapshot's loss is computed only if this one is far from typical.
static bool has_collapsed(mr_novelty *v, double loss) {
    const double max_rise = v->ops->max_rise * (double)v->dim;
    if (!(loss > v->state.typical + max_rise))
        return false;
    v->state.typical = loss;
    return loss > loss_of_snapshot(v) + max_rise;
}

void mr_novelty_train(mr_novelty *v, const mr_real *u, uint64_t index) {
    const size_t n = v->options.batch_size;
    fill(v, &v->trainer, n, u);
    add_noise(v, index);
    mr_graph_run(v->trainer.graph, n);
    const double loss = mr_node_mean(v->trainer.novelty, n);
    const double norm = mr_grad_clip(v->learner.params, clip_norm);
    if (!isfinite(loss) || !isfinite(norm) || has_collapsed(v, loss)) {
        roll_back(v);
        return;
    }
    if (isnan(v->state.typical))
        v->state.typical = loss;
    v->state.typical += typical_fraction * (loss - v->state.typical);
    if ((size_t)v->state.n_steps % SNAPSHOT_EVERY == 0)
        mr_learner_snapshot(&v->learner);
    mr_learner_step(&v->learner);
    v->state.n_steps++;
    note_adam(v);
}

double mr_novelty_n_restarts(const mr_novelty *v) {
    return v->state.n_restarts;
}

mr_params *mr_novelty_params(const mr_novelty *v) {
    return v->learner.params;
}

mr_density *mr_novelty_get_density(const mr_novelty *v) {
    return v->ops->density ? v->ops->density(v->self) : NULL;
}

// ---- Files

static const char *const value_prefix[] = {"bonus.net.", "bonus.moment1.", "bonus.moment2."};
static const char *const good_prefix[] = {"bonus.good.", "bonus.good_moment1.",
                                          "bonus.good_moment2."};

enum { N_NUMBERS = 6 };

// In the order of the array that they were in until format version 3 named them.
static const char old_array[] = "bonus.net_numbers";

static void list_numbers(state *s, mr_number out[N_NUMBERS]) {
    const mr_number numbers[N_NUMBERS] = {
        {"bonus.training.n_steps", &s->n_steps, 1, false, true},
        {"bonus.training.adam_steps", &s->adam_steps, 1, false, true},
        {"bonus.training.lr", &s->lr, 1, false, false},
        {"bonus.training.typical_loss", &s->typical, 1, false, false},
        {"bonus.training.n_restarts", &s->n_restarts, 1, false, true},
        {"bonus.training.good_adam_steps", &s->good_adam_steps, 1, false, true},
    };
    memcpy(out, numbers, sizeof numbers);
}

mr_status mr_novelty_write(mr_novelty *v, mr_tensors_writer *writer) {
    mr_status status;
    mr_number numbers[N_NUMBERS];
    list_numbers(&v->state, numbers);
    MR_TRY(mr_numbers_write(N_NUMBERS, numbers, writer));
    MR_TRY(mr_params_write_all(v->learner.params, value_prefix, writer));
    MR_TRY(mr_params_write_all(v->learner.snapshot, good_prefix, writer));
done:
    return status;
}

static mr_status read_numbers(mr_novelty *v, const mr_tensors *file) {
    mr_status status;
    mr_number numbers[N_NUMBERS];
    mr_tensor unused;
    list_numbers(&v->state, numbers);
    MR_TRY(mr_tensors_find(file, old_array, &unused)
               ? mr_numbers_read_array(N_NUMBERS, numbers, old_array, file)
               : mr_numbers_read(N_NUMBERS, numbers, file));
    if (!(v->state.lr >= 0))
        status = mr_numbers_fail_damaged(file, "bonus.training.lr");
done:
    return status;
}

mr_status mr_novelty_read(mr_novelty *v, const mr_tensors *file) {
    mr_status status;
    MR_TRY(read_numbers(v, file));
    v->learner.adam.n_steps = (uint64_t)v->state.adam_steps;
    v->learner.adam.lr = v->state.lr;
    v->learner.good_steps = (uint64_t)v->state.good_adam_steps;
    MR_TRY(mr_params_load_all(v->learner.params, value_prefix, file));
    MR_TRY(mr_params_load_all(v->learner.snapshot, good_prefix, file));
done:
    return status;
}
