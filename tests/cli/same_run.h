/// Whether the runs in "whole" and "killed" are the same: one that was never stopped, and one that
/// was, and went on.
#pragma once

#include <dirent.h>
#include <limits.h>

#include "base/tensors.h"
#include "tests/event_reader.h"
#include "tests/cli/command_runner.h"

static inline bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

/// The same bytes.
static inline void expect_same(const char *name) {
    char path_a[64], path_b[64], *a, *b;
    size_t n_a, n_b;
    snprintf(path_a, sizeof path_a, "whole/%s", name);
    snprintf(path_b, sizeof path_b, "killed/%s", name);
    cr_assert_eq(mr_file_read(path_a, &a, &n_a), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_file_read(path_b, &b, &n_b), MR_OK, "%s", mr_error_message());
    cr_expect(n_a == n_b && memcmp(a, b, n_a) == 0, "%s differs", name);
    free(a);
    free(b);
}

/// progress.csv without its second to fourth column: time/time_elapsed, time/fps, time/cpu_seconds.
static inline char *read_progress(const char *path) {
    char *text = scratch_read(path), *to = text;
    size_t column = 0;
    for (const char *c = text; *c != '\0'; c++) {
        column = *c == '\n' ? 0 : column + (*c == ',');
        if (column < 1 || column > 3)
            *to++ = *c;
    }
    *to = '\0';
    return text;
}

/// The same points in the same order; the clock's own figures have other values.
static inline void expect_same_events(void) {
    event_list whole = event_read("whole"), killed = event_read("killed");
    cr_expect_str_eq(whole.version, killed.version);
    cr_assert_eq(whole.n, killed.n, "%zu points, and %zu in the killed run", whole.n, killed.n);
    cr_expect_gt(whole.n, 0);
    for (size_t i = 0; i < whole.n; i++) {
        const event_point *a = &whole.points[i], *b = &killed.points[i];
        const bool is_clock = strcmp(a->tag, "time/time_elapsed") == 0 ||
                              strcmp(a->tag, "time/fps") == 0 ||
                              strcmp(a->tag, "time/cpu_seconds") == 0;
        cr_expect_str_eq(a->tag, b->tag);
        cr_expect_eq(a->step, b->step, "%s", a->tag);
        cr_expect(is_clock || a->value == b->value, "%s at %lld", a->tag, (long long)a->step);
    }
    free(whole.points);
    free(killed.points);
}

static inline void expect_same_runs(void) {
    expect_same_events();
    expect_same("policy.safetensors");
    expect_same("best_policy.safetensors");
    expect_same("evaluations.csv");
    char *whole = read_progress("whole/progress.csv"),
         *killed = read_progress("killed/progress.csv");
    cr_expect_str_eq(whole, killed);
    free(whole);
    free(killed);
}

/// The same checkpoint but for what the clock said: the time that has passed, the speed, and how
/// long the table is that holds both as text.
static inline void expect_same_checkpoints(void) {
    static const char *const clocks[] = {"metrics.time/time_elapsed", "metrics.time/fps",
                                         "metrics.time/cpu_seconds", "loop.n_bytes.progress"};
    mr_tensors *whole, *killed;
    cr_assert_eq(mr_tensors_open("whole/checkpoint.safetensors", &whole), MR_OK);
    cr_assert_eq(mr_tensors_open("killed/checkpoint.safetensors", &killed), MR_OK);
    cr_assert_eq(mr_tensors_count(whole), mr_tensors_count(killed));
    for (size_t i = 0; i < mr_tensors_count(whole); i++) {
        const mr_tensor a = mr_tensors_at(whole, i), b = mr_tensors_at(killed, i);
        bool is_clock = false;
        for (size_t k = 0; k < MR_COUNT(clocks); k++)
            is_clock = is_clock || strcmp(a.name, clocks[k]) == 0;
        cr_assert_str_eq(a.name, b.name);
        cr_assert_eq(a.n_bytes, b.n_bytes, "%s", a.name);
        cr_expect(is_clock || memcmp(a.data, b.data, a.n_bytes) == 0, "%s differs", a.name);
    }
    mr_tensors_close(whole);
    mr_tensors_close(killed);
}

/// Every file of the one is in the other, but for event files, whose names have the time in them.
static inline void expect_files_of(const char *of, const char *in) {
    DIR *dir = opendir(of);
    cr_assert_not_null(dir, "%s", of);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", in, entry->d_name);
        if (strncmp(entry->d_name, "events.", strlen("events.")) != 0)
            cr_expect(exists(path), "%s has %s, %s has not", of, entry->d_name, in);
    }
    closedir(dir);
}
