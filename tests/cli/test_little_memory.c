// With too little memory, wherever it ends, a command says so and fails; it neither hangs nor
// aborts. The sizes in between are tried in small steps where MILLRACE_LONG_TESTS is set.

#include <signal.h>

#include "tests/sanitized.h"
#include "tests/cli/command_runner.h"

static void enter(void) {
#ifdef SANITIZED
    cr_skip("a sanitizer takes terabytes of address space");
#endif
    setenv("OMP_NUM_THREADS", "2", 1); // OpenBLAS takes 128 MB for each core of a larger machine
    scratch_enter();
}

TestSuite(little_memory, .init = enter, .fini = scratch_leave);

enum {
    FIRST_KB = 75000,  // less than the libraries need
    LAST_KB = 1000000, // enough for all of these
    TIME_LIMIT = 60,
    SERVING_TIME = 1,
};

static bool is_long(void) {
    return getenv("MILLRACE_LONG_TESTS") != NULL;
}

static size_t next_size(size_t kb) {
    return is_long() ? kb + 4999 : kb + kb / 5;
}

// The loader, which maps the libraries before anything of ours runs, has its own message and code.
static bool is_loaders(const outcome *o) {
    return o->code == 127 && strstr(o->err, "error while loading shared libraries") != NULL;
}

static const char *last_line(const char *text) {
    const char *last = text;
    for (const char *c = text; *c != '\0'; c++)
        if (*c == '\n' && c[1] != '\0')
            last = c + 1;
    return last;
}

// What came before is what the command says of its work.
static void expect_out_of_memory(const outcome *o, const char *command, size_t kb) {
    const char *line = last_line(o->err);
    cr_expect_eq(o->code, 1, "%s in %zu KB: exit code %d: %s", command, kb, o->code, o->err);
    cr_expect(strncmp(line, "millrace", 8) == 0 && strstr(line, "out of memory for") != NULL,
              "%s in %zu KB: %s", command, kb, o->err);
}

// Returns whether the command had enough.
static bool try_size(const char *const *arguments, size_t kb, unsigned end_after, int enough) {
    outcome o = run_under(&(circumstances){.max_memory = (rlim_t)kb * 1024, .end_after = end_after},
                          arguments);
    const bool has_enough = o.code == enough;
    if (!has_enough && !is_loaders(&o))
        expect_out_of_memory(&o, arguments[0], kb);
    outcome_free(&o);
    return has_enough;
}

// Works with enough, and below that fails as it should.
static void expect_end_with_any(const char *const *arguments, unsigned end_after, int enough) {
    size_t n_well = 0, n_bad = 0;
    for (size_t kb = FIRST_KB; kb < LAST_KB; kb = next_size(kb))
        *(try_size(arguments, kb, end_after, enough) ? &n_well : &n_bad) += 1;
    cr_expect(n_well > 0 && n_bad > 0, "%s: %zu sizes were enough, %zu were not", arguments[0],
              n_well, n_bad);
}

static void expect_ends(const char *const *arguments) {
    expect_end_with_any(arguments, TIME_LIMIT, 0);
}

static void expect_serves(const char *const *arguments) {
    expect_end_with_any(arguments, SERVING_TIME, 128 + SIGALRM);
}

Test(little_memory, version) {
    expect_ends(ARGUMENTS("--version"));
}

#define TRAIN                                                                                      \
    "train", "InvertedPendulum-v5", "--hidden", "16", "--policy", "real_nvp:layers=2,hidden=8",    \
        "--batch-size", "16", "--learning-starts", "50", "--buffer-size", "1000",                  \
        "--eval-episodes", "1"

static void train_small(void) {
    outcome o = RUN(TRAIN, "--steps", "60", "--out", "run");
    expect_success(&o);
    outcome_free(&o);
}

// Three threads, more than OpenBLAS has provided for on two cores.
Test(little_memory, train) {
    expect_ends(ARGUMENTS(TRAIN, "--steps", "60", "--threads", "3"));
}

Test(little_memory, train_with_a_large_replay_buffer) {
    expect_ends(ARGUMENTS("train", "HalfCheetah-v5", "--steps", "100", "--learning-starts", "90",
                          "--hidden", "16", "--eval-episodes", "1", "--threads", "2"));
}

Test(little_memory, eval) {
    train_small();
    expect_ends(ARGUMENTS("eval", "run", "--episodes", "3"));
}

static void write_table(const char *path) {
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    for (int i = 0; i < 100; i++)
        fprintf(file, "%d,%d.5\n", i * i % 17, i * 7 % 23);
    fclose(file);
}

#define FIT "flow", "fit", "table.csv", "--epochs", "2"

Test(little_memory, flow) {
    write_table("table.csv");
    outcome o = RUN(FIT);
    expect_success(&o);
    outcome_free(&o);
    expect_ends(ARGUMENTS(FIT));
    expect_ends(ARGUMENTS("flow", "sample", "model.safetensors", "--num", "10"));
}

Test(little_memory, serve) {
    expect_serves(ARGUMENTS("serve", "InvertedPendulum-v5", "--bind", "tcp://127.0.0.1:0"));
}

Test(little_memory, serve_policy) {
    train_small();
    expect_serves(ARGUMENTS("serve-policy", "run", "--bind", "tcp://127.0.0.1:0"));
}
