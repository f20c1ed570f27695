// Commands under faults on purpose: each time another request for memory, or another call about a
// file, fails (tests/faults/faults.c). Then the command works nevertheless and gives what it always
// gives, or it fails with one line; it leaves nothing half-written and keeps no memory.
//
// A sample of the calls is tried, all of them where MILLRACE_LONG_TESTS is set (hours).

#include <errno.h>
#include <glob.h>

#include "tests/sanitized.h"
#include "tests/cli/command_runner.h"

enum {
    N_TRIED = 10, // of a command's calls
    TIME_LIMIT = 60,
};

/// A command, the file that it makes (NULL: what it prints), and whether that is in a run's
/// directory, `out`. All that it makes is called out...
typedef struct {
    const char *const *arguments;
    const char *result;
    bool is_run, is_random; // random: another each time
} job;

#define TRAIN(env)                                                                                 \
    "train", env, "--steps", "40", "--learning-starts", "20", "--hidden", "8", "--policy",         \
        "real_nvp:layers=2,hidden=4", "--batch-size", "4", "--buffer-size", "100",                 \
        "--eval-episodes", "1", "--eval-every", "20", "--threads", "1"
#define TRAIN_JOB(...)                                                                             \
    {                                                                                              \
        .arguments = ARGUMENTS(__VA_ARGS__, "--out", "out"), .result = "out/policy.safetensors",   \
        .is_run = true                                                                             \
    }
#define FIT_JOB(table)                                                                             \
    {                                                                                              \
        .arguments = ARGUMENTS("flow", "fit", table, "--epochs", "2", "--out", "out"),             \
        .result = "out"                                                                            \
    }

static const job train = TRAIN_JOB(TRAIN("Pendulum-v1"));
static const job train_with_bonus = TRAIN_JOB(TRAIN("InvertedPendulum-v5"), "--bonus", "density");
static const job train_from_settings = TRAIN_JOB("train", "--config", "run/config.yaml");
static const job train_on_task = TRAIN_JOB(TRAIN("mjcf:" MR_TEST_EXAMPLES "/reach.xml"), "--task",
                                           MR_TEST_EXAMPLES "/reach.yaml");
static const job eval = {.arguments = ARGUMENTS("eval", "run", "--episodes", "1", "--json")};
static const job export_c = {.arguments = ARGUMENTS("export", "run", "--c", "out.c"),
                             .result = "out.c"};
static const job export_onnx = {
    .arguments = ARGUMENTS("export", "run", "--onnx", "out.onnx", "--stochastic"),
    .result = "out.onnx"};
static const job fit_csv = FIT_JOB("table.csv");
static const job fit_npy = FIT_JOB("table.npy");
static const job fit_npz = FIT_JOB(MR_TEST_DATA "/tables/deflated.npz");
static const job sample = {.arguments =
                               ARGUMENTS("flow", "sample", "model", "-n", "50", "--out", "out.npy"),
                           .result = "out.npy"};
static const job score = {.arguments = ARGUMENTS("flow", "score", "model", "table.csv", "--json")};
static const job keygen = {.arguments = ARGUMENTS("keygen", "out"), .is_random = true};
static const job plot = {.arguments = ARGUMENTS("plot", "run", "--out", "out.png"),
                         .result = "out.png"};

static void make_table(void) {
    FILE *file = fopen("table.csv", "w");
    cr_assert_not_null(file);
    for (int i = 0; i < 60; i++)
        fprintf(file, "%d,%d.5\n", i * i % 17, i * 7 % 23);
    fclose(file);
}

static void must_work(const char *const *arguments) {
    outcome o = run(arguments);
    cr_assert_eq(o.code, 0, "%s", o.err);
    outcome_free(&o);
}

static void enter(void) {
#ifdef SANITIZED
    cr_skip("a sanitizer has taken malloc's place");
#endif
    scratch_enter();
    setenv("OMP_NUM_THREADS", "2", 1);
    make_table();
    must_work(ARGUMENTS(TRAIN("Pendulum-v1"), "--out", "run"));
    must_work(ARGUMENTS("flow", "fit", "table.csv", "--epochs", "2", "--out", "model"));
    must_work(ARGUMENTS("flow", "sample", "model", "-n", "60", "--out", "table.npy"));
}

TestSuite(faults, .init = enter, .fini = scratch_leave, .timeout = 20000);

// ---- Running with a fault

/// What became of a command, and what the faults' report says.
typedef struct {
    outcome o;
    char *report;
} trial;

static void trial_free(trial *t) {
    outcome_free(&t->o);
    free(t->report);
}

static void remove_results(void) {
    glob_t found;
    if (glob("out*", 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            nftw(found.gl_pathv[i], scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    globfree(&found);
}

static trial try_fault(const job *j, const char *kind, size_t at, int action) {
    char wish[64];
    snprintf(wish, sizeof wish, "%s:%zu:%d", kind, at, action);
    setenv("MILLRACE_FAULT", wish, 1);
    setenv("MILLRACE_FAULT_REPORT", "report", 1);
    setenv("LD_PRELOAD", MR_TEST_FAULTS, 1);
    remove_results();
    unlink("report");
    if (j->result != NULL && !j->is_run)
        scratch_write(j->result, "old");
    outcome o = run_under(&(circumstances){.end_after = TIME_LIMIT}, j->arguments);
    unsetenv("LD_PRELOAD");
    return (trial){o, access("report", F_OK) == 0 ? scratch_read("report") : strdup("")};
}

static size_t count_calls(const trial *t) {
    size_t n = 0;
    cr_assert_eq(sscanf(t->report, "calls %zu", &n), 1, "no report: %s", t->o.err);
    return n;
}

// ---- What must hold

static char *result_of(const job *j, const trial *t) {
    return j->result != NULL ? scratch_read(j->result) : strdup(t->o.out);
}

static size_t result_size(const job *j) {
    struct stat info;
    return j->result != NULL && stat(j->result, &info) == 0 ? (size_t)info.st_size : 0;
}

/// What a job gives where nothing fails.
typedef struct {
    const job *job;
    char *result, *report;
    size_t n_bytes, n_calls;
} standard;

static bool is_as_always(const standard *s, const trial *t) {
    char *result = result_of(s->job, t);
    const bool is_same = s->job->result == NULL ? strcmp(result, s->result) == 0
                                                : result_size(s->job) == s->n_bytes &&
                                                      memcmp(result, s->result, s->n_bytes) == 0;
    free(result);
    return is_same;
}

static const char *fault_of(const trial *t) {
    const char *fault = strstr(t->report, "fault ");
    return fault != NULL ? fault : "no fault";
}

static void expect_one_line(const trial *t, bool is_about_memory) {
    const char *line = t->o.err;
    for (const char *c = line; *c != '\0'; c++) // before it is what the command says of its work
        if (*c == '\n' && c[1] != '\0')
            line = c + 1;
    cr_expect_eq(t->o.code, 1, "exit code %d: %s%s", t->o.code, t->o.err, fault_of(t));
    cr_expect(strncmp(line, "millrace", 8) == 0, "%s%s", t->o.err, fault_of(t));
    cr_expect(!is_about_memory || strstr(line, "out of memory") != NULL, "%s%s", line, fault_of(t));
}

// What is kept to the end where nothing fails, such as a buffer of stdout, may be.
static void expect_nothing_kept(const standard *s, const trial *t) {
    for (const char *line = strstr(t->report, "kept "); line; line = strstr(line + 1, "kept ")) {
        char place[96];
        snprintf(place, sizeof place, "%.*s", (int)strcspn(line, "\n") + 1, line);
        cr_expect_not_null(strstr(s->report, place), "%s%s", place, fault_of(t));
    }
}

static void expect_nothing_half_written(const standard *s, const trial *t) {
    glob_t found;
    cr_expect_neq(glob("*millrace-tmp", 0, NULL, &found), 0, "%s", fault_of(t));
    globfree(&found);
    cr_expect_eq(access("out.key", F_OK), access("out.key_secret", F_OK), "half a pair of keys: %s",
                 fault_of(t));
    if (s->job->result == NULL || s->job->is_run || is_as_always(s, t))
        return;
    char *result = scratch_read(s->job->result);
    cr_expect_str_eq(result, "old", "%s", fault_of(t));
    free(result);
}

// Ends with the same bytes. A run that has no checkpoint yet is to be begun anew.
static void expect_resumes(const standard *s, const trial *t) {
    if (access("out", F_OK) != 0)
        return;
    outcome o = RUN("train", "--resume", "out");
    if (access("out/checkpoint.safetensors", F_OK) != 0)
        cr_expect_eq(o.code, 2, "%s", o.err);
    else
        cr_expect(o.code == 0 && is_as_always(s, t), "resumed: %s%s", o.err, fault_of(t));
    outcome_free(&o);
}

static void expect_goes_on(const standard *s, const trial *t) {
    if (s->job->is_run) {
        expect_resumes(s, t);
    } else if (s->job->result != NULL) {
        outcome o = run(s->job->arguments);
        cr_expect(o.code == 0 && is_as_always(s, t), "again: %s%s", o.err, fault_of(t));
        outcome_free(&o);
    }
}

static void check_trial(const standard *s, const trial *t, bool is_about_memory) {
    expect_nothing_kept(s, t);
    if (t->o.code == 0) {
        cr_expect(s->job->is_random || is_as_always(s, t), "another result: %s", fault_of(t));
    } else {
        expect_one_line(t, is_about_memory);
        expect_nothing_half_written(s, t);
    }
    expect_goes_on(s, t);
}

// ---- The calls

static standard measure(const job *j, const char *kind) {
    trial t = try_fault(j, kind, 0, EIO);
    cr_assert_eq(t.o.code, 0, "%s", t.o.err);
    standard s = {j, result_of(j, &t), strdup(t.report), result_size(j), count_calls(&t)};
    trial_free(&t);
    return s;
}

static void standard_free(standard *s) {
    free(s->result);
    free(s->report);
}

static void check_with(const job *j, const char *kind, int action, bool must_go_on) {
    standard s = measure(j, kind);
    const size_t step = getenv("MILLRACE_LONG_TESTS") != NULL ? 1 : s.n_calls / N_TRIED + 1;
    for (size_t at = 1 + step / 2; at <= s.n_calls; at += step) {
        trial t = try_fault(j, kind, at, action);
        check_trial(&s, &t, strcmp(kind, "memory") == 0);
        cr_expect(!must_go_on || t.o.code == 0, "%s%s", t.o.err, fault_of(&t));
        trial_free(&t);
    }
    standard_free(&s);
}

static void check_memory(const job *j) {
    check_with(j, "memory", ENOMEM, false);
}

// A full disk, a broken one, a signal, and counts that are short, with which all goes on.
static void check_files(const job *j) {
    check_with(j, "file", ENOSPC, false);
    check_with(j, "file", EIO, false);
    check_with(j, "file", EINTR, false);
    check_with(j, "file", 0, true);
}

Test(faults, memory_of_train) {
    check_memory(&train);
}

Test(faults, memory_of_train_with_an_intrinsic_reward) {
    check_memory(&train_with_bonus);
}

Test(faults, memory_of_train_from_settings) {
    check_memory(&train_from_settings);
}

Test(faults, memory_of_train_on_a_task_file) {
    check_memory(&train_on_task);
}

Test(faults, memory_of_eval) {
    check_memory(&eval);
}

Test(faults, memory_of_export) {
    check_memory(&export_c);
    check_memory(&export_onnx);
}

Test(faults, memory_of_readers_of_tables) {
    check_memory(&fit_csv);
    check_memory(&fit_npy);
    check_memory(&fit_npz);
}

Test(faults, memory_of_models) {
    check_memory(&sample);
    check_memory(&score);
}

Test(faults, memory_of_plot) {
    check_memory(&plot);
}

Test(faults, files_of_train) {
    check_files(&train);
}

Test(faults, files_of_flow) {
    check_files(&fit_csv);
    check_files(&sample);
}

Test(faults, files_of_eval_and_keygen) {
    check_files(&eval);
    check_files(&keygen);
}

Test(faults, files_of_plot) {
    check_files(&plot);
}
