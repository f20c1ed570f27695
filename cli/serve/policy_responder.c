// The server's side of the protocol for policies.

#include "cli/serve/policy_responder.h"

#include "envs/zmq/message.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    // Rows of one pass through the nets, whose memory so does not depend on the size of a request.
    CHUNK = 256,
};

struct mr_policy_responder {
    mr_policy *policy;
    const mr_policy_spec *spec;
    uint64_t seed;
    mr_message_reader *reader;
    mr_message_buffer reply;
    double *obs;          // [CHUNK x obs_dim]
    mr_real *noise, *act; // [CHUNK x act_dim]
    double *actions;      // [n_rows_allocated x act_dim]
    size_t n_rows_allocated;
    mr_policy_responder_metrics metrics;
};

static mr_status allocate(mr_policy_responder *r) {
    const size_t n_act = CHUNK * r->spec->act_dim;
    r->obs = calloc(CHUNK * r->spec->obs_dim, sizeof *r->obs);
    r->noise = calloc(n_act, sizeof *r->noise);
    r->act = calloc(n_act, sizeof *r->act);
    if (r->obs == NULL || r->noise == NULL || r->act == NULL)
        return mr_fail_memory("a server");
    const mr_status status = mr_message_reader_new(&r->reader);
    return status == MR_OK ? mr_policy_prepare(r->policy, CHUNK) : status;
}

mr_status mr_policy_responder_new(mr_policy *policy, uint64_t seed, mr_policy_responder **out) {
    mr_policy_responder *r = calloc(1, sizeof *r);
    if (r == NULL)
        return mr_fail_memory("a server");
    r->policy = policy;
    r->spec = mr_policy_get_spec(policy);
    r->seed = seed;
    const mr_status status = allocate(r);
    if (status != MR_OK) {
        mr_policy_responder_free(r);
        return status;
    }
    *out = r;
    return MR_OK;
}

void mr_policy_responder_free(mr_policy_responder *r) {
    if (r == NULL)
        return;
    mr_message_reader_free(r->reader);
    mr_message_buffer_free(&r->reply);
    free(r->obs);
    free(r->noise);
    free(r->act);
    free(r->actions);
    free(r);
}

mr_policy_responder_metrics mr_policy_responder_get_metrics(const mr_policy_responder *r) {
    return r->metrics;
}

// The bytes of an observation or an action, whichever is longer.
static size_t row_bytes(const mr_policy_responder *r) {
    const mr_policy_spec *spec = r->spec;
    return (spec->obs_dim > spec->act_dim ? spec->obs_dim : spec->act_dim) * sizeof(double);
}

size_t mr_policy_responder_max_bytes(const mr_policy_responder *r) {
    const size_t needed = row_bytes(r) + MR_MESSAGE_SPARE_BYTES;
    return needed > MR_MESSAGE_MAX_BYTES ? needed : MR_MESSAGE_MAX_BYTES;
}

size_t mr_policy_responder_max_rows(const mr_policy_responder *r) {
    return (mr_policy_responder_max_bytes(r) - MR_MESSAGE_SPARE_BYTES) / row_bytes(r);
}

// ---- Acting

// By FNV-1a, 64 bits (Fowler, Noll and Vo). Each request of a session has its own stream, because
// their seqs differ; streams of two sessions collide as rarely as random numbers.
static uint64_t stream_index(const mr_message *in) {
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < MR_SESSION_SIZE; i++)
        hash = (hash ^ in->session[i]) * 0x100000001b3;
    return hash + in->seq;
}

static mr_fault check_sizes(const mr_policy_responder *r, const mr_message *in, size_t *size) {
    const size_t max_rows = mr_policy_responder_max_rows(r), n_numbers = in->n * r->spec->obs_dim;
    *size = in->obs.n_bytes == n_numbers * sizeof(float) ? sizeof(float) : sizeof(double);
    if (in->n > max_rows)
        return mr_fault_refuse(MR_FAULT_BAD_MESSAGE,
                               "'n' is %zu; at most %zu observations go into one message", in->n,
                               max_rows);
    if (in->obs.n_bytes != n_numbers * *size)
        return mr_fault_refuse(
            MR_FAULT_BAD_MESSAGE,
            "'obs' has %zu bytes; it must be a bin of %zu x %zu numbers, f4 or f8", in->obs.n_bytes,
            in->n, r->spec->obs_dim);
    return MR_FAULT_NONE;
}

// The nets compute in float32: a number too large for it would become infinite.
static mr_fault check_obs(const mr_policy_responder *r, size_t first, size_t n) {
    const size_t dim = r->spec->obs_dim;
    for (size_t i = 0; i < n * dim; i++)
        if (!isfinite((float)r->obs[i]))
            return mr_fault_refuse(
                MR_FAULT_BAD_OBS,
                "observation row %zu, column %zu is %g; every number must be finite, as "
                "a float32 too",
                first + i / dim, i % dim, r->obs[i]);
    return MR_FAULT_NONE;
}

// Rows first to first + n - 1.
static mr_fault act_on_chunk(mr_policy_responder *r, const mr_message *in, size_t size,
                             size_t first, size_t n, mr_random *random) {
    const size_t obs_dim = r->spec->obs_dim, act_dim = r->spec->act_dim;
    const mr_bytes rows = {(const char *)in->obs.data + first * obs_dim * size, n * obs_dim * size};
    mr_message_get_numbers(rows, size, n * obs_dim, r->obs);
    const mr_fault fault = check_obs(r, first, n);
    if (fault != MR_FAULT_NONE)
        return fault;
    if (in->stochastic)
        mr_random_fill_normal(random, n * act_dim, r->noise);
    if (mr_policy_sample_units(r->policy, n, r->obs, in->stochastic ? r->noise : NULL, r->act,
                               NULL) != MR_OK)
        return mr_fault_refuse(
            MR_FAULT_BAD_OBS,
            "observation rows %zu to %zu: an action is not finite; is a number in them huge, or "
            "one in the policy's file not finite?",
            first, first + n - 1);
    mr_policy_scale(r->policy, n, r->act, r->actions + first * act_dim);
    return MR_FAULT_NONE;
}

static bool make_room(mr_policy_responder *r, size_t n_rows) {
    if (n_rows <= r->n_rows_allocated)
        return true;
    double *grown = realloc(r->actions, n_rows * r->spec->act_dim * sizeof *grown);
    if (grown == NULL)
        return false;
    r->actions = grown;
    r->n_rows_allocated = n_rows;
    return true;
}

static mr_fault act(mr_policy_responder *r, const mr_message *in, mr_message *out) {
    size_t size;
    mr_fault fault = check_sizes(r, in, &size);
    mr_random random = mr_random_stream(r->seed, MR_STREAM_SERVE, stream_index(in));
    if (fault == MR_FAULT_NONE && !make_room(r, in->n))
        return mr_fault_refuse(MR_FAULT_BAD_MESSAGE,
                               "no memory for %zu actions; send fewer observations", in->n);
    for (size_t i = 0; i < in->n && fault == MR_FAULT_NONE; i += CHUNK)
        fault = act_on_chunk(r, in, size, i, in->n - i < CHUNK ? in->n - i : CHUNK, &random);
    if (fault != MR_FAULT_NONE)
        return fault;
    r->metrics.n_actions += in->n;
    out->type = MR_MESSAGE_ACTION;
    out->actions = (mr_bytes){r->actions, in->n * r->spec->act_dim * sizeof *r->actions};
    return MR_FAULT_NONE;
}

// ---- The other requests

static mr_fault hello(mr_policy_responder *r, const mr_message *in, mr_message *out) {
    const size_t n_bytes = r->spec->act_dim * sizeof(double);
    (void)in;
    out->type = MR_MESSAGE_POLICY;
    mr_message_take_text(r->spec->env, strlen(r->spec->env), out->name);
    snprintf(out->server, sizeof out->server, "millrace " MR_VERSION);
    out->obs_dim = r->spec->obs_dim;
    out->act_dim = r->spec->act_dim;
    out->act_low = (mr_bytes){r->spec->act_low, n_bytes};
    out->act_high = (mr_bytes){r->spec->act_high, n_bytes};
    return MR_FAULT_NONE;
}

static mr_fault ping(mr_policy_responder *r, const mr_message *in, mr_message *out) {
    (void)r, (void)in;
    out->type = MR_MESSAGE_PONG;
    return MR_FAULT_NONE;
}

static mr_fault bye(mr_policy_responder *r, const mr_message *in, mr_message *out) {
    (void)r, (void)in;
    out->type = MR_MESSAGE_BYE;
    return MR_FAULT_NONE;
}

static mr_fault (*const requests[MR_MESSAGE_ERROR + 1])(mr_policy_responder *, const mr_message *,
                                                        mr_message *) = {
    [MR_MESSAGE_HELLO] = hello,
    [MR_MESSAGE_ACT] = act,
    [MR_MESSAGE_PING] = ping,
    [MR_MESSAGE_BYE] = bye,
};

// Makes the reply to `in`, or returns the fault and sets its message (mr_fail).
static mr_fault execute(mr_policy_responder *r, const mr_message *in, mr_message *out) {
    if (requests[in->type] == NULL)
        return mr_fault_refuse(
            MR_FAULT_BAD_MESSAGE,
            "'type' must be hello, act, ping or bye: this server has a policy, not an environment");
    return requests[in->type](r, in, out);
}

mr_bytes mr_policy_responder_answer(mr_policy_responder *r, mr_bytes request) {
    mr_message_head head;
    mr_message in;
    mr_message_read(r->reader, request.data, request.n_bytes, &head, &in);
    if (!head.is_addressed)
        return (mr_bytes){0};
    mr_message out = mr_message_address(&in);
    const mr_fault fault = head.fault != MR_FAULT_NONE ? head.fault : execute(r, &in, &out);
    r->metrics.n_requests++;
    if (fault != MR_FAULT_NONE)
        mr_message_write_error(&in, fault, &r->reply);
    else if (mr_message_write(&out, &r->reply) != MR_OK)
        return (mr_bytes){0}; // out of memory: no reply, and the client sends the request again
    return (mr_bytes){r->reply.data, r->reply.n_bytes};
}
