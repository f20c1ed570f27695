#include <math.h>

#include "base/file.h"
#include "tests/exported.h"
#include "tests/cli/command_runner.h"

TestSuite(export_command, .init = scratch_enter, .fini = scratch_leave);

#define GAUSSIAN MR_TEST_DATA "/golden/0.1/policies/gaussian.safetensors"

// Trains for a moment, exports, and compares. `more` are arguments of train, up to a NULL.
static void expect_trained(const char *const *more) {
    const char *arguments[MAX_ARGUMENTS + 1] = {
        "train", "Pendulum-v1",     "--out", "run",       "--steps", "300", "--learning-starts",
        "200",   "--eval-episodes", "1",     "--threads", "1"};
    size_t n = 12;
    double obs[GOLDEN_ROWS * GOLDEN_MAX_DIM];
    mr_real noise[GOLDEN_ROWS * GOLDEN_MAX_DIM];
    mr_policy *policy;
    for (size_t k = 0; more[k] != NULL; k++)
        arguments[n++] = more[k];
    outcome trained = run(arguments), exported = RUN("export", "run", "--c", "policy.c");
    expect_success(&trained);
    expect_success(&exported);
    cr_expect_str_eq(exported.err, "");
    cr_assert_eq(mr_policy_load("run/policy.safetensors", &policy), MR_OK, "%s",
                 mr_error_message());
    golden_inputs(policy, obs, noise);
    for (size_t i = 0; i < GOLDEN_ROWS * mr_policy_get_spec(policy)->obs_dim; i++)
        obs[i] = (double)(float)obs[i];
    exported_expect_same(policy, exported_compile("run"), GOLDEN_ROWS, obs, noise);
    mr_policy_free(policy);
    outcome_free(&trained);
    outcome_free(&exported);
}

Test(export_command, a_run_with_a_flow_and_normalised_observations) {
    expect_trained(
        ARGUMENTS("--policy", "real_nvp:layers=2", "--hidden", "32x32", "--normalize-observation"));
}

Test(export_command, a_run_with_batch_renorm) {
    expect_trained(ARGUMENTS("--actor-norm", "batch_renorm", "--hidden", "32x32"));
}

Test(export_command, a_run_of_td3) {
    expect_trained(ARGUMENTS("--agent", "td3", "--hidden", "32x32"));
}

Test(export_command, bad_input_gets_one_line) {
    outcome o = RUN("export", GAUSSIAN);
    expect_refusal(&o, 2, "nothing to write; name a file by --c FILE.c or --onnx FILE.onnx");
    o = RUN("export", GAUSSIAN, "--c", "policy.c", "--stochastic");
    expect_refusal(&o, 2, "--stochastic is for --onnx");
    o = RUN("export", "nowhere", "--c", "policy.c");
    expect_refusal(&o, 1, "nowhere");
    o = RUN("export", MR_TEST_DATA "/golden/0.1/flows/maf.safetensors", "--c", "policy.c");
    expect_refusal(&o, 1, "maf.safetensors");
    o = RUN("export", GAUSSIAN, "--c", "no/policy.c");
    expect_refusal(&o, 1, "no/policy.c");
    o = RUN("export", MR_TEST_DATA "/golden/0.1/policies/nsf.safetensors", "--c", "policy.c",
            "--deterministic-action", "mode");
    expect_refusal(&o, 2, "export it with --deterministic-action base");
    o = RUN("export", GAUSSIAN, "--onnx", "no/policy.onnx");
    expect_refusal(&o, 1, "no/policy.onnx");
    cr_assert_eq(mkdir("run", 0777), 0);
    o = RUN("export", "run", "--onnx", "policy.onnx");
    expect_refusal(&o, 1, "run holds no policy.safetensors");
    cr_expect_neq(access("policy.c", F_OK), 0);
    cr_expect_neq(access("policy.onnx", F_OK), 0);
}

Test(export_command, writes_both_files_at_once) {
    outcome o = RUN("export", GAUSSIAN, "--c", "policy.c", "--onnx", "policy.onnx");
    expect_success(&o);
    outcome_free(&o);
    o = RUN("export", GAUSSIAN, "--onnx", "alone.onnx");
    expect_success(&o);
    outcome_free(&o);
    size_t n_bytes, n_alone;
    char *both, *alone;
    cr_assert_eq(mr_file_read("policy.onnx", &both, &n_bytes), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_file_read("alone.onnx", &alone, &n_alone), MR_OK, "%s", mr_error_message());
    cr_expect_eq(n_bytes, n_alone);
    cr_expect_arr_eq(both, alone, n_alone);
    cr_expect_eq(access("policy.c", F_OK), 0);
    free(both);
    free(alone);
}
