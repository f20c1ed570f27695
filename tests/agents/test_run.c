#include "agents/run.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/event_reader.h"

static const mr_run_place no_files;

TestSuite(run, .init = scratch_enter, .fini = scratch_leave);

static mr_run *create(const char *dir) {
    mr_settings settings;
    mr_run *run = NULL;
    mr_settings_init(&settings);
    cr_assert_eq(mr_run_create(dir, &settings, &no_files, &run), MR_OK, "%s", mr_error_message());
    return run;
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

// Files of this process cannot grow past so many bytes: writing fails as on a full disk.
static void limit_files(size_t n_bytes) {
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit = {n_bytes, RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void expect_file(const char *path, const char *expected) {
    char *text = scratch_read(path);
    cr_expect_str_eq(text, expected);
    free(text);
}

// All but the step.
static mr_metrics unknown_metrics(void) {
    mr_metrics metrics;
    mr_metric_list list;
    mr_metric_list_of(&mr_agent_sac, &list);
    for (size_t i = 0; i < list.n; i++)
        *mr_metric_value(&list.at[i], &metrics) = NAN;
    metrics.total_timesteps = 0;
    return metrics;
}

Test(run, makes_the_directory_and_those_above_it) {
    mr_run_close(create("a/b/c"));
    cr_expect(exists("a/b/c/config.yaml"));
    cr_expect(exists("a/b/c/progress.csv"));
    cr_expect(exists("a/b/c/evaluations.csv"));
    event_list list = event_read("a/b/c");
    cr_expect_eq(list.n, 0);
}

Test(run, a_slash_at_the_end_changes_nothing) {
    mr_run *run = create("a//");
    cr_expect_str_eq(mr_run_path(run, "x"), "a/x");
    mr_run_close(run);
}

Test(run, refuses_what_exists) {
    mr_settings settings;
    mr_run *run = NULL;
    mr_settings_init(&settings);
    scratch_write("file", "precious");
    cr_assert_eq(mkdir("empty", 0777), 0);
    static const char *const paths[] = {"file", "empty", "empty/", "."};
    for (size_t i = 0; i < MR_COUNT(paths); i++) {
        cr_expect_eq(mr_run_create(paths[i], &settings, &no_files, &run), MR_ERR_USAGE, "%s",
                     paths[i]);
        scratch_expect_message("exists already");
    }
    cr_expect_null(run);
    expect_file("file", "precious");
}

Test(run, a_directory_that_cannot_be_made_is_named) {
    mr_settings settings;
    mr_run *run = NULL;
    mr_settings_init(&settings);
    scratch_write("file", "");
    cr_expect_eq(mr_run_create("file/a/b", &settings, &no_files, &run), MR_ERR_IO);
    scratch_expect_message("file");
}

Test(run, leaves_nothing_behind_when_the_disk_is_full) {
    mr_settings settings;
    mr_run *run = NULL;
    mr_settings_init(&settings);
    static const size_t sizes[] = {0, 100}; // nothing fits, then a part of config.yaml
    for (size_t i = 0; i < MR_COUNT(sizes); i++) {
        limit_files(sizes[i]);
        cr_expect_eq(mr_run_create("a", &settings, &no_files, &run), MR_ERR_IO, "%zu", sizes[i]);
        scratch_expect_message("a/");
        cr_expect(!exists("a"));
    }
}

Test(run, progress_has_a_column_for_each_metric) {
    mr_run *run = create("a");
    mr_metrics metrics = unknown_metrics();
    metrics.total_timesteps = 1234567;
    metrics.ep_rew_mean = -0.5;
    metrics.eval_mean_ep_length = 1000;
    cr_assert_eq(mr_run_log(run, &metrics, 0, NULL), MR_OK, "%s", mr_error_message());
    mr_run_close(run);
    expect_file(
        "a/progress.csv",
        "time/total_timesteps,time/time_elapsed,time/fps,time/cpu_seconds,time/episodes,"
        "rollout/ep_rew_mean,rollout/ep_len_mean,rollout/ep_rew_last,rollout/n_diverged,"
        "rollout/n_warnings,train/n_updates,train/actor_loss,train/critic_loss,train/"
        "ent_coef,train/ent_coef_loss,"
        "train/entropy,train/q_mean,eval/mean_reward,eval/std_reward,eval/mean_ep_length,"
        "bonus/state_log_prob,bonus/mean,bonus/std,bonus/beta,bonus/coverage,bonus/restarts\n"
        "1234567,,,,,-0.5,,,,,,,,,,,,,,1000,,,,,,\n");
}

static void log_infos(mr_run *run, double step, size_t n, const mr_scalar *infos) {
    mr_metrics metrics = unknown_metrics();
    metrics.total_timesteps = step;
    cr_assert_eq(mr_run_log(run, &metrics, n, infos), MR_OK, "%s", mr_error_message());
}

static void expect_end(const char *path, const char *end) {
    char *text = scratch_read(path);
    const size_t length = strlen(text), n = strlen(end);
    cr_expect(length >= n && strcmp(text + length - n, end) == 0, "%s ends with %s", path, text);
    free(text);
}

// An info called like a metric is left out; one that comes later is in the events alone.
Test(run, progress_has_a_column_for_each_info_of_its_first_row) {
    mr_run *run = create("a");
    const mr_scalar infos[] = {{"rollout/reward_ctrl", -2},
                               {"rollout/ep_rew_mean", 5},
                               {"rollout/x", NAN},
                               {"rollout/late", 7}};
    log_infos(run, 1000, 3, infos);
    log_infos(run, 2000, 4, infos);
    mr_run_close(run);
    char *text = scratch_read("a/progress.csv");
    scratch_expect_part(text, "bonus/restarts,rollout/reward_ctrl,rollout/x\n1000,");
    free(text);
    expect_end("a/progress.csv", "2000,,,,,,,,,,,,,,,,,,,,,,,,,,-2,\n");
    event_list list = event_read("a");
    cr_assert_eq(list.n, 5); // the step and reward_ctrl twice, late once
    cr_expect_str_eq(list.points[4].tag, "rollout/late");
    free(list.points);
}

// Columns of an earlier version: some of today's, one that is no more, and no infos.
Test(run, a_run_of_an_earlier_version_keeps_its_columns) {
    mr_settings settings;
    mr_run *run = create("a");
    const mr_scalar infos[] = {{"rollout/reward_ctrl", -2}};
    mr_settings_init(&settings);
    mr_run_close(run);
    scratch_write("a/progress.csv", "time/total_timesteps,old/column,rollout/ep_rew_mean\n1,2,3\n");
    cr_assert_eq(mr_run_open("a", &settings, &run), MR_OK, "%s", mr_error_message());
    log_infos(run, 2000, 1, infos);
    mr_run_close(run);
    expect_end("a/progress.csv", "rollout/ep_rew_mean\n1,2,3\n2000,,\n");
}

// A checkpoint of before the first row: the header comes again with the next one.
Test(run, a_table_that_is_cut_to_nothing_begins_anew) {
    mr_run *run = create("a");
    mr_run_sizes sizes;
    const mr_scalar infos[] = {{"rollout/reward_ctrl", -2}};
    cr_assert_eq(mr_run_sync(run, &sizes), MR_OK);
    log_infos(run, 1000, 0, NULL);
    cr_assert_eq(mr_run_cut(run, &sizes), MR_OK);
    log_infos(run, 1000, 1, infos);
    mr_run_close(run);
    expect_end("a/progress.csv", "rollout/reward_ctrl\n1000,,,,,,,,,,,,,,,,,,,,,,,,,,-2\n");
}

Test(run, evaluations_have_mean_deviation_and_each_episode) {
    mr_run *run = create("a");
    const double returns[] = {1, 2, 6};
    const size_t lengths[] = {10, 20, 60};
    cr_assert_eq(mr_run_log_evaluation(run, 5000, 3, returns, lengths), MR_OK);
    mr_run_close(run);
    // Mean 3, deviation sqrt((4 + 1 + 9) / 3).
    expect_file("a/evaluations.csv", "time/total_timesteps,eval/mean_reward,eval/std_reward,"
                                     "eval/mean_ep_length,eval/returns,eval/lengths\n"
                                     "5000,3,2.160246899,30,1 2 6,10 20 60\n");
}

Test(run, a_row_that_does_not_fit_on_the_disk_is_taken_back) {
    mr_run *run = create("a");
    const mr_metrics metrics = unknown_metrics();
    char *before = scratch_read("a/progress.csv");
    limit_files(strlen(before) + 3);
    cr_expect_eq(mr_run_log(run, &metrics, 0, NULL), MR_ERR_IO);
    scratch_expect_message("a/progress.csv: File too large");
    expect_file("a/progress.csv", before);
    limit_files(100000);
    cr_expect_eq(mr_run_log(run, &metrics, 0, NULL), MR_OK);
    mr_run_close(run);
    free(before);
}

// The events of a row are longer than the row: after a few rows they do not fit where it does.
Test(run, a_row_whose_events_do_not_fit_on_the_disk_is_taken_back) {
    mr_run *run = create("a");
    mr_run_sizes sizes;
    mr_metrics metrics;
    mr_metric_list columns;
    const double returns[] = {1, 2};
    const size_t lengths[] = {3, 4};
    mr_metric_list_of(&mr_agent_sac, &columns);
    for (size_t i = 0; i < columns.n; i++)
        *mr_metric_value(&columns.at[i], &metrics) = (double)i;
    for (size_t i = 0; i < 5; i++)
        cr_assert_eq(mr_run_log(run, &metrics, 0, NULL), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_run_sync(run, &sizes), MR_OK);
    cr_assert_gt(sizes.events, sizes.progress + 200);
    char *progress = scratch_read("a/progress.csv"),
         *evaluations = scratch_read("a/evaluations.csv");
    limit_files((size_t)sizes.events + 3);
    cr_expect_eq(mr_run_log(run, &metrics, 0, NULL), MR_ERR_IO);
    scratch_expect_message("a/events.out.tfevents.");
    cr_expect_eq(mr_run_log_evaluation(run, 6, 2, returns, lengths), MR_ERR_IO);
    expect_file("a/progress.csv", progress);
    expect_file("a/evaluations.csv", evaluations);
    event_list list = event_read("a");
    cr_expect_eq(list.n, 5 * (columns.n - 3)); // the evaluation's three are drawn there
    limit_files(100000);
    cr_expect_eq(mr_run_log(run, &metrics, 0, NULL), MR_OK);
    mr_run_close(run);
    free(list.points);
    free(progress);
    free(evaluations);
}

Test(run, closing_nothing_is_fine) {
    mr_run_close(NULL);
}
