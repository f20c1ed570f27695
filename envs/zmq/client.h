/// A client of remote environments, stepped together: "zmq:ENDPOINT,zmq:ENDPOINT". Private to
/// envs/zmq.
#pragma once

#include "envs/env.h"
#include "envs/zmq/remote_spec.h"
#include "envs/zmq/heartbeat.h"
#include "envs/zmq/connection.h"

typedef struct mr_client mr_client;

typedef struct mr_client_server mr_client_server;
struct mr_client_server {
    mr_connection *connection; // owned
    mr_remote_spec spec;
    size_t first; // the index of its first environment among all
    uint64_t
        *which; // [spec.num_envs] the environments of the present request, by the server's index
    double *actions; // [spec.num_envs x act_dim] their actions
    size_t n_which;
    int n_restarts;                     // of the server since its last step
    char warning[MR_MESSAGE_TEXT_SIZE]; // the first that came with a step; "": none yet
};

struct mr_client {
    char *name;    // owned
    void *context; // owned
    mr_retry_policy retry;
    size_t n_servers, n_envs;
    mr_client_server *servers;                // [n_servers] owned
    mr_connection **posted;                   // [n_servers] connections of the present exchange
    mr_env_spec spec;                         // its infos are those that have come so far
    char (*info_names)[MR_MESSAGE_TEXT_SIZE]; // [MR_MESSAGE_MAX_INFO]
    const char **info_list;                   // [MR_MESSAGE_MAX_INFO] the same, for the spec
    double *info;            // [n_envs x MR_MESSAGE_MAX_INFO] after the last steps; NaN: not given
    bool *in_episode;        // [n_envs]
    bool *was_reset;         // [n_envs] its episode was interrupted by a restart of its server
    mr_heartbeat *heartbeat; // pings while the trainer computes; held during each exchange
};

/// Says hello to the servers that `name` lists, and keeps their leases from then on. Fails with
/// MR_ERR_USAGE on options that only a server can take, or if the servers' environments differ,
/// with MR_ERR_IO if one does not answer, and with MR_STOPPED if told to stop meanwhile. The caller
/// closes it.
mr_status mr_client_open(const char *name, const mr_env_options *options, mr_client **out);

/// Says goodbye to the servers first. NULL is fine.
void mr_client_close(void *client);

/// Starts a session with a server and gets its spec, which the caller frees.
mr_status mr_client_hello(mr_client *client, mr_client_server *server, mr_remote_spec *out);

/// As mr_vec_env_ops has them. If a server was restarted, the next step of its environments reports
/// their episodes as interrupted (mr_step.lost). After a step that failed once it was sent, all
/// environments that it named need a reset, because it is not known whether they moved. A reset
/// first settles any request that has no reply.
mr_status mr_client_reset(void *client, size_t i, const uint64_t *seed, double *obs);
mr_status mr_client_step(void *client, const bool *active, const double *actions, double *obs,
                         mr_step *results);
const double *mr_client_info(const void *client, size_t i);
