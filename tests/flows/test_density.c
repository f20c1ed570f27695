// Densities: standardising, scoring, sampling, files.

#include "flows/density.h"

#include <math.h>
#include <sys/resource.h>

#include "base/tensors.h"
#include "tests/scratch.h"
#include "tests/sanitized.h"

TestSuite(density, .init = scratch_enter, .fini = scratch_leave);

static const double log_2_pi = 1.8378770664093454836;

enum { N = 500, DIM = 3 };

static mr_density *density_of(const char *flow) {
    mr_density *density = NULL;
    cr_assert_eq(mr_density_new(flow, MR_FLOW_TO_SCORE, DIM, 3, &density), MR_OK, "%s",
                 mr_error_message());
    return density;
}

// Away from the start, so that the flow is not the identity.
static void disturb(mr_density *density) {
    mr_params *params = mr_density_params(density);
    mr_random random = mr_random_stream(4, MR_STREAM_TEST, 0);
    for (size_t i = 0; i < mr_params_trained_size(params); i++)
        mr_params_value(params)[i] += (mr_real)(0.1 * mr_random_normal(&random));
}

static void draw_data(double x[N * DIM]) {
    mr_random random = mr_random_stream(4, MR_STREAM_TEST, 1);
    for (size_t i = 0; i < N * DIM; i++)
        x[i] = 1e6 * (double)(i % DIM) + pow(10, (double)(i % DIM)) * mr_random_normal(&random);
}

// The flow starts as the identity and the base as the standard normal, so the density is the normal
// one with the data's mean and deviation: its log-density in closed form. This is where a missing
// Jacobian of the standardising would show.
Test(density, a_new_one_is_the_normal_of_the_data_it_starts_from) {
    static double x[N * DIM], log_prob[N];
    draw_data(x);
    mr_density *density = density_of("real_nvp");
    cr_assert_eq(mr_density_start(density, N, x, NULL), MR_OK);
    cr_assert_eq(mr_density_log_prob(density, 2, N, x, log_prob), MR_OK);
    const double *shift = mr_density_shift(density), *scale = mr_density_scale(density);
    for (size_t j = 0; j < DIM; j++) {
        cr_expect_float_eq(shift[j], 1e6 * (double)j, 0.2 * pow(10, (double)j)); // 4 errors of N
        cr_expect_float_eq(scale[j], pow(10, (double)j), 0.13 * pow(10, (double)j));
    }
    for (size_t i = 0; i < N; i++) {
        double expected = 0;
        for (size_t j = 0; j < DIM; j++) {
            const double u = (x[i * DIM + j] - shift[j]) / scale[j];
            expected -= u * u / 2 + log_2_pi / 2 + log(scale[j]);
        }
        // Numbers of size 20 in float32, some ten roundings.
        cr_expect_float_eq(log_prob[i], expected, 2e-5);
    }
    mr_density_free(density);
}

Test(density, constant_columns_keep_their_scale) {
    const double x[] = {5, 1, 1e-3, 5, 2, -1e-3};
    mr_density *density = density_of("gaussian");
    cr_assert_eq(mr_density_start(density, 2, x, NULL), MR_OK);
    cr_expect_eq(mr_density_shift(density)[0], 5);
    cr_expect_eq(mr_density_scale(density)[0], 1);
    cr_expect_float_eq(mr_density_scale(density)[1], 0.5, 1e-15);
    cr_expect_float_eq(mr_density_scale(density)[2], 1e-3, 1e-18);
    mr_density_free(density);
}

Test(density, columns_of_any_size_are_standardised_or_refused) {
    const double large[] = {1e200, 1, 1e-200, -1e200, 2, -1e-200};
    const double larger[] = {1.7e308, 1,        1, -1.7e308, 2,
                             2,       -1.7e308, 3, 3}; // their spread overflows
    double log_prob[2];
    mr_density *density = density_of("gaussian");
    cr_assert_eq(mr_density_start(density, 2, large, NULL), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_log_prob(density, 1, 2, large, log_prob), MR_OK);
    cr_expect_float_eq(log_prob[0], -1.5 - 1.5 * log_2_pi - log(0.5), 1e-5);
    cr_expect_eq(mr_density_start(density, 3, larger, NULL), MR_ERR_INPUT);
    scratch_expect_message("column 1");
    mr_density_free(density);
}

Test(density, samples_carry_the_log_density_that_scoring_finds) {
    static const char *const flows[] = {"gaussian", "real_nvp", "real_nvp:layers=1,hidden=8"};
    static double x[N * DIM], data[N * DIM], from_sampling[N], from_scoring[N];
    draw_data(data);
    for (size_t k = 0; k < MR_COUNT(flows); k++) {
        mr_density *density = density_of(flows[k]);
        cr_assert_eq(mr_density_start(density, N, data, NULL), MR_OK);
        disturb(density);
        cr_assert_eq(mr_density_sample(density, 1, 9, N, x, from_sampling), MR_OK);
        cr_assert_eq(mr_density_log_prob(density, 1, N, x, from_scoring), MR_OK);
        for (size_t i = 0; i < N; i++)
            cr_expect_float_eq(from_sampling[i], from_scoring[i], 1e-4); // the spec's round trip
        mr_density_free(density);
    }
}

Test(density, fewer_samples_are_the_first_of_more) {
    static double few[7 * DIM], many[3000 * DIM], other[7 * DIM];
    mr_density *density = density_of("real_nvp");
    disturb(density);
    cr_assert_eq(mr_density_sample(density, 1, 9, 7, few, NULL), MR_OK);
    cr_assert_eq(mr_density_sample(density, 1, 9, 3000, many, NULL), MR_OK);
    cr_assert_eq(mr_density_sample(density, 1, 10, 7, other, NULL), MR_OK);
    cr_expect_arr_eq(few, many, sizeof few);
    cr_expect_arr_neq(few, other, sizeof few);
    mr_density_free(density);
}

Test(density, names_the_cell_that_has_no_log_density) {
    double x[] = {0, 0, 0, 0, NAN, 0, 1, 1e30, 2};
    double log_prob[3];
    mr_density *density = density_of("real_nvp");
    cr_expect_eq(mr_density_log_prob(density, 1, 3, x, log_prob), MR_ERR_NUMERIC);
    scratch_expect_message("row 2");
    scratch_expect_message("column 2 is nan");
    x[4] = 0;
    cr_expect_eq(mr_density_log_prob(density, 1, 3, x, log_prob), MR_ERR_NUMERIC);
    scratch_expect_message("row 3");
    scratch_expect_message("column 2 is 1e+30");
    x[7] = 1e6; // far out, yet a number
    cr_expect_eq(mr_density_log_prob(density, 1, 3, x, log_prob), MR_OK);
    cr_expect_lt(log_prob[2], -1e3);
    mr_density_free(density);
}

Test(density, a_file_brings_back_the_same_bits) {
    static double data[N * DIM], before[N], after[N];
    draw_data(data);
    mr_density *density = density_of("real_nvp:layers=3,hidden=8"), *loaded = NULL;
    cr_assert_eq(mr_density_start(density, N, data, NULL), MR_OK);
    disturb(density);
    cr_assert_eq(mr_density_save(density, "a.safetensors"), MR_OK);
    cr_assert_eq(mr_density_load("a.safetensors", &loaded), MR_OK, "%s", mr_error_message());
    cr_expect_str_eq(mr_density_flow(loaded), mr_density_flow(density));
    cr_expect_eq(mr_density_use(loaded), MR_FLOW_TO_SCORE);
    cr_assert_eq(mr_density_log_prob(density, 1, N, data, before), MR_OK);
    cr_assert_eq(mr_density_log_prob(loaded, 1, N, data, after), MR_OK);
    cr_expect_arr_eq(before, after, sizeof before);

    char *first = NULL, *second = NULL;
    size_t n_first = 0, n_second = 0;
    cr_assert_eq(mr_density_save(loaded, "b.safetensors"), MR_OK);
    cr_assert_eq(mr_file_read("a.safetensors", &first, &n_first), MR_OK);
    cr_assert_eq(mr_file_read("b.safetensors", &second, &n_second), MR_OK);
    cr_assert_eq(n_first, n_second);
    cr_expect_arr_eq(first, second, n_first);
    free(first);
    free(second);
    mr_density_free(density);
    mr_density_free(loaded);
}

// Writes a model file with one of its notes replaced.
static void write_altered(const char *key, const char *value) {
    mr_tensors *file = NULL;
    mr_tensors_writer *writer = NULL;
    static const char *const keys[] = {"format",  "format_version", "flow",      "use",      "dim",
                                       "columns", "column_names",   "constants", "n_columns"};
    cr_assert_eq(mr_tensors_open("good.safetensors", &file), MR_OK);
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    for (size_t i = 0; i < MR_COUNT(keys); i++)
        if (strcmp(keys[i], key) == 0 && value != NULL)
            mr_tensors_writer_note(writer, key, value);
        else if (strcmp(keys[i], key) != 0 && mr_tensors_note(file, keys[i]) != NULL)
            mr_tensors_writer_note(writer, keys[i], mr_tensors_note(file, keys[i]));
    for (size_t i = 0; i < mr_tensors_count(file); i++) {
        const mr_tensor t = mr_tensors_at(file, i);
        mr_tensors_writer_add(writer, t.name, t.dtype, t.n_dims, t.shape, t.data);
    }
    cr_assert_eq(mr_tensors_writer_write(writer, "bad.safetensors"), MR_OK);
    mr_tensors_writer_free(writer);
    mr_tensors_close(file);
}

// What a model was saved with counts, not how a new one would be drawn: here the order of a shuffle
// and the signs of a linear map.
Test(density, a_file_brings_back_permutations_and_signs) {
    static const mr_real order[DIM] = {2, 0, 1}, other[DIM] = {1, 2, 0}, signs[DIM] = {-1, 1, -1};
    static double x[N * DIM], expected[N], drawn[N], found[N];
    mr_density *density = density_of("[permutation, affine, lu, affine]"), *loaded;
    mr_params *params = mr_density_params(density);
    draw_data(x);
    cr_assert_eq(mr_density_start(density, N, x, NULL), MR_OK);
    disturb(density);
    cr_assert_eq(mr_density_log_prob(density, 1, N, x, drawn), MR_OK);
    // Each buffer begins at a multiple of 64 bytes: the shuffle's order, the map's signs, its
    // order.
    const size_t unit = 64 / sizeof(mr_real), first = mr_params_trained_size(params);
    cr_assert_eq(mr_params_size(params), first + 3 * unit);
    memcpy(mr_params_value(params) + first, order, sizeof order);
    memcpy(mr_params_value(params) + first + unit, signs, sizeof signs);
    memcpy(mr_params_value(params) + first + 2 * unit, other, sizeof other);
    cr_assert_eq(mr_density_log_prob(density, 1, N, x, expected), MR_OK);
    cr_expect_arr_neq(expected, drawn, sizeof drawn);
    cr_assert_eq(mr_density_save(density, "model.safetensors"), MR_OK);
    cr_assert_eq(mr_density_load("model.safetensors", &loaded), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_log_prob(loaded, 1, N, x, found), MR_OK);
    cr_expect_arr_eq(found, expected, sizeof expected);
    mr_density_free(density);
    mr_density_free(loaded);
}

Test(density, refuses_files_that_are_no_whole_model) {
    static const struct {
        const char *key, *value, *message;
    } cases[] = {
        {"format", NULL, "not a density saved by millrace"},
        {"format", "millrace.policy", "not a density saved by millrace"},
        {"format_version", "9", "density format 9, this millrace reads 3"},
        {"flow", NULL, "no 'flow'"},
        {"flow", "reel_nvp", "'flow' is 'reel_nvp'"},
        {"use", "both", "'use' is 'both'"},
        {"dim", "-1", "'dim' is '-1'"},
        {"dim", "4", "shift"},
    };
    mr_density *density = density_of("real_nvp:layers=1,hidden=4"), *loaded = NULL;
    cr_assert_eq(mr_density_save(density, "good.safetensors"), MR_OK);
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        write_altered(cases[i].key, cases[i].value);
        cr_expect_eq(mr_density_load("bad.safetensors", &loaded), MR_ERR_INPUT, "%s",
                     cases[i].message);
        scratch_expect_message("bad.safetensors");
        scratch_expect_message(cases[i].message);
    }
    mr_params_value(mr_density_params(density))[1] = NAN;
    cr_assert_eq(mr_density_save(density, "bad.safetensors"), MR_OK);
    cr_expect_eq(mr_density_load("bad.safetensors", &loaded), MR_ERR_NUMERIC);
    scratch_expect_message("not finite");
    cr_expect_null(loaded);
    mr_density_free(density);
}

Test(density, scoring_goes_past_impossible_points) {
    const double x[] = {0, 0, 0, 0, NAN, 0, 1, 1e30, 2, INFINITY, 0, 0, 1, 1, 1};
    double log_prob[5];
    size_t n_impossible = 77;
    mr_density *density = density_of("real_nvp");
    cr_assert_eq(mr_density_score(density, 1, 5, x, log_prob, &n_impossible), MR_OK);
    cr_expect_eq(n_impossible, 3);
    for (size_t i = 1; i < 4; i++)
        cr_expect_eq(log_prob[i], -INFINITY);
    cr_expect_float_eq(log_prob[0], -1.5 * log_2_pi, 1e-5);
    cr_expect_float_eq(log_prob[4], -1.5 * log_2_pi - 1.5, 1e-5);
    mr_density_free(density);
}

static const mr_layout wide = {
    .n_columns = 5,
    .columns = (size_t[]){1, 2, 4},
    .names = (char *[]){"id", "a \"quoted\", name", "b", "2019", "Größe"},
    .n_constants = 1,
    .constants = (mr_constant[]){{3, 1.0 / 3}},
};

Test(density, a_file_brings_back_the_layout_of_its_table) {
    mr_density *density = density_of("gaussian"), *loaded = NULL;
    cr_assert_eq(mr_density_set_layout(density, &wide), MR_OK);
    cr_assert_eq(mr_density_save(density, "a.safetensors"), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_load("a.safetensors", &loaded), MR_OK, "%s", mr_error_message());
    const mr_layout *found = mr_density_layout(loaded);
    cr_assert_eq(found->n_columns, 5);
    for (size_t j = 0; j < 5; j++)
        cr_expect_str_eq(found->names[j], wide.names[j]);
    cr_expect_arr_eq(found->columns, wide.columns, 3 * sizeof *wide.columns);
    cr_assert_eq(found->n_constants, 1);
    cr_expect_eq(found->constants[0].column, 3);
    cr_expect_eq(found->constants[0].value, 1.0 / 3);
    mr_density_free(density);
    mr_density_free(loaded);
}

Test(density, refuses_layouts_that_make_no_sense) {
    static const struct {
        const char *key, *value;
    } cases[] = {
        {"columns", "0,1,5"},
        {"columns", "2,1,0"},
        {"column_names", "[]"},
        {"column_names", "[1,2,3,4,5]"},
        {"column_names", "{"},
        {"constants", "[[1, 0.5]]"},
        {"constants", "[[5, 0.5]]"},
        {"constants", "[[-1, 0.5]]"},
        {"constants", "[[3, \"x\"]]"},
        {"constants", "[3]"},
        {"constants", "7"},
        {"constants", "[[3,1],[3,1]]"},
    };
    mr_density *density = density_of("gaussian"), *loaded = NULL;
    cr_assert_eq(mr_density_set_layout(density, &wide), MR_OK);
    cr_assert_eq(mr_density_save(density, "good.safetensors"), MR_OK);
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        write_altered(cases[i].key, cases[i].value);
        cr_expect_eq(mr_density_load("bad.safetensors", &loaded), MR_ERR_INPUT, "%s is %s",
                     cases[i].key, cases[i].value);
        scratch_expect_message(cases[i].key);
    }
    cr_expect_null(loaded);
    mr_density_free(density);
}

// A few hundred bytes that say they are a net of 65536 x 65536 units: 16 GB, or their masks.
Test(density, a_file_that_claims_a_huge_net_is_refused_before_it_is_built) {
    static const char *const flows[] = {
        "real_nvp:layers=64,hidden=65536x65536x65536x65536", "maf:layers=64,hidden=65536x65536",
        "nsf_ar:layers=1,hidden=65536x65536,bins=8,bound=6", "iaf:layers=64,hidden=65536"};
    mr_density *density = density_of("real_nvp:layers=1,hidden=4"), *loaded = NULL;
    cr_assert_eq(mr_density_save(density, "good.safetensors"), MR_OK);
#ifndef SANITIZED
    setrlimit(RLIMIT_AS, &(struct rlimit){(rlim_t)1 << 32, RLIM_INFINITY});
#endif
    for (size_t i = 0; i < MR_COUNT(flows); i++) {
        write_altered("flow", flows[i]);
        cr_expect_eq(mr_density_load("bad.safetensors", &loaded), MR_ERR_INPUT, "%s", flows[i]);
        scratch_expect_message("bad.safetensors: its metadata's 'flow' is");
    }
    mr_density_free(density);
}

Test(density, refuses_scales_that_are_none) {
    const double zeros[DIM] = {0}, ones[DIM] = {1, 1, 1}, bad[DIM] = {1, NAN, 1};
    mr_density *density = density_of("gaussian");
    cr_expect_eq(mr_density_set_scale(density, zeros, zeros), MR_ERR_INPUT);
    cr_expect_eq(mr_density_set_scale(density, bad, ones), MR_ERR_INPUT);
    scratch_expect_message("column 2");
    cr_expect_eq(mr_density_scale(density)[0], 1);
    cr_expect_eq(mr_density_set_scale(density, ones, ones), MR_OK);
    mr_density_free(density);
}

// ---- Other bases, bounded and circular columns, given columns

static const mr_support mixed_support[] = {{MR_SUPPORT_CIRCLE, 0, 360},
                                           {MR_SUPPORT_BOUNDED, 0, INFINITY},
                                           {MR_SUPPORT_LINE, 0, 0},
                                           {MR_SUPPORT_BOUNDED, -1, 1}};

// An angle, a number above 0 and any number, given a number between -1 and 1.
static mr_density *mixed_density(const char *base) {
    mr_density *density = NULL;
    cr_assert_eq(mr_density_create(&(mr_density_spec){.flow = "nsf:layers=2,hidden=8",
                                                      .use = MR_FLOW_TO_SCORE,
                                                      .base = base,
                                                      .dim = 3,
                                                      .given_dim = 1,
                                                      .support = mixed_support},
                                   3, &density),
                 MR_OK, "%s", mr_error_message());
    return density;
}

static void draw_mixed(double x[4 * N]) {
    mr_random random = mr_random_stream(4, MR_STREAM_TEST, 2);
    for (size_t i = 0; i < N; i++) {
        x[4 * i] =
            500 * mr_random_uniform(&random) - 70; // some of them by a period beside [0, 360]
        x[4 * i + 1] = exp(mr_random_normal(&random));
        x[4 * i + 2] = 100 + mr_random_normal(&random);
        x[4 * i + 3] = 2 * mr_random_uniform(&random) - 1;
    }
}

Test(density, a_file_brings_back_base_supports_and_given_columns) {
    static const char *const bases[] = {"normal", "student_t", "mixture:components=3"};
    static double x[4 * N], given[N], before[N], after[N], first[3 * N], second[3 * N];
    size_t columns[] = {0, 2, 5}, given_columns[] = {3};
    const mr_layout layout = {
        .n_columns = 6, .columns = columns, .n_given = 1, .given = given_columns};
    draw_mixed(x);
    for (size_t i = 0; i < N; i++)
        given[i] = x[4 * i + 3];
    for (size_t k = 0; k < MR_COUNT(bases); k++) {
        mr_density *density = mixed_density(bases[k]), *loaded = NULL;
        cr_assert_eq(mr_density_start(density, N, x, NULL), MR_OK, "%s", mr_error_message());
        disturb(density);
        cr_assert_eq(mr_density_set_layout(density, &layout), MR_OK);
        cr_assert_eq(mr_density_save(density, "m"), MR_OK, "%s", mr_error_message());
        cr_assert_eq(mr_density_load("m", &loaded), MR_OK, "%s", mr_error_message());
        cr_expect_str_eq(mr_density_base(loaded), bases[k]);
        cr_expect_eq(mr_density_given_dim(loaded), 1);
        cr_expect_eq(mr_density_layout(loaded)->given[0], 3);
        cr_expect_arr_eq(mr_density_support(loaded), mixed_support, sizeof mixed_support);
        cr_assert_eq(mr_density_log_prob(density, 1, N, x, before), MR_OK, "%s",
                     mr_error_message());
        cr_assert_eq(mr_density_log_prob(loaded, 1, N, x, after), MR_OK);
        cr_expect_arr_eq(before, after, sizeof before);
        cr_assert_eq(mr_density_sample_given(density, 1, 7, N, given, first, before), MR_OK, "%s",
                     mr_error_message());
        cr_assert_eq(mr_density_sample_given(loaded, 2, 7, N, given, second, after), MR_OK);
        for (size_t i = 0; i < N; i++) {
            cr_assert(first[3 * i] >= 0 && first[3 * i] <= 360 && first[3 * i + 1] > 0);
            for (size_t j = 0; j < 3; j++)
                cr_expect_float_eq(first[3 * i + j], second[3 * i + j],
                                   1e-4 * (1 + fabs(first[3 * i + j])));
        }
        mr_density_free(density);
        mr_density_free(loaded);
    }
}

// An angle a period further is the same point.
Test(density, angles_are_the_same_a_period_further) {
    double x[] = {10, 1, 0.5, 0, 370, 1, 0.5, 0, -350, 1, 0.5, 0}, log_prob[3];
    mr_density *density = mixed_density(NULL);
    disturb(density);
    cr_assert_eq(mr_density_log_prob(density, 1, 3, x, log_prob), MR_OK);
    cr_expect_float_eq(log_prob[0], log_prob[1], 1e-5);
    cr_expect_float_eq(log_prob[0], log_prob[2], 1e-5);
    mr_density_free(density);
}

Test(density, cells_outside_their_bounds_are_named_or_impossible) {
    double x[] = {10, 1, 100, 0, 10, -1, 100, 0}, log_prob[2], sample[3];
    size_t n_impossible;
    mr_density *density = mixed_density(NULL);
    cr_expect_eq(mr_density_start(density, 2, x, NULL), MR_ERR_INPUT);
    scratch_expect_message("row 2, column 2 of the fitted columns is -1");
    cr_expect_eq(mr_density_log_prob(density, 1, 2, x, log_prob), MR_ERR_NUMERIC);
    scratch_expect_message(
        "row 2 has no log-density: column 2 is -1, outside its bounds 0 and inf");
    cr_assert_eq(mr_density_score(density, 1, 2, x, log_prob, &n_impossible), MR_OK);
    cr_expect_eq(n_impossible, 1);
    cr_expect_eq(mr_density_sample_given(density, 1, 1, 1, &(double){1.5}, sample, NULL),
                 MR_ERR_INPUT);
    scratch_expect_message("given row 1, column 1 is 1.5");
    cr_expect_eq(mr_density_sample(density, 1, 1, 1, sample, NULL), MR_ERR_USAGE);
    scratch_expect_message("the model is conditional: its samples need 1 given columns");
    mr_density_free(density);
}

// Through a fixed map the flow takes data as it is given.
Test(density, data_outside_a_fixed_map_is_named_or_impossible) {
    double x[] = {0.5, 0.25, 0.9, 0.125, 1.2, 0.5}, log_prob[3], samples[2 * N];
    size_t n_impossible;
    mr_density *density = NULL, *loaded;
    cr_assert_eq(mr_density_new("[logit, affine]", MR_FLOW_TO_SCORE, 2, 1, &density), MR_OK);
    cr_expect_eq(mr_density_start(density, 3, x, NULL), MR_ERR_INPUT);
    scratch_expect_message(
        "row 3, column 1 of the fitted columns is 1.2, but the flow's logit takes "
        "values between 0 and 1 alone");
    cr_assert_eq(mr_density_start(density, 2, x, NULL), MR_OK);
    cr_expect_eq(mr_density_shift(density)[0], 0);
    cr_expect_eq(mr_density_scale(density)[1], 1);
    cr_expect_eq(mr_density_log_prob(density, 1, 3, x, log_prob), MR_ERR_NUMERIC);
    scratch_expect_message("row 3 has no log-density: column 1 is 1.2, outside its bounds 0 and 1");
    cr_assert_eq(mr_density_save(density, "model.safetensors"), MR_OK);
    cr_assert_eq(mr_density_load("model.safetensors", &loaded), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_density_score(loaded, 1, 3, x, log_prob, &n_impossible), MR_OK);
    cr_expect_eq(n_impossible, 1);
    for (size_t i = 0; i < 2; i++) { // v = log(x / (1 - x)) is standard normal
        double expected = -log_2_pi;
        for (size_t j = 0; j < 2; j++) {
            const double t = x[2 * i + j], v = log(t / (1 - t));
            expected -= v * v / 2 + log(t * (1 - t));
        }
        cr_expect_float_eq(log_prob[i], expected, 1e-5);
    }
    // Far out float32 rounds a sample to 1, which has no density: the one next to it has.
    for (size_t i = 0; i < mr_params_trained_size(mr_density_params(loaded)); i++)
        mr_params_value(mr_density_params(loaded))[i] = 3;
    cr_assert_eq(mr_density_sample(loaded, 1, 1, N, samples, NULL), MR_OK);
    for (size_t i = 0; i < (size_t)2 * N; i++)
        cr_expect(samples[i] > 0 && samples[i] < 1 && (mr_real)samples[i] < 1);
    mr_density_free(density);
    mr_density_free(loaded);
}

static void expect_refused_spec(const mr_density_spec *spec, const char *message) {
    mr_density *density = NULL;
    cr_expect_eq(mr_density_create(spec, 1, &density), MR_ERR_USAGE);
    cr_expect_null(density);
    scratch_expect_message(message);
}

Test(density, flows_bases_and_supports_must_go_together) {
    static const mr_support box[] = {{MR_SUPPORT_BOUNDED, 0, 1}, {MR_SUPPORT_BOUNDED, 0, 1}};
    mr_density_spec spec = {
        .flow = "nsf", .use = MR_FLOW_TO_SCORE, .base = "gauss", .dim = 2, .support = box};
    expect_refused_spec(&spec, "base 'gauss': there is no such base distribution; choose from "
                               "normal, student_t, mixture, uniform");
    spec.base = "mixture:parts=3";
    expect_refused_spec(&spec, "mixture has no option 'parts'; it has components");
    spec.base = "uniform:bound=4";
    expect_refused_spec(&spec, "values between -4 and 4 reach coupling, which moves these bounds");
    spec.flow = "[spline(bound=4), lu]";
    expect_refused_spec(&spec, "values between -4 and 4 reach lu, which moves these bounds");
    spec.base = NULL;
    spec.flow = "[logit, lu]";
    expect_refused_spec(&spec, "column 1 has bounds of its own (--bounded), and logit in the flow");
    spec.support = NULL;
    spec.flow = "[lu, logit]";
    expect_refused_spec(&spec, "values between 0 and 1 reach lu, which moves these bounds");
    spec.flow = "[lu, tanh]";
    expect_refused_spec(&spec,
                        "coming from the base, values between -inf and inf reach the inverse "
                        "of tanh, which is defined between -1 and 1 alone; is inverse(tanh) "
                        "meant?");
    spec.flow = "[lu, inverse(logit(high=2))]";
    expect_refused_spec(&spec,
                        "reach logit, which is defined between 0 and 2 alone; is logit meant?");
    spec.flow = "[logit(low=2, high=2)]";
    expect_refused_spec(&spec, "logit has low=2 and high=2; give a low that is below high");
    spec.base = "uniform:bound=4";
    spec.support = mixed_support;
    spec.flow = "[spline(bound=4)]";
    expect_refused_spec(&spec, "needs two bounds for every column, and column 2 has one");
    spec.base = NULL;
    spec.flow = "[coupling(affine), planar]";
    expect_refused_spec(&spec, "planar has no form for circular columns");
}
