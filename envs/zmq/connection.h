/// A client's connection to one server: one request at a time, each executed once and answered,
/// even if messages are lost, sockets close or the server restarts.
#pragma once

#include "envs/env.h"
#include "envs/zmq/message.h"

typedef struct mr_connection mr_connection;

/// When a request that has no reply is sent again.
typedef struct {
    double timeout_s; // to wait for a reply; then the socket is closed and connected again
    size_t retries;
    void (*waiting)(void *self, const char *endpoint, size_t n_asked); // as in mr_env_link
    void *self;
    const volatile sig_atomic_t *stop;
} mr_retry_policy;

/// A connection to the server at `endpoint`, with a session of its own. Nothing is sent yet.
///
///   context     ZeroMQ's
///   server_key, secret_key  key files; NULL: no CURVE
///
/// The caller closes it.
mr_status mr_connection_open(void *context, const char *endpoint, const char *server_key,
                             const char *secret_key, mr_connection **out);
void mr_connection_close(mr_connection *connection);

const char *mr_connection_endpoint(const mr_connection *connection);

/// Accepts replies of `n_bytes`, if that is more than the default.
void mr_connection_allow(mr_connection *connection, size_t n_bytes);

/// Prepares a request for mr_connections_exchange; a hello starts a session, and its seq at 0.
/// Session and seq of `message` are filled in. No other request may be unanswered.
mr_status mr_connection_post(mr_connection *connection, mr_message *message);

/// Sends the requests that were posted on connections [n], all at once, and waits for every reply.
/// Fails with MR_ERR_IO, naming the endpoint, if a request has no reply after all retries, and with
/// MR_STOPPED if `retry.stop` says so meanwhile. A request without a reply stays posted, and must
/// be exchanged before another.
mr_status mr_connections_exchange(size_t n, mr_connection *const *connections,
                                  mr_retry_policy retry);

/// Whether a request was posted that has no reply yet.
bool mr_connection_is_waiting(const mr_connection *connection);

/// Whether that request is a hello.
bool mr_connection_is_greeting(const mr_connection *connection);

/// Whether the server may have a session of ours: hello was answered, or may yet be.
bool mr_connection_has_session(const mr_connection *connection);

/// Replaces a request that has no reply by a ping with the same seq. The reply is then the one that
/// was missed, or the ping's, and the request is not executed after that. The request must not be a
/// hello, because a server refuses a ping before it.
mr_status mr_connection_settle(mr_connection *connection);

/// Posts a bye. If a request has no reply yet, mr_connection_settle's ping is sent before it, so
/// that a busy server finds both in its queue. The connection must have a session.
mr_status mr_connection_leave(mr_connection *connection);

/// The reply to the last request, valid until the next is exchanged.
const mr_message *mr_connection_reply(const mr_connection *connection);

/// Seconds since the last reply.
double mr_connection_silence_s(const mr_connection *connection);

/// Fails with the server's text, for a reply that is an error or of the wrong type.
mr_status mr_connection_fail(const mr_connection *connection);
