// A host program's locale changes no file and no number of ours.

#include "agents/train.h"

#include "agents/policy.h"
#include "envs/env.h"

#include "tests/agents/set.h"
#include "tests/comma_locale.h"

TestSuite(locale, .init = scratch_enter, .fini = scratch_leave);

static const char task[] = "observation:\n"
                           "  - {field: qpos}\n"
                           "  - {field: qvel, clip: [-2.5, 2.5]}\n"
                           "reward:\n"
                           "  - {term: control_cost, weight: 0.125}\n"
                           "reset_noise:\n"
                           "  qpos: {uniform: 0.05}\n";

static mr_settings short_run(const char *out) {
    mr_settings s;
    mr_settings_init(&s);
    snprintf(s.env, sizeof s.env, "InvertedPendulum-v5");
    snprintf(s.env_set, sizeof s.env_set, "reset_noise_scale=0.0125");
    set(&s, "policy", "nsf:bins=4,bound=2.5,layers=1,hidden=8");
    snprintf(s.out, sizeof s.out, "%s", out);
    s.hidden = (mr_widths){.n = 1, .width = {16}};
    s.steps = 120;
    s.threads = 1;
    s.batch_size = 16;
    s.learning_starts = 60;
    s.eval_episodes = 2;
    return s;
}

static void train(const char *out) {
    const mr_settings s = short_run(out);
    mr_trainer_result result = {0};
    cr_assert_eq(mr_trainer_run(&s, NULL, NULL, NULL, &result), MR_OK, "%s", mr_error_message());
}

static void expect_same_file(const char *a, const char *b) {
    char *text_a, *text_b;
    size_t n_a, n_b;
    cr_assert_eq(mr_file_read(a, &text_a, &n_a), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_file_read(b, &text_b, &n_b), MR_OK, "%s", mr_error_message());
    cr_expect(n_a == n_b && memcmp(text_a, text_b, n_a) == 0, "%s and %s differ", a, b);
    free(text_a);
    free(text_b);
}

Test(locale, with_a_comma_leaves_a_runs_files_as_they_are) {
    train("before");
    comma_locale_enter();
    train("under");
    expect_same_file("before/config.yaml", "under/config.yaml");
    expect_same_file("before/evaluations.csv", "under/evaluations.csv");
    expect_same_file("before/best_policy.safetensors", "under/best_policy.safetensors");
    char *progress = scratch_read("under/progress.csv"); // has the time: no two are the same
    size_t n_commas[3] = {0}, line = 0;                  // the names, the one row, nothing
    for (size_t i = 0; progress[i] != '\0' && line < 2; i++) {
        n_commas[line] += progress[i] == ',';
        line += progress[i] == '\n';
    }
    cr_expect_eq(line, 2);
    cr_expect_eq(n_commas[0], n_commas[1], "%s", progress);
    free(progress);
}

Test(locale, with_a_comma_lets_a_run_go_on) {
    train("run");
    comma_locale_enter();
    mr_settings s;
    mr_settings_init(&s);
    cr_assert_eq(mr_settings_read(&s, "run/config.yaml"), MR_OK, "%s", mr_error_message());
    snprintf(s.out, sizeof s.out, "run");
    s.steps = 150;
    mr_trainer_result result = {0};
    cr_assert_eq(mr_trainer_resume(&s, NULL, NULL, NULL, &result), MR_OK, "%s", mr_error_message());
    cr_expect_eq(result.last.total_timesteps, 150);
}

Test(locale, with_a_comma_leaves_a_task_file_as_it_is) {
    scratch_write("task.yaml", task);
    char name[512], before[8192], under[8192];
    snprintf(name, sizeof name, "mjcf:%s/../../envs/mujoco/models/hopper.xml", MR_TEST_DATA);
    const mr_env_options options = {.task = "task.yaml"};
    double obs_before[32], obs_under[32];
    for (int i = 0; i < 2; i++) {
        mr_env *env = NULL;
        const uint64_t seed = 3;
        if (i == 1)
            comma_locale_enter();
        cr_assert_eq(mr_env_open(name, &options, &env), MR_OK, "%s", mr_error_message());
        cr_assert_eq(mr_env_get_spec(env)->obs_dim, 12);
        cr_assert_eq(mr_env_reset(env, &seed, i == 0 ? obs_before : obs_under), MR_OK);
        mr_env_close(env);
        cr_assert_eq(mr_env_describe(name, &options, i == 0 ? before : under, sizeof before),
                     MR_OK);
    }
    cr_expect_arr_eq(obs_before, obs_under, 12 * sizeof(double));
    cr_expect_str_eq(before, under);
}
