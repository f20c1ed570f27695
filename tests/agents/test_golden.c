// Files of released versions, as tests/oracle/record_golden recorded them: they load, and give the
// numbers that they gave then. Other processors sum in another order: a sum of at most 64 float32
// products per unit, five layers deep, errs by some 5 x 64 x 2^-24 = 2e-5 of its size.

#include "agents/policy.h"
#include "envs/mujoco/compat.h"

#include <math.h>

#include "tests/golden_inputs.h"
#include "tests/cli/command_runner.h"

#define GOLDEN MR_TEST_DATA "/golden/0.1"
#define GOLDEN_3 MR_TEST_DATA "/golden/3" // of format version 3 of checkpoints

static const double rounding = 2e-5;

TestSuite(golden, .init = scratch_enter, .fini = scratch_leave);

static void read_numbers(const char *path, size_t n, double *numbers) {
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(fscanf(file, "%lf%*[,\n]", &numbers[i]), 1, "%s: number %zu", path, i);
    fclose(file);
}

static void expect_policy(const char *model, const char *expected, double tolerance) {
    double obs[GOLDEN_ROWS * GOLDEN_MAX_DIM], numbers[2 * GOLDEN_ROWS * (GOLDEN_MAX_DIM + 1)];
    mr_real noise[GOLDEN_ROWS * GOLDEN_MAX_DIM];
    mr_real act[GOLDEN_ROWS * GOLDEN_MAX_DIM], log_prob[GOLDEN_ROWS];
    mr_policy *policy;
    cr_assert_eq(mr_policy_load(model, &policy), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_policy_prepare(policy, GOLDEN_ROWS), MR_OK);
    const size_t act_dim = mr_policy_get_spec(policy)->act_dim;
    read_numbers(expected, 2 * GOLDEN_ROWS * (act_dim + 1), numbers);
    golden_inputs(policy, obs, noise);
    const double *next = numbers;
    for (size_t noisy = 0; noisy < 2; noisy++) {
        cr_assert_eq(
            mr_policy_sample_units(policy, GOLDEN_ROWS, obs, noisy ? noise : NULL, act, log_prob),
            MR_OK);
        for (size_t row = 0; row < GOLDEN_ROWS; row++) {
            for (size_t i = 0; i < act_dim; i++, next++)
                cr_expect_float_eq((double)act[row * act_dim + i], *next, tolerance,
                                   "%s: action %zu of row %zu", model, i, row);
            cr_expect_float_eq((double)log_prob[row], *next, 10 * tolerance,
                               "%s: log-density of row %zu", model, row);
            next++;
        }
    }
    mr_policy_free(policy);
}

static void expect_scores_of(const char *model, const char *data, const char *expected) {
    enum { N_ROWS = 200 }; // the first ones
    double recorded[N_ROWS], found[N_ROWS];
    outcome scored = RUN("flow", "score", model, data, "--out", "s.csv");
    expect_success(&scored);
    outcome_free(&scored);
    read_numbers(expected, N_ROWS, recorded);
    read_numbers("s.csv", N_ROWS, found);
    for (size_t i = 0; i < N_ROWS; i++)
        cr_expect_float_eq(found[i], recorded[i], 1e-4 * fmax(1, fabs(recorded[i])), "%s: row %zu",
                           model, i);
}

static void expect_scores(const char *model, const char *expected) {
    expect_scores_of(model, GOLDEN "/flows/data.csv", expected);
}

Test(golden, policies_act_as_they_did) {
    static const char *const kinds[] = {"gaussian", "planar", "radial", "real_nvp", "glow",
                                        "maf",      "iaf",    "nsf",    "nsf_ar"};
    char model[512], expected[512];
    for (size_t i = 0; i < MR_COUNT(kinds); i++) {
        snprintf(model, sizeof model, GOLDEN "/policies/%s.safetensors", kinds[i]);
        snprintf(expected, sizeof expected, GOLDEN "/policies/%s.csv", kinds[i]);
        expect_policy(model, expected, rounding);
    }
}

Test(golden, flow_models_score_as_they_did) {
    static const char *const kinds[] = {"planar", "radial", "real_nvp", "glow",
                                        "maf",    "iaf",    "nsf",      "nsf_ar"};
    char model[512], expected[512];
    for (size_t i = 0; i < MR_COUNT(kinds); i++) {
        snprintf(model, sizeof model, GOLDEN "/flows/%s.safetensors", kinds[i]);
        snprintf(expected, sizeof expected, GOLDEN "/flows/%s.csv", kinds[i]);
        expect_scores(model, expected);
    }
}

Test(golden, densities_of_format_version_2_score_as_they_did) {
    static const char *const names[] = {"mixed", "autoregressive", "conditional", "wind", "box"};
    char model[512], expected[512];
    for (size_t i = 0; i < MR_COUNT(names); i++) {
        snprintf(model, sizeof model, GOLDEN_3 "/compositions/%s.safetensors", names[i]);
        snprintf(expected, sizeof expected, GOLDEN_3 "/compositions/%s.csv", names[i]);
        expect_scores_of(model, GOLDEN_3 "/compositions/data.csv", expected);
    }
}

Test(golden, state_densities_score_as_they_did) {
    expect_scores(GOLDEN "/run/density.safetensors", GOLDEN "/run_density.csv");
    expect_scores(GOLDEN_3 "/run/density.safetensors", GOLDEN_3 "/run_density.csv");
}

// Rows of this version keep to the header that the table was begun with.
static void expect_table(const char *path, size_t n_expected, const char *last_steps) {
    char line[1024], steps[32] = "";
    size_t n_columns = 0;
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    while (fgets(line, sizeof line, file) != NULL) {
        size_t n = 1;
        for (const char *c = line; *c != '\0'; c++)
            n += *c == ',';
        n_columns = n_columns == 0 ? n : n_columns;
        cr_expect_eq(n, n_columns, "%s: %s", path, line);
        snprintf(steps, sizeof steps, "%.*s", (int)strcspn(line, ","), line);
    }
    fclose(file);
    cr_expect_eq(n_columns, n_expected);
    cr_expect_str_eq(steps, last_steps);
}

// A copy of the run goes on for ten updates. Adam makes a step of up to the learning rate of the
// smallest difference in a gradient's sign, so that other kernels may differ by 10 x 3e-4 in a
// weight.
static void check_run(const char *set, const char *name, size_t n_columns) {
    char copy[512], policy[512], expected[512];
    snprintf(copy, sizeof copy, "cp -r %s/%s .", set, name);
    cr_assert_eq(system(copy), 0);
    snprintf(policy, sizeof policy, "%s/policy.safetensors", name);
    snprintf(expected, sizeof expected, "%s/%s.csv", set, name);
    expect_policy(policy, expected, rounding);
    outcome resumed = RUN("train", "--resume", name, "--steps", "310");
    expect_success(&resumed);
    snprintf(expected, sizeof expected, "%s/%s_310.csv", set, name);
    expect_policy(policy, expected, 1e-3);
    snprintf(policy, sizeof policy, "%s/progress.csv", name);
    expect_table(policy, n_columns, "310");
    outcome_free(&resumed);
}

Test(golden, runs_of_0_1_go_on_from_their_checkpoints) {
    check_run(GOLDEN, "plain_run", 24);
    cr_assert_eq(system("cp -r " GOLDEN "/run ."), 0);
    outcome with_bonus = RUN("train", "--resume", "run"); // its bonus decays until its last step
    expect_success(&with_bonus);
    outcome_free(&with_bonus);
}

Test(golden, runs_of_format_version_3_go_on_from_their_checkpoints) {
    check_run(GOLDEN_3, "plain_run", 26);
    check_run(GOLDEN_3, "td3_run", 23);
    check_run(GOLDEN_3, "run", 26);
}

// Recorded on MuJoCo 2.2.2.
Test(golden, policies_of_another_mujoco_say_so_where_they_play) {
    outcome o = RUN("eval", GOLDEN "/policies/gaussian.safetensors", "--episodes", "1");
    expect_success(&o);
    const char *note = strstr(o.err, "note: the policy was trained on MuJoCo 2.2.2 and plays on ");
    cr_expect_eq(note != NULL, strcmp(mr_mujoco_version(), "2.2.2") != 0, "%s", o.err);
    outcome_free(&o);
}

// They are of a time without presets, and take none.
Test(golden, settings_are_read) {
    outcome o =
        RUN("train", "--config", GOLDEN "/run/config.yaml", "--steps", "110", "--out", "again");
    expect_success(&o);
    outcome_free(&o);
    char *text = scratch_read("again/config.yaml");
    scratch_expect_part(text, "\npreset: none\nagent: sac\n");
    scratch_expect_part(text, "\ncritic_head: scalar\n");
    free(text);
}
