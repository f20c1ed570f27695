// A client of remote environments: resets and steps.

#include "envs/zmq/client.h"

#include "envs/zmq/process.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct timespec busy_pause = {.tv_nsec = 200000000};

enum { MAX_RESTARTS = 10 }; // of a server without a step in between

static mr_status fail_server(const mr_client_server *s, const char *what) {
    return mr_fail(MR_ERR_INPUT, "%s: %s", mr_connection_endpoint(s->connection), what);
}

// ---- Hello

static bool is_error(const mr_client_server *s, mr_fault code) {
    const mr_message *reply = mr_connection_reply(s->connection);
    return reply->type == MR_MESSAGE_ERROR && reply->code == code;
}

static mr_status greet(mr_client *c, mr_client_server *s) {
    mr_message hello = {.type = MR_MESSAGE_HELLO, .client = "millrace " MR_VERSION};
    mr_process_name(hello.process);
    const mr_status status = mr_connection_post(s->connection, &hello);
    return status == MR_OK ? mr_connections_exchange(1, &s->connection, c->retry) : status;
}

mr_status mr_client_hello(mr_client *c, mr_client_server *s, mr_remote_spec *spec) {
    mr_status status;
    MR_TRY(greet(c, s));
    if (is_error(s, MR_FAULT_BUSY)) { // the bye of a trainer that was stopped may follow
        nanosleep(&busy_pause, NULL);
        MR_TRY(greet(c, s));
    }
    if (mr_connection_reply(s->connection)->type != MR_MESSAGE_SPEC)
        return mr_connection_fail(s->connection);
    status = mr_remote_spec_copy(mr_connection_reply(s->connection), spec);
done:
    return status;
}

// The server was restarted and does not know our session: its episodes are interrupted.
static mr_status renew_session(mr_client *c, mr_client_server *s) {
    mr_remote_spec spec = {0};
    if (s->n_restarts++ == MAX_RESTARTS)
        return fail_server(s, "the server forgets each session at once; is it restarted "
                              "again and again?");
    mr_status status = mr_client_hello(c, s, &spec);
    if (status != MR_OK)
        return status;
    if (!mr_remote_spec_matches(&spec, &s->spec) || spec.num_envs != s->spec.num_envs)
        status = fail_server(s, "the server was restarted with another environment; start it "
                                "with the same as before");
    mr_remote_spec_free(&spec);
    for (size_t i = s->first; i < s->first + s->spec.num_envs; i++) {
        c->was_reset[i] = c->was_reset[i] || c->in_episode[i];
        c->in_episode[i] = false;
    }
    return status;
}

static bool is_unknown(const mr_client_server *s) {
    return is_error(s, MR_FAULT_UNKNOWN_SESSION);
}

// Requests without a reply are settled before any new one; their replies are dropped.
static mr_status settle(mr_client *c) {
    mr_status status = MR_OK;
    size_t n = 0;
    for (size_t i = 0; i < c->n_servers; i++) {
        mr_client_server *s = &c->servers[i];
        if (mr_connection_is_greeting(s->connection)) {
            MR_TRY(renew_session(c, s));
        } else if (mr_connection_is_waiting(s->connection)) {
            MR_TRY(mr_connection_settle(s->connection));
            c->posted[n++] = s->connection;
        }
    }
    MR_TRY(mr_connections_exchange(n, c->posted, c->retry));
done:
    return status;
}

// ---- Resetting

static mr_client_server *server_of(const mr_client *c, size_t i) {
    size_t k = 0;
    while (i >= c->servers[k].first + c->servers[k].spec.num_envs)
        k++;
    return &c->servers[k];
}

static mr_status check_finite(const mr_client *c, const mr_client_server *s, size_t i,
                              const double *obs) {
    for (size_t j = 0; j < c->spec.obs_dim; j++)
        if (!isfinite(obs[j]))
            return mr_fail(MR_ERR_NUMERIC,
                           "%s: environment %zu: observation %zu is %g; the environment diverged, "
                           "or does not set it",
                           mr_connection_endpoint(s->connection), i - s->first, j, obs[j]);
    return MR_OK;
}

static mr_status check_obs_bytes(const mr_client_server *s, size_t n) {
    const mr_bytes obs = mr_connection_reply(s->connection)->obs;
    const size_t expected = n * s->spec.obs_dim * s->spec.obs_size;
    if (obs.n_bytes == expected)
        return MR_OK;
    return mr_fail(MR_ERR_INPUT, "%s: its observations have %zu bytes, not %zu as its spec says",
                   mr_connection_endpoint(s->connection), obs.n_bytes, expected);
}

static mr_status take_obs(const mr_client *c, const mr_client_server *s, size_t row, size_t i,
                          double *out) {
    const size_t row_bytes = s->spec.obs_dim * s->spec.obs_size;
    const mr_bytes all = mr_connection_reply(s->connection)->obs;
    const mr_bytes one = {(const char *)all.data + row * row_bytes, row_bytes};
    mr_message_get_numbers(one, s->spec.obs_size, s->spec.obs_dim, out);
    return check_finite(c, s, i, out);
}

static mr_status ask_reset(mr_client *c, mr_client_server *s, size_t i, const uint64_t *seed) {
    mr_status status;
    for (;;) {
        const uint64_t which = i - s->first;
        const mr_message_seed given = {seed != NULL, seed != NULL ? *seed : 0};
        mr_message message = {
            .type = MR_MESSAGE_RESET, .n = 1, .envs = &which, .n_seeds = 1, .seeds = &given};
        MR_TRY(mr_connection_post(s->connection, &message));
        MR_TRY(mr_connections_exchange(1, &s->connection, c->retry));
        if (mr_connection_reply(s->connection)->type == MR_MESSAGE_STATE)
            return check_obs_bytes(s, 1);
        if (!is_unknown(s))
            return mr_connection_fail(s->connection);
        MR_TRY(renew_session(c, s));
    }
done:
    return status;
}

static mr_status reset_one(mr_client *c, size_t i, const uint64_t *seed, double *obs) {
    mr_status status;
    mr_client_server *s = server_of(c, i);
    c->in_episode[i] = c->was_reset[i] = false;
    MR_TRY(settle(c));
    MR_TRY(ask_reset(c, s, i, seed));
    MR_TRY(take_obs(c, s, 0, i, obs));
    c->in_episode[i] = true;
done:
    return status;
}

mr_status mr_client_reset(void *self, size_t i, const uint64_t *seed, double *obs) {
    mr_client *c = self;
    mr_heartbeat_hold(c->heartbeat);
    const mr_status status = reset_one(c, i, seed, obs);
    mr_heartbeat_release(c->heartbeat);
    return status;
}

// ---- Stepping

// Collects the environments that a server is to step.
static mr_status gather(const mr_client *c, mr_client_server *s, const bool *active,
                        const double *actions) {
    const size_t dim = s->spec.act_dim;
    s->n_which = 0;
    for (size_t i = s->first; i < s->first + s->spec.num_envs; i++) {
        if ((active != NULL && !active[i]) || c->was_reset[i])
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

static mr_status gather_all(mr_client *c, const bool *active, const double *actions) {
    mr_status status = MR_OK;
    for (size_t k = 0; k < c->n_servers; k++)
        MR_TRY(gather(c, &c->servers[k], active, actions));
done:
    return status;
}

static mr_status post_steps(mr_client *c, size_t *n_posted) {
    mr_status status = MR_OK;
    *n_posted = 0;
    for (size_t k = 0; k < c->n_servers; k++) {
        mr_client_server *s = &c->servers[k];
        if (s->n_which == 0)
            continue;
        mr_message message = {
            .type = MR_MESSAGE_STEP,
            .n = s->n_which,
            .envs = s->which,
            .actions = {s->actions, s->n_which * s->spec.act_dim * sizeof(double)}};
        MR_TRY(mr_connection_post(s->connection, &message));
        c->posted[(*n_posted)++] = s->connection;
    }
done:
    return status;
}

// The first text stays, because callers keep a pointer to it.
static const char *take_warning(mr_client_server *s, const mr_message *reply) {
    if (s->warning[0] == '\0')
        snprintf(s->warning, sizeof s->warning, "%s",
                 reply->warning[0] != '\0' ? reply->warning : "its server warns of the simulation");
    return s->warning;
}

// The index of an info, which is added if there is room; MR_MESSAGE_MAX_INFO: there is none.
static size_t info_index(mr_client *c, size_t guess, const char *name) {
    size_t k = guess < c->spec.n_info && strcmp(c->info_names[guess], name) == 0 ? guess : 0;
    while (k < c->spec.n_info && strcmp(c->info_names[k], name) != 0)
        k++;
    if (k == c->spec.n_info && k < MR_MESSAGE_MAX_INFO) {
        memcpy(c->info_names[k], name, MR_MESSAGE_TEXT_SIZE);
        c->info_list[k] = c->info_names[k];
        c->spec.n_info++;
        for (size_t i = 0; i < c->n_envs; i++)
            c->info[i * MR_MESSAGE_MAX_INFO + k] = NAN;
    }
    return k;
}

static void take_info(mr_client *c, const mr_client_server *s, const mr_message *reply) {
    for (size_t k = 0; k < reply->n; k++)
        for (size_t m = 0; m < c->spec.n_info; m++)
            c->info[(s->first + s->which[k]) * MR_MESSAGE_MAX_INFO + m] = NAN;
    for (size_t m = 0; m < reply->n_info; m++) {
        const mr_message_info *info = &reply->info[m];
        const size_t at = info_index(c, m, info->name);
        for (size_t k = 0; k < reply->n && info->n_values == reply->n; k++)
            if (at < MR_MESSAGE_MAX_INFO)
                c->info[(s->first + s->which[k]) * MR_MESSAGE_MAX_INFO + at] = info->values[k];
    }
}

const double *mr_client_info(const void *self, size_t i) {
    return ((const mr_client *)self)->info + i * MR_MESSAGE_MAX_INFO;
}

static mr_status take_transition(mr_client *c, mr_client_server *s, double *obs, mr_step *results) {
    mr_status status;
    const mr_message *reply = mr_connection_reply(s->connection);
    if (reply->n != s->n_which)
        return fail_server(s, "its reply has another number of environments than the request");
    MR_TRY(check_obs_bytes(s, reply->n));
    s->n_restarts = 0;
    take_info(c, s, reply);
    for (size_t k = 0; k < reply->n; k++) {
        const size_t i = s->first + (size_t)s->which[k];
        mr_step step = {.terminated = reply->terminated[k], .truncated = reply->truncated[k]};
        if (reply->n_warned > 0 && reply->warned[k])
            step.warning = take_warning(s, reply);
        memcpy(&step.reward, (const char *)reply->reward.data + k * sizeof step.reward,
               sizeof step.reward);
        if (!isfinite(step.reward))
            return mr_fail(MR_ERR_NUMERIC, "%s: environment %zu: the reward is %g",
                           mr_connection_endpoint(s->connection), i - s->first, step.reward);
        MR_TRY(take_obs(c, s, k, i, obs + i * c->spec.obs_dim));
        c->in_episode[i] = !step.terminated && !step.truncated;
        results[i] = step;
    }
done:
    return status;
}

static mr_status take_reply(mr_client *c, mr_client_server *s, double *obs, mr_step *results) {
    if (mr_connection_reply(s->connection)->type == MR_MESSAGE_TRANSITION)
        return take_transition(c, s, obs, results);
    return is_unknown(s) ? renew_session(c, s) : mr_connection_fail(s->connection);
}

static mr_status step_gathered(mr_client *c, double *obs, mr_step *results) {
    mr_status status;
    size_t n_posted;
    MR_TRY(post_steps(c, &n_posted));
    MR_TRY(mr_connections_exchange(n_posted, c->posted, c->retry));
    for (size_t k = 0; k < c->n_servers; k++)
        if (c->servers[k].n_which > 0)
            MR_TRY(take_reply(c, &c->servers[k], obs, results));
done:
    return status;
}

// Some may have moved, and where to is unknown: a next step would not start at their last obs.
static void give_up_episodes(mr_client *c) {
    for (size_t k = 0; k < c->n_servers; k++) {
        const mr_client_server *s = &c->servers[k];
        for (size_t m = 0; m < s->n_which; m++)
            c->in_episode[s->first + (size_t)s->which[m]] = false;
    }
}

static mr_status step_all(mr_client *c, const bool *active, const double *actions, double *obs,
                          mr_step *results) {
    mr_status status;
    MR_TRY(settle(c));
    MR_TRY(gather_all(c, active, actions));
    status = step_gathered(c, obs, results);
    if (status != MR_OK) {
        give_up_episodes(c);
        return status;
    }
    for (size_t i = 0; i < c->n_envs; i++)
        if ((active == NULL || active[i]) && c->was_reset[i])
            results[i] = (mr_step){.truncated = true, .lost = true};
done:
    return status;
}

mr_status mr_client_step(void *self, const bool *active, const double *actions, double *obs,
                         mr_step *results) {
    mr_client *c = self;
    mr_heartbeat_hold(c->heartbeat);
    const mr_status status = step_all(c, active, actions, obs, results);
    mr_heartbeat_release(c->heartbeat);
    return status;
}
