// The gradients of SAC's losses against central differences, and the losses against their formulas,
// in double precision and for every kind of flow.
//
// With step h a central difference errs by h^2/6 times the third derivative and by the loss's
// rounding, some 100 operations of 2^-53 each, over h. With h = 1e-6 the first is 1e-10 for third
// derivatives up to 1,000, the second 1e-8 of the loss: 1e-7 (1 + |loss|) covers both. So small a
// step also keeps clear of the kinks of ReLU and min.

#include "flows/flow.h"
#include "tests/agents/small.h"
#include "tests/flows/no_gradient.h"

#include <math.h>
#include <stdio.h>

static const double step = 1e-6;
static const double tolerance = 1e-7; // times 1 + |loss|

enum { OBS_DIM = 3, ACT_DIM = 2, TEXT_SIZE = 64 };

/// An agent with a bent flow, targets unlike the critics, a temperature unlike 1, and a batch.
typedef struct {
    const char *flow;
    mr_agent *agent;
    mr_policy *policy; // the agent's
    small_batch batch;
} case_of;

static void move_target(const mr_agent *agent, const char *learner, mr_random *random) {
    mr_params *target = small_target(agent, learner);
    for (size_t i = 0; i < mr_params_size(target); i++)
        mr_params_value(target)[i] += 0.3 * mr_random_normal(random);
}

static case_of case_with(const char *flow, size_t act_dim, int n_threads, bool has_intrinsic) {
    case_of c = {.flow = flow};
    small_options options = small_defaults(n_threads);
    options.setup.has_intrinsic = has_intrinsic;
    c.agent = small_agent(flow, OBS_DIM, act_dim, &options);
    c.policy = mr_agent_policy(c.agent);
    small_bend(c.policy);
    mr_random random = mr_random_stream(14, MR_STREAM_TEST, 0);
    move_target(c.agent, "critic", &random);
    if (has_intrinsic)
        move_target(c.agent, "bonus_critic", &random);
    mr_params_value(small_params(c.agent, "temperature"))[0] = -0.7;
    small_batch_fill(c.policy, &c.batch);
    return c;
}

static case_of case_new(const char *flow, size_t act_dim, int n_threads) {
    return case_with(flow, act_dim, n_threads, false);
}

static const mr_sac_metrics *metrics_of(const case_of *c) {
    return (const mr_sac_metrics *)mr_agent_metrics(c->agent);
}

static double loss_of(case_of *c, size_t metric) {
    small_compute(c->agent, &c->batch);
    return *(const double *)(const void *)((const char *)metrics_of(c) + metric);
}

// d loss / d value[i].
static double difference(case_of *c, size_t metric, mr_real *value, size_t i) {
    const mr_real kept = value[i];
    value[i] = kept + step;
    const double above = loss_of(c, metric);
    value[i] = kept - step;
    const double below = loss_of(c, metric);
    value[i] = kept;
    return (above - below) / (2 * step);
}

// Compares the gradients of all of a set's parameters. Where a number has none for a reason, the
// difference says nothing: of a masked weight, the mask is on its gradient alone. `facts` [of the
// set] names these numbers; NULL: there are none.
static void check(case_of *c, const char *what, mr_params *params, const number_facts *facts,
                  size_t metric) {
    const double allowed = tolerance * (1 + fabs(loss_of(c, metric)));
    mr_real *value = mr_params_value(params);
    mr_real *grad = small_copy(params, mr_params_grad(params));
    for (size_t i = 0; i < mr_params_size(params); i++) {
        const char *no_gradient = facts ? facts[i].no_gradient : NULL;
        if (no_gradient) {
            cr_expect_eq(grad[i], 0, "%s: %s: %s has a gradient, but it %s", c->flow, what,
                         facts[i].name, no_gradient);
            continue;
        }
        const double expected = difference(c, metric, value, i);
        cr_expect_float_eq(grad[i], expected, allowed,
                           "%s: %s gradient %zu is %.10g, the difference says %.10g", c->flow, what,
                           i, grad[i], expected);
    }
    free(grad);
}

static number_facts *policy_facts(const case_of *c) {
    const mr_policy_spec *spec = mr_policy_get_spec(c->policy);
    const size_t context_dim = spec->hidden.width[spec->hidden.n - 1];
    return number_facts_of(mr_policy_params(c->policy), c->flow, spec->act_dim, context_dim);
}

static void check_actor(case_of *c) {
    number_facts *facts = policy_facts(c);
    check(c, "actor", mr_policy_params(c->policy), facts, offsetof(mr_sac_metrics, actor_loss));
    free(facts);
}

// The kind with narrow nets, if it has any: each weight costs two runs. Nets of the default width
// are held along directions, below.
static const char *narrow(const char *kind, char text[TEXT_SIZE]) {
    snprintf(text, TEXT_SIZE, "%s:hidden=8x8", kind);
    return mr_flow_describe(text, MR_FLOW_TO_SAMPLE, NULL, NULL) == MR_OK ? text : kind;
}

static void check_kind(const char *kind, size_t act_dim) {
    char text[TEXT_SIZE];
    const char *flow = narrow(kind, text);
    case_of c = case_new(flow, act_dim, 1);
    check(&c, "critic", small_params(c.agent, "critic"), NULL,
          offsetof(mr_sac_metrics, critic_loss));
    check(&c, "temperature", small_params(c.agent, "temperature"), NULL,
          offsetof(mr_sac_metrics, alpha_loss));
    check_actor(&c);
    mr_agent_free(c.agent);
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
static void check_direction(case_of *c, const char *what, mr_params *params,
                            const number_facts *facts, size_t metric, mr_random *random) {
    const size_t n = mr_params_size(params);
    const double allowed = tolerance * (1 + fabs(loss_of(c, metric)));
    mr_real *value = mr_params_value(params);
    mr_real *grad = small_copy(params, mr_params_grad(params));
    mr_real *kept = small_copy(params, value);
    mr_real *direction = small_copy(params, value);
    mr_random_fill_normal(random, n, direction);
    double length = 0, found = 0, loss[2];
    for (size_t i = 0; i < n; i++) {
        if (facts && facts[i].no_gradient)
            direction[i] = 0;
        length += direction[i] * direction[i];
    }
    length = sqrt(length);
    for (size_t i = 0; i < n; i++)
        found += grad[i] * direction[i] / length;
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n; i++)
            value[i] = kept[i] + (side ? step : -step) * direction[i] / length;
        loss[side] = loss_of(c, metric);
    }
    memcpy(value, kept, n * sizeof *value);
    const double expected = (loss[1] - loss[0]) / (2 * step);
    cr_expect_float_eq(found, expected, allowed,
                       "%s: %s: the gradient along a direction is %.10g, the difference says %.10g",
                       c->flow, what, found, expected);
    free(direction);
    free(kept);
    free(grad);
}

Test(exact_sac, gradients_of_default_nets_equal_central_differences_along_random_directions) {
    enum { N_DIRECTIONS = 8 };
    for (size_t i = 0; i < mr_flow_count(); i++) {
        case_of c = case_new(mr_flow_at(i).name, ACT_DIM, 1);
        number_facts *facts = policy_facts(&c);
        mr_random random = mr_random_stream(16, MR_STREAM_TEST, i);
        for (int k = 0; k < N_DIRECTIONS; k++) {
            check_direction(&c, "critic", small_params(c.agent, "critic"), NULL,
                            offsetof(mr_sac_metrics, critic_loss), &random);
            check_direction(&c, "actor", mr_policy_params(c.policy), facts,
                            offsetof(mr_sac_metrics, actor_loss), &random);
        }
        free(facts);
        mr_agent_free(c.agent);
    }
}

// Threads add up their shares of a gradient: other orders of summation, over 6 rows and some
// hundred roundings of 2^-53 on the way. Held to the largest gradient of the set.
static void check_threads(const char *flow) {
    case_of one = case_new(flow, ACT_DIM, 1), three = case_new(flow, ACT_DIM, 3);
    small_compute(one.agent, &one.batch);
    small_compute(three.agent, &three.batch);
    const mr_params *const sets[][2] = {
        {mr_policy_params(one.policy), mr_policy_params(three.policy)},
        {small_params(one.agent, "critic"), small_params(three.agent, "critic")},
        {small_params(one.agent, "temperature"), small_params(three.agent, "temperature")},
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
    mr_agent_free(one.agent);
    mr_agent_free(three.agent);
}

Test(exact_sac, gradients_are_the_same_with_rows_shared_out_over_threads) {
    for (size_t i = 0; i < mr_flow_count(); i++)
        check_threads(mr_flow_at(i).name);
}

// ---- The losses

/// What the formulas are made of, for each row of a batch.
typedef struct {
    mr_real act[SMALL_ROWS * SMALL_MAX_DIM], log_prob[SMALL_ROWS];
    mr_real q[2][SMALL_ROWS];
} outcome;

// Critics of the same layout as an agent's learner.
static mr_critic *like(const case_of *c, const char *learner) {
    const mr_agent_setup setup = small_defaults(1).setup;
    const bool is_task = strcmp(learner, "critic") == 0;
    const mr_critic_options options = {
        .ensemble = mr_twin_critics,
        .obs_dim = OBS_DIM,
        .act_dim = mr_policy_get_spec(c->policy)->act_dim,
        .net = mr_mlp_plain(is_task ? &setup.critic.hidden : &setup.intrinsic_hidden),
        .n_threads = 1};
    mr_critic *critic;
    cr_assert_eq(mr_critic_new(&options, &critic), MR_OK);
    return critic;
}

// Both values of (obs, act), by a graph of its own.
static void evaluate(const case_of *c, const char *learner, mr_params *params, const mr_real *obs,
                     const mr_real *act, mr_real q[2][SMALL_ROWS]) {
    mr_graph *graph;
    mr_critic *critic = like(c, learner);
    cr_assert_eq(mr_graph_new(SMALL_ROWS, 1, &graph), MR_OK);
    mr_node *obs_in = mr_input(graph, OBS_DIM, false);
    mr_node *act_in = mr_input(graph, mr_policy_get_spec(c->policy)->act_dim, false);
    const mr_critic_outputs outputs = mr_critic_build(critic, 2, params, obs_in, act_in, MR_ACTING);
    mr_node *const nodes[] = {mr_keep(mr_critic_value(critic, &outputs, 0)),
                              mr_keep(mr_critic_value(critic, &outputs, 1))};
    cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
    mr_input_fill(obs_in, SMALL_ROWS, obs);
    mr_input_fill(act_in, SMALL_ROWS, act);
    mr_graph_run(graph, SMALL_ROWS);
    for (int k = 0; k < 2; k++)
        memcpy(q[k], mr_node_value(nodes[k]), SMALL_ROWS * sizeof *q[k]);
    mr_graph_free(graph);
    mr_critic_free(critic);
}

static void play(case_of *c, const char *learner, mr_params *params, const mr_real *obs,
                 const mr_real *noise, outcome *out) {
    cr_assert_eq(mr_policy_sample_units(c->policy, SMALL_ROWS, obs, noise, out->act, out->log_prob),
                 MR_OK);
    evaluate(c, learner, params, obs, out->act, out->q);
}

// Half the mean of both critics' squared errors, for rewards r and the temperature `alpha`.
static double mean_critic_loss(case_of *c, const char *learner, const mr_real *r, double alpha) {
    const small_batch *b = &c->batch;
    mr_real q[2][SMALL_ROWS];
    outcome next;
    play(c, learner, small_target(c->agent, learner), b->next_obs, b->next_noise, &next);
    evaluate(c, learner, small_params(c->agent, learner), b->obs, b->act, q);
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
    case_of c = case_new(flow, ACT_DIM, 1);
    const double log_alpha = mr_params_read(small_params(c.agent, "temperature"))[0],
                 alpha = exp(log_alpha);
    const mr_sac_metrics *found = metrics_of(&c);
    double actor_loss = 0, log_prob = 0;
    outcome now;
    cr_assert_eq(mr_policy_prepare(c.policy, SMALL_ROWS), MR_OK);
    play(&c, "critic", small_params(c.agent, "critic"), c.batch.obs, c.batch.noise, &now);
    for (size_t i = 0; i < SMALL_ROWS; i++) {
        actor_loss += (alpha * now.log_prob[i] - fmin(now.q[0][i], now.q[1][i])) / SMALL_ROWS;
        log_prob += now.log_prob[i] / SMALL_ROWS;
    }
    small_compute(c.agent, &c.batch);
    expect_close(flow, "critic_loss", found->critic_loss,
                 mean_critic_loss(&c, "critic", c.batch.reward, alpha));
    expect_close(flow, "actor_loss", found->actor_loss, actor_loss);
    expect_close(flow, "alpha_loss", found->alpha_loss,
                 -log_alpha * (log_prob + small_defaults(1).sac.target_entropy.value));
    expect_close(flow, "entropy", found->entropy, -log_prob);
    expect_close(flow, "alpha", found->alpha, alpha);
    mr_agent_free(c.agent);
}

Test(exact_sac, losses_equal_the_formulas_of_the_paper_for_every_flow) {
    for (size_t i = 0; i < mr_flow_count(); i++)
        check_losses(mr_flow_at(i).name);
}

// ---- Critics of an intrinsic reward

Test(exact_sac, critics_of_an_intrinsic_reward_have_the_gradients_of_central_differences) {
    case_of c = case_with("real_nvp:hidden=8x8", ACT_DIM, 1, true);
    const struct {
        const char *what;
        mr_params *params;
        size_t metric;
    } sets[] = {
        {"critic", small_params(c.agent, "critic"), offsetof(mr_sac_metrics, critic_loss)},
        {"intrinsic critic", small_params(c.agent, "bonus_critic"),
         offsetof(mr_sac_metrics, critic_loss)},
    };
    for (size_t k = 0; k < MR_COUNT(sets); k++)
        check(&c, sets[k].what, sets[k].params, NULL, sets[k].metric);
    check_actor(&c);
    mr_agent_free(c.agent);
}

// No target has the entropy; the actor's value is the smaller of the task's, and beta of
// the smaller of the intrinsic reward's.
Test(exact_sac, critics_of_an_intrinsic_reward_have_losses_of_their_own) {
    case_of c = case_with("real_nvp", ACT_DIM, 1, true);
    const double alpha = exp(mr_params_read(small_params(c.agent, "temperature"))[0]);
    const mr_sac_metrics *found = metrics_of(&c);
    double actor_loss = 0;
    outcome now, of_bonus;
    cr_assert_eq(mr_policy_prepare(c.policy, SMALL_ROWS), MR_OK);
    play(&c, "critic", small_params(c.agent, "critic"), c.batch.obs, c.batch.noise, &now);
    play(&c, "bonus_critic", small_params(c.agent, "bonus_critic"), c.batch.obs, c.batch.noise,
         &of_bonus);
    for (size_t i = 0; i < SMALL_ROWS; i++)
        actor_loss += (alpha * now.log_prob[i] - fmin(now.q[0][i], now.q[1][i]) -
                       small_beta * fmin(of_bonus.q[0][i], of_bonus.q[1][i])) /
                      SMALL_ROWS;
    small_compute(c.agent, &c.batch);
    expect_close("real_nvp", "critic_loss", found->critic_loss,
                 mean_critic_loss(&c, "critic", c.batch.reward, 0) +
                     mean_critic_loss(&c, "bonus_critic", c.batch.intrinsic, 0));
    expect_close("real_nvp", "actor_loss", found->actor_loss, actor_loss);
    mr_agent_free(c.agent);
}

Test(exact_sac, computing_changes_no_parameter) {
    case_of c = case_new("real_nvp", ACT_DIM, 1);
    mr_params *const sets[] = {
        mr_policy_params(c.policy),
        small_params(c.agent, "critic"),
        small_target(c.agent, "critic"),
        small_params(c.agent, "temperature"),
    };
    mr_real *before[MR_COUNT(sets)];
    for (size_t k = 0; k < MR_COUNT(sets); k++)
        before[k] = small_copy(sets[k], mr_params_read(sets[k]));
    small_compute(c.agent, &c.batch);
    for (size_t k = 0; k < MR_COUNT(sets); k++) {
        cr_expect(small_is_same(sets[k], before[k], mr_params_read(sets[k])), "set %zu", k);
        free(before[k]);
    }
    mr_agent_free(c.agent);
}
