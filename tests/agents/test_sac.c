#include "tests/agents/agent_case.h"
#include "tests/agents/small.h"

TestSuite(sac, .init = scratch_enter, .fini = scratch_leave);

enum { OBS_DIM = 3, ACT_DIM = 2, N_STEPS = 100 };

// ---- The recorded cases, in float32

// From a weight to the loss and back lie at most 13 layers, twice, each of a sum of at most 12
// products and an activation: some 300 roundings of 2^-24 each, on operands that are up to ten
// times the largest of an array's gradients. Signs vary, so that the sum of the errors grows as
// the square root of their number: 17 * 10 * 6e-8 = 1e-5. exact_agents_torch.c holds the formulas
// to 1e-10.
static const double float_tolerance = 1e-5;

Test(sac, a_gaussian_agent_has_pytorchs_losses_and_gradients_to_float32) {
    case_check("sac_gaussian", float_tolerance);
}

Test(sac, a_real_nvp_agent_has_pytorchs_losses_and_gradients_to_float32) {
    case_check("sac_real_nvp", float_tolerance);
}

Test(sac, all_kinds_of_critics_have_pytorchs_losses_and_gradients_to_float32) {
    case_check("sac_quantile", float_tolerance);
    case_check("sac_categorical", float_tolerance);
    case_check("sac_ensemble", float_tolerance);
}

// ---- Updates

/// An agent, what it learns from, and its parameters as they were.
typedef struct {
    mr_agent *agent;
    mr_batch_maker *batches;
    mr_replay *replay;
    mr_params *actor, *critic, *target, *temperature;
    mr_real *old_actor, *old_critic, *old_target, *old_temperature;
} learner;

static void remember(learner *l) {
    free(l->old_actor);
    free(l->old_critic);
    free(l->old_target);
    free(l->old_temperature);
    l->old_actor = small_copy(l->actor, mr_params_read(l->actor));
    l->old_critic = small_copy(l->critic, mr_params_read(l->critic));
    l->old_target = small_copy(l->target, mr_params_read(l->target));
    l->old_temperature = small_copy(l->temperature, mr_params_read(l->temperature));
}

static learner learner_with(const small_options *options, const mr_batch_options *batch_options,
                            double reward_scale) {
    learner l = {.agent = small_agent("real_nvp", OBS_DIM, ACT_DIM, options)};
    const mr_policy *policy = mr_agent_policy(l.agent);
    l.batches = small_batches(policy, batch_options);
    l.replay = small_replay(policy, N_STEPS, reward_scale);
    l.actor = small_params(l.agent, "policy");
    l.critic = small_params(l.agent, "critic");
    l.target = small_target(l.agent, "critic");
    l.temperature = small_params(l.agent, "temperature");
    remember(&l);
    return l;
}

static learner learner_new(const small_options *options, double reward_scale) {
    mr_batch_options batch_options = small_batch_options(NULL);
    batch_options.seed = options->setup.seed;
    return learner_with(options, &batch_options, reward_scale);
}

static void learner_free(learner *l) {
    mr_agent_free(l->agent);
    mr_batch_maker_free(l->batches);
    mr_replay_free(l->replay);
    free(l->old_actor);
    free(l->old_critic);
    free(l->old_target);
    free(l->old_temperature);
}

static bool is_unchanged(const mr_params *params, const mr_real *old) {
    return small_is_same(params, mr_params_read(params), old);
}

static const mr_sac_metrics *metrics_of(const learner *l) {
    return (const mr_sac_metrics *)mr_agent_metrics(l->agent);
}

static void update(learner *l) {
    cr_assert_eq(small_update(l->agent, l->batches, l->replay), MR_OK, "%s", mr_error_message());
}

Test(sac, an_update_moves_policy_critics_and_temperature) {
    const small_options options = small_defaults(1);
    learner l = learner_new(&options, 1);
    update(&l);
    cr_expect(!is_unchanged(l.actor, l.old_actor));
    cr_expect(!is_unchanged(l.critic, l.old_critic));
    cr_expect(!is_unchanged(l.temperature, l.old_temperature));
    cr_expect_eq(mr_agent_n_updates(l.agent), 1);
    learner_free(&l);
}

// Doubling is exact.
Test(sac, a_reward_scale_is_as_rewards_that_are_so_much_larger) {
    const small_options options = small_defaults(1);
    mr_batch_options scaled = small_batch_options(NULL);
    scaled.reward_scale = 2;
    learner a = learner_new(&options, 2), b = learner_with(&options, &scaled, 1);
    for (int k = 0; k < 3; k++) {
        update(&a);
        update(&b);
    }
    cr_expect(small_is_same(a.critic, mr_params_read(a.critic), mr_params_read(b.critic)));
    cr_expect(small_is_same(a.actor, mr_params_read(a.actor), mr_params_read(b.actor)));
    learner_free(&a);
    learner_free(&b);
}

static const mr_env_spec bonus_env = {.name = "Small-v0", .obs_dim = OBS_DIM};

// With rewards scaled to nothing the bonus alone teaches: the same whatever the rewards were, and
// something else than no bonus.
Test(sac, a_shared_bonus_is_added_to_the_rewards) {
    static const double reward_scales[] = {1, 100, 1};
    learner l[3];
    mr_bonus *bonus[3] = {0};
    for (size_t k = 0; k < 3; k++) {
        const small_options options = small_defaults(1);
        if (k < 2) {
            bonus[k] = small_bonus("density", &bonus_env);
            small_visit(bonus[k], OBS_DIM, 50);
        }
        mr_batch_options batch_options = small_batch_options(bonus[k]);
        batch_options.reward_scale = 0;
        batch_options.is_separate = false;
        l[k] = learner_with(&options, &batch_options, reward_scales[k]);
        update(&l[k]);
    }
    const mr_real *first = mr_params_read(l[0].critic);
    cr_expect(small_is_same(l[0].critic, first, mr_params_read(l[1].critic)));
    cr_expect(!small_is_same(l[0].critic, first, mr_params_read(l[2].critic)));
    for (size_t k = 0; k < 3; k++) {
        learner_free(&l[k]);
        mr_bonus_free(bonus[k]);
    }
}

Test(sac, intrinsic_critics_learn_and_their_targets_follow) {
    small_options options = small_defaults(1);
    mr_bonus *bonus = small_bonus("rnd", &bonus_env);
    small_visit(bonus, OBS_DIM, 50);
    options.setup.has_intrinsic = true;
    options.setup.intrinsic_hidden = options.setup.critic.hidden; // so that the two can be compared
    const mr_batch_options batch_options = small_batch_options(bonus);
    learner l = learner_with(&options, &batch_options, 1);
    mr_params *critic = small_params(l.agent, "bonus_critic");
    mr_params *target = small_target(l.agent, "bonus_critic");
    mr_real *old = small_copy(critic, mr_params_read(critic));
    cr_expect(!small_is_same(critic, old, l.old_critic), "both critics started alike");
    update(&l);
    for (size_t i = 0; i < mr_params_size(target); i++) {
        const double before = (double)old[i], now = (double)mr_params_read(critic)[i];
        cr_expect_float_eq((double)mr_params_read(target)[i],
                           before + options.sac.tau * (now - before),
                           0x1p-22 * (fabs(before) + fabs(now)));
    }
    cr_expect(!is_unchanged(critic, old));
    free(old);
    learner_free(&l);
    mr_bonus_free(bonus);
}

Test(sac, intrinsic_critics_have_widths_of_their_own) {
    small_options options = small_defaults(1);
    options.setup.has_intrinsic = true;
    options.setup.intrinsic_hidden = (mr_widths){.n = 1, .width = {3}};
    learner l = learner_new(&options, 1);
    const size_t n_weights = 2 * ((OBS_DIM + ACT_DIM + 1) * 3 + 3 + 1); // and biases, of twins
    cr_expect_eq(mr_params_count(small_params(l.agent, "bonus_critic")), n_weights);
    learner_free(&l);
}

Test(sac, targets_start_equal_and_move_by_tau) {
    const small_options options = small_defaults(1);
    learner l = learner_new(&options, 1);
    cr_expect(small_is_same(l.critic, l.old_critic, l.old_target));
    for (int k = 0; k < 3; k++) {
        remember(&l);
        update(&l);
        const mr_real *new = mr_params_read(l.critic), *target = mr_params_read(l.target);
        for (size_t i = 0; i < mr_params_size(l.target); i++) {
            const double old = (double)l.old_target[i];
            const double expected = old + options.sac.tau * ((double)new[i] - old);
            // Three roundings of numbers no larger than these.
            cr_expect_float_eq((double)target[i], expected,
                               0x1p-22 * (fabs(old) + fabs((double)new[i])));
        }
    }
    learner_free(&l);
}

// Adam's first step is lr times the gradient's sign, whatever its size (Kingma and Ba 2015): it
// shows which way each is pushed, and at which rate.
Test(sac, the_first_step_goes_down_each_gradient_at_its_own_rate) {
    small_options options = small_defaults(1);
    options.sac.actor_lr = 0.001;
    options.sac.critic_lr = 0.01;
    learner l = learner_new(&options, 1);
    update(&l);
    const struct {
        mr_params *params;
        const mr_real *old;
        double lr;
    } sets[] = {{l.actor, l.old_actor, options.sac.actor_lr},
                {l.critic, l.old_critic, options.sac.critic_lr},
                {l.temperature, l.old_temperature, options.sac.actor_lr}};
    for (size_t k = 0; k < MR_COUNT(sets); k++) {
        const mr_real *grad = mr_params_grad(sets[k].params), *new = mr_params_read(sets[k].params);
        size_t n_checked = 0;
        for (size_t i = 0; i < mr_params_size(sets[k].params); i++) {
            const double expected = grad[i] > 0 ? -sets[k].lr : sets[k].lr;
            if (fabs((double)grad[i]) < 1e-4) // epsilon, 1e-8, takes its share of smaller ones
                continue;
            n_checked++;
            // epsilon / |gradient|, and the rounding of the parameter, which is below 1.
            cr_expect_float_eq((double)new[i] - (double)sets[k].old[i], expected,
                               1e-4 * sets[k].lr + 0x1p-23, "set %zu, %zu", k, i);
        }
        cr_expect_gt(n_checked, 0, "set %zu", k);
    }
    learner_free(&l);
}

Test(sac, policy_and_temperature_wait_for_their_turn) {
    small_options options = small_defaults(1);
    options.sac.policy_delay = 3;
    learner l = learner_new(&options, 1);
    for (int k = 0; k < 7; k++) {
        remember(&l);
        update(&l);
        cr_expect_eq(!is_unchanged(l.actor, l.old_actor), k % 3 == 0, "update %d", k);
        cr_expect_eq(!is_unchanged(l.temperature, l.old_temperature), k % 3 == 0, "update %d", k);
        cr_expect(!is_unchanged(l.critic, l.old_critic), "update %d", k);
        cr_expect(!is_unchanged(l.target, l.old_target), "update %d", k);
    }
    learner_free(&l);
}

Test(sac, a_fixed_temperature_stays) {
    small_options options = small_defaults(1);
    options.sac.alpha = (mr_auto){.value = 0.2};
    learner l = learner_new(&options, 1);
    for (int k = 0; k < 3; k++)
        update(&l);
    cr_expect(is_unchanged(l.temperature, l.old_temperature));
    cr_expect(!is_unchanged(l.actor, l.old_actor));
    // exp(log alpha) with log alpha, 1.6, rounded to float32.
    cr_expect_float_eq(metrics_of(&l)->alpha, 0.2, 0.2 * 0x1p-23);
    learner_free(&l);
}

// alpha = 0, no reward for entropy at all, is in the setting's range.
Test(sac, a_learned_temperature_begins_where_it_is_told_to) {
    small_options options = small_defaults(1);
    options.sac.initial_alpha = 0.01;
    mr_agent *agent = small_agent("gaussian", OBS_DIM, ACT_DIM, &options);
    const double log_alpha = (double)mr_params_read(small_params(agent, "temperature"))[0];
    cr_expect_float_eq(log_alpha, log(0.01), 1e-6);
    mr_agent_free(agent);
}

// The entropy of six Gaussians is PyTorch's, in double precision.
Test(sac, the_target_entropy_is_a_number_or_that_of_gaussians_or_minus_the_dimension) {
    mr_sac_options o = {.target_entropy = {.automatic = true}, .target_sigma = {.automatic = true}};
    cr_expect_eq(mr_sac_target_entropy(&o, 6), -6);
    o.target_sigma = (mr_auto){.value = 0.15};
    cr_expect_float_eq(mr_sac_target_entropy(&o, 6), -2.8690887100872517, 1e-14);
    o.target_entropy = (mr_auto){.value = 0.5};
    cr_expect_eq(mr_sac_target_entropy(&o, 6), 0.5);
}

Test(sac, a_temperature_of_zero_gives_finite_figures) {
    small_options options = small_defaults(1);
    options.sac.alpha = (mr_auto){.value = 0};
    learner l = learner_new(&options, 1);
    for (int k = 0; k < 3; k++)
        update(&l);
    const mr_sac_metrics *f = metrics_of(&l);
    cr_expect_eq(f->alpha, 0);
    cr_expect(isfinite(f->critic_loss) && isfinite(f->actor_loss) && isfinite(f->entropy));
    cr_expect(!isinf(f->alpha_loss), "alpha_loss is %g", f->alpha_loss);
    learner_free(&l);
}

// ---- Ensembles, dropout, resets

/// Critics of one observation and one action, in a graph with their loss.
typedef struct {
    mr_critic *critic;
    mr_graph *graph;
    mr_critic_outputs now, next; // at the same place, of the critics and of their targets
    mr_node *loss;
} ensemble;

static ensemble ensemble_new(size_t n, size_t n_target) {
    const mr_critic_options options = {
        .ensemble = {.n = n, .n_target = n_target, .head = &mr_value_head_scalar},
        .obs_dim = 1,
        .act_dim = 1,
        .net = {.hidden = {.n = 1, .width = {4}}, .activation = MR_TANH},
        .has_targets = true,
        .adam = mr_adam_new(0.1),
        .n_threads = 1};
    ensemble e;
    mr_node *q;
    mr_real at = 0.3F, zero = 0, one = 1;
    cr_assert_eq(mr_critic_new(&options, &e.critic), MR_OK);
    cr_assert_eq(mr_graph_new(1, 1, &e.graph), MR_OK);
    mr_node *x = mr_input(e.graph, 1, false);
    mr_node *reward = mr_input(e.graph, 1, false), *discount = mr_input(e.graph, 1, false);
    const mr_critic_step step = {.obs = x,
                                 .act = x,
                                 .next_obs = x,
                                 .next_act = x,
                                 .backup = {.reward = reward, .discount = discount}};
    e.loss = mr_keep(mr_critic_loss(e.critic, &step, &q));
    e.now = mr_critic_build(e.critic, n, mr_critic_params(e.critic), x, x, MR_ACTING);
    e.next = mr_critic_build(e.critic, n, mr_critic_learner(e.critic)->target, x, x, MR_ACTING);
    for (size_t i = 0; i < n; i++) {
        mr_keep(e.now.of[i]);
        mr_keep(e.next.of[i]);
    }
    cr_assert_eq(mr_graph_plan(e.graph, NULL, 0, NULL), MR_OK);
    mr_input_fill(x, 1, &at);
    mr_input_fill(reward, 1, &zero);
    mr_input_fill(discount, 1, &one);
    return e;
}

// The critic whose target the loss, 1/2 sum_j (Q_j - y)^2, is made of.
static size_t find_target(const ensemble *e) {
    size_t found = e->now.n;
    for (size_t i = 0; i < e->now.n; i++) {
        const double y = (double)mr_node_value(e->next.of[i])[0];
        double loss = 0;
        for (size_t j = 0; j < e->now.n; j++)
            loss += 0.5 * pow((double)mr_node_value(e->now.of[j])[0] - y, 2);
        if (fabs(loss - (double)mr_node_value(e->loss)[0]) < 1e-6 * loss)
            found = i;
    }
    cr_assert_lt(found, e->now.n, "the loss is of no critic's target");
    return found;
}

// Of 5 critics, the one that is the r-th from below is the least of 2 drawn ones in 4 - r of 10
// draws: its count has a deviation of at most sqrt(N / 4), of which 5 are allowed.
Test(sac, a_target_is_made_of_critics_that_are_drawn_anew_for_each_update) {
    enum { N = 5, N_TARGET = 2, N_DRAWS = 2000 };
    ensemble e = ensemble_new(N, N_TARGET);
    mr_random random = mr_random_stream(31, MR_STREAM_TEST, 0);
    size_t n_times[N] = {0};
    for (size_t k = 0; k < N_DRAWS; k++) {
        mr_critic_draw(e.critic, &random);
        mr_graph_run(e.graph, 1);
        n_times[find_target(&e)]++;
    }
    for (size_t i = 0; i < N; i++) {
        size_t rank = 0;
        for (size_t j = 0; j < N; j++)
            rank += mr_node_value(e.next.of[j])[0] < mr_node_value(e.next.of[i])[0];
        cr_expect_float_eq((double)n_times[i], N_DRAWS * (double)(N - 1 - rank) / 10,
                           5 * sqrt(N_DRAWS / 4.0), "the critic of rank %zu: %zu of %d", rank,
                           n_times[i], N_DRAWS);
    }
    mr_graph_free(e.graph);
    mr_critic_free(e.critic);
}

// An update of which only the draws stay: the parameters are then as before.
static void update_and_put_back(learner *l) {
    const struct {
        mr_params *params;
        mr_real *const *old;
    } sets[] = {{l->actor, &l->old_actor},
                {l->critic, &l->old_critic},
                {l->target, &l->old_target},
                {l->temperature, &l->old_temperature}};
    remember(l);
    update(l);
    for (size_t i = 0; i < MR_COUNT(sets); i++)
        memcpy(mr_params_value(sets[i].params), *sets[i].old,
               mr_params_size(sets[i].params) * sizeof(mr_real));
}

Test(sac, dropout_in_critics_is_drawn_for_each_update) {
    small_options options = small_defaults(1);
    options.setup.critic.dropout = 0.5;
    learner l = learner_new(&options, 1);
    small_batch batch;
    double loss[3];
    small_batch_fill(mr_agent_policy(l.agent), &batch);
    for (size_t k = 0; k < 3; k++) { // with the draws of update 1, 2, 2
        if (k < 2)
            update_and_put_back(&l);
        small_compute(l.agent, &batch);
        loss[k] = metrics_of(&l)->critic_loss;
    }
    cr_expect_neq(loss[0], loss[1]);
    cr_expect_eq(loss[1], loss[2]);
    learner_free(&l);
}

// As a new agent, but for another seed, and again at the second reset.
Test(sac, a_reset_draws_all_nets_anew_and_forgets_the_optimizers_moments) {
    small_options options = small_defaults(1);
    options.setup.reset_every = 3;
    learner l = learner_new(&options, 1);
    mr_params *const sets[] = {l.actor, l.critic};
    mr_real *first[MR_COUNT(sets)];
    for (size_t reset = 0; reset < 2; reset++) {
        for (int k = 0; k < 3; k++) {
            cr_expect_eq(mr_agent_learner_of(l.agent, "critic")->adam.n_steps, (uint64_t)k);
            update(&l);
        }
        cr_expect(small_is_same(l.critic, mr_params_read(l.critic), mr_params_read(l.target)));
        cr_expect(is_unchanged(l.temperature, l.old_temperature)); // from 1, whatever the seed
        cr_expect_eq(mr_params_moment(l.critic, 1)[0], 0);
        cr_expect(!is_unchanged(l.actor, l.old_actor) && !is_unchanged(l.critic, l.old_critic));
        for (size_t i = 0; i < MR_COUNT(sets); i++) {
            if (reset == 0)
                first[i] = small_copy(sets[i], mr_params_read(sets[i]));
            else
                cr_expect(!small_is_same(sets[i], first[i], mr_params_read(sets[i])));
        }
    }
    cr_expect_eq(mr_agent_n_updates(l.agent), 6);
    for (size_t i = 0; i < MR_COUNT(sets); i++)
        free(first[i]);
    learner_free(&l);
}

static void learn_twice(int n_threads, uint64_t other_seed, bool *same) {
    small_options options = small_defaults(n_threads);
    learner a = learner_new(&options, 1);
    options.setup.seed = other_seed;
    learner b = learner_new(&options, 1);
    for (int k = 0; k < 5; k++) {
        update(&a);
        update(&b);
    }
    *same = small_is_same(a.actor, mr_params_read(a.actor), mr_params_read(b.actor)) &&
            small_is_same(a.target, mr_params_read(a.target), mr_params_read(b.target));
    learner_free(&a);
    learner_free(&b);
}

Test(sac, the_same_seed_gives_the_same_bits_for_any_number_of_threads) {
    const uint64_t seed = small_defaults(1).setup.seed;
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        bool same = false;
        learn_twice(n_threads, seed, &same);
        cr_expect(same, "%d threads", n_threads);
        learn_twice(n_threads, seed + 1, &same);
        cr_expect(!same, "%d threads: another seed changes nothing", n_threads);
    }
}

// ---- What is not finite

Test(sac, a_critic_loss_that_is_not_finite_changes_nothing) {
    const small_options options = small_defaults(1);
    learner l = learner_new(&options, 1e30); // squared, beyond float32
    cr_expect_eq(small_update(l.agent, l.batches, l.replay), MR_ERR_NUMERIC);
    scratch_expect_message("critic loss is inf");
    cr_expect(is_unchanged(l.actor, l.old_actor));
    cr_expect(is_unchanged(l.critic, l.old_critic));
    cr_expect(is_unchanged(l.target, l.old_target));
    cr_expect(is_unchanged(l.temperature, l.old_temperature));
    cr_expect_eq(mr_agent_n_updates(l.agent), 0);
    learner_free(&l);
}

// Critics that are thrown far away by their first step: of the order of 1e20 a layer, and with
// three layers beyond float32, unless none of their ReLUs is left alive; with this seed some are.
Test(sac, an_actor_loss_that_is_not_finite_leaves_policy_and_temperature_alone) {
    small_options options = small_defaults(1);
    options.setup.seed = 3;
    options.sac.critic_lr = 1e20;
    learner l = learner_new(&options, 1);
    cr_expect_eq(small_update(l.agent, l.batches, l.replay), MR_ERR_NUMERIC);
    scratch_expect_message("actor loss");
    cr_expect(is_unchanged(l.actor, l.old_actor));
    cr_expect(is_unchanged(l.temperature, l.old_temperature));
    learner_free(&l);
}
