// The action of a stochastic policy without noise.

#include "agents/deterministic.h"

#include <math.h>

#include "tests/agents/small.h"
#include "tests/scratch.h"

TestSuite(deterministic, .init = scratch_enter, .fini = scratch_leave);

enum { OBS_DIM = 3, ACT_DIM = 2, N_OBS = 6, N_SAMPLES = 10 };

static const char path[] = "p.safetensors";

static mr_policy *flow_policy(void) {
    mr_policy *policy = small_policy("[coupling(affine, hidden=8)]*2", OBS_DIM, ACT_DIM);
    small_bend(policy);
    return policy;
}

static mr_critic *critics_new(const mr_ensemble *ensemble, mr_norm_kind norm) {
    mr_critic *critics;
    const mr_critic_options options = {.ensemble = *ensemble,
                                       .obs_dim = OBS_DIM,
                                       .act_dim = ACT_DIM,
                                       .net = {.hidden = {.n = 2, .width = {9, 7}},
                                               .activation = MR_SILU,
                                               .norm = norm,
                                               .norm_last = norm == MR_NORM_BATCH},
                                       .adam = mr_adam_new(1e-3),
                                       .seed = 8,
                                       .n_threads = 1};
    cr_assert_eq(mr_critic_new(&options, &critics), MR_OK, "%s", mr_error_message());
    return critics;
}

static void fill_obs(double obs[N_OBS][OBS_DIM]) {
    mr_random random = mr_random_stream(91, MR_STREAM_TEST, 0);
    for (size_t i = 0; i < N_OBS; i++)
        for (size_t j = 0; j < OBS_DIM; j++)
            obs[i][j] = mr_random_normal(&random);
}

// The samples as deterministic.h documents them: pairs z, -z of standard normals.
static void draw_samples(mr_policy *policy, const double *obs, mr_real act[N_SAMPLES][ACT_DIM],
                         mr_real log_prob[N_SAMPLES]) {
    mr_real noise[N_SAMPLES][ACT_DIM];
    double repeated[N_SAMPLES][OBS_DIM];
    mr_random random = mr_random_stream(0, MR_STREAM_CHOOSE, 0);
    for (size_t i = 0; i < N_SAMPLES; i++) {
        if (i % 2 == 0)
            mr_random_fill_normal(&random, ACT_DIM, noise[i]);
        for (size_t j = 0; j < ACT_DIM && i % 2 == 1; j++)
            noise[i][j] = -noise[i - 1][j];
        memcpy(repeated[i], obs, sizeof repeated[i]);
    }
    cr_assert_eq(mr_policy_prepare(policy, N_SAMPLES), MR_OK);
    cr_assert_eq(mr_policy_sample_units(policy, N_SAMPLES, repeated[0], noise[0], act[0], log_prob),
                 MR_OK);
}

static void set(mr_policy *policy, const char *action) {
    cr_assert_eq(mr_policy_set_deterministic(policy, action), MR_OK, "%s: %s", action,
                 mr_error_message());
}

static void act_units(const mr_policy *policy, const double *obs, mr_real act[ACT_DIM]) {
    cr_assert_eq(mr_policy_act_units(policy, obs, NULL, act), MR_OK, "%s", mr_error_message());
}

Test(deterministic, base_is_the_action_of_no_noise_to_the_last_bit) {
    mr_policy *policy = flow_policy();
    const mr_real zeros[ACT_DIM] = {0};
    double obs[N_OBS][OBS_DIM];
    fill_obs(obs);
    cr_expect_str_eq(mr_policy_get_spec(policy)->deterministic, "base");
    for (size_t i = 0; i < N_OBS; i++) {
        mr_real by_default[ACT_DIM], act[ACT_DIM];
        act_units(policy, obs[i], by_default);
        cr_assert_eq(mr_policy_act_units(policy, obs[i], zeros, act), MR_OK);
        cr_expect_arr_eq(by_default, act, sizeof act);
    }
    mr_policy_free(policy);
}

Test(deterministic, the_mean_is_that_of_the_samples) {
    mr_policy *policy = flow_policy();
    double obs[N_OBS][OBS_DIM];
    fill_obs(obs);
    set(policy, "mean:samples=10");
    cr_expect_str_eq(mr_policy_get_spec(policy)->deterministic, "mean:samples=10");
    for (size_t i = 0; i < N_OBS; i++) {
        mr_real act[ACT_DIM], again[ACT_DIM], sample[N_SAMPLES][ACT_DIM];
        act_units(policy, obs[i], act);
        act_units(policy, obs[i], again);
        cr_expect_arr_eq(act, again, sizeof act);
        draw_samples(policy, obs[i], sample, NULL);
        for (size_t j = 0; j < ACT_DIM; j++) {
            double sum = 0;
            for (size_t k = 0; k < N_SAMPLES; k++)
                sum += (double)sample[k][j];
            cr_expect_float_eq(act[j], sum / N_SAMPLES, 1e-7);
        }
    }
    mr_policy_free(policy);
}

// log p(x) of x = atanh(act): log pi(act) + sum_j log(1 - act_j^2).
static double density_before_tanh(const mr_policy *policy, const double *obs, const mr_real *act) {
    mr_graph *graph;
    cr_assert_eq(mr_graph_new(1, 1, &graph), MR_OK);
    mr_node *o = mr_input(graph, OBS_DIM, false), *a = mr_input(graph, ACT_DIM, false);
    mr_node *log_prob = mr_keep(
        mr_policy_build_density(policy, mr_policy_params(policy), o, a, MR_ACTING).log_prob);
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    for (size_t j = 0; j < OBS_DIM; j++)
        mr_node_value(o)[j] = (mr_real)obs[j];
    mr_input_fill(a, 1, act);
    mr_graph_run(graph, 1);
    double density = (double)mr_node_value(log_prob)[0];
    for (size_t j = 0; j < ACT_DIM; j++)
        density += log(1 - (double)act[j] * (double)act[j]);
    mr_graph_free(graph);
    return density;
}

// No neighbour is denser, and no sample. The densities are rounded to about 1e-5.
Test(deterministic, the_mode_is_a_maximum_of_the_density_above_all_samples) {
    mr_policy *policy = flow_policy();
    double obs[N_OBS][OBS_DIM];
    fill_obs(obs);
    for (size_t i = 0; i < N_OBS; i++) {
        mr_real mode[ACT_DIM], sample[N_SAMPLES][ACT_DIM];
        set(policy, "mode:samples=10");
        act_units(policy, obs[i], mode);
        const double peak = density_before_tanh(policy, obs[i], mode);
        draw_samples(policy, obs[i], sample, NULL);
        for (size_t k = 0; k < N_SAMPLES; k++)
            cr_expect_gt(peak, density_before_tanh(policy, obs[i], sample[k]) - 1e-4);
        for (size_t k = 0; k < 2 * ACT_DIM; k++) {
            mr_real beside[ACT_DIM];
            memcpy(beside, mode, sizeof beside);
            beside[k / 2] += k % 2 == 0 ? 0.01F : -0.01F;
            cr_expect_gt(peak, density_before_tanh(policy, obs[i], beside) - 1e-4);
        }
    }
    mr_policy_free(policy);
}

static void values_of(const mr_critic *critics, const double *obs,
                      const mr_real act[N_SAMPLES][ACT_DIM], bool takes_mean,
                      double value[N_SAMPLES]) {
    mr_graph *graph;
    cr_assert_eq(mr_graph_new(N_SAMPLES, 1, &graph), MR_OK);
    mr_node *o = mr_input(graph, OBS_DIM, false), *a = mr_input(graph, ACT_DIM, false);
    const mr_critic_outputs outputs = mr_critic_build(critics, mr_critic_ensemble(critics)->n,
                                                      mr_critic_params(critics), o, a, MR_ACTING);
    mr_node *q =
        mr_keep(takes_mean ? mr_critic_mean(critics, &outputs) : mr_critic_min(critics, &outputs));
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    for (size_t k = 0; k < N_SAMPLES; k++)
        for (size_t j = 0; j < OBS_DIM; j++)
            mr_node_value(o)[k * OBS_DIM + j] = (mr_real)obs[j];
    mr_input_fill(a, N_SAMPLES, act[0]);
    mr_graph_run(graph, N_SAMPLES);
    for (size_t k = 0; k < N_SAMPLES; k++)
        value[k] = (double)mr_node_value(q)[k];
    mr_graph_free(graph);
}

// With two critics or three; batch norms act by their running statistics.
static const struct {
    const char *head;
    mr_ensemble ensemble;
    mr_norm_kind norm;
    bool takes_mean;
} cases[] = {
    {"scalar", {.n = 2, .n_target = 2}, MR_NORM_LAYER, false},
    {"quantile", {.n = 3, .n_target = 2, .value = {.n_quantiles = 5}}, MR_NORM_BATCH, true},
    {"categorical", {.n = 2, .n_target = 2, .value = {.n_atoms = 11}}, MR_NORM_NONE, false},
};

static mr_critic *critics_of(size_t i) {
    mr_ensemble ensemble = cases[i].ensemble;
    ensemble.head = mr_value_head_find(cases[i].head);
    ensemble.value.atoms = (mr_atoms){-2, 3};
    if (ensemble.value.n_atoms == 0)
        ensemble.value.n_atoms = 101;
    if (ensemble.value.n_quantiles == 0)
        ensemble.value.n_quantiles = 25;
    return critics_new(&ensemble, cases[i].norm);
}

// From a file as well: what it keeps of the critics is all that their values need.
Test(deterministic, the_best_is_the_sample_that_the_critics_value_most) {
    double obs[N_OBS][OBS_DIM];
    fill_obs(obs);
    for (size_t e = 0; e < MR_COUNT(cases); e++) {
        mr_policy *policy = flow_policy(), *loaded;
        mr_critic *critics = critics_of(e);
        mr_policy_set_critics(policy, critics, cases[e].takes_mean);
        set(policy, "best:samples=10");
        cr_assert_eq(mr_policy_save(policy, path, 0, NULL), MR_OK, "%s", mr_error_message());
        cr_assert_eq(mr_policy_load(path, &loaded), MR_OK, "%s", mr_error_message());
        cr_expect_str_eq(mr_policy_get_spec(loaded)->deterministic, "best:samples=10");
        for (size_t i = 0; i < N_OBS; i++) {
            mr_real act[ACT_DIM], of_file[ACT_DIM], sample[N_SAMPLES][ACT_DIM];
            double value[N_SAMPLES];
            size_t best = 0;
            act_units(policy, obs[i], act);
            act_units(loaded, obs[i], of_file);
            cr_expect_arr_eq(act, of_file, sizeof act);
            draw_samples(policy, obs[i], sample, NULL);
            values_of(critics, obs[i], sample, cases[e].takes_mean, value);
            for (size_t k = 0; k < N_SAMPLES; k++)
                best = value[k] > value[best] ? k : best;
            for (size_t j = 0; j < ACT_DIM; j++)
                cr_expect_float_eq(act[j], sample[best][j], 1e-6, "%s", cases[e].head);
        }
        mr_policy_free(loaded);
        mr_policy_free(policy);
        mr_critic_free(critics);
    }
}

Test(deterministic, a_policy_without_a_flow_has_its_base_for_mean_and_mode) {
    static const char *const flows[] = {"gaussian", "deterministic"};
    static const char *const actions[] = {"mean", "mode:samples=4"};
    for (size_t k = 0; k < MR_COUNT(flows); k++)
        for (size_t i = 0; i < MR_COUNT(actions); i++) {
            mr_policy *policy = small_policy(flows[k], OBS_DIM, ACT_DIM);
            set(policy, actions[i]);
            cr_expect_str_eq(mr_policy_get_spec(policy)->deterministic, "base");
            mr_policy_free(policy);
        }
}

Test(deterministic, the_mode_of_a_flow_that_keeps_volumes_is_its_bases) {
    mr_policy *policy = small_policy("[coupling(shift)]*2", OBS_DIM, ACT_DIM);
    set(policy, "mode");
    cr_expect_str_eq(mr_policy_get_spec(policy)->deterministic, "base");
    set(policy, "mean");
    cr_expect_str_eq(mr_policy_get_spec(policy)->deterministic, "mean:samples=8");
    mr_policy_free(policy);
}

Test(deterministic, a_batch_gets_the_same_actions_as_each_observation_alone) {
    mr_policy *policy = flow_policy();
    double obs[N_OBS][OBS_DIM], action[N_OBS][ACT_DIM], alone[ACT_DIM];
    float log_prob[N_OBS];
    fill_obs(obs);
    set(policy, "mean");
    cr_assert_eq(mr_policy_prepare(policy, N_OBS), MR_OK);
    cr_assert_eq(mr_policy_sample(policy, N_OBS, obs[0], NULL, action[0], NULL), MR_OK);
    for (size_t i = 0; i < N_OBS; i++) {
        cr_assert_eq(mr_policy_act(policy, obs[i], NULL, alone), MR_OK);
        cr_expect_arr_eq(action[i], alone, sizeof alone);
    }
    cr_expect_eq(mr_policy_sample(policy, N_OBS, obs[0], NULL, action[0], log_prob), MR_ERR_USAGE);
    scratch_expect_message("known for the deterministic action base alone");
    obs[2][1] = NAN;
    cr_expect_eq(mr_policy_sample(policy, N_OBS, obs[0], NULL, action[0], NULL), MR_ERR_NUMERIC);
    scratch_expect_message("component 1 of observation row 2");
    mr_policy_free(policy);
}

Test(deterministic, a_text_that_is_none_is_refused_and_changes_nothing) {
    static const char *const texts[][2] = {
        {"", "there are base, mean, mode, best"},
        {"median", "there is no deterministic action median; there are base, mean, mode, best"},
        {"mean:samples=0", "deterministic action mean: samples must be"},
        {"mean:n=3", "unknown option \"n\""},
        {"base:samples=3", "it has no options"},
        {"best", "the policy has no critics"},
    };
    mr_policy *policy = flow_policy();
    set(policy, "mean:samples=4");
    for (size_t i = 0; i < MR_COUNT(texts); i++) {
        cr_expect_eq(mr_policy_set_deterministic(policy, texts[i][0]), MR_ERR_USAGE, "%s",
                     texts[i][0]);
        scratch_expect_message(texts[i][1]);
    }
    cr_expect_str_eq(mr_policy_get_spec(policy)->deterministic, "mean:samples=4");
    mr_policy_free(policy);
}

// Files of before name no action, and earlier versions must refuse those that do.
Test(deterministic, a_file_names_any_action_but_the_base) {
    static const char *const actions[] = {"base", "mode"}, *const versions[] = {"1", "2"};
    for (size_t k = 0; k < MR_COUNT(actions); k++) {
        mr_policy *policy = flow_policy(), *loaded;
        mr_tensors *file;
        mr_tensor critic;
        set(policy, actions[k]);
        cr_assert_eq(mr_policy_save(policy, path, 0, NULL), MR_OK);
        cr_assert_eq(mr_tensors_open(path, &file), MR_OK);
        cr_expect_eq(mr_tensors_note(file, "deterministic_action") != NULL, k == 1);
        cr_expect_str_eq(mr_tensors_note(file, "format_version"), versions[k]);
        cr_expect_not(mr_tensors_find(file, "critic.q1.0.weight", &critic));
        mr_tensors_close(file);
        cr_assert_eq(mr_policy_load(path, &loaded), MR_OK, "%s", mr_error_message());
        cr_expect_str_eq(mr_policy_get_spec(loaded)->deterministic,
                         mr_policy_get_spec(policy)->deterministic);
        mr_policy_free(loaded);
        mr_policy_free(policy);
    }
}

// ---- Files with one thing wrong

// A copy with an entry of the metadata changed, or an array left out.
static void write_changed(const mr_tensors *file, const char *name, const char *value) {
    static const char *const keys[] = {"format",
                                       "format_version",
                                       "env",
                                       "policy",
                                       "hidden",
                                       "obs_dim",
                                       "act_dim",
                                       "act_low",
                                       "act_high",
                                       "deterministic_action",
                                       "critic_value",
                                       "critic_hidden",
                                       "critic_net",
                                       "critic_activation",
                                       "critic_norm",
                                       "critic_norm_position",
                                       "critics",
                                       "critic_head",
                                       "critic_atoms",
                                       "critic_support",
                                       "critic_quantiles"};
    mr_tensors_writer *writer;
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    for (size_t i = 0; i < MR_COUNT(keys); i++) {
        const char *text =
            name && strcmp(keys[i], name) == 0 ? value : mr_tensors_note(file, keys[i]);
        if (text)
            cr_assert_eq(mr_tensors_writer_note(writer, keys[i], text), MR_OK);
    }
    for (size_t i = 0; i < mr_tensors_count(file); i++) {
        const mr_tensor t = mr_tensors_at(file, i);
        if (!name || strcmp(t.name, name) != 0)
            cr_assert_eq(mr_tensors_writer_add(writer, t.name, t.dtype, t.n_dims, t.shape, t.data),
                         MR_OK);
    }
    cr_assert_eq(mr_tensors_writer_write(writer, "changed.safetensors"), MR_OK);
    mr_tensors_writer_free(writer);
}

Test(deterministic, a_file_with_something_wrong_in_its_critics_is_refused_by_name) {
    static const struct {
        const char *name, *value, *message;
    } changes[] = {
        {"deterministic_action", "median", "'deterministic_action' is 'median'"},
        {"critic_value", NULL, "no 'critic_value'"},
        {"critic_value", "max", "'critic_value' is 'max'"},
        {"critic_hidden", "9;7", "'critic_hidden' is '9;7'"},
        {"critic_hidden", "65536x65536", "numbers, which the file can't hold"},
        {"critic_hidden", "9x6", "'critic.q1.1.weight' is F32 [7, 9]"},
        {"critic_net", "deep", "'critic_net' is 'deep'"},
        {"critic_activation", "cosine", "'critic_activation' is 'cosine'"},
        {"critic_norm", "other", "'critic_norm' is 'other'"},
        {"critic_norm_position", "within", "'critic_norm_position' is 'within'"},
        {"critics", "17", "'critics' is '17'"},
        {"critics", "3", "no array 'critic.q3.0.weight'"},
        {"critic_head", "other", "'critic_head' is 'other'"},
        {"critic_atoms", "1", "'critic_atoms' is '1'"},
        {"critic_atoms", "1002", "'critic_atoms' is '1002'"},
        {"critic_support", "5 5", "'critic_support' is '5 5'"},
        {"critic_support", "-5 inf", "'critic_support' is '-5 inf'"},
        {"critic_quantiles", "201", "'critic_quantiles' is '201'"},
        {"critic.q2.0.weight", NULL, "no array 'critic.q2.0.weight'"},
    };
    mr_policy *policy = flow_policy(), *loaded;
    mr_critic *critics = critics_of(0);
    mr_tensors *file;
    mr_policy_set_critics(policy, critics, false);
    set(policy, "best");
    cr_assert_eq(mr_policy_save(policy, path, 0, NULL), MR_OK);
    cr_assert_eq(mr_tensors_open(path, &file), MR_OK);
    for (size_t i = 0; i < MR_COUNT(changes); i++) {
        write_changed(file, changes[i].name, changes[i].value);
        cr_expect_eq(mr_policy_load("changed.safetensors", &loaded), MR_ERR_INPUT, "%s",
                     changes[i].message);
        scratch_expect_message(changes[i].message);
    }
    // With nothing changed it is read: the refusals above are for what was changed.
    write_changed(file, NULL, NULL);
    cr_expect_eq(mr_policy_load("changed.safetensors", &loaded), MR_OK, "%s", mr_error_message());
    mr_policy_free(loaded);
    mr_tensors_close(file);
    mr_policy_free(policy);
    mr_critic_free(critics);
}
