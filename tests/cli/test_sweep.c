// Sweeps: what they plan, train, print and refuse, and that they go on when they were stopped or
// killed.

#include <math.h>
#include <sched.h>
#include <time.h>

#include "base/growing_file.h"
#include "cli/runs/run_table.h"
#include "tests/cli/same_run.h"

TestSuite(sweep, .init = scratch_enter, .fini = scratch_leave);

#define SETTINGS_WITH(more, steps)                                                                 \
    "settings: {env: InvertedPendulum-v5, hidden: [16], learning_starts: 60, eval_every: 100, "    \
    "eval_episodes: 1, " more "steps: " steps "}\n"

#define SETTINGS(steps) SETTINGS_WITH("policy: gaussian, batch_size: 16, ", steps)

#define GRID                                                                                       \
    "method: grid\n" SETTINGS(                                                                     \
        "200") "vary:\n  actor_lr: [1e-3, 3e-4]\n  gamma: [0.9, 0.99]\nseeds: 2\n"

#define VARY "vary: {gamma: [0.9, 0.99]}\n"

static void write_sweep(const char *text) {
    scratch_write("a.yaml", text);
}

// The output of a command that succeeds, to be freed.
static char *output_of(const char *const *arguments) {
    outcome o = run(arguments);
    expect_success(&o);
    free(o.err);
    return o.out;
}

static size_t count_lines(const char *text) {
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

// Begins with `expected`, after the program of the commands.
static void expect_line(const char *text, size_t i, const char *expected) {
    for (; i > 0; i--)
        text = strchr(text, '\n') + 1;
    const char *words = strstr(text, " train ");
    cr_assert_not_null(words);
    cr_expect_eq(strncmp(words + 1, expected, strlen(expected)), 0, "%s", words);
}

// ---- Points

Test(sweep, prints_the_commands_of_a_grid) {
    write_sweep(GRID);
    char *text = output_of(ARGUMENTS("sweep", "a.yaml", "--print", "--out", "s"));
    cr_expect_eq(count_lines(text), 8);
#define SHARED                                                                                     \
    "train --env InvertedPendulum-v5 --hidden 16 --learning-starts 60 --eval-every 100 "           \
    "--eval-episodes 1 --policy gaussian --batch-size 16 --steps 200 "
    expect_line(text, 0,
                SHARED "--actor-lr 1e-3 --gamma 0.9 --seed 1 --threads 1 --out "
                       "s/001-actor_lr-1e-3-gamma-0.9-s1\n");
    expect_line(text, 3,
                SHARED "--actor-lr 1e-3 --gamma 0.99 --seed 2 --threads 1 --out "
                       "s/002-actor_lr-1e-3-gamma-0.99-s2\n");
    expect_line(text, 7,
                SHARED "--actor-lr 3e-4 --gamma 0.99 --seed 2 --threads 1 --out "
                       "s/004-actor_lr-3e-4-gamma-0.99-s2\n");
    cr_expect(!exists("s"));
    free(text);
}

// Commands that are printed are for a shell, by way of xargs: they train.
Test(sweep, what_it_prints_trains_and_is_then_left_out) {
    write_sweep("method: grid\n" SETTINGS_WITH(
        "batch_size: 16, ", "80") "vary:\n  policy: ['[lu, coupling(affine)]*2']\n"
                                  "  critic_residual: [true]\nseeds: [7, 9]\n");
    char *text = output_of(ARGUMENTS("sweep", "a.yaml", "--print", "--out", "s"));
    scratch_expect_part(text, " --policy '[lu, coupling(affine)]*2' --critic-residual ");
    *strchr(text, '\n') = '\0';
    scratch_write("command", text);
    cr_assert_eq(system("xargs -d '\\n' -n 1 -P 2 sh -c < command"), 0, "%s", text);
    free(text);
    text = output_of(ARGUMENTS("sweep", "a.yaml", "--print", "--out", "s"));
    cr_expect_eq(count_lines(text), 1);
    scratch_expect_part(text, " --seed 9 ");
    free(text);
}

#define RANDOM(points)                                                                             \
    "method: random\npoints: " points "\ndraw_seed: 4\n" SETTINGS_WITH("", "200") DISTRIBUTIONS

#define DISTRIBUTIONS                                                                              \
    "vary:\n  actor_lr: {log_uniform: [1e-5, 1e-2]}\n  gamma: {uniform: [0.9, 0.99]}\n"            \
    "  n_step: {integer: [1, 3]}\n  policy: [gaussian, 'real_nvp:layers=2,hidden=8']\n"

static double option_of(const char *line, const char *option) {
    const char *at = strstr(line, option);
    cr_assert_not_null(at, "%s", line);
    return atof(at + strlen(option));
}

// 200 points: the mean of log lr is within 5 standard errors of the interval's middle, and each of
// 3 whole numbers and of 2 policies comes up.
Test(sweep, draws_points_from_their_distributions) {
    double sum = 0;
    size_t n_of_step[4] = {0}, n_flows = 0;
    write_sweep(RANDOM("200"));
    char *text = output_of(ARGUMENTS("sweep", "a.yaml", "--print", "--out", "s"));
    cr_assert_eq(count_lines(text), 200);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        const double lr = option_of(line, "--actor-lr "), gamma = option_of(line, "--gamma ");
        const double n_step = option_of(line, "--n-step ");
        cr_expect(lr >= 1e-5 && lr <= 1e-2, "%s", line);
        cr_expect(gamma >= 0.9 && gamma <= 0.99, "%s", line);
        cr_assert(n_step == 1 || n_step == 2 || n_step == 3, "%s", line);
        sum += log10(lr);
        n_of_step[(size_t)n_step]++;
        n_flows += strstr(line, "real_nvp") != NULL;
    }
    free(text);
    cr_expect_lt(fabs(sum / 200 + 3.5), 5 * (3 / sqrt(12)) / sqrt(200));
    for (size_t i = 1; i <= 3; i++)
        cr_expect_geq(n_of_step[i], 200 / 3 - 34); // 5 sqrt(200 2/9)
    cr_expect_lt(abs((int)n_flows - 100), 36);     // 5 sqrt(200 / 4)
}

static char *without_numbers_of_points(char *text) {
    for (char *c = strstr(text, "--out s/"); c != NULL; c = strstr(c + 1, "--out s/"))
        memset(c + 8, ' ', strcspn(c + 8, "-"));
    return text;
}

Test(sweep, more_points_are_added_to_those_that_were_drawn) {
    write_sweep(RANDOM("4"));
    char *few = output_of(ARGUMENTS("sweep", "a.yaml", "--print", "--out", "s"));
    write_sweep(RANDOM("9"));
    char *more = output_of(ARGUMENTS("sweep", "a.yaml", "--print", "--out", "s"));
    without_numbers_of_points(few);
    without_numbers_of_points(more);
    cr_expect_eq(strncmp(few, more, strlen(few)), 0, "%s\n%s", few, more);
    free(few);
    free(more);
}

// ---- Training

static double last_return(const char *dir) {
    mr_run_table table;
    cr_assert_eq(mr_run_table_read(dir, "evaluations.csv", &table), MR_OK, "%s",
                 mr_error_message());
    const double value = mr_run_table_last(&table, "eval/mean_reward");
    mr_run_table_free(&table);
    return value;
}

static double last_step(const char *dir) {
    mr_run_table table;
    cr_assert_eq(mr_run_table_read(dir, "progress.csv", &table), MR_OK, "%s", mr_error_message());
    const double value = mr_run_table_last(&table, "time/total_timesteps");
    mr_run_table_free(&table);
    return value;
}

static void train_sweep(const char *out) {
    outcome o = RUN("sweep", "a.yaml", "--jobs", "2", "--out", out);
    expect_success(&o);
    outcome_free(&o);
}

// The mean over seeds, found anew; the best point first.
Test(sweep, the_table_has_the_mean_return_of_each_point_best_first) {
    double before = INFINITY, mean, iqm, steps;
    char name[64], lr[16], gamma[16];
    write_sweep(GRID);
    train_sweep("s");
    char *text = output_of(ARGUMENTS("sweep", "a.yaml", "--table", "csv", "--out", "s"));
    char *line = strtok(text, "\n");
    cr_expect_str_eq(line, "point,actor_lr,gamma,done,steps,mean return,IQM");
    for (size_t i = 0; i < 4; i++) {
        char dirs[2][80];
        line = strtok(NULL, "\n");
        cr_assert_eq(sscanf(line, "%63[^,],%15[^,],%15[^,],2/2,%lf,%lf,%lf", name, lr, gamma,
                            &steps, &mean, &iqm),
                     6, "%s", line);
        for (int k = 0; k < 2; k++)
            snprintf(dirs[k], sizeof dirs[k], "s/%s-s%d", name, k + 1);
        const double expected = (last_return(dirs[0]) + last_return(dirs[1])) / 2;
        cr_expect_float_eq(mean, expected, 1e-5 * expected); // six digits
        cr_expect_eq(iqm, mean);                             // of two
        cr_expect_eq(steps, 200);
        cr_expect_leq(mean, before);
        before = mean;
    }
    free(text);
}

// A quarter of three seeds is 0.75 of one, so that 0.25 of the least and of the largest are left.
Test(sweep, the_interquartile_mean_leaves_out_a_quarter_at_both_ends) {
    double mean, iqm, sum = 0, least = INFINITY, largest = -INFINITY;
    write_sweep("method: grid\n" SETTINGS("100") "vary:\n  gamma: [0.9]\nseeds: 3\n");
    train_sweep("s");
    for (int k = 1; k <= 3; k++) {
        char dir[64];
        snprintf(dir, sizeof dir, "s/001-gamma-0.9-s%d", k);
        const double value = last_return(dir);
        sum += value;
        least = fmin(least, value);
        largest = fmax(largest, value);
    }
    char *text = output_of(ARGUMENTS("sweep", "a.yaml", "--table", "csv", "--out", "s"));
    cr_assert_eq(sscanf(strchr(text, '\n') + 1, "001-gamma-0.9,0.9,3/3,100,%lf,%lf", &mean, &iqm),
                 2, "%s", text);
    cr_expect_float_eq(mean, sum / 3, 1e-3);
    cr_expect_float_eq(iqm, (sum - 0.75 * (least + largest)) / 1.5, 1e-3);
    free(text);
}

// It is read by jobs that --slurm has put into a queue.
Test(sweep, training_leaves_the_copy_of_the_file_to_jobs) {
    write_sweep("method: grid\n" SETTINGS("100") VARY);
    cr_assert_eq(mkdir("s", 0777) | mkdir("s/.sweep", 0777), 0);
    scratch_write("s/.sweep/sweep.yaml", "of jobs");
    train_sweep("s");
    char *text = scratch_read("s/.sweep/sweep.yaml");
    cr_expect_str_eq(text, "of jobs");
    free(text);
}

// ---- Interruptions

static const char *const killed_runs[] = {"001-actor_lr-1e-3-gamma-0.9-s1",
                                          "004-actor_lr-3e-4-gamma-0.99-s2"};

static void expect_same_sweeps(void) {
    for (size_t i = 0; i < MR_COUNT(killed_runs); i++) {
        char command[256];
        snprintf(command, sizeof command,
                 "cmp whole/%s/policy.safetensors cut/%s/policy.safetensors", killed_runs[i],
                 killed_runs[i]);
        cr_expect_eq(system(command), 0);
        snprintf(command, sizeof command, "cmp whole/%s/evaluations.csv cut/%s/evaluations.csv",
                 killed_runs[i], killed_runs[i]);
        cr_expect_eq(system(command), 0);
    }
}

// At moments of its own, until it is done; each time the runs must have ended before they go on.
static void interrupt(int signal_number, int expected_code) {
    const char *const *arguments = ARGUMENTS("sweep", "a.yaml", "--jobs", "2", "--out", "cut");
    struct timespec now;
    for (int i = 0; i < 4; i++) {
        const pid_t child = start(&(circumstances){0}, "command", arguments);
        clock_gettime(CLOCK_MONOTONIC, &now);
        usleep((useconds_t)(150000 + now.tv_nsec / 1000 % 150000));
        kill(child, signal_number);
        outcome o = finish(child, "command");
        cr_expect(o.code == 0 || o.code == expected_code, "%d: %s", o.code, o.err);
        outcome_free(&o);
    }
    outcome o = run(arguments);
    expect_success(&o);
    outcome_free(&o);
}

Test(sweep, is_as_if_never_killed) {
    write_sweep(GRID);
    train_sweep("whole");
    interrupt(SIGKILL, 128 + SIGKILL);
    expect_same_sweeps();
}

Test(sweep, saves_and_stops_on_a_signal_and_goes_on) {
    write_sweep(GRID);
    train_sweep("whole");
    interrupt(SIGINT, 128 + SIGINT);
    expect_same_sweeps();
}

// Waits until a sweep has begun a child, and the child has come to open its log.
static pid_t wait_for_child(pid_t sweep) {
    char path[64], children[64] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)sweep, (int)sweep);
    for (int i = 0; i < 500 && children[0] == '\0'; i++) {
        usleep(10000);
        FILE *file = fopen(path, "r");
        cr_assert_not_null(file);
        if (fgets(children, sizeof children, file) == NULL)
            children[0] = '\0';
        fclose(file);
    }
    cr_assert_neq(children[0], '\0', "the sweep has begun no run");
    usleep(100000);
    return (pid_t)atoi(children);
}

// A sweep whose first run is held up before it executes its program: its log is a pipe without a
// reader.
static pid_t start_held_up(const char *program, const char *steps, pid_t *run_process) {
    char text[512];
    snprintf(text, sizeof text, "method: grid\n" SETTINGS("%s") VARY, steps);
    write_sweep(text);
    cr_assert_eq(mkdir("s", 0777) | mkdir("s/.sweep", 0777), 0);
    cr_assert_eq(mkfifo("s/.sweep/001-gamma-0.9-s1.log", 0666), 0);
    const pid_t sweep = start(&(circumstances){.program = program, .end_after = 60}, "command",
                              ARGUMENTS("sweep", "a.yaml", "--jobs", "1", "--out", "s"));
    *run_process = wait_for_child(sweep);
    return sweep;
}

Test(sweep, stops_a_run_that_is_only_about_to_begin) {
    pid_t run_process;
    const pid_t sweep = start_held_up(NULL, "100000000", &run_process);
    kill(sweep, SIGTERM);
    outcome o = finish(sweep, "command");
    cr_expect_eq(o.code, 128 + SIGTERM, "%d: %s", o.code, o.err);
    cr_expect(!exists("s/001-gamma-0.9-s1"));
    outcome_free(&o);
}

// Two sweeps on one machine would share the first of its cores otherwise.
Test(sweep, its_runs_may_use_all_cores_that_it_may_use) {
    cpu_set_t own, of_run;
    pid_t run_process;
    const pid_t sweep = start_held_up(NULL, "100", &run_process);
    cr_assert_eq(sched_getaffinity(0, sizeof own, &own), 0);
    cr_assert_eq(sched_getaffinity(run_process, sizeof of_run, &of_run), 0);
    cr_expect(CPU_EQUAL(&own, &of_run));
    kill(sweep, SIGTERM);
    outcome o = finish(sweep, "command");
    outcome_free(&o);
}

// As when the command is built or installed anew.
Test(sweep, goes_on_when_its_program_is_removed) {
    pid_t run_process;
    cr_assert_eq(system("cp " MR_TEST_COMMAND " program"), 0);
    const pid_t sweep = start_held_up("./program", "100", &run_process);
    unlink("program");
    const pid_t reader = start(&(circumstances){.program = "/bin/cat"}, "log",
                               ARGUMENTS("s/.sweep/001-gamma-0.9-s1.log"));
    outcome o = finish(sweep, "command"), log = finish(reader, "log");
    expect_success(&o);
    cr_expect_eq(last_step("s/001-gamma-0.9-s1"), 100);
    cr_expect_eq(last_step("s/002-gamma-0.99-s1"), 100);
    outcome_free(&o);
    outcome_free(&log);
}

// Before the first checkpoint there is nothing to go on from.
Test(sweep, begins_a_run_anew_that_has_no_checkpoint) {
    write_sweep("method: grid\n" SETTINGS("100") "vary:\n  gamma: [0.9, 0.99]\n");
    cr_assert_eq(mkdir("s", 0777) | mkdir("s/001-gamma-0.9-s1", 0777), 0);
    scratch_write("s/001-gamma-0.9-s1/progress.csv", "time/total_timesteps\n");
    outcome o = RUN("sweep", "a.yaml", "--print", "--out", "s");
    expect_refusal(&o, 2, "s/001-gamma-0.9-s1 has no checkpoint to resume from; ");
    o = RUN("sweep", "a.yaml", "--out", "s");
    expect_success(&o);
    scratch_expect_part(o.err, "s/001-gamma-0.9-s1 has no checkpoint to resume from: moved to "
                               "s/.sweep/no_checkpoint-0-1; the run begins anew\n");
    outcome_free(&o);
    cr_expect(exists("s/.sweep/no_checkpoint-0-1/progress.csv"));
    cr_expect_eq(last_step("s/001-gamma-0.9-s1"), 100);
}

Test(sweep, a_run_that_fails_is_named_and_the_others_go_on) {
    write_sweep("method: grid\n" SETTINGS("100") "vary:\n  gamma: [0.9, 0.99]\n");
    cr_assert_eq(mkdir("s", 0777) | mkdir("s/001-gamma-0.9-s1", 0777), 0);
    scratch_write("s/001-gamma-0.9-s1/checkpoint.safetensors", "damaged");
    outcome o = RUN("sweep", "a.yaml", "--jobs", "1", "--out", "s");
    cr_expect_eq(o.code, 1);
    scratch_expect_part(o.err, "[1/2] s/001-gamma-0.9-s1: failed with exit code 2 at step 0; see "
                               "s/.sweep/001-gamma-0.9-s1.log\n");
    scratch_expect_part(o.err, "1 of 2 runs failed; their logs are in s/.sweep");
    cr_expect_eq(last_step("s/002-gamma-0.99-s1"), 100);
    outcome_free(&o);
}

// Bytes after those that were on the disk at the checkpoint.
Test(sweep, goes_on_with_a_run_whose_table_a_power_cut_has_damaged) {
    write_sweep("method: grid\n" SETTINGS("100") VARY);
    train_sweep("s");
    cr_assert_eq(system("printf '\\0\\0\\0' >> s/001-gamma-0.9-s1/progress.csv"), 0);
    write_sweep("method: grid\n" SETTINGS("200") VARY);
    train_sweep("s");
    cr_expect_eq(last_step("s/001-gamma-0.9-s1"), 200);
    cr_expect_eq(last_step("s/002-gamma-0.99-s1"), 200);
}

// The first digit of the mean return at step 100.
static void damage_evaluations(const char *dir) {
    char command[128];
    snprintf(command, sizeof command, "sed -i 's/^100,./100,x/' %s/evaluations.csv", dir);
    cr_assert_eq(system(command), 0);
}

Test(sweep, a_run_with_a_damaged_table_is_named_and_the_others_go_on) {
    write_sweep("method: grid\n" SETTINGS("100") VARY);
    train_sweep("s");
    damage_evaluations("s/001-gamma-0.9-s1");
    write_sweep("method: grid\n" SETTINGS("200") VARY);
    outcome o = RUN("sweep", "a.yaml", "--jobs", "1", "--out", "s");
    cr_expect_eq(o.code, 1);
    scratch_expect_part(o.err, "[1/2] s/001-gamma-0.9-s1: no results: "
                               "s/001-gamma-0.9-s1/evaluations.csv:2: 'x");
    cr_expect_eq(last_step("s/002-gamma-0.99-s1"), 200);
    outcome_free(&o);
}

Test(sweep, a_table_has_all_points_beside_a_damaged_one) {
    write_sweep("method: grid\n" SETTINGS("100") VARY);
    train_sweep("s");
    damage_evaluations("s/001-gamma-0.9-s1");
    outcome o = RUN("sweep", "a.yaml", "--table", "csv", "--out", "s");
    expect_success(&o);
    scratch_expect_part(o.err, "warning: 001-gamma-0.9: s/001-gamma-0.9-s1/evaluations.csv:2: 'x");
    cr_expect_eq(count_lines(o.out), 3);
    scratch_expect_part(o.out, "\n001-gamma-0.9,0.9,0/1,,,\n");
    scratch_expect_part(o.out, "\n002-gamma-0.99,0.99,1/1,100,");
    outcome_free(&o);
}

// ---- Halving

// 9, 3 and 1 of 9 points; the best of a round by the table are in the next.
Test(sweep, halving_goes_on_with_the_best_points) {
    double returns[9];
    size_t n_of_steps[3] = {0};
    write_sweep("method: halving\nfirst_steps: 100\neta: 3\n" SETTINGS(
        "500") "vary:\n  actor_lr: [1e-4, 1e-3, 1e-2]\n  gamma: [0.8, 0.9, 0.99]\n");
    train_sweep("s");
    char *text = output_of(ARGUMENTS("sweep", "a.yaml", "--table", "csv", "--out", "s"));
    cr_expect_eq(count_lines(text), 10);
    strtok(text, "\n"); // the names of the columns
    for (int i = 0; i < 9; i++) {
        char dir[80], name[64];
        const char *line = strtok(NULL, "\n");
        cr_assert_eq(sscanf(line, "%63[^,]", name), 1);
        snprintf(dir, sizeof dir, "s/%s-s1", name);
        const double step = last_step(dir);
        cr_expect_eq(step, i < 1 ? 500 : i < 3 ? 300 : 100, "%s", line);
        n_of_steps[step == 100 ? 0 : step == 300 ? 1 : 2]++;
        mr_run_table table;
        double first = NAN;
        cr_assert_eq(mr_run_table_read(dir, "evaluations.csv", &table), MR_OK);
        cr_assert_eq(mr_run_table_number(&table, 0, 1, &first), MR_OK);
        returns[i] = first; // at step 100
        mr_run_table_free(&table);
    }
    cr_expect_eq(n_of_steps[0], 6);
    cr_expect_eq(n_of_steps[1], 2);
    cr_expect_eq(n_of_steps[2], 1);
    for (int i = 0; i < 3; i++)
        for (int k = 3; k < 9; k++)
            cr_expect_geq(returns[i], returns[k]);
    free(text);
}

// Its return is not known, so that the other point goes on.
Test(sweep, halving_eliminates_a_point_with_a_damaged_table) {
    write_sweep("method: halving\nfirst_steps: 100\neta: 2\n" SETTINGS("200") VARY);
    train_sweep("s");
    const bool first_went_on = last_step("s/001-gamma-0.9-s1") == 200;
    const char *best = first_went_on ? "s/001-gamma-0.9-s1" : "s/002-gamma-0.99-s1";
    const char *other = first_went_on ? "s/002-gamma-0.99-s1" : "s/001-gamma-0.9-s1";
    damage_evaluations(best);
    outcome o = RUN("sweep", "a.yaml", "--jobs", "1", "--out", "s");
    cr_expect_eq(o.code, 1);
    scratch_expect_part(o.err, best);
    cr_expect_eq(last_step(other), 200);
    outcome_free(&o);
}

// ---- What is refused

static void expect_refused(const char *text, const char *part) {
    write_sweep(text);
    outcome o = RUN("sweep", "a.yaml", "--out", "s");
    cr_expect(o.code == 1 || o.code == 2, "%d", o.code);
    cr_expect_eq(count_lines(o.err), 1, "%s", o.err);
    scratch_expect_part(o.err, part);
    cr_expect(!exists("s"), "%s", part);
    outcome_free(&o);
}

Test(sweep, refuses_what_makes_no_sense_before_anything_begins) {
    static const char *const cases[][2] = {
        {"", "a.yaml is empty"},
        {"steps: 5\n", "a.yaml:1:1: a sweep has no entry steps; there are method, settings, vary"},
        {"method: grit\n", "a.yaml:1:9: method must be one of grid, random and halving"},
        {SETTINGS("100"), "a sweep of one run"},
        {SETTINGS("100") "vary:\n  gama: [0.9, 0.99]\n",
         "a.yaml:3:9: gama is not a setting; did you mean gamma?"},
        {SETTINGS("100") "vary:\n  gamma: [0.9, 1.5]\n",
         "a.yaml:3:10: gamma must be a number from 0 to 1, not '1.5'"},
        {SETTINGS("100") "vary:\n  gamma: {uniform: [0.9, 0.99]}\n",
         "a.yaml:3:10: gamma: a grid needs a list of values"},
        {SETTINGS("100") "vary:\n  gamma: {normal: [0.9, 0.99]}\n",
         "expected a list of values, or"},
        {SETTINGS("100") "vary:\n  gamma: {log_uniform: [0, 1]}\n",
         "log_uniform needs numbers above 0"},
        {SETTINGS("100") "vary:\n  gamma: {uniform: [1, 0]}\n", "must be the smaller one"},
        {SETTINGS("100") "vary: {seed: [1, 2]}\n",
         "seed is the sweep's to set; list them under `seeds`"},
        {SETTINGS("100") VARY "seeds: [1, 1]\n", "the seed 1 is given twice"},
        {SETTINGS("100") "vary: {hidden: [[8], [16]]}\n", "hidden is given twice; keep one"},
        {"method: random\n" SETTINGS("100") VARY, "method random needs points"},
        {"method: halving\n" SETTINGS("100") VARY, "method halving needs first_steps"},
        {"method: halving\nfirst_steps: 50\n" SETTINGS("500") VARY,
         "first_steps is 50, no multiple of eval_every, which is 100"},
        {"settings: {env: Nowhere-v5}\n" VARY, "point 001-gamma-0.9: "},
        {SETTINGS_WITH("", "100") "vary:\n  policy: [gaussian, 'real_nvq:layers=2']\n",
         "point 002-policy-real_nvq-layers-2: "},
        {SETTINGS("100") VARY "slurm: {mem_per: 2G}\n",
         "a.yaml:3:18: mem_per: not the long name of an option of sbatch"},
        {SETTINGS("100") VARY "slurm: {comment: \"a\\nb\"}\n",
         "a.yaml:3:18: comment: a line break or another control character"},
        {SETTINGS_WITH("", "100") "vary:\n  batch_size: [16, 2000]\n  buffer_size: [1000]\n",
         "buffer_size is 1000, less than the batch_size of 2000"},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++)
        expect_refused(cases[i][0], cases[i][1]);
}

Test(sweep, refuses_to_go_on_with_other_settings_than_its_runs_were_begun_with) {
    write_sweep("method: grid\n" SETTINGS("100") VARY);
    train_sweep("s");
    write_sweep("method: grid\n" SETTINGS("100, n_step: 2") VARY);
    outcome o = RUN("sweep", "a.yaml", "--out", "s");
    expect_refusal(&o, 2, "s/001-gamma-0.9-s1 was begun with n_step 1, and a.yaml now has 2");
}

// More steps and more seeds are no other settings.
Test(sweep, goes_on_for_longer_and_with_more_seeds) {
    write_sweep("method: grid\n" SETTINGS("100") VARY);
    train_sweep("s");
    write_sweep("method: grid\n" SETTINGS("200") VARY "seeds: 2\n");
    train_sweep("s");
    cr_expect_eq(last_step("s/001-gamma-0.9-s1"), 200);
    cr_expect_eq(last_step("s/002-gamma-0.99-s2"), 200);
}
