// What holds for every kind of agent.

#include "agents/agent.h"

#include "base/threads.h"
#include "tests/agents/small.h"
#include "tests/scratch.h"

TestSuite(agent, .init = scratch_enter, .fini = scratch_leave);

enum { OBS_DIM = 3, ACT_DIM = 2, N_STEPS = 100, N_UPDATES = 4 };

/// An agent with its default options, whose actor has its critics' normalisation, and what it
/// learns from.
typedef struct {
    mr_agent *agent;
    mr_batch_maker *batches;
    mr_replay *replay;
} student;

static student student_with(const mr_agent_ops *ops, const mr_agent_setup *setup) {
    student s;
    mr_settings settings;
    mr_policy_spec spec = small_spec(NULL, OBS_DIM, ACT_DIM);
    const mr_batch_options batch_options = small_batch_options(NULL);
    spec.norm = mr_norm_name(setup->critic.norm);
    spec.norm_last = setup->critic.norm_last;
    mr_settings_init(&settings);
    snprintf(settings.agent, sizeof settings.agent, "%s", ops->name);
    cr_assert_eq(mr_agent_new(ops, &spec, setup, mr_settings_agent_options(&settings), &s.agent),
                 MR_OK, "%s", mr_error_message());
    s.batches = small_batches(mr_agent_policy(s.agent), &batch_options);
    s.replay = small_replay(mr_agent_policy(s.agent), N_STEPS, 1);
    return s;
}

static student student_of(const mr_agent_ops *ops, int n_threads) {
    const mr_agent_setup setup = small_defaults(n_threads).setup;
    return student_with(ops, &setup);
}

static void student_free(student *s) {
    mr_agent_free(s->agent);
    mr_batch_maker_free(s->batches);
    mr_replay_free(s->replay);
}

static void learn(student *s) {
    for (size_t k = 0; k < N_UPDATES; k++)
        cr_assert_eq(small_update(s->agent, s->batches, s->replay), MR_OK, "%s",
                     mr_error_message());
}

static bool is_same_learner(const mr_learner *a, const mr_learner *b) {
    return small_is_same(a->params, mr_params_read(a->params), mr_params_read(b->params)) &&
           (!a->target ||
            small_is_same(a->target, mr_params_read(a->target), mr_params_read(b->target)));
}

static void expect_same(const student *a, const student *b) {
    static const char *const learners[] = {"policy", "critic", "shift", "temperature"};
    const mr_agent_ops *ops = mr_agent_get_ops(a->agent);
    for (size_t i = 0; i < MR_COUNT(learners); i++) {
        const mr_learner *of_a = mr_agent_learner_of(a->agent, learners[i]);
        const mr_learner *of_b = mr_agent_learner_of(b->agent, learners[i]);
        cr_expect(!of_a || is_same_learner(of_a, of_b), "%s: %s", ops->name, learners[i]);
    }
    for (size_t i = 0; i < ops->n_metrics; i++)
        cr_expect_eq(mr_agent_metric_value(a->agent, i), mr_agent_metric_value(b->agent, i),
                     "%s: %s", ops->name, ops->metrics[i].name);
    cr_expect_eq(mr_agent_n_updates(a->agent), mr_agent_n_updates(b->agent));
}

// The number of threads is part of what a run is: sums over rows are parted by it.
Test(agent, learns_the_same_bits_again_whatever_the_number_of_threads) {
    for (size_t i = 0; i < mr_agent_count(); i++)
        for (int n_threads = 1; n_threads <= 3; n_threads++) {
            student a = student_of(mr_agent_at(i), n_threads);
            student b = student_of(mr_agent_at(i), n_threads);
            learn(&a);
            learn(&b);
            expect_same(&a, &b);
            student_free(&a);
            student_free(&b);
        }
}

static void write_agent(const mr_agent *agent, const char *path) {
    mr_tensors_writer *writer = NULL;
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    cr_assert_eq(mr_agent_write(agent, writer), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_tensors_writer_write(writer, path), MR_OK, "%s", mr_error_message());
    mr_tensors_writer_free(writer);
}

static void read_agent(mr_agent *agent, const char *path) {
    mr_tensors *file = NULL;
    cr_assert_eq(mr_tensors_open(path, &file), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_agent_read(agent, file), MR_OK, "%s", mr_error_message());
    mr_tensors_close(file);
}

static void check_going_on(const mr_agent_ops *ops, const mr_agent_setup *setup) {
    student whole = student_with(ops, setup);
    learn(&whole);
    write_agent(whole.agent, "agent.safetensors");
    student resumed = student_with(ops, setup);
    read_agent(resumed.agent, "agent.safetensors");
    expect_same(&whole, &resumed);
    learn(&whole);
    learn(&resumed);
    expect_same(&whole, &resumed);
    student_free(&whole);
    student_free(&resumed);
}

Test(agent, goes_on_from_a_file_with_the_same_bits) {
    const mr_agent_setup setup = small_defaults(1).setup;
    for (size_t i = 0; i < mr_agent_count(); i++)
        check_going_on(mr_agent_at(i), &setup);
}

Test(agent, nets_of_every_kind_go_on_with_the_same_bits) {
    for (size_t i = 0; i < mr_agent_count(); i++)
        for (mr_norm_kind norm = MR_NORM_LAYER; norm <= MR_NORM_BATCH_RENORM; norm++) {
            mr_agent_setup setup = small_defaults(2).setup;
            setup.critic.norm = norm;
            setup.critic.activation = MR_SILU;
            setup.critic.residual = norm % 2 == 1;
            setup.critic.norm_last = norm % 3 == 1;
            setup.weight_norm = norm != MR_NORM_LAYER;
            setup.weight_decay = 0.1;
            setup.critic_targets = norm != MR_NORM_BATCH;
            check_going_on(mr_agent_at(i), &setup);
        }
}

// The first of the running means after some updates, and its copy in the target.
Test(agent, running_statistics_move_with_updates) {
    static const char *const learners[] = {"critic", "shift"}; // an agent has one of them
    for (size_t i = 0; i < mr_agent_count(); i++) {
        mr_agent_setup setup = small_defaults(1).setup;
        setup.critic.norm = MR_NORM_BATCH;
        student s = student_with(mr_agent_at(i), &setup);
        const mr_learner *critic = NULL;
        for (size_t k = 0; k < MR_COUNT(learners) && !critic; k++)
            critic = mr_agent_learner_of(s.agent, learners[k]);
        const size_t first = mr_params_trained_size(critic->params);
        const mr_params *policy = mr_policy_params(mr_agent_policy(s.agent));
        const size_t first_of_policy = mr_params_trained_size(policy);
        cr_expect_eq(mr_params_read(critic->params)[first], 0);
        cr_expect_eq(mr_params_read(policy)[first_of_policy], 0);
        learn(&s);
        cr_expect_neq(mr_params_read(policy)[first_of_policy], 0);
        cr_expect_neq(mr_params_read(critic->params)[first], 0);
        cr_expect_neq(mr_params_read(critic->target)[first], 0);
        student_free(&s);
    }
}

Test(agent, every_learner_follows_the_schedule_of_the_learning_rate) {
    for (size_t i = 0; i < mr_agent_count(); i++) {
        mr_agent_setup setup = small_defaults(1).setup;
        static const char *const names[] = {"policy", "critic", "temperature"};
        setup.lr_schedule = (mr_lr_schedule){.last = 0.5, .n_updates = 2 * N_UPDATES};
        cr_assert(mr_lr_schedule_find("linear", &setup.lr_schedule));
        student s = student_with(mr_agent_at(i), &setup);
        learn(&s); // the last of these is update N_UPDATES - 1 of 2 N_UPDATES
        const double expected = 1 - 0.5 * (N_UPDATES - 1) / (2 * N_UPDATES);
        for (size_t k = 0; k < MR_COUNT(names); k++) {
            const mr_learner *learner = mr_agent_learner_of(s.agent, names[k]);
            cr_expect(!learner || learner->adam.lr_factor == expected, "%s", names[k]);
        }
        student_free(&s);
        check_going_on(mr_agent_at(i), &setup);
    }
}

// The average as double has it: the mean of the first updates, then an exponential one.
Test(agent, the_average_of_the_policy_is_that_of_its_parameters) {
    enum { N = 8 };
    for (size_t i = 0; i < mr_agent_count(); i++) {
        mr_agent_setup setup = small_defaults(1).setup;
        setup.policy_ema = 0.75;
        setup.critic.norm = MR_NORM_BATCH; // running statistics are averaged, too
        student s = student_with(mr_agent_at(i), &setup);
        mr_params *policy = mr_policy_params(mr_agent_policy(s.agent));
        const size_t n = mr_params_size(policy);
        double *average = calloc(n, sizeof *average);
        cr_assert_not_null(average);
        for (size_t k = 0; k < N; k++) {
            const double share = k < 3 ? 1 / ((double)k + 1) : 0.25;
            cr_assert_eq(small_update(s.agent, s.batches, s.replay), MR_OK);
            for (size_t j = 0; j < n; j++)
                average[j] += share * ((double)mr_params_read(policy)[j] - average[j]);
        }
        const mr_real trained = mr_params_read(policy)[0];
        mr_agent_swap_average(s.agent);
        for (size_t j = 0; j < n; j++)
            cr_expect_float_eq((double)mr_params_read(policy)[j], average[j],
                               1e-6 * (1 + fabs(average[j])), "%s, %zu: %.9g, not %.9g",
                               mr_agent_at(i)->name, j, (double)mr_params_read(policy)[j],
                               average[j]);
        cr_expect_neq(mr_params_read(policy)[0], trained);
        mr_agent_swap_average(s.agent);
        cr_expect_eq(mr_params_read(policy)[0], trained);
        free(average);
        student_free(&s);
        check_going_on(mr_agent_at(i), &setup);
    }
}

// Without one, or before there is anything to average, nothing is exchanged.
Test(agent, an_average_that_is_not_there_is_the_policy_itself) {
    for (size_t k = 0; k < 2; k++) {
        mr_agent_setup setup = small_defaults(1).setup;
        setup.policy_ema = k == 0 ? 0 : 0.9;
        student s = student_with(&mr_agent_sac, &setup);
        const mr_params *policy = mr_policy_params(mr_agent_policy(s.agent));
        if (k == 0)
            learn(&s);
        const mr_real before = mr_params_read(policy)[0];
        mr_agent_swap_average(s.agent);
        cr_expect_eq(mr_params_read(policy)[0], before);
        student_free(&s);
    }
}

// Row by row: the loss that is reported is the mean of weight times loss.
Test(agent, critics_weigh_the_rows_of_a_batch) {
    for (size_t i = 0; i < mr_agent_count(); i++) {
        static small_batch b;
        const mr_real weight[SMALL_ROWS] = {1, 0.5, 0, 0.25, 1, 0.75};
        mr_agent_setup setup = small_defaults(1).setup;
        setup.has_weights = true;
        student s = student_with(mr_agent_at(i), &setup);
        small_batch_fill(mr_agent_policy(s.agent), &b);
        mr_batch batch = {.n = SMALL_ROWS,
                          .obs = b.obs,
                          .act = b.act,
                          .reward = b.reward,
                          .discount = b.discount,
                          .next_obs = b.next_obs,
                          .weight = weight};
        mr_agent_compute(s.agent, &batch, b.next_noise, b.noise);
        double expected = 0, found = NAN;
        for (size_t k = 0; k < SMALL_ROWS; k++)
            expected += (double)(weight[k] * mr_agent_critic_losses(s.agent)[k]) / SMALL_ROWS;
        for (size_t k = 0; k < mr_agent_at(i)->n_metrics; k++) {
            const char *name = mr_agent_at(i)->metrics[k].name;
            if (strcmp(name, "train/critic_loss") == 0 || strcmp(name, "train/loss") == 0)
                found = mr_agent_metric_value(s.agent, k);
        }
        cr_expect_float_eq(found, expected, 1e-6 * expected, "%s", mr_agent_at(i)->name);
        student_free(&s);
    }
}

Test(agent, names_its_options_metrics_and_itself) {
    for (size_t i = 0; i < mr_agent_count(); i++) {
        const mr_agent_ops *ops = mr_agent_at(i);
        cr_expect_eq(mr_agent_find(ops->name), ops);
        cr_expect(ops->n_metrics > 0 && ops->n_metrics <= MR_MAX_AGENT_METRICS);
        cr_expect(ops->n_options > 0 && ops->options_size <= MR_MAX_AGENT_OPTIONS);
        for (size_t k = 0; k < ops->n_options; k++)
            cr_expect_lt(ops->options[k].offset, ops->options_size);
    }
    cr_expect_null(mr_agent_find("none"));
}

Test(agent, the_default_number_of_threads_follows_from_the_work_of_an_update) {
    const int n_cores = mr_threads_cores();
    mr_agent_setup setup = small_defaults(0).setup;
    student s = student_with(&mr_agent_sac, &setup);
    cr_expect_eq(mr_agent_n_threads(s.agent), 1);
    student_free(&s);
    setup.batch_size = 256; // 12 x 67,000 weights x 256 rows: 206 million multiplications
    setup.critic.hidden = (mr_widths){.n = 2, .width = {256, 256}};
    s = student_with(&mr_agent_sac, &setup);
    cr_expect_eq(mr_agent_n_threads(s.agent), n_cores < 4 ? n_cores : 4);
    student_free(&s);
}
