/// A case recorded by tests/oracle/sac_torch.py: an agent with PyTorch's weights, and what PyTorch
/// makes of one batch. For either precision: the recorded numbers are float64, the float32 library
/// gets them rounded.
#pragma once

#include "agents/sac.h"

#include <math.h>

#include "tests/scratch.h"

enum { CASE_ROWS = 16, CASE_OBS_DIM = 4, CASE_ACT_DIM = 3 };

typedef struct {
    mr_tensors *file;
    mr_policy *policy;
    mr_sac *sac;
} sac_case;

/// A recorded array.
static inline const double *case_array(const sac_case *c, const char *name, size_t n) {
    for (size_t i = 0; i < mr_tensors_count(c->file); i++) {
        const mr_tensor tensor = mr_tensors_at(c->file, i);
        if (strcmp(tensor.name, name) != 0)
            continue;
        cr_assert(tensor.dtype == MR_F64 && tensor.n_bytes == n * sizeof(double), "%s", name);
        return tensor.data;
    }
    cr_assert_fail("no array %s", name);
    return NULL;
}

static inline void case_copy(const sac_case *c, const char *name, size_t n, mr_real *out) {
    const double *from = case_array(c, name, n);
    for (size_t i = 0; i < n; i++)
        out[i] = (mr_real)from[i];
}

static inline void case_add_rounded(mr_tensors_writer *writer, const mr_tensor *tensor,
                                    mr_real *rounded) {
    const size_t n = tensor->n_bytes / sizeof(double);
    for (size_t i = 0; i < n; i++)
        rounded[i] = (mr_real)((const double *)tensor->data)[i];
    cr_assert_eq(mr_tensors_writer_add(writer, tensor->name,
                                       sizeof(mr_real) == sizeof(float) ? MR_F32 : MR_F64,
                                       tensor->n_dims, tensor->shape, rounded),
                 MR_OK);
}

/// The recorded file in the library's own precision, by way of a file in the present folder.
static inline mr_tensors *case_round(const mr_tensors *file) {
    static const char path[] = "rounded.safetensors";
    mr_tensors_writer *writer;
    mr_tensors *rounded;
    size_t n_bytes = 0;
    for (size_t i = 0; i < mr_tensors_count(file); i++)
        n_bytes += mr_tensors_at(file, i).n_bytes;
    mr_real *numbers = malloc(n_bytes), *next = numbers;
    cr_assert_not_null(numbers);
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    for (size_t i = 0; i < mr_tensors_count(file); i++) {
        const mr_tensor tensor = mr_tensors_at(file, i);
        case_add_rounded(writer, &tensor, next);
        next += tensor.n_bytes / sizeof(double);
    }
    cr_assert_eq(mr_tensors_writer_write(writer, path), MR_OK, "%s", mr_error_message());
    mr_tensors_writer_free(writer);
    free(numbers);
    cr_assert_eq(mr_tensors_open(path, &rounded), MR_OK, "%s", mr_error_message());
    return rounded;
}

static inline void case_load_weights(sac_case *c) {
    const mr_critic *critic = mr_sac_critic(c->sac);
    mr_tensors *rounded = case_round(c->file);
    const struct {
        mr_params *params;
        const char *prefix;
    } sets[] = {{mr_policy_params(c->policy), "policy."},
                {mr_critic_params(critic), "critic."},
                {mr_critic_target(critic), "target."},
                {mr_sac_temperature(c->sac), "temperature."}};
    for (size_t k = 0; k < MR_COUNT(sets); k++)
        cr_assert_eq(mr_params_load(sets[k].params, rounded, sets[k].prefix,
                                    mr_params_value(sets[k].params)),
                     MR_OK, "%s", mr_error_message());
    mr_tensors_close(rounded);
}

/// Opens MR_TEST_DATA/agents/NAME.safetensors. The caller closes it.
static inline sac_case case_open(const char *name, int n_threads) {
    static const double low[CASE_ACT_DIM] = {-1, -1, -1}, high[CASE_ACT_DIM] = {1, 1, 1};
    sac_case c = {0};
    char path[512];
    snprintf(path, sizeof path, MR_TEST_DATA "/agents/%s.safetensors", name);
    cr_assert_eq(mr_tensors_open(path, &c.file), MR_OK, "%s", mr_error_message());
    mr_policy_spec spec = {.env = "torch",
                           .flow = mr_tensors_note(c.file, "flow"),
                           .obs_dim = CASE_OBS_DIM,
                           .act_dim = CASE_ACT_DIM,
                           .act_low = low,
                           .act_high = high};
    cr_assert(mr_widths_parse(mr_tensors_note(c.file, "hidden"), &spec.hidden));
    cr_assert_eq(mr_policy_new(&spec, 0, &c.policy), MR_OK, "%s", mr_error_message());
    const mr_sac_options options = {.batch_size = CASE_ROWS,
                                    .hidden = spec.hidden,
                                    .gamma = 0.5, // not used: the batch brings its discounts
                                    .tau = 0.5,
                                    .learns_alpha = true,
                                    .target_entropy =
                                        strtod(mr_tensors_note(c.file, "target_entropy"), NULL),
                                    .policy_delay = 1,
                                    .n_threads = n_threads};
    cr_assert_eq(mr_sac_new(c.policy, &options, &c.sac), MR_OK, "%s", mr_error_message());
    case_load_weights(&c);
    return c;
}

static inline void case_close(sac_case *c) {
    mr_sac_free(c->sac);
    mr_policy_free(c->policy);
    mr_tensors_close(c->file);
}

static inline void case_compute(const sac_case *c) {
    enum { N_OBS = CASE_ROWS * CASE_OBS_DIM, N_ACT = CASE_ROWS * CASE_ACT_DIM };
    mr_real obs[N_OBS], act[N_ACT], reward[CASE_ROWS], discount[CASE_ROWS], next_obs[N_OBS];
    mr_real noise[N_ACT], next_noise[N_ACT];
    case_copy(c, "batch.obs", N_OBS, obs);
    case_copy(c, "batch.act", N_ACT, act);
    case_copy(c, "batch.reward", CASE_ROWS, reward);
    case_copy(c, "batch.discount", CASE_ROWS, discount);
    case_copy(c, "batch.next_obs", N_OBS, next_obs);
    case_copy(c, "noise", N_ACT, noise);
    case_copy(c, "next_noise", N_ACT, next_noise);
    const mr_batch batch = {
        .obs = obs, .act = act, .reward = reward, .discount = discount, .next_obs = next_obs};
    mr_sac_compute(c->sac, &batch, next_noise, noise);
}

/// The gradients of a set under the names that the file has for them, by way of a file. The caller
/// closes it.
static inline mr_tensors *case_named_grads(const mr_params *params, const char *name) {
    static const char path[] = "grads.safetensors";
    mr_tensors_writer *writer;
    mr_tensors *named;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "grad.%s.", name);
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    cr_assert_eq(mr_params_write(params, mr_params_grad(params), prefix, writer), MR_OK);
    cr_assert_eq(mr_tensors_writer_write(writer, path), MR_OK, "%s", mr_error_message());
    mr_tensors_writer_free(writer);
    cr_assert_eq(mr_tensors_open(path, &named), MR_OK, "%s", mr_error_message());
    return named;
}

/// Holds the gradients of a set against the recorded ones. Each may err by `tolerance` of the
/// largest of its array: within one, rounding depends on the size of what is summed, not of the
/// sum.
static inline void case_expect_grads(const sac_case *c, const char *name, const mr_params *params,
                                     double tolerance) {
    mr_tensors *named = case_named_grads(params, name);
    for (size_t k = 0; k < mr_tensors_count(named); k++) {
        const mr_tensor tensor = mr_tensors_at(named, k);
        const mr_real *found = tensor.data;
        const size_t n = tensor.n_bytes / sizeof *found;
        const double *expected = case_array(c, tensor.name, n);
        double largest = 0;
        for (size_t i = 0; i < n; i++)
            largest = fmax(largest, fabs(expected[i]));
        for (size_t i = 0; i < n; i++)
            cr_expect_float_eq((double)found[i], expected[i], tolerance * largest,
                               "%s[%zu] is %.15g, PyTorch says %.15g", tensor.name, i,
                               (double)found[i], expected[i]);
    }
    mr_tensors_close(named);
}

/// Holds losses and gradients, after case_compute, against the recorded ones.
static inline void case_expect_all(const sac_case *c, double tolerance) {
    const mr_sac_figures *figures = mr_sac_get_figures(c->sac);
    const struct {
        const char *name;
        double found;
    } values[] = {{"loss.critic", figures->critic_loss},
                  {"loss.actor", figures->actor_loss},
                  {"loss.alpha", figures->alpha_loss},
                  {"q_mean", figures->q_mean}};
    for (size_t k = 0; k < MR_COUNT(values); k++) {
        const double expected = *case_array(c, values[k].name, 1);
        cr_expect_float_eq(values[k].found, expected, tolerance * (1 + fabs(expected)),
                           "%s is %.15g, PyTorch says %.15g", values[k].name, values[k].found,
                           expected);
    }
    case_expect_grads(c, "policy", mr_policy_params(c->policy), tolerance);
    case_expect_grads(c, "critic", mr_critic_params(mr_sac_critic(c->sac)), tolerance);
    case_expect_grads(c, "temperature", mr_sac_temperature(c->sac), tolerance);
}
