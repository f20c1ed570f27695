/// A client's connection to one server: a request at a time, answered once, whatever happens to
/// messages, connections and the server in between.
#pragma once

#include "envs/env.h"
#include "envs/zmq/message.h"

typedef struct mr_link mr_link;

/// How a request that is not answered is asked again.
typedef struct {
    double timeout_s; // to wait for a reply; then the socket is closed and connected afresh
    size_t retries;
    void (*waiting)(void *self, const char *endpoint, size_t n_asked); // as in mr_env_link
    void *self;
    const volatile sig_atomic_t *stop;
} mr_patience;

/// A link to the server at `endpoint`, with a session of its own. Nothing is sent yet. `context` is
/// ZeroMQ's; key files NULL: no CURVE. The caller closes the link.
mr_status mr_link_open(void *context, const char *endpoint, const char *server_key,
                       const char *secret_key, mr_link **out);
void mr_link_close(mr_link *link);

const char *mr_link_endpoint(const mr_link *link);

/// Lets replies have so many bytes, where that is more than what is usual.
void mr_link_allow(mr_link *link, size_t n_bytes);

/// Gets a request ready to be sent; a hello begins the counting anew. `message` needs no session
/// and no seq. The link must be at rest.
mr_status mr_link_post(mr_link *link, mr_message *message);

/// Sends what was posted on links [n], to all at once, and waits until each has its reply. Where a
/// request is not answered after all retries, fails with MR_ERR_IO, naming the endpoint; it then
/// stays posted on the links that have no reply yet, and must be exchanged before another.
mr_status mr_links_exchange(size_t n, mr_link *const *links, mr_patience patience);

/// Whether a request is posted that has no reply yet.
bool mr_link_is_waiting(const mr_link *link);

/// Whether that request is a hello.
bool mr_link_is_greeting(const mr_link *link);

/// Whether the server may have begun a session: hello was answered, or may be yet.
bool mr_link_has_session(const mr_link *link);

/// Puts a ping under its number in place of a request that has no reply yet: the reply to exchange
/// is then the one that was missed, or the ping's, and the request is not executed after that. The
/// request must not be a hello, which a server has to have seen before a ping.
mr_status mr_link_settle(mr_link *link);

/// Posts a bye, right behind what settles a request that has no reply yet, which is sent: a server
/// that is busy finds both when it looks. The link must have a session.
mr_status mr_link_leave(mr_link *link);

/// The reply to the last request, valid until the next is exchanged.
const mr_message *mr_link_reply(const mr_link *link);

/// Seconds since a reply last came.
double mr_link_silence_s(const mr_link *link);

/// Fails with what the server said in a reply that is an error.
mr_status mr_link_fail(const mr_link *link);
