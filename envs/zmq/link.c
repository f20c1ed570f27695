// Asking a server, and asking again where no answer comes.

#include "envs/zmq/link.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <zmq.h>

#include "envs/zmq/curve.h"
#include "envs/zmq/endpoint.h"
#include "base/clock.h"

static const double first_pause_s = 0.1, longest_pause_s = 5;
static const double last_wait_s = 1; // for a reply, once told to stop

enum {
    MAX_AT_ONCE = 64, // links that one poll looks at
    POLL_MS = 200,    // how long being told to stop may go unseen
    MAX_DROPPED = 64, // messages that are not the reply, before the clock is looked at again
};

typedef enum {
    AT_REST, // the last reply is there
    POSTED,
    ASKED,
    PAUSING, // before it connects afresh
} link_state;

struct mr_link {
    void *context;
    char *endpoint;                // owned
    char *server_key, *secret_key; // owned; NULL: no CURVE
    void *socket;                  // owned; NULL: not connected
    size_t max_bytes;              // of a reply
    uint8_t session[MR_SESSION_SIZE];
    uint64_t next_seq;
    mr_message_buffer request;
    const char *what; // the type of the request
    uint64_t seq;
    bool is_hello;
    bool is_unanswered; // the last request on this socket: the next takes a new one
    link_state state;
    size_t n_tries;
    double asked_s; // when it was asked last
    double until_s; // when waiting or the pause is over
    double heard_s;
    zmq_msg_t body; // of the reply, which points into it
    mr_message reply;
    mr_message_reader *reader;
};

static void disconnect(mr_link *link) {
    link->is_unanswered = false;
    if (link->socket != NULL)
        zmq_close(link->socket);
    link->socket = NULL;
}

static char *copy_text(const char *text) {
    return text != NULL && text[0] != '\0' ? strdup(text) : NULL;
}

static mr_status check_keys(const char *server_key, const char *secret_key) {
    const bool has_server = server_key != NULL && server_key[0] != '\0';
    const bool has_secret = secret_key != NULL && secret_key[0] != '\0';
    if (has_server == has_secret)
        return MR_OK;
    return mr_fail(MR_ERR_USAGE, "CURVE needs both: the server's public key (--curve-server-key "
                                 "FILE) and a secret key of your own (--curve-secret-key FILE)");
}

mr_status mr_link_open(void *context, const char *endpoint, const char *server_key,
                       const char *secret_key, mr_link **out) {
    mr_status status;
    mr_link *link = NULL;
    MR_TRY(mr_endpoint_check(endpoint, false));
    MR_TRY(check_keys(server_key, secret_key));
    link = calloc(1, sizeof *link);
    if (link == NULL) {
        status = mr_fail_memory("a connection");
        goto done;
    }
    *link = (mr_link){.context = context,
                      .endpoint = strdup(endpoint),
                      .server_key = copy_text(server_key),
                      .secret_key = copy_text(secret_key),
                      .max_bytes = MR_MESSAGE_MAX_BYTES,
                      .heard_s = mr_clock_s()};
    zmq_msg_init(&link->body);
    MR_TRY(mr_message_reader_new(&link->reader));
    if (link->endpoint == NULL) {
        status = mr_fail_memory("a connection");
        goto done;
    }
    if (getrandom(link->session, sizeof link->session, 0) != sizeof link->session) {
        status = mr_fail(MR_ERR_IO, "the system has no random numbers: %s", strerror(errno));
        goto done;
    }
    *out = link;
    link = NULL;
done:
    mr_link_close(link);
    return status;
}

void mr_link_close(mr_link *link) {
    if (link == NULL)
        return;
    disconnect(link);
    zmq_msg_close(&link->body);
    mr_message_reader_free(link->reader);
    mr_message_buffer_free(&link->request);
    free(link->endpoint);
    free(link->server_key);
    free(link->secret_key);
    free(link);
}

const char *mr_link_endpoint(const mr_link *link) {
    return link->endpoint;
}

void mr_link_allow(mr_link *link, size_t n_bytes) {
    if (n_bytes <= link->max_bytes)
        return;
    link->max_bytes = n_bytes;
    disconnect(link);
}

bool mr_link_is_waiting(const mr_link *link) {
    return link->state != AT_REST;
}

bool mr_link_is_greeting(const mr_link *link) {
    return link->state != AT_REST && link->is_hello;
}

const mr_message *mr_link_reply(const mr_link *link) {
    return &link->reply;
}

double mr_link_silence_s(const mr_link *link) {
    return mr_clock_s() - link->heard_s;
}

mr_status mr_link_fail(const mr_link *link) {
    const mr_message *reply = &link->reply;
    if (reply->type != MR_MESSAGE_ERROR)
        return mr_fail(MR_ERR_IO,
                       "%s: the server answered '%s' with something else; does it "
                       "speak the protocol of docs/bridge.md?",
                       link->endpoint, link->what);
    return mr_fail(MR_ERR_IO, "%s: %s: %s", link->endpoint, mr_fault_name(reply->code),
                   reply->message);
}

bool mr_link_has_session(const mr_link *link) {
    return link->next_seq > 0 || mr_link_is_greeting(link);
}

// ---- Sending

mr_status mr_link_post(mr_link *link, mr_message *message) {
    static const char *const names[MR_MESSAGE_ERROR + 1] = {
        [MR_MESSAGE_HELLO] = "hello", [MR_MESSAGE_RESET] = "reset", [MR_MESSAGE_STEP] = "step",
        [MR_MESSAGE_PING] = "ping",   [MR_MESSAGE_BYE] = "bye",
    };
    link->is_hello = message->type == MR_MESSAGE_HELLO;
    if (link->is_hello) {
        disconnect(link); // replies of a time before must not be taken for those that come
        link->next_seq = 0;
    }
    memcpy(message->session, link->session, sizeof message->session);
    message->seq = link->seq = link->next_seq;
    link->what = names[message->type];
    link->n_tries = 0;
    link->state = POSTED;
    return mr_message_write(message, &link->request);
}

// A request that gets no reply keeps its number, under which it may have been executed, or will be:
// a server answers a number that it has executed from memory, whatever it is asked under it.
mr_status mr_link_settle(mr_link *link) {
    mr_message ping = {.type = MR_MESSAGE_PING, .seq = link->seq};
    assert(mr_link_is_waiting(link) && !link->is_hello);
    memcpy(ping.session, link->session, sizeof ping.session);
    return mr_message_write(&ping, &link->request);
}

static mr_status fail_socket(const mr_link *link, const char *what) {
    return mr_fail(MR_ERR_IO, "%s: cannot %s: %s", link->endpoint, what, zmq_strerror(zmq_errno()));
}

static mr_status connect_socket(mr_link *link) {
    const int no_linger = 0, keepalive = 1, ipv6 = mr_endpoint_is_ipv6(link->endpoint);
    const int64_t max_bytes = (int64_t)link->max_bytes;
    mr_status status = MR_OK;
    link->socket = zmq_socket(link->context, ZMQ_DEALER);
    if (link->socket == NULL)
        return fail_socket(link, "open a socket");
    if (link->server_key != NULL)
        status = mr_curve_connect(link->socket, link->server_key, link->secret_key);
    if (status == MR_OK &&
        (zmq_setsockopt(link->socket, ZMQ_LINGER, &no_linger, sizeof no_linger) != 0 ||
         zmq_setsockopt(link->socket, ZMQ_TCP_KEEPALIVE, &keepalive, sizeof keepalive) != 0 ||
         zmq_setsockopt(link->socket, ZMQ_IPV6, &ipv6, sizeof ipv6) != 0 ||
         zmq_setsockopt(link->socket, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes) != 0 ||
         zmq_connect(link->socket, link->endpoint) != 0))
        status = fail_socket(link, "connect");
    if (status != MR_OK)
        disconnect(link);
    return status;
}

// What can't be sent now (a queue is full) counts as sent and lost.
static mr_status send_request(mr_link *link) {
    const mr_status status = link->socket == NULL ? connect_socket(link) : MR_OK;
    if (status == MR_OK && zmq_send(link->socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) == 0)
        zmq_send(link->socket, link->request.data, link->request.n_bytes, ZMQ_DONTWAIT);
    return status;
}

static mr_status ask(mr_link *link, mr_patience patience) {
    if (link->is_unanswered)
        disconnect(link);
    const mr_status status = send_request(link);
    if (status != MR_OK)
        return status;
    link->n_tries++;
    link->state = ASKED;
    link->asked_s = mr_clock_s();
    link->until_s = link->asked_s + patience.timeout_s;
    return MR_OK;
}

mr_status mr_link_leave(mr_link *link) {
    mr_status status;
    mr_message bye = {.type = MR_MESSAGE_BYE};
    if (mr_link_is_waiting(link)) {
        if (!link->is_hello)
            MR_TRY(mr_link_settle(link));
        MR_TRY(send_request(link));
        link->next_seq = link->seq + 1;
    }
    status = mr_link_post(link, &bye);
done:
    return status;
}

// ---- Receiving

// One message, of which the last of two frames is left in link->body. False: there is none, or it
// is of another shape (`*any` tells which).
static bool receive(mr_link *link, bool *any) {
    zmq_msg_t *body = &link->body;
    size_t n = 0, n_first = 0;
    bool more = true;
    *any = false;
    while (more) {
        if (zmq_msg_recv(body, link->socket, ZMQ_DONTWAIT) < 0)
            return false;
        *any = true;
        if (n++ == 0)
            n_first = zmq_msg_size(body);
        more = zmq_msg_more(body) != 0;
    }
    return n == 2 && n_first == 0;
}

// Errors that say that the request was not executed leave the counting where it is.
static bool was_executed(const mr_message *reply) {
    return reply->type != MR_MESSAGE_ERROR ||
           (reply->code != MR_FAULT_UNKNOWN_SESSION && reply->code != MR_FAULT_BAD_SEQUENCE &&
            reply->code != MR_FAULT_BUSY && reply->code != MR_FAULT_BAD_VERSION);
}

// Whether the message in link->body is the reply that is waited for; any other is dropped. A reply
// that is malformed would be so again, so it is a failure.
static mr_status take(mr_link *link, bool *taken) {
    mr_message_head head;
    mr_message *reply = &link->reply;
    const mr_status status = mr_message_read(link->reader, zmq_msg_data(&link->body),
                                             zmq_msg_size(&link->body), &head, reply);
    *taken = head.is_addressed && reply->seq == link->seq &&
             memcmp(reply->session, link->session, sizeof reply->session) == 0;
    if (!*taken)
        return MR_OK;
    if (status != MR_OK)
        return mr_fail(MR_ERR_INPUT, "%s: its reply to '%s' is malformed: %s", link->endpoint,
                       link->what, mr_error_message());
    link->heard_s = mr_clock_s();
    link->state = AT_REST;
    if (was_executed(reply))
        link->next_seq = link->seq + 1;
    return MR_OK;
}

static mr_status read_replies(mr_link *link) {
    mr_status status = MR_OK;
    bool any = true, taken = false;
    for (int i = 0; i < MAX_DROPPED && any && !taken && status == MR_OK; i++)
        if (receive(link, &any))
            status = take(link, &taken);
    return status;
}

// ---- Waiting

static bool is_stopped(mr_patience patience) {
    return patience.stop != NULL && *patience.stop != 0;
}

// The socket stays for a bye, which then follows on the same way.
static mr_status give_up(mr_link *link, mr_patience patience) {
    link->is_unanswered = true;
    link->state = POSTED;
    if (is_stopped(patience))
        return mr_fail(MR_ERR_IO, "%s: stopped while there was no reply to '%s'", link->endpoint,
                       link->what);
    return mr_fail(MR_ERR_IO,
                   "%s: no reply to '%s' within %g s, %zu time%s; is the server running, and do "
                   "the keys fit?",
                   link->endpoint, link->what, patience.timeout_s, link->n_tries,
                   link->n_tries == 1 ? "" : "s");
}

// Doubled each time, beginning well below the timeout.
static double pause_s(size_t n_tries, mr_patience patience) {
    const double first_s = fmin(first_pause_s, patience.timeout_s / 4);
    return fmin(ldexp(first_s, n_tries < 32 ? (int)n_tries - 1 : 31), longest_pause_s);
}

// What is due: to ask, to stop waiting, to ask again.
static mr_status move_on(mr_link *link, mr_patience patience, double now) {
    if (is_stopped(patience) && link->state != AT_REST)
        link->until_s = fmin(link->until_s, link->asked_s + last_wait_s);
    if (link->state == POSTED || (link->state == PAUSING && now >= link->until_s))
        return ask(link, patience);
    if (link->state != ASKED || now < link->until_s)
        return MR_OK;
    if (link->n_tries > patience.retries || is_stopped(patience))
        return give_up(link, patience);
    if (patience.waiting != NULL)
        patience.waiting(patience.self, link->endpoint, link->n_tries);
    disconnect(link);
    link->state = PAUSING;
    link->until_s = now + pause_s(link->n_tries, patience);
    return MR_OK;
}

// Waits until something is due or there; at most for the links of one call.
static mr_status wait_for(size_t n, mr_link *const *links) {
    zmq_pollitem_t items[MAX_AT_ONCE];
    mr_link *asked[MAX_AT_ONCE];
    int n_items = 0;
    double until_s = INFINITY;
    mr_status status = MR_OK;
    for (size_t i = 0; i < n; i++) {
        if (links[i]->state == AT_REST)
            continue;
        until_s = fmin(until_s, links[i]->until_s);
        if (links[i]->state != ASKED || n_items == MAX_AT_ONCE)
            continue;
        asked[n_items] = links[i];
        items[n_items++] = (zmq_pollitem_t){.socket = links[i]->socket, .events = ZMQ_POLLIN};
    }
    const double left_ms = fmin(ceil(1e3 * (until_s - mr_clock_s())), POLL_MS);
    if (zmq_poll(items, n_items, left_ms > 0 ? (long)left_ms : 0) < 0 && zmq_errno() != EINTR)
        return mr_fail(MR_ERR_IO, "cannot wait for replies: %s", zmq_strerror(zmq_errno()));
    for (int i = 0; i < n_items && status == MR_OK; i++)
        if ((items[i].revents & ZMQ_POLLIN) != 0)
            status = read_replies(asked[i]);
    return status;
}

static bool are_all_at_rest(size_t n, mr_link *const *links) {
    for (size_t i = 0; i < n; i++)
        if (links[i]->state != AT_REST)
            return false;
    return true;
}

static mr_status exchange(size_t n, mr_link *const *links, mr_patience patience) {
    mr_status status = MR_OK;
    while (!are_all_at_rest(n, links)) {
        const double now = mr_clock_s();
        for (size_t i = 0; i < n; i++)
            MR_TRY(move_on(links[i], patience, now));
        MR_TRY(wait_for(n, links));
    }
done:
    return status;
}

mr_status mr_links_exchange(size_t n, mr_link *const *links, mr_patience patience) {
    const mr_status status = exchange(n, links, patience);
    for (size_t i = 0; i < n && status != MR_OK; i++)
        if (links[i]->state != AT_REST) {
            links[i]->state = POSTED;
            links[i]->n_tries = 0;
        }
    return status;
}
