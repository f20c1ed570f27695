// Acting with a policy's nets: pools of workspaces.

#include "agents/policy_actors.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "agents/obs_norm.h"
#include "nn/openblas.h"

/// A graph for acting on up to `max_rows` observations, or for the log-densities of given actions,
/// or a chooser.
typedef struct actor actor;
struct actor {
    mr_graph *graph;
    mr_node *obs, *noise;
    mr_node *given; // the actions whose log-densities are wanted; NULL: noise makes them
    mr_policy_nodes nodes;
    mr_chooser *chooser;
    actor *next; // in the pool
};

typedef enum { FOR_ONE, FOR_BATCH, CHOOSING, SCORING } actor_kind;

/// Those of one kind that nobody uses now.
typedef struct {
    actor_kind kind;
    size_t max_rows; // 0: not prepared
    actor *first;
} pool;

struct mr_policy_actors {
    const mr_policy_net *net; // borrowed
    int n_busy;               // workspaces in use
    int n_ready;              // that OpenBLAS has memory for, in use at once
    pool one, batch, choosing, scoring;
    const mr_deterministic *deterministic; // borrowed; NULL: base
    const mr_policy_critics *critics;      // borrowed
};

// ---- Forks

// A fork waits until no thread acts, and then nobody begins to act until it is done: its child
// finds all pools whole, and no lock of OpenBLAS taken by a thread that it doesn't have.
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; // of these and of all pools
static pthread_cond_t has_changed = PTHREAD_COND_INITIALIZER;
static int n_acting, n_forking; // threads, in all policies

static void begin_fork(void) {
    pthread_mutex_lock(&mutex);
    n_forking++;
    while (n_acting > 0)
        pthread_cond_wait(&has_changed, &mutex);
}

static void end_fork(void) {
    n_forking--;
    pthread_cond_broadcast(&has_changed);
    pthread_mutex_unlock(&mutex);
}

// The child has no other thread that forks or waits.
static void end_fork_in_child(void) {
    n_forking = 0;
    pthread_cond_init(&has_changed, NULL);
    pthread_mutex_unlock(&mutex);
}

static void watch_forks(void) {
    pthread_atfork(begin_fork, end_fork, end_fork_in_child);
}

// ---- Workspaces

mr_status mr_policy_actors_new(const mr_policy_net *net, mr_policy_actors **out) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    mr_policy_actors *actors = calloc(1, sizeof *actors);
    if (actors == NULL)
        return mr_fail_memory("a policy");
    pthread_once(&once, watch_forks);
    actors->net = net;
    actors->one = (pool){.kind = FOR_ONE, .max_rows = 1};
    actors->batch = (pool){.kind = FOR_BATCH};
    actors->choosing = (pool){.kind = CHOOSING, .max_rows = 1};
    actors->scoring = (pool){.kind = SCORING};
    *out = actors;
    return MR_OK;
}

static void free_actor(actor *a) {
    mr_graph_free(a->graph);
    mr_chooser_free(a->chooser);
    free(a);
}

static void empty(pool *from) {
    while (from->first != NULL) {
        actor *a = from->first;
        from->first = a->next;
        free_actor(a);
    }
}

void mr_policy_actors_free(mr_policy_actors *actors) {
    if (actors == NULL)
        return;
    empty(&actors->one);
    empty(&actors->batch);
    empty(&actors->choosing);
    empty(&actors->scoring);
    free(actors);
}

static mr_status build(const mr_policy_net *net, const pool *kind, actor *a) {
    mr_status status = kind->kind == FOR_ONE ? mr_graph_new_for_one(&a->graph)
                                             : mr_graph_new(kind->max_rows, 1, &a->graph);
    if (status != MR_OK)
        return status;
    a->obs = mr_input(a->graph, net->obs_dim, false);
    if (kind->kind == SCORING) {
        a->given = mr_input(a->graph, net->act_dim, false);
        a->nodes.log_prob =
            mr_policy_net_build_density(net, net->params, a->obs, a->given, MR_ACTING).log_prob;
    } else {
        a->noise = mr_input(a->graph, net->act_dim, false);
        a->nodes = mr_policy_net_build(net, net->params, a->graph, a->obs, a->noise, MR_ACTING);
        mr_keep(a->nodes.act);
    }
    if (a->nodes.log_prob)
        mr_keep(a->nodes.log_prob);
    return mr_graph_plan(a->graph, NULL, 0, NULL);
}

static mr_status make(const mr_policy_actors *actors, const pool *kind, actor **out) {
    mr_status status;
    actor *a = calloc(1, sizeof *a);
    if (a == NULL)
        return mr_fail_memory("acting with a policy");
    if (kind->kind == CHOOSING)
        MR_TRY(mr_chooser_new(actors->deterministic, actors->net, actors->critics, &a->chooser));
    else
        MR_TRY(build(actors->net, kind, a));
    *out = a;
    return MR_OK;
done:
    free_actor(a);
    return status;
}

// Those in use may all be computing at once, and OpenBLAS needs memory for each.
static mr_status make_ready(mr_policy_actors *actors, int n_busy) {
    const mr_status status = mr_openblas_reserve(n_busy);
    pthread_mutex_lock(&mutex);
    if (status == MR_OK && n_busy > actors->n_ready)
        actors->n_ready = n_busy;
    pthread_mutex_unlock(&mutex);
    return status;
}

// `a` is NULL if there was none to take and none could be made.
static void put_back(mr_policy_actors *actors, pool *into, actor *a) {
    pthread_mutex_lock(&mutex);
    if (a != NULL) {
        a->next = into->first;
        into->first = a;
    }
    actors->n_busy--;
    n_acting--;
    if (n_forking > 0)
        pthread_cond_broadcast(&has_changed);
    pthread_mutex_unlock(&mutex);
}

static mr_status take(mr_policy_actors *actors, pool *from, actor **out) {
    mr_status status;
    pthread_mutex_lock(&mutex);
    while (n_forking > 0)
        pthread_cond_wait(&has_changed, &mutex);
    n_acting++;
    actor *a = from->first;
    if (a != NULL)
        from->first = a->next;
    const int n_busy = ++actors->n_busy;
    const bool is_ready = n_busy <= actors->n_ready;
    pthread_mutex_unlock(&mutex);
    if (!is_ready)
        MR_TRY(make_ready(actors, n_busy));
    if (a == NULL)
        MR_TRY(make(actors, from, &a));
    *out = a;
    return MR_OK;
done:
    put_back(actors, from, a);
    return status;
}

// Makes the first workspace of a pool, so that acting allocates nothing.
static mr_status fill(mr_policy_actors *actors, pool *into) {
    actor *a;
    const mr_status status = take(actors, into, &a);
    if (status == MR_OK)
        put_back(actors, into, a);
    return status;
}

mr_status mr_policy_actors_set_deterministic(mr_policy_actors *actors,
                                             const mr_deterministic *deterministic,
                                             const mr_policy_critics *critics) {
    empty(&actors->choosing);
    actors->deterministic =
        deterministic->kind == mr_deterministic_base.kind ? NULL : deterministic;
    actors->critics = critics;
    const mr_status status = actors->deterministic ? fill(actors, &actors->choosing) : MR_OK;
    if (status != MR_OK)
        actors->deterministic = NULL;
    return status;
}

mr_status mr_policy_actors_prepare(mr_policy_actors *actors, size_t max_rows) {
    mr_status status;
    if (max_rows == 0)
        return mr_fail(MR_ERR_USAGE, "policy: prepared for 0 observations at a time; prepare it "
                                     "for at least 1");
    empty(&actors->batch);
    empty(&actors->scoring);
    actors->batch.max_rows = actors->scoring.max_rows = max_rows;
    status = fill(actors, &actors->batch);
    if (status != MR_OK)
        actors->batch.max_rows = actors->scoring.max_rows = 0;
    else
        status = fill(actors, &actors->one);
    return status;
}

// ---- Acting

static mr_status check_finite(const char *what, size_t first_row, size_t n_rows, size_t n_cols,
                              const mr_real *values) {
    for (size_t i = 0; i < n_rows * n_cols; i++)
        if (!isfinite(values[i]))
            return mr_fail(
                MR_ERR_NUMERIC,
                "policy: %s %zu of observation row %zu is %g; are the observation and the "
                "policy's parameters finite?",
                what, i % n_cols, first_row + i / n_cols, (double)values[i]);
    return MR_OK;
}

// Runs what has been filled in.
static mr_status run(const mr_policy_net *net, actor *a, size_t n, bool wants_log_prob) {
    mr_status status;
    MR_TRY(check_finite("component", 0, n, net->obs_dim, mr_node_value(a->obs)));
    mr_graph_run(a->graph, n);
    if (a->nodes.act)
        MR_TRY(check_finite("action", 0, n, net->act_dim, mr_node_value(a->nodes.act)));
    if (wants_log_prob && a->nodes.log_prob)
        MR_TRY(check_finite("log-density", 0, n, 1, mr_node_value(a->nodes.log_prob)));
done:
    return status;
}

static void fill_obs(const mr_policy_net *net, size_t n, const double *obs, mr_real *out) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < net->obs_dim; j++, obs++)
            *out++ = (mr_real)(net->obs_mean
                                   ? mr_obs_standardise(*obs, net->obs_mean[j], net->obs_std[j])
                                   : *obs);
}

static void fill_inputs(const mr_policy_net *net, actor *a, size_t n, const double *obs,
                        const mr_real *noise) {
    const size_t n_act = n * net->act_dim;
    mr_real *noise_in = mr_node_value(a->noise);
    fill_obs(net, n, obs, mr_node_value(a->obs));
    if (noise)
        memcpy(noise_in, noise, n_act * sizeof *noise);
    else
        memset(noise_in, 0, n_act * sizeof *noise_in);
}

static mr_status check_rows(const pool *from, size_t n) {
    if (n <= from->max_rows)
        return MR_OK;
    return mr_fail(MR_ERR_USAGE,
                   "policy: %zu observations at a time, but it is prepared for %zu; prepare it for "
                   "as many",
                   n, from->max_rows);
}

static void read_results(const mr_policy_net *net, const actor *a, size_t n,
                         const mr_policy_results *out) {
    const mr_real *act = mr_node_value(a->nodes.act);
    if (out->act)
        memcpy(out->act, act, n * net->act_dim * sizeof *act);
    if (out->action)
        mr_policy_net_scale(net, n, act, out->action);
    if (out->log_prob && a->nodes.log_prob)
        memcpy(out->log_prob, mr_node_value(a->nodes.log_prob), n * sizeof *out->log_prob);
    else if (out->log_prob)
        memset(out->log_prob, 0, n * sizeof *out->log_prob);
}

static mr_status act(mr_policy_actors *actors, pool *from, size_t n, const double *obs,
                     const mr_real *noise, const mr_policy_results *out) {
    mr_status status;
    actor *a = NULL;
    MR_TRY(take(actors, from, &a));
    fill_inputs(actors->net, a, n, obs, noise);
    MR_TRY(run(actors->net, a, n, out->log_prob != NULL));
    read_results(actors->net, a, n, out);
done:
    if (a != NULL)
        put_back(actors, from, a);
    return status;
}

static mr_status choose(const mr_policy_net *net, mr_chooser *chooser, size_t row,
                        const double *obs, const mr_policy_results *out) {
    mr_status status;
    mr_real *seen = mr_chooser_obs(chooser);
    const size_t act_dim = net->act_dim;
    fill_obs(net, 1, obs + row * net->obs_dim, seen);
    MR_TRY(check_finite("component", row, 1, net->obs_dim, seen));
    const mr_real *act = mr_chooser_act(chooser);
    MR_TRY(check_finite("action", row, 1, act_dim, act));
    if (out->act)
        memcpy(out->act + row * act_dim, act, act_dim * sizeof *act);
    if (out->action)
        mr_policy_net_scale(net, 1, act, out->action + row * act_dim);
done:
    return status;
}

// One observation after the other: an action is the same alone and among others.
static mr_status act_without_noise(mr_policy_actors *actors, size_t n, const double *obs,
                                   const mr_policy_results *out) {
    mr_status status;
    actor *a = NULL;
    if (out->log_prob)
        return mr_fail(MR_ERR_USAGE,
                       "policy: the log-density of an action without noise is known for the "
                       "deterministic action base alone; leave out log_prob or choose base");
    MR_TRY(take(actors, &actors->choosing, &a));
    for (size_t i = 0; i < n; i++)
        MR_TRY(choose(actors->net, a->chooser, i, obs, out));
done:
    if (a != NULL)
        put_back(actors, &actors->choosing, a);
    return status;
}

static mr_status act_on(mr_policy_actors *actors, pool *from, size_t n, const double *obs,
                        const mr_real *noise, const mr_policy_results *out) {
    const mr_status status = check_rows(from, n);
    if (status != MR_OK || n == 0)
        return status;
    return noise == NULL && actors->deterministic != NULL ? act_without_noise(actors, n, obs, out)
                                                          : act(actors, from, n, obs, noise, out);
}

mr_status mr_policy_actors_act(mr_policy_actors *actors, const double *obs, const mr_real *noise,
                               const mr_policy_results *out) {
    return act_on(actors, &actors->one, 1, obs, noise, out);
}

mr_status mr_policy_actors_sample(mr_policy_actors *actors, size_t n, const double *obs,
                                  const mr_real *noise, const mr_policy_results *out) {
    return act_on(actors, &actors->batch, n, obs, noise, out);
}

// ---- The log-densities of given actions

static mr_status fill_given(const mr_policy_net *net, size_t n, const double *action,
                            mr_real *out) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < net->act_dim; j++, action++) {
            const double low = net->act_low[j], high = net->act_high[j];
            if (!mr_policy_unscale(low, high, *action, out++))
                return mr_fail(MR_ERR_INPUT,
                               "policy: action %zu of row %zu is %g, outside of its bounds [%g, "
                               "%g], where it has no density",
                               j, i, *action, low, high);
        }
    return MR_OK;
}

mr_status mr_policy_actors_score(mr_policy_actors *actors, size_t n, const double *obs,
                                 const double *action, float *log_prob) {
    mr_status status;
    actor *a = NULL;
    if (actors->net->flow == NULL)
        return mr_fail(MR_ERR_USAGE, "policy: a deterministic policy has no density of actions");
    if (n == 0)
        return MR_OK;
    MR_TRY(check_rows(&actors->scoring, n));
    MR_TRY(take(actors, &actors->scoring, &a));
    fill_obs(actors->net, n, obs, mr_node_value(a->obs));
    MR_TRY(fill_given(actors->net, n, action, mr_node_value(a->given)));
    MR_TRY(run(actors->net, a, n, true));
    const mr_real *values = mr_node_value(a->nodes.log_prob);
    for (size_t i = 0; i < n; i++)
        log_prob[i] = (float)values[i];
done:
    if (a != NULL)
        put_back(actors, &actors->scoring, a);
    return status;
}
