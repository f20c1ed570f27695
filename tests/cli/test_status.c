// `millrace status`, on runs of a few hundred steps.

#include <jansson.h>

#include "tests/cli/command_runner.h"

TestSuite(status_command, .init = scratch_enter, .fini = scratch_leave);

#define TRAIN(steps, out)                                                                          \
    "train", "InvertedPendulum-v5", "--threads", "1", "--hidden", "16", "--policy", "gaussian",    \
        "--batch-size", "16", "--learning-starts", "50", "--buffer-size", "1000", "--eval-every",  \
        "100", "--eval-episodes", "2", "--checkpoint-every", "100", "--steps", steps, "--out", out

static void train(const char *steps, const char *dir) {
    outcome o = RUN(TRAIN(steps, dir));
    cr_assert_eq(o.code, 0, "%s", o.err);
    outcome_free(&o);
}

// The entry of a run in `millrace status --json` of it; released by the caller.
static json_t *status_of(const char *dir) {
    outcome o = RUN("status", "--json", dir);
    expect_success(&o);
    json_t *array = json_loads(o.out, 0, NULL);
    cr_assert_eq(json_array_size(array), 1, "%s", o.out);
    json_t *entry = json_incref(json_array_get(array, 0));
    json_decref(array);
    outcome_free(&o);
    return entry;
}

static void expect_state(const char *dir, const char *state) {
    json_t *entry = status_of(dir);
    cr_expect_str_eq(json_string_value(json_object_get(entry, "state")), state);
    json_decref(entry);
}

Test(status_command, tells_what_a_finished_run_has_reached) {
    train("250", "runs/a");
    json_t *entry = status_of("runs/a");
    cr_expect_str_eq(json_string_value(json_object_get(entry, "state")), "finished");
    cr_expect_eq(json_integer_value(json_object_get(entry, "steps")), 250);
    cr_expect_eq(json_integer_value(json_object_get(entry, "total_steps")), 250);
    cr_expect(json_is_null(json_object_get(entry, "eta_seconds")));
    const double best = json_number_value(json_object_get(entry, "best_return"));
    cr_expect_geq(best, json_number_value(json_object_get(entry, "last_return")));
    cr_expect_geq(best, 1); // the pendulum gets 1 a step
    json_decref(entry);
}

Test(status_command, lists_the_runs_of_folders_and_by_default_those_under_runs) {
    train("60", "runs/sweep/b");
    train("60", "runs/a");
    outcome o = RUN("status");
    expect_success(&o);
    cr_expect_str_eq(o.err, "");
    const char *a = strstr(o.out, "runs/a "), *b = strstr(o.out, "runs/sweep/b ");
    cr_expect(a != NULL && b != NULL && a < b, "%s", o.out);
    scratch_expect_part(o.out, "60/60 100%");
    outcome_free(&o);
    o = RUN("status", "runs/sweep");
    expect_success(&o);
    cr_expect_null(strstr(o.out, "runs/a "));
    scratch_expect_part(o.out, "runs/sweep/b");
    outcome_free(&o);
}

static void wait_for(const char *path) {
    for (int i = 0; i < 1200 && access(path, F_OK) != 0; i++)
        usleep(50000);
    cr_assert_eq(access(path, F_OK), 0, "no %s", path);
}

// A killed trainer leaves no word of its end: its lock is gone.
Test(status_command, tells_runs_that_train_from_those_that_were_killed) {
    const pid_t child = start(&(circumstances){0}, "a", ARGUMENTS(TRAIN("1000000", "runs/a")));
    wait_for("runs/a/policy.safetensors");
    expect_state("runs/a", "training");
    kill(child, SIGKILL);
    outcome o = finish(child, "a");
    outcome_free(&o);
    char *text = scratch_read("runs/a/trainer.json");
    scratch_expect_part(text, "\"training\"");
    free(text);
    expect_state("runs/a", "interrupted");
}

Test(status_command, tells_runs_that_were_stopped) {
    const pid_t child = start(&(circumstances){0}, "a", ARGUMENTS(TRAIN("1000000", "runs/a")));
    wait_for("runs/a/policy.safetensors");
    kill(child, SIGTERM);
    outcome o = finish(child, "a");
    outcome_free(&o);
    char *text = scratch_read("runs/a/trainer.json");
    scratch_expect_part(text, "\"interrupted\"");
    free(text);
    expect_state("runs/a", "interrupted");
}

// Checkpoints are larger than the file size that is allowed.
Test(status_command, tells_why_a_run_failed) {
    outcome o =
        run_under(&(circumstances){.max_file_size = 8192}, ARGUMENTS(TRAIN("200", "runs/a")));
    cr_expect_eq(o.code, 1);
    outcome_free(&o);
    o = RUN("status");
    expect_success(&o);
    scratch_expect_part(o.out, "failed");
    scratch_expect_part(o.out, "runs/a failed: ");
    scratch_expect_part(o.out, "checkpoint.safetensors");
    outcome_free(&o);
}

static void write_run(const char *dir) {
    char path[128];
    mkdir(dir, 0777);
    snprintf(path, sizeof path, "%s/config.yaml", dir);
    scratch_write(path, "env: Some-v0\nsteps: 3000\n");
    snprintf(path, sizeof path, "%s/progress.csv", dir);
    scratch_write(path, "time/total_timesteps,time/time_elapsed,rollout/ep_rew_last\n"
                        "1000,10,\n2000,30,-5\n30");
    snprintf(path, sizeof path, "%s/evaluations.csv", dir);
    scratch_write(path, "time/total_timesteps,eval/mean_reward\n1000,7\n2000,3\n");
}

// A path may be any bytes, JSON is UTF-8.
Test(status_command, json_has_runs_whose_path_is_not_utf_8) {
    write_run("caf\xe9");
    json_t *entry = status_of("caf\xe9");
    cr_expect_str_eq(json_string_value(json_object_get(entry, "run")), "caf?");
    json_decref(entry);
}

static void write_trainer(const char *host) {
    char text[256];
    snprintf(text, sizeof text,
             "{\"format\": \"millrace.trainer\", \"state\": \"training\", \"host\": \"%s\"}", host);
    scratch_write("old/trainer.json", text);
}

// Rows are 1000 steps in 20 s apart, and another 1000 are to come. The last row is incomplete.
Test(status_command, estimates_the_time_that_is_left) {
    write_run("old");
    expect_state("old", "interrupted");
    write_trainer("elsewhere.invalid");
    json_t *entry = status_of("old"); // its lock can't be seen from here, but its files are new
    cr_expect_str_eq(json_string_value(json_object_get(entry, "state")), "training");
    cr_expect_eq(json_integer_value(json_object_get(entry, "steps")), 2000);
    cr_expect_eq(json_number_value(json_object_get(entry, "best_return")), 7);
    cr_expect_eq(json_number_value(json_object_get(entry, "last_return")), 3);
    cr_expect_eq(json_number_value(json_object_get(entry, "training_return")), -5);
    cr_expect_eq(json_number_value(json_object_get(entry, "steps_per_second")), 50);
    cr_expect_eq(json_number_value(json_object_get(entry, "eta_seconds")), 20);
    json_decref(entry);
    const struct timespec long_ago[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    utimensat(AT_FDCWD, "old/progress.csv", long_ago, 0);
    expect_state("old", "interrupted");
}

// The other runs are shown all the same.
static void expect_one_unread(const char *message) {
    outcome o = RUN("status", "good", "bad");
    cr_expect_eq(o.code, 1);
    scratch_expect_part(o.out, "good  interrupted");
    scratch_expect_part(o.err, message);
    const char *end = strchr(o.err, '\n');
    cr_expect(end != NULL && end[1] == '\0', "not one line: %s", o.err);
    outcome_free(&o);
}

Test(status_command, names_a_damaged_file_in_one_line) {
    write_run("good");
    write_run("bad");
    scratch_write("bad/progress.csv", "time/total_timesteps,time/time_elapsed\n1000\n");
    expect_one_unread("bad/progress.csv:2: 1 cells under a header of 2 columns");
    write_run("bad");
    scratch_write("bad/trainer.json", "{\"format\": \"millr");
    expect_one_unread("bad/trainer.json is damaged");
    unlink("bad/trainer.json");
    scratch_write("bad/config.yaml", "env: [");
    expect_one_unread("bad/config.yaml:");
}

Test(status_command, refuses_what_is_no_run) {
    write_run("good");
    mkdir("empty", 0777);
    const struct {
        const char *arguments[4];
        int code;
        const char *part;
    } cases[] = {
        {{"status"}, 1, "there is no folder runs here"},
        {{"status", "none"}, 1, "cannot read none/config.yaml: No such file"},
        {{"status", "good", "empty"}, 1, "empty is not the directory of a run"},
        {{"status", "good/config.yaml"}, 1, "good/config.yaml/config.yaml"},
        {{"status", "good", "./good"}, 2, "good and ./good are the same run"},
        {{"status", "--json", "--watch"}, 2, "--watch and --json exclude each other"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        outcome o = run(cases[i].arguments);
        expect_refusal(&o, cases[i].code, cases[i].part);
    }
}

Test(status_command, watches_until_it_is_told_to_stop) {
    write_run("good");
    const pid_t child = start(&(circumstances){0}, "watch", ARGUMENTS("status", "good", "--watch"));
    char *text = strdup("");
    for (int i = 0; i < 600 && strstr(text, "\n\n") == NULL; i++) { // a second table
        usleep(50000);
        free(text);
        text = access("watch.out", F_OK) == 0 ? scratch_read("watch.out") : strdup("");
    }
    free(text);
    kill(child, SIGINT);
    outcome o = finish(child, "watch");
    cr_expect_eq(o.code, 128 + SIGINT);
    scratch_expect_part(o.out, "good  interrupted  2000/3000  67%");
    outcome_free(&o);
}
