// A client of remote environments: hello to servers, their leases, goodbye.

#include "envs/zmq/client.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static const mr_env_link default_link = {.timeout_s = 10, .retries = 5};
static const char scheme_prefix[] = "zmq:";
// Between two pings, however short or long a server's lease is.
static const double shortest_ping_s = 0.01, longest_ping_s = 1e6;

enum {
    PINGS_PER_LEASE = 3,
    GOODBYE_MS = 1000, // for a server to answer the last request
};

// ---- Keeping leases

// A failure is left to the next request.
static void ping(void *self) {
    mr_client *c = self;
    const mr_retry_policy once = {.timeout_s = c->retry.timeout_s};
    size_t n = 0;
    for (size_t i = 0; i < c->n_servers; i++) {
        const mr_client_server *s = &c->servers[i];
        mr_message message = {.type = MR_MESSAGE_PING};
        if (mr_connection_silence_s(s->connection) < s->spec.lease_s / PINGS_PER_LEASE ||
            mr_connection_is_waiting(s->connection))
            continue;
        if (mr_connection_post(s->connection, &message) == MR_OK)
            c->posted[n++] = s->connection;
    }
    mr_connections_exchange(n, c->posted, once);
}

static double ping_period_s(const mr_client *c) {
    double shortest = INFINITY; // lease, s
    for (size_t i = 0; i < c->n_servers; i++)
        shortest = fmin(shortest, c->servers[i].spec.lease_s);
    return fmax(shortest_ping_s, fmin(shortest / (2 * PINGS_PER_LEASE), longest_ping_s));
}

// ---- Hello

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

static mr_status client_new(const char *name, const mr_env_link *link, mr_client **out) {
    mr_client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return mr_fail_memory("remote environments");
    const size_t n = count_endpoints(name);
    c->retry = (mr_retry_policy){.timeout_s = link->timeout_s,
                                 .retries = link->retries,
                                 .waiting = link->waiting,
                                 .self = link->self,
                                 .stop = link->stop};
    c->name = strdup(name);
    c->servers = calloc(n, sizeof *c->servers);
    c->posted = calloc(n, sizeof(mr_connection *));
    c->context = zmq_ctx_new();
    *out = c;
    if (c->name == NULL || c->servers == NULL || c->posted == NULL || c->context == NULL)
        return mr_fail_memory("remote environments");
    return MR_OK;
}

static mr_status open_connections(mr_client *c, const mr_env_link *link) {
    mr_status status = MR_OK;
    char *rest = c->name;
    for (char *at = c->name; at != NULL; at = rest) {
        const char *endpoint = next_endpoint(&rest);
        mr_client_server *s = &c->servers[c->n_servers];
        MR_TRY(mr_connection_open(c->context, endpoint, link->curve_server_key,
                                  link->curve_secret_key, &s->connection));
        c->n_servers++;
    }
done:
    return status;
}

static mr_status check_bounds(const mr_client_server *s, const mr_remote_spec *spec) {
    for (size_t j = 0; j < spec->act_dim; j++)
        if (!isfinite(spec->act_high[j] - spec->act_low[j])) // what actions are scaled by
            return mr_fail(MR_ERR_INPUT,
                           "%s: its actions have no finite bounds; give them some, because actions "
                           "are scaled by them",
                           mr_connection_endpoint(s->connection));
    return MR_OK;
}

static mr_status say_hello(mr_client *c, mr_client_server *s) {
    mr_status status;
    mr_remote_spec spec = {0};
    const mr_client_server *first = &c->servers[0];
    MR_TRY(mr_client_hello(c, s, &spec));
    s->spec = spec;
    MR_TRY(check_bounds(s, &spec));
    assert(spec.num_envs > 0 && spec.act_dim > 0); // as mr_message_read checks
    if (!mr_remote_spec_matches(&spec, &first->spec))
        return mr_fail(MR_ERR_USAGE,
                       "%s has %s (%zu observations, %zu actions), %s has %s (%zu, %zu); serve the "
                       "same environment at all endpoints",
                       mr_connection_endpoint(first->connection), first->spec.name,
                       first->spec.obs_dim, first->spec.act_dim,
                       mr_connection_endpoint(s->connection), spec.name, spec.obs_dim,
                       spec.act_dim);
    s->first = c->n_envs;
    c->n_envs += spec.num_envs;
    s->which = calloc(spec.num_envs, sizeof *s->which);
    s->actions = calloc(spec.num_envs * spec.act_dim, sizeof *s->actions);
    if (s->which == NULL || s->actions == NULL)
        return mr_fail_memory("remote environments");
    // Twice, because the size of its info is not known.
    mr_connection_allow(s->connection, 2 * spec.num_envs * (spec.obs_dim + 4) * sizeof(double) +
                                           MR_MESSAGE_SPARE_BYTES);
done:
    return status;
}

static mr_status finish_open(mr_client *c) {
    const mr_remote_spec *spec = &c->servers[0].spec;
    c->spec = (mr_env_spec){.name = spec->name,
                            .obs_dim = spec->obs_dim,
                            .act_dim = spec->act_dim,
                            .act_low = spec->act_low,
                            .act_high = spec->act_high,
                            .max_episode_steps = spec->max_episode_steps,
                            .engine = spec->engine,
                            .engine_version = spec->engine_version};
    c->info_names = calloc(MR_MESSAGE_MAX_INFO, sizeof *c->info_names);
    c->info_list = calloc(MR_MESSAGE_MAX_INFO, sizeof *c->info_list);
    c->info = calloc(c->n_envs * MR_MESSAGE_MAX_INFO, sizeof *c->info);
    c->spec.info_names = c->info_list;
    c->spec.info = c->info;
    c->in_episode = calloc(c->n_envs, sizeof *c->in_episode);
    c->was_reset = calloc(c->n_envs, sizeof *c->was_reset);
    if (c->info_names == NULL || c->info_list == NULL || c->info == NULL || c->in_episode == NULL ||
        c->was_reset == NULL)
        return mr_fail_memory("remote environments");
    return mr_heartbeat_start(ping_period_s(c), ping, c, &c->heartbeat);
}

static mr_status check_options(const char *name, const mr_env_options *options) {
    if (options == NULL || ((options->set == NULL || options->set[0] == '\0') &&
                            (options->task == NULL || options->task[0] == '\0')))
        return MR_OK;
    return mr_fail(MR_ERR_USAGE,
                   "%s is configured by its server, so that --env-set and --task can't be used; "
                   "give them to `millrace serve`",
                   name);
}

mr_status mr_client_open(const char *name, const mr_env_options *options, mr_client **out) {
    mr_status status;
    mr_client *c = NULL;
    const mr_env_link *link =
        options != NULL && options->link != NULL ? options->link : &default_link;
    MR_TRY(check_options(name, options));
    MR_TRY(client_new(name, link, &c));
    MR_TRY(open_connections(c, link));
    for (size_t i = 0; i < c->n_servers; i++)
        MR_TRY(say_hello(c, &c->servers[i]));
    MR_TRY(finish_open(c));
    *out = c;
    c = NULL;
done:
    mr_client_close(c);
    return status;
}

// ---- Goodbye

// Also to a server that is still busy with a request: it frees the environments afterwards. A
// failure here is ignored, and the message of an earlier failure is kept.
static void say_goodbye(mr_client *c) {
    const mr_retry_policy short_one = {.timeout_s = 1e-3 * GOODBYE_MS};
    char cause[1024];
    size_t n = 0;
    snprintf(cause, sizeof cause, "%s", mr_error_message());
    for (size_t i = 0; i < c->n_servers; i++) {
        mr_connection *connection = c->servers[i].connection;
        if (mr_connection_has_session(connection) && mr_connection_leave(connection) == MR_OK)
            c->posted[n++] = connection;
    }
    mr_connections_exchange(n, c->posted, short_one);
    mr_fail(MR_ERR_IO, "%s", cause);
}

void mr_client_close(void *self) {
    mr_client *c = self;
    if (c == NULL)
        return;
    mr_heartbeat_stop(c->heartbeat);
    if (c->posted != NULL)
        say_goodbye(c);
    for (size_t i = 0; i < c->n_servers; i++) {
        mr_client_server *s = &c->servers[i];
        mr_connection_close(s->connection);
        mr_remote_spec_free(&s->spec);
        free(s->which);
        free(s->actions);
    }
    while (c->context != NULL && zmq_ctx_term(c->context) != 0 && zmq_errno() == EINTR)
        continue;
    free(c->servers);
    free(c->posted);
    free(c->info_names);
    free(c->info_list);
    free(c->info);
    free(c->in_episode);
    free(c->was_reset);
    free(c->name);
    free(c);
}
