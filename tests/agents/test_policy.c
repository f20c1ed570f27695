#include "agents/policy.h"

#include <math.h>

#include "tests/agents/small.h"
#include "tests/scratch.h"

TestSuite(policy, .init = scratch_enter, .fini = scratch_leave);

enum { OBS_DIM = 3, ACT_DIM = 2, N_ROWS = 32 };

/// Rows for a policy and what it makes of them.
typedef struct {
    double obs[N_ROWS * OBS_DIM];
    mr_real noise[N_ROWS * ACT_DIM];
    mr_real act[N_ROWS * ACT_DIM];
    mr_real log_prob[N_ROWS];
} sample;

static void sample_fill(sample *s) {
    mr_random random = mr_random_stream(31, MR_STREAM_TEST, 0);
    for (size_t i = 0; i < N_ROWS * OBS_DIM; i++)
        s->obs[i] = mr_random_normal(&random);
    mr_random_fill_normal(&random, N_ROWS * ACT_DIM, s->noise);
}

static mr_status sample_draw(mr_policy *policy, bool deterministic, sample *s) {
    cr_assert_eq(mr_policy_prepare(policy, N_ROWS), MR_OK, "%s", mr_error_message());
    return mr_policy_sample_units(policy, N_ROWS, s->obs, deterministic ? NULL : s->noise, s->act,
                                  s->log_prob);
}

static mr_policy *bent_policy(const char *flow) {
    mr_policy *policy = small_policy(flow, OBS_DIM, ACT_DIM);
    small_bend(policy);
    return policy;
}

// ---- The bound of the deviation

// Deviations lie between e^-5 and the bound, so no action of noise 1 is further than that from the
// one without noise, before the tanh.
Test(policy, the_bound_of_the_deviation_is_kept_and_saved) {
    enum { N = 3 };
    static const double bounds[N] = {0, 0.02, 0.5};
    double distance[N] = {0};
    for (size_t k = 0; k < N; k++) {
        const double obs[OBS_DIM] = {0.5, -1, 2};
        const mr_real noise[ACT_DIM] = {1, -1};
        mr_real act[ACT_DIM], mode[ACT_DIM];
        mr_policy *policy = NULL, *loaded = NULL;
        mr_policy_spec spec = small_spec("gaussian", OBS_DIM, ACT_DIM);
        if (bounds[k] > 0) {
            spec.log_std_low = -5;
            spec.log_std_high = log(bounds[k]);
        }
        cr_assert_eq(mr_policy_new(&spec, 3, &policy), MR_OK);
        mr_tensors *file = NULL;
        cr_assert_eq(mr_policy_save(policy, "p.safetensors", 0, NULL), MR_OK);
        cr_assert_eq(mr_tensors_open("p.safetensors", &file), MR_OK);
        cr_expect_str_eq(mr_tensors_note(file, "format_version"), bounds[k] > 0 ? "2" : "1");
        mr_tensors_close(file);
        cr_assert_eq(mr_policy_load("p.safetensors", &loaded), MR_OK, "%s", mr_error_message());
        cr_expect_eq(mr_policy_get_spec(loaded)->log_std_high, bounds[k] > 0 ? log(bounds[k]) : 2);
        cr_assert_eq(mr_policy_act_units(loaded, obs, noise, act), MR_OK);
        cr_assert_eq(mr_policy_act_units(loaded, obs, NULL, mode), MR_OK);
        for (size_t j = 0; j < ACT_DIM; j++)
            distance[k] = fmax(distance[k], fabs(atanh((double)act[j]) - atanh((double)mode[j])));
        mr_policy_free(policy);
        mr_policy_free(loaded);
    }
    cr_expect_lt(distance[1], 0.02);
    cr_expect_lt(distance[2], 0.5);
    cr_expect_gt(distance[2], 0.02);
    cr_expect_gt(distance[0], distance[2]);
}

// ---- Acting

Test(policy, the_deterministic_action_is_that_of_no_noise_for_every_flow) {
    for (size_t k = 0; k < mr_flow_count(); k++) {
        static sample without, zero;
        mr_policy *policy = bent_policy(mr_flow_at(k).name);
        sample_fill(&without);
        sample_fill(&zero);
        memset(zero.noise, 0, sizeof zero.noise);
        cr_assert_eq(sample_draw(policy, false, &without), MR_OK); // leaves noise in the graph
        cr_assert_eq(mr_policy_sample_units(policy, N_ROWS, without.obs, NULL, without.act,
                                            without.log_prob),
                     MR_OK);
        cr_assert_eq(sample_draw(policy, false, &zero), MR_OK);
        cr_expect_arr_eq(without.act, zero.act, sizeof zero.act, "%s", mr_flow_at(k).name);
        cr_expect_arr_eq(without.log_prob, zero.log_prob, sizeof zero.log_prob, "%s",
                         mr_flow_at(k).name);
        mr_policy_free(policy);
    }
}

Test(policy, refuses_more_rows_than_it_is_prepared_for) {
    static sample s;
    mr_policy *policy = small_policy("gaussian", OBS_DIM, ACT_DIM);
    sample_fill(&s);
    s.act[0] = 7;
    cr_expect_eq(mr_policy_sample_units(policy, 1, s.obs, NULL, s.act, NULL), MR_ERR_USAGE);
    scratch_expect_message("1 observations at a time, but it is prepared for 0");
    cr_expect_eq(mr_policy_prepare(policy, 0), MR_ERR_USAGE);
    cr_assert_eq(mr_policy_prepare(policy, N_ROWS - 1), MR_OK);
    cr_expect_eq(mr_policy_sample_units(policy, N_ROWS, s.obs, NULL, s.act, NULL), MR_ERR_USAGE);
    scratch_expect_message("32 observations at a time, but it is prepared for 31");
    cr_expect_eq(s.act[0], 7);
    cr_expect_eq(mr_policy_sample_units(policy, 0, s.obs, NULL, s.act, NULL), MR_OK);
    mr_policy_free(policy);
}

// A product with a vector sums in another order than one of matrices. Layers of up to 64 units, at
// most some ten deep, err by 10 x 64 x 2^-24 = 4e-5 of their size, which here is a few.
Test(policy, acts_on_one_observation_as_on_many_to_rounding) {
    for (size_t k = 0; k < mr_flow_count(); k++) {
        static sample many;
        mr_policy *policy = bent_policy(mr_flow_at(k).name);
        sample_fill(&many);
        cr_assert_eq(sample_draw(policy, false, &many), MR_OK);
        for (size_t i = 0; i < N_ROWS; i++) {
            mr_real act[ACT_DIM];
            cr_assert_eq(
                mr_policy_act_units(policy, many.obs + i * OBS_DIM, many.noise + i * ACT_DIM, act),
                MR_OK);
            for (size_t j = 0; j < ACT_DIM; j++)
                cr_expect_float_eq(act[j], many.act[i * ACT_DIM + j], 2e-4f, "%s",
                                   mr_flow_at(k).name);
        }
        mr_policy_free(policy);
    }
}

Test(policy, actions_lie_within_their_bounds_and_depend_on_noise_and_observation) {
    for (size_t k = 0; k < mr_flow_count(); k++) {
        static sample s;
        const char *flow = mr_flow_at(k).name;
        mr_policy *policy = bent_policy(flow);
        sample_fill(&s);
        memcpy(s.obs + OBS_DIM, s.obs, OBS_DIM * sizeof *s.obs); // rows 0 and 1
        memcpy(s.noise + 3 * ACT_DIM, s.noise + 2 * ACT_DIM, ACT_DIM * sizeof *s.noise); // 2 and 3
        cr_assert_eq(sample_draw(policy, false, &s), MR_OK, "%s", mr_error_message());
        for (size_t i = 0; i < N_ROWS * ACT_DIM; i++)
            cr_expect(s.act[i] >= -1 && s.act[i] <= 1, "%s: %g", flow, (double)s.act[i]);
        for (size_t j = 0; j < ACT_DIM; j++) {
            cr_expect_neq(s.act[j], s.act[ACT_DIM + j], "%s: noise changes nothing", flow);
            cr_expect_neq(s.act[2 * ACT_DIM + j], s.act[3 * ACT_DIM + j],
                          "%s: the observation changes nothing", flow);
        }
        mr_policy_free(policy);
    }
}

// The trunk and the base are drawn before the flow, and of one feature every flow starts as the
// identity (of several, Glow starts as a rotation): all policies of a seed start as the same. A
// layer that is the identity by cancelling terms, or by a root, leaves some roundings of 2^-24
// each: 100 of them for all layers.
Test(policy, every_flow_starts_as_the_gaussian) {
    static sample expected, s;
    mr_policy *gaussian = small_policy("gaussian", OBS_DIM, 1);
    sample_fill(&expected);
    cr_assert_eq(sample_draw(gaussian, false, &expected), MR_OK);
    for (size_t k = 0; k < mr_flow_count(); k++) {
        const char *flow = mr_flow_at(k).name;
        mr_policy *policy = small_policy(flow, OBS_DIM, 1);
        sample_fill(&s);
        cr_assert_eq(sample_draw(policy, false, &s), MR_OK);
        for (size_t i = 0; i < N_ROWS; i++) {
            cr_expect_float_eq(s.act[i], expected.act[i], 100 * 0x1p-24f, "%s: %g, %g", flow,
                               (double)s.act[i], (double)expected.act[i]);
            cr_expect_float_eq(s.log_prob[i], expected.log_prob[i],
                               100 * 0x1p-24f * (1 + fabsf(expected.log_prob[i])), "%s: %g, %g",
                               flow, (double)s.log_prob[i], (double)expected.log_prob[i]);
        }
        mr_policy_free(policy);
    }
    mr_policy_free(gaussian);
}

// Far out tanh rounds to 1 and its derivative to 0: the logarithm of that must not be taken.
Test(policy, saturated_actions_have_finite_log_densities_for_every_flow) {
    static const double sizes[] = {1e2, 1e4, 1e10, 1e20, 1e30};
    static sample s;
    for (size_t k = 0; k < mr_flow_count(); k++) {
        mr_policy *policy = small_policy(mr_flow_at(k).name, OBS_DIM, ACT_DIM);
        for (size_t n = 0; n < MR_COUNT(sizes); n++) {
            sample_fill(&s);
            for (size_t i = 0; i < N_ROWS * OBS_DIM; i++)
                s.obs[i] *= sizes[n];
            cr_expect_eq(sample_draw(policy, false, &s), MR_OK, "%s, %g: %s", mr_flow_at(k).name,
                         sizes[n], mr_error_message());
            size_t n_saturated = 0;
            for (size_t i = 0; i < N_ROWS * ACT_DIM; i++)
                n_saturated += fabsf(s.act[i]) == 1;
            for (size_t i = 0; i < N_ROWS; i++)
                cr_expect(isfinite(s.log_prob[i]), "%s, %g: %g", mr_flow_at(k).name, sizes[n],
                          (double)s.log_prob[i]);
            if (sizes[n] >= 1e4)
                cr_expect_gt(n_saturated, 0, "%s, %g", mr_flow_at(k).name, sizes[n]);
        }
        mr_policy_free(policy);
    }
}

Test(policy, an_action_that_is_not_finite_is_reported_with_its_row) {
    static sample s;
    mr_policy *policy = small_policy("gaussian", OBS_DIM, ACT_DIM);
    mr_real *value = mr_params_value(mr_policy_params(policy));
    for (size_t i = 0; i < mr_params_size(mr_policy_params(policy)); i++)
        value[i] = NAN;
    sample_fill(&s);
    s.act[0] = 7;
    cr_expect_eq(sample_draw(policy, false, &s), MR_ERR_NUMERIC);
    scratch_expect_message("policy: action 0 of observation row 0 is ");
    cr_expect_eq(s.act[0], 7); // results are untouched
    mr_policy_free(policy);
}

Test(policy, actions_are_scaled_to_the_bounds_and_rounded_as_gymnasiums) {
    mr_policy *policy = small_policy("gaussian", OBS_DIM, ACT_DIM);
    // Bounds [-1, 3] and [-2, 3].
    const mr_real act[] = {-1, -1, 0, 0, 1, 1, 0.5f, -0.5f, 0.1f, 0.1f};
    const double expected[] = {-1, -2, 1, 0.5, 3, 3, 2, -0.75, (float)1.2, (float)0.75};
    double action[MR_COUNT(act)];
    mr_policy_scale(policy, MR_COUNT(act) / ACT_DIM, act, action);
    for (size_t i = 0; i < MR_COUNT(act); i++) {
        // 0.1f is 0.1 (1 + 2^-26): a float32 rounding either way.
        cr_expect_float_eq(action[i], expected[i], i < 8 ? 0 : 0x1p-23, "%zu", i);
        cr_expect_eq((double)(float)action[i], action[i], "%zu has more digits than float32", i);
    }
    mr_policy_free(policy);
}

Test(policy, parameters_come_from_the_seed) {
    const mr_policy_spec spec = small_spec("real_nvp", OBS_DIM, ACT_DIM);
    mr_policy *policies[3];
    static const uint64_t seeds[] = {1, 1, 2};
    for (size_t k = 0; k < 3; k++)
        cr_assert_eq(mr_policy_new(&spec, seeds[k], &policies[k]), MR_OK);
    const mr_params *params = mr_policy_params(policies[0]);
    const mr_real *first = mr_params_read(params);
    cr_expect(small_is_same(params, first, mr_params_read(mr_policy_params(policies[1]))));
    cr_expect(!small_is_same(params, first, mr_params_read(mr_policy_params(policies[2]))));
    for (size_t k = 0; k < 3; k++)
        mr_policy_free(policies[k]);
}

Test(policy, a_flow_that_does_not_exist_is_refused) {
    const mr_policy_spec spec = small_spec("no_such_flow", OBS_DIM, ACT_DIM);
    mr_policy *policy = NULL;
    cr_expect_eq(mr_policy_new(&spec, 1, &policy), MR_ERR_USAGE);
    scratch_expect_message("no_such_flow");
    cr_expect_null(policy);
}

Test(policy, a_flow_that_takes_bounded_values_alone_is_refused) {
    mr_policy_spec spec = small_spec("[logit, coupling(affine)]", OBS_DIM, ACT_DIM);
    mr_policy *policy = NULL;
    cr_expect_eq(mr_policy_new(&spec, 1, &policy), MR_ERR_USAGE);
    scratch_expect_message(
        "values between -inf and inf reach logit, which is defined between 0 and "
        "1 alone; is inverse(logit) meant?");
    cr_expect_null(policy);
    spec.flow = "[coupling(affine), tanh(bound=3)]";
    cr_expect_eq(mr_policy_new(&spec, 1, &policy), MR_OK, "%s", mr_error_message());
    mr_policy_free(policy);
}

// ---- The task it is for

Test(policy, fits_its_own_task_and_no_other) {
    mr_policy *policy = small_policy("gaussian", OBS_DIM, ACT_DIM);
    static const double other_high[] = {3, 4};
    const mr_env_spec own = {.name = "Small-v0",
                             .obs_dim = OBS_DIM,
                             .act_dim = ACT_DIM,
                             .act_low = small_low,
                             .act_high = small_high};
    mr_env_spec other = own;
    cr_expect_eq(mr_policy_check_env(policy, &own), MR_OK);
    other.name = "Other-v1";
    other.obs_dim = 4;
    cr_expect_eq(mr_policy_check_env(policy, &other), MR_ERR_INPUT);
    cr_expect_str_eq(mr_error_message(),
                     "the policy was trained on Small-v0 (3 observations, 2 actions) but Other-v1 "
                     "has 4 and 2; use it with the task it was trained on");
    other.obs_dim = OBS_DIM;
    other.act_dim = 1;
    cr_expect_eq(mr_policy_check_env(policy, &other), MR_ERR_INPUT);
    other.act_dim = ACT_DIM;
    other.act_high = other_high;
    cr_expect_eq(mr_policy_check_env(policy, &other), MR_ERR_INPUT);
    cr_expect_str_eq(mr_error_message(),
                     "the policy was trained on Small-v0 with action 1 in [-2, 3], but Other-v1 "
                     "has [-2, 4]; use it with the task it was trained on");
    mr_policy_free(policy);
}

// ---- Files

static const char path[] = "policy.safetensors";

static mr_policy *load(const char *file) {
    mr_policy *policy = NULL;
    cr_assert_eq(mr_policy_load(file, &policy), MR_OK, "%s", mr_error_message());
    return policy;
}

static void expect_same_spec(const mr_policy *found, const mr_policy *expected) {
    const mr_policy_spec *a = mr_policy_get_spec(found), *b = mr_policy_get_spec(expected);
    cr_expect_str_eq(a->env, b->env);
    cr_expect_str_eq(a->flow, b->flow);
    cr_expect_eq(a->obs_dim, b->obs_dim);
    cr_expect_eq(a->act_dim, b->act_dim);
    cr_expect_arr_eq(a->act_low, b->act_low, ACT_DIM * sizeof *a->act_low);
    cr_expect_arr_eq(a->act_high, b->act_high, ACT_DIM * sizeof *a->act_high);
    cr_expect_eq(a->hidden.n, b->hidden.n);
    cr_expect_arr_eq(a->hidden.width, b->hidden.width, a->hidden.n * sizeof *a->hidden.width);
}

static void check_comes_back(const char *flow) {
    static sample before, after;
    mr_policy *saved = bent_policy(flow);
    cr_assert_eq(mr_policy_save(saved, path, 0, NULL), MR_OK, "%s", mr_error_message());
    mr_policy *loaded = load(path);
    const mr_params *params = mr_policy_params(saved);
    expect_same_spec(loaded, saved);
    cr_expect(
        small_is_same(params, mr_params_read(params), mr_params_read(mr_policy_params(loaded))),
        "%s", flow);
    sample_fill(&before);
    sample_fill(&after);
    cr_assert_eq(sample_draw(saved, false, &before), MR_OK);
    cr_assert_eq(sample_draw(loaded, false, &after), MR_OK);
    cr_expect_arr_eq(&before, &after, sizeof before, "%s", flow);
    mr_policy_free(saved);
    mr_policy_free(loaded);
}

Test(policy, comes_back_from_its_file_bit_for_bit_for_every_flow) {
    for (size_t k = 0; k < mr_flow_count(); k++)
        check_comes_back(mr_flow_at(k).name);
    check_comes_back("[lu, coupling(spline(bins=8), hidden=16)]*3");
    check_comes_back("[inverse(planar), autoregressive(affine, hidden=8), permutation]*2");
}

// With running statistics that are not the initial ones.
static mr_policy *normalised_policy(mr_norm_kind norm, bool norm_last) {
    mr_policy_spec spec = small_spec("gaussian", OBS_DIM, ACT_DIM);
    mr_policy *policy = NULL;
    mr_random random = mr_random_stream(33, MR_STREAM_TEST, 0);
    spec.norm = mr_norm_name(norm);
    spec.norm_last = norm_last;
    cr_assert_eq(mr_policy_new(&spec, 1, &policy), MR_OK, "%s", mr_error_message());
    const mr_params *params = mr_policy_params(policy);
    const size_t n_trained = mr_params_trained_size(params);
    mr_random_fill_uniform(&random, mr_params_size(params) - n_trained, 0.5, 2,
                           mr_params_value(params) + n_trained);
    return policy;
}

// And a row of its own is computed as among others: by the running statistics.
static void check_normalised(mr_norm_kind norm, bool norm_last) {
    static sample before, after;
    mr_real act[ACT_DIM];
    mr_policy *saved = normalised_policy(norm, norm_last);
    cr_assert_eq(mr_policy_save(saved, path, 0, NULL), MR_OK, "%s", mr_error_message());
    mr_policy *loaded = load(path);
    cr_expect_str_eq(mr_policy_get_spec(loaded)->norm, mr_norm_name(norm));
    cr_expect_eq(mr_policy_get_spec(loaded)->norm_last, norm_last);
    sample_fill(&before);
    sample_fill(&after);
    cr_assert_eq(sample_draw(saved, false, &before), MR_OK);
    cr_assert_eq(sample_draw(loaded, false, &after), MR_OK);
    cr_expect_arr_eq(&before, &after, sizeof before, "%s", mr_norm_name(norm));
    cr_assert_eq(mr_policy_act_units(loaded, before.obs, before.noise, act), MR_OK);
    for (size_t j = 0; j < ACT_DIM; j++)
        cr_expect_float_eq(act[j], before.act[j], 1e-5, "%s", mr_norm_name(norm));
    mr_policy_free(saved);
    mr_policy_free(loaded);
}

Test(policy, comes_back_from_its_file_with_its_normalisation) {
    for (mr_norm_kind norm = MR_NORM_LAYER; norm <= MR_NORM_BATCH_RENORM; norm++) {
        check_normalised(norm, false);
        check_normalised(norm, true);
    }
}

// A version that knows nothing of normalisation must refuse it, and read all other policies.
Test(policy, normalisation_makes_a_file_one_of_format_2) {
    static const mr_norm_kind norms[] = {MR_NORM_NONE, MR_NORM_BATCH};
    static const char *const versions[] = {"1", "2"};
    for (size_t k = 0; k < MR_COUNT(norms); k++) {
        mr_policy *policy = normalised_policy(norms[k], false);
        mr_tensors *file = NULL;
        cr_assert_eq(mr_policy_save(policy, path, 0, NULL), MR_OK);
        cr_assert_eq(mr_tensors_open(path, &file), MR_OK);
        cr_expect_str_eq(mr_tensors_note(file, "format_version"), versions[k]);
        cr_expect_eq(mr_tensors_note(file, "norm") != NULL, k == 1);
        mr_tensors_close(file);
        mr_policy_free(policy);
    }
}

// 0.1 and 1/3 have no short decimal form.
Test(policy, bounds_come_back_bit_for_bit) {
    mr_policy_spec spec = small_spec("gaussian", OBS_DIM, ACT_DIM);
    const double low[ACT_DIM] = {-0.1, -1.0 / 3}, high[ACT_DIM] = {1e-300, 1e300};
    mr_policy *policy = NULL;
    spec.act_low = low;
    spec.act_high = high;
    cr_assert_eq(mr_policy_new(&spec, 1, &policy), MR_OK);
    cr_assert_eq(mr_policy_save(policy, path, 0, NULL), MR_OK);
    mr_policy *loaded = load(path);
    expect_same_spec(loaded, policy);
    mr_policy_free(policy);
    mr_policy_free(loaded);
}

Test(policy, a_file_carries_the_notes_it_is_given) {
    const mr_metadata notes[] = {{"steps", "1234"}, {"engine", "none"}};
    mr_policy *policy = bent_policy("gaussian");
    mr_tensors *file = NULL;
    cr_assert_eq(mr_policy_save(policy, path, MR_COUNT(notes), notes), MR_OK);
    cr_assert_eq(mr_tensors_open(path, &file), MR_OK);
    for (size_t i = 0; i < MR_COUNT(notes); i++)
        cr_expect_str_eq(mr_tensors_note(file, notes[i].key), notes[i].value);
    mr_tensors_close(file);
    mr_policy_free(policy);
}

Test(policy, a_file_that_cannot_be_written_is_named) {
    mr_policy *policy = bent_policy("gaussian");
    cr_expect_eq(mr_policy_save(policy, "none/policy.safetensors", 0, NULL), MR_ERR_IO);
    scratch_expect_message("none/policy.safetensors");
    mr_policy_free(policy);
}

// ---- Observations that are standardised

static mr_policy *standardising_policy(void) {
    static const double mean[OBS_DIM] = {1, -2, 0.5}, std[OBS_DIM] = {2, 0.25, 1e-4};
    mr_policy_spec spec = small_spec("real_nvp:layers=2,hidden=8", OBS_DIM, ACT_DIM);
    mr_policy *policy = NULL;
    spec.obs_mean = mean;
    spec.obs_std = std;
    cr_assert_eq(mr_policy_new(&spec, 3, &policy), MR_OK);
    return policy;
}

// The same nets without statistics, given what they should see: (obs - mean) / std by hand.
Test(policy, acts_on_standardised_observations_if_it_has_statistics) {
    const double obs[OBS_DIM] = {4, -2.25, 0.75}, seen[OBS_DIM] = {1.5, -1, 10};
    mr_real act[2][ACT_DIM];
    mr_policy *policy = standardising_policy();
    mr_policy *plain = small_policy("real_nvp:layers=2,hidden=8", OBS_DIM, ACT_DIM);
    cr_assert_eq(mr_policy_act_units(policy, obs, NULL, act[0]), MR_OK);
    cr_assert_eq(mr_policy_act_units(plain, seen, NULL, act[1]), MR_OK);
    cr_expect_arr_eq(act[0], act[1], sizeof act[0]);
    mr_policy_free(policy);
    mr_policy_free(plain);
}

Test(policy, a_file_carries_the_statistics_of_observations) {
    const double mean[OBS_DIM] = {0.1, 1e300, -1. / 3}, std[OBS_DIM] = {1e-4, 2, 3};
    mr_policy *policy = standardising_policy();
    mr_policy_set_obs_stats(policy, mean, std);
    cr_assert_eq(mr_policy_save(policy, path, 0, NULL), MR_OK);
    mr_policy *loaded = load(path);
    cr_expect_arr_eq(mr_policy_get_spec(loaded)->obs_mean, mean, sizeof mean);
    cr_expect_arr_eq(mr_policy_get_spec(loaded)->obs_std, std, sizeof std);
    mr_policy_free(policy);
    mr_policy_free(loaded);
}

Test(policy, a_file_whose_deviations_are_not_positive_is_refused) {
    const double mean[OBS_DIM] = {0}, std[OBS_DIM] = {1, 0, 1};
    mr_policy *policy = standardising_policy(), *loaded = NULL;
    mr_policy_set_obs_stats(policy, mean, std);
    cr_assert_eq(mr_policy_save(policy, path, 0, NULL), MR_OK);
    cr_expect_eq(mr_policy_load(path, &loaded), MR_ERR_INPUT);
    scratch_expect_message("its metadata's 'obs_std' is");
    mr_policy_free(policy);
}

// ---- Bounds of the deviation

// log N(z; mean, std) is at most -dim log(std sqrt(2 pi)), where std is least: exp(log_std_low).
// Deviations that approach 1e-3 to 2e-3 give densities that larger bounds can't.
Test(policy, the_log_deviation_stays_within_the_bounds_of_the_spec_and_of_the_file) {
    static sample s;
    mr_policy *policy = NULL, *loaded;
    mr_policy_spec spec = small_spec("gaussian", OBS_DIM, ACT_DIM);
    spec.log_std_low = log(1e-3);
    spec.log_std_high = log(2e-3);
    cr_assert_eq(mr_policy_new(&spec, 3, &policy), MR_OK);
    cr_assert_eq(mr_policy_save(policy, path, 0, NULL), MR_OK);
    loaded = load(path);
    sample_fill(&s);
    memset(s.noise, 0, sizeof s.noise);
    cr_assert_eq(sample_draw(loaded, false, &s), MR_OK);
    for (size_t i = 0; i < N_ROWS; i++) {
        double log_prob = (double)s.log_prob[i]; // without the change of volume by the tanh
        for (size_t j = 0; j < ACT_DIM; j++) {
            const double act = (double)s.act[i * ACT_DIM + j];
            log_prob += log(1 - act * act);
        }
        cr_expect_gt(log_prob, -ACT_DIM * log(2e-3 * sqrt(2 * M_PI)));
        cr_expect_lt(log_prob, -ACT_DIM * log(1e-3 * sqrt(2 * M_PI)));
    }
    mr_policy_free(policy);
    mr_policy_free(loaded);
}

// ---- Files that are no policies

static void expect_refused(const char *file, mr_status status, const char *part) {
    mr_policy *policy = NULL;
    cr_expect_eq(mr_policy_load(file, &policy), status, "%s: %s", part, mr_error_message());
    cr_expect_null(policy);
    scratch_expect_message(file);
    scratch_expect_message(part);
    cr_expect_null(strchr(mr_error_message(), '\n'), "more than a line: %s", mr_error_message());
}

Test(policy, a_file_that_is_not_there_is_named) {
    expect_refused("none.safetensors", MR_ERR_IO, "No such file");
    expect_refused(".", MR_ERR_IO, "is a directory");
}

Test(policy, a_file_of_another_kind_is_refused) {
    scratch_write("text", "not a safetensors file\n");
    expect_refused("text", MR_ERR_INPUT, "is it a safetensors file");
    scratch_write("empty", "");
    expect_refused("empty", MR_ERR_INPUT, "is it a safetensors file");
    expect_refused(MR_TEST_DATA "/tensors/python.safetensors", MR_ERR_INPUT,
                   "not a policy saved by millrace; give a policy.safetensors of a run");
}

Test(policy, a_file_cut_anywhere_is_refused) {
    mr_policy *policy = bent_policy("gaussian");
    char *bytes = NULL;
    size_t n_bytes = 0;
    cr_assert_eq(mr_policy_save(policy, path, 0, NULL), MR_OK);
    cr_assert_eq(mr_file_read(path, &bytes, &n_bytes), MR_OK);
    for (size_t n = 0; n < n_bytes; n += n < 600 ? 7 : 41) {
        FILE *file = fopen("cut.safetensors", "wb");
        cr_assert_eq(fwrite(bytes, 1, n, file), n);
        fclose(file);
        expect_refused("cut.safetensors", MR_ERR_INPUT, "");
    }
    free(bytes);
    mr_policy_free(policy);
}

/// A copy of a policy file with one thing changed.
typedef struct {
    const char *key, *value; // of a note; NULL value: left out
    const char *array;       // one that is left out, or gets:
    mr_dtype dtype;
    size_t n_dims, shape[2]; // n_dims = 0: left out
    mr_real first;           // its first number
} change;

static void write_changed(const mr_tensors *file, const change *c) {
    static const char *const keys[] = {"format",  "format_version", "env",     "policy",
                                       "hidden",  "norm",           "obs_dim", "act_dim",
                                       "act_low", "act_high"};
    static double room[64];
    mr_tensors_writer *writer;
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    for (size_t i = 0; i < MR_COUNT(keys); i++) {
        const bool changed = c->key && strcmp(c->key, keys[i]) == 0;
        const char *value = changed ? c->value : mr_tensors_note(file, keys[i]);
        if (value)
            cr_assert_eq(mr_tensors_writer_note(writer, keys[i], value), MR_OK);
    }
    for (size_t i = 0; i < mr_tensors_count(file); i++) {
        mr_tensor t = mr_tensors_at(file, i);
        if (c->array && strcmp(c->array, t.name) == 0) {
            if (c->n_dims == 0)
                continue;
            memcpy(room, t.data, t.n_bytes < sizeof room ? t.n_bytes : sizeof room);
            memcpy(room, &c->first, sizeof c->first);
            t = (mr_tensor){t.name, c->dtype, c->n_dims, c->shape, room, 0};
        }
        cr_assert_eq(mr_tensors_writer_add(writer, t.name, t.dtype, t.n_dims, t.shape, t.data),
                     MR_OK);
    }
    cr_assert_eq(mr_tensors_writer_write(writer, "changed.safetensors"), MR_OK);
    mr_tensors_writer_free(writer);
}

Test(policy, a_file_with_one_thing_wrong_is_refused_and_the_thing_named) {
    static const struct {
        change change;
        mr_status status;
        const char *message;
    } cases[] = {
        {{.key = "format"}, MR_ERR_INPUT, "not a policy saved by millrace"},
        {{.key = "format", .value = "other"}, MR_ERR_INPUT, "not a policy saved by millrace"},
        {{.key = "format_version"}, MR_ERR_INPUT, "policy format unknown"},
        {{.key = "format_version", .value = "3"}, MR_ERR_INPUT, "policy format 3, this millrace"},
        {{.key = "env"}, MR_ERR_INPUT, "no 'env'"},
        {{.key = "policy"}, MR_ERR_INPUT, "no 'policy'"},
        {{.key = "policy", .value = "no_such_flow"}, MR_ERR_INPUT, "no_such_flow"},
        {{.key = "policy", .value = "real_nvp:layers=0"}, MR_ERR_INPUT, "layers"},
        {{.key = "policy", .value = "real_nvp"},
         MR_ERR_INPUT,
         "numbers, which the file can't hold"},
        {{.key = "policy", .value = "real_nvp:layers=64,hidden=65536x65536"},
         MR_ERR_INPUT,
         "numbers, which the file can't hold"},
        {{.key = "policy", .value = "maf:layers=64,hidden=65536x65536"},
         MR_ERR_INPUT,
         "numbers, which the file can't hold"},
        {{.key = "hidden"}, MR_ERR_INPUT, "no 'hidden'"},
        {{.key = "hidden", .value = "7;5"}, MR_ERR_INPUT, "'hidden' is '7;5'"},
        {{.key = "hidden", .value = "8x5"}, MR_ERR_INPUT, "'trunk.0.weight' is F32 [7, 3]"},
        {{.key = "hidden", .value = "7x5x5"}, MR_ERR_INPUT, "no array 'trunk.2.weight'"},
        {{.key = "norm", .value = "other"}, MR_ERR_INPUT, "'norm' is 'other'"},
        {{.key = "norm", .value = "batch"}, MR_ERR_INPUT, "no 'norm_position'"},
        {{.key = "obs_dim"}, MR_ERR_INPUT, "no 'obs_dim'"},
        {{.key = "obs_dim", .value = "0"}, MR_ERR_INPUT, "'obs_dim' is '0'"},
        {{.key = "obs_dim", .value = "-3"}, MR_ERR_INPUT, "'obs_dim' is '-3'"},
        {{.key = "obs_dim", .value = "3 "}, MR_ERR_INPUT, "'obs_dim' is '3 '"},
        {{.key = "obs_dim", .value = "1e1"}, MR_ERR_INPUT, "'obs_dim' is '1e1'"},
        {{.key = "obs_dim", .value = "99999999999999999999"}, MR_ERR_INPUT, "'obs_dim'"},
        {{.key = "obs_dim", .value = "4"},
         MR_ERR_INPUT,
         "'trunk.0.weight' is F32 [7, 3], F32 [7, 4"},
        {{.key = "act_dim", .value = "1"}, MR_ERR_INPUT, "'act_low'"},
        {{.key = "act_dim", .value = "3"}, MR_ERR_INPUT, "'act_low'"},
        {{.key = "act_low"}, MR_ERR_INPUT, "no 'act_low'"},
        {{.key = "act_low", .value = "-1"}, MR_ERR_INPUT, "'act_low' is '-1'"},
        {{.key = "act_low", .value = "-1 -2 -3"}, MR_ERR_INPUT, "'act_low' is '-1 -2 -3'"},
        {{.key = "act_low", .value = "-1 nan"}, MR_ERR_INPUT, "'act_low' is '-1 nan'"},
        {{.key = "act_high", .value = "1 inf"}, MR_ERR_INPUT, "'act_high' is '1 inf'"},
        {{.key = "act_high", .value = "one two"}, MR_ERR_INPUT, "'act_high' is 'one two'"},
        {{.array = "base.bias"}, MR_ERR_INPUT, "no array 'base.bias', F32 [4] is needed"},
        {{.array = "base.bias", .dtype = MR_F32, .n_dims = 1, .shape = {3}},
         MR_ERR_INPUT,
         "'base.bias' is F32 [3], F32 [4] is needed"},
        {{.array = "base.bias", .dtype = MR_F64, .n_dims = 1, .shape = {4}},
         MR_ERR_INPUT,
         "'base.bias' is F64 [4], F32 [4] is needed"},
        {{.array = "base.bias", .dtype = MR_F32, .n_dims = 2, .shape = {1, 4}},
         MR_ERR_INPUT,
         "'base.bias' is F32 [1, 4], F32 [4] is needed"},
        {{.array = "base.bias", .dtype = MR_F32, .n_dims = 1, .shape = {4}, .first = NAN},
         MR_ERR_NUMERIC,
         "parameters that are not finite"},
        {{.array = "base.bias", .dtype = MR_F32, .n_dims = 1, .shape = {4}, .first = -INFINITY},
         MR_ERR_NUMERIC,
         "parameters that are not finite"},
    };
    mr_policy *policy = bent_policy("gaussian");
    mr_tensors *file = NULL;
    cr_assert_eq(mr_policy_save(policy, path, 0, NULL), MR_OK);
    cr_assert_eq(mr_tensors_open(path, &file), MR_OK);
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        write_changed(file, &cases[i].change);
        expect_refused("changed.safetensors", cases[i].status, cases[i].message);
    }
    // With nothing changed it is read: the refusals above are for what was changed.
    write_changed(file, &(change){0});
    mr_policy_free(load("changed.safetensors"));
    mr_tensors_close(file);
    mr_policy_free(policy);
}

Test(policy, freeing_nothing_is_fine) {
    mr_policy_free(NULL);
}
