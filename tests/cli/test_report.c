// `millrace report`. How its page looks is tested in tests/pages.

#include "tests/cli/command_runner.h"

TestSuite(report_command, .init = scratch_enter, .fini = scratch_leave);

static void write_run(const char *dir, const char *progress, const char *evaluations) {
    char path[128], text[1024];
    mkdir(dir, 0777);
    snprintf(path, sizeof path, "%s/config.yaml", dir);
    scratch_write(path, "env: Some-v0\nsteps: 3000\npolicy: gaussian\n");
    snprintf(path, sizeof path, "%s/progress.csv", dir);
    snprintf(text, sizeof text, "time/total_timesteps,time/time_elapsed,rollout/<b>\n%s", progress);
    scratch_write(path, text);
    snprintf(path, sizeof path, "%s/evaluations.csv", dir);
    snprintf(text, sizeof text, "time/total_timesteps,eval/mean_reward\n%s", evaluations);
    scratch_write(path, text);
}

// A run that has only just begun is named, and those that have something to show are drawn. Names
// are shown as they are.
Test(report_command, reports_runs_of_which_some_have_only_begun) {
    write_run("a", "1000,10,1\n2000,20,2\n", "1000,1\n2000,2\n");
    write_run("b", "", "");
    outcome o = RUN("report", "a", "b", "--out", "r.html", "--group-by", "policy");
    expect_success(&o);
    cr_expect_str_eq(o.out, "r.html\n");
    char *page = scratch_read("r.html");
    scratch_expect_part(page, "2 runs of Some-v0");
    scratch_expect_part(page, "data-curve=\"0\"");
    scratch_expect_part(page, "<figcaption>&lt;b&gt;");
    scratch_expect_part(
        page, "millrace train Some-v0 --agent sac --policy gaussian --steps 3000 --out b-again");
    cr_expect_null(strstr(page, "<b>"));
    free(page);
    outcome_free(&o);
    o = RUN("report", "b", "--out", "r.html");
    expect_success(&o);
    page = scratch_read("r.html");
    scratch_expect_part(page, "not evaluated yet");
    free(page);
    outcome_free(&o);
}

// By hand: four episodes of 0 and six of 100 have the mean 60, whose interval goes from 30 to 90
// (test_statistics.c). Their interquartile mean is 70.
Test(report_command, shows_the_mean_return_of_a_single_run) {
    write_run("a", "1000,10,1\n2000,20,2\n", "");
    scratch_write("a/evaluations.csv", "time/total_timesteps,eval/mean_reward,eval/returns\n"
                                       "2000,60,0 0 0 0 100 100 100 100 100 100\n");
    outcome o = RUN("report", "a", "--out", "r.html");
    expect_success(&o);
    char *page = scratch_read("r.html");
    scratch_expect_part(page, "data-label=\"interquartile mean\">60.0</td>");
    scratch_expect_part(page, "<span>30.0 to 90.0 <span class=\"quiet\">(10 episodes)");
    free(page);
    outcome_free(&o);
}

// A run directory may be somebody else's.
Test(report_command, shows_the_texts_of_trainer_json_as_they_are) {
    write_run("a", "1000,10,1\n2000,20,2\n", "1000,1\n2000,2\n");
    scratch_write(
        "a/trainer.json",
        "{\"format\": \"millrace.trainer\", \"state\": \"finished\", \"version\": \"<b>1\", "
        "\"engine\": \"<b>2\", \"engine_version\": \"<b>3\", \"host\": \"<b>4\", \"began\": "
        "\"<b>5\", \"ended\": \"<b>6\"}");
    outcome o = RUN("report", "a", "--out", "r.html");
    expect_success(&o);
    char *page = scratch_read("r.html");
    scratch_expect_part(page,
                        "<p>millrace &lt;b&gt;1, &lt;b&gt;2 &lt;b&gt;3; on &lt;b&gt;4, begun or "
                        "resumed &lt;b&gt;5, ended &lt;b&gt;6</p>");
    cr_expect_null(strstr(page, "<b>"));
    free(page);
    outcome_free(&o);
}

Test(report_command, says_what_it_cannot_do_and_leaves_nothing_behind) {
    write_run("a", "1000,10,1\n2000,20,2\n", "1000,1\n2000,2\n");
    mkdir("empty", 0777);
    outcome o = RUN("report", "a", "--out", "r.pdf");
    expect_refusal(&o, 2, "--out must end in .html, not 'r.pdf'");
    o = RUN("report", "a", "none");
    expect_refusal(&o, 1, "none/config.yaml");
    o = RUN("report", "empty");
    expect_refusal(&o, 1, "empty is not the directory of a run");
    o = RUN("report", "a", "--out", "no/such/r.html");
    expect_refusal(&o, 1, "no/such");
    o = run_under(&(circumstances){.path = "/nowhere"}, ARGUMENTS("report", "a"));
    expect_refusal(&o, 1, "install the package gnuplot-nox");
    scratch_write("a/evaluations.csv", "time/total_timesteps,eval/mean_reward\n1000\n");
    o = RUN("report", "a");
    expect_refusal(&o, 1, "a/evaluations.csv:2: 1 cells under a header of 2 columns");
    write_run("b", "1000,10,1\n2000,20,2\n", "1000,1\n2000,2\n"); // another seed of the same
    write_run("a", "1000,10,1\n2000,20,2\n", "1000,1\n2000,abc\n");
    o = RUN("report", "a", "b");
    expect_refusal(&o, 1, "a/evaluations.csv:3: 'abc' under eval/mean_reward is not a number");
    write_run("a", "1000,10,1\n2000,20,2\n", "1000,1\n1000,2\n");
    o = RUN("report", "a", "b");
    expect_refusal(&o, 1, "a/evaluations.csv:3: the steps do not go up");
    cr_expect_neq(access("report.html", F_OK), 0);
}
