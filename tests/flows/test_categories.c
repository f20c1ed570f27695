// Categorical columns of densities, against probabilities that are known.

#include "flows/base.h"
#include "flows/density_internal.h"
#include "millrace/fit.h"

#include <math.h>

#include "tests/scratch.h"

TestSuite(categories, .init = scratch_enter, .fini = scratch_leave);

enum { N = 4000 };

static mr_density *density_of(const char *flow, size_t dim, size_t given_dim,
                              const mr_support *support) {
    mr_density *density = NULL;
    const mr_density_spec spec = {.flow = flow,
                                  .use = MR_FLOW_TO_SCORE,
                                  .dim = dim,
                                  .given_dim = given_dim,
                                  .support = support};
    cr_assert_eq(mr_density_create(&spec, 1, &density), MR_OK, "%s", mr_error_message());
    return density;
}

static void fill_params(mr_density *density, double size) {
    mr_random random = mr_random_stream(6, MR_STREAM_TEST, 9);
    mr_params *params = mr_density_params(density);
    for (size_t i = 0; i < mr_params_trained_size(params); i++)
        mr_params_value(params)[i] = (mr_real)(size * mr_random_normal(&random));
}

// ---- One column of two categories, over a Gaussian of one latent

static double logistic(double z, double mean, double scale) {
    const double e = exp(-fabs(z - mean) / scale);
    return e / (scale * (1 + e) * (1 + e));
}

// P(0) = integral of p(z) q(z | 0) / (q(z | 0) + q(z | 1)), by the trapezoidal rule, which for such
// an integrand is exact to all digits here.
static double probability_of_0(const mr_density *density) {
    enum { POINTS = 20001 };
    const mr_real *value = mr_params_read(mr_density_params(density));
    const mr_categories *c = &density->category[0];
    const mr_real *mean = value + c->mean.offset, *log_scale = value + c->log_scale.offset;
    double sum = 0;
    for (size_t i = 0; i < POINTS; i++) {
        const double z = -10 + 20. * (double)i / (POINTS - 1);
        const double a = logistic(z, (double)mean[0], exp((double)log_scale[0]));
        const double b = logistic(z, (double)mean[1], exp((double)log_scale[1]));
        sum += exp(-z * z / 2) / sqrt(2 * M_PI) * a / (a + b) * 20 / (POINTS - 1);
    }
    return sum;
}

// The encoders overlap widely. 10,000 draws find a mean whose relative deviation for one is below
// 1 to five times 1 / 100.
Test(categories, many_samples_find_the_probability_that_a_quadrature_gives) {
    const mr_support support = {MR_SUPPORT_CATEGORY, 3, 4};
    mr_density *density = density_of("gaussian", 1, 0, &support);
    mr_real *value = mr_params_value(mr_density_params(density));
    const mr_categories *c = &density->category[0];
    cr_assert_eq(c->n, 2);
    cr_assert_eq(c->latent, 1);
    value[c->mean.offset] = 0.3F;
    value[c->mean.offset + 1] = -0.6F;
    value[c->log_scale.offset] = -0.2F;
    value[c->log_scale.offset + 1] = -0.7F;
    const double x[] = {3, 4}, exact = probability_of_0(density);
    double log_prob[2];
    size_t n_impossible;
    cr_assert_eq(mr_density_score_samples(density, 1, 1, 10000, 0, 2, x, log_prob, &n_impossible),
                 MR_OK);
    cr_expect_float_eq(exp(log_prob[0]), exact, 0.05 * exact);
    cr_expect_float_eq(exp(log_prob[1]), 1 - exact, 0.05 * (1 - exact));

    static double sample[N];
    double n_of_0 = 0; // of N, with the deviation sqrt(p (1 - p) N)
    cr_assert_eq(mr_density_sample(density, 1, 1, N, sample, NULL), MR_OK);
    for (size_t i = 0; i < N; i++) {
        cr_assert(sample[i] == 3 || sample[i] == 4);
        n_of_0 += sample[i] == 3;
    }
    cr_expect_float_eq(n_of_0 / N, exact, 5 * sqrt(exact * (1 - exact) / N));
    mr_density_free(density);
}

// Whatever the parameters are, the probabilities of all categories add up to 1. The base keeps
// deviation 1, so that the encoders have heavier tails and few draws are enough.
Test(categories, probabilities_add_up_to_one) {
    const mr_support support = {MR_SUPPORT_CATEGORY, 0, 9};
    mr_density *density = density_of("nsf:layers=2,hidden=8", 1, 0, &support);
    double x[10], log_prob[10], sum = 0;
    size_t n_impossible;
    fill_params(density, 0.3);
    const mr_param base = ((const mr_base *)density->base.state)->bias;
    memset(mr_params_value(mr_density_params(density)) + base.offset, 0,
           base.cols * sizeof(mr_real));
    for (size_t c = 0; c < 10; c++)
        x[c] = (double)c;
    cr_assert_eq(mr_density_score_samples(density, 1, 1, 20000, 0, 10, x, log_prob, &n_impossible),
                 MR_OK);
    for (size_t c = 0; c < 10; c++)
        sum += exp(log_prob[c]);
    cr_expect_float_eq(sum, 1, 0.03, "%g", sum);
    mr_density_free(density);
}

// ---- Fits

// c is 0, 1 or 2 with probabilities 1/2, 1/4, 1/4, and x | c is normal about 0, 3 or -3 with
// deviations 1, 1/2, 1/4; returns the mean log-density of the rows.
static double fill_rows(uint64_t stream, double x[N][2]) {
    static const double mean[] = {0, 3, -3}, deviation[] = {1, 0.5, 0.25}, p[] = {0.5, 0.25, 0.25};
    mr_random random = mr_random_stream(6, MR_STREAM_TEST, stream);
    double sum = 0;
    for (size_t i = 0; i < N; i++) {
        const size_t c = (size_t[]){0, 0, 1, 2}[mr_random_below(&random, 4)];
        const double noise = mr_random_normal(&random);
        x[i][0] = (double)c;
        x[i][1] = mean[c] + deviation[c] * noise;
        sum += log(p[c]) - noise * noise / 2 - log(deviation[c] * sqrt(2 * M_PI));
    }
    return sum / N;
}

static double fit_and_score(mr_density *density, const double *x, const double *fresh) {
    mr_fit_options options = mr_fit_defaults();
    mr_fit_progress end;
    static double log_prob[N];
    double sum = 0;
    options.max_epochs = 40;
    cr_assert_eq(mr_fit(density, N, x, &options, NULL, NULL, NULL, &end), MR_OK, "%s",
                 mr_error_message());
    size_t n_impossible;
    cr_assert_eq(mr_density_score_samples(density, 1, 1, 20, 0, N, fresh, log_prob, &n_impossible),
                 MR_OK);
    cr_expect_eq(n_impossible, 0);
    for (size_t i = 0; i < N; i++)
        sum += log_prob[i] / N;
    return sum;
}

// With the category as a number and no more, a density of two columns would be too high: what is
// asked for is a probability times a density, no more than the truth and nearly that.
Test(categories, a_fit_finds_the_joint_density_of_a_category_and_a_number) {
    static double x[N][2], fresh[N][2];
    const mr_support support[] = {{MR_SUPPORT_CATEGORY, 0, 2}, {MR_SUPPORT_LINE, 0, 0}};
    fill_rows(0, x);
    const double exact = fill_rows(1, fresh);
    mr_density *density = density_of("nsf_lu", 2, 0, support);
    const double found = fit_and_score(density, x[0], fresh[0]);
    cr_expect_lt(found, exact + 0.005);
    cr_expect_gt(found, exact - 0.12);
    mr_density_free(density);
}

// p(x | c): the same without the category's own 1.04 nats.
Test(categories, a_density_may_be_conditional_on_a_category) {
    static double x[N][2], fresh[N][2];
    const mr_support support[] = {{MR_SUPPORT_LINE, 0, 0}, {MR_SUPPORT_CATEGORY, 0, 2}};
    fill_rows(0, x);
    const double exact = fill_rows(1, fresh);
    double n_bits = 0; // nats of the categories
    for (size_t i = 0; i < N; i++) {
        const double value = x[i][1], fresh_value = fresh[i][1];
        n_bits += fresh[i][0] == 0 ? log(2) / N : log(4) / N;
        x[i][1] = x[i][0];
        x[i][0] = value;
        fresh[i][1] = fresh[i][0];
        fresh[i][0] = fresh_value;
    }
    mr_density *density = density_of("nsf_ar:layers=2", 1, 1, support);
    cr_expect_float_eq(fit_and_score(density, x[0], fresh[0]), exact + n_bits, 0.05);
    mr_density_free(density);
}

// ---- Files and bad input

Test(categories, a_loaded_model_scores_and_samples_the_same) {
    const mr_support support[] = {{MR_SUPPORT_LINE, 0, 0}, {MR_SUPPORT_CATEGORY, -2, 5}};
    mr_density *density = density_of("nsf:layers=2", 2, 0, support), *loaded;
    const double x[] = {0.5, -2, 1, 5, 2, 0};
    double a[3], b[3], sample[2][8];
    fill_params(density, 0.3);
    cr_assert_eq(mr_density_save(density, "a.safetensors"), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_load("a.safetensors", &loaded), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_log_prob(density, 1, 3, x, a), MR_OK);
    cr_assert_eq(mr_density_log_prob(loaded, 1, 3, x, b), MR_OK);
    cr_expect_arr_eq(a, b, sizeof a);
    cr_assert_eq(mr_density_sample(density, 1, 4, 4, sample[0], NULL), MR_OK);
    cr_assert_eq(mr_density_sample(loaded, 1, 4, 4, sample[1], NULL), MR_OK);
    cr_expect_arr_eq(sample[0], sample[1], sizeof sample[0]);
    mr_density_free(density);
    mr_density_free(loaded);
}

// The noise has more numbers than the samples have columns.
Test(categories, a_temperature_is_that_of_every_row) {
    enum { COLUMNS = 3 };
    static double x[N * COLUMNS];
    const mr_support support[COLUMNS] = {
        {MR_SUPPORT_LINE, 0, 0}, {MR_SUPPORT_CATEGORY, 0, 4}, {MR_SUPPORT_CATEGORY, 0, 4}};
    mr_density *density = density_of("gaussian", COLUMNS, 0, support);
    mr_sampler *sampler;
    cr_assert_gt(density->flow_dim, COLUMNS);
    cr_assert_eq(mr_sampler_new(density, 1, 3, &sampler), MR_OK);
    cr_assert_eq(mr_sampler_set_temperature(sampler, 1e-3), MR_OK);
    cr_assert_eq(mr_sampler_draw(sampler, N, NULL, x, NULL), MR_OK);
    for (size_t i = 0; i < N; i++)
        cr_expect_lt(fabs(x[i * COLUMNS]), 6e-3, "row %zu: %g", i, x[i * COLUMNS]);
    mr_sampler_free(sampler);
    mr_density_free(density);
}

Test(categories, values_that_are_none_are_refused) {
    const mr_support support[] = {{MR_SUPPORT_CATEGORY, 0, 2}, {MR_SUPPORT_LINE, 0, 0}};
    mr_density *density = density_of("nsf", 2, 0, support);
    mr_fit_progress end;
    const double half[] = {0, 1, 1.5, 2, 1, 3, 2, 4}, beyond[] = {0, 1, 3, 2, 1, 3, 2, 4};
    double log_prob[4];
    size_t n_impossible;
    cr_expect_eq(mr_fit(density, 4, half, NULL, NULL, NULL, NULL, &end), MR_ERR_INPUT);
    scratch_expect_message("row 2, column 1 of the fitted columns is 1.5, which is none of its");
    cr_expect_eq(mr_fit(density, 4, beyond, NULL, NULL, NULL, NULL, &end), MR_ERR_INPUT);
    scratch_expect_message("row 2, column 1 of the fitted columns is 3, which is none of its");
    cr_expect_eq(mr_density_log_prob(density, 1, 4, half, log_prob), MR_ERR_NUMERIC);
    scratch_expect_message("row 2 has no log-density: column 1 is 1.5, none of its categories");
    cr_expect_eq(mr_density_score(density, 1, 4, beyond, log_prob, &n_impossible), MR_OK);
    cr_expect_eq(n_impossible, 1);
    mr_density_free(density);
}

Test(categories, a_support_of_them_has_whole_numbers_for_bounds) {
    static const mr_support wrong[] = {{MR_SUPPORT_CATEGORY, 0.5, 2},
                                       {MR_SUPPORT_CATEGORY, 2, 2},
                                       {MR_SUPPORT_CATEGORY, 0, INFINITY},
                                       {MR_SUPPORT_CATEGORY, 0, MR_MAX_CATEGORIES}};
    for (size_t i = 0; i < MR_COUNT(wrong); i++) {
        mr_density *density;
        const mr_density_spec spec = {
            .flow = "nsf", .use = MR_FLOW_TO_SCORE, .dim = 1, .support = &wrong[i]};
        cr_expect_eq(mr_density_create(&spec, 1, &density), MR_ERR_USAGE);
    }
}

// ---- Names

// Of a table with a column of text, a constant one and one of numbers.
static void save_named(const char *path) {
    const mr_support support[] = {{MR_SUPPORT_CATEGORY, 0, 1}, {MR_SUPPORT_LINE, 0, 0}};
    mr_density *density = density_of("nsf:layers=1,hidden=4", 2, 0, support);
    mr_dictionary dictionary[3] = {{0}};
    cr_assert_eq(mr_dictionary_add(&dictionary[0], "two\nlines"), MR_OK);
    cr_assert_eq(mr_dictionary_add(&dictionary[0], "\"Grün\""), MR_OK);
    cr_assert_eq(mr_dictionary_add(&dictionary[1], "same"), MR_OK);
    const mr_layout layout = {.n_columns = 3,
                              .columns = (size_t[]){0, 2},
                              .n_constants = 1,
                              .constants = &(mr_constant){1, 0},
                              .dictionary = dictionary};
    cr_assert_eq(mr_density_set_layout(density, &layout), MR_OK);
    cr_assert_eq(mr_density_save(density, path), MR_OK, "%s", mr_error_message());
    mr_density_free(density);
    mr_dictionary_free(&dictionary[0]);
    mr_dictionary_free(&dictionary[1]);
}

// Writes good.safetensors with other names of categories, as bad.safetensors.
static void write_altered(const char *names) {
    static const char *const keys[] = {"format",   "format_version", "flow",      "use",      "dim",
                                       "supports", "columns",        "n_columns", "constants"};
    mr_tensors *file = NULL;
    mr_tensors_writer *writer = NULL;
    cr_assert_eq(mr_tensors_open("good.safetensors", &file), MR_OK);
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    for (size_t i = 0; i < MR_COUNT(keys); i++)
        cr_assert_eq(mr_tensors_writer_note(writer, keys[i], mr_tensors_note(file, keys[i])),
                     MR_OK);
    cr_assert_eq(mr_tensors_writer_note(writer, "categories", names), MR_OK);
    for (size_t i = 0; i < mr_tensors_count(file); i++) {
        const mr_tensor t = mr_tensors_at(file, i);
        mr_tensors_writer_add(writer, t.name, t.dtype, t.n_dims, t.shape, t.data);
    }
    cr_assert_eq(mr_tensors_writer_write(writer, "bad.safetensors"), MR_OK);
    mr_tensors_writer_free(writer);
    mr_tensors_close(file);
}

Test(categories, a_model_keeps_their_names) {
    mr_density *loaded;
    save_named("good.safetensors");
    cr_assert_eq(mr_density_load("good.safetensors", &loaded), MR_OK, "%s", mr_error_message());
    const mr_dictionary *d = mr_density_layout(loaded)->dictionary;
    cr_assert(d[0].n == 2 && d[1].n == 1 && d[2].n == 0);
    cr_expect_str_eq(d[0].name[0], "\"Grün\"");
    cr_expect_str_eq(d[0].name[1], "two\nlines");
    cr_expect_str_eq(d[1].name[0], "same");
    mr_density_free(loaded);
}

Test(categories, names_that_contradict_the_model_are_refused) {
    static const char *const bad[] = {
        "{}",
        "[]",
        "[[\"a\",\"b\"],[\"x\"]]",               // not a list for each column
        "[[\"b\",\"a\"],[\"x\"],null]",          // out of order
        "[[\"a\",\"a\"],[\"x\"],null]",          // twice
        "[[\"a\",2],[\"x\"],null]",              // no text
        "[[\"a\",\"b\"],[],null]",               // no names
        "[[\"a\",\"b\",\"c\"],[\"x\"],null]",    // more than categories
        "[[\"a\",\"b\"],[\"x\"],[\"a\",\"b\"]]", // of a column of numbers
        "[[\"a\",\"b\"],[\"x\"],null",           // no JSON
    };
    mr_density *loaded;
    save_named("good.safetensors");
    write_altered("[[\"a\",\"b\"],[\"x\"],null]");
    cr_assert_eq(mr_density_load("bad.safetensors", &loaded), MR_OK, "%s", mr_error_message());
    mr_density_free(loaded);
    for (size_t i = 0; i < MR_COUNT(bad); i++) {
        write_altered(bad[i]);
        cr_expect_eq(mr_density_load("bad.safetensors", &loaded), MR_ERR_INPUT, "%s", bad[i]);
        scratch_expect_message("bad.safetensors");
        scratch_expect_message("categories");
    }
}
