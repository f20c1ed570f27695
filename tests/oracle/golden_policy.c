// Prints what a policy file does with fixed inputs, for record_golden: a row of CSV for each of
// eight observations, first without noise and then with it: the actions and their log-density.

#include "tests/golden_inputs.h"

#include <stdio.h>
#include <stdlib.h>

static void check(mr_status status) {
    if (status == MR_OK)
        return;
    fprintf(stderr, "golden_policy: %s\n", mr_error_message());
    exit(1);
}

int main(int argc, char **argv) {
    double obs[GOLDEN_ROWS * GOLDEN_MAX_DIM];
    mr_real noise[GOLDEN_ROWS * GOLDEN_MAX_DIM];
    mr_real act[GOLDEN_ROWS * GOLDEN_MAX_DIM], log_prob[GOLDEN_ROWS];
    mr_policy *policy;
    if (argc != 2) {
        fprintf(stderr, "usage: golden_policy POLICY_FILE\n");
        return 2;
    }
    check(mr_policy_load(argv[1], &policy));
    check(mr_policy_prepare(policy, GOLDEN_ROWS));
    const size_t act_dim = mr_policy_get_spec(policy)->act_dim;
    golden_inputs(policy, obs, noise);
    for (size_t noisy = 0; noisy < 2; noisy++) {
        check(
            mr_policy_sample_units(policy, GOLDEN_ROWS, obs, noisy ? noise : NULL, act, log_prob));
        for (size_t row = 0; row < GOLDEN_ROWS; row++) {
            for (size_t i = 0; i < act_dim; i++)
                printf("%.9g,", (double)act[row * act_dim + i]);
            printf("%.9g\n", (double)log_prob[row]);
        }
    }
    mr_policy_free(policy);
    return 0;
}
