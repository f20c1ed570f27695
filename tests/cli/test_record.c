// `millrace record`: that a data set has what was played, and that it is whole or not there.

#include "base/episodes.h"
#include "envs/env.h"
#include "tests/cli/server_process.h"

// A policy of next to nothing whose episodes end by themselves.
static void enter(void) {
    scratch_enter();
    outcome o = RUN("train", "Hopper-v5", "--steps", "20", "--hidden", "16", "--threads", "1",
                    "--eval-episodes", "1", "--eval-max-steps", "10", "--out", "run");
    expect_success(&o);
    outcome_free(&o);
}

TestSuite(record, .init = enter, .fini = scratch_leave, .timeout = 120);

enum { OBS_DIM = 11, ACT_DIM = 3, N_EPISODES = 12, SEED = 5, MAX_STEPS = 60 };

static void record_to(const char *out, const char *threads) {
    outcome o = RUN("record", "run", "--episodes", "12", "--seed", "5", "--stochastic",
                    "--max-steps", "60", "--threads", threads, "--out", out);
    expect_success(&o);
    outcome_free(&o);
}

// Plays the actions of an episode again, from its seed.
static void expect_same_episode(mr_env *env, size_t number, const mr_episode_data *e) {
    double obs[OBS_DIM];
    mr_step step = {0};
    const uint64_t seed = SEED + number;
    cr_assert_eq(mr_env_reset(env, &seed, obs), MR_OK);
    for (size_t t = 0; t < e->n_steps; t++) {
        const bool is_last = t + 1 == e->n_steps;
        cr_assert_eq(memcmp(obs, e->obs + t * OBS_DIM, sizeof obs), 0, "step %zu", t);
        cr_assert_eq(mr_env_step(env, e->action + t * ACT_DIM, obs, &step), MR_OK);
        cr_expect_eq(e->reward[t], step.reward);
        cr_expect_eq(e->is_terminated[t], step.terminated);
        cr_expect_eq(e->is_truncated[t], is_last && !step.terminated);
    }
    cr_expect(step.terminated || e->n_steps == MAX_STEPS);
    cr_expect_eq(memcmp(obs, e->obs + e->n_steps * OBS_DIM, sizeof obs), 0);
}

Test(record, has_the_episodes_that_the_actions_lead_to) {
    mr_episodes_reader *reader;
    mr_env *env;
    size_t n_terminated = 0;
    record_to("data.h5", "1");
    cr_assert_eq(mr_episodes_reader_open("data.h5", &reader), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_env_open("Hopper-v5", NULL, &env), MR_OK);
    cr_assert_eq(mr_episodes_reader_n(reader), N_EPISODES);
    cr_expect_str_eq(mr_episodes_reader_task(reader), "Hopper-v5");
    for (size_t i = 0; i < N_EPISODES; i++) {
        mr_episode_data e;
        cr_assert_eq(mr_episodes_reader_get(reader, i, OBS_DIM, ACT_DIM, &e), MR_OK, "%s",
                     mr_error_message());
        expect_same_episode(env, i, &e);
        n_terminated += (size_t)e.is_terminated[e.n_steps - 1];
    }
    cr_expect(n_terminated > 0 && n_terminated < N_EPISODES, "%zu fell", n_terminated);
    mr_env_close(env);
    mr_episodes_reader_close(reader);
}

static void expect_same_bytes(const char *a, const char *b) {
    outcome o = run_under(&(circumstances){.program = "/usr/bin/cmp"}, ARGUMENTS(a, b));
    expect_success(&o);
    outcome_free(&o);
}

Test(record, is_the_same_file_with_any_number_of_threads) {
    record_to("one.h5", "1");
    record_to("two.h5", "2");
    expect_same_bytes("one.h5", "two.h5");
}

Test(record, a_directory_has_the_same_file_and_its_metadata_as_json) {
    record_to("one.h5", "1");
    record_to("some/data", "1");
    expect_same_bytes("one.h5", "some/data/main_data.hdf5");
    char *text = scratch_read("some/data/metadata.json");
    json_t *metadata = json_loads(text, 0, NULL);
    cr_expect_eq(json_integer_value(json_object_get(metadata, "total_episodes")), N_EPISODES);
    cr_expect_str_eq(json_string_value(json_object_get(metadata, "env")), "Hopper-v5");
    json_decref(metadata);
    free(text);
    outcome o = RUN("record", "run", "--out", "some/data");
    expect_refusal(&o, 2, "some/data exists already and is not an empty directory");
}

static void expect_nothing(const char *path) {
    cr_expect_neq(access(path, F_OK), 0, "%s is there", path);
}

Test(record, plays_policies_whose_path_is_not_utf_8) {
    cr_assert_eq(rename("run", "caf\xe9"), 0);
    outcome o = RUN("record", "caf\xe9", "--episodes", "1", "--max-steps", "5", "--out", "data");
    expect_success(&o);
    char *text = scratch_read("data/metadata.json");
    scratch_expect_part(text, "\"policy_file\": \"caf?\"");
    free(text);
    outcome_free(&o);
}

Test(record, leaves_nothing_behind_when_it_is_interrupted) {
    static const char *const outs[] = {"data.h5", "folder"};
    for (size_t i = 0; i < 2; i++) {
        const pid_t child =
            start(&(circumstances){0}, "long",
                  ARGUMENTS("record", "run", "--episodes", "1000000", "--out", outs[i]));
        nap(1000);
        kill(child, SIGINT);
        outcome o = finish(child, "long");
        cr_expect_eq(o.code, 128 + SIGINT);
        scratch_expect_part(o.err, " of 1000000 episodes; nothing was written\n");
        expect_nothing(outs[i]);
        outcome_free(&o);
    }
    expect_nothing("data.h5.millrace-tmp");
}

Test(record, leaves_the_file_of_before_when_the_disk_is_full) {
    scratch_write("data.h5", "as it was");
    outcome o = run_under(
        &(circumstances){.max_file_size = 20000},
        ARGUMENTS("record", "run", "--episodes", "50", "--out", "data.h5", "--max-steps", "60"));
    expect_refusal(&o, 1, "cannot write data.h5: File too large");
    char *text = scratch_read("data.h5");
    cr_expect_str_eq(text, "as it was");
    free(text);
    expect_nothing("data.h5.millrace-tmp");
}

Test(record, has_episodes_of_servers_without_infos) {
    const pid_t server = start(&(circumstances){0}, "server",
                               ARGUMENTS("serve", "Hopper-v5", "--bind", "ipc://hopper"));
    outcome o = RUN("record", "run", "--env", "zmq:ipc://hopper", "--episodes", "1", "--max-steps",
                    "60", "--seed", "5", "--out", "far.h5");
    expect_success(&o);
    outcome_free(&o);
    kill(server, SIGTERM);
    o = finish(server, "server");
    outcome_free(&o);
    mr_episodes_reader *reader;
    mr_episode_data e;
    mr_env *env;
    cr_assert_eq(mr_episodes_reader_open("far.h5", &reader), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_env_open("Hopper-v5", NULL, &env), MR_OK);
    cr_assert_eq(mr_episodes_reader_get(reader, 0, OBS_DIM, ACT_DIM, &e), MR_OK);
    expect_same_episode(env, 0, &e);
    mr_env_close(env);
    mr_episodes_reader_close(reader);
}

Test(record, needs_a_name_for_the_data_set) {
    outcome o = RUN("record", "run");
    expect_refusal(&o, 2, "--out is missing");
    o = RUN("record", "run", "--out", "none/data.h5");
    expect_refusal(&o, 1, "none/data.h5");
}
