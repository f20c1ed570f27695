// Making batches: the way of a reward from the replay buffer to the agent.

#include "agents/batch.h"

#include <math.h>
#include <stdlib.h>

#include "agents/numbers.h"

/// The discounted returns of a run, observed step by step. All doubles: a file has each by name.
typedef struct {
    double *running;      // [n_envs] G of the present episodes
    double n;             // steps observed
    double largest;       // |G|
    double mean, squares; // of G; sum of squared distances from the mean (Welford 1962)
} returns;

struct mr_batch_maker {
    mr_batch_options options;
    size_t obs_dim;
    returns returns;
    mr_real *weight; // [batch_size] NULL: drawn uniformly
    mr_transitions drawn;
    mr_real *score;          // [batch_size] b after one step
    mr_real *intrinsic;      // [batch_size] B
    mr_real *obs, *next_obs; // [batch_size x obs_dim] standardised; NULL: as they were drawn
    mr_batch batch;          // of the latest draw
};

static mr_status allocate(mr_batch_maker *m, size_t act_dim) {
    const size_t n = m->options.batch_size, obs_dim = m->obs_dim, n_step = m->options.n_step;
    const bool needs_path = m->options.bonus && n_step > 1;
    mr_transitions *d = &m->drawn;
    *d =
        (mr_transitions){.n_rows = n,
                         .obs = calloc(n * obs_dim, sizeof(mr_real)),
                         .act = calloc(n * act_dim, sizeof(mr_real)),
                         .reward = calloc(n, sizeof(mr_real)),
                         .discount = calloc(n, sizeof(mr_real)),
                         .next_obs = calloc(n * obs_dim, sizeof(mr_real)),
                         .n_steps = calloc(n, sizeof(size_t)),
                         .path = needs_path ? calloc(n_step * n * obs_dim, sizeof(mr_real)) : NULL};
    m->score = calloc(n, sizeof *m->score);
    m->intrinsic = calloc(n, sizeof *m->intrinsic);
    const bool is_prioritised = m->options.priority_alpha > 0;
    if (is_prioritised) {
        d->slot = calloc(n, sizeof *d->slot);
        d->probability = calloc(n, sizeof *d->probability);
        m->weight = calloc(n, sizeof *m->weight);
    }
    if (m->options.obs_norm) {
        m->obs = calloc(n * obs_dim, sizeof *m->obs);
        m->next_obs = calloc(n * obs_dim, sizeof *m->next_obs);
    }
    m->returns.running = calloc(m->options.n_envs, sizeof *m->returns.running);
    const bool is_whole = d->obs && d->act && d->reward && d->discount && d->next_obs &&
                          d->n_steps && (d->path || !needs_path) && m->score && m->intrinsic &&
                          m->returns.running && (!m->options.obs_norm || (m->obs && m->next_obs)) &&
                          (!is_prioritised || (d->slot && d->probability && m->weight));
    return is_whole ? MR_OK : mr_fail_memory("the batches");
}

mr_status mr_batch_maker_new(const mr_batch_options *options, size_t obs_dim, size_t act_dim,
                             mr_batch_maker **out) {
    mr_status status;
    mr_batch_maker *m = calloc(1, sizeof *m);
    if (!m)
        return mr_fail_memory("the batches");
    m->options = *options;
    m->obs_dim = obs_dim;
    MR_TRY(allocate(m, act_dim));
    m->batch =
        (mr_batch){.n = options->batch_size,
                   .obs = m->obs ? m->obs : m->drawn.obs,
                   .act = m->drawn.act,
                   .reward = m->drawn.reward,
                   .discount = m->drawn.discount,
                   .next_obs = m->next_obs ? m->next_obs : m->drawn.next_obs,
                   .weight = m->weight,
                   .intrinsic = options->bonus && options->is_separate ? m->intrinsic : NULL};
    *out = m;
    m = NULL;
done:
    mr_batch_maker_free(m);
    return status;
}

void mr_batch_maker_free(mr_batch_maker *m) {
    if (!m)
        return;
    free(m->drawn.obs);
    free(m->drawn.act);
    free(m->drawn.reward);
    free(m->drawn.discount);
    free(m->drawn.next_obs);
    free(m->drawn.n_steps);
    free(m->drawn.path);
    free(m->drawn.slot);
    free(m->drawn.probability);
    free(m->weight);
    free(m->score);
    free(m->intrinsic);
    free(m->obs);
    free(m->next_obs);
    free(m->returns.running);
    free(m);
}

// ---- The deviation of the discounted return

// Adds a value of G.
static void add_return(returns *r, double value) {
    const double distance = value - r->mean;
    r->largest = fmax(r->largest, fabs(value));
    r->n++;
    r->mean += distance / r->n;
    r->squares += distance * (value - r->mean);
}

void mr_batch_observe(mr_batch_maker *m, const mr_step *step, const bool *is_first) {
    returns *r = &m->returns;
    for (size_t i = 0; i < m->options.n_envs; i++) {
        if (step[i].lost)
            continue;
        r->running[i] = (is_first[i] ? 0 : m->options.gamma * r->running[i]) + step[i].reward;
        add_return(r, r->running[i]);
    }
}

void mr_batch_observe_episode(mr_batch_maker *m, size_t n, const double *rewards) {
    double running = 0;
    for (size_t t = 0; t < n; t++) {
        running = m->options.gamma * running + rewards[t];
        add_return(&m->returns, running);
    }
}

// Returns that have not varied divide by 1: there is nothing to tell rewards apart by.
static double reward_factor(const mr_batch_maker *m) {
    const double least_std = 1e-8; // that is not rounding
    const returns *r = &m->returns;
    const double std = r->n > 0 ? sqrt(r->squares / r->n) : 0;
    const double bound = m->options.max_return > 0 ? r->largest / m->options.max_return : 0;
    const double divisor = fmax(std, bound);
    const bool divides = m->options.normalize_reward && divisor > least_std;
    return divides ? m->options.reward_scale / divisor : m->options.reward_scale;
}

// ---- Drawing

static const mr_real *states_after(const mr_batch_maker *m, size_t k) {
    return m->drawn.path ? m->drawn.path + k * m->batch.n * m->obs_dim : m->drawn.next_obs;
}

// B. The bonus takes the states after the first step for its batch.
static mr_status sum_intrinsic(mr_batch_maker *m) {
    mr_bonus *bonus = m->options.bonus;
    const mr_status status = mr_bonus_score(bonus, states_after(m, 0), m->intrinsic);
    double discount = 1;
    for (size_t k = 1; k < m->options.n_step && status == MR_OK; k++) {
        discount *= m->options.gamma;
        mr_bonus_score_more(bonus, states_after(m, k), m->score);
        for (size_t i = 0; i < m->batch.n; i++)
            if (k < m->drawn.n_steps[i])
                m->intrinsic[i] += (mr_real)discount * m->score[i];
    }
    return status;
}

// The largest weight cancels, and so does N if all rows have the same: w = (P / min P)^-beta.
static void weigh(mr_batch_maker *m) {
    const double *p = m->drawn.probability;
    double least = p[0];
    for (size_t i = 1; i < m->batch.n; i++)
        least = fmin(least, p[i]);
    for (size_t i = 0; i < m->batch.n; i++)
        m->weight[i] = (mr_real)pow(p[i] / least, -m->options.priority_beta);
}

void mr_batch_reprioritise(mr_batch_maker *m, mr_replay *replay, const mr_real *loss) {
    const double smallest = 1e-6; // that everything is drawn again
    const size_t n = m->batch.n - m->options.n_demonstrations;
    for (size_t i = 0; i < n && m->weight; i++)
        mr_replay_set_priority(replay, m->drawn.slot[i],
                               pow(sqrt((double)loss[i]) + smallest, m->options.priority_alpha));
}

static void standardise(mr_batch_maker *m) {
    mr_obs_norm_apply(m->options.obs_norm, m->batch.n, m->drawn.obs, m->obs);
    mr_obs_norm_apply(m->options.obs_norm, m->batch.n, m->drawn.next_obs, m->next_obs);
}

// P becomes N P for both kinds of rows, whose N differ.
static void multiply_by_n(mr_batch_maker *m, const mr_replay *replay,
                          const mr_replay *demonstrations) {
    const size_t n = m->batch.n - m->options.n_demonstrations;
    for (size_t i = 0; i < m->batch.n && m->weight; i++)
        m->drawn.probability[i] *= (double)mr_replay_size(i < n ? replay : demonstrations);
}

static void draw_rows(mr_batch_maker *m, const mr_replay *replay, const mr_replay *demonstrations,
                      mr_random *which) {
    const mr_batch_options *o = &m->options;
    const size_t n_last = o->n_demonstrations, n = o->batch_size - n_last;
    mr_replay_sample(replay, which, 0, n, o->n_step, o->gamma, &m->drawn);
    if (n_last == 0)
        return;
    mr_replay_sample(demonstrations, which, n, n_last, o->n_step, o->gamma, &m->drawn);
    multiply_by_n(m, replay, demonstrations);
}

mr_status mr_batch_draw(mr_batch_maker *m, const mr_replay *replay, const mr_replay *demonstrations,
                        uint64_t index, const mr_batch **out) {
    mr_status status = MR_OK;
    const mr_batch_options *o = &m->options;
    mr_random which = mr_random_stream(o->seed, MR_STREAM_REPLAY, index);
    const mr_real factor = (mr_real)reward_factor(m);
    draw_rows(m, replay, demonstrations, &which);
    for (size_t i = 0; i < o->batch_size; i++)
        m->drawn.reward[i] *= factor;
    if (m->weight)
        weigh(m);
    if (o->obs_norm)
        standardise(m);
    *out = &m->batch;
    if (!o->bonus)
        return MR_OK;
    MR_TRY(sum_intrinsic(m));
    m->batch.beta = mr_bonus_beta(o->bonus);
    for (size_t i = 0; i < o->batch_size && !m->batch.intrinsic; i++)
        m->drawn.reward[i] += (mr_real)m->batch.beta * m->intrinsic[i];
done:
    return status;
}

// ---- Checkpoints

enum { RUNNING, N_NUMBERS = 5 };

static void list_numbers(mr_batch_maker *m, mr_number out[N_NUMBERS]) {
    returns *r = &m->returns;
    const mr_number numbers[N_NUMBERS] = {
        [RUNNING] = {"returns.running", r->running, m->options.n_envs, false, false},
        {"returns.n", &r->n, 1, false, true},
        {"returns.mean", &r->mean, 1, false, false},
        {"returns.squares", &r->squares, 1, false, false},
        {"returns.largest", &r->largest, 1, true, false},
    };
    for (size_t i = 0; i < N_NUMBERS; i++)
        out[i] = numbers[i];
}

mr_status mr_batch_write(mr_batch_maker *m, mr_tensors_writer *writer) {
    mr_number numbers[N_NUMBERS];
    list_numbers(m, numbers);
    return m->options.normalize_reward ? mr_numbers_write(N_NUMBERS, numbers, writer) : MR_OK;
}

mr_status mr_batch_read(mr_batch_maker *m, const mr_tensors *file) {
    mr_number numbers[N_NUMBERS];
    list_numbers(m, numbers);
    return m->options.normalize_reward ? mr_numbers_read(N_NUMBERS, numbers, file) : MR_OK;
}

mr_status mr_batch_read_statistics(mr_batch_maker *m, const mr_tensors *file) {
    mr_number numbers[N_NUMBERS];
    list_numbers(m, numbers);
    return m->options.normalize_reward
               ? mr_numbers_read(N_NUMBERS - RUNNING - 1, numbers + RUNNING + 1, file)
               : MR_OK;
}
