// What the fuzzers begin with, from our own writer: fuzz_seeds FOLDER.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/train.h"
#include "envs/zmq/curve.h"
#include "envs/zmq/message.h"
#include "flows/flow.h"
#include "base/file.h"
#include "tests/fuzz/small_run.h"

enum { PATH_SIZE = 4096 };

static const uint64_t envs[] = {2, 0};
static const mr_message_seed seeds[] = {{true, 7}, {false, 0}};
static const double numbers[] = {1.5, -2, 0.5, 3};
static const bool flags[] = {true, false};
static const mr_message_info info[] = {{"x_position", numbers, 0}};

#define BYTES(n)                                                                                   \
    { numbers, (n) * sizeof(double) }

// In the order of a session, so that the requests among them make one.
static const mr_message messages[] = {
    {.type = MR_MESSAGE_HELLO, .client = "seed"},
    {.type = MR_MESSAGE_RESET, .n = 2, .envs = envs, .n_seeds = 2, .seeds = seeds},
    {.type = MR_MESSAGE_STEP, .n = 2, .envs = envs, .actions = BYTES(2)},
    {.type = MR_MESSAGE_STEP, .n = 1, .envs = envs, .actions = {numbers, sizeof(float)}},
    {.type = MR_MESSAGE_RENDER, .env = 1, .width = 64, .height = 48},
    {.type = MR_MESSAGE_PING},
    {.type = MR_MESSAGE_BYE},
    {.type = MR_MESSAGE_ACT, .obs = BYTES(2), .stochastic = true},
    {.type = MR_MESSAGE_SPEC,
     .name = "Pendulum-v1",
     .server = "seed",
     .engine = "none",
     .num_envs = 2,
     .obs_dim = 3,
     .act_dim = 1,
     .obs_dtype = "f8",
     .act_low = {numbers + 1, 8},
     .act_high = {numbers, 8},
     .max_episode_steps = 200,
     .lease_s = 0.5},
    {.type = MR_MESSAGE_STATE, .obs = BYTES(4)},
    {.type = MR_MESSAGE_TRANSITION,
     .n = 2,
     .obs = BYTES(4),
     .reward = BYTES(2),
     .terminated = flags,
     .n_truncated = 2,
     .truncated = flags,
     .n_warned = 2,
     .warned = flags,
     .warning = "no room",
     .n_info = 1,
     .info = info},
    {.type = MR_MESSAGE_FRAME, .rgb = BYTES(3)},
    {.type = MR_MESSAGE_PONG},
    {.type = MR_MESSAGE_POLICY,
     .name = "Pendulum-v1",
     .server = "seed",
     .obs_dim = 3,
     .act_dim = 1,
     .act_low = {numbers + 1, 8},
     .act_high = {numbers, 8}},
    {.type = MR_MESSAGE_ACTION, .actions = BYTES(1)},
    {.type = MR_MESSAGE_ERROR, .code = MR_FAULT_NEEDS_RESET, .message = "reset it", .fatal = true},
};
enum { N_IN_SESSION = 7 };

static void must(mr_status status) {
    if (status == MR_OK)
        return;
    fprintf(stderr, "fuzz_seeds: %s\n", mr_error_message());
    exit(1);
}

// One file for each message, and one that is a whole session of them.
static void write_messages(const char *folder) {
    static char heads[N_IN_SESSION][3];
    mr_message_buffer written[MR_COUNT(messages)] = {0};
    mr_bytes records[2 * N_IN_SESSION];
    char path[PATH_SIZE];
    for (size_t i = 0; i < MR_COUNT(messages); i++) {
        mr_message message = messages[i];
        memset(message.session, 'a', sizeof message.session);
        message.seq = i;
        must(mr_message_write(&message, &written[i]));
        snprintf(path, sizeof path, "%s/message/%zu", folder, i);
        must(mr_file_replace(path, 1, &(mr_bytes){written[i].data, written[i].n_bytes}));
    }
    for (size_t i = 0; i < N_IN_SESSION; i++) {
        heads[i][0] = 1;
        heads[i][1] = (char)(written[i].n_bytes & 0xff);
        heads[i][2] = (char)(written[i].n_bytes >> 8);
        records[2 * i] = (mr_bytes){heads[i], sizeof heads[i]};
        records[2 * i + 1] = (mr_bytes){written[i].data, written[i].n_bytes};
    }
    snprintf(path, sizeof path, "%s/responder/session", folder);
    must(mr_file_replace(path, MR_COUNT(records), records));
    for (size_t i = 0; i < MR_COUNT(messages); i++)
        mr_message_buffer_free(&written[i]);
}

static void write_keys(const char *folder) {
    char path[PATH_SIZE], key[MR_KEY_SIZE];
    snprintf(path, sizeof path, "%s/key/pair.key_secret", folder);
    remove(path);
    snprintf(path, sizeof path, "%s/key/pair.key", folder);
    remove(path);
    snprintf(path, sizeof path, "%s/key/pair", folder);
    must(mr_curve_make_pair(path));
    snprintf(path, sizeof path, "%s/key/pair.key", folder);
    must(mr_curve_read(path, MR_KEY_PUBLIC, key));
    snprintf(path, sizeof path, "%s/key/bare", folder);
    must(mr_file_replace(path, 1, &(mr_bytes){key, strlen(key)}));
}

// Each preset with all its options, and the composition that it stands for.
static void write_flows(const char *folder) {
    char path[PATH_SIZE], full[MR_FLOW_MAX_TEXT], composition[MR_FLOW_MAX_TEXT];
    for (size_t i = 0; i < mr_flow_count_all(); i++) {
        const char *name = mr_flow_at(i).name;
        must(mr_flow_describe(name, MR_FLOW_TO_SCORE, full, composition));
        snprintf(path, sizeof path, "%s/flow_text/%s", folder, name);
        must(mr_file_replace(path, 1, &(mr_bytes){full, strlen(full)}));
        snprintf(path, sizeof path, "%s/flow_text/%s_composition", folder, name);
        must(mr_file_replace(path, 1, &(mr_bytes){composition, strlen(composition)}));
    }
}

// Moves a file of a run to the seeds of the target that reads it.
static void take(const char *run, const char *name, const char *folder, const char *target) {
    char from[PATH_SIZE], to[PATH_SIZE];
    snprintf(from, sizeof from, "%s/%s", run, name);
    snprintf(to, sizeof to, "%s/%s/small_run", folder, target);
    if (rename(from, to) == 0)
        return;
    perror(from);
    exit(1);
}

// What a small run leaves; the rest stays in FOLDER/run.
static void write_run(const char *folder) {
    static mr_settings settings;
    mr_trainer_result result;
    fuzz_small_run(&settings);
    snprintf(settings.out, sizeof settings.out, "%.900s/run", folder); // which must be new
    const char *run = settings.out;
    must(mr_trainer_run(&settings, NULL, NULL, NULL, &result));
    take(run, "checkpoint.safetensors", folder, "checkpoint");
    take(run, "policy.safetensors", folder, "policy");
    take(run, "density.safetensors", folder, "density");
    take(run, "config.yaml", folder, "settings");
}

int main(int argc, char **argv) {
    static const char *const kinds[] = {"message",    "responder", "key",     "flow_text",
                                        "checkpoint", "policy",    "density", "settings"};
    char path[PATH_SIZE];
    if (argc != 2) {
        fprintf(stderr, "usage: fuzz_seeds FOLDER\n");
        return 2;
    }
    for (size_t i = 0; i < MR_COUNT(kinds); i++) {
        snprintf(path, sizeof path, "%s/%s", argv[1], kinds[i]);
        must(mr_make_directories(path));
    }
    write_messages(argv[1]);
    write_keys(argv[1]);
    write_flows(argv[1]);
    write_run(argv[1]);
    return 0;
}
