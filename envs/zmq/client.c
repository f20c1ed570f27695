// Environments of servers elsewhere, stepped as if they were here: "zmq:ENDPOINT,zmq:ENDPOINT".

#include "envs/zmq/link.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "envs/env_kind.h"
#include "envs/vec_env_kind.h"
#include "envs/zmq/announced.h"
#include "envs/zmq/keeper.h"

static const mr_env_link default_link = {.timeout_s = 10, .retries = 5};
static const char scheme_prefix[] = "zmq:";
// Apart, however short or long a lease a server announces.
static const double shortest_ping_s = 0.01, longest_ping_s = 1e6;

enum {
    MAX_RESTARTS = 10, // of a server without a step in between: more is no accident
    PINGS_PER_LEASE = 3,
    GOODBYE_MS = 1000, // that a server has to answer the last request
};

typedef struct {
    mr_link *link; // owned
    mr_announced spec;
    size_t first;    // of its environments among all
    uint64_t *which; // [spec.num_envs] those of the present request, as the server counts
    double *actions; // [spec.num_envs x act_dim] theirs
    size_t n_which;
    int n_restarts; // since its last step
} server;

typedef struct {
    char *name;    // owned
    void *context; // owned
    mr_patience patience;
    size_t n_servers, n_envs;
    server *servers;  // [n_servers] owned
    mr_link **posted; // [n_servers] those of the present exchange
    mr_env_spec spec;
    bool *in_episode;  // [n_envs]
    bool *lost;        // [n_envs] was under way when its server began afresh
    mr_keeper *keeper; // pings while the trainer computes; whoever talks to servers holds it
} client;

static mr_status fail_server(const server *s, const char *what) {
    return mr_fail(MR_ERR_INPUT, "%s: %s", mr_link_endpoint(s->link), what);
}

// ---- Hello

static mr_status check_bounds(const server *s, const mr_announced *spec) {
    for (size_t j = 0; j < spec->act_dim; j++)
        if (!isfinite(spec->act_high[j] - spec->act_low[j])) // what actions are scaled by
            return fail_server(s, "its actions have no finite bounds; give it some to learn in");
    return MR_OK;
}

static mr_status say_hello(client *c, server *s, mr_announced *spec) {
    mr_message hello = {.type = MR_MESSAGE_HELLO, .client = "millrace " MR_VERSION};
    mr_status status;
    MR_TRY(mr_link_post(s->link, &hello));
    MR_TRY(mr_links_exchange(1, &s->link, c->patience));
    if (mr_link_reply(s->link)->type != MR_MESSAGE_SPEC)
        return mr_link_fail(s->link);
    status = mr_announced_copy(mr_link_reply(s->link), spec);
done:
    return status;
}

// The server knows nothing of us any more: what was under way is lost.
static mr_status begin_afresh(client *c, server *s) {
    mr_announced spec = {0};
    if (s->n_restarts++ == MAX_RESTARTS)
        return fail_server(s, "the server forgets each session as soon as it has begun; is it "
                              "started again and again?");
    mr_status status = say_hello(c, s, &spec);
    if (status != MR_OK)
        return status;
    if (!mr_announced_alike(&spec, &s->spec) || spec.num_envs != s->spec.num_envs)
        status = fail_server(s, "the server began afresh with another environment than before; "
                                "start it as it was");
    mr_announced_free(&spec);
    for (size_t i = s->first; i < s->first + s->spec.num_envs; i++) {
        c->lost[i] = c->lost[i] || c->in_episode[i];
        c->in_episode[i] = false;
    }
    return status;
}

static bool is_unknown(const server *s) {
    const mr_message *reply = mr_link_reply(s->link);
    return reply->type == MR_MESSAGE_ERROR && reply->code == MR_FAULT_UNKNOWN_SESSION;
}

// ---- Keeping leases

// A ping that was not answered must be, before anything else is asked.
static mr_status settle(client *c) {
    size_t n = 0;
    for (size_t i = 0; i < c->n_servers; i++)
        if (mr_link_is_waiting(c->servers[i].link))
            c->posted[n++] = c->servers[i].link;
    return mr_links_exchange(n, c->posted, c->patience);
}

// Whatever comes of it, the next request will see.
static void ping(void *self) {
    client *c = self;
    const mr_patience once = {.timeout_s = c->patience.timeout_s};
    size_t n = 0;
    for (size_t i = 0; i < c->n_servers; i++) {
        const server *s = &c->servers[i];
        mr_message message = {.type = MR_MESSAGE_PING};
        if (mr_link_silence_s(s->link) < s->spec.lease_s / PINGS_PER_LEASE ||
            mr_link_is_waiting(s->link))
            continue;
        if (mr_link_post(s->link, &message) == MR_OK)
            c->posted[n++] = s->link;
    }
    mr_links_exchange(n, c->posted, once);
}

static double ping_period_s(const client *c) {
    double shortest = INFINITY; // lease
    for (size_t i = 0; i < c->n_servers; i++)
        shortest = fmin(shortest, c->servers[i].spec.lease_s);
    return fmax(shortest_ping_s, fmin(shortest / (2 * PINGS_PER_LEASE), longest_ping_s));
}

// ---- Resetting

static server *server_of(const client *c, size_t i) {
    size_t k = 0;
    while (i >= c->servers[k].first + c->servers[k].spec.num_envs)
        k++;
    return &c->servers[k];
}

static mr_status check_finite(const client *c, const server *s, size_t i, const double *obs) {
    for (size_t j = 0; j < c->spec.obs_dim; j++)
        if (!isfinite(obs[j]))
            return mr_fail(MR_ERR_NUMERIC,
                           "%s: environment %zu: observation %zu is %g; the environment diverged, "
                           "or has no value there",
                           mr_link_endpoint(s->link), i - s->first, j, obs[j]);
    return MR_OK;
}

static mr_status check_obs_bytes(const server *s, size_t n) {
    const mr_bytes obs = mr_link_reply(s->link)->obs;
    const size_t expected = n * s->spec.obs_dim * s->spec.obs_size;
    if (obs.n_bytes == expected)
        return MR_OK;
    return mr_fail(MR_ERR_INPUT, "%s: its observations have %zu bytes, not %zu as its spec says",
                   mr_link_endpoint(s->link), obs.n_bytes, expected);
}

static mr_status take_obs(const client *c, const server *s, size_t row, size_t i, double *out) {
    const size_t row_bytes = s->spec.obs_dim * s->spec.obs_size;
    const mr_bytes all = mr_link_reply(s->link)->obs;
    const mr_bytes one = {(const char *)all.data + row * row_bytes, row_bytes};
    mr_message_get_numbers(one, s->spec.obs_size, s->spec.obs_dim, out);
    return check_finite(c, s, i, out);
}

static mr_status ask_reset(client *c, server *s, size_t i, const uint64_t *seed) {
    mr_status status;
    for (;;) {
        const uint64_t which = i - s->first;
        const mr_message_seed given = {seed != NULL, seed != NULL ? *seed : 0};
        mr_message message = {
            .type = MR_MESSAGE_RESET, .n = 1, .envs = &which, .n_seeds = 1, .seeds = &given};
        MR_TRY(mr_link_post(s->link, &message));
        MR_TRY(mr_links_exchange(1, &s->link, c->patience));
        if (mr_link_reply(s->link)->type == MR_MESSAGE_STATE)
            return check_obs_bytes(s, 1);
        if (!is_unknown(s))
            return mr_link_fail(s->link);
        MR_TRY(begin_afresh(c, s));
    }
done:
    return status;
}

static mr_status reset_one(client *c, size_t i, const uint64_t *seed, double *obs) {
    mr_status status;
    server *s = server_of(c, i);
    c->in_episode[i] = c->lost[i] = false;
    MR_TRY(settle(c));
    MR_TRY(ask_reset(c, s, i, seed));
    MR_TRY(take_obs(c, s, 0, i, obs));
    c->in_episode[i] = true;
done:
    return status;
}

static mr_status reset(void *self, size_t i, const uint64_t *seed, double *obs) {
    client *c = self;
    mr_keeper_hold(c->keeper);
    const mr_status status = reset_one(c, i, seed, obs);
    mr_keeper_release(c->keeper);
    return status;
}

// ---- Stepping

// Gathers what a server is to step.
static mr_status gather(const client *c, server *s, const bool *active, const double *actions) {
    const size_t dim = s->spec.act_dim;
    s->n_which = 0;
    for (size_t i = s->first; i < s->first + s->spec.num_envs; i++) {
        if ((active != NULL && !active[i]) || c->lost[i])
            continue;
        if (!c->in_episode[i])
            return mr_fail(MR_ERR_USAGE,
                           "environment %zu: step without an episode; reset the environment first",
                           i);
        for (size_t j = 0; j < dim; j++)
            if (!isfinite(actions[i * dim + j]))
                return mr_fail(MR_ERR_NUMERIC,
                               "environment %zu: action %zu is %g; every action must be finite", i,
                               j, actions[i * dim + j]);
        memcpy(s->actions + s->n_which * dim, actions + i * dim, dim * sizeof *actions);
        s->which[s->n_which++] = i - s->first;
    }
    return MR_OK;
}

static mr_status post_steps(client *c, const bool *active, const double *actions,
                            size_t *n_posted) {
    mr_status status = MR_OK;
    *n_posted = 0;
    for (size_t k = 0; k < c->n_servers; k++)
        MR_TRY(gather(c, &c->servers[k], active, actions));
    for (size_t k = 0; k < c->n_servers; k++) {
        server *s = &c->servers[k];
        if (s->n_which == 0)
            continue;
        mr_message message = {
            .type = MR_MESSAGE_STEP,
            .n = s->n_which,
            .envs = s->which,
            .actions = {s->actions, s->n_which * s->spec.act_dim * sizeof(double)}};
        MR_TRY(mr_link_post(s->link, &message));
        c->posted[(*n_posted)++] = s->link;
    }
done:
    return status;
}

static mr_status take_transition(client *c, server *s, double *obs, mr_step *results) {
    mr_status status;
    const mr_message *reply = mr_link_reply(s->link);
    if (reply->n != s->n_which)
        return fail_server(s, "its reply is not about as many environments as were stepped");
    MR_TRY(check_obs_bytes(s, reply->n));
    s->n_restarts = 0;
    for (size_t k = 0; k < reply->n; k++) {
        const size_t i = s->first + (size_t)s->which[k];
        mr_step step = {.terminated = reply->terminated[k], .truncated = reply->truncated[k]};
        memcpy(&step.reward, (const char *)reply->reward.data + k * sizeof step.reward,
               sizeof step.reward);
        if (!isfinite(step.reward))
            return mr_fail(MR_ERR_NUMERIC, "%s: environment %zu: the reward is %g",
                           mr_link_endpoint(s->link), i - s->first, step.reward);
        MR_TRY(take_obs(c, s, k, i, obs + i * c->spec.obs_dim));
        c->in_episode[i] = !step.terminated && !step.truncated;
        results[i] = step;
    }
done:
    return status;
}

static mr_status take_reply(client *c, server *s, double *obs, mr_step *results) {
    if (mr_link_reply(s->link)->type == MR_MESSAGE_TRANSITION)
        return take_transition(c, s, obs, results);
    return is_unknown(s) ? begin_afresh(c, s) : mr_link_fail(s->link);
}

static mr_status step_all(client *c, const bool *active, const double *actions, double *obs,
                          mr_step *results) {
    mr_status status;
    size_t n_posted;
    MR_TRY(settle(c));
    MR_TRY(post_steps(c, active, actions, &n_posted));
    MR_TRY(mr_links_exchange(n_posted, c->posted, c->patience));
    for (size_t k = 0; k < c->n_servers; k++)
        if (c->servers[k].n_which > 0)
            MR_TRY(take_reply(c, &c->servers[k], obs, results));
    for (size_t i = 0; i < c->n_envs; i++)
        if ((active == NULL || active[i]) && c->lost[i])
            results[i] = (mr_step){.truncated = true, .lost = true};
done:
    return status;
}

static mr_status step(void *self, const bool *active, const double *actions, double *obs,
                      mr_step *results) {
    client *c = self;
    mr_keeper_hold(c->keeper);
    const mr_status status = step_all(c, active, actions, obs, results);
    mr_keeper_release(c->keeper);
    return status;
}

// ---- Opening and closing

static void say_goodbye(client *c) {
    const mr_patience short_one = {.timeout_s = 1e-3 * GOODBYE_MS};
    size_t n = 0;
    for (size_t i = 0; i < c->n_servers; i++) {
        mr_link *link = c->servers[i].link;
        mr_message message = {.type = MR_MESSAGE_BYE};
        if (link != NULL && !mr_link_is_waiting(link) && c->servers[i].spec.num_envs > 0 &&
            mr_link_post(link, &message) == MR_OK)
            c->posted[n++] = link;
    }
    mr_links_exchange(n, c->posted, short_one);
}

static void close_client(void *self) {
    client *c = self;
    if (c == NULL)
        return;
    mr_keeper_stop(c->keeper);
    if (c->posted != NULL)
        say_goodbye(c);
    for (size_t i = 0; i < c->n_servers; i++) {
        server *s = &c->servers[i];
        mr_link_close(s->link);
        mr_announced_free(&s->spec);
        free(s->which);
        free(s->actions);
    }
    while (c->context != NULL && zmq_ctx_term(c->context) != 0 && zmq_errno() == EINTR)
        continue;
    free(c->servers);
    free(c->posted);
    free(c->in_episode);
    free(c->lost);
    free(c->name);
    free(c);
}

static size_t no_diverged(const void *self) {
    (void)self; // a server tells of truncations, not why
    return 0;
}

static mr_env *none_at(const void *self, size_t i) {
    (void)self, (void)i;
    return NULL;
}

static const mr_vec_env_kind kind = {
    .reset = reset, .step = step, .n_diverged = no_diverged, .at = none_at, .close = close_client};

// The endpoints of "zmq:A,zmq:B", one at a time; `*rest` is moved on. The text is cut up.
static char *next_endpoint(char **rest) {
    char *endpoint = *rest;
    if (endpoint == NULL || strncmp(endpoint, scheme_prefix, strlen(scheme_prefix)) != 0)
        return NULL;
    char *comma = strstr(endpoint, ",zmq:");
    if (comma != NULL)
        *comma = '\0';
    *rest = comma != NULL ? comma + 1 : NULL;
    return endpoint + strlen(scheme_prefix);
}

static size_t count_endpoints(const char *name) {
    size_t n = 1;
    for (const char *at = name; (at = strstr(at, ",zmq:")) != NULL; at++)
        n++;
    return n;
}

static mr_status client_new(const char *name, const mr_env_link *link, client **out) {
    client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return mr_fail_memory("environments elsewhere");
    const size_t n = count_endpoints(name);
    c->patience = (mr_patience){.timeout_s = link->timeout_s,
                                .retries = link->retries,
                                .waiting = link->waiting,
                                .self = link->self,
                                .stop = link->stop};
    c->name = strdup(name);
    c->servers = calloc(n, sizeof *c->servers);
    c->posted = calloc(n, sizeof(mr_link *));
    c->context = zmq_ctx_new();
    *out = c;
    if (c->name == NULL || c->servers == NULL || c->posted == NULL || c->context == NULL)
        return mr_fail_memory("environments elsewhere");
    return MR_OK;
}

static mr_status open_links(client *c, const mr_env_link *link) {
    mr_status status = MR_OK;
    char *rest = c->name;
    for (char *at = c->name; at != NULL; at = rest) {
        const char *endpoint = next_endpoint(&rest);
        server *s = &c->servers[c->n_servers];
        MR_TRY(mr_link_open(c->context, endpoint, link->curve_server_key, link->curve_secret_key,
                            &s->link));
        c->n_servers++;
    }
done:
    return status;
}

static mr_status meet(client *c, server *s) {
    mr_status status;
    mr_announced spec = {0};
    const server *first = &c->servers[0];
    MR_TRY(say_hello(c, s, &spec));
    s->spec = spec;
    MR_TRY(check_bounds(s, &spec));
    assert(spec.num_envs > 0 && spec.act_dim > 0); // as mr_message_read checks
    if (!mr_announced_alike(&spec, &first->spec))
        return mr_fail(MR_ERR_USAGE,
                       "%s has %s (%zu observations, %zu actions), %s has %s (%zu, %zu); serve the "
                       "same environment at all endpoints",
                       mr_link_endpoint(first->link), first->spec.name, first->spec.obs_dim,
                       first->spec.act_dim, mr_link_endpoint(s->link), spec.name, spec.obs_dim,
                       spec.act_dim);
    s->first = c->n_envs;
    c->n_envs += spec.num_envs;
    s->which = calloc(spec.num_envs, sizeof *s->which);
    s->actions = calloc(spec.num_envs * spec.act_dim, sizeof *s->actions);
    if (s->which == NULL || s->actions == NULL)
        return mr_fail_memory("environments elsewhere");
    // Twice: what it has in its info is not known.
    mr_link_allow(s->link,
                  2 * spec.num_envs * (spec.obs_dim + 4) * sizeof(double) + MR_MESSAGE_SPARE_BYTES);
done:
    return status;
}

static mr_status check_count(const client *c, size_t n) {
    if (n == 0 || n == c->n_envs)
        return MR_OK;
    return mr_fail(MR_ERR_USAGE,
                   "%zu environments asked for, but %s%s %zu; leave --num-envs out, or serve as "
                   "many",
                   n, mr_link_endpoint(c->servers[0].link),
                   c->n_servers > 1 ? " and the others have" : " has", c->n_envs);
}

static mr_status make_whole(client *c) {
    const mr_announced *spec = &c->servers[0].spec;
    c->spec = (mr_env_spec){.name = spec->name,
                            .obs_dim = spec->obs_dim,
                            .act_dim = spec->act_dim,
                            .act_low = spec->act_low,
                            .act_high = spec->act_high,
                            .max_episode_steps = spec->max_episode_steps,
                            .engine = spec->engine,
                            .engine_version = spec->engine_version};
    c->in_episode = calloc(c->n_envs, sizeof *c->in_episode);
    c->lost = calloc(c->n_envs, sizeof *c->lost);
    if (c->in_episode == NULL || c->lost == NULL)
        return mr_fail_memory("environments elsewhere");
    return mr_keeper_start(ping_period_s(c), ping, c, &c->keeper);
}

static mr_status check_options(const char *name, const mr_env_options *options) {
    if (options == NULL || ((options->set == NULL || options->set[0] == '\0') &&
                            (options->task == NULL || options->task[0] == '\0')))
        return MR_OK;
    return mr_fail(MR_ERR_USAGE,
                   "%s is set up where it is served, so that --env-set and --task can't be used; "
                   "give them to `millrace serve`",
                   name);
}

static mr_status open_client(const char *name, const mr_env_options *options, client **out) {
    mr_status status;
    client *c = NULL;
    const mr_env_link *link =
        options != NULL && options->link != NULL ? options->link : &default_link;
    MR_TRY(check_options(name, options));
    MR_TRY(client_new(name, link, &c));
    MR_TRY(open_links(c, link));
    for (size_t i = 0; i < c->n_servers; i++)
        MR_TRY(meet(c, &c->servers[i]));
    MR_TRY(make_whole(c));
    *out = c;
    c = NULL;
done:
    close_client(c);
    return status;
}

static mr_status open_all(const char *name, const mr_env_options *options, size_t n,
                          mr_vec_env **out) {
    client *c;
    mr_status status = open_client(name, options, &c);
    if (status != MR_OK)
        return status;
    status = check_count(c, n);
    if (status == MR_OK)
        return mr_vec_env_wrap(&kind, c, &c->spec, c->n_envs, out);
    close_client(c);
    return status;
}

// ---- One environment

static mr_status reset_single(void *self, const uint64_t *seed, double *obs) {
    return reset(self, 0, seed, obs);
}

static mr_status step_single(void *self, const double *action, double *obs, mr_step *result) {
    const client *c = self;
    const mr_status status = step(self, NULL, action, obs, result);
    if (status != MR_OK || !result->lost)
        return status;
    return mr_fail(MR_ERR_IO, "%s: the server began afresh, and the episode is lost; reset it",
                   mr_link_endpoint(c->servers[0].link));
}

static const mr_env_kind single_kind = {
    .reset = reset_single, .step = step_single, .close = close_client};

static mr_status open_single(const char *name, const char *address, const mr_env_options *options,
                             mr_env **out) {
    (void)address;
    client *c;
    mr_status status = open_client(name, options, &c);
    if (status != MR_OK)
        return status;
    status = check_count(c, 1);
    if (status == MR_OK)
        return mr_env_wrap(&single_kind, c, &c->spec, out);
    close_client(c);
    return status;
}

static mr_status describe(const char *name, const char *address, const mr_env_options *options,
                          char *text, size_t size) {
    (void)address;
    client *c;
    const mr_status status = open_client(name, options, &c);
    if (status != MR_OK)
        return status;
    int length = snprintf(text, size, "%s, served elsewhere\n\n", c->spec.name);
    for (size_t i = 0; i < c->n_servers && (size_t)length < size; i++)
        length +=
            snprintf(text + length, size - (size_t)length, "%zu environment%s at %s (%s %s)\n",
                     c->servers[i].spec.num_envs, c->servers[i].spec.num_envs == 1 ? "" : "s",
                     mr_link_endpoint(c->servers[i].link), c->servers[i].spec.engine,
                     c->servers[i].spec.engine_version);
    if ((size_t)length < size)
        snprintf(text + length, size - (size_t)length,
                 "\nobservation  %zu numbers\naction       %zu numbers, the first from %g to %g\n"
                 "episode      %zu steps at most (0: no limit)\n",
                 c->spec.obs_dim, c->spec.act_dim, c->spec.act_low[0], c->spec.act_high[0],
                 c->spec.max_episode_steps);
    close_client(c);
    return MR_OK;
}

const mr_env_scheme mr_env_zmq = {
    .scheme = "zmq",
    .form = "zmq:ENDPOINT[,zmq:ENDPOINT...]",
    .summary = "environments of servers elsewhere (`millrace serve`, or in any language)",
    .open = open_single,
    .describe = describe,
    .open_all = open_all,
};
