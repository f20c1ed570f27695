// Runs that are killed and resumed from the command line, against runs that never were.

#include <time.h>

#include "agents/policy.h"
#include "envs/mujoco/compat.h"
#include "base/tensors.h"
#include "tests/cli/same_run.h"

TestSuite(resume_command, .init = scratch_enter, .fini = scratch_leave);

// A checkpoint's interval that falls in the middle of episodes and between rows and evaluations.
#define RUN_OF(policy, num_envs, learning_starts, steps)                                           \
    "train", "InvertedPendulum-v5", "--threads", "1", "--hidden", "16", "--policy", policy,        \
        "--batch-size", "16", "--buffer-size", "900", "--eval-episodes", "2", "--eval-every",      \
        "500", "--checkpoint-every", "130", "--num-envs", num_envs, "--learning-starts",           \
        learning_starts, "--steps", steps

#define TINY(steps) RUN_OF("gaussian", "1", "100", steps)

static void wait_for(const char *path) {
    for (int i = 0; i < 6000 && !exists(path); i++)
        usleep(5000);
    cr_assert(exists(path), "%s", path);
}

// The moment is random: after the first checkpoint, somewhere in the fraction of a second after it.
static void kill_somewhere(const char *const *arguments, int signal_number) {
    struct timespec now;
    const pid_t child = start(&(circumstances){0}, "command", arguments);
    wait_for("killed/checkpoint.safetensors");
    clock_gettime(CLOCK_MONOTONIC, &now);
    usleep((useconds_t)(now.tv_nsec / 1000 % 100000));
    kill(child, signal_number);
    outcome o = finish(child, "command");
    cr_expect(o.code == 0 || o.code == 128 + signal_number, "%d", o.code); // 0: it was done before
    outcome_free(&o);
}

// Learning goes on: the runs are the same only if all that it needs was kept.
static void check(const char *const *whole, const char *const *killed) {
    static const int signals[] = {SIGKILL, SIGKILL, SIGINT, SIGUSR1};
    run_well(whole);
    kill_somewhere(killed, SIGKILL);
    for (size_t i = 0; i < MR_COUNT(signals); i++)
        kill_somewhere(ARGUMENTS("train", "--resume", "killed"), signals[i]);
    run_well(ARGUMENTS("train", "--resume", "killed"));
    expect_same_runs();
}

#define CHECK(...)                                                                                 \
    check(ARGUMENTS(RUN_OF(__VA_ARGS__), "--out", "whole"),                                        \
          ARGUMENTS(RUN_OF(__VA_ARGS__), "--out", "killed"))

Test(resume_command, a_gaussian_run_is_as_if_never_killed) {
    CHECK("gaussian", "1", "100", "3000");
}

Test(resume_command, a_flow_run_is_as_if_never_killed) {
    CHECK("real_nvp:layers=2,hidden=8", "1", "100", "3000");
}

// The file of the best policy has the critics of its evaluation.
Test(resume_command, a_run_that_acts_by_its_critics_is_as_if_never_killed) {
#define BY_CRITICS(out)                                                                            \
    ARGUMENTS(RUN_OF("real_nvp:layers=2,hidden=8", "1", "100", "3000"), "--deterministic-action",  \
              "best", "--out", out)
    check(BY_CRITICS("whole"), BY_CRITICS("killed"));
    outcome o = RUN("eval", "whole/best_policy.safetensors", "--episodes", "1");
    expect_success(&o);
    scratch_expect_part(o.out, "deterministic (best:samples=8)");
    outcome_free(&o);
}

#define WITH_BONUS(kind, critic, out)                                                              \
    ARGUMENTS(RUN_OF("gaussian", "1", "100", "3000"), "--bonus", kind, "--bonus-critic", critic,   \
              "--bonus-flow", "nsf_ar:layers=2,hidden=8", "--out", out)

Test(resume_command, a_run_with_a_density_is_as_if_never_killed) {
    check(WITH_BONUS("density", "separate", "whole"), WITH_BONUS("density", "separate", "killed"));
    expect_same("density.safetensors");
    expect_same("density/500.safetensors");
    expect_same("density/3000.safetensors");
}

Test(resume_command, a_run_with_random_network_distillation_is_as_if_never_killed) {
    check(WITH_BONUS("rnd", "shared", "whole"), WITH_BONUS("rnd", "shared", "killed"));
    cr_expect(!exists("whole/density.safetensors"));
}

static void record_to(const char *played, const char *out) {
    outcome o = RUN("record", played, "--episodes", "3", "--stochastic", "--out", out);
    expect_success(&o);
    outcome_free(&o);
}

#define WITH_DEMONSTRATIONS(out)                                                                   \
    ARGUMENTS(RUN_OF("gaussian", "1", "100", "3000"), "--demonstrations", "data.h5",               \
              "--normalize-observation", "--normalize-reward", "--out", out)

Test(resume_command, a_run_with_demonstrations_is_as_if_never_killed) {
    run_well(ARGUMENTS(TINY("200"), "--out", "a"));
    record_to("a", "data.h5");
    check(WITH_DEMONSTRATIONS("whole"), WITH_DEMONSTRATIONS("killed"));
}

// The same numbers in another file are the same demonstrations.
Test(resume_command, goes_on_only_with_the_demonstrations_that_the_run_began_with) {
    run_well(ARGUMENTS(TINY("200"), "--out", "a"));
    record_to("a", "data.h5");
    record_to("a", "same");
    run_well(ARGUMENTS(TINY("200"), "--demonstrations", "data.h5", "--out", "b"));
    outcome o = RUN("train", "--resume", "a", "--steps", "300", "--demonstrations", "data.h5");
    expect_refusal(&o, 2, "the run began without demonstrations");
    o = RUN("train", "--resume", "b", "--steps", "300", "--demonstrations", "");
    expect_refusal(&o, 2, "the run began with demonstrations, which it can't go on without");
    o = RUN("train", "--resume", "b", "--steps", "300", "--demonstration-ratio", "0.25");
    expect_refusal(&o, 2, "demonstration_ratio is 0.25, but the run goes on only with the 0.5");
    run_well(ARGUMENTS("train", "--resume", "b", "--steps", "300", "--demonstrations", "same"));
    unlink("data.h5");
    run_well(ARGUMENTS(TINY("200"), "--seed", "2", "--out", "c"));
    record_to("c", "data.h5");
    o = RUN("train", "--resume", "b", "--steps", "400", "--demonstrations", "data.h5");
    expect_refusal(&o, 2, "data.h5 is not the data set that the run began with, or has changed");
}

Test(resume_command, refuses_a_bonus_that_the_run_was_not_begun_with) {
    run_well(ARGUMENTS(TINY("200"), "--out", "a"));
    outcome o = RUN("train", "--resume", "a", "--bonus", "density");
    expect_refusal(&o, 2, "bonus is density, but the run goes on only with the none");
    run_well(ARGUMENTS(TINY("200"), "--bonus", "rnd", "--bonus-decay", "linear", "--out", "b"));
    o = RUN("train", "--resume", "b", "--steps", "300");
    expect_refusal(&o, 2, "steps is 300, but the run goes on only with the 200");
}

static void expect_config(const char *part) {
    char *text = scratch_read("a/config.yaml");
    scratch_expect_part(text, part);
    free(text);
}

Test(resume_command, changes_a_learning_rate_on_purpose_only) {
    run_well(ARGUMENTS(TINY("200"), "--out", "a"));
    outcome o = RUN("train", "--resume", "a", "--steps", "300", "--actor-lr", "0.0001");
    expect_refusal(&o, 2,
                   "actor_lr is 0.0001, but the run goes on only with the 0.001 that it was begun "
                   "with; leave it as it was, or make another run of it on purpose with --set "
                   "actor_lr=0.0001");
    o = RUN("train", "--resume", "a", "--steps", "300", "--set", "actor-lr=0.0001");
    expect_success(&o);
    scratch_expect_part(o.err,
                        "note: from step 200 on: actor_lr 0.0001 (was 0.001); results differ from "
                        "those of an uninterrupted run\n");
    outcome_free(&o);
    expect_config("\n# from step 200 on: actor_lr 0.0001 (was 0.001)\n");
    expect_config("\nactor_lr: 0.0001\n");
}

// The run has the new value from then on, and keeps what was changed before.
Test(resume_command, keeps_the_history_of_changes) {
    run_well(ARGUMENTS(TINY("200"), "--out", "a"));
    run_well(ARGUMENTS("train", "--resume", "a", "--steps", "300", "--set", "actor_lr=0.0001"));
    outcome o = RUN("train", "--resume", "a", "--steps", "400");
    expect_success(&o);
    cr_expect_null(strstr(o.err, "results differ"));
    outcome_free(&o);
    run_well(ARGUMENTS("train", "--resume", "a", "--steps", "500", "--set", "gamma=0.9", "--set",
                       "batch_size=8"));
    expect_config("# from step 200 on: actor_lr 0.0001 (was 0.001)\n"
                  "# from step 400 on: batch_size 8 (was 16), gamma 0.9 (was 0.99)\n");
}

// A process that ends right after config.yaml was replaced leaves the new value there and the old
// one in the checkpoint.
Test(resume_command, takes_a_change_that_config_yaml_has_already) {
    run_well(ARGUMENTS(TINY("200"), "--out", "a"));
    cr_assert_eq(system("sed -i 's/gamma: 0.99/gamma: 0.98/' a/config.yaml"), 0);
    run_well(ARGUMENTS("train", "--resume", "a", "--steps", "300"));
    expect_config("# from step 200 on: gamma 0.98 (was 0.99)\n");
}

// Rings of 300 slots go round, and an episode may be longer than a ring.
Test(resume_command, a_run_of_three_environments_is_as_if_never_killed) {
    CHECK("gaussian", "3", "100", "3000");
}

Test(resume_command, a_flow_run_of_three_environments_is_as_if_never_killed) {
    CHECK("real_nvp:layers=2,hidden=8", "3", "200", "3000");
}

Test(resume_command, a_run_killed_before_it_learns_is_as_if_never_killed) {
    CHECK("gaussian", "1", "2900", "3000");
}

// 700 is no multiple of eval_every: the end's own evaluation and row are not the longer run's.
Test(resume_command, a_finished_run_goes_further_as_if_it_had_never_ended) {
    run_well(ARGUMENTS(TINY("1500"), "--out", "whole"));
    run_well(ARGUMENTS(TINY("700"), "--out", "killed"));
    run_well(ARGUMENTS("train", "--resume", "killed", "--steps", "1000"));
    run_well(ARGUMENTS("train", "--resume", "killed", "--steps", "1500"));
    expect_same_runs();
    expect_same("config.yaml");
}

Test(resume_command, a_finished_run_that_is_resumed_stays_as_it_is) {
    run_well(ARGUMENTS(TINY("700"), "--out", "whole"));
    run_well(ARGUMENTS(TINY("700"), "--out", "killed"));
    run_well(ARGUMENTS("train", "--resume", "killed"));
    expect_same_runs();
}

Test(resume_command, a_half_written_row_is_healed) {
    run_well(ARGUMENTS(TINY("1500"), "--out", "whole"));
    run_well(ARGUMENTS(TINY("1000"), "--out", "killed"));
    FILE *file = fopen("killed/evaluations.csv", "a");
    fputs("1500,3.", file);
    fclose(file);
    run_well(ARGUMENTS("train", "--resume", "killed", "--steps", "1500"));
    expect_same_runs();
}

// The run ends at a checkpoint, and the row of its end comes after it.
Test(resume_command, a_run_without_its_events_begins_new_ones) {
    run_well(ARGUMENTS(TINY("1000"), "--out", "a"));
    char *path = event_path("a");
    cr_assert_eq(unlink(path), 0);
    run_well(ARGUMENTS("train", "--resume", "a", "--steps", "1500"));
    event_list list = event_read("a");
    cr_expect_str_eq(list.version, "brain.Event:2");
    cr_assert_gt(list.n, 0);
    for (size_t i = 0; i < list.n; i++)
        cr_expect_geq(list.points[i].step, 1000, "%s", list.points[i].tag);
    free(list.points);
    free(path);
}

Test(resume_command, refuses_settings_that_would_have_changed_the_past) {
    static const struct {
        const char *option, *value, *name;
    } cases[] = {
        {"--seed", "2", "seed is 2"},       {"--threads", "2", "threads is 2"},
        {"--gamma", "0.5", "gamma is 0.5"}, {"--policy", "real_nvp", "policy is real_nvp"},
        {"--out", "b", "out is b"},         {"--steps", "50", "give more --steps than 50"}};
    run_well(ARGUMENTS(TINY("200"), "--out", "a"));
    char *before = scratch_read("a/progress.csv");
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        outcome o = RUN("train", "--resume", "a", cases[i].option, cases[i].value);
        expect_refusal(&o, 2, cases[i].name);
    }
    char *after = scratch_read("a/progress.csv");
    cr_expect_str_eq(before, after);
    free(before);
    free(after);
}

Test(resume_command, says_what_it_cannot_resume) {
    outcome o = RUN("train", "--resume", "nowhere");
    expect_refusal(&o, 2, "nowhere/config.yaml");
    run_well(ARGUMENTS(TINY("200"), "--out", "a"));
    cr_assert_eq(rename("a/checkpoint.safetensors", "kept"), 0);
    o = RUN("train", "--resume", "a");
    expect_refusal(&o, 2, "a has no checkpoint.safetensors");

    char *text;
    size_t n_bytes;
    cr_assert_eq(mr_file_read("kept", &text, &n_bytes), MR_OK);
    const mr_bytes half = {text, n_bytes / 2};
    cr_assert_eq(mr_file_replace("a/checkpoint.safetensors", 1, &half), MR_OK);
    o = RUN("train", "--resume", "a");
    expect_refusal(&o, 1, "a/checkpoint.safetensors");

    char *version = memmem(text, n_bytes, "\"format_version\":\"3\"", 20);
    cr_assert_not_null(version);
    version[18] = '7';
    cr_assert_eq(mr_file_replace("a/checkpoint.safetensors", 1, &(mr_bytes){text, n_bytes}), MR_OK);
    o = RUN("train", "--resume", "a");
    expect_refusal(&o, 1, "is a checkpoint of version 7");
    free(text);
}

// Puts `with` in the place of what is as long and stands in the file once.
static void replace_in(const char *path, const char *what, const char *with) {
    char *text;
    size_t n_bytes;
    cr_assert_eq(strlen(what), strlen(with));
    cr_assert_eq(mr_file_read(path, &text, &n_bytes), MR_OK, "%s", mr_error_message());
    char *found = memmem(text, n_bytes, what, strlen(what));
    cr_assert_not_null(found, "%s has no %s", path, what);
    memcpy(found, with, strlen(with));
    cr_assert_eq(mr_file_replace(path, 1, &(mr_bytes){text, n_bytes}), MR_OK);
    free(text);
}

static void expect_engine_note(const char *steps, const char *note) {
    outcome o = RUN("train", "--resume", "a", "--steps", steps);
    expect_success(&o);
    if (note != NULL)
        scratch_expect_part(o.err, note);
    else
        cr_expect_null(strstr(o.err, "note: "), "%s", o.err);
    outcome_free(&o);
}

// Checkpoints of version 0.1 do not name the engine; the policy beside them does.
Test(resume_command, says_that_a_run_was_on_another_engine) {
    const char *now = mr_mujoco_version();
    char is[64], was[64], note[128];
    cr_assert_eq(strlen(now), strlen("9.8.7"));
    snprintf(is, sizeof is, "\"engine_version\":\"%s\"", now);
    snprintf(was, sizeof was, "\"engine_version\":\"9.8.7\"");
    snprintf(note, sizeof note,
             "note: the run was on MuJoCo 9.8.7 and goes on on MuJoCo %s: ", now);
    run_well(ARGUMENTS(TINY("200"), "--out", "a"));
    expect_engine_note("210", NULL);
    replace_in("a/checkpoint.safetensors", is, was);
    expect_engine_note("220", note);
    expect_engine_note("230", NULL); // it is on this one now
    replace_in("a/checkpoint.safetensors", "\"engine\":", "\"ingine\":");
    expect_engine_note("240", NULL);
    replace_in("a/checkpoint.safetensors", "\"engine\":", "\"ingine\":");
    replace_in("a/policy.safetensors", is, was);
    expect_engine_note("250", note);
}

// The checkpoint is larger than what is allowed, the rest is not. (The thread sanitizer needs files
// of half a megabyte for itself.)
Test(resume_command, a_full_disk_leaves_the_old_checkpoint) {
    run_well(ARGUMENTS("train", "InvertedPendulum-v5", "--threads", "1", "--hidden", "256,256",
                       "--policy", "gaussian", "--learning-starts", "300", "--steps", "200",
                       "--out", "a"));
    char *before, *after;
    size_t n_before, n_after;
    cr_assert_eq(mr_file_read("a/checkpoint.safetensors", &before, &n_before), MR_OK);
    outcome o = run_under(&(circumstances){.max_file_size = 1000000},
                          ARGUMENTS("train", "--resume", "a", "--steps", "400"));
    cr_expect_eq(o.code, 1, "%d", o.code);
    scratch_expect_part(o.err, "checkpoint.safetensors: File too large");
    outcome_free(&o);
    cr_assert_eq(mr_file_read("a/checkpoint.safetensors", &after, &n_after), MR_OK);
    cr_expect(n_before == n_after && memcmp(before, after, n_after) == 0);
    free(before);
    free(after);
}

Test(resume_command, takes_the_runs_own_directory_by_any_of_its_names) {
    run_well(ARGUMENTS(TINY("200"), "--out", "a"));
    outcome o = RUN("train", "--resume", "a/", "--out", "./a", "--steps", "260");
    expect_success(&o);
    outcome_free(&o);
    o = RUN("train", "--resume", "a", "--out", "b");
    expect_refusal(&o, 2,
                   "out is b, but a run is resumed in its own directory, a; leave --out out");
    o = RUN("train", "Hopper-v5", "--resume", "a", "--steps", "300");
    expect_refusal(&o, 2,
                   "env is Hopper-v5, but the run goes on only with the InvertedPendulum-v5");
}
