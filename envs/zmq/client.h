/// Environments of servers elsewhere, stepped together: "zmq:ENDPOINT,zmq:ENDPOINT". Private to
/// envs/zmq.
#pragma once

#include "envs/env.h"
#include "envs/zmq/announced.h"
#include "envs/zmq/heartbeat.h"
#include "envs/zmq/link.h"

typedef struct mr_client mr_client;

typedef struct mr_client_server mr_client_server;
struct mr_client_server {
    mr_link *link; // owned
    mr_announced spec;
    size_t first;    // of its environments among all
    uint64_t *which; // [spec.num_envs] those of the present request, as the server counts
    double *actions; // [spec.num_envs x act_dim] theirs
    size_t n_which;
    int n_restarts;                     // since its last step
    char warning[MR_MESSAGE_TEXT_SIZE]; // the first that came with a step; "": none yet
};

struct mr_client {
    char *name;    // owned
    void *context; // owned
    mr_patience patience;
    size_t n_servers, n_envs;
    mr_client_server *servers; // [n_servers] owned
    mr_link **posted;          // [n_servers] those of the present exchange
    mr_env_spec spec;
    bool *in_episode;        // [n_envs]
    bool *lost;              // [n_envs] was under way when its server began afresh
    mr_heartbeat *heartbeat; // pings while the trainer computes; whoever talks to servers holds it
};

/// Meets the servers that `name` lists; leases are kept from then on. Fails with MR_ERR_USAGE on
/// options that only a server can take and where the servers differ, with MR_ERR_IO where one does
/// not answer. Whoever opens it closes it.
mr_status mr_client_open(const char *name, const mr_env_options *options, mr_client **out);

/// Says goodbye to the servers first. NULL is fine.
void mr_client_close(void *client);

/// Asks a server what it has; the caller frees it.
mr_status mr_client_hello(mr_client *client, mr_client_server *server, mr_announced *out);

/// As mr_vec_env_ops has them. An environment whose server began afresh is lost in its next step.
/// After a step that failed once it was asked for, all environments that it named need a reset:
/// whether they moved is not known. A reset finds out about what was asked before, and takes
/// nothing of it for its own.
mr_status mr_client_reset(void *client, size_t i, const uint64_t *seed, double *obs);
mr_status mr_client_step(void *client, const bool *active, const double *actions, double *obs,
                         mr_step *results);
