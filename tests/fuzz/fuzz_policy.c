// Any bytes as a policy file. What is taken acts.

#include "agents/policy.h"
#include "tests/fuzz/tensors_mutator.h"

enum { N = 2, MAX_DIM = 64 };

static void act(mr_policy *policy) {
    double obs[N * MAX_DIM], action[N * MAX_DIM];
    mr_real noise[N * MAX_DIM], unit[N * MAX_DIM] = {0}, log_prob[N];
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    if (spec->obs_dim > MAX_DIM || spec->act_dim > MAX_DIM)
        return;
    for (size_t i = 0; i < N * MAX_DIM; i++) {
        obs[i] = (double)i / 8 - 1;
        noise[i] = (mr_real)i / 16 - 1;
    }
    assert(mr_policy_prepare(policy, N) == MR_OK);
    fuzz_is_fine(mr_policy_sample_units(policy, N, obs, noise, unit, log_prob));
    fuzz_is_fine(mr_policy_sample_units(policy, N, obs, NULL, unit, NULL));
    if (fuzz_is_fine(mr_policy_act_units(policy, obs, noise, unit)))
        mr_policy_scale(policy, 1, unit, action);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    mr_policy *policy;
    if (!fuzz_is_fine(mr_policy_load(fuzz_file(data, n_bytes), &policy)))
        return 0;
    // No model is larger than its file.
    assert(mr_params_count(mr_policy_params(policy)) * sizeof(mr_real) <= n_bytes);
    act(policy);
    mr_policy_free(policy);
    return 0;
}
