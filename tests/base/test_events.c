#include "base/events.h"

#include <limits.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "agents/train.h"
#include "tests/agents/set.h"
#include "tests/event_reader.h"

TestSuite(events, .init = scratch_enter, .fini = scratch_leave);

// ---- One file

static mr_events *create(void) {
    mr_events *events = NULL;
    cr_assert_eq(mr_events_create(".", &events), MR_OK, "%s", mr_error_message());
    return events;
}

static mr_events *reopen(void) {
    mr_events *events = NULL;
    cr_assert_eq(mr_events_open(".", &events), MR_OK, "%s", mr_error_message());
    return events;
}

static void add(mr_events *events, size_t step, const char *tag, double value) {
    const mr_scalar scalar = {tag, value};
    cr_assert_eq(mr_events_add(events, step, 1, &scalar), MR_OK, "%s", mr_error_message());
}

static void expect_point(const event_list *list, size_t i, const char *tag, int64_t step,
                         float value) {
    cr_assert_lt(i, list->n);
    cr_expect_str_eq(list->points[i].tag, tag);
    cr_expect_eq(list->points[i].step, step);
    cr_expect_eq(list->points[i].value, value);
}

// The check value of CRC-32C in the catalogues of CRC algorithms, and RFC 3720's 32 bytes of zero.
Test(events, the_reader_of_these_tests_knows_the_checksum) {
    cr_expect_eq(event_crc32c((const uint8_t *)"123456789", 9), 0xe3069283);
    cr_expect_eq(event_crc32c((const uint8_t[32]){0}, 32), 0x8a9136aa);
}

Test(events, a_file_begins_with_the_version_of_the_format) {
    mr_events *events = create();
    mr_events_close(events);
    event_list list = event_read(".");
    cr_expect_str_eq(list.version, "brain.Event:2");
    cr_expect_eq(list.n, 0);
}

Test(events, hold_every_number_with_its_tag_and_step) {
    const size_t far = (size_t)5 << 40;
    const mr_scalar scalars[] = {
        {"zero", 0}, {"a/b", -0.1}, {"large", 1e30}, {"endless", -INFINITY}, {"", 3}};
    mr_events *events = create();
    cr_assert_eq(mr_events_add(events, 0, 2, scalars), MR_OK);
    cr_assert_eq(mr_events_add(events, far, 3, scalars + 2), MR_OK);
    mr_events_close(events);
    event_list list = event_read(".");
    cr_assert_eq(list.n, 5);
    for (size_t i = 0; i < 5; i++)
        expect_point(&list, i, scalars[i].tag, i < 2 ? 0 : (int64_t)far, (float)scalars[i].value);
    free(list.points);
}

Test(events, know_the_time_of_day) {
    struct timespec before, after;
    mr_events *events = create();
    clock_gettime(CLOCK_REALTIME, &before);
    add(events, 1, "a", 1);
    clock_gettime(CLOCK_REALTIME, &after);
    mr_events_close(events);
    event_list list = event_read(".");
    cr_assert_eq(list.n, 1);
    // A double of this size has steps of 2^-22 s.
    cr_expect_geq(list.points[0].wall_time,
                  (double)before.tv_sec + 1e-9 * (double)before.tv_nsec - 0x1p-21);
    cr_expect_leq(list.points[0].wall_time,
                  (double)after.tv_sec + 1e-9 * (double)after.tv_nsec + 0x1p-21);
    free(list.points);
}

Test(events, go_on_in_the_same_file) {
    size_t n_bytes;
    mr_events *events = create();
    add(events, 1, "a", 1);
    mr_events_close(events);
    events = reopen();
    add(events, 2, "a", 2);
    cr_assert_eq(mr_events_sync(events, &n_bytes), MR_OK);
    struct stat info;
    cr_assert_eq(stat(mr_events_path(events), &info), 0);
    cr_expect_eq((size_t)info.st_size, n_bytes);
    mr_events_close(events);
    event_list list = event_read(".");
    cr_assert_eq(list.n, 2);
    expect_point(&list, 0, "a", 1, 1);
    expect_point(&list, 1, "a", 2, 2);
    free(list.points);
}

Test(events, what_came_after_a_size_is_cut_off) {
    size_t n_bytes;
    mr_events *events = create();
    add(events, 1, "a", 1);
    cr_assert_eq(mr_events_sync(events, &n_bytes), MR_OK);
    add(events, 2, "a", 2);
    mr_events_close(events);
    events = reopen();
    cr_assert_eq(mr_events_cut(events, n_bytes), MR_OK);
    add(events, 3, "a", 3);
    mr_events_close(events);
    event_list list = event_read(".");
    cr_assert_eq(list.n, 2);
    expect_point(&list, 0, "a", 1, 1);
    expect_point(&list, 1, "a", 3, 3);
    free(list.points);
}

Test(events, a_file_that_is_gone_begins_anew) {
    mr_events *events = reopen();
    add(events, 7, "a", 1);
    cr_assert_eq(mr_events_cut(events, 100000), MR_OK, "%s", mr_error_message());
    add(events, 8, "a", 2);
    mr_events_close(events);
    event_list list = event_read(".");
    cr_expect_str_eq(list.version, "brain.Event:2");
    cr_assert_eq(list.n, 1);
    expect_point(&list, 0, "a", 8, 2);
    free(list.points);
}

// Files of this process cannot grow past so many bytes: writing fails as on a full disk.
static void limit_files(size_t n_bytes) {
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit = {n_bytes, RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(events, a_record_that_does_not_fit_on_the_disk_is_taken_back) {
    size_t n_bytes;
    mr_events *events = create();
    const mr_scalar scalar = {"a", 1};
    add(events, 1, "a", 1);
    cr_assert_eq(mr_events_sync(events, &n_bytes), MR_OK);
    limit_files(n_bytes + 20);
    cr_expect_eq(mr_events_add(events, 2, 1, &scalar), MR_ERR_IO);
    scratch_expect_message("events.out.tfevents.");
    scratch_expect_message("File too large");
    limit_files(100000);
    add(events, 3, "a", 3);
    mr_events_close(events);
    event_list list = event_read(".");
    cr_assert_eq(list.n, 2);
    expect_point(&list, 1, "a", 3, 3);
    free(list.points);
}

Test(events, nothing_is_left_of_a_file_that_cannot_be_begun) {
    mr_events *events = NULL;
    limit_files(5);
    cr_expect_eq(mr_events_create(".", &events), MR_ERR_IO);
    cr_expect_null(events);
    glob_t found;
    cr_expect_eq(glob("events*", 0, NULL, &found), GLOB_NOMATCH);
    cr_expect_eq(mr_events_create("nowhere", &events), MR_ERR_IO);
    scratch_expect_message("nowhere/events.out.tfevents.");
}

Test(events, closing_nothing_is_fine) {
    mr_events_close(NULL);
}

// ---- A run

static size_t find(const event_list *list, const char *tag, int64_t step, float *value) {
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->points[i].tag, tag) == 0 && list->points[i].step == step) {
            *value = list->points[i].value;
            n++;
        }
    return n;
}

// The cell was rounded to ten digits before it is rounded to float32 here.
static void expect_cell(const event_list *list, const char *tag, int64_t step, const char *cell) {
    float value;
    cr_assert_eq(find(list, tag, step, &value), 1, "%s at %lld", tag, (long long)step);
    const double expected = strtod(cell, NULL);
    cr_expect_float_eq(value, expected, fabs(expected) * 0x1p-23, "%s at %lld: %.9g, not %s", tag,
                       (long long)step, value, cell);
}

enum { MAX_COLUMNS = 40 };

static size_t split(char *line, char *cells[MAX_COLUMNS]) {
    size_t n = 0;
    for (char *cell = strsep(&line, ","); cell != NULL; cell = strsep(&line, ",")) {
        cr_assert_lt(n, MAX_COLUMNS);
        cells[n++] = cell;
    }
    return n;
}

// Every number in the columns that are, or are not, an evaluation's. Returns how many there are.
static size_t expect_table(const event_list *list, const char *path, bool evaluations,
                           size_t n_columns) {
    char *text = scratch_read(path), *rest = text;
    char *names[MAX_COLUMNS], *cells[MAX_COLUMNS];
    size_t n = 0;
    split(strsep(&rest, "\n"), names);
    for (char *line = strsep(&rest, "\n"); line != NULL && *line != '\0';
         line = strsep(&rest, "\n")) {
        split(line, cells);
        for (size_t i = 0; i < n_columns; i++) {
            if (*cells[i] == '\0' || (strncmp(names[i], "eval/", 5) == 0) != evaluations)
                continue;
            expect_cell(list, names[i], strtoll(cells[0], NULL, 10), cells[i]);
            n++;
        }
    }
    free(text);
    return n;
}

Test(events, hold_what_the_tables_of_a_run_hold_and_nothing_twice) {
    mr_settings s;
    mr_trainer_result result;
    mr_settings_init(&s);
    snprintf(s.env, sizeof s.env, "InvertedPendulum-v5");
    set(&s, "policy", "gaussian");
    snprintf(s.out, sizeof s.out, "a");
    s.hidden = (mr_widths){.n = 1, .width = {8}};
    s.steps = 2300; // rows at 1000, 2000 and the end; evaluations at 500, 1000, ... and the end
    s.threads = 1;
    s.batch_size = 8;
    s.buffer_size = 3000;
    s.learning_starts = 1500; // the first row has empty cells
    s.eval_every = 500;
    s.eval_episodes = 2;
    cr_assert_eq(mr_trainer_run(&s, NULL, NULL, NULL, &result), MR_OK, "%s", mr_error_message());

    mr_metric_list metrics;
    mr_metric_list_of(&mr_agent_sac, &metrics);
    event_list list = event_read("a");
    cr_expect_str_eq(list.version, "brain.Event:2");
    const size_t n_infos = 1; // rollout/reward_survive, the last column
    const size_t n_rows = expect_table(&list, "a/progress.csv", false, metrics.n + n_infos);
    const size_t n_evaluations = expect_table(&list, "a/evaluations.csv", true, 4);
    // Of the 17 metrics of a row that are no evaluation's, 6 are known only when it learns.
    cr_expect_eq(n_rows, 11 + 17 + 17 + 3 * n_infos);
    cr_expect_eq(n_evaluations, 5 * 3);
    cr_expect_eq(list.n, n_rows + n_evaluations);
    free(list.points);
}
