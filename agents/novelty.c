// Training a net of novelty, and its guard.

#include "agents/novelty.h"

#include "nn/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_BLOCKS = 3,     // values and both moments
    KEEP_EVERY = 250, // training steps between good states
};

static const double clip_norm = 10;       // of the gradient, as in fits (flows/fit.h)
static const double typical_share = 0.01; // of a batch in the loss that is usual
static const double fall_of_rate = 0.5;   // of the learning rate, after each return

/// A graph that gives the novelty of its input's rows.
typedef struct {
    mr_graph *graph;
    mr_node *u, *novelty;
} scorer;

/// What a file holds beside the net. All doubles: it is one array there.
typedef struct {
    double n_steps;    // of training
    double adam_steps; // since the last return
    double lr;
    double typical; // loss
    double n_restarts;
    double good_adam_steps;
} state;

struct mr_novelty {
    const mr_bonus_kind *kind;
    mr_novelty_options options;
    size_t dim;
    void *self; // the kind's
    mr_params *params;
    mr_adam adam;
    scorer judge, trainer;
    mr_real *good[N_BLOCKS]; // the last good state
    mr_real *noise;          // [batch_size x dim]
    state state;
};

// ---- Building

static mr_status build_scorer(const mr_novelty *v, size_t max_rows, bool trains, scorer *s) {
    mr_params *trained = v->params;
    const mr_status status = mr_graph_new(max_rows, v->options.n_threads, &s->graph);
    if (status != MR_OK)
        return status;
    s->u = mr_input(s->graph, v->dim, false);
    s->novelty = mr_keep(v->kind->build(v->self, s->u));
    return mr_graph_plan(s->graph, trains ? s->novelty : NULL, trains ? 1 : 0, &trained);
}

static mr_real *block_of(const mr_novelty *v, int k) {
    return k == 0 ? mr_params_value(v->params) : mr_params_moment(v->params, k);
}

static size_t block_bytes(const mr_novelty *v) {
    return mr_params_size(v->params) * sizeof(mr_real);
}

static void keep(mr_novelty *v) {
    for (int k = 0; k < N_BLOCKS; k++)
        memcpy(v->good[k], block_of(v, k), block_bytes(v));
    v->state.good_adam_steps = (double)v->adam.n_steps;
}

static void note_adam(mr_novelty *v) {
    v->state.adam_steps = (double)v->adam.n_steps;
    v->state.lr = v->adam.lr;
}

static mr_status allocate(mr_novelty *v) {
    bool whole = true;
    for (int k = 0; k < N_BLOCKS; k++) {
        v->good[k] = malloc(block_bytes(v));
        whole = whole && v->good[k];
    }
    v->noise = calloc(v->options.batch_size * v->dim, sizeof *v->noise);
    return whole && v->noise ? MR_OK : mr_fail_memory("the bonus");
}

mr_status mr_novelty_new(const mr_bonus_kind *kind, const mr_bonus_setup *setup,
                         const mr_novelty_options *options, mr_novelty **out) {
    mr_status status;
    mr_novelty *v = calloc(1, sizeof *v);
    if (!v)
        return mr_fail_memory("the bonus");
    *v = (mr_novelty){.kind = kind,
                      .options = *options,
                      .dim = setup->dim,
                      .adam = mr_adam_new(options->lr > 0 ? options->lr : kind->lr),
                      .state = {.typical = NAN}};
    MR_TRY(kind->make(setup, &v->self));
    v->params = kind->params(v->self);
    MR_TRY(allocate(v));
    MR_TRY(build_scorer(v, options->max_rows, false, &v->judge));
    MR_TRY(build_scorer(v, options->batch_size, true, &v->trainer));
    keep(v);
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
    mr_graph_free(v->judge.graph);
    mr_graph_free(v->trainer.graph);
    for (int k = 0; k < N_BLOCKS; k++)
        free(v->good[k]);
    free(v->noise);
    v->kind->free(v->self);
    free(v);
}

mr_status mr_novelty_start(mr_novelty *v, size_t n, const mr_real *u) {
    const mr_status status = v->kind->start ? v->kind->start(v->self, n, u) : MR_OK;
    if (status == MR_OK)
        keep(v);
    return status;
}

// ---- Scoring

static void go_back(mr_novelty *v) {
    for (int k = 0; k < N_BLOCKS; k++)
        memcpy(block_of(v, k), v->good[k], block_bytes(v));
    v->adam.n_steps = (uint64_t)v->state.good_adam_steps;
    v->adam.lr *= fall_of_rate;
    v->state.typical = NAN;
    v->state.n_restarts++;
    note_adam(v);
}

static void fill(const mr_novelty *v, const scorer *s, size_t n, const mr_real *u) {
    const mr_real reach = (mr_real)v->kind->reach;
    mr_real *input = mr_node_value(s->u);
    for (size_t i = 0; i < n * v->dim; i++)
        input[i] = u[i] > reach ? reach : u[i] < -reach ? -reach : u[i];
}

static bool run_judge(const mr_novelty *v, size_t n) {
    bool is_finite = true;
    mr_graph_run(v->judge.graph, n);
    for (size_t i = 0; i < n; i++)
        is_finite = is_finite && isfinite(mr_node_value(v->judge.novelty)[i]);
    return is_finite;
}

void mr_novelty_score(mr_novelty *v, size_t n, const mr_real *u, double *out) {
    fill(v, &v->judge, n, u);
    if (!run_judge(v, n)) {
        go_back(v);
        run_judge(v, n);
    }
    for (size_t i = 0; i < n; i++)
        out[i] = (double)mr_node_value(v->judge.novelty)[i];
}

// ---- Training

static void add_noise(mr_novelty *v, uint64_t index) {
    const size_t n = v->options.batch_size * v->dim;
    mr_random random = mr_random_stream(v->options.seed, MR_STREAM_BONUS, index);
    mr_real *input = mr_node_value(v->trainer.u);
    if (v->kind->noise == 0)
        return;
    mr_random_fill_normal(&random, n, v->noise);
    for (size_t i = 0; i < n; i++)
        input[i] += (mr_real)v->kind->noise * v->noise[i];
}

static void swap_good(mr_novelty *v) {
    mr_real *value = mr_params_value(v->params);
    for (size_t i = 0; i < mr_params_size(v->params); i++) {
        const mr_real present = value[i];
        value[i] = v->good[0][i];
        v->good[0][i] = present;
    }
}

// The last good state's mean novelty on the batch that the trainer holds.
static double loss_of_good(mr_novelty *v) {
    const size_t n = v->options.batch_size;
    memcpy(mr_node_value(v->judge.u), mr_node_value(v->trainer.u), n * v->dim * sizeof(mr_real));
    swap_good(v);
    mr_graph_run(v->judge.graph, n);
    swap_good(v);
    return mr_node_mean(v->judge.novelty, n);
}

// States of another kind raise the loss too; then the last good state fares no better, and the net
// must learn them. That state is asked only where the loss is far from usual.
static bool has_collapsed(mr_novelty *v, double loss) {
    const double much = v->kind->collapse * (double)v->dim;
    if (!(loss > v->state.typical + much))
        return false;
    v->state.typical = loss;
    return loss > loss_of_good(v) + much;
}

void mr_novelty_train(mr_novelty *v, const mr_real *u, uint64_t index) {
    const size_t n = v->options.batch_size;
    fill(v, &v->trainer, n, u);
    add_noise(v, index);
    mr_graph_run(v->trainer.graph, n);
    const double loss = mr_node_mean(v->trainer.novelty, n);
    const double norm = mr_grad_clip(v->params, clip_norm);
    if (!isfinite(loss) || !isfinite(norm) || has_collapsed(v, loss)) {
        go_back(v);
        return;
    }
    if (isnan(v->state.typical))
        v->state.typical = loss;
    v->state.typical += typical_share * (loss - v->state.typical);
    if ((size_t)v->state.n_steps % KEEP_EVERY == 0)
        keep(v);
    mr_adam_step(&v->adam, v->params, v->options.n_threads);
    v->state.n_steps++;
    note_adam(v);
}

double mr_novelty_n_restarts(const mr_novelty *v) {
    return v->state.n_restarts;
}

mr_params *mr_novelty_params(const mr_novelty *v) {
    return v->params;
}

mr_density *mr_novelty_density(const mr_novelty *v) {
    return v->kind->density ? v->kind->density(v->self) : NULL;
}

// ---- Files

static const char *const prefixes[2][N_BLOCKS] = {
    {"bonus.net.", "bonus.moment1.", "bonus.moment2."},
    {"bonus.good.", "bonus.good_moment1.", "bonus.good_moment2."},
};

static const size_t n_numbers = sizeof(state) / sizeof(double);

static mr_real *array_of(const mr_novelty *v, int which, int k) {
    return which == 0 ? block_of(v, k) : v->good[k];
}

mr_status mr_novelty_write(const mr_novelty *v, mr_tensors_writer *writer) {
    mr_status status;
    MR_TRY(mr_tensors_writer_add(writer, "bonus.net_numbers", MR_F64, 1, &n_numbers, &v->state));
    for (int i = 0; i < 2 * N_BLOCKS; i++)
        MR_TRY(mr_params_write(v->params, array_of(v, i / N_BLOCKS, i % N_BLOCKS),
                               prefixes[i / N_BLOCKS][i % N_BLOCKS], writer));
done:
    return status;
}

static bool is_count(double number) {
    return number >= 0 && number <= 0x1p53 && number == floor(number);
}

static mr_status read_state(mr_novelty *v, const mr_tensors *file) {
    const void *numbers;
    state *s = &v->state;
    const mr_status status =
        mr_tensors_get(file, "bonus.net_numbers", MR_F64, 1, &n_numbers, &numbers);
    if (status != MR_OK)
        return status;
    memcpy(s, numbers, sizeof *s);
    if (is_count(s->n_steps) && is_count(s->adam_steps) && is_count(s->good_adam_steps) &&
        is_count(s->n_restarts) && s->lr >= 0)
        return MR_OK;
    return mr_fail(MR_ERR_INPUT,
                   "%s: the counts of its bonus are none; the file is damaged, take another copy",
                   mr_tensors_path(file));
}

mr_status mr_novelty_read(mr_novelty *v, const mr_tensors *file) {
    mr_status status;
    MR_TRY(read_state(v, file));
    v->adam.n_steps = (uint64_t)v->state.adam_steps;
    v->adam.lr = v->state.lr;
    for (int i = 0; i < 2 * N_BLOCKS; i++)
        MR_TRY(mr_params_load(v->params, file, prefixes[i / N_BLOCKS][i % N_BLOCKS],
                              array_of(v, i / N_BLOCKS, i % N_BLOCKS)));
done:
    return status;
}
