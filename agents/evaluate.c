// Playing whole episodes.

#include "agents/evaluate.h"

#include <math.h>
#include <stdlib.h>

mr_status mr_evaluation_new(size_t n, mr_evaluation **out) {
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

/// Episodes being played side by side.
typedef struct {
    mr_policy *policy;
    mr_vec_env *envs;
    uint64_t seed;
    bool deterministic;
    const mr_eval_watcher *watcher; // NULL: nobody
    size_t n;                       // copies
    size_t obs_dim, act_dim;
    double *obs;       // [n x obs_dim]
    double *action;    // [n x act_dim]
    mr_real *act;      // [n x act_dim]
    mr_real *noise;    // [n x act_dim]
    mr_step *step;     // [n]
    bool *active;      // [n] playing
    size_t *episode;   // [n] which one
    mr_random *random; // [n] its noise
} table;

static mr_status table_new(mr_policy *policy, mr_vec_env *envs, table *t) {
    const mr_env_spec *spec = mr_vec_env_get_spec(envs);
    const size_t n = mr_vec_env_n(envs);
    t->policy = policy;
    t->envs = envs;
    t->n = n;
    t->obs_dim = spec->obs_dim;
    t->act_dim = spec->act_dim;
    t->obs = calloc(n * t->obs_dim, sizeof *t->obs);
    t->action = calloc(n * t->act_dim, sizeof *t->action);
    t->act = calloc(n * t->act_dim, sizeof *t->act);
    t->noise = calloc(n * t->act_dim, sizeof *t->noise);
    t->step = calloc(n, sizeof *t->step);
    t->active = calloc(n, sizeof *t->active);
    t->episode = calloc(n, sizeof *t->episode);
    t->random = calloc(n, sizeof *t->random);
    const bool whole = t->obs && t->action && t->act && t->noise && t->step && t->active &&
                       t->episode && t->random;
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
}

static mr_status show(const table *t, size_t i, const mr_evaluation *evaluation) {
    const size_t episode = t->episode[i];
    if (t->watcher == NULL || t->watcher->look == NULL)
        return MR_OK;
    return t->watcher->look(t->watcher->self, i, episode, evaluation->lengths[episode]);
}

static mr_status tell_visit(const table *t, size_t i) {
    const mr_eval_watcher *watcher = t->watcher;
    if (watcher == NULL || watcher->visited == NULL)
        return MR_OK;
    return watcher->visited(watcher->visitor, t->obs + i * t->obs_dim);
}

// Begins the episode of copy i, maybe not for the first time.
static mr_status begin(table *t, size_t i, mr_evaluation *evaluation) {
    mr_status status;
    const size_t episode = t->episode[i];
    const uint64_t seed = t->seed + episode;
    t->random[i] = mr_random_stream(t->seed, MR_STREAM_EVAL, episode);
    evaluation->returns[episode] = 0;
    evaluation->lengths[episode] = 0;
    MR_TRY(mr_vec_env_reset(t->envs, i, &seed, t->obs + i * t->obs_dim));
    status = show(t, i, evaluation);
done:
    return status;
}

// Gives copy i the next episode that nobody plays yet, if there is one.
static mr_status begin_next(table *t, size_t i, size_t *n_begun, mr_evaluation *evaluation) {
    t->active[i] = *n_begun < evaluation->n;
    if (!t->active[i])
        return MR_OK;
    t->episode[i] = (*n_begun)++;
    return begin(t, i, evaluation);
}

static mr_status act(table *t) {
    for (size_t i = 0; i < t->n && !t->deterministic; i++)
        if (t->active[i])
            mr_random_fill_normal(&t->random[i], t->act_dim, t->noise + i * t->act_dim);
    const mr_status status =
        mr_policy_sample(t->policy, t->n, t->obs, t->deterministic ? NULL : t->noise, t->act, NULL);
    if (status == MR_OK)
        mr_policy_scale(t->policy, t->n, t->act, t->action);
    return status;
}

static mr_status play(table *t, mr_evaluation *evaluation) {
    mr_status status = MR_OK;
    size_t n_begun = 0, n_ended = 0;
    for (size_t i = 0; i < t->n; i++)
        MR_TRY(begin_next(t, i, &n_begun, evaluation));
    while (n_ended < evaluation->n) {
        MR_TRY(act(t));
        MR_TRY(mr_vec_env_step(t->envs, t->active, t->action, t->obs, t->step));
        for (size_t i = 0; i < t->n; i++) {
            if (!t->active[i])
                continue;
            if (t->step[i].lost) {
                MR_TRY(begin(t, i, evaluation));
                continue;
            }
            evaluation->returns[t->episode[i]] += t->step[i].reward;
            evaluation->lengths[t->episode[i]]++;
            MR_TRY(show(t, i, evaluation));
            MR_TRY(tell_visit(t, i));
            if (t->step[i].terminated || t->step[i].truncated) {
                n_ended++;
                MR_TRY(begin_next(t, i, &n_begun, evaluation));
            }
        }
    }
done:
    return status;
}

static void summarise(mr_evaluation *e) {
    double sum = 0, sum_of_squares = 0, steps = 0;
    for (size_t i = 0; i < e->n; i++) {
        sum += e->returns[i];
        steps += (double)e->lengths[i];
    }
    e->mean_return = sum / (double)e->n;
    e->mean_length = steps / (double)e->n;
    for (size_t i = 0; i < e->n; i++)
        sum_of_squares += (e->returns[i] - e->mean_return) * (e->returns[i] - e->mean_return);
    e->std_return = sqrt(sum_of_squares / (double)e->n);
}

mr_status mr_evaluate(mr_policy *policy, mr_vec_env *envs, uint64_t seed, bool deterministic,
                      const mr_eval_watcher *watcher, mr_evaluation *evaluation) {
    mr_status status;
    table t = {.seed = seed, .deterministic = deterministic, .watcher = watcher};
    MR_TRY(table_new(policy, envs, &t));
    MR_TRY(play(&t, evaluation));
    summarise(evaluation);
done:
    table_free(&t);
    return status;
}
