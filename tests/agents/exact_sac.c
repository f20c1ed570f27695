// The gradients of SAC's losses against central differences, and the losses against their formulas,
// in double precision and for every kind of flow.
//
// With step h a central difference errs by h^2/6 times the third derivative and by the loss's
// rounding, some 100 operations of 2^-53 each, over h. With h = 1e-6 the first is 1e-10 for third
// derivatives up to 1,000, the second 1e-8 of the loss: 1e-7 (1 + |loss|) covers both. So small a
// step also keeps clear of the kinks of ReLU and min.

#include "flows/text.h"
#include "tests/agents/small.h"

#include <math.h>
#include <stdio.h>

static const double step = 1e-6;
static const double tolerance = 1e-7; // times 1 + |loss|

enum { OBS_DIM = 3, ACT_DIM = 2, TEXT_SIZE = 64 };

/// An agent with a bent flow, targets unlike the critics, a temperature unlike 1, and a batch.
typedef struct {
    const char *flow;
    mr_policy *policy;
    mr_sac *sac;
    small_batch batch;
} agent;

static void move_target(mr_critic *critic, mr_random *random) {
    mr_params *target = mr_critic_target(critic);
    for (size_t i = 0; i < mr_params_size(target); i++)
        mr_params_value(target)[i] += 0.3 * mr_random_normal(random);
}

static agent agent_with(const char *flow, size_t act_dim, int n_threads, bool has_intrinsic) {
    agent a = {.flow = flow, .policy = small_policy(flow, OBS_DIM, act_dim)};
    mr_sac_options options = small_options(n_threads);
    options.has_intrinsic = has_intrinsic;
    small_bend(a.policy);
    a.sac = small_sac(a.policy, &options);
    mr_random random = mr_random_stream(14, MR_STREAM_TEST, 0);
    move_target(mr_sac_critic(a.sac), &random);
    if (has_intrinsic)
        move_target(mr_sac_intrinsic_critic(a.sac), &random);
    mr_params_value(mr_sac_temperature(a.sac))[0] = -0.7;
    small_batch_fill(a.policy, &a.batch);
    return a;
}

static agent agent_new(const char *flow, size_t act_dim, int n_threads) {
    return agent_with(flow, act_dim, n_threads, false);
}

static void agent_free(agent *a) {
    mr_sac_free(a->sac);
    mr_policy_free(a->policy);
}

static double loss_of(agent *a, size_t figure) {
    small_compute(a->sac, &a->batch);
    return *(const double *)(const void *)((const char *)mr_sac_get_metrics(a->sac) + figure);
}

// d loss / d value[i].
static double difference(agent *a, size_t figure, mr_real *value, size_t i) {
    const mr_real kept = value[i];
    value[i] = kept + step;
    const double above = loss_of(a, figure);
    value[i] = kept - step;
    const double below = loss_of(a, figure);
    value[i] = kept;
    return (above - below) / (2 * step);
}

// Compares the gradients of all of a set's parameters. Where both the parameter and its gradient
// are 0 it may be masked (the difference then says nothing); returns how many must be, because the
// difference is not 0.
static size_t check(agent *a, const char *what, mr_params *params, size_t figure) {
    size_t n_masked = 0;
    const double allowed = tolerance * (1 + fabs(loss_of(a, figure)));
    mr_real *value = mr_params_value(params);
    mr_real *grad = small_copy(params, mr_params_grad(params));
    for (size_t i = 0; i < mr_params_size(params); i++) {
        const double expected = difference(a, figure, value, i);
        if (fabs(grad[i] - expected) <= allowed)
            continue;
        const bool masked = value[i] == 0 && grad[i] == 0;
        n_masked += masked;
        cr_expect(masked, "%s: %s gradient %zu is %.10g, the difference says %.10g", a->flow, what,
                  i, grad[i], expected);
    }
    free(grad);
    return n_masked;
}

// The kind with narrow nets, if it has any: each weight costs two runs. Nets of the default width
// are held along directions, below.
static const char *narrow(const char *kind, char text[TEXT_SIZE]) {
    const mr_flow_kind *found;
    mr_flow_options options;
    snprintf(text, TEXT_SIZE, "%s:hidden=8x8", kind);
    return mr_flow_text_read(text, &found, &options) == MR_OK ? text : kind;
}

static void check_kind(const char *kind, size_t act_dim) {
    char text[TEXT_SIZE];
    const char *flow = narrow(kind, text);
    agent a = agent_new(flow, act_dim, 1);
    mr_params *policy = mr_policy_params(a.policy);
    mr_params *critic = mr_critic_params(mr_sac_critic(a.sac));
    mr_params *temperature = mr_sac_temperature(a.sac);
    cr_expect_eq(check(&a, "critic", critic, offsetof(mr_sac_metrics, critic_loss)), 0, "%s", flow);
    cr_expect_eq(check(&a, "temperature", temperature, offsetof(mr_sac_metrics, alpha_loss)), 0,
                 "%s", flow);
    // Of an autoregressive net's weights up to about half are masked.
    const size_t n_masked = check(&a, "actor", policy, offsetof(mr_sac_metrics, actor_loss));
    cr_expect_leq(3 * n_masked, 2 * mr_params_count(policy), "%s: %zu of %zu gradients are 0", flow,
                  n_masked, mr_params_count(policy));
    agent_free(&a);
}

Test(exact_sac, gradients_equal_central_differences_for_every_flow) {
    for (size_t i = 0; i < mr_flow_count(); i++)
        check_kind(mr_flow_at(i).name, ACT_DIM);
}

Test(exact_sac, gradients_equal_central_differences_for_a_single_action) {
    for (size_t i = 0; i < mr_flow_count(); i++)
        check_kind(mr_flow_at(i).name, 1);
}

// Compares the derivative of a loss along a random direction of length 1 in all weights at once:
// two runs, however wide the nets are. A weight whose gradient is wrong by e changes it by e times
// its share of the direction, 1 / sqrt(n) or so of n weights.
static void check_direction(agent *a, const char *what, mr_params *params, size_t figure,
                            mr_random *random) {
    const size_t n = mr_params_size(params);
    const double allowed = tolerance * (1 + fabs(loss_of(a, figure)));
    mr_real *value = mr_params_value(params);
    mr_real *grad = small_copy(params, mr_params_grad(params));
    mr_real *kept = small_copy(params, value);
    mr_real *direction = small_copy(params, value);
    mr_random_fill_normal(random, n, direction);
    double length = 0, found = 0, loss[2];
    for (size_t i = 0; i < n; i++) {
        if (value[i] == 0 && grad[i] == 0)
            direction[i] = 0; // masked
        length += direction[i] * direction[i];
    }
    length = sqrt(length);
    for (size_t i = 0; i < n; i++)
        found += grad[i] * direction[i] / length;
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n; i++)
            value[i] = kept[i] + (side ? step : -step) * direction[i] / length;
        loss[side] = loss_of(a, figure);
    }
    memcpy(value, kept, n * sizeof *value);
    const double expected = (loss[1] - loss[0]) / (2 * step);
    cr_expect_float_eq(found, expected, allowed,
                       "%s: %s: the gradient along a direction is %.10g, the difference says %.10g",
                       a->flow, what, found, expected);
    free(direction);
    free(kept);
    free(grad);
}

Test(exact_sac, gradients_of_default_nets_equal_central_differences_along_random_directions) {
    enum { N_DIRECTIONS = 8 };
    for (size_t i = 0; i < mr_flow_count(); i++) {
        agent a = agent_new(mr_flow_at(i).name, ACT_DIM, 1);
        mr_random random = mr_random_stream(16, MR_STREAM_TEST, i);
        for (int k = 0; k < N_DIRECTIONS; k++) {
            check_direction(&a, "critic", mr_critic_params(mr_sac_critic(a.sac)),
                            offsetof(mr_sac_metrics, critic_loss), &random);
            check_direction(&a, "actor", mr_policy_params(a.policy),
                            offsetof(mr_sac_metrics, actor_loss), &random);
        }
        agent_free(&a);
    }
}

// Threads add up their shares of a gradient: other orders of summation, over 6 rows and some
// hundred roundings of 2^-53 on the way. Held to the largest gradient of the set.
static void check_threads(const char *flow) {
    agent one = agent_new(flow, ACT_DIM, 1), three = agent_new(flow, ACT_DIM, 3);
    small_compute(one.sac, &one.batch);
    small_compute(three.sac, &three.batch);
    const mr_params *const sets[][2] = {
        {mr_policy_params(one.policy), mr_policy_params(three.policy)},
        {mr_critic_params(mr_sac_critic(one.sac)), mr_critic_params(mr_sac_critic(three.sac))},
        {mr_sac_temperature(one.sac), mr_sac_temperature(three.sac)},
    };
    for (size_t k = 0; k < MR_COUNT(sets); k++) {
        const mr_real *expected = mr_params_grad(sets[k][0]), *found = mr_params_grad(sets[k][1]);
        double largest = 0;
        for (size_t i = 0; i < mr_params_size(sets[k][0]); i++)
            largest = fmax(largest, fabs(expected[i]));
        cr_assert_gt(largest, 0);
        for (size_t i = 0; i < mr_params_size(sets[k][0]); i++)
            cr_expect_float_eq(found[i], expected[i], 1e-13 * largest,
                               "%s: set %zu, gradient %zu is %.17g, with one thread %.17g", flow, k,
                               i, found[i], expected[i]);
    }
    agent_free(&one);
    agent_free(&three);
}

Test(exact_sac, gradients_are_the_same_with_rows_shared_out_over_threads) {
    for (size_t i = 0; i < mr_flow_count(); i++)
        check_threads(mr_flow_at(i).name);
}

Test(exact_sac, no_weight_of_an_unmasked_flow_is_left_without_a_gradient) {
    static const char *const unmasked[] = {"gaussian", "real_nvp:hidden=8x8"};
    for (size_t i = 0; i < MR_COUNT(unmasked); i++) {
        agent a = agent_new(unmasked[i], ACT_DIM, 1);
        cr_expect_eq(
            check(&a, "actor", mr_policy_params(a.policy), offsetof(mr_sac_metrics, actor_loss)), 0,
            "%s", unmasked[i]);
        agent_free(&a);
    }
}

// ---- The losses

/// What the formulas are made of, for each row of a batch.
typedef struct {
    mr_real act[SMALL_ROWS * SMALL_MAX_DIM], log_prob[SMALL_ROWS];
    mr_real q[2][SMALL_ROWS];
} outcome;

// Both values of (obs, act), by a graph of its own.
static void evaluate(const agent *a, const mr_critic *critic, mr_params *params, const mr_real *obs,
                     const mr_real *act, mr_real q[2][SMALL_ROWS]) {
    const size_t act_dim = mr_policy_get_spec(a->policy)->act_dim;
    mr_graph *graph;
    cr_assert_eq(mr_graph_new(SMALL_ROWS, 1, &graph), MR_OK);
    mr_node *obs_in = mr_input(graph, OBS_DIM, false), *act_in = mr_input(graph, act_dim, false);
    mr_node *x = mr_concat(obs_in, act_in);
    mr_node *const nodes[] = {mr_keep(mr_critic_build(critic, 0, params, x)),
                              mr_keep(mr_critic_build(critic, 1, params, x))};
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    memcpy(mr_node_value(obs_in), obs, SMALL_ROWS * OBS_DIM * sizeof *obs);
    memcpy(mr_node_value(act_in), act, SMALL_ROWS * act_dim * sizeof *act);
    mr_graph_run(graph, SMALL_ROWS);
    for (int k = 0; k < 2; k++)
        memcpy(q[k], mr_node_value(nodes[k]), SMALL_ROWS * sizeof *q[k]);
    mr_graph_free(graph);
}

static void play(agent *a, const mr_critic *critic, mr_params *params, const mr_real *obs,
                 const mr_real *noise, outcome *out) {
    cr_assert_eq(mr_policy_sample(a->policy, SMALL_ROWS, obs, noise, out->act, out->log_prob),
                 MR_OK);
    evaluate(a, critic, params, obs, out->act, out->q);
}

// Half the mean of both critics' squared errors, for rewards r and the temperature `alpha`.
static double mean_critic_loss(agent *a, const mr_critic *critic, const mr_real *r, double alpha) {
    const small_batch *b = &a->batch;
    mr_real q[2][SMALL_ROWS];
    outcome next;
    play(a, critic, mr_critic_target(critic), b->next_obs, b->next_noise, &next);
    evaluate(a, critic, mr_critic_params(critic), b->obs, b->act, q);
    double sum = 0;
    for (size_t i = 0; i < SMALL_ROWS; i++) {
        const double value = fmin(next.q[0][i], next.q[1][i]) - alpha * next.log_prob[i];
        const double y = r[i] + b->discount[i] * value;
        sum += 0.5 * (pow(q[0][i] - y, 2) + pow(q[1][i] - y, 2));
    }
    return sum / SMALL_ROWS;
}

static void expect_close(const char *flow, const char *what, double found, double expected) {
    // Two orders of summation over a few dozen terms: some 100 roundings of 2^-53.
    cr_expect_float_eq(found, expected, 1e-13 * (1 + fabs(expected)),
                       "%s: %s is %.17g, the formula says %.17g", flow, what, found, expected);
}

static void check_losses(const char *flow) {
    agent a = agent_new(flow, ACT_DIM, 1);
    const double log_alpha = mr_params_read(mr_sac_temperature(a.sac))[0], alpha = exp(log_alpha);
    const mr_sac_metrics *found = mr_sac_get_metrics(a.sac);
    double actor_loss = 0, log_prob = 0;
    outcome now;
    cr_assert_eq(mr_policy_prepare(a.policy, SMALL_ROWS), MR_OK);
    const mr_critic *critic = mr_sac_critic(a.sac);
    play(&a, critic, mr_critic_params(critic), a.batch.obs, a.batch.noise, &now);
    for (size_t i = 0; i < SMALL_ROWS; i++) {
        actor_loss += (alpha * now.log_prob[i] - fmin(now.q[0][i], now.q[1][i])) / SMALL_ROWS;
        log_prob += now.log_prob[i] / SMALL_ROWS;
    }
    small_compute(a.sac, &a.batch);
    expect_close(flow, "critic_loss", found->critic_loss,
                 mean_critic_loss(&a, critic, a.batch.reward, alpha));
    expect_close(flow, "actor_loss", found->actor_loss, actor_loss);
    expect_close(flow, "alpha_loss", found->alpha_loss,
                 -log_alpha * (log_prob + small_options(1).target_entropy));
    expect_close(flow, "entropy", found->entropy, -log_prob);
    expect_close(flow, "alpha", found->alpha, alpha);
    agent_free(&a);
}

Test(exact_sac, losses_equal_the_formulas_of_the_paper_for_every_flow) {
    for (size_t i = 0; i < mr_flow_count(); i++)
        check_losses(mr_flow_at(i).name);
}

// ---- Critics of an intrinsic reward

Test(exact_sac, critics_of_an_intrinsic_reward_have_the_gradients_of_central_differences) {
    agent a = agent_with("real_nvp:hidden=8x8", ACT_DIM, 1, true);
    const struct {
        const char *what;
        mr_params *params;
        size_t figure;
    } sets[] = {
        {"critic", mr_critic_params(mr_sac_critic(a.sac)), offsetof(mr_sac_metrics, critic_loss)},
        {"intrinsic critic", mr_critic_params(mr_sac_intrinsic_critic(a.sac)),
         offsetof(mr_sac_metrics, critic_loss)},
        {"actor", mr_policy_params(a.policy), offsetof(mr_sac_metrics, actor_loss)},
    };
    for (size_t k = 0; k < MR_COUNT(sets); k++)
        cr_expect_eq(check(&a, sets[k].what, sets[k].params, sets[k].figure), 0, "%s",
                     sets[k].what);
    agent_free(&a);
}

// No target has the entropy; the actor's value is the smaller of the task's, and beta of
// the smaller of the intrinsic reward's.
Test(exact_sac, critics_of_an_intrinsic_reward_have_losses_of_their_own) {
    agent a = agent_with("real_nvp", ACT_DIM, 1, true);
    const double alpha = exp(mr_params_read(mr_sac_temperature(a.sac))[0]);
    const mr_sac_metrics *found = mr_sac_get_metrics(a.sac);
    const mr_critic *task = mr_sac_critic(a.sac), *bonus = mr_sac_intrinsic_critic(a.sac);
    double actor_loss = 0;
    outcome now, of_bonus;
    cr_assert_eq(mr_policy_prepare(a.policy, SMALL_ROWS), MR_OK);
    play(&a, task, mr_critic_params(task), a.batch.obs, a.batch.noise, &now);
    play(&a, bonus, mr_critic_params(bonus), a.batch.obs, a.batch.noise, &of_bonus);
    for (size_t i = 0; i < SMALL_ROWS; i++)
        actor_loss += (alpha * now.log_prob[i] - fmin(now.q[0][i], now.q[1][i]) -
                       small_beta * fmin(of_bonus.q[0][i], of_bonus.q[1][i])) /
                      SMALL_ROWS;
    small_compute(a.sac, &a.batch);
    expect_close("real_nvp", "critic_loss", found->critic_loss,
                 mean_critic_loss(&a, task, a.batch.reward, 0) +
                     mean_critic_loss(&a, bonus, a.batch.intrinsic, 0));
    expect_close("real_nvp", "actor_loss", found->actor_loss, actor_loss);
    agent_free(&a);
}

Test(exact_sac, computing_changes_no_parameter) {
    agent a = agent_new("real_nvp", ACT_DIM, 1);
    mr_params *const sets[] = {
        mr_policy_params(a.policy),
        mr_critic_params(mr_sac_critic(a.sac)),
        mr_critic_target(mr_sac_critic(a.sac)),
        mr_sac_temperature(a.sac),
    };
    mr_real *before[MR_COUNT(sets)];
    for (size_t k = 0; k < MR_COUNT(sets); k++)
        before[k] = small_copy(sets[k], mr_params_read(sets[k]));
    small_compute(a.sac, &a.batch);
    for (size_t k = 0; k < MR_COUNT(sets); k++) {
        cr_expect(small_is_same(sets[k], before[k], mr_params_read(sets[k])), "set %zu", k);
        free(before[k]);
    }
    agent_free(&a);
}
