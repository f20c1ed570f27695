// Training, evaluating and plotting from the command line, on runs of a few hundred steps.

#include <glob.h>
#include <jansson.h>
#include <math.h>

#include "agents/policy.h"
#include "agents/settings.h"
#include "base/matrix_file.h"
#include "tests/agents/set.h"
#include "cli/runs/run_table.h"
#include "tests/cli/command_runner.h"

TestSuite(train_command, .init = scratch_enter, .fini = scratch_leave);

#define TINY_OF(hidden, eval_every)                                                                \
    "train", "InvertedPendulum-v5", "--threads", "1", "--hidden", hidden, "--policy",              \
        "real_nvp:layers=2,hidden=8", "--batch-size", "16", "--learning-starts", "50",             \
        "--buffer-size", "1000", "--eval-every", eval_every, "--eval-episodes", "2"
#define TINY TINY_OF("16", "100")

static void train_into(const char *dir) {
    outcome o = RUN(TINY, "--steps", "150", "--out", dir);
    cr_assert_eq(o.code, 0, "%s", o.err);
    outcome_free(&o);
}

static mr_bytes read_bytes(const char *path) {
    char *data;
    size_t n_bytes;
    cr_assert_eq(mr_file_read(path, &data, &n_bytes), MR_OK, "%s", mr_error_message());
    return (mr_bytes){data, n_bytes};
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

static size_t count_paths(const char *pattern) {
    glob_t found;
    const size_t n = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return n;
}

static size_t count_lines(const char *path) {
    char *text = scratch_read(path);
    size_t n = 0;
    for (const char *c = text; *c != '\0'; c++)
        n += *c == '\n';
    free(text);
    return n;
}

static void expect_same_file(const char *path_a, const char *path_b, bool same) {
    char *a, *b;
    size_t n_a, n_b;
    cr_assert_eq(mr_file_read(path_a, &a, &n_a), MR_OK);
    cr_assert_eq(mr_file_read(path_b, &b, &n_b), MR_OK);
    cr_expect_eq(n_a == n_b && memcmp(a, b, n_a) == 0, same, "%s and %s", path_a, path_b);
    free(a);
    free(b);
}

Test(train_command, begins_with_the_nets_of_another_run) {
    outcome o = RUN("train", "InvertedPendulum-v5", "--hidden", "16", "--steps", "150",
                    "--learning-starts", "100", "--eval-episodes", "1", "--out", "a");
    expect_success(&o);
    outcome_free(&o);
    o = RUN("train", "InvertedPendulum-v5", "--from", "a", "--steps", "20", "--eval-episodes", "1",
            "--out", "b");
    expect_success(&o);
    scratch_expect_part(o.err, ", seed 1, from the nets of a; results go to b");
    outcome_free(&o);
    char *text = scratch_read("b/config.yaml");
    scratch_expect_part(text, "\nfrom: a\n");
    scratch_expect_part(text, "\nhidden: [16]\n");
    free(text);
    o = RUN("train", "InvertedPendulum-v5", "--from", "a", "--hidden", "8", "--out", "c");
    expect_refusal(&o, 2, "hidden is 8, but a has 16, whose nets this run begins with");
    o = RUN("train", "Hopper-v5", "--from", "a", "--out", "c");
    expect_refusal(&o, 2, "nets fit only tasks of the same sizes");
}

Test(train_command, a_preset_is_overridden_by_files_and_options_and_written_out) {
    scratch_write("a.yaml", "gamma: 0.9\n");
    outcome o = RUN("train", "InvertedPendulum-v5", "--preset", "td3", "--config", "a.yaml",
                    "--hidden", "16", "--steps", "60", "--eval-episodes", "1", "--out", "a");
    expect_success(&o);
    outcome_free(&o);
    char *text = scratch_read("a/config.yaml");
    scratch_expect_part(text, "\npreset: td3\nagent: td3\n");
    scratch_expect_part(text, "\nlearning_starts: 25000\n");
    scratch_expect_part(text, "\ngamma: 0.9\n");
    scratch_expect_part(text, "\nhidden: [16]\n");
    free(text);
    o = RUN("train", "InvertedPendulum-v5", "--preset", "sac", "--config", "a/config.yaml");
    expect_refusal(&o, 2,
                   "preset is sac, but the settings of --config are those of the preset td3");
    o = RUN("train", "--resume", "a", "--preset", "sac");
    expect_refusal(&o, 2, "preset is sac, but the run goes on only with the td3");
}

Test(train_command, presets_are_listed_and_shown) {
    outcome o = RUN("presets");
    cr_expect_eq(o.code, 0);
    scratch_expect_part(o.out, "\ntd3 ");
    outcome_free(&o);
    o = RUN("presets", "td3");
    cr_expect_eq(o.code, 0);
    scratch_expect_part(o.out, "\nagent: td3\n");
    outcome_free(&o);
    o = RUN("presets", "td2");
    expect_refusal(&o, 2, "there is no preset td2; did you mean td3? there are ");
}

Test(train_command, leaves_its_results_in_a_directory) {
    outcome o = RUN(TINY, "--steps", "250", "--out", "a/b");
    expect_success(&o);
    scratch_expect_part(o.out, "step 100: mean return ");
    scratch_expect_part(o.out, "results are in a/b");
    scratch_expect_part(o.err, "results go to a/b");
    static const char *const names[] = {"a/b/config.yaml", "a/b/progress.csv",
                                        "a/b/policy.safetensors", "a/b/best_policy.safetensors"};
    for (size_t i = 0; i < MR_COUNT(names); i++)
        cr_expect(exists(names[i]), "%s", names[i]);
    cr_expect_eq(count_lines("a/b/evaluations.csv"), 4); // columns; steps 100, 200 and 250
    cr_expect_eq(count_paths("a/b/*tmp*"), 0);
    outcome_free(&o);
}

// All episodes of the run are in its one row, and fewer than the 100 that ep_rew_mean is over.
Test(train_command, the_parts_of_the_reward_add_up_to_the_return) {
    outcome o = RUN("train", "Hopper-v5", "--threads", "1", "--hidden", "8", "--steps", "600",
                    "--learning-starts", "600", "--eval-episodes", "1", "--out", "a");
    expect_success(&o);
    outcome_free(&o);
    mr_run_table progress;
    cr_assert_eq(mr_run_table_read("a", "progress.csv", &progress), MR_OK);
    const double sum = mr_run_table_last(&progress, "rollout/reward_forward") +
                       mr_run_table_last(&progress, "rollout/reward_ctrl") +
                       mr_run_table_last(&progress, "rollout/reward_survive");
    const double mean = mr_run_table_last(&progress, "rollout/ep_rew_mean");
    cr_expect_lt(fabs(sum - mean), 4e-9 * fabs(mean), "%.10g %.10g", sum, mean); // ten digits
    // Each step that keeps the hopper up pays 1, so that the last one of each episode does not.
    const double n = mr_run_table_last(&progress, "rollout/ep_len_mean");
    const double survive = mr_run_table_last(&progress, "rollout/reward_survive");
    cr_expect_lt(fabs(survive - (n - 1)), 1e-8 * n, "%.10g of %.10g", survive, n);
    mr_run_table_free(&progress);
}

Test(train_command, options_override_files_and_files_defaults) {
    scratch_write("a.yaml", "env: InvertedPendulum-v5\nsteps: 20\ngamma: 0.9\ntau: 0.1\n"
                            "hidden: [8]\nbatch_size: 4\nbuffer_size: 30\neval_episodes: 1\n");
    outcome o = RUN("train", "--agent", "sac", "--gamma", "0.8", "--set", "tau=0.3", "--config",
                    "a.yaml", "--out", "a", "--threads", "1");
    expect_success(&o);
    outcome_free(&o);
    mr_settings found;
    mr_settings_init(&found);
    const double default_lr = sac_options(&found)->critic_lr;
    cr_assert_eq(mr_settings_read(&found, "a/config.yaml"), MR_OK, "%s", mr_error_message());
    cr_expect_eq(sac_options(&found)->critic_lr, default_lr);
    cr_expect_eq(found.batch_size, 4);
    cr_expect_eq(found.gamma, 0.8);
    cr_expect_eq(sac_options(&found)->tau, 0.3);
}

Test(train_command, the_config_of_a_run_makes_the_same_run_again) {
    train_into("a");
    outcome o = RUN("train", "--config", "a/config.yaml", "--out", "b");
    expect_success(&o);
    outcome_free(&o);
    expect_same_file("a/policy.safetensors", "b/policy.safetensors", true);
    expect_same_file("a/config.yaml", "b/config.yaml", true);
    o = RUN("train", "--config", "a/config.yaml", "--out", "c", "--seed", "2");
    expect_success(&o);
    outcome_free(&o);
    expect_same_file("a/policy.safetensors", "c/policy.safetensors", false);
}

Test(train_command, refuses_a_directory_that_exists) {
    cr_assert_eq(mkdir("a", 0777), 0);
    outcome o = RUN(TINY, "--steps", "150", "--out", "a");
    expect_refusal(&o, 2, "a exists already; remove it or choose another name");
    cr_expect_eq(count_paths("a/*"), 0);
}

Test(train_command, runs_without_a_name_never_clash) {
    enum { N_RUNS = 3 };
    pid_t children[N_RUNS];
    const char *const names[N_RUNS] = {"0", "1", "2"};
    for (size_t i = 0; i < N_RUNS; i++)
        children[i] = start(&(circumstances){0}, names[i], ARGUMENTS(TINY, "--steps", "60"));
    for (size_t i = 0; i < N_RUNS; i++) {
        outcome o = finish(children[i], names[i]);
        expect_success(&o);
        outcome_free(&o);
    }
    cr_expect_eq(
        count_paths("runs/InvertedPendulum-v5-real_nvp-layers-2-hidden-8-s1-2*/policy.safetensors"),
        N_RUNS);
}

// An episode pays 1 a step: at least 1, and at most 1000.
Test(train_command, ends_at_the_evaluation_that_reaches_a_return) {
    static const struct {
        const char *until_return, *dir, *said;
    } cases[] = {{"1", "a", "finished after 100 steps"}, {"1001", "b", "finished after 250 steps"}};
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        outcome o = RUN(TINY, "--steps", "250", "--until-return", cases[i].until_return, "--out",
                        cases[i].dir);
        cr_expect_eq(o.code, 0, "%s", o.err);
        scratch_expect_part(o.out, cases[i].said);
        outcome_free(&o);
    }
}

// Starts a long run in `dir`, stops it past its first steps, and returns what became of it.
static outcome stop_run(int signal_number, const char *dir, const char *until_return) {
    char table[64];
    snprintf(table, sizeof table, "%s/evaluations.csv", dir);
    const pid_t child = start(&(circumstances){0}, "command",
                              ARGUMENTS(TINY_OF("16", "0"), "--steps", "100000000",
                                        "--until-return", until_return, "--out", dir));
    for (int i = 0; i < 1000 && !exists(table); i++)
        usleep(10000);
    usleep(100000);
    kill(child, signal_number);
    return finish(child, "command");
}

static void expect_stop(int signal_number, int code) {
    outcome o = stop_run(signal_number, "a", "auto");
    cr_expect_eq(o.code, code, "%d: %s", o.code, o.err);
    scratch_expect_part(o.out, "stopped after ");
    scratch_expect_part(o.out, "\ngo on with: " MR_TEST_COMMAND " train --resume a\n");
    scratch_expect_part(o.out, "results are in a");
    cr_expect(exists("a/policy.safetensors") && exists("a/checkpoint.safetensors"));
    outcome_free(&o);
}

Test(train_command, an_interrupt_saves_and_exits_with_130) {
    expect_stop(SIGINT, 130);
}

Test(train_command, an_interrupt_names_the_command_that_goes_on_as_a_shell_takes_it) {
    outcome o = stop_run(SIGINT, "it's b", "1e9");
    scratch_expect_part(o.out, "\ngo on with: " MR_TEST_COMMAND
                               " train --resume 'it'\\''s b' --until-return 1000000000\n");
    outcome_free(&o);
}

Test(train_command, a_request_to_terminate_saves_and_exits_with_143) {
    expect_stop(SIGTERM, 143);
}

// The tables fit, the checkpoint of the beginning does not, so that nothing is trained in vain.
// (The thread sanitizer needs files of half a megabyte for itself, so the nets are larger than
// that.)
Test(train_command, a_full_disk_is_said_and_leaves_no_half_file) {
    outcome o = run_under(&(circumstances){.max_file_size = 1000000},
                          ARGUMENTS(TINY_OF("512,512", "100"), "--steps", "60", "--out", "a"));
    cr_expect_eq(o.code, 1, "%d", o.code);
    scratch_expect_part(o.err, "checkpoint.safetensors: File too large");
    cr_expect_eq(count_paths("a/*.safetensors*"), 0);
    cr_expect_eq(count_lines("a/evaluations.csv"), 1);
    outcome_free(&o);
}

Test(train_command, says_when_nothing_would_be_learned) {
    outcome o = RUN(TINY, "--steps", "30", "--out", "a");
    expect_success(&o);
    scratch_expect_part(o.err, "nothing will be learned");
    outcome_free(&o);
}

static double number_at(const json_t *object, const char *key) {
    cr_assert(json_is_number(json_object_get(object, key)), "%s", key);
    return json_number_value(json_object_get(object, key));
}

Test(train_command, eval_reports_as_json) {
    train_into("a");
    outcome o = RUN("eval", "a", "--episodes", "3", "--json");
    expect_success(&o);
    cr_expect_eq(strchr(o.out, '\n'), o.out + strlen(o.out) - 1, "not one line");
    json_t *object = json_loads(o.out, 0, NULL);
    const json_t *returns = json_object_get(object, "returns");
    cr_expect_eq(json_object_size(object), 7);
    cr_expect_str_eq(json_string_value(json_object_get(object, "env")), "InvertedPendulum-v5");
    scratch_expect_part(json_string_value(json_object_get(object, "policy")), "real_nvp");
    cr_expect_eq(number_at(object, "episodes"), 3);
    cr_assert_eq(json_array_size(returns), 3);
    double sum = 0, sum_of_squares = 0;
    for (size_t i = 0; i < 3; i++) {
        const double value = json_number_value(json_array_get(returns, i));
        sum += value;
        sum_of_squares += value * value;
    }
    cr_expect_float_eq(number_at(object, "mean_return"), sum / 3, 1e-9);
    cr_expect_float_eq(number_at(object, "std_return"),
                       sqrt(fmax(0, sum_of_squares / 3 - sum / 3 * sum / 3)), 1e-6);
    cr_expect_geq(number_at(object, "mean_length"), 1);
    json_decref(object);
    outcome_free(&o);
}

Test(train_command, eval_is_deterministic_unless_told) {
    train_into("a");
    outcome plain = RUN("eval", "a", "--json");
    outcome deterministic = RUN("eval", "a/policy.safetensors", "--deterministic", "--json");
    outcome stochastic = RUN("eval", "a", "--stochastic", "--json");
    expect_success(&plain);
    cr_expect_str_eq(plain.out, deterministic.out);
    cr_expect_str_neq(plain.out, stochastic.out);
    outcome_free(&plain);
    outcome_free(&deterministic);
    outcome_free(&stochastic);
}

Test(train_command, sampled_evaluations_change_the_evaluations_alone) {
    train_into("a");
    outcome o = RUN(TINY, "--steps", "150", "--eval-stochastic", "--out", "b");
    expect_success(&o);
    const mr_bytes a = read_bytes("a/policy.safetensors"), b = read_bytes("b/policy.safetensors");
    cr_expect(a.n_bytes == b.n_bytes && memcmp(a.data, b.data, a.n_bytes) == 0);
    free((void *)a.data);
    free((void *)b.data);
    char *of_a = scratch_read("a/evaluations.csv"), *of_b = scratch_read("b/evaluations.csv");
    cr_expect_str_neq(of_a, of_b);
    free(of_a);
    free(of_b);
    outcome_free(&o);
}

Test(train_command, eval_acts_by_the_deterministic_action_that_is_asked_for) {
    train_into("a");
    outcome base = RUN("eval", "a", "--deterministic-action", "base");
    outcome mean = RUN("eval", "a", "--deterministic-action", "mean:samples=3");
    outcome best = RUN("eval", "a", "--deterministic-action", "best");
    expect_success(&base);
    expect_success(&mean);
    scratch_expect_part(base.out, "deterministic (base)");
    scratch_expect_part(mean.out, "deterministic (mean:samples=3)");
    cr_expect_eq(best.code, 2);
    scratch_expect_part(best.err, "the policy has no critics to choose the deterministic action");
    outcome_free(&base);
    outcome_free(&mean);
    outcome_free(&best);
}

Test(train_command, eval_reports_for_people) {
    train_into("a");
    outcome o = RUN("eval", "a", "--episodes", "2");
    expect_success(&o);
    static const char *const parts[] = {"InvertedPendulum-v5", "real_nvp", "episodes     2",
                                        "mean return  ",       " ± ",      "mean length  "};
    for (size_t i = 0; i < MR_COUNT(parts); i++)
        scratch_expect_part(o.out, parts[i]);
    outcome_free(&o);
}

Test(train_command, eval_refuses_what_is_no_policy) {
    train_into("a");
    char *text;
    size_t n_bytes;
    cr_assert_eq(mr_file_read("a/policy.safetensors", &text, &n_bytes), MR_OK);
    const mr_bytes half = {text, n_bytes / 2};
    cr_assert_eq(mr_file_replace("half.safetensors", 1, &half), MR_OK);
    free(text);
    scratch_write("text.safetensors", "this is no policy, but it is long enough to be read as one");
    static const char *const paths[] = {"half.safetensors", "text.safetensors", "a/progress.csv",
                                        "/dev/null"};
    for (size_t i = 0; i < MR_COUNT(paths); i++) {
        outcome o = RUN("eval", paths[i]);
        expect_refusal(&o, 1, paths[i]);
    }
}

Test(train_command, eval_refuses_a_policy_of_other_sizes) {
    const double low = -1, high = 1;
    const mr_policy_spec spec = {.env = "HalfCheetah-v5",
                                 .flow = "gaussian",
                                 .obs_dim = 3,
                                 .act_dim = 1,
                                 .act_low = &low,
                                 .act_high = &high,
                                 .hidden = {.n = 1, .width = {4}}};
    mr_policy *policy;
    cr_assert_eq(mr_policy_new(&spec, 1, &policy), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_policy_save(policy, "other.safetensors", 0, NULL), MR_OK);
    mr_policy_free(policy);
    outcome o = RUN("eval", "other.safetensors");
    expect_refusal(&o, 1, "HalfCheetah-v5");
}

// The program of docs/example.c plays the episode that eval plays first.
Test(train_command, the_example_in_the_docs_gets_the_return_that_eval_gets) {
    train_into("a");
    outcome eval = RUN("eval", "a", "--episodes", "1", "--seed", "1", "--json");
    json_t *object = json_loads(eval.out, 0, NULL);
    char expected[64];
    snprintf(expected, sizeof expected, "InvertedPendulum-v5: return %.2f\n",
             number_at(object, "mean_return"));
    outcome example =
        run_under(&(circumstances){.program = MR_TEST_EXAMPLE}, ARGUMENTS("a/policy.safetensors"));
    expect_success(&example);
    cr_expect_str_eq(example.out, expected);
    json_decref(object);
    outcome_free(&eval);
    outcome_free(&example);
}

static void write_run(const char *dir, const char *env, const char *policy, const char *rows) {
    char path[100], text[1000];
    cr_assert_eq(mkdir(dir, 0777), 0);
    snprintf(path, sizeof path, "%s/config.yaml", dir);
    snprintf(text, sizeof text, "env: %s\npolicy: %s\n", env, policy);
    scratch_write(path, text);
    snprintf(path, sizeof path, "%s/evaluations.csv", dir);
    snprintf(text, sizeof text, "time/total_timesteps,eval/mean_reward,...\n%s", rows);
    scratch_write(path, text);
}

// Only the labels can be read back from a picture: an SVG has them as text.
Test(train_command, plot_draws_runs_of_the_same_policy_as_one_curve) {
    write_run("a", "Some-v0", "gaussian", "10,1.5,0\n20,3,0\n");
    write_run("b", "Some-v0", "gaussian", "10,2,0\n15,2.5,0\n20,4,0\n");
    write_run("c", "Some-v0", "real_nvp", "10,1,0\n30,7,0\n");
    outcome o =
        RUN("plot", "a", "b", "c", "--out", "curve.svg", "--title", "a 'title' `with` $signs");
    expect_success(&o);
    cr_expect_str_eq(o.err, "");
    char *picture = scratch_read("curve.svg");
    scratch_expect_part(picture, "gaussian (2 runs)");
    scratch_expect_part(picture, "real_nvp");
    scratch_expect_part(picture, "`with` $signs");
    free(picture);
    outcome_free(&o);
}

// The settings that runs do not have in common name their curves.
Test(train_command, plot_tells_runs_apart_by_what_they_learn_by) {
    write_run("a", "Some-v0", "gaussian\nbonus: density\nseed: 1\nsteps: 100",
              "10,1.5,0\n20,3,0\n");
    write_run("b", "Some-v0", "gaussian\nbonus: density\nseed: 2\nthreads: 2", "10,2,0\n20,4,0\n");
    write_run("c", "Some-v0", "gaussian", "10,1,0\n30,7,0\n");
    write_run("d", "Some-v0", "gaussian\ntau: 0.01", "10,1,0\n30,7,0\n");
    outcome o = RUN("plot", "a", "b", "c", "d", "--out", "curve.svg");
    expect_success(&o);
    char *picture = scratch_read("curve.svg");
    scratch_expect_part(picture, "gaussian, tau 0.005, bonus density (2 runs)");
    scratch_expect_part(picture, "gaussian, tau 0.005, bonus none");
    scratch_expect_part(picture, "gaussian, tau 0.01, bonus none");
    free(picture);
    outcome_free(&o);
}

static size_t count_parts(const char *text, const char *part) {
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}

// Of the steps 10, 15, 20, 30, two runs have 10 to 20: three points, and one in the legend.
Test(train_command, plot_draws_a_mean_as_far_as_all_runs_go) {
    write_run("a", "Some-v0", "gaussian", "5,1,0\n10,1.5,0\n20,3,0\n30,9,0\n");
    write_run("b", "Some-v0", "gaussian", "10,2,0\n15,2.5,0\n20,4,0\n");
    outcome o = RUN("plot", "a", "b", "--out", "curve.svg");
    expect_success(&o);
    char *picture = scratch_read("curve.svg");
    scratch_expect_part(picture,
                        "gaussian (2 runs, up to step 20, the last that all have reached)");
    cr_expect_eq(count_parts(picture, "xlink:href='#gpPt6' transform"), 4);
    free(picture);
    outcome_free(&o);
    write_run("c", "Some-v0", "gaussian", "25,1,0\n");
    o = RUN("plot", "a", "b", "c", "--out", "curve.svg");
    expect_refusal(&o, 1,
                   "a and other runs of its kind have no common range (one begins at 25, one ends "
                   "at 20)");
    o = RUN("plot", "a", "b", "./a", "--out", "curve.svg");
    expect_refusal(&o, 2, "a and ./a are the same run");
}

Test(train_command, plot_makes_a_png) {
    write_run("a", "Some-v0", "gaussian", "10,1.5,0\n20,3,0\n");
    outcome o = RUN("plot", "a");
    expect_success(&o);
    char *picture = scratch_read("curve.png");
    cr_expect_arr_eq(picture, "\x89PNG", 4);
    free(picture);
    outcome_free(&o);
}

Test(train_command, plot_makes_a_pdf) {
    write_run("a", "Some-v0", "gaussian", "10,1.5,0\n20,3,0\n");
    outcome o = RUN("plot", "a", "--out", "curve.PDF");
    expect_success(&o);
    char *picture = scratch_read("curve.PDF");
    cr_expect_arr_eq(picture, "%PDF", 4);
    free(picture);
    outcome_free(&o);
}

// A panel a task, each curve in the legend once.
Test(train_command, plot_draws_tasks_as_panels) {
    write_run("a", "First-v0", "gaussian", "10,1.5,0\n20,3,0\n");
    write_run("b", "Second-v0", "gaussian", "10,2,0\n40,4,0\n");
    write_run("c", "Second-v0", "real_nvp", "10,2,0\n40,4,0\n");
    outcome o = RUN("plot", ".", "--out", "curve.svg", "--title", "Both");
    expect_success(&o);
    char *picture = scratch_read("curve.svg");
    scratch_expect_part(picture, ">Both<");
    scratch_expect_part(picture, ">First-v0<");
    scratch_expect_part(picture, ">Second-v0<");
    cr_expect_eq(count_parts(picture, ">gaussian<"), 2); // title and text
    cr_expect_eq(count_parts(picture, ">real_nvp<"), 2);
    free(picture);
    outcome_free(&o);
}

Test(train_command, plot_groups_runs_by_a_setting) {
    write_run("a", "Some-v0", "gaussian\nseed: 1", "10,1.5,0\n20,3,0\n");
    write_run("b", "Some-v0", "real_nvp\nseed: 1", "10,2,0\n20,4,0\n");
    write_run("c", "Some-v0", "gaussian\nseed: 2", "10,2,0\n20,4,0\n");
    outcome o = RUN("plot", "a", "b", "c", "--out", "curve.svg", "--group-by", "seed");
    expect_success(&o);
    char *picture = scratch_read("curve.svg");
    scratch_expect_part(picture, "seed 1 (2 runs)");
    scratch_expect_part(picture, ">seed 2<");
    free(picture);
    outcome_free(&o);
    o = RUN("plot", "a", "--group-by", "sed");
    expect_refusal(&o, 2, "--group-by: there is no setting sed; did you mean seed?");
}

Test(train_command, plot_draws_any_column_with_characters) {
    write_run("a", "Some-v0", "gaussian", "10,1.5,0\n20,3,0\n");
    scratch_write("a/progress.csv", "time/total_timesteps,time/time_elapsed,train/q_mean\n"
                                    "1000,3600,5\n2000,14400,6\n");
    outcome o = RUN("plot", "a", "--ascii", "--x", "time", "--y", "train/q_mean", "--width", "60",
                    "--height", "15");
    expect_success(&o);
    scratch_expect_part(o.out, "Some-v0");
    scratch_expect_part(o.out, "hours");
    scratch_expect_part(o.out, "gaussian");
    cr_expect_leq(count_parts(o.out, "\n"), 15);
    cr_expect_eq(count_paths("*.png"), 0);
    outcome_free(&o);
    o = RUN("plot", "a", "--y", "train/q_men");
    expect_refusal(&o, 2, "a has no column train/q_men; did you mean train/q_mean?");
    o = RUN("plot", "a", "--ascii", "--out", "a.png");
    expect_refusal(&o, 2, "--ascii and --out exclude each other");
    o = RUN("plot", "a", "--width", "100");
    expect_refusal(&o, 2, "--width must be a whole number from 200 to 10000, not '100'");
}

Test(train_command, plot_says_what_it_cannot_draw) {
    write_run("none", "Some-v0", "gaussian", "");
    write_run("words", "Some-v0", "gaussian", "10,1.5,0\n20,some,0\n");
    write_run("back", "Some-v0", "gaussian", "20,1.5,0\n10,2,0\n");
    write_run("good", "Some-v0", "gaussian", "10,1.5,0\n");
    outcome o = RUN("plot", "good", "none");
    expect_refusal(&o, 1, "none/evaluations.csv: no evaluation yet");
    o = RUN("plot", "words");
    expect_refusal(&o, 1, "words/evaluations.csv:3: 'some' under eval/mean_reward is not a number");
    o = RUN("plot", "back");
    expect_refusal(&o, 1, "back/evaluations.csv:3: the steps do not go up");
    o = RUN("plot", "good", "--out", "no/such/curve.png");
    expect_refusal(&o, 1, "no/such/curve.png");
    o = run_under(&(circumstances){.path = "/nowhere"}, ARGUMENTS("plot", "good"));
    expect_refusal(&o, 1, "install the package gnuplot-nox");
    cr_expect_eq(count_paths("*.png"), 0);
}

// Four features, of which two are drawn; then two alone, whose density is drawn as it is.
Test(train_command, plot_draws_how_a_density_went) {
    static const char *const features[] = {"all", "0,2"};
    for (size_t i = 0; i < MR_COUNT(features); i++) {
        outcome o = RUN(TINY, "--steps", "200", "--out", features[i], "--bonus", "density",
                        "--bonus-features", features[i]);
        expect_success(&o);
        outcome_free(&o);
        o = RUN("plot", features[i], "--density", "--out", "density.svg");
        expect_success(&o);
        char *picture = scratch_read("density.svg");
        scratch_expect_part(picture, "InvertedPendulum-v5");
        scratch_expect_part(picture, "step 100");
        scratch_expect_part(picture, "step 200");
        scratch_expect_part(picture, "qpos.slider");
        scratch_expect_part(picture, i == 0 ? "qpos.hinge" : "qvel.slider");
        free(picture);
        outcome_free(&o);
    }
}

Test(train_command, plot_says_what_density_it_cannot_draw) {
    outcome o = RUN(TINY, "--steps", "150", "--out", "rnd", "--bonus", "rnd");
    outcome_free(&o);
    o = RUN(TINY, "--steps", "150", "--out", "one", "--bonus", "density", "--bonus-features", "1");
    outcome_free(&o);
    o = RUN("plot", "rnd", "--density");
    expect_refusal(&o, 1, "rnd has kept no densities; they come with --bonus density");
    o = RUN("plot", "one", "--density");
    expect_refusal(&o, 1, "a map needs two features, and this has one");
    o = RUN("plot", "one", "rnd", "--density");
    expect_refusal(&o, 2, "--density draws one run at a time, not 2");
    o = RUN("plot", "nowhere", "--density");
    expect_refusal(&o, 1, "nowhere/config.yaml");
}

// ---- Tasks with options, and tasks of one's own

#define HEXAPOD "mjcf:" MR_TEST_DATA "/../../docs/examples/hexapod.xml"
#define HEXAPOD_TASK MR_TEST_DATA "/../../docs/examples/hexapod.yaml"

static void expect_return(const char *const *arguments, double expected) {
    outcome o = run(arguments);
    cr_assert_eq(o.code, 0, "%s", o.err);
    json_t *object = json_loads(o.out, 0, NULL);
    cr_expect_eq(json_number_value(json_object_get(object, "mean_return")), expected, "%s", o.out);
    json_decref(object);
    outcome_free(&o);
}

Test(train_command, options_of_a_task_add_up_and_are_evaluated_with) {
    outcome o = RUN(TINY, "--steps", "100", "--out", "a", "--env-set", "max_episode_steps=4",
                    "--env-set", "reset_noise_scale=0,frame_skip=1");
    expect_success(&o);
    outcome_free(&o);
    char *config = scratch_read("a/config.yaml");
    scratch_expect_part(config, "env_set: max_episode_steps=4,reset_noise_scale=0,frame_skip=1\n");
    free(config);
    // An episode ends after 4 steps of 1 each; but for the option on the command line.
    expect_return((const char *[]){"eval", "a", "--json", NULL}, 4);
    expect_return((const char *[]){"eval", "a", "--json", "--env-set", "max_episode_steps=2", NULL},
                  2);
    o = RUN("train", "--config", "a/config.yaml", "--env-set", "max_episode_steps=3", "--steps",
            "60", "--out", "b");
    expect_success(&o);
    outcome_free(&o);
    expect_return((const char *[]){"eval", "b", "--json", NULL}, 3);
}

Test(train_command, refuses_options_that_a_task_does_not_have) {
    outcome o = RUN(TINY, "--env-set", "frame_skp=2", "--out", "a");
    expect_refusal(&o, 2,
                   "InvertedPendulum-v5: unknown option \"frame_skp\"; did you mean "
                   "\"frame_skip\"?");
    cr_expect(!exists("a"));
    o = RUN(TINY, "--env-set", "frame_skip", "--out", "a");
    expect_refusal(&o, 2, "key=value");
    o = RUN("envs", "InvertedPendulum-v5", "--env-set", "frame_skip=0");
    expect_refusal(&o, 2, "frame_skip must be a whole number from 1 to 1000000, not '0'");
}

Test(train_command, a_bonus_leaves_a_density_that_scores_observations) {
    static const double states[] = {0.01, 0.02, 0.03, 0.04}, picked[] = {0.01, 0.03};
    outcome o = RUN(TINY, "--steps", "150", "--out", "a", "--bonus", "density", "--bonus-features",
                    "0,qvel.slider");
    expect_success(&o);
    outcome_free(&o);
    cr_expect(exists("a/density/100.safetensors"));
    cr_assert_eq(mr_matrix_write("states.npy", 1, 4, states), MR_OK);
    cr_assert_eq(mr_matrix_write("picked.npy", 1, 2, picked), MR_OK);
    o = RUN("flow", "score", "a/density.safetensors", "states.npy");
    outcome other = RUN("flow", "score", "a/density.safetensors", "picked.npy");
    expect_success(&o);
    expect_success(&other);
    cr_expect_str_eq(o.out, other.out);
    outcome_free(&o);
    outcome_free(&other);
    cr_assert_eq(mr_matrix_write("wide.npy", 1, 3, states), MR_OK);
    o = RUN("flow", "score", "a/density.safetensors", "wide.npy");
    expect_refusal(&o, 1, "row 1 has 3 columns, the model needs 2, or 4 to pick them from");
}

// A policy of the plane that has learned nothing: it stays somewhere, in a part of the arena.
Test(train_command, eval_tells_how_widely_states_spread) {
    outcome o = RUN("train", "PointMazeU-v0", "--threads", "1", "--hidden", "16", "--policy",
                    "gaussian", "--steps", "20", "--eval-episodes", "1", "--out", "a");
    expect_success(&o);
    outcome_free(&o);
    o = RUN("eval", "a", "--episodes", "2", "--stochastic", "--coverage", "--json");
    expect_success(&o);
    json_t *result = json_loads(o.out, 0, NULL);
    cr_assert_not_null(result, "%s", o.out);
    const double entropy = json_number_value(json_object_get(result, "state_entropy"));
    const double coverage = json_number_value(json_object_get(result, "coverage"));
    // Of all densities in the hall the uniform one has the largest entropy.
    cr_expect(entropy < log(9.0) && entropy > -10, "%g nats", entropy);
    cr_expect(coverage > 0 && coverage < 0.5, "%g", coverage);
    cr_expect_eq(json_integer_value(json_object_get(result, "states")), 400);
    json_decref(result);
    outcome_free(&o);
    o = RUN("eval", "a", "--episodes", "2", "--stochastic", "--coverage", "--features", "qvel");
    expect_success(&o);
    scratch_expect_part(o.out, " nats, of 400 visited states\n");
    scratch_expect_part(o.out, " % of the workspace's cells\n");
    outcome_free(&o);
    o = RUN("eval", "a", "--coverage", "--features", "qvle");
    expect_refusal(&o, 2, "--features: PointMazeU-v0 has no feature qvle");
    o = RUN("eval", "a", "--features", "qvel");
    expect_refusal(&o, 2, "--features needs --coverage");
}

// The first episode of Pusher-v5 lasts 100 steps, in which the goal stays where it is.
Test(train_command, says_which_features_novelty_leaves_out) {
    outcome o = RUN("train", "Pusher-v5", "--threads", "1", "--hidden", "16", "--policy",
                    "gaussian", "--batch-size", "16", "--learning-starts", "50", "--steps", "90",
                    "--eval-episodes", "1", "--bonus", "rnd", "--out", "a");
    expect_success(&o);
    scratch_expect_part(
        o.err, "note: the intrinsic reward leaves out features that have not varied so far: ");
    scratch_expect_part(o.err, "xpos.goal.0, xpos.goal.1, xpos.goal.2\n");
    outcome_free(&o);
}

Test(train_command, refuses_features_that_a_task_lacks) {
    outcome o = RUN(TINY, "--bonus", "density", "--bonus-features", "qvel.slidr", "--out", "a");
    expect_refusal(&o, 2,
                   "InvertedPendulum-v5 has no feature qvel.slidr; did you mean qvel.slider?");
    cr_expect(!exists("a"));
    o = RUN(TINY, "--bonus", "density", "--bonus-features", "2-4", "--out", "a");
    expect_refusal(&o, 2, "2-4 is out of range, the features of InvertedPendulum-v5");
    o = RUN(TINY, "--bonus", "density", "--bonus-flow", "real_nvq", "--out", "a");
    expect_refusal(&o, 2, "real_nvp");
    o = RUN(TINY, "--bonus", "curiosity", "--out", "a");
    expect_refusal(&o, 2, "--bonus must be one of none|density|rnd, not 'curiosity'");
}

Test(train_command, trains_a_robot_of_ones_own_and_evaluates_it) {
    outcome o =
        RUN("train", HEXAPOD, "--task", HEXAPOD_TASK, "--steps", "120", "--threads", "1",
            "--hidden", "16", "--policy", "gaussian", "--batch-size", "16", "--learning-starts",
            "50", "--eval-episodes", "1", "--env-set", "max_episode_steps=20", "--out", "a");
    expect_success(&o);
    outcome_free(&o);
    o = RUN("eval", "a", "--episodes", "2", "--json");
    expect_success(&o);
    scratch_expect_part(o.out, "docs/examples/hexapod.xml");
    outcome_free(&o);
    o = RUN("train", HEXAPOD, "--steps", "100", "--out", "b");
    expect_refusal(&o, 2, "--task FILE.yaml");
}

// A mass on a spring that pushes instead of pulling, stepped too coarsely: beyond mjMAXVAL within
// some 30 steps.
// MuJoCo takes controls beyond 1e10 for a mistake, and 0 in their place; nearly all of these are.
Test(train_command, says_once_what_the_simulation_warns_of_and_counts_it) {
    scratch_write("robot.xml",
                  "<mujoco><worldbody><body><joint name=\"j\" type=\"slide\"/><geom size=\"0.1\"/>"
                  "</body></worldbody><actuator><motor joint=\"j\" ctrllimited=\"true\" "
                  "ctrlrange=\"-1e15 1e15\"/></actuator></mujoco>");
    scratch_write("task.yaml", "observation: [{field: qpos}, {field: qvel}]\n"
                               "reward: [{term: constant}]\nmax_episode_steps: 20\n");
    outcome trained =
        RUN("train", "mjcf:robot.xml", "--task", "task.yaml", "--steps", "60", "--threads", "1",
            "--hidden", "8", "--policy", "gaussian", "--batch-size", "4", "--learning-starts", "50",
            "--eval-every", "0", "--eval-episodes", "1", "--out", "a");
    expect_success(&trained);
    const char *warning = strstr(trained.err, "warning: mjcf:robot.xml: an action is beyond 1e10");
    cr_assert_not_null(warning, "%s", trained.err);
    cr_expect_null(strstr(warning + 1, "warning: "), "%s", trained.err);
    outcome played = RUN("eval", "a", "--stochastic", "--episodes", "2");
    expect_success(&played);
    warning = strstr(played.err, "warning: mjcf:robot.xml: an action is beyond 1e10");
    cr_assert_not_null(warning, "%s", played.err);
    cr_expect_null(strstr(warning + 1, "warning: "), "%s", played.err);

    char *table = scratch_read("a/progress.csv");
    double n_warnings = -1;
    scratch_expect_part(table, ",rollout/n_diverged,rollout/n_warnings,");
    cr_expect_eq(sscanf(table + strcspn(table, "\n") + 1,
                        "%*[^,],%*[^,],%*[^,],%*[^,],%*[^,],%*[^,],%*[^,],%*[^,],%*[^,],%lf",
                        &n_warnings),
                 1);
    cr_expect_eq(n_warnings, 60, "%s", table);
    free(table);
    outcome_free(&trained);
    outcome_free(&played);
}

Test(train_command, goes_on_where_a_simulation_breaks_down_and_warns) {
    scratch_write("robot.xml",
                  "<mujoco><option timestep=\"0.1\" integrator=\"RK4\"/><worldbody><body>"
                  "<joint name=\"j\" type=\"slide\" stiffness=\"-200\"/><geom size=\"0.1\"/></body>"
                  "</worldbody><actuator><motor joint=\"j\" ctrllimited=\"true\" "
                  "ctrlrange=\"-1 1\"/></actuator></mujoco>");
    scratch_write("task.yaml", "observation: [{field: qpos}, {field: qvel}]\n"
                               "reward: [{term: constant}]\nmax_episode_steps: 400\n");
    outcome o =
        RUN("train", "mjcf:robot.xml", "--task", "task.yaml", "--steps", "150", "--threads", "1",
            "--hidden", "8", "--policy", "gaussian", "--batch-size", "4", "--learning-starts",
            "140", "--eval-every", "0", "--eval-episodes", "1", "--out", "a");
    expect_success(&o);
    scratch_expect_part(o.err, "warning: the simulation of mjcf:robot.xml broke down in ");
    cr_expect(exists("a/policy.safetensors"));
    outcome_free(&o);
}
