// Agents' losses and gradients against PyTorch's, in double precision.
//
// Both sides round each of some 300 operations on the way from a weight to the loss and back by
// 2^-53 of their operands, and sums lose at most three digits to cancellation: 300 * 1.1e-16 *
// 1,000 = 3e-11. Anything wrong in a formula shows in the first digits.

#include "tests/agents/agent_case.h"

static const double tolerance = 1e-10;

TestSuite(exact_agents_torch, .init = scratch_enter, .fini = scratch_leave);

Test(exact_agents_torch, a_gaussian_sac_agent_has_pytorchs_losses_and_gradients) {
    case_check("sac_gaussian", tolerance);
}

Test(exact_agents_torch, a_real_nvp_sac_agent_has_pytorchs_losses_and_gradients) {
    case_check("sac_real_nvp", tolerance);
}

Test(exact_agents_torch, a_td3_agent_has_pytorchs_losses_and_gradients) {
    case_check("td3", tolerance);
}

Test(exact_agents_torch, batch_norms_see_both_ends_of_a_transition_with_and_without_targets) {
    case_check("crossq", tolerance);
    case_check("xqc", tolerance);
}

Test(exact_agents_torch, quantile_critics_have_pytorchs_losses_and_gradients) {
    case_check("sac_quantile", tolerance);
    case_check("td3_quantile", tolerance);
}

Test(exact_agents_torch, categorical_critics_have_pytorchs_losses_and_gradients) {
    case_check("sac_categorical", tolerance);
    case_check("td3_categorical", tolerance);
}

Test(exact_agents_torch, an_ensemble_of_critics_has_pytorchs_losses_and_gradients) {
    case_check("sac_ensemble", tolerance);
}

Test(exact_agents_torch, a_meow_agent_has_pytorchs_losses_and_gradients) {
    case_check("meow", tolerance);
}

Test(exact_agents_torch, a_meow_agent_of_a_gaussian_has_pytorchs_losses_and_gradients) {
    case_check("meow_gaussian", tolerance);
}

Test(exact_agents_torch, log_densities_are_pytorchs) {
    static const char *const names[] = {"sac_gaussian", "sac_real_nvp"};
    for (size_t k = 0; k < MR_COUNT(names); k++) {
        mr_real act[CASE_ROWS * CASE_ACT_DIM], log_prob[CASE_ROWS];
        agent_case c = case_open(names[k], 1);
        const double *expected = recorded_array(c.file, "log_prob", CASE_ROWS);
        cr_assert_eq(mr_policy_prepare(mr_agent_policy(c.agent), CASE_ROWS), MR_OK);
        cr_assert_eq(mr_policy_sample_units(
                         mr_agent_policy(c.agent), CASE_ROWS,
                         recorded_array(c.file, "batch.obs", CASE_ROWS * CASE_OBS_DIM),
                         recorded_array(c.file, "noise", CASE_ROWS * CASE_ACT_DIM), act, log_prob),
                     MR_OK);
        for (size_t i = 0; i < CASE_ROWS; i++)
            cr_expect_float_eq(log_prob[i], expected[i], tolerance * (1 + fabs(expected[i])),
                               "%s row %zu: %.15g, PyTorch says %.15g", names[k], i, log_prob[i],
                               expected[i]);
        case_close(&c);
    }
}
