// The server's side of the protocol: from a request to its reply.

#include "envs/zmq/responder.h"

#include "envs/zmq/message.h"
#include "envs/zmq/pictures.h"
#include "envs/zmq/process.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    // Sessions remembered after their end, to say "bye" again and to refuse late duplicates.
    N_ENDED = 64,
    LONGEST_PLACE = 80, // of "HOST:PID" in a message
};

typedef struct {
    bool exists;
    uint8_t key[MR_SESSION_SIZE];
    char process[MR_MESSAGE_TEXT_SIZE]; // whose it is; "": not said
    uint64_t seq;                       // of the last request executed
    mr_message_buffer reply;            // to it
    double heard_s;                     // when it was last heard of
} session;

typedef struct {
    bool exists;
    bool said_bye; // otherwise another took its environments
    uint8_t key[MR_SESSION_SIZE];
    uint64_t seq;
} ended_session;

struct mr_responder {
    mr_vec_env *envs;
    const mr_env_spec *spec;
    size_t n_envs;
    double lease_s;
    session holder;
    ended_session ended[N_ENDED]; // a ring
    size_t n_ended;
    mr_message_reader *reader;
    mr_message_buffer passing; // a reply that is not remembered
    bool *in_episode;          // [n_envs], as all that follows
    bool *active;
    double *actions; // [n_envs x act_dim]
    double *obs;     // [n_envs x obs_dim]
    mr_step *steps;
    double *sent_obs, *sent_reward; // in the order of the request
    bool *sent_terminated, *sent_truncated, *sent_warned;
    mr_message_info *info; // [n_info], each with n_envs values, which lie in info_values
    double *info_values;
    mr_pictures *pictures; // owned
    mr_responder_metrics metrics;
};

static size_t info_count(const mr_responder *r) {
    const mr_env *env = mr_vec_env_at(r->envs, 0);
    return env != NULL ? mr_env_info_count(env) : 0;
}

static mr_status allocate(mr_responder *r) {
    const size_t n = r->n_envs, n_info = info_count(r);
    r->in_episode = calloc(n, sizeof *r->in_episode);
    r->active = calloc(n, sizeof *r->active);
    r->actions = calloc(n * r->spec->act_dim, sizeof *r->actions);
    r->obs = calloc(n * r->spec->obs_dim, sizeof *r->obs);
    r->steps = calloc(n, sizeof *r->steps);
    r->sent_obs = calloc(n * r->spec->obs_dim, sizeof *r->sent_obs);
    r->sent_reward = calloc(n, sizeof *r->sent_reward);
    r->sent_terminated = calloc(n, sizeof *r->sent_terminated);
    r->sent_truncated = calloc(n, sizeof *r->sent_truncated);
    r->sent_warned = calloc(n, sizeof *r->sent_warned);
    r->info = calloc(n_info + 1, sizeof *r->info);
    r->info_values = calloc(n_info * n + 1, sizeof *r->info_values);
    const bool whole = r->in_episode && r->active && r->actions && r->obs && r->steps &&
                       r->sent_obs && r->sent_reward && r->sent_terminated && r->sent_truncated &&
                       r->sent_warned && r->info && r->info_values;
    return whole ? mr_message_reader_new(&r->reader) : mr_fail_memory("a server");
}

static void name_info(mr_responder *r) {
    for (size_t k = 0; k < info_count(r); k++) {
        const char *name = mr_env_info_name(mr_vec_env_at(r->envs, 0), k);
        mr_message_take_text(name, strlen(name), r->info[k].name);
        r->info[k].values = r->info_values + k * r->n_envs;
    }
}

static mr_status check_sizes(const mr_env_spec *spec, size_t n_envs) {
    if (n_envs * (spec->obs_dim + spec->act_dim) <= MR_MESSAGE_MAX_NUMBERS)
        return MR_OK;
    return mr_fail(MR_ERR_USAGE,
                   "%s: %zu environments of %zu observations and %zu actions are too much for one "
                   "server (%d numbers); serve fewer at each of several endpoints",
                   spec->name, n_envs, spec->obs_dim, spec->act_dim, MR_MESSAGE_MAX_NUMBERS);
}

mr_status mr_responder_new(mr_vec_env *envs, double lease_s, mr_responder **out) {
    const mr_status fits = check_sizes(mr_vec_env_get_spec(envs), mr_vec_env_n(envs));
    if (fits != MR_OK)
        return fits;
    mr_responder *r = calloc(1, sizeof *r);
    if (r == NULL)
        return mr_fail_memory("a server");
    r->envs = envs;
    r->spec = mr_vec_env_get_spec(envs);
    r->n_envs = mr_vec_env_n(envs);
    r->lease_s = lease_s;
    mr_status status = allocate(r);
    if (status == MR_OK)
        status = mr_pictures_new(&r->pictures);
    if (status != MR_OK) {
        mr_responder_free(r);
        return status;
    }
    name_info(r);
    *out = r;
    return MR_OK;
}

void mr_responder_free(mr_responder *r) {
    if (r == NULL)
        return;
    mr_message_reader_free(r->reader);
    mr_message_buffer_free(&r->passing);
    mr_message_buffer_free(&r->holder.reply);
    free(r->in_episode);
    free(r->active);
    free(r->actions);
    free(r->obs);
    free(r->steps);
    free(r->sent_obs);
    free(r->sent_reward);
    free(r->sent_terminated);
    free(r->sent_truncated);
    free(r->sent_warned);
    free(r->info);
    free(r->info_values);
    mr_pictures_free(r->pictures);
    free(r);
}

mr_responder_metrics mr_responder_get_metrics(const mr_responder *r) {
    mr_responder_metrics metrics = r->metrics;
    metrics.is_held = r->holder.exists;
    metrics.warning = mr_vec_env_warning(r->envs);
    return metrics;
}

size_t mr_responder_max_bytes(const mr_responder *r) {
    const size_t n_numbers = r->spec->obs_dim + r->spec->act_dim + info_count(r) + 4;
    const size_t needed = r->n_envs * n_numbers * sizeof(double) + MR_MESSAGE_SPARE_BYTES;
    return needed > MR_MESSAGE_MAX_BYTES ? needed : MR_MESSAGE_MAX_BYTES;
}

// ---- Executing a request
//
// Each function fills in the reply to `in`, or returns a fault, whose text is set by mr_fail.

static mr_fault check_envs(mr_responder *r, const mr_message *in) {
    memset(r->active, 0, r->n_envs * sizeof *r->active);
    for (size_t k = 0; k < in->n; k++) {
        const uint64_t i = in->envs[k];
        if (i >= r->n_envs)
            return mr_fault_refuse(MR_FAULT_BAD_ENV,
                                   "environment %llu is not there; they are 0 to %zu",
                                   (unsigned long long)i, r->n_envs - 1);
        if (r->active[i])
            return mr_fault_refuse(MR_FAULT_BAD_ENV,
                                   "environment %llu is named twice; name it once",
                                   (unsigned long long)i);
        r->active[i] = true;
    }
    return MR_FAULT_NONE;
}

static mr_fault check_episodes(const mr_responder *r, const mr_message *in) {
    for (size_t k = 0; k < in->n; k++)
        if (!r->in_episode[in->envs[k]])
            return mr_fault_refuse(
                MR_FAULT_NEEDS_RESET,
                "environment %llu: its episode is over, or was never begun; reset it",
                (unsigned long long)in->envs[k]);
    return MR_FAULT_NONE;
}

// Clips an action to its bounds. A client may have rounded a bound to float32: such an action is
// left as it is.
static double clip(double action, double low, double high) {
    if ((float)action == (float)low || (float)action == (float)high)
        return action;
    return action < low ? low : action > high ? high : action;
}

static mr_fault take_actions(mr_responder *r, const mr_message *in) {
    const size_t dim = r->spec->act_dim, n_numbers = in->n * dim;
    const size_t size =
        in->actions.n_bytes == n_numbers * sizeof(float) ? sizeof(float) : sizeof(double);
    if (in->actions.n_bytes != n_numbers * size)
        return mr_fault_refuse(
            MR_FAULT_BAD_MESSAGE,
            "'actions' has %zu bytes; it must be a bin of %zu x %zu numbers, f4 or f8",
            in->actions.n_bytes, in->n, dim);
    for (size_t k = 0; k < in->n; k++) {
        double *action = r->actions + in->envs[k] * dim;
        const mr_bytes row = {(const char *)in->actions.data + k * dim * size, dim * size};
        mr_message_get_numbers(row, size, dim, action);
        for (size_t j = 0; j < dim; j++) {
            if (!isfinite(action[j]))
                return mr_fault_refuse(
                    MR_FAULT_BAD_ACTION,
                    "environment %llu: action %zu is %g; every action must be finite",
                    (unsigned long long)in->envs[k], j, action[j]);
            action[j] = clip(action[j], r->spec->act_low[j], r->spec->act_high[j]);
        }
    }
    return MR_FAULT_NONE;
}

static mr_bytes rows_of_obs(mr_responder *r, const mr_message *in) {
    const size_t dim = r->spec->obs_dim;
    for (size_t k = 0; k < in->n; k++)
        memcpy(r->sent_obs + k * dim, r->obs + in->envs[k] * dim, dim * sizeof *r->obs);
    return (mr_bytes){r->sent_obs, in->n * dim * sizeof *r->sent_obs};
}

static mr_fault reset(mr_responder *r, const mr_message *in, mr_message *out) {
    const mr_fault fault = check_envs(r, in);
    if (fault != MR_FAULT_NONE)
        return fault;
    for (size_t k = 0; k < in->n; k++) {
        const size_t i = in->envs[k];
        r->in_episode[i] = false;
        if (mr_vec_env_reset(r->envs, i, in->seeds[k].given ? &in->seeds[k].value : NULL,
                             r->obs + i * r->spec->obs_dim) != MR_OK)
            return MR_FAULT_ENV_FAILED;
        r->in_episode[i] = true;
        r->metrics.n_episodes++;
    }
    out->type = MR_MESSAGE_STATE;
    out->obs = rows_of_obs(r, in);
    return MR_FAULT_NONE;
}

static void take_info(mr_responder *r, const mr_message *in) {
    for (size_t k = 0; k < in->n; k++) {
        const double *values = mr_env_info(mr_vec_env_at(r->envs, in->envs[k]));
        for (size_t m = 0; m < info_count(r); m++)
            r->info_values[m * r->n_envs + k] = values[m];
    }
}

static void take_results(mr_responder *r, const mr_message *in, mr_message *out) {
    const char *warning = NULL;
    for (size_t k = 0; k < in->n; k++) {
        const size_t i = in->envs[k];
        const mr_step *step = &r->steps[i];
        r->sent_reward[k] = step->reward;
        r->sent_terminated[k] = step->terminated;
        r->sent_truncated[k] = step->truncated;
        r->sent_warned[k] = step->warning != NULL;
        warning = warning != NULL ? warning : step->warning;
        r->in_episode[i] = !step->terminated && !step->truncated;
    }
    if (info_count(r) > 0)
        take_info(r, in);
    out->type = MR_MESSAGE_TRANSITION;
    out->n = out->n_truncated = in->n;
    out->obs = rows_of_obs(r, in);
    out->reward = (mr_bytes){r->sent_reward, in->n * sizeof *r->sent_reward};
    out->terminated = r->sent_terminated;
    out->truncated = r->sent_truncated;
    if (warning != NULL) {
        out->n_warned = in->n;
        out->warned = r->sent_warned;
        mr_message_take_text(warning, strlen(warning), out->warning);
    }
    out->n_info = info_count(r);
    out->info = r->info;
}

static mr_fault step(mr_responder *r, const mr_message *in, mr_message *out) {
    mr_fault fault = check_envs(r, in);
    if (fault == MR_FAULT_NONE)
        fault = take_actions(r, in);
    if (fault == MR_FAULT_NONE)
        fault = check_episodes(r, in);
    if (fault != MR_FAULT_NONE)
        return fault;
    if (mr_vec_env_step(r->envs, r->active, r->actions, r->obs, r->steps) != MR_OK) {
        // Some environments have stepped and others have not: all of their episodes are invalid.
        for (size_t k = 0; k < in->n; k++)
            r->in_episode[in->envs[k]] = false;
        return MR_FAULT_ENV_FAILED;
    }
    r->metrics.n_steps += in->n;
    take_results(r, in, out);
    return MR_FAULT_NONE;
}

static mr_fault render(mr_responder *r, const mr_message *in, mr_message *out) {
    const uint64_t n_bytes = 3 * in->width * in->height;
    if (in->env >= r->n_envs)
        return mr_fault_refuse(MR_FAULT_BAD_ENV, "environment %llu is not there; they are 0 to %zu",
                               (unsigned long long)in->env, r->n_envs - 1);
    if (n_bytes > MR_MESSAGE_MAX_BYTES - MR_MESSAGE_SPARE_BYTES)
        return mr_fault_refuse(
            MR_FAULT_BAD_MESSAGE,
            "a picture of %llu x %llu is more than a message holds; ask for a smaller one",
            (unsigned long long)in->width, (unsigned long long)in->height);
    out->type = MR_MESSAGE_FRAME;
    if (mr_pictures_draw(r->pictures, mr_vec_env_at(r->envs, in->env), in->width, in->height,
                         &out->rgb) != MR_OK)
        return MR_FAULT_ENV_FAILED;
    return MR_FAULT_NONE;
}

static mr_fault ping(mr_responder *r, const mr_message *in, mr_message *out) {
    (void)r, (void)in;
    out->type = MR_MESSAGE_PONG;
    return MR_FAULT_NONE;
}

static mr_fault bye(mr_responder *r, const mr_message *in, mr_message *out) {
    (void)r, (void)in;
    out->type = MR_MESSAGE_BYE;
    return MR_FAULT_NONE;
}

static mr_fault (*const requests[MR_MESSAGE_ERROR + 1])(mr_responder *, const mr_message *,
                                                        mr_message *) = {
    [MR_MESSAGE_RESET] = reset, [MR_MESSAGE_STEP] = step, [MR_MESSAGE_RENDER] = render,
    [MR_MESSAGE_PING] = ping,   [MR_MESSAGE_BYE] = bye,
};

// ---- Sessions

static mr_bytes bytes_of(const mr_message_buffer *buffer) {
    return (mr_bytes){buffer->data, buffer->n_bytes};
}

// A refused request changes nothing, not even the reply that is kept for a repeated request.
static mr_bytes answer_error(mr_responder *r, const mr_message *in, mr_fault fault) {
    mr_message_write_error(in, fault, &r->passing);
    return bytes_of(&r->passing);
}

static bool is_of(const uint8_t key[MR_SESSION_SIZE], const mr_message *in) {
    return memcmp(key, in->session, MR_SESSION_SIZE) == 0;
}

static ended_session *find_ended(mr_responder *r, const mr_message *in) {
    for (size_t i = 0; i < N_ENDED; i++)
        if (r->ended[i].exists && is_of(r->ended[i].key, in))
            return &r->ended[i];
    return NULL;
}

// Ends the holder's session and all episodes. The buffer of its reply is reused by the next one.
static void end_session(mr_responder *r, bool said_bye) {
    ended_session *place = &r->ended[r->n_ended++ % N_ENDED];
    *place = (ended_session){.exists = true, .said_bye = said_bye, .seq = r->holder.seq};
    memcpy(place->key, r->holder.key, sizeof place->key);
    r->holder = (session){.reply = r->holder.reply};
    memset(r->in_episode, 0, r->n_envs * sizeof *r->in_episode);
}

static mr_message make_spec(const mr_responder *r, const mr_message *in) {
    const mr_env_spec *spec = r->spec;
    mr_message out = mr_message_address(in);
    out.type = MR_MESSAGE_SPEC;
    mr_message_take_text(spec->name, strlen(spec->name), out.name);
    snprintf(out.server, sizeof out.server, "millrace " MR_VERSION);
    snprintf(out.engine, sizeof out.engine, "%s", spec->engine != NULL ? spec->engine : "");
    snprintf(out.engine_version, sizeof out.engine_version, "%s",
             spec->engine_version != NULL ? spec->engine_version : "");
    snprintf(out.obs_dtype, sizeof out.obs_dtype, "f8");
    out.num_envs = r->n_envs;
    out.obs_dim = spec->obs_dim;
    out.act_dim = spec->act_dim;
    out.max_episode_steps = spec->max_episode_steps;
    out.act_low = (mr_bytes){spec->act_low, spec->act_dim * sizeof(double)};
    out.act_high = (mr_bytes){spec->act_high, spec->act_dim * sizeof(double)};
    out.lease_s = r->lease_s;
    return out;
}

static bool is_of_holders_process(const mr_responder *r, const mr_message *in) {
    return in->process[0] != '\0' && strcmp(in->process, r->holder.process) == 0;
}

// Whether a new session may take the environments: if nobody holds them, if the holder's own
// process begins it, if that process has ended, or if the holder has sent nothing for the time of
// its lease. A session that the environments were taken from (`lost`) can't take them back from a
// newer session of its own process: the two would take turns for ever.
static bool may_begin(const mr_responder *r, const mr_message *in, const ended_session *lost,
                      double now_s) {
    if (!r->holder.exists || r->holder.heard_s + r->lease_s <= now_s)
        return true;
    if (is_of_holders_process(r, in))
        return lost == NULL;
    return mr_process_has_ended(r->holder.process);
}

// The length of "HOST:PID" in a client's name of its process, for messages; 0 if it sent no name.
static int place_length(const char *process) {
    const char *pid = strchr(process, ':');
    const size_t length = pid != NULL ? (size_t)(pid - process) + 1 + strcspn(pid + 1, ":") : 0;
    return length < LONGEST_PLACE ? (int)length : LONGEST_PLACE;
}

static mr_bytes refuse_busy(mr_responder *r, const mr_message *in) {
    const char *process = r->holder.process;
    const int length = place_length(process);
    if (is_of_holders_process(r, in))
        mr_fail(MR_ERR_INPUT, "the environments went to a newer session of the same process; close "
                              "that one, or use one client for all environments of a server");
    else
        mr_fail(MR_ERR_INPUT,
                "the environments are leased to another session%s%.*s%s; try again when it has "
                "ended, or been silent for %g s",
                length > 0 ? " (of process " : "", length, process, length > 0 ? ")" : "",
                r->lease_s);
    return answer_error(r, in, MR_FAULT_BUSY);
}

static mr_bytes begin_session(mr_responder *r, const mr_message *in, ended_session *lost,
                              double now_s) {
    if (in->seq != 0) {
        mr_fail(MR_ERR_INPUT, "'hello' has seq 0, not %llu", (unsigned long long)in->seq);
        return answer_error(r, in, MR_FAULT_BAD_SEQUENCE);
    }
    if (!may_begin(r, in, lost, now_s))
        return refuse_busy(r, in);
    if (lost != NULL)
        lost->exists = false; // it is under way again
    if (r->holder.exists)
        end_session(r, false);
    const mr_message out = make_spec(r, in);
    if (mr_message_write(&out, &r->holder.reply) != MR_OK)
        return (mr_bytes){0};
    r->holder.exists = true;
    r->holder.heard_s = now_s;
    memcpy(r->holder.key, in->session, sizeof r->holder.key);
    memcpy(r->holder.process, in->process, sizeof r->holder.process);
    r->metrics.n_sessions++;
    return bytes_of(&r->holder.reply);
}

// `fault`: what is wrong with the request's fields, with a text that is already set; or none.
static void execute(mr_responder *r, const mr_message *in, mr_fault fault,
                    mr_message_buffer *reply) {
    mr_message out = mr_message_address(in);
    if (fault == MR_FAULT_NONE && requests[in->type] == NULL)
        fault = mr_fault_refuse(MR_FAULT_BAD_MESSAGE,
                                "'type' must be reset, step, render, ping or bye in a session");
    if (fault == MR_FAULT_NONE)
        fault = requests[in->type](r, in, &out);
    if (fault != MR_FAULT_NONE)
        mr_message_write_error(in, fault, reply);
    else if (mr_message_write(&out, reply) != MR_OK)
        mr_message_write_error(in, MR_FAULT_ENV_FAILED, reply);
}

// Whether a request has the next sequence number. A "bye" may skip numbers: its client may not know
// whether an earlier request without a reply arrived. If that request comes later, it is out of
// sequence.
static bool is_next(const session *s, const mr_message *in, mr_fault fault) {
    const bool leaves = fault == MR_FAULT_NONE && in->type == MR_MESSAGE_BYE;
    return in->seq - 1 == s->seq || (leaves && in->seq > s->seq);
}

static mr_bytes go_on(mr_responder *r, const mr_message *in, mr_fault fault, double now_s) {
    session *s = &r->holder;
    if (in->seq != s->seq && !is_next(s, in, fault)) {
        mr_fail(MR_ERR_INPUT, "seq %llu does not follow %llu, the last one executed",
                (unsigned long long)in->seq, (unsigned long long)s->seq);
        return answer_error(r, in, MR_FAULT_BAD_SEQUENCE);
    }
    s->heard_s = now_s;
    if (in->seq == s->seq)
        return bytes_of(&s->reply);
    execute(r, in, fault, &s->reply);
    s->seq = in->seq;
    if (fault == MR_FAULT_NONE && in->type == MR_MESSAGE_BYE)
        end_session(r, true);
    return bytes_of(&s->reply);
}

static mr_bytes say_bye_again(mr_responder *r, const mr_message *in) {
    mr_message out = mr_message_address(in);
    out.type = MR_MESSAGE_BYE;
    if (mr_message_write(&out, &r->passing) != MR_OK)
        return (mr_bytes){0};
    return bytes_of(&r->passing);
}

static mr_bytes after_end(mr_responder *r, ended_session *s, const mr_message *in, mr_fault fault,
                          double now_s) {
    if (!s->said_bye && fault == MR_FAULT_NONE && in->type == MR_MESSAGE_HELLO)
        return begin_session(r, in, s, now_s);
    if (s->said_bye && in->seq == s->seq)
        return say_bye_again(r, in);
    mr_fail(MR_ERR_INPUT, s->said_bye ? "the session has ended; begin another"
                                      : "the environments went to another session; say hello");
    return answer_error(
        r, in, s->said_bye && in->seq < s->seq ? MR_FAULT_BAD_SEQUENCE : MR_FAULT_UNKNOWN_SESSION);
}

mr_bytes mr_responder_answer(mr_responder *r, mr_bytes request, double now_s) {
    mr_message_head head;
    mr_message in;
    mr_message_read(r->reader, request.data, request.n_bytes, &head, &in);
    if (!head.is_addressed)
        return (mr_bytes){0};
    if (head.fault == MR_FAULT_BAD_VERSION)
        return answer_error(r, &in, head.fault);
    if (r->holder.exists && is_of(r->holder.key, &in))
        return go_on(r, &in, head.fault, now_s);
    ended_session *ended = find_ended(r, &in);
    if (ended != NULL)
        return after_end(r, ended, &in, head.fault, now_s);
    if (head.fault != MR_FAULT_NONE)
        return answer_error(r, &in, head.fault);
    if (in.type == MR_MESSAGE_HELLO)
        return begin_session(r, &in, NULL, now_s);
    mr_fail(MR_ERR_INPUT, "the session is not known here (any more); say hello");
    return answer_error(r, &in, MR_FAULT_UNKNOWN_SESSION);
}
