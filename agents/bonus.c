// The intrinsic reward of a run: normalised novelty, its weight beta, and metrics.

#include "agents/bonus.h"

#include "agents/numbers.h"
#include "agents/coverage.h"
#include "agents/novelty.h"
#include "agents/scaled_features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double max_b = 5;              // in standard deviations of the novelty
static const double state_fraction = 0.001; // weight of a new state in the novelty's mean
static const double batch_fraction = 0.01;  // weight of a batch in its variance

static const mr_novelty_ops *const nets[] = {&mr_novelty_density, &mr_novelty_rnd};

/// The decay of beta: the fraction that is left after t states.
typedef struct {
    const char *name;
    double (*fraction)(const mr_bonus_options *options, double t);
} schedule;

static double keep(const mr_bonus_options *options, double t) {
    (void)options;
    (void)t;
    return 1;
}

static double decay_linearly(const mr_bonus_options *options, double t) {
    return fmax(0, 1 - t / (double)options->n_steps);
}

// Seo et al. 2021 (arXiv:2102.09430).
static double decay_exponentially(const mr_bonus_options *options, double t) {
    return pow(1 - options->decay_rate, t);
}

static const schedule schedules[] = {
    {"none", keep},
    {"linear", decay_linearly},
    {"exponential", decay_exponentially},
};

/// b as a function of the novelty.
typedef struct {
    const char *name;
    double (*of)(double novelty, double mean, double std);
} normalizer;

static double clip(double b) {
    return fmax(-max_b, fmin(max_b, b));
}

static double identity(double novelty, double mean, double std) {
    (void)mean;
    (void)std;
    return novelty;
}

static double scale(double novelty, double mean, double std) {
    (void)mean;
    return std > 0 ? clip(novelty / std) : 0;
}

static double standardise(double novelty, double mean, double std) {
    return std > 0 ? clip((novelty - mean) / std) : 0;
}

static const normalizer normalizers[] = {
    {"none", identity},
    {"scale", scale},
    {"standard", standardise},
};

/// The state besides the nets. All doubles: a checkpoint has each under its name.
typedef struct {
    double n_visited, n_batches;
    double has_begun;
    double mean, variance;             // of the novelty: running statistics
    double fresh_sum, n_fresh;         // of new states' novelty, since the metrics were last taken
    double sum, sum_squares, n_summed; // of batches' novelty, since then
} state;

struct mr_bonus {
    mr_bonus_options options;
    const mr_env_spec *env; // borrowed
    const mr_novelty_ops *ops;
    const schedule *schedule;
    const normalizer *normalizer;
    mr_scaled_features *features;
    mr_novelty *net;       // NULL before it begins
    mr_coverage *coverage; // NULL: none (yet)
    mr_real *u;            // [n_envs x chosen features] of new states
    mr_real *scored;       // [batch_size x chosen features] of the latest batch
    mr_real *more;         // [batch_size x chosen features] of other states
    double *novelty;       // [max_rows]
    state state;
};

// ---- Building

static mr_status fail_choice(const char *setting, const char *word) {
    return mr_fail(MR_ERR_USAGE, "%s can't be '%.60s'; `millrace train --help` lists its choices",
                   setting, word);
}

static mr_status find_choices(mr_bonus *b) {
    const mr_bonus_options *o = &b->options;
    for (size_t i = 0; i < MR_COUNT(nets); i++)
        if (strcmp(nets[i]->name, o->kind) == 0)
            b->ops = nets[i];
    if (!b->ops)
        return fail_choice("bonus", o->kind);
    const char *normalize = strcmp(o->normalize, "auto") == 0 ? b->ops->normalize : o->normalize;
    for (size_t i = 0; i < MR_COUNT(schedules); i++)
        if (strcmp(schedules[i].name, o->decay) == 0)
            b->schedule = &schedules[i];
    for (size_t i = 0; i < MR_COUNT(normalizers); i++)
        if (strcmp(normalizers[i].name, normalize) == 0)
            b->normalizer = &normalizers[i];
    if (!b->schedule)
        return fail_choice("bonus_decay", o->decay);
    return b->normalizer ? MR_OK : fail_choice("bonus_normalize", normalize);
}

static mr_novelty_setup setup_of(const mr_bonus *b, size_t dim) {
    mr_random seeds = mr_random_stream(b->options.seed, MR_STREAM_BONUS_INIT, 0);
    return (mr_novelty_setup){.dim = dim, .flow = b->options.flow, .seed = mr_random_u32(&seeds)};
}

// The net is built later, when it is known which features vary; bad options are found now.
static mr_status try_net(const mr_bonus *b) {
    const mr_novelty_setup setup = setup_of(b, mr_scaled_features_n_chosen(b->features));
    void *net;
    const mr_status status = b->ops->make(&setup, &net);
    if (status == MR_OK)
        b->ops->free(net);
    return status;
}

static size_t max_rows(const mr_bonus *b) {
    const mr_bonus_options *o = &b->options;
    return o->batch_size > o->n_envs ? o->batch_size : o->n_envs;
}

static mr_status allocate(mr_bonus *b) {
    const size_t n_chosen = mr_scaled_features_n_chosen(b->features);
    b->u = calloc(b->options.n_envs * n_chosen, sizeof *b->u);
    b->scored = calloc(b->options.batch_size * n_chosen, sizeof *b->scored);
    b->more = calloc(b->options.batch_size * n_chosen, sizeof *b->more);
    b->novelty = calloc(max_rows(b), sizeof *b->novelty);
    return b->u && b->scored && b->more && b->novelty ? MR_OK
                                                      : mr_fail_memory("the intrinsic reward");
}

mr_status mr_bonus_new(const mr_bonus_options *options, const mr_env_spec *env, mr_bonus **out) {
    mr_status status;
    mr_bonus *b = calloc(1, sizeof *b);
    if (!b)
        return mr_fail_memory("the intrinsic reward");
    b->options = *options;
    b->env = env;
    MR_TRY(find_choices(b));
    MR_TRY(mr_scaled_features_new(options->features, env, &b->features));
    MR_TRY(try_net(b));
    MR_TRY(allocate(b));
    if (env->arena)
        MR_TRY(mr_coverage_new(env->arena, &b->coverage));
    *out = b;
    b = NULL;
done:
    mr_bonus_free(b);
    return status;
}

void mr_bonus_free(mr_bonus *b) {
    if (!b)
        return;
    mr_novelty_free(b->net);
    mr_coverage_free(b->coverage);
    mr_scaled_features_free(b->features);
    free(b->u);
    free(b->scored);
    free(b->more);
    free(b->novelty);
    free(b);
}

// ---- Beginning

static mr_status build_net(mr_bonus *b) {
    const mr_bonus_options *o = &b->options;
    const mr_feature_scale scale = mr_scaled_features_get(b->features);
    const mr_novelty_setup setup = setup_of(b, scale.dim);
    const mr_novelty_options options = {.batch_size = o->batch_size,
                                        .max_rows = max_rows(b),
                                        .lr = o->lr,
                                        .seed = o->seed,
                                        .n_threads = o->n_threads};
    const mr_status status = mr_novelty_new(b->ops, &setup, &options, &b->net);
    mr_density *density = status == MR_OK ? mr_novelty_get_density(b->net) : NULL;
    return density ? mr_density_set_columns(density, b->env->obs_dim, scale.column) : status;
}

// The coverage of two features is over the box of what was visited so far, if the task has no
// workspace.
static mr_status box_coverage(mr_bonus *b) {
    mr_env_arena box;
    if (b->coverage || !mr_scaled_features_box(b->features, &box))
        return MR_OK;
    return mr_coverage_new(&box, &b->coverage);
}

static mr_status begin(mr_bonus *b, const mr_real *obs) {
    mr_status status;
    MR_TRY(mr_scaled_features_settle(b->features));
    MR_TRY(build_net(b));
    MR_TRY(box_coverage(b));
    mr_scaled_features_apply(b->features, b->options.batch_size, obs, b->scored);
    MR_TRY(mr_novelty_start(b->net, b->options.batch_size, b->scored));
    b->state.has_begun = 1;
done:
    return status;
}

// ---- Running

// What is added to a novelty to convert it from standardised features to the features' own units.
static double log_volume(const mr_bonus *b) {
    return b->ops->is_log_density ? mr_scaled_features_log_volume(b->features) : 0;
}

static bool is_visited(const bool *visited, size_t i) {
    return visited == NULL || visited[i];
}

static void score_fresh(mr_bonus *b, const bool *visited, const double *obs) {
    const size_t n = b->options.n_envs;
    mr_scaled_features_apply_double(b->features, n, obs, b->u);
    mr_novelty_score(b->net, n, b->u, b->novelty);
    const double shift = log_volume(b);
    for (size_t i = 0; i < n; i++) {
        const double novelty = b->novelty[i] + shift;
        if (!is_visited(visited, i) || !isfinite(novelty))
            continue;
        b->state.mean += state_fraction * (novelty - b->state.mean);
        b->state.fresh_sum += novelty;
        b->state.n_fresh++;
    }
}

void mr_bonus_visit(mr_bonus *b, const bool *visited, const double *obs) {
    if (b->net)
        score_fresh(b, visited, obs);
    for (size_t i = 0; i < b->options.n_envs; i++) {
        const double *row = obs + i * b->env->obs_dim;
        if (!is_visited(visited, i))
            continue;
        mr_scaled_features_add(b->features, row);
        if (b->coverage)
            mr_coverage_visit(b->coverage, row);
    }
    b->state.n_visited = mr_scaled_features_n_states(b->features);
}

// The variance is a running mean of the batches' variances, the first hundred of equal weight. The
// mean is that of new states: the b of an agent whose behaviour does not change is 0 on average, so
// that neither long nor short episodes have an advantage.
static void update_statistics(mr_bonus *b) {
    const size_t n = b->options.batch_size;
    state *s = &b->state;
    const double weight = fmax(batch_fraction, 1 / (s->n_batches + 1));
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += b->novelty[i];
    const double mean = sum / (double)n;
    if (s->n_batches == 0)
        s->mean = mean;
    for (size_t i = 0; i < n; i++)
        squares += (b->novelty[i] - mean) * (b->novelty[i] - mean);
    s->variance += weight * (squares / (double)n - s->variance);
}

static void sum_up(mr_bonus *b) {
    const size_t n = b->options.batch_size;
    for (size_t i = 0; i < n; i++) {
        b->state.sum += b->novelty[i];
        b->state.sum_squares += b->novelty[i] * b->novelty[i];
    }
    b->state.n_summed += (double)n;
}

double mr_bonus_beta(const mr_bonus *b) {
    return b->options.scale * b->schedule->fraction(&b->options, b->state.n_visited);
}

// Standardises states to `u` and computes their novelty, in the features' own units. A state for
// which even the last good net has no finite novelty counts as average.
static void compute_novelty(mr_bonus *b, const mr_real *obs, mr_real *u) {
    const size_t n = b->options.batch_size;
    mr_scaled_features_apply(b->features, n, obs, u);
    mr_novelty_score(b->net, n, u, b->novelty);
    const double shift = log_volume(b);
    for (size_t i = 0; i < n; i++)
        b->novelty[i] = isfinite(b->novelty[i]) ? b->novelty[i] + shift : b->state.mean;
}

static void normalise_novelty(const mr_bonus *b, mr_real *out) {
    const double std = sqrt(b->state.variance);
    for (size_t i = 0; i < b->options.batch_size; i++)
        out[i] = (mr_real)b->normalizer->of(b->novelty[i], b->state.mean, std);
}

mr_status mr_bonus_score(mr_bonus *b, const mr_real *obs, mr_real *out) {
    const size_t n = b->options.batch_size;
    if (!b->net && b->state.n_visited < (double)n) {
        memset(out, 0, n * sizeof *out);
        return MR_OK;
    }
    const mr_status status = b->net ? MR_OK : begin(b, obs);
    if (status != MR_OK)
        return status;
    compute_novelty(b, obs, b->scored);
    update_statistics(b);
    sum_up(b);
    normalise_novelty(b, out);
    return MR_OK;
}

void mr_bonus_score_more(mr_bonus *b, const mr_real *obs, mr_real *out) {
    if (!b->net) {
        memset(out, 0, b->options.batch_size * sizeof *out);
        return;
    }
    compute_novelty(b, obs, b->more);
    normalise_novelty(b, out);
}

void mr_bonus_train(mr_bonus *b) {
    if (!b->net)
        return;
    if ((size_t)b->state.n_batches % b->ops->train_every == 0)
        mr_novelty_train(b->net, b->scored, (uint64_t)b->state.n_batches);
    b->state.n_batches++;
}

const char *mr_bonus_note(const mr_bonus *b) {
    return mr_scaled_features_note(b->features);
}

static double mean_of(double sum, double n) {
    return n > 0 ? sum / n : NAN;
}

mr_bonus_metrics mr_bonus_take_metrics(mr_bonus *b) {
    state *s = &b->state;
    const double mean = mean_of(s->sum, s->n_summed);
    const double square = mean_of(s->sum_squares, s->n_summed);
    const mr_bonus_metrics metrics = {
        .state_log_prob = b->ops->is_log_density ? -mean_of(s->fresh_sum, s->n_fresh) : NAN,
        .mean = mean,
        .std = square > mean * mean || isnan(mean) ? sqrt(square - mean * mean) : 0,
        .beta = mr_bonus_beta(b),
        .coverage = b->coverage ? mr_coverage_fraction(b->coverage) : NAN,
        .n_restarts = b->net ? mr_novelty_n_restarts(b->net) : 0};
    s->fresh_sum = s->n_fresh = s->sum = s->sum_squares = s->n_summed = 0;
    return metrics;
}

const mr_density *mr_bonus_get_density(mr_bonus *b) {
    mr_density *density = b->net ? mr_novelty_get_density(b->net) : NULL;
    if (!density)
        return NULL;
    const mr_feature_scale now = mr_scaled_features_get(b->features);
    return mr_density_set_scale(density, now.shift, now.scale) == MR_OK ? density : NULL;
}

// ---- Files

enum { N_NUMBERS = 10 };

// In the order of the array that they were in until format version 3 named them.
static const char old_array[] = "bonus.numbers";

static void list_numbers(state *s, mr_number out[N_NUMBERS]) {
    const mr_number numbers[N_NUMBERS] = {
        {"bonus.n_visited", &s->n_visited, 1, false, true},
        {"bonus.n_batches", &s->n_batches, 1, false, true},
        {"bonus.has_begun", &s->has_begun, 1, false, true},
        {"bonus.novelty_mean", &s->mean, 1, false, false},
        {"bonus.novelty_variance", &s->variance, 1, false, false},
        {"bonus.fresh_sum", &s->fresh_sum, 1, false, false},
        {"bonus.n_fresh", &s->n_fresh, 1, false, true},
        {"bonus.sum", &s->sum, 1, false, false},
        {"bonus.sum_squares", &s->sum_squares, 1, false, false},
        {"bonus.n_summed", &s->n_summed, 1, false, true},
    };
    memcpy(out, numbers, sizeof numbers);
}

mr_status mr_bonus_write(mr_bonus *b, mr_tensors_writer *writer) {
    mr_status status;
    mr_number numbers[N_NUMBERS];
    list_numbers(&b->state, numbers);
    MR_TRY(mr_numbers_write(N_NUMBERS, numbers, writer));
    MR_TRY(mr_scaled_features_write(b->features, writer));
    if (b->coverage)
        MR_TRY(mr_coverage_write(b->coverage, writer));
    if (b->net)
        MR_TRY(mr_novelty_write(b->net, writer));
done:
    return status;
}

static mr_status read_numbers(mr_bonus *b, const mr_tensors *file) {
    mr_number numbers[N_NUMBERS];
    mr_tensor unused;
    list_numbers(&b->state, numbers);
    return mr_tensors_find(file, old_array, &unused)
               ? mr_numbers_read_array(N_NUMBERS, numbers, old_array, file)
               : mr_numbers_read(N_NUMBERS, numbers, file);
}

mr_status mr_bonus_read(mr_bonus *b, const mr_tensors *file) {
    mr_status status;
    MR_TRY(read_numbers(b, file));
    MR_TRY(mr_scaled_features_read(b->features, b->state.n_visited, file));
    if (b->state.has_begun != 0) {
        if (mr_scaled_features_get(b->features).dim == 0)
            MR_TRY(mr_numbers_fail_damaged(file, "bonus.kept"));
        MR_TRY(build_net(b));
        MR_TRY(box_coverage(b));
        MR_TRY(mr_novelty_read(b->net, file));
    }
    if (b->coverage)
        MR_TRY(mr_coverage_read(b->coverage, file));
done:
    return status;
}
