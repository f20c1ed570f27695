// The exploration bonus against streams whose density is known, and against its formulas.

#include "agents/bonus.h"
#include "agents/settings.h"
#include "tests/agents/moving_mixture.h"
#include "tests/scratch.h"

#include <stdint.h>

TestSuite(bonus, .init = scratch_enter, .fini = scratch_leave);

enum { BATCH = MIXTURE_BATCH };

static mr_bonus *create(const mr_bonus_options *options, const mr_env_spec *spec) {
    mr_bonus *bonus = NULL;
    cr_assert_eq(mr_bonus_new(options, spec, &bonus), MR_OK, "%s", mr_error_message());
    return bonus;
}

static mr_bonus *create_mixture(const mr_bonus_options *options) {
    static mr_env_spec spec;
    spec = mixture_spec();
    return create(options, &spec);
}

static void go(mr_bonus *bonus, uint64_t from, uint64_t to) {
    for (uint64_t t = from; t < to; t++)
        cr_assert_eq(mixture_step(bonus, t), MR_OK, "%s", mr_error_message());
}

// ---- Following a known density

// The gaussian of the same stream is 1.5 nats off: what a flow must at least understand is where
// the three parts are. What remains is the noise of 0.05 standard deviations that the density is
// trained with and the drift of 0.1 radians in 500 steps.
static void check_following(const char *flow, double most) {
    const mr_bonus_options options = mixture_options(flow);
    mr_bonus *bonus = create_mixture(&options);
    double sum = 0;
    for (uint64_t t = 500; t <= 3000; t += 500) {
        double nats;
        go(bonus, t - 500, t);
        cr_assert_eq(mixture_error(bonus, t, &nats), MR_OK, "%s", mr_error_message());
        cr_expect_gt(nats, -0.05, "better than the truth: %g", nats); // its error over 2,000 points
        sum += t > 1000 ? nats : 0;
    }
    cr_expect_lt(sum / 4, most, "%s: %g nats off on average", flow, sum / 4);
    mr_bonus_free(bonus);
}

Test(bonus, a_spline_flow_follows_a_moving_mixture) {
    check_following("nsf:layers=2,hidden=64x64", 0.2);
}

Test(bonus, real_nvp_follows_a_moving_mixture) {
    check_following("real_nvp:layers=8,hidden=64x64", 0.15);
}

Test(bonus, the_flow_that_is_the_default_follows_a_moving_mixture) {
    check_following(mr_setting_find("bonus_flow")->initial, 0.1);
}

// Fresh states come before the density has seen them, so the mean over them is that of the truth
// less the error; each mean is over 500 states of deviation 1, so 0.05 nats off by chance.
Test(bonus, the_log_likelihood_of_fresh_states_is_in_the_states_own_units) {
    const mr_bonus_options options = mixture_options("nsf:layers=2,hidden=64x64");
    mr_bonus *bonus = create_mixture(&options);
    double nats, truth = 0;
    go(bonus, 0, 2000);
    mr_bonus_take_metrics(bonus);
    cr_assert_eq(mixture_error(bonus, 2000, &nats), MR_OK);
    for (uint64_t t = 2000; t < 2500; t++) {
        mr_random random = mr_random_stream(1, MR_STREAM_TEST, t); // as mixture_step draws
        double x[2];
        mixture_draw(&random, (double)t, x);
        truth += mixture_log_prob((double)t, x) / 500;
    }
    go(bonus, 2000, 2500);
    const mr_bonus_metrics metrics = mr_bonus_take_metrics(bonus);
    cr_expect_float_eq(metrics.state_log_prob, truth - nats, 0.2, "%g, expected %g - %g",
                       metrics.state_log_prob, truth, nats);
    cr_expect(isnan(mr_bonus_take_metrics(bonus).state_log_prob));
    mr_bonus_free(bonus);
}

// ---- What is paid

// One feature, uniform on [-1, 1] but for a far state.
static const mr_env_spec line = {.name = "Line-v0", .obs_dim = 1};

static void fill_line(uint64_t t, mr_real batch[BATCH]) {
    mr_random random = mr_random_stream(4, MR_STREAM_TEST, t);
    mr_random_fill_uniform(&random, BATCH, -1, 1, batch);
}

static void visit_line(mr_bonus *bonus, size_t n) {
    mr_random random = mr_random_stream(5, MR_STREAM_TEST, 0);
    for (size_t i = 0; i < n; i++) {
        const double x = mr_random_between(&random, -1, 1);
        mr_bonus_visit(bonus, NULL, &x);
    }
}

static mr_bonus_options line_options(const char *kind) {
    mr_bonus_options options = mixture_options("gaussian");
    options.kind = kind;
    return options;
}

// Two environments, of which one is lost at each other step and has no state to visit: as if it had
// not been there.
Test(bonus, takes_no_notice_of_an_environment_that_went_to_no_new_state) {
    mr_bonus_options options = line_options("density");
    mr_bonus *one = create(&options, &line);
    options.n_envs = 2;
    mr_bonus *two = create(&options, &line);
    mr_real batch[BATCH], paid_one[BATCH], paid_two[BATCH];
    mr_random random = mr_random_stream(5, MR_STREAM_TEST, 0);
    fill_line(0, batch);
    for (size_t i = 0; i < 4 * BATCH; i++) {
        const double x = mr_random_between(&random, -1, 1), stale[] = {x, 1e3}, other[] = {1e3, x};
        mr_bonus_visit(one, NULL, &x);
        mr_bonus_visit(two, (bool[]){i % 2 == 0, i % 2 == 1}, i % 2 == 0 ? stale : other);
        if (i + 1 < BATCH)
            continue;
        cr_assert_eq(score_and_train(one, batch, paid_one), MR_OK, "%s", mr_error_message());
        cr_assert_eq(score_and_train(two, batch, paid_two), MR_OK, "%s", mr_error_message());
    }
    const mr_bonus_metrics a = mr_bonus_take_metrics(one), b = mr_bonus_take_metrics(two);
    cr_expect_eq(mr_bonus_beta(one), mr_bonus_beta(two));
    // Scores of two rows at a time round otherwise than those of one: 3 BATCH sums of float32.
    cr_expect_float_eq(a.state_log_prob, b.state_log_prob, 1e-5 * fabs(a.state_log_prob));
    for (size_t i = 0; i < BATCH; i++)
        cr_expect_float_eq(paid_one[i], paid_two[i], 1e-4f);
    mr_bonus_free(one);
    mr_bonus_free(two);
}

Test(bonus, nothing_is_paid_before_a_batch_of_states_was_visited) {
    const mr_bonus_options options = line_options("density");
    mr_bonus *bonus = create(&options, &line);
    mr_real batch[BATCH], paid[BATCH];
    fill_line(0, batch);
    visit_line(bonus, BATCH - 1);
    cr_assert_eq(score_and_train(bonus, batch, paid), MR_OK);
    for (size_t i = 0; i < BATCH; i++)
        cr_expect_eq(paid[i], 0);
    cr_expect_null(mr_bonus_get_density(bonus));
    visit_line(bonus, 1);
    cr_assert_eq(score_and_train(bonus, batch, paid), MR_OK);
    cr_expect_neq(paid[0], 0);
    mr_bonus_free(bonus);
}

// Pays a batch whose first state lies at `far`.
static void pay_far(mr_bonus *bonus, double far, mr_real paid[BATCH]) {
    mr_real batch[BATCH];
    fill_line(1, batch);
    batch[0] = (mr_real)far;
    cr_assert_eq(score_and_train(bonus, batch, paid), MR_OK, "%s", mr_error_message());
}

// Before its first training step the density is the standard normal of the standardised state, so
// that all is known: s = u^2/2 + log(2 pi)/2 + log std.
Test(bonus, a_density_pays_the_standardised_surprise) {
    const mr_bonus_options options = line_options("density");
    mr_bonus *bonus = create(&options, &line);
    mr_real batch[BATCH], paid[BATCH];
    double mean = 0, variance = 0, s[BATCH], mean_s = 0, variance_s = 0;
    mr_random random = mr_random_stream(5, MR_STREAM_TEST, 0);
    double x[BATCH];
    for (size_t i = 0; i < BATCH; i++) { // as visit_line draws
        x[i] = mr_random_between(&random, -1, 1);
        mean += x[i] / BATCH;
    }
    for (size_t i = 0; i < BATCH; i++)
        variance += (x[i] - mean) * (x[i] - mean) / BATCH;
    visit_line(bonus, BATCH);
    fill_line(0, batch);
    for (size_t i = 0; i < BATCH; i++) {
        const double u = ((double)batch[i] - mean) / sqrt(variance);
        s[i] = u * u / 2 + log(2 * M_PI) / 2 + log(variance) / 2;
        mean_s += s[i] / BATCH;
    }
    for (size_t i = 0; i < BATCH; i++)
        variance_s += (s[i] - mean_s) * (s[i] - mean_s) / BATCH;
    cr_assert_eq(score_and_train(bonus, batch, paid), MR_OK);
    for (size_t i = 0; i < BATCH; i++)
        cr_expect_float_eq(paid[i], (s[i] - mean_s) / sqrt(variance_s), 1e-4, "state %zu", i);
    const mr_bonus_metrics metrics = mr_bonus_take_metrics(bonus);
    cr_expect_float_eq(metrics.mean, mean_s, 1e-5);
    cr_expect_float_eq(metrics.std, sqrt(variance_s), 1e-4);
    mr_bonus_free(bonus);
}

static double surprise(mr_bonus *bonus, double x) {
    double log_prob;
    cr_assert_eq(mr_density_log_prob(mr_bonus_get_density(bonus), 1, 1, &x, &log_prob), MR_OK);
    return -log_prob;
}

static double variance_of(size_t n, const double *s) {
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; i++)
        mean += s[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        variance += (s[i] - mean) * (s[i] - mean) / (double)n;
    return variance;
}

// The mean begins as that of the first batch, and each new state counts 1/1000; the deviation is
// that of batches, the second of which counts as much as the first.
Test(bonus, the_mean_follows_new_states_and_the_deviation_batches) {
    const mr_bonus_options options = line_options("density");
    mr_bonus *bonus = create(&options, &line);
    mr_real batch[BATCH], paid[BATCH];
    double s[BATCH], mean, variance;
    const double x = 3;
    visit_line(bonus, BATCH);
    fill_line(0, batch);
    cr_assert_eq(score_and_train(bonus, batch, paid), MR_OK);
    const mr_bonus_metrics first = mr_bonus_take_metrics(bonus);
    mean = first.mean;
    for (int k = 0; k < 100; k++) {
        mean += 0.001 * (surprise(bonus, x) - mean);
        mr_bonus_visit(bonus, NULL, &x);
    }
    for (size_t i = 0; i < BATCH; i++)
        s[i] = surprise(bonus, (double)batch[i]);
    variance = (first.std * first.std + variance_of(BATCH, s)) / 2;
    cr_assert_eq(score_and_train(bonus, batch, paid), MR_OK);
    for (size_t i = 0; i < BATCH; i++)
        cr_expect_float_eq(paid[i], (s[i] - mean) / sqrt(variance), 1e-3, "state %zu", i);
    cr_expect_gt(fabs(mean - first.mean), 0.1);
    mr_bonus_free(bonus);
}

Test(bonus, what_is_paid_is_held_to_five_deviations) {
    const mr_bonus_options options = line_options("density");
    mr_bonus *bonus = create(&options, &line);
    mr_real paid[BATCH];
    visit_line(bonus, BATCH);
    pay_far(bonus, 50, paid);
    cr_expect_eq(paid[0], 5);
    mr_bonus_free(bonus);
}

Test(bonus, without_normalising_the_surprise_itself_is_paid) {
    mr_bonus_options options = line_options("density");
    options.normalize = "none";
    mr_bonus *bonus = create(&options, &line);
    mr_real paid[BATCH];
    visit_line(bonus, BATCH);
    pay_far(bonus, 50, paid); // 50 of some 0.58 deviations: u^2/2 is 3,700, u held to 100
    cr_expect_gt(paid[0], 3000);
    cr_expect_lt(paid[0], 5010);
    mr_bonus_free(bonus);
}

Test(bonus, rnd_pays_its_error_over_its_deviation) {
    mr_bonus_options options = line_options("rnd");
    mr_bonus *bonus = create(&options, &line);
    options.normalize = "none";
    mr_bonus *plain = create(&options, &line);
    mr_real batch[BATCH], paid[BATCH], error[BATCH];
    double mean = 0, squares = 0;
    visit_line(bonus, BATCH);
    visit_line(plain, BATCH);
    fill_line(0, batch);
    cr_assert_eq(score_and_train(bonus, batch, paid), MR_OK);
    cr_assert_eq(score_and_train(plain, batch, error), MR_OK);
    for (size_t i = 0; i < BATCH; i++)
        mean += (double)error[i] / BATCH;
    for (size_t i = 0; i < BATCH; i++)
        squares += ((double)error[i] - mean) * ((double)error[i] - mean) / BATCH;
    for (size_t i = 0; i < BATCH; i++) {
        cr_expect_gt(error[i], 0);
        cr_expect_float_eq(paid[i], fmin(5, (double)error[i] / sqrt(squares)), 1e-5);
    }
    mr_bonus_free(bonus);
    mr_bonus_free(plain);
}

Test(bonus, rnd_pays_less_for_what_it_knows_than_for_what_is_far) {
    const mr_bonus_options options = line_options("rnd");
    mr_bonus *bonus = create(&options, &line);
    mr_real batch[BATCH], paid[BATCH];
    double sum = 0;
    visit_line(bonus, BATCH);
    for (uint64_t t = 0; t < 500; t++) {
        fill_line(t, batch);
        cr_assert_eq(score_and_train(bonus, batch, paid), MR_OK);
    }
    pay_far(bonus, 4, paid);
    for (size_t i = 1; i < BATCH; i++)
        sum += (double)paid[i];
    cr_expect_gt(paid[0], 3 * sum / (BATCH - 1));
    cr_expect_null(mr_bonus_get_density(bonus));
    cr_expect(isnan(mr_bonus_take_metrics(bonus).state_log_prob));
    mr_bonus_free(bonus);
}

// ---- Schedules

static double beta_after(const char *decay, size_t n_states) {
    mr_bonus_options options = line_options("density");
    options.scale = 0.5;
    options.decay = decay;
    options.decay_rate = 0.01;
    options.n_steps = 400;
    mr_bonus *bonus = create(&options, &line);
    visit_line(bonus, n_states);
    const double beta = mr_bonus_take_metrics(bonus).beta;
    mr_bonus_free(bonus);
    return beta;
}

Test(bonus, schedules_are_their_formulas) {
    cr_expect_eq(beta_after("none", 300), 0.5);
    cr_expect_float_eq(beta_after("linear", 300), 0.5 * (1 - 300.0 / 400), 1e-12);
    cr_expect_eq(beta_after("linear", 400), 0);
    cr_expect_eq(beta_after("linear", 500), 0);
    cr_expect_float_eq(beta_after("exponential", 300), 0.5 * pow(0.99, 300), 1e-12);
}

// ---- Features

static const char *const plane_names[] = {"x", "still", "y"};
static const mr_env_spec plane = {.name = "Plane-v0", .obs_dim = 3, .obs_names = plane_names};

static void step_plane(mr_bonus *bonus, size_t n, mr_status expected) {
    mr_real batch[3 * BATCH], paid[BATCH];
    mr_random random = mr_random_stream(6, MR_STREAM_TEST, 0);
    for (size_t i = 0; i < n; i++) {
        const double obs[] = {mr_random_normal(&random), 7, 3 * mr_random_normal(&random)};
        mr_bonus_visit(bonus, NULL, obs);
        for (size_t j = 0; j < 3; j++)
            batch[3 * (i % BATCH) + j] = (mr_real)obs[j];
    }
    cr_expect_eq(score_and_train(bonus, batch, paid), expected);
}

Test(bonus, a_constant_feature_is_left_out_with_a_note) {
    const mr_bonus_options options = line_options("density");
    mr_bonus *bonus = create(&options, &plane);
    step_plane(bonus, BATCH, MR_OK);
    size_t n_columns;
    const mr_density *density = mr_bonus_get_density(bonus);
    const size_t *columns = mr_density_columns(density, &n_columns);
    cr_expect_str_eq(mr_bonus_note(bonus),
                     "the intrinsic reward leaves out features that have not varied so far: still");
    cr_expect_eq(mr_density_dim(density), 2);
    cr_expect(n_columns == 3 && columns[0] == 0 && columns[1] == 2);
    mr_bonus_free(bonus);
}

Test(bonus, features_that_vary_need_no_note) {
    mr_bonus_options options = line_options("density");
    options.features = "x,y";
    mr_bonus *bonus = create(&options, &plane);
    step_plane(bonus, BATCH, MR_OK);
    cr_expect_null(mr_bonus_note(bonus));
    mr_bonus_free(bonus);
}

Test(bonus, constant_features_alone_are_refused) {
    mr_bonus_options options = line_options("density");
    options.features = "still";
    mr_bonus *bonus = create(&options, &plane);
    step_plane(bonus, BATCH, MR_ERR_INPUT);
    cr_expect_str_eq(mr_error_message(),
                     "bonus_features: none of the 1 chosen features of Plane-v0 has varied in 256 "
                     "steps; choose others");
    mr_bonus_free(bonus);
}

Test(bonus, two_features_without_an_arena_are_covered_within_the_box_of_the_start) {
    mr_bonus_options options = line_options("density");
    options.features = "x,y";
    mr_bonus *bonus = create(&options, &plane);
    cr_expect(isnan(mr_bonus_take_metrics(bonus).coverage));
    step_plane(bonus, BATCH, MR_OK);
    cr_expect_eq(mr_bonus_take_metrics(bonus).coverage, 0);
    step_plane(bonus, 1, MR_OK);
    cr_expect_gt(mr_bonus_take_metrics(bonus).coverage, 0);
    mr_bonus_free(bonus);
}

// ---- Divergence

static bool is_finite(size_t n, const mr_real *values) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

// A learning rate of 1e30 sends the parameters where no log-density is finite.
Test(bonus, a_density_that_diverges_goes_back_and_learns_on) {
    mr_bonus_options options = mixture_options("real_nvp:layers=4,hidden=16");
    options.lr = 1e30;
    mr_bonus *bonus = create_mixture(&options);
    mr_real batch[2 * BATCH], paid[BATCH];
    go(bonus, 0, BATCH);
    for (uint64_t t = 0; t < 1000; t++) {
        mr_random random = mr_random_stream(7, MR_STREAM_TEST, t);
        mr_random_fill_normal(&random, (size_t)2 * BATCH, batch);
        cr_assert_eq(score_and_train(bonus, batch, paid), MR_OK);
        cr_assert(is_finite(BATCH, paid), "update %d", (int)t);
    }
    // Each return halves the rate: after 100 it is 1, and steps are survived.
    const double n = mr_bonus_take_metrics(bonus).n_restarts;
    cr_expect(n > 10 && n < 200, "%g restarts", n);
    const mr_params *params = mr_density_params(mr_bonus_get_density(bonus));
    cr_expect(is_finite(mr_params_size(params), mr_params_read(params)));
    mr_bonus_free(bonus);
}

// Parameters that are finite and wrong: every state is then far less likely than it was under the
// last good ones.
Test(bonus, a_density_that_collapses_goes_back) {
    const mr_bonus_options options = mixture_options("real_nvp:layers=4,hidden=16");
    mr_bonus *bonus = create_mixture(&options);
    double before, after;
    go(bonus, 0, 3000);
    cr_assert_eq(mixture_error(bonus, 3000, &before), MR_OK);
    mr_params *params = mr_density_params(mr_bonus_get_density(bonus));
    for (size_t i = 0; i < mr_params_size(params); i++)
        mr_params_value(params)[i] *= -3;
    go(bonus, 3000, 3010);
    cr_assert_eq(mixture_error(bonus, 3010, &after), MR_OK);
    cr_expect_eq(mr_bonus_take_metrics(bonus).n_restarts, 1);
    cr_expect_lt(after, before + 0.3, "%g nats off, before %g", after, before);
    mr_bonus_free(bonus);
}

// States of another kind are no collapse: the density learns them.
Test(bonus, new_states_are_no_divergence) {
    const mr_bonus_options options = mixture_options("real_nvp:layers=4,hidden=16");
    mr_bonus *bonus = create_mixture(&options);
    go(bonus, 0, 1500);
    go(bonus, 20000, 20500); // the mixture has turned by four radians
    cr_expect_eq(mr_bonus_take_metrics(bonus).n_restarts, 0);
    mr_bonus_free(bonus);
}

// float32 overflows at squares of 1e19.
Test(bonus, states_beyond_all_measure_are_no_divergence) {
    const mr_bonus_options options = mixture_options("nsf:layers=2,hidden=16");
    mr_bonus *bonus = create_mixture(&options);
    mr_real batch[2 * BATCH], paid[BATCH];
    go(bonus, 0, BATCH + 10);
    for (size_t i = 0; i < MR_COUNT(batch); i++)
        batch[i] = i < 4 ? (mr_real)1e30 : (mr_real)0.1 * (mr_real)(i % 7);
    for (size_t t = 0; t < 20; t++) {
        cr_assert_eq(score_and_train(bonus, batch, paid), MR_OK);
        cr_assert(is_finite(BATCH, paid));
    }
    cr_expect_eq(mr_bonus_take_metrics(bonus).n_restarts, 0);
    mr_bonus_free(bonus);
}

// ---- Files

static void save(mr_bonus *bonus) {
    mr_tensors_writer *writer = NULL;
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    cr_assert_eq(mr_bonus_write(bonus, writer), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_tensors_writer_write(writer, "bonus.safetensors"), MR_OK);
    mr_tensors_writer_free(writer);
}

static void load(mr_bonus *bonus) {
    mr_tensors *file = NULL;
    cr_assert_eq(mr_tensors_open("bonus.safetensors", &file), MR_OK);
    cr_assert_eq(mr_bonus_read(bonus, file), MR_OK, "%s", mr_error_message());
    mr_tensors_close(file);
}

// Saved after `n` steps and read into a new one, it goes on with the same bits.
static void check_going_on(const char *kind, uint64_t n) {
    mr_bonus_options options = mixture_options("glow:layers=2,hidden=8");
    options.kind = kind;
    mr_bonus *whole = create_mixture(&options), *resumed = create_mixture(&options);
    mr_real batch[2 * BATCH], expected[BATCH], found[BATCH];
    go(whole, 0, n);
    save(whole);
    load(resumed);
    go(whole, n, BATCH + 300);
    go(resumed, n, BATCH + 300);
    mr_random random = mr_random_stream(8, MR_STREAM_TEST, 0);
    mr_random_fill_normal(&random, MR_COUNT(batch), batch);
    cr_assert_eq(score_and_train(whole, batch, expected), MR_OK);
    cr_assert_eq(score_and_train(resumed, batch, found), MR_OK);
    cr_expect_arr_eq(found, expected, sizeof expected, "%s saved after %d", kind, (int)n);
    const mr_bonus_metrics a = mr_bonus_take_metrics(whole), b = mr_bonus_take_metrics(resumed);
    cr_expect_arr_eq(&a, &b, sizeof a);
    mr_bonus_free(whole);
    mr_bonus_free(resumed);
}

Test(bonus, goes_on_from_a_file_with_the_same_bits) {
    check_going_on("density", BATCH + 150);
    check_going_on("rnd", BATCH + 150);
}

Test(bonus, goes_on_from_a_file_of_before_it_began) {
    check_going_on("density", BATCH - 10);
    check_going_on("rnd", BATCH - 10);
}

// What no run writes: counts that are not numbers.
Test(bonus, a_file_with_invalid_counts_is_refused) {
    static const char *const names[] = {"bonus.n_batches", "bonus.training.n_steps"};
    const mr_bonus_options options = mixture_options("gaussian");
    for (size_t k = 0; k < MR_COUNT(names); k++) {
        mr_bonus *bonus = create_mixture(&options), *other = create_mixture(&options);
        mr_tensors *file = NULL;
        go(bonus, 0, BATCH + 2);
        save(bonus);
        cr_assert_eq(mr_tensors_open("bonus.safetensors", &file), MR_OK);
        for (size_t i = 0; i < mr_tensors_count(file); i++) {
            const mr_tensor found = mr_tensors_at(file, i);
            for (size_t j = 0; strcmp(found.name, names[k]) == 0 && j < found.shape[0]; j++)
                ((double *)(uintptr_t)found.data)[j] = NAN;
        }
        cr_expect_eq(mr_bonus_read(other, file), MR_ERR_INPUT, "%s", names[k]);
        mr_tensors_close(file);
        mr_bonus_free(bonus);
        mr_bonus_free(other);
    }
}

Test(bonus, a_saved_density_knows_its_columns_and_gives_the_same_log_densities) {
    const mr_bonus_options options = line_options("density");
    mr_bonus *bonus = create(&options, &plane);
    step_plane(bonus, BATCH, MR_OK);
    mr_density *loaded = NULL;
    const double x[] = {0.5, -2};
    double expected, found;
    size_t n_columns;
    const mr_density *density = mr_bonus_get_density(bonus);
    cr_assert_eq(mr_density_save(density, "density.safetensors"), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_load("density.safetensors", &loaded), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_log_prob(density, 1, 1, x, &expected), MR_OK);
    cr_assert_eq(mr_density_log_prob(loaded, 1, 1, x, &found), MR_OK);
    cr_expect_eq(found, expected);
    const size_t *columns = mr_density_columns(loaded, &n_columns);
    cr_assert_not_null(columns);
    cr_expect(n_columns == 3 && columns[0] == 0 && columns[1] == 2);
    mr_density_free(loaded);
    mr_bonus_free(bonus);
}

// ---- Bad input

static void expect_refused(mr_bonus_options options, const char *message) {
    mr_bonus *bonus = NULL;
    cr_expect_eq(mr_bonus_new(&options, &plane, &bonus), MR_ERR_USAGE);
    cr_expect_null(bonus);
    cr_expect(strstr(mr_error_message(), message), "%s", mr_error_message());
}

Test(bonus, refuses_what_it_does_not_know) {
    mr_bonus_options kind = line_options("hope"), flow = line_options("density");
    mr_bonus_options features = flow, decay = flow, normalize = flow, bounded = flow;
    bounded.flow = "[logit, affine]";
    flow.flow = "real_nvq";
    features.features = "z";
    decay.decay = "sudden";
    normalize.normalize = "twice";
    expect_refused(kind, "hope");
    expect_refused(flow, "real_nvp");
    expect_refused(bounded, "bonus flow '[logit, affine]': it takes bounded values alone");
    expect_refused(features, "bonus_features: Plane-v0 has no feature z");
    expect_refused(decay, "sudden");
    expect_refused(normalize, "twice");
}
