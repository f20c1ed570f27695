// The scheme "zmq:": remote environments behind the interface of local ones.

#include <stdio.h>

#include "envs/env_ops.h"
#include "envs/zmq/client.h"

static mr_status check_count(const mr_client *c, size_t n) {
    if (n == 0 || n == c->n_envs)
        return MR_OK;
    return mr_fail(MR_ERR_USAGE,
                   "%zu environments asked for, but %s%s %zu; leave --num-envs out, or serve "
                   "that many",
                   n, mr_connection_endpoint(c->servers[0].connection),
                   c->n_servers > 1 ? " and the others have" : " has", c->n_envs);
}

// ---- All environments of the servers

static size_t no_diverged(const void *self) {
    (void)self; // a server reports truncations, but not why
    return 0;
}

static mr_env *none_at(const void *self, size_t i) {
    (void)self, (void)i;
    return NULL;
}

static const mr_vec_env_ops all_ops = {.reset = mr_client_reset,
                                       .step = mr_client_step,
                                       .n_diverged = no_diverged,
                                       .at = none_at,
                                       .info = mr_client_info,
                                       .close = mr_client_close};

static mr_status open_all(const char *name, const mr_env_options *options, size_t n,
                          mr_vec_env **out) {
    mr_client *c;
    mr_status status = mr_client_open(name, options, &c);
    if (status != MR_OK)
        return status;
    status = check_count(c, n);
    if (status == MR_OK)
        return mr_vec_env_wrap(&all_ops, c, &c->spec, c->n_envs, out);
    mr_client_close(c);
    return status;
}

// ---- One environment

static mr_status reset_single(void *self, const uint64_t *seed, double *obs) {
    return mr_client_reset(self, 0, seed, obs);
}

static mr_status step_single(void *self, const double *action, double *obs, mr_step *result) {
    const mr_client *c = self;
    const mr_status status = mr_client_step(self, NULL, action, obs, result);
    if (status != MR_OK || !result->lost)
        return status;
    return mr_fail(MR_ERR_IO,
                   "%s: the server was restarted, which ended the episode; reset the environment",
                   mr_connection_endpoint(c->servers[0].connection));
}

static const mr_env_ops single_ops = {
    .reset = reset_single, .step = step_single, .close = mr_client_close};

static mr_status open_single(const char *name, const char *address, const mr_env_options *options,
                             mr_env **out) {
    (void)address;
    mr_client *c;
    mr_status status = mr_client_open(name, options, &c);
    if (status != MR_OK)
        return status;
    status = check_count(c, 1);
    if (status == MR_OK)
        return mr_env_wrap(&single_ops, c, &c->spec, out);
    mr_client_close(c);
    return status;
}

static mr_status describe(const char *name, const char *address, const mr_env_options *options,
                          char *text, size_t size) {
    (void)address;
    mr_client *c;
    const mr_status status = mr_client_open(name, options, &c);
    if (status != MR_OK)
        return status;
    int length = snprintf(text, size, "%s, remote\n\n", c->spec.name);
    for (size_t i = 0; i < c->n_servers && (size_t)length < size; i++)
        length +=
            snprintf(text + length, size - (size_t)length, "%zu environment%s at %s (%s %s)\n",
                     c->servers[i].spec.num_envs, c->servers[i].spec.num_envs == 1 ? "" : "s",
                     mr_connection_endpoint(c->servers[i].connection), c->servers[i].spec.engine,
                     c->servers[i].spec.engine_version);
    if ((size_t)length < size)
        snprintf(text + length, size - (size_t)length,
                 "\nobservation  %zu numbers\naction       %zu numbers, the first from %g to %g\n"
                 "episode      %zu steps at most (0: no limit)\n",
                 c->spec.obs_dim, c->spec.act_dim, c->spec.act_low[0], c->spec.act_high[0],
                 c->spec.max_episode_steps);
    mr_client_close(c);
    return MR_OK;
}

const mr_env_scheme mr_env_zmq = {
    .scheme = "zmq",
    .form = "zmq:ENDPOINT[,zmq:ENDPOINT...]",
    .summary = "remote environments (`millrace serve`, or a server in any language)",
    .open = open_single,
    .describe = describe,
    .open_all = open_all,
};
