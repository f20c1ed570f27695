// Environments of the caller's own: its callbacks behind mr_env, which adds the episode limit and
// checks the order of calls and the numbers.

#include "envs/env_ops.h"
#include "base/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIM = 1 << 20 };

/// What the environments of one call share.
typedef struct {
    mr_arena *arena; // the spec's texts and arrays
    mr_env_spec spec;
    mr_env_callbacks callbacks;
    void *self;
    size_t n_open;
    bool owns_self; // closes it after the last environment
} host;

/// One of them.
typedef struct {
    host *host;
    size_t i;
} callback_env;

static void release(host *h) {
    if (h->owns_self && h->callbacks.close != NULL)
        h->callbacks.close(h->self);
    mr_arena_free(h->arena);
    free(h);
}

static mr_status reset(void *self, const uint64_t *seed, double *obs) {
    const callback_env *env = self;
    return env->host->callbacks.reset(env->host->self, env->i, seed, obs);
}

static mr_status step(void *self, const double *action, double *obs, mr_step *result) {
    const callback_env *env = self;
    return env->host->callbacks.step(env->host->self, env->i, action, obs, result);
}

static void close_env(void *self) {
    callback_env *env = self;
    if (--env->host->n_open == 0)
        release(env->host);
    free(env);
}

static const mr_env_ops ops = {.reset = reset, .step = step, .close = close_env};

// ---- The spec

static mr_status check_bounds(const mr_env_spec *spec) {
    for (size_t j = 0; j < spec->act_dim; j++) {
        const double low = spec->act_low[j], high = spec->act_high[j];
        if (!isfinite(low) || !isfinite(high) || low >= high)
            return mr_fail(MR_ERR_USAGE,
                           "%s: action %zu is in [%g, %g]; both bounds must be finite, the lower "
                           "one below the upper one",
                           spec->name, j, low, high);
    }
    return MR_OK;
}

static mr_status check_spec(const mr_env_spec *spec) {
    MR_REQUIRE(spec->name);
    if (spec->name[0] == '\0' || strchr(spec->name, ':') != NULL)
        return mr_fail(MR_ERR_USAGE,
                       "an environment can't be called '%s'; give a name without a colon, which "
                       "stands for a scheme",
                       spec->name);
    MR_REQUIRE(spec->act_low);
    MR_REQUIRE(spec->act_high);
    if (spec->n_info > 0) {
        MR_REQUIRE(spec->info);
        MR_REQUIRE(spec->info_names);
    }
    if (spec->n_notes > 0)
        MR_REQUIRE(spec->notes);
    if (spec->obs_dim < 1 || spec->obs_dim > MAX_DIM || spec->act_dim < 1 ||
        spec->act_dim > MAX_DIM)
        return mr_fail(MR_ERR_USAGE,
                       "%s: %zu observations and %zu actions; there must be 1 to %d of each",
                       spec->name, spec->obs_dim, spec->act_dim, MAX_DIM);
    return check_bounds(spec);
}

static const void *copy_bytes(mr_arena *arena, const void *bytes, size_t n, bool *is_whole) {
    void *copy = bytes != NULL ? mr_arena_alloc(arena, n) : NULL;
    *is_whole = *is_whole && (copy != NULL || bytes == NULL);
    return copy != NULL ? memcpy(copy, bytes, n) : NULL;
}

static const char *copy_text(mr_arena *arena, const char *text, bool *is_whole) {
    return copy_bytes(arena, text, text != NULL ? strlen(text) + 1 : 0, is_whole);
}

static const char *const *copy_texts(mr_arena *arena, const char *const *texts, size_t n,
                                     bool *is_whole) {
    const char **copy = texts != NULL ? mr_arena_alloc(arena, n * sizeof *copy) : NULL;
    *is_whole = *is_whole && (copy != NULL || texts == NULL);
    for (size_t i = 0; copy != NULL && i < n; i++)
        copy[i] = copy_text(arena, texts[i], is_whole);
    return copy;
}

static mr_status copy_spec(host *h, const mr_env_spec *given) {
    bool is_whole = true;
    mr_env_spec *spec = &h->spec;
    const size_t n_bytes = given->act_dim * sizeof *given->act_low;
    *spec = *given;
    spec->name = copy_text(h->arena, given->name, &is_whole);
    spec->act_low = copy_bytes(h->arena, given->act_low, n_bytes, &is_whole);
    spec->act_high = copy_bytes(h->arena, given->act_high, n_bytes, &is_whole);
    spec->engine = copy_text(h->arena, given->engine, &is_whole);
    spec->engine_version = copy_text(h->arena, given->engine_version, &is_whole);
    spec->info_names = copy_texts(h->arena, given->info_names, given->n_info, &is_whole);
    spec->obs_names = copy_texts(h->arena, given->obs_names, given->obs_dim, &is_whole);
    spec->arena = copy_bytes(h->arena, given->arena, sizeof *given->arena, &is_whole);
    spec->notes = copy_texts(h->arena, given->notes, given->n_notes, &is_whole);
    return is_whole ? MR_OK : mr_fail_memory("environments");
}

// ---- Making them

static mr_status make_host(const mr_env_callbacks *callbacks, void *self, const mr_env_spec *spec,
                           host **out) {
    mr_status status;
    host *h = calloc(1, sizeof *h);
    if (h == NULL)
        return mr_fail_memory("environments");
    *h = (host){.arena = mr_arena_new(), .callbacks = *callbacks, .self = self};
    if (h->arena == NULL)
        MR_TRY(mr_fail_memory("environments"));
    MR_TRY(copy_spec(h, spec));
    *out = h;
    return MR_OK;
done:
    release(h);
    return status;
}

static mr_status make_env(host *h, size_t i, mr_env **out) {
    callback_env *env = malloc(sizeof *env);
    if (env == NULL)
        return mr_fail_memory("environments");
    *env = (callback_env){h, i};
    h->n_open++;
    return mr_env_wrap(&ops, env, &h->spec, out);
}

// Holds the host meanwhile as one more environment would, so that it outlives a failure.
static mr_status make_envs(host *h, size_t n, int n_threads, mr_vec_env **out) {
    mr_status status = MR_OK;
    mr_env **envs = calloc(n, sizeof *envs);
    if (envs == NULL)
        return mr_fail_memory("environments");
    for (size_t i = 0; i < n && status == MR_OK; i++)
        status = make_env(h, i, &envs[i]);
    if (status == MR_OK)
        return mr_vec_env_of(envs, n, n_threads, out);
    for (size_t i = 0; i < n; i++)
        mr_env_close(envs[i]);
    free(envs);
    return status;
}

mr_status mr_vec_env_new(const mr_env_callbacks *callbacks, void *self, const mr_env_spec *spec,
                         size_t n, int n_threads, mr_vec_env **out) {
    mr_status status;
    host *h = NULL;
    MR_REQUIRE(callbacks);
    MR_REQUIRE(callbacks->reset);
    MR_REQUIRE(callbacks->step);
    MR_REQUIRE(spec);
    MR_REQUIRE(out);
    MR_TRY(check_spec(spec));
    MR_TRY(mr_vec_env_check_sizes(spec->name, n, n_threads));
    if (spec->info != NULL && n_threads > 1)
        MR_TRY(mr_fail(MR_ERR_USAGE,
                       "%s: its environments share one array of infos, which %d threads would "
                       "write at once; give 1 thread, or no infos",
                       spec->name, n_threads));
    MR_TRY(make_host(callbacks, self, spec, &h));
    h->n_open = 1; // held here
    status = make_envs(h, n, n_threads, out);
    h->owns_self = status == MR_OK;
    if (--h->n_open == 0)
        release(h);
done:
    return status;
}

// ---- Infos that come with steps

mr_status mr_vec_env_add_info(mr_vec_env *vec, const char *name) {
    MR_REQUIRE(vec);
    MR_REQUIRE(name);
    const mr_env *first = mr_vec_env_at(vec, 0);
    const callback_env *env = first != NULL ? mr_env_unwrap(first, &ops) : NULL;
    const mr_env_spec *spec = mr_vec_env_get_spec(vec);
    if (env == NULL || spec->info == NULL)
        return mr_fail(MR_ERR_USAGE,
                       "%s: an info can't be added; only environments of mr_vec_env_new take one, "
                       "if their spec has an array for the values",
                       spec->name);
    const size_t n = spec->n_info;
    const char **names = mr_arena_alloc(env->host->arena, (n + 1) * sizeof *names);
    const char *copy = mr_arena_text(env->host->arena, name);
    if (names == NULL || copy == NULL)
        return mr_fail_memory("the infos of environments");
    for (size_t j = 0; j < n; j++)
        names[j] = spec->info_names[j];
    names[n] = copy;
    return mr_vec_env_set_infos(vec, n + 1, names);
}
