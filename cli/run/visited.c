// The states that a policy visits.

#include "cli/run/visited.h"

#include <math.h>
#include <stdlib.h>

#include "agents/coverage.h"
#include "agents/entropy.h"
#include "agents/features.h"

enum {
    NEIGHBOUR = 3,      // Seo et al. 2021
    MAX_STATES = 10000, // of the estimate of the entropy, whose time grows with their square
};

struct mr_visited {
    mr_features features;
    mr_coverage *coverage; // NULL: the task has no workspace
    size_t n, capacity;
    double *x;       // [capacity x features.n]
    size_t *episode; // [capacity]
};

static mr_status choose_features(const char *text, const mr_env_spec *env, mr_features *out) {
    if (text[0] != '\0')
        return mr_features_parse(text, env, "--features", out);
    mr_status status = mr_features_parse("all", env, "--features", out);
    if (status == MR_OK && env->arena) {
        out->n = 2;
        for (size_t k = 0; k < 2; k++)
            out->index[k] = env->arena->feature[k];
    }
    return status;
}

mr_status mr_visited_new(const char *features, const mr_env_spec *env, mr_visited **out) {
    mr_status status;
    mr_visited *v = calloc(1, sizeof *v);
    if (!v)
        return mr_fail_memory("the visited states");
    MR_TRY(choose_features(features, env, &v->features));
    if (env->arena)
        MR_TRY(mr_coverage_new(env->arena, &v->coverage));
    *out = v;
    v = NULL;
done:
    mr_visited_free(v);
    return status;
}

void mr_visited_free(mr_visited *v) {
    if (!v)
        return;
    mr_features_free(&v->features);
    mr_coverage_free(v->coverage);
    free(v->x);
    free(v->episode);
    free(v);
}

static mr_status reserve(mr_visited *v) {
    if (v->n < v->capacity)
        return MR_OK;
    const size_t capacity = v->capacity > 0 ? 2 * v->capacity : 1024;
    double *x = realloc(v->x, capacity * v->features.n * sizeof *x);
    if (x)
        v->x = x;
    size_t *episode = realloc(v->episode, capacity * sizeof *episode);
    if (episode)
        v->episode = episode;
    if (!x || !episode)
        return mr_fail_memory("the visited states");
    v->capacity = capacity;
    return MR_OK;
}

mr_status mr_visited_add(void *self, size_t episode, const double *obs) {
    mr_visited *v = self;
    const mr_status status = reserve(v);
    if (status != MR_OK)
        return status;
    for (size_t j = 0; j < v->features.n; j++)
        v->x[v->n * v->features.n + j] = obs[v->features.index[j]];
    v->episode[v->n++] = episode;
    if (v->coverage)
        mr_coverage_visit(v->coverage, obs);
    return MR_OK;
}

// Evenly spaced states, and those of their features that vary.
typedef struct {
    size_t n, dim;
    double *x; // [n x dim]
} sample;

static bool varies(const sample *s, size_t j) {
    for (size_t i = 1; i < s->n; i++)
        if (s->x[i * s->dim + j] != s->x[j])
            return true;
    return false;
}

static mr_status drop_constant(sample *s) {
    size_t n_kept = 0;
    bool *kept = calloc(s->dim, sizeof *kept);
    if (!kept)
        return mr_fail_memory("the visited states");
    for (size_t j = 0; j < s->dim; j++)
        n_kept += kept[j] = varies(s, j);
    for (size_t i = 0, k = 0; i < s->n; i++)
        for (size_t j = 0; j < s->dim; j++)
            if (kept[j])
                s->x[k++] = s->x[i * s->dim + j];
    s->dim = n_kept;
    free(kept);
    return MR_OK;
}

// The indices of the states in the order of their episodes, which may have been played in parallel.
static size_t *order(const mr_visited *v) {
    size_t n_episodes = 0;
    for (size_t i = 0; i < v->n; i++)
        n_episodes = v->episode[i] >= n_episodes ? v->episode[i] + 1 : n_episodes;
    size_t *place = calloc(n_episodes + 1, sizeof *place); // of each episode's next state
    size_t *at = malloc((v->n + 1) * sizeof *at);
    if (!place || !at) {
        free(place);
        free(at);
        return NULL;
    }
    for (size_t i = 0; i < v->n; i++)
        place[v->episode[i] + 1]++;
    for (size_t e = 0; e < n_episodes; e++)
        place[e + 1] += place[e];
    for (size_t i = 0; i < v->n; i++)
        at[place[v->episode[i]]++] = i;
    free(place);
    return at;
}

static mr_status take_sample(const mr_visited *v, sample *s) {
    const size_t dim = v->features.n;
    *s = (sample){.n = v->n < MAX_STATES ? v->n : MAX_STATES, .dim = dim};
    s->x = malloc((s->n * dim + 1) * sizeof *s->x);
    size_t *at = order(v);
    if (!s->x || !at) {
        free(at);
        return mr_fail_memory("the visited states");
    }
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < dim; j++)
            s->x[i * dim + j] = v->x[at[i * v->n / s->n] * dim + j];
    free(at);
    return drop_constant(s);
}

mr_status mr_visited_summarise(const mr_visited *v, int n_threads, mr_visited_summary *out) {
    sample s;
    double entropy = NAN;
    mr_status status = take_sample(v, &s);
    if (status == MR_OK && s.dim > 0 && s.n > NEIGHBOUR)
        status = mr_entropy_of_points(s.n, s.dim, s.x, NEIGHBOUR, n_threads, &entropy);
    if (status == MR_OK)
        *out =
            (mr_visited_summary){.n_states = v->n,
                                 .entropy = entropy,
                                 .coverage = v->coverage ? mr_coverage_fraction(v->coverage) : NAN};
    free(s.x);
    return status;
}
