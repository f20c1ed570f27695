// Requests to a server, sent again until they are answered.

#include "envs/zmq/connection.h"

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
#include "envs/zmq/message_fields.h"
#include "base/clock.h"

static const double first_pause_s = 0.1, longest_pause_s = 5;
static const double last_wait_s = 1; // for a reply, after being told to stop

enum {
    MAX_AT_ONCE = 64, // connections of one poll
    POLL_MS = 200,    // between two looks at whether to stop
    MAX_DROPPED = 64, // messages that are not the reply, between two looks at the clock
};

typedef enum {
    IDLE, // the last request was answered
    POSTED,
    SENT,
    BACKING_OFF, // before it connects again
} connection_state;

struct mr_connection {
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
    bool is_unanswered; // the last request on this socket was; the next takes a new socket
    connection_state state;
    size_t n_tries;
    double sent_s;  // when it was sent last
    double until_s; // end of waiting, or of the pause
    double heard_s;
    zmq_msg_t body; // of the reply, which points into it
    mr_message reply;
    mr_message_reader *reader;
};

static void disconnect(mr_connection *connection) {
    connection->is_unanswered = false;
    if (connection->socket != NULL)
        zmq_close(connection->socket);
    connection->socket = NULL;
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

mr_status mr_connection_open(void *context, const char *endpoint, const char *server_key,
                             const char *secret_key, mr_connection **out) {
    mr_status status;
    mr_connection *connection = NULL;
    MR_TRY(mr_endpoint_check(endpoint, false));
    MR_TRY(check_keys(server_key, secret_key));
    connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        status = mr_fail_memory("a connection");
        goto done;
    }
    *connection = (mr_connection){.context = context,
                                  .endpoint = strdup(endpoint),
                                  .server_key = copy_text(server_key),
                                  .secret_key = copy_text(secret_key),
                                  .max_bytes = MR_MESSAGE_MAX_BYTES,
                                  .heard_s = mr_clock_s()};
    zmq_msg_init(&connection->body);
    MR_TRY(mr_message_reader_new(&connection->reader));
    if (connection->endpoint == NULL) {
        status = mr_fail_memory("a connection");
        goto done;
    }
    if (getrandom(connection->session, sizeof connection->session, 0) !=
        sizeof connection->session) {
        status = mr_fail(MR_ERR_IO, "the system has no random numbers: %s", strerror(errno));
        goto done;
    }
    *out = connection;
    connection = NULL;
done:
    mr_connection_close(connection);
    return status;
}

void mr_connection_close(mr_connection *connection) {
    if (connection == NULL)
        return;
    disconnect(connection);
    zmq_msg_close(&connection->body);
    mr_message_reader_free(connection->reader);
    mr_message_buffer_free(&connection->request);
    free(connection->endpoint);
    free(connection->server_key);
    free(connection->secret_key);
    free(connection);
}

const char *mr_connection_endpoint(const mr_connection *connection) {
    return connection->endpoint;
}

void mr_connection_allow(mr_connection *connection, size_t n_bytes) {
    if (n_bytes <= connection->max_bytes)
        return;
    connection->max_bytes = n_bytes;
    disconnect(connection);
}

bool mr_connection_is_waiting(const mr_connection *connection) {
    return connection->state != IDLE;
}

bool mr_connection_is_greeting(const mr_connection *connection) {
    return connection->state != IDLE && connection->is_hello;
}

const mr_message *mr_connection_reply(const mr_connection *connection) {
    return &connection->reply;
}

double mr_connection_silence_s(const mr_connection *connection) {
    return mr_clock_s() - connection->heard_s;
}

mr_status mr_connection_fail(const mr_connection *connection) {
    const mr_message *reply = &connection->reply;
    if (reply->type != MR_MESSAGE_ERROR)
        return mr_fail(MR_ERR_IO,
                       "%s: the server's reply to '%s' has the wrong type; does it "
                       "speak the protocol of docs/bridge.md?",
                       connection->endpoint, connection->what);
    return mr_fail(MR_ERR_IO, "%s: %s: %s", connection->endpoint, mr_fault_name(reply->code),
                   reply->message);
}

bool mr_connection_has_session(const mr_connection *connection) {
    return connection->next_seq > 0 || mr_connection_is_greeting(connection);
}

// ---- Sending

mr_status mr_connection_post(mr_connection *connection, mr_message *message) {
    connection->is_hello = message->type == MR_MESSAGE_HELLO;
    if (connection->is_hello) {
        disconnect(connection); // late replies to an earlier session must not be taken for new ones
        connection->next_seq = 0;
    }
    memcpy(message->session, connection->session, sizeof message->session);
    message->seq = connection->seq = connection->next_seq;
    connection->what = mr_message_layouts[message->type].name;
    connection->n_tries = 0;
    connection->state = POSTED;
    return mr_message_write(message, &connection->request);
}

// A request without a reply keeps its seq: it may have been executed, or will be. A server answers
// a seq that it has executed from memory, whatever request comes with it.
mr_status mr_connection_settle(mr_connection *connection) {
    mr_message ping = {.type = MR_MESSAGE_PING, .seq = connection->seq};
    assert(mr_connection_is_waiting(connection) && !connection->is_hello);
    memcpy(ping.session, connection->session, sizeof ping.session);
    return mr_message_write(&ping, &connection->request);
}

static mr_status fail_socket(const mr_connection *connection, const char *what) {
    return mr_fail(MR_ERR_IO, "%s: cannot %s: %s", connection->endpoint, what,
                   zmq_strerror(zmq_errno()));
}

static mr_status connect_socket(mr_connection *connection) {
    const int no_linger = 0, keepalive = 1, ipv6 = mr_endpoint_is_ipv6(connection->endpoint);
    const int64_t max_bytes = (int64_t)connection->max_bytes;
    mr_status status = MR_OK;
    connection->socket = zmq_socket(connection->context, ZMQ_DEALER);
    if (connection->socket == NULL)
        return fail_socket(connection, "open a socket");
    if (connection->server_key != NULL)
        status =
            mr_curve_connect(connection->socket, connection->server_key, connection->secret_key);
    if (status == MR_OK &&
        (zmq_setsockopt(connection->socket, ZMQ_LINGER, &no_linger, sizeof no_linger) != 0 ||
         zmq_setsockopt(connection->socket, ZMQ_TCP_KEEPALIVE, &keepalive, sizeof keepalive) != 0 ||
         zmq_setsockopt(connection->socket, ZMQ_IPV6, &ipv6, sizeof ipv6) != 0 ||
         zmq_setsockopt(connection->socket, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes) != 0 ||
         zmq_connect(connection->socket, connection->endpoint) != 0))
        status = fail_socket(connection, "connect");
    if (status != MR_OK)
        disconnect(connection);
    return status;
}

// If a queue is full, the request counts as sent and lost.
static mr_status send_request(mr_connection *connection) {
    const mr_status status = connection->socket == NULL ? connect_socket(connection) : MR_OK;
    if (status == MR_OK && zmq_send(connection->socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) == 0)
        zmq_send(connection->socket, connection->request.data, connection->request.n_bytes,
                 ZMQ_DONTWAIT);
    return status;
}

static mr_status send_once(mr_connection *connection, mr_retry_policy retry) {
    if (connection->is_unanswered)
        disconnect(connection);
    const mr_status status = send_request(connection);
    if (status != MR_OK)
        return status;
    connection->n_tries++;
    connection->state = SENT;
    connection->sent_s = mr_clock_s();
    connection->until_s = connection->sent_s + retry.timeout_s;
    return MR_OK;
}

mr_status mr_connection_leave(mr_connection *connection) {
    mr_status status;
    mr_message bye = {.type = MR_MESSAGE_BYE};
    if (mr_connection_is_waiting(connection)) {
        if (!connection->is_hello)
            MR_TRY(mr_connection_settle(connection));
        MR_TRY(send_request(connection));
        connection->next_seq = connection->seq + 1;
    }
    status = mr_connection_post(connection, &bye);
done:
    return status;
}

// ---- Receiving

// Receives one message of two frames and keeps the last in connection->body. False if there is none
// (`*any` is false then) or it has another shape.
static bool receive(mr_connection *connection, bool *any) {
    zmq_msg_t *body = &connection->body;
    size_t n = 0, n_first = 0;
    bool more = true;
    *any = false;
    while (more) {
        if (zmq_msg_recv(body, connection->socket, ZMQ_DONTWAIT) < 0)
            return false;
        *any = true;
        if (n++ == 0)
            n_first = zmq_msg_size(body);
        more = zmq_msg_more(body) != 0;
    }
    return n == 2 && n_first == 0;
}

// After an error that says that the request was not executed, its seq is used again.
static bool was_executed(const mr_message *reply) {
    return reply->type != MR_MESSAGE_ERROR ||
           (reply->code != MR_FAULT_UNKNOWN_SESSION && reply->code != MR_FAULT_BAD_SEQUENCE &&
            reply->code != MR_FAULT_BUSY && reply->code != MR_FAULT_BAD_VERSION);
}

// Takes the message in connection->body if it is the reply to the request; drops any other. A
// malformed reply would be malformed again, so that it is a failure.
static mr_status take(mr_connection *connection, bool *taken) {
    mr_message_head head;
    mr_message *reply = &connection->reply;
    const mr_status status = mr_message_read(connection->reader, zmq_msg_data(&connection->body),
                                             zmq_msg_size(&connection->body), &head, reply);
    *taken = head.is_addressed && reply->seq == connection->seq &&
             memcmp(reply->session, connection->session, sizeof reply->session) == 0;
    if (!*taken)
        return MR_OK;
    if (status != MR_OK)
        return mr_fail(MR_ERR_INPUT, "%s: its reply to '%s' is malformed: %s", connection->endpoint,
                       connection->what, mr_error_message());
    connection->heard_s = mr_clock_s();
    connection->state = IDLE;
    if (was_executed(reply))
        connection->next_seq = connection->seq + 1;
    return MR_OK;
}

static mr_status read_replies(mr_connection *connection) {
    mr_status status = MR_OK;
    bool any = true, taken = false;
    for (int i = 0; i < MAX_DROPPED && any && !taken && status == MR_OK; i++)
        if (receive(connection, &any))
            status = take(connection, &taken);
    return status;
}

// ---- Waiting

static bool is_stopped(mr_retry_policy retry) {
    return retry.stop != NULL && *retry.stop != 0;
}

// The socket stays open for a bye.
static mr_status give_up(mr_connection *connection, mr_retry_policy retry) {
    connection->is_unanswered = true;
    connection->state = POSTED;
    if (is_stopped(retry))
        return MR_STOPPED;
    return mr_fail(MR_ERR_IO,
                   "%s: no reply to '%s' within %g s, %zu time%s; is the server running, and do "
                   "the keys match?",
                   connection->endpoint, connection->what, retry.timeout_s, connection->n_tries,
                   connection->n_tries == 1 ? "" : "s");
}

// Exponential backoff that starts well below the timeout.
static double pause_s(size_t n_tries, mr_retry_policy retry) {
    const double first_s = fmin(first_pause_s, retry.timeout_s / 4);
    return fmin(ldexp(first_s, n_tries < 32 ? (int)n_tries - 1 : 31), longest_pause_s);
}

// Sends, gives up or backs off, whichever is due.
static mr_status advance(mr_connection *connection, mr_retry_policy retry, double now) {
    if (is_stopped(retry) && connection->state != IDLE)
        connection->until_s = fmin(connection->until_s, connection->sent_s + last_wait_s);
    if (connection->state == POSTED ||
        (connection->state == BACKING_OFF && now >= connection->until_s))
        return send_once(connection, retry);
    if (connection->state != SENT || now < connection->until_s)
        return MR_OK;
    if (connection->n_tries > retry.retries || is_stopped(retry))
        return give_up(connection, retry);
    if (retry.waiting != NULL)
        retry.waiting(retry.self, connection->endpoint, connection->n_tries);
    disconnect(connection);
    connection->state = BACKING_OFF;
    connection->until_s = now + pause_s(connection->n_tries, retry);
    return MR_OK;
}

// Waits until a reply is there or something is due.
static mr_status wait_for(size_t n, mr_connection *const *connections) {
    zmq_pollitem_t items[MAX_AT_ONCE];
    mr_connection *sent[MAX_AT_ONCE];
    int n_items = 0;
    double until_s = INFINITY;
    mr_status status = MR_OK;
    for (size_t i = 0; i < n; i++) {
        if (connections[i]->state == IDLE)
            continue;
        until_s = fmin(until_s, connections[i]->until_s);
        if (connections[i]->state != SENT || n_items == MAX_AT_ONCE)
            continue;
        sent[n_items] = connections[i];
        items[n_items++] = (zmq_pollitem_t){.socket = connections[i]->socket, .events = ZMQ_POLLIN};
    }
    const double left_ms = fmin(ceil(1e3 * (until_s - mr_clock_s())), POLL_MS);
    if (zmq_poll(items, n_items, left_ms > 0 ? (long)left_ms : 0) < 0 && zmq_errno() != EINTR)
        return mr_fail(MR_ERR_IO, "cannot wait for replies: %s", zmq_strerror(zmq_errno()));
    for (int i = 0; i < n_items && status == MR_OK; i++)
        if ((items[i].revents & ZMQ_POLLIN) != 0)
            status = read_replies(sent[i]);
    return status;
}

static bool are_all_idle(size_t n, mr_connection *const *connections) {
    for (size_t i = 0; i < n; i++)
        if (connections[i]->state != IDLE)
            return false;
    return true;
}

static mr_status exchange(size_t n, mr_connection *const *connections, mr_retry_policy retry) {
    mr_status status = MR_OK;
    while (!are_all_idle(n, connections)) {
        const double now = mr_clock_s();
        for (size_t i = 0; i < n; i++)
            MR_TRY(advance(connections[i], retry, now));
        MR_TRY(wait_for(n, connections));
    }
done:
    return status;
}

mr_status mr_connections_exchange(size_t n, mr_connection *const *connections,
                                  mr_retry_policy retry) {
    const mr_status status = exchange(n, connections, retry);
    for (size_t i = 0; i < n && status != MR_OK; i++)
        if (connections[i]->state != IDLE) {
            connections[i]->state = POSTED;
            connections[i]->n_tries = 0;
        }
    return status;
}
