// Evaluations: whole episodes, several at a time.

#include "agents/evaluate.h"

#include <math.h>
#include <stdlib.h>

enum { MIN_MAX_STEPS = 1000 };

mr_status mr_evaluation_new(size_t n, mr_evaluation **out) {
    MR_REQUIRE(out);
    if (n == 0)
        return mr_fail(MR_ERR_USAGE,
                       "an evaluation of 0 episodes was asked for; ask for 1 at least");
    mr_evaluation *evaluation = calloc(1, sizeof *evaluation);
    if (evaluation) {
        *evaluation = (mr_evaluation){.n = n,
                                      .returns = calloc(n, sizeof *evaluation->returns),
                                      .lengths = calloc(n, sizeof *evaluation->lengths)};
        if (evaluation->returns && evaluation->lengths) {
            *out = evaluation;
            return MR_OK;
        }
    }
    mr_evaluation_free(evaluation);
    return mr_fail_memory("an evaluation");
}

void mr_evaluation_free(mr_evaluation *evaluation) {
    if (!evaluation)
        return;
    free(evaluation->returns);
    free(evaluation->lengths);
    free(evaluation);
}

/// The episodes that are played at present, one in each copy of the environment.
typedef struct {
    const mr_policy *policy;
    mr_vec_env *envs;
    const mr_eval_options *options;
    mr_evaluation *evaluation;
    size_t n; // copies
    size_t obs_dim, act_dim;
    double *obs;       // [n x obs_dim]
    double *action;    // [n x act_dim]
    mr_real *act;      // [act_dim]
    mr_real *noise;    // [act_dim]
    mr_step *step;     // [n]
    bool *active;      // [n] playing
    size_t *episode;   // [n] which one
    mr_random *random; // [n] its noise
    bool *has_ended;   // [evaluation->n]
    size_t n_begun;
} table;

static mr_status table_new(table *t) {
    const mr_env_spec *spec = mr_vec_env_get_spec(t->envs);
    const size_t n = mr_vec_env_n(t->envs);
    t->n = n;
    t->obs_dim = spec->obs_dim;
    t->act_dim = spec->act_dim;
    t->obs = calloc(n * t->obs_dim, sizeof *t->obs);
    t->action = calloc(n * t->act_dim, sizeof *t->action);
    t->act = calloc(t->act_dim, sizeof *t->act);
    t->noise = calloc(t->act_dim, sizeof *t->noise);
    t->step = calloc(n, sizeof *t->step);
    t->active = calloc(n, sizeof *t->active);
    t->episode = calloc(n, sizeof *t->episode);
    t->random = calloc(n, sizeof *t->random);
    t->has_ended = calloc(t->evaluation->n, sizeof *t->has_ended);
    const bool whole = t->obs && t->action && t->act && t->noise && t->step && t->active &&
                       t->episode && t->random && t->has_ended;
    return whole ? MR_OK : mr_fail_memory("an evaluation");
}

static void table_free(table *t) {
    free(t->obs);
    free(t->action);
    free(t->act);
    free(t->noise);
    free(t->step);
    free(t->active);
    free(t->episode);
    free(t->random);
    free(t->has_ended);
}

static mr_status show(const table *t, size_t i) {
    const mr_eval_watcher *watcher = t->options->watcher;
    const size_t episode = t->episode[i];
    if (watcher == NULL || watcher->look == NULL)
        return MR_OK;
    return watcher->look(watcher->self, i, episode, t->evaluation->lengths[episode]);
}

static mr_status tell_visit(const table *t, size_t i) {
    const mr_eval_watcher *watcher = t->options->watcher;
    if (watcher == NULL || watcher->visited == NULL)
        return MR_OK;
    return watcher->visited(watcher->visitor, t->episode[i], t->obs + i * t->obs_dim);
}

// step: NULL if the episode begins.
static mr_status tell_step(const table *t, size_t i, const mr_step *step, bool ends) {
    const mr_eval_watcher *watcher = t->options->watcher;
    if (watcher == NULL || watcher->stepped == NULL)
        return MR_OK;
    const mr_eval_step told = {.copy = i,
                               .episode = t->episode[i],
                               .obs = t->obs + i * t->obs_dim,
                               .action = step ? t->action + i * t->act_dim : NULL,
                               .step = step,
                               .ends = ends};
    return watcher->stepped(watcher->recorder, &told);
}

static bool is_stopped(const table *t) {
    return t->options->stop != NULL && *t->options->stop != 0;
}

// Begins the episode of copy i, again if it was lost.
static mr_status begin(table *t, size_t i) {
    const size_t episode = t->episode[i];
    const uint64_t seed = t->options->seed + episode;
    if (is_stopped(t)) // a reset may take long
        return MR_STOPPED;
    t->random[i] = mr_random_stream(seed, MR_STREAM_EVAL, 0);
    t->evaluation->returns[episode] = 0;
    t->evaluation->lengths[episode] = 0;
    mr_status status;
    MR_TRY(mr_vec_env_reset(t->envs, i, &seed, t->obs + i * t->obs_dim));
    MR_TRY(show(t, i));
    status = tell_step(t, i, NULL, false);
done:
    return status;
}

// Begins the next episode in copy i, if any is left.
static mr_status begin_next(table *t, size_t i) {
    t->active[i] = t->n_begun < t->evaluation->n;
    if (!t->active[i])
        return MR_OK;
    t->episode[i] = t->n_begun++;
    return begin(t, i);
}

// One observation at a time: the last bit of a batch's row depends on the number of rows, and a
// simulation amplifies it to another episode.
static mr_status act(table *t) {
    mr_status status = MR_OK;
    const bool deterministic = t->options->deterministic;
    for (size_t i = 0; i < t->n; i++) {
        if (!t->active[i])
            continue;
        if (!deterministic)
            mr_random_fill_normal(&t->random[i], t->act_dim, t->noise);
        MR_TRY(mr_policy_act_units(t->policy, t->obs + i * t->obs_dim,
                                   deterministic ? NULL : t->noise, t->act));
        mr_policy_scale(t->policy, 1, t->act, t->action + i * t->act_dim);
    }
done:
    return status;
}

// Adds the step of copy i to its episode.
static mr_status take(table *t, size_t i) {
    mr_status status;
    const mr_step *step = &t->step[i];
    const size_t episode = t->episode[i];
    mr_evaluation *e = t->evaluation;
    if (step->lost)
        return begin(t, i);
    e->returns[episode] += step->reward;
    e->lengths[episode]++;
    MR_TRY(show(t, i));
    MR_TRY(tell_visit(t, i));
    const bool ends = step->terminated || step->truncated;
    const bool is_cut = !ends && e->lengths[episode] == t->options->max_steps;
    MR_TRY(tell_step(t, i, step, ends || is_cut));
    if (!ends && !is_cut)
        return MR_OK;
    t->has_ended[episode] = true;
    e->n_ended++;
    e->n_cut += is_cut;
    status = begin_next(t, i);
done:
    return status;
}

static mr_status play(table *t) {
    mr_status status = MR_OK;
    t->evaluation->n_ended = t->evaluation->n_cut = 0;
    for (size_t i = 0; i < t->n; i++)
        MR_TRY(begin_next(t, i));
    while (t->evaluation->n_ended < t->evaluation->n) {
        if (is_stopped(t))
            return MR_STOPPED;
        MR_TRY(act(t));
        MR_TRY(mr_vec_env_step(t->envs, t->active, t->action, t->obs, t->step));
        for (size_t i = 0; i < t->n; i++)
            if (t->active[i])
                MR_TRY(take(t, i));
    }
done:
    return status;
}

// Moves the episodes that ended to the front.
static void move_ended_to_front(const table *t) {
    mr_evaluation *e = t->evaluation;
    for (size_t i = 0, k = 0; i < e->n; i++)
        if (t->has_ended[i]) {
            e->returns[k] = e->returns[i];
            e->lengths[k++] = e->lengths[i];
        }
}

static void summarise(mr_evaluation *e) {
    double sum = 0, sum_of_squares = 0, steps = 0;
    for (size_t i = 0; i < e->n_ended; i++) {
        sum += e->returns[i];
        steps += (double)e->lengths[i];
    }
    e->mean_return = sum / (double)e->n_ended;
    e->mean_length = steps / (double)e->n_ended;
    for (size_t i = 0; i < e->n_ended; i++)
        sum_of_squares += (e->returns[i] - e->mean_return) * (e->returns[i] - e->mean_return);
    e->std_return = sqrt(sum_of_squares / (double)e->n_ended);
}

size_t mr_eval_max_steps(const mr_env_spec *env, size_t given, size_t longest) {
    if (given > 0)
        return given;
    const size_t n = env->max_episode_steps > longest ? env->max_episode_steps : longest;
    return n > MIN_MAX_STEPS ? n : MIN_MAX_STEPS;
}

mr_status mr_evaluate(const mr_policy *policy, mr_vec_env *envs, const mr_eval_options *options,
                      mr_evaluation *evaluation) {
    mr_status status;
    MR_REQUIRE(policy);
    MR_REQUIRE(envs);
    MR_REQUIRE(options);
    MR_REQUIRE(evaluation);
    table t = {.policy = policy, .envs = envs, .options = options, .evaluation = evaluation};
    MR_TRY(mr_policy_check_env(policy, mr_vec_env_get_spec(envs)));
    MR_TRY(table_new(&t));
    status = play(&t);
    if (status == MR_ERR_IO && is_stopped(&t)) // a server was waited for until then
        status = MR_STOPPED;
    if (status == MR_OK || status == MR_STOPPED) {
        move_ended_to_front(&t);
        summarise(evaluation);
    }
done:
    table_free(&t);
    return status;
}
