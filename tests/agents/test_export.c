// Policies as C files: compiled by the strictest rules of C99, they act as the library does.

#include "agents/export.h"

#include <math.h>

#include "tests/agents/small.h"
#include "tests/exported.h"
#include "tests/scratch.h"

TestSuite(export, .init = scratch_enter, .fini = scratch_leave);

// Exports a policy, and compares on random observations that are float32's and on random noise.
static void expect_export(mr_policy *policy) {
    enum { N_ROWS = 50 };
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    double obs[N_ROWS * SMALL_MAX_DIM];
    mr_real noise[N_ROWS * SMALL_MAX_DIM];
    mr_random random = mr_random_stream(41, MR_STREAM_TEST, 0);
    for (size_t i = 0; i < N_ROWS * spec->obs_dim; i++)
        obs[i] = (double)(float)(2 * mr_random_normal(&random));
    mr_random_fill_normal(&random, N_ROWS * spec->act_dim, noise);
    cr_assert_eq(mr_export_c(policy, "policy.c"), MR_OK, "%s", mr_error_message());
    exported_expect_same(policy, exported_compile(spec->flow), N_ROWS, obs, noise);
}

static void expect_flow(const char *flow, size_t act_dim) {
    mr_policy *policy = small_policy(flow, 3, act_dim);
    small_bend(policy);
    expect_export(policy);
    mr_policy_free(policy);
}

Test(export, every_preset_acts_as_in_the_library) {
    for (size_t k = 0; k < mr_flow_count(); k++)
        expect_flow(mr_flow_at(k).name, 3);
}

Test(export, compositions_and_inverses_act_as_in_the_library) {
    static const char *const flows[] = {
        "[actnorm, lu, permutation, coupling(affine), reverse, coupling(shift)]",
        "[inverse(lu)]",
        "[inverse(actnorm), inverse(permutation)]",
        "[inverse(radial)]",
        "[coupling(inverse(spline(bins=5,bound=3))), autoregressive(inverse(spline))]",
        "[coupling(spline(bins=1)), coupling(affine, net=residual)]",
        "[affine, spline, shift, planar, radial]",
        "[tanh, inverse(tanh)]",
        "[softplus, inverse(softplus)]",
        "[sigmoid, logit]",
    };
    for (size_t k = 0; k < MR_COUNT(flows); k++)
        expect_flow(flows[k], 4);
}

Test(export, one_action_of_a_flow_acts_as_in_the_library) {
    expect_flow("radial", 1);
    expect_flow("maf", 1);
    expect_flow("[spline, lu]", 1);
}

// ---- What is around the flow

static mr_policy *policy_of(const mr_policy_spec *spec) {
    mr_policy *policy = NULL;
    mr_random random = mr_random_stream(42, MR_STREAM_TEST, 0);
    cr_assert_eq(mr_policy_new(spec, 3, &policy), MR_OK, "%s", mr_error_message());
    mr_params *params = mr_policy_params(policy);
    for (size_t i = 0; i < mr_params_size(params); i++) // running statistics, too, which stay > 0
        mr_params_value(params)[i] += (mr_real)(0.3 * mr_random_uniform(&random));
    return policy;
}

Test(export, normalised_layers_act_as_in_the_library) {
    static const char *const norms[] = {"layer", "rms", "batch", "batch_renorm"};
    for (size_t k = 0; k < 2 * MR_COUNT(norms); k++) {
        mr_policy_spec spec = small_spec("gaussian", 5, 2);
        spec.norm = norms[k / 2];
        spec.norm_last = k % 2 == 1;
        mr_policy *policy = policy_of(&spec);
        expect_export(policy);
        mr_policy_free(policy);
    }
}

// The last component has hardly varied: what float32 would lose of obs - mean would show.
Test(export, standardised_observations_act_as_in_the_library) {
    static const double mean[] = {0.1, -2, 1 / 3.0}, std[] = {1, 30, 1e-4};
    mr_policy_spec spec = small_spec("real_nvp", 3, 2);
    spec.obs_mean = mean;
    spec.obs_std = std;
    mr_policy *policy = policy_of(&spec);
    expect_export(policy);
    mr_policy_free(policy);
}

Test(export, a_deterministic_policy_acts_as_in_the_library) {
    const mr_policy_spec spec = small_spec("deterministic", 4, 3);
    mr_policy *policy = policy_of(&spec);
    expect_export(policy);
    mr_policy_free(policy);
}

Test(export, golden_policies_act_as_in_the_library) {
    static const char *const names[] = {"gaussian", "planar", "radial", "real_nvp", "glow",
                                        "maf",      "iaf",    "nsf",    "nsf_ar"};
    for (size_t k = 0; k < MR_COUNT(names); k++) {
        char path[512];
        double obs[GOLDEN_ROWS * GOLDEN_MAX_DIM];
        mr_real noise[GOLDEN_ROWS * GOLDEN_MAX_DIM];
        mr_policy *policy;
        snprintf(path, sizeof path, MR_TEST_DATA "/golden/0.1/policies/%s.safetensors", names[k]);
        cr_assert_eq(mr_policy_load(path, &policy), MR_OK, "%s", mr_error_message());
        golden_inputs(policy, obs, noise);
        cr_assert_eq(mr_export_c(policy, "policy.c"), MR_OK, "%s", mr_error_message());
        exported_expect_same(policy, exported_compile(names[k]), GOLDEN_ROWS, obs, noise);
        mr_policy_free(policy);
    }
}

// ---- The file

Test(export, the_function_is_named_after_the_file) {
    mr_policy *policy = small_policy("gaussian", 3, 2);
    cr_assert_eq(mr_export_c(policy, "2 legs.c"), MR_OK, "%s", mr_error_message());
    char *text = scratch_read("2 legs.c");
    scratch_expect_part(text, "void policy_2_legs_act(const float *obs");
    free(text);
    mr_policy_free(policy);
}

Test(export, a_task_s_name_can_t_end_the_comment) {
    mr_policy_spec spec = small_spec("gaussian", 3, 2);
    spec.env = "a */ b \\\n ?\?/ /* c";
    mr_policy *policy = policy_of(&spec);
    expect_export(policy);
    mr_policy_free(policy);
}

static void expect_refusal(const mr_policy *policy, mr_status status, const char *part) {
    cr_expect_eq(mr_export_c(policy, "policy.c"), status);
    scratch_expect_message(part);
    cr_expect_eq(mr_export_onnx(policy, false, "policy.onnx"), status);
    scratch_expect_message(part);
    cr_expect_neq(access("policy.c", F_OK), 0);
    cr_expect_neq(access("policy.onnx", F_OK), 0);
}

Test(export, what_is_not_one_pass_is_refused_by_name) {
    mr_policy *policy = small_policy("[inverse(planar)]", 3, 2);
    expect_refusal(policy, MR_ERR_INPUT, "[inverse(planar)] can't be exported: its op planar_root");
    cr_expect_eq(mr_export_onnx(policy, true, "policy.onnx"), MR_ERR_INPUT);
    mr_policy_free(policy);
    policy = small_policy("real_nvp", 3, 2);
    cr_assert_eq(mr_policy_set_deterministic(policy, "mean:samples=4"), MR_OK);
    expect_refusal(policy, MR_ERR_USAGE, "mean:samples=4");
    cr_expect_eq(mr_export_onnx(policy, true, "policy.onnx"), MR_OK, "%s", mr_error_message());
    mr_policy_free(policy);
}

Test(export, parameters_that_are_not_finite_are_refused) {
    mr_policy *policy = small_policy("gaussian", 3, 2);
    mr_params_value(mr_policy_params(policy))[0] = (mr_real)NAN;
    expect_refusal(policy, MR_ERR_NUMERIC, "nan");
    mr_policy_free(policy);
}

Test(export, a_deterministic_policy_has_no_samples) {
    mr_policy *policy = small_policy("deterministic", 3, 2);
    cr_expect_eq(mr_export_onnx(policy, true, "policy.onnx"), MR_ERR_USAGE);
    scratch_expect_message("without --stochastic");
    cr_expect_neq(access("policy.onnx", F_OK), 0);
    mr_policy_free(policy);
}
