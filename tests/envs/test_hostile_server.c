// Environments elsewhere whose server means no good: the client takes nothing it can't use, waits
// no longer than it was told to, and says what was wrong.

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include <zmq.h>

#include "agents/train.h"
#include "envs/vec_env.h"
#include "envs/zmq/message.h"
#include "base/clock.h"
#include "tests/agents/set.h"
#include "tests/scratch.h"

TestSuite(hostile_server, .init = scratch_enter, .fini = scratch_leave, .timeout = 60);

enum { OBS_DIM = 3 };

static const mr_env_link quick = {.timeout_s = 0.1, .retries = 1};
static const double low = -2, high = 2;

// A server that answers as it is told to.
typedef struct scripted {
    void (*answer)(struct scripted *s, const mr_message *asked);
    mr_message spec; // its answer to hello
    double reward, obs[2 * OBS_DIM];
    size_t n_obs_bytes; // of a state and of a transition
    size_t n_rows;      // of a transition
    void *context, *socket;
    zmq_msg_t sender;
    mr_message_reader *reader;
    mr_message_buffer reply;
    atomic_size_t n_asked;
    atomic_size_t n_steps; // of those
    atomic_bool is_stopped;
    pthread_t thread;
} scripted;

static void send_bytes(scripted *s, const void *data, size_t n_bytes) {
    zmq_msg_t to;
    zmq_msg_init(&to);
    zmq_msg_copy(&to, &s->sender);
    if (zmq_msg_send(&to, s->socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&to);
        return;
    }
    zmq_send(s->socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(s->socket, data, n_bytes, ZMQ_DONTWAIT);
}

static void send_reply(scripted *s, const mr_message *asked, mr_message reply) {
    memcpy(reply.session, asked->session, sizeof reply.session);
    reply.seq = asked->seq;
    cr_assert_eq(mr_message_write(&reply, &s->reply), MR_OK);
    send_bytes(s, s->reply.data, s->reply.n_bytes);
}

// As a good server would, with the numbers of the script.
static void answer_all(scripted *s, const mr_message *asked) {
    static const bool flags[2] = {false, false};
    const double rewards[2] = {s->reward, s->reward};
    const mr_bytes obs = {s->obs, s->n_obs_bytes};
    if (asked->type == MR_MESSAGE_HELLO)
        send_reply(s, asked, s->spec);
    else if (asked->type == MR_MESSAGE_RESET)
        send_reply(s, asked, (mr_message){.type = MR_MESSAGE_STATE, .obs = obs});
    else if (asked->type == MR_MESSAGE_STEP)
        send_reply(s, asked,
                   (mr_message){.type = MR_MESSAGE_TRANSITION,
                                .n = s->n_rows,
                                .obs = obs,
                                .reward = {rewards, s->n_rows * sizeof *rewards},
                                .terminated = flags,
                                .n_truncated = s->n_rows,
                                .truncated = flags});
    else if (asked->type == MR_MESSAGE_PING)
        send_reply(s, asked, (mr_message){.type = MR_MESSAGE_PONG});
    else
        send_reply(s, asked, (mr_message){.type = MR_MESSAGE_BYE});
}

static void *scripted_run(void *self) {
    scripted *s = self;
    while (!atomic_load(&s->is_stopped)) {
        mr_message asked;
        mr_message_head head;
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&s->sender, s->socket, 0) >= 0 &&
            zmq_msg_recv(&frame, s->socket, 0) >= 0 && zmq_msg_recv(&frame, s->socket, 0) >= 0 &&
            mr_message_read(s->reader, zmq_msg_data(&frame), zmq_msg_size(&frame), &head, &asked) ==
                MR_OK) {
            atomic_fetch_add(&s->n_asked, 1);
            s->answer(s, &asked);
        }
        zmq_msg_close(&frame);
    }
    return NULL;
}

// A server of one small environment, on ipc://a.
static scripted scripted_of(void (*answer)(scripted *, const mr_message *)) {
    return (scripted){.answer = answer,
                      .spec = {.type = MR_MESSAGE_SPEC,
                               .name = "Trap-v0",
                               .server = "test",
                               .num_envs = 1,
                               .obs_dim = OBS_DIM,
                               .act_dim = 1,
                               .obs_dtype = "f8",
                               .act_low = {&low, sizeof low},
                               .act_high = {&high, sizeof high},
                               .lease_s = 60},
                      .n_obs_bytes = OBS_DIM * sizeof(double),
                      .n_rows = 1};
}

static void scripted_begin(scripted *s) {
    atomic_store(&s->is_stopped, false);
    s->context = zmq_ctx_new();
    s->socket = zmq_socket(s->context, ZMQ_ROUTER);
    zmq_setsockopt(s->socket, ZMQ_RCVTIMEO, &(int){5}, sizeof(int));
    zmq_setsockopt(s->socket, ZMQ_LINGER, &(int){0}, sizeof(int));
    zmq_msg_init(&s->sender);
    cr_assert_eq(zmq_bind(s->socket, "ipc://a"), 0);
    cr_assert_eq(mr_message_reader_new(&s->reader), MR_OK);
    cr_assert_eq(pthread_create(&s->thread, NULL, scripted_run, s), 0);
}

static void scripted_end(scripted *s) {
    atomic_store(&s->is_stopped, true);
    pthread_join(s->thread, NULL);
    zmq_msg_close(&s->sender);
    zmq_close(s->socket);
    zmq_ctx_term(s->context);
    mr_message_reader_free(s->reader);
    mr_message_buffer_free(&s->reply);
}

static mr_status open_client(mr_vec_env **out) {
    return mr_vec_env_open("zmq:ipc://a", &(mr_env_options){.link = &quick}, 0, 1, out);
}

// The server is not taken, for this reason.
static void expect_refused(scripted *s, const char *part) {
    mr_vec_env *vec = NULL;
    scripted_begin(s);
    cr_expect_eq(open_client(&vec), MR_ERR_INPUT);
    scratch_expect_message("ipc://a: ");
    scratch_expect_message(part);
    mr_vec_env_close(vec);
    scripted_end(s);
}

// It is taken, but its answer to reset is not, nor, after a good one, its answer to step.
static void expect_reset(scripted *s, mr_status status, const char *part) {
    mr_vec_env *vec = NULL;
    double obs[OBS_DIM];
    scripted_begin(s);
    cr_assert_eq(open_client(&vec), MR_OK, "%s", mr_error_message());
    cr_expect_eq(mr_vec_env_reset(vec, 0, NULL, obs), status);
    scratch_expect_message("ipc://a: ");
    scratch_expect_message(part);
    mr_vec_env_close(vec);
    scripted_end(s);
}

static void expect_step(scripted *s, mr_status status, const char *part) {
    mr_vec_env *vec = NULL;
    mr_step result;
    double obs[OBS_DIM];
    scripted_begin(s);
    cr_assert_eq(open_client(&vec), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_vec_env_reset(vec, 0, NULL, obs), MR_OK, "%s", mr_error_message());
    cr_expect_eq(mr_vec_env_step(vec, NULL, (double[]){0}, obs, &result), status);
    scratch_expect_message("ipc://a: ");
    scratch_expect_message(part);
    mr_vec_env_close(vec);
    scripted_end(s);
}

Test(hostile_server, takes_no_memory_by_the_sizes_of_a_spec) {
    static double bounds[1 << 16];
    scripted large = scripted_of(answer_all);
    large.spec.num_envs = MR_MESSAGE_MAX_ENVS;
    large.spec.obs_dim = MR_MESSAGE_MAX_DIM;
    expect_refused(&large, "must be at most 16777216, not 4096 x (1048576 + 1)");
    large.spec.obs_dim = 1;
    large.spec.act_dim = MR_COUNT(bounds);
    large.spec.act_low = large.spec.act_high = (mr_bytes){bounds, sizeof bounds};
    expect_refused(&large, "must be at most 16777216, not 4096 x (1 + 65536)");
    large.spec.num_envs = UINT64_MAX; // times anything, it would wrap around
    expect_refused(&large, "'num_envs' must be an integer from 1 to 4096");
}

Test(hostile_server, wants_bounds_that_actions_can_be_scaled_by) {
    static const struct {
        double low, high;
        const char *part;
    } bad[] = {{NAN, 1, "nor NaN"},
               {1, NAN, "nor NaN"},
               {1, -1, "nowhere above 'act_high'"},
               {-INFINITY, 1, "no finite bounds"},
               {-1e308, 1e308, "no finite bounds"}}; // their distance is infinite
    for (size_t i = 0; i < MR_COUNT(bad); i++) {
        scripted s = scripted_of(answer_all);
        s.spec.act_low.data = &bad[i].low;
        s.spec.act_high.data = &bad[i].high;
        expect_refused(&s, bad[i].part);
    }
}

static void answer_reset_with_pong(scripted *s, const mr_message *asked) {
    if (asked->type == MR_MESSAGE_RESET)
        send_reply(s, asked, (mr_message){.type = MR_MESSAGE_PONG});
    else
        answer_all(s, asked);
}

Test(hostile_server, takes_no_reply_of_another_size_or_kind) {
    scripted s = scripted_of(answer_all);
    s.n_obs_bytes = 0;
    expect_reset(&s, MR_ERR_INPUT, "0 bytes, not 24");
    s = scripted_of(answer_all);
    s.n_obs_bytes++;
    expect_reset(&s, MR_ERR_INPUT, "25 bytes, not 24");
    s = scripted_of(answer_reset_with_pong);
    expect_reset(&s, MR_ERR_IO, "reply to 'reset' has the wrong type");
    s = scripted_of(answer_all);
    s.n_rows = 2;
    expect_step(&s, MR_ERR_INPUT, "has another number of environments");
    s = scripted_of(answer_all);
    s.n_rows = 0;
    expect_step(&s, MR_ERR_INPUT, "has another number of environments");
}

Test(hostile_server, takes_no_number_that_is_not_finite) {
    scripted s = scripted_of(answer_all);
    s.obs[1] = NAN;
    expect_reset(&s, MR_ERR_NUMERIC, "observation 1 is nan");
    s = scripted_of(answer_all);
    s.reward = INFINITY;
    expect_step(&s, MR_ERR_NUMERIC, "the reward is inf");
}

// ---- Without end

// Only what is not the answer, until the client is gone.
static void flood(scripted *s, const mr_message *asked) {
    if (asked->type == MR_MESSAGE_HELLO) {
        answer_all(s, asked);
        return;
    }
    mr_message other = *asked;
    const double end = mr_clock_s() + 3;
    other.session[0] ^= 1;
    while (mr_clock_s() < end && !atomic_load(&s->is_stopped)) {
        send_reply(s, &other, (mr_message){.type = MR_MESSAGE_STATE});
        other.seq ^= 1;
        send_bytes(s, "noise", 5);
    }
}

// As a good server would, with another info in each transition.
static void answer_with_new_infos(scripted *s, const mr_message *asked) {
    static const double value = 7;
    static const bool flag = false;
    mr_message_info info = {.values = &value, .n_values = 1};
    snprintf(info.name, sizeof info.name, "info_%zu", atomic_load(&s->n_steps));
    if (asked->type != MR_MESSAGE_STEP) {
        answer_all(s, asked);
        return;
    }
    atomic_fetch_add(&s->n_steps, 1);
    send_reply(s, asked,
               (mr_message){.type = MR_MESSAGE_TRANSITION,
                            .n = 1,
                            .obs = {s->obs, s->n_obs_bytes},
                            .reward = {&s->reward, sizeof s->reward},
                            .terminated = &flag,
                            .n_truncated = 1,
                            .truncated = &flag,
                            .n_info = 1,
                            .info = &info});
}

Test(hostile_server, writes_no_info_beyond_those_that_the_caller_asked_for) {
    scripted s = scripted_of(answer_with_new_infos);
    mr_vec_env *vec = NULL;
    mr_step result;
    double obs[OBS_DIM], infos[4] = {-1, -1, -1, -1};
    scripted_begin(&s);
    cr_assert_eq(open_client(&vec), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_vec_env_reset(vec, 0, NULL, obs), MR_OK, "%s", mr_error_message());
    for (size_t k = 0; k < 3; k++)
        cr_assert_eq(mr_vec_env_step(vec, NULL, (double[]){0}, obs, &result), MR_OK, "%s",
                     mr_error_message());
    cr_assert_eq(mr_vec_env_get_spec(vec)->n_info, 3);
    cr_assert_eq(mr_vec_env_infos(vec, 1, infos), MR_OK);
    cr_expect(isnan(infos[0])); // of the first step alone
    cr_expect_eq(infos[1], -1);
    cr_assert_eq(mr_vec_env_infos(vec, 4, infos), MR_OK);
    cr_expect(isnan(infos[0]) && isnan(infos[1]) && isnan(infos[3]));
    cr_expect_eq(infos[2], 7);
    mr_vec_env_close(vec);
    scripted_end(&s);
}

Test(hostile_server, waits_no_longer_for_all_that_is_not_the_reply) {
    scripted s = scripted_of(flood);
    const double begun = mr_clock_s();
    expect_reset(&s, MR_ERR_IO, "no reply to 'reset' within 0.1 s, 2 times");
    cr_expect_lt(mr_clock_s() - begun, 2); // 2 x 0.1 s, the pause, and time to spare
}

// Answers no step, and a ping only under the number of the step before it.
static void ignore_steps(scripted *s, const mr_message *asked) {
    static uint64_t step_seq;
    if (asked->type == MR_MESSAGE_STEP)
        step_seq = asked->seq;
    else if (asked->type != MR_MESSAGE_PING || asked->seq == step_seq)
        answer_all(s, asked);
    s->n_steps += asked->type == MR_MESSAGE_STEP;
}

// A robot would make the old movement, late.
Test(hostile_server, is_not_sent_a_step_again_that_was_given_up) {
    scripted s = scripted_of(ignore_steps);
    mr_vec_env *vec = NULL;
    double obs[OBS_DIM];
    mr_step result = {0};
    scripted_begin(&s);
    cr_assert_eq(open_client(&vec), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_vec_env_reset(vec, 0, NULL, obs), MR_OK, "%s", mr_error_message());
    cr_expect_eq(mr_vec_env_step(vec, NULL, (double[]){0}, obs, &result), MR_ERR_IO);
    cr_expect_eq(mr_vec_env_reset(vec, 0, NULL, obs), MR_OK, "%s", mr_error_message());
    mr_vec_env_close(vec);
    scripted_end(&s);
    cr_expect_eq(s.n_steps, 2); // as often as it was asked: 1 retry
}

static void forget(scripted *s, const mr_message *asked) {
    if (asked->type == MR_MESSAGE_HELLO)
        answer_all(s, asked);
    else
        send_reply(s, asked,
                   (mr_message){.type = MR_MESSAGE_ERROR,
                                .code = MR_FAULT_UNKNOWN_SESSION,
                                .message = "who?"});
}

Test(hostile_server, gives_up_on_one_that_restarts_again_and_again) {
    scripted s = scripted_of(forget);
    expect_reset(&s, MR_ERR_INPUT, "forgets each session at once");
    cr_expect_lt(atomic_load(&s.n_asked), 50);
}

static void forget_at_steps(scripted *s, const mr_message *asked) {
    if (asked->type == MR_MESSAGE_STEP)
        forget(s, asked);
    else
        answer_all(s, asked);
}

// A trainer that resets what was lost would go on for ever otherwise.
Test(hostile_server, tires_of_one_that_never_steps) {
    scripted s = scripted_of(forget_at_steps);
    mr_vec_env *vec = NULL;
    double obs[OBS_DIM];
    mr_step result = {0};
    int n_lost = 0;
    scripted_begin(&s);
    cr_assert_eq(open_client(&vec), MR_OK, "%s", mr_error_message());
    mr_status status = MR_OK;
    while (status == MR_OK && n_lost < 50) {
        cr_assert_eq(mr_vec_env_reset(vec, 0, NULL, obs), MR_OK, "%s", mr_error_message());
        status = mr_vec_env_step(vec, NULL, (double[]){0}, obs, &result);
        n_lost += status == MR_OK && result.lost;
    }
    cr_expect_eq(status, MR_ERR_INPUT);
    cr_expect_eq(n_lost, 10);
    scratch_expect_message("ipc://a: the server forgets each session at once");
    mr_vec_env_close(vec);
    scripted_end(&s);
}

static double number_in(const char *path, const char *name) {
    mr_tensors *file;
    const void *number;
    const size_t one = 1;
    cr_assert_eq(mr_tensors_open(path, &file), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_tensors_get(file, name, MR_F64, 1, &one, &number), MR_OK);
    const double value = *(const double *)number;
    mr_tensors_close(file);
    return value;
}

// No step ever comes back, so that there is nothing to learn from, and no state that was visited.
Test(hostile_server, trains_on_nothing_without_a_crash) {
    scripted s = scripted_of(forget_at_steps);
    mr_trainer_result result;
    mr_settings settings;
    mr_settings_init(&settings);
    snprintf(settings.env, sizeof settings.env, "zmq:ipc://a");
    set(&settings, "policy", "gaussian");
    snprintf(settings.bonus, sizeof settings.bonus, "density");
    snprintf(settings.out, sizeof settings.out, "run");
    settings.hidden = (mr_widths){.n = 1, .width = {8}};
    settings.learning_starts = 0;
    settings.timeout = 1;
    scripted_begin(&s);
    cr_expect_eq(mr_trainer_run(&settings, NULL, NULL, NULL, &result), MR_ERR_INPUT);
    scratch_expect_message("ipc://a: the server forgets each session at once");
    cr_expect_gt(number_in("run/checkpoint.safetensors", "metrics.time/total_timesteps"), 0);
    cr_expect_eq(number_in("run/checkpoint.safetensors", "bonus.n_visited"), 0);
    scripted_end(&s);
}

Test(hostile_server, pings_no_more_than_is_reasonable) {
    mr_vec_env *vec = NULL;
    scripted s = scripted_of(answer_all);
    s.spec.lease_s = 1e-9;
    scripted_begin(&s);
    cr_assert_eq(open_client(&vec), MR_OK, "%s", mr_error_message());
    usleep(300000);
    const size_t n_asked = atomic_load(&s.n_asked);
    cr_expect_gt(n_asked, 2);       // hello, and some
    cr_expect_leq(n_asked, 2 + 30); // one in 10 ms
    mr_vec_env_close(vec);
    scripted_end(&s);
}
