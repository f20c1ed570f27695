// Sweeps as job arrays, with programs in the place of Slurm's that answer as a cluster in trouble
// does. tests/scripts/test_slurm.py has a real Slurm.

#include "tests/cli/same_run.h"

TestSuite(sweep_slurm, .init = scratch_enter, .fini = scratch_leave);

static const char sweep_text[] =
    "settings: {env: InvertedPendulum-v5, policy: gaussian, hidden: [16], steps: 100}\n"
    "vary: {gamma: [0.9, 0.95, 0.98, 0.99]}\n";

// A shell script that is found before Slurm's program of that name.
static void write_program(const char *name, const char *commands) {
    char path[64], text[512];
    mkdir("bin", 0777);
    snprintf(path, sizeof path, "bin/%s", name);
    snprintf(text, sizeof text, "#!/bin/sh\n%s\n", commands);
    scratch_write(path, text);
    cr_assert_eq(chmod(path, 0777), 0);
}

static pid_t start_submitting(const char *name, const char *out) {
    char path[128];
    snprintf(path, sizeof path, "%s/bin:/usr/bin:/bin", scratch_folder);
    return start(&(circumstances){.path = path}, name,
                 ARGUMENTS("sweep", "a.yaml", "--slurm", "--jobs", "2", "--out", out));
}

static outcome submit_text(const char *text, const char *out) {
    scratch_write("a.yaml", text);
    return finish(start_submitting("command", out), "command");
}

static outcome submit(void) {
    return submit_text(sweep_text, "s");
}

// An earlier call has submitted job 7.
static void write_job(void) {
    cr_assert_eq(mkdir("s", 0777) | mkdir("s/.sweep", 0777), 0);
    scratch_write("s/.sweep/jobs", "7");
    write_program("sbatch", "touch submitted; echo 8");
}

static void expect_jobs(const char *expected) {
    char *text = scratch_read("s/.sweep/jobs");
    cr_expect_str_eq(text, expected);
    free(text);
}

// ---- What squeue says

Test(sweep_slurm, submits_nothing_if_the_queue_does_not_answer) {
    write_job();
    write_program("squeue", "echo 'slurm_load_jobs error: Socket timed out' >&2; exit 1");
    outcome o = submit();
    expect_refusal(&o, 1,
                   "nothing was submitted, because jobs of this sweep may be in the queue: squeue "
                   "failed with exit code 1: slurm_load_jobs error: Socket timed out\n");
    cr_expect(!exists("submitted"));
    expect_jobs("7");
}

Test(sweep_slurm, submits_again_when_slurm_has_forgotten_the_job) {
    write_job();
    write_program("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1");
    outcome o = submit();
    expect_success(&o);
    cr_expect_str_eq(o.out, "submitted job 8: --array=0-3%2\n");
    expect_jobs("8");
    outcome_free(&o);
}

// More than a pipe holds: a program whose output nobody reads to its end dies of SIGPIPE.
Test(sweep_slurm, submits_nothing_if_the_queue_is_long) {
    write_job();
    write_program("squeue", "exec seq 100000");
    outcome o = submit();
    expect_refusal(&o, 2, "jobs of this sweep are in the queue already (7)");
    cr_expect(!exists("submitted"));
}

// ---- What jobs in the queue rely on

// A job reads the copy of the file when its turn comes, and finds its run in it by a number.
Test(sweep_slurm, jobs_in_the_queue_keep_the_file_that_they_were_submitted_with) {
    write_program("sbatch", "echo 8");
    write_program("squeue", "echo 8");
    outcome o = submit();
    expect_success(&o);
    outcome_free(&o);
    o = submit_text("settings: {env: InvertedPendulum-v5, policy: gaussian, hidden: [16], "
                    "steps: 100}\nvary: {gamma: [0.5, 0.9]}\n",
                    "s");
    expect_refusal(&o, 2, "jobs of this sweep are in the queue already (8)");
    char *text = scratch_read("s/.sweep/sweep.yaml");
    cr_expect_str_eq(text, sweep_text);
    free(text);
}

Test(sweep_slurm, two_calls_at_once_submit_one_sweep) {
    write_program("sbatch", "echo >> submitted; sleep 0.5; echo 8");
    write_program("squeue", "echo 8");
    scratch_write("a.yaml", sweep_text);
    const pid_t first = start_submitting("first", "s"), second = start_submitting("second", "s");
    outcome a = finish(first, "first"), b = finish(second, "second");
    cr_expect_eq(a.code + b.code, 2, "%d and %d", a.code, b.code);
    char *text = scratch_read("submitted");
    cr_expect_str_eq(text, "\n");
    free(text);
    outcome_free(&a);
    outcome_free(&b);
}

// ---- What sbatch says

Test(sweep_slurm, takes_the_id_of_a_job_that_sbatch_warns_of) {
    write_program("sbatch", "echo 'sbatch: warning: no account' >&2; echo '12;cluster'");
    outcome o = submit();
    expect_success(&o);
    cr_expect_str_eq(o.out, "submitted job 12: --array=0-3%2\n");
    cr_expect_str_eq(o.err, "sbatch: warning: no account\n");
    expect_jobs("12");
    outcome_free(&o);
}

Test(sweep_slurm, says_that_a_job_without_an_id_may_be_in_the_queue) {
    write_program("sbatch", "echo Submitted.");
    outcome o = submit();
    expect_refusal(&o, 1, "sbatch succeeds but writes no id of a job: 'Submitted.");
}

Test(sweep_slurm, tells_why_sbatch_fails) {
    write_program("sbatch",
                  "echo 'sbatch: error: no' >&2; echo 'sbatch: error: never' >&2; exit 9");
    outcome o = submit();
    expect_refusal(&o, 1,
                   "cannot submit the sweep: sbatch failed with exit code 9: sbatch: error: no "
                   "sbatch: error: never\n");
}

// 127 is a shell's code for a missing program; sbatch is there.
Test(sweep_slurm, an_exit_code_of_127_is_no_missing_sbatch) {
    write_program("sbatch", "exit 127");
    outcome o = submit();
    expect_refusal(&o, 1, "sbatch failed with exit code 127");
}

Test(sweep_slurm, says_that_sbatch_is_missing) {
    scratch_write("a.yaml", sweep_text);
    outcome o = run_under(&(circumstances){.path = scratch_folder},
                          ARGUMENTS("sweep", "a.yaml", "--slurm", "--out", "s"));
    expect_refusal(&o, 2, "there is no sbatch here; --slurm needs Slurm's commands");
}

// The system's reason, rather than that sbatch is missing.
Test(sweep_slurm, says_why_sbatch_cannot_be_run) {
    write_program("sbatch", "echo 8");
    cr_assert_eq(chmod("bin/sbatch", 0666), 0);
    scratch_write("a.yaml", sweep_text);
    outcome o = run_under(&(circumstances){.path = "bin"},
                          ARGUMENTS("sweep", "a.yaml", "--slurm", "--out", "s"));
    expect_refusal(&o, 1, "cannot run sbatch: Permission denied");
}

// ---- What is submitted

static void write_run_that_is_done(const char *dir) {
    char path[128];
    snprintf(path, sizeof path, "s/%s", dir);
    cr_assert_eq(mkdir(path, 0777), 0);
    snprintf(path, sizeof path, "s/%s/progress.csv", dir);
    scratch_write(path, "time/total_timesteps\n100\n");
}

Test(sweep_slurm, submits_ranges_of_what_is_left) {
    write_program("sbatch", "echo 8");
    cr_assert_eq(mkdir("s", 0777), 0);
    write_run_that_is_done("002-gamma-0.95-s1");
    outcome o = submit();
    expect_success(&o);
    cr_expect_str_eq(o.out, "submitted job 8: --array=0,2-3%2\n");
    outcome_free(&o);
}

// sbatch takes the quotation marks and backslashes off, and one of two percent signs.
Test(sweep_slurm, quotes_what_the_script_has_of_names_and_values) {
    char log[256];
    write_program("sbatch", "cp s*/.sweep/job.sh script; echo 8");
    outcome o = submit_text("settings: {env: InvertedPendulum-v5, policy: gaussian}\n"
                            "vary: {gamma: [0.9, 0.99]}\n"
                            "slurm: {comment: 'a \"b\" \\c 5%'}\n",
                            "s 50%");
    expect_success(&o);
    outcome_free(&o);
    char *text = scratch_read("script");
    scratch_expect_part(text, "#SBATCH --job-name=\"s 50%\"\n");
    snprintf(log, sizeof log, "#SBATCH --output=\"%s/s 50%%%%/.sweep/job-%%a.log\"\n",
             scratch_folder);
    scratch_expect_part(text, log);
    scratch_expect_part(text, "#SBATCH --comment=\"a \\\"b\\\" \\\\c 5%\"\n");
    free(text);
}

// ---- When the time of a job is nearly over

// A task that SIGUSR1 stops, in the job of that number.
static outcome stop_task(const char *job) {
    char path[128];
    snprintf(path, sizeof path, "%s/bin:/usr/bin:/bin", scratch_folder);
    scratch_write("a.yaml", "settings: {env: InvertedPendulum-v5, policy: gaussian, hidden: [16], "
                            "steps: 100000000}\nvary: {gamma: [0.9, 0.99]}\n");
    if (job)
        setenv("SLURM_JOB_ID", job, 1);
    else
        unsetenv("SLURM_JOB_ID");
    const pid_t task = start(&(circumstances){.path = path, .end_after = 60}, "command",
                             ARGUMENTS("sweep", "a.yaml", "--task", "0", "--out", "s"));
    while (waitpid(task, NULL, WNOHANG) == 0 && !exists("s/001-gamma-0.9-s1/progress.csv"))
        usleep(10000);
    kill(task, SIGUSR1);
    return finish(task, "command");
}

// Outside of Slurm, as well: another scheduler must not take it for done.
Test(sweep_slurm, a_task_without_a_job_that_is_stopped_is_not_done) {
    outcome o = stop_task(NULL);
    cr_expect_eq(o.code, 128 + SIGUSR1, "%d: %s", o.code, o.err);
    scratch_expect_part(o.err, "stopped; the same command goes on\n");
    outcome_free(&o);
}

Test(sweep_slurm, a_task_whose_time_is_nearly_over_requeues_its_job) {
    write_program("scontrol", "echo \"$*\" > asked");
    outcome o = stop_task("31");
    cr_expect_eq(o.code, 128 + SIGUSR1, "%d: %s", o.code, o.err);
    char *asked = scratch_read("asked");
    cr_expect_str_eq(asked, "requeue 31\n");
    free(asked);
    outcome_free(&o);
}

Test(sweep_slurm, tells_why_a_job_cannot_be_requeued) {
    write_program("scontrol", "echo 'Job can not be requeued' >&2; exit 1");
    outcome o = stop_task("31");
    cr_expect_eq(o.code, 1);
    scratch_expect_part(o.err, "cannot put the job back into the queue: scontrol failed with exit "
                               "code 1: Job can not be requeued\n");
    outcome_free(&o);
}
