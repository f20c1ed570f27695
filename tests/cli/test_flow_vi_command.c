// `millrace flow vi` and `millrace flow plot`, as a user runs them.

#include <jansson.h>
#include <math.h>

#include "flows/density.h"
#include "base/matrix_file.h"
#include "tests/cli/command_runner.h"

TestSuite(flow_vi_command, .init = scratch_enter, .fini = scratch_leave);

static const char png_signature[] = "\x89PNG\r\n";

static bool is_png(const char *path) {
    char *bytes = scratch_read(path);
    const bool is = strncmp(bytes, png_signature, strlen(png_signature)) == 0;
    free(bytes);
    return is;
}

static json_t *parse(outcome *o) {
    expect_success(o);
    json_t *object = json_loads(o->out, 0, NULL);
    cr_assert_not_null(object, "no JSON: %s", o->out);
    outcome_free(o);
    return object;
}

static double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    cr_assert(json_is_real(value), "%s is no number", key);
    return json_real_value(value);
}

// The largest seed is 2^64 - 1, beyond the integers of the JSON library.
Test(flow_vi_command, tells_any_seed_as_it_was_given) {
    static const char *const seeds[] = {"0", "9223372036854775807", "9223372036854775808",
                                        "18446744073709551615"};
    char vi_part[64], sample_part[64], out[16], model[64];
    for (size_t i = 0; i < MR_COUNT(seeds); i++) {
        snprintf(out, sizeof out, "vi%zu", i);
        snprintf(model, sizeof model, "%s/model.safetensors", out);
        snprintf(vi_part, sizeof vi_part, ",\"seed\":%s,", seeds[i]);
        snprintf(sample_part, sizeof sample_part, ",\"seed\":%s}\n", seeds[i]);
        outcome o = RUN("flow", "vi", "u2", "--flow", "real_nvp:layers=1,hidden=8", "--steps", "10",
                        "--samples", "50", "--out", out, "--seed", seeds[i], "--json");
        expect_success(&o);
        scratch_expect_part(o.out, vi_part);
        outcome_free(&o);
        o = RUN("flow", "sample", model, "-n", "3", "--seed", seeds[i], "--out", "s.npy", "--json");
        expect_success(&o);
        scratch_expect_part(o.out, sample_part);
        outcome_free(&o);
    }
}

Test(flow_vi_command, fits_a_target_and_writes_all_it_says) {
    mr_matrix samples;
    mr_density *density = NULL;
    outcome o = RUN("flow", "vi", "u2", "--flow", "real_nvp:layers=2,hidden=16", "--steps", "800",
                    "--batch-size", "128", "--samples", "500", "--out", "deep/vi", "--json");
    json_t *object = parse(&o);
    const double elbo = number(object, "elbo"), log_z = number(object, "log_z");
    cr_expect_float_eq(log_z, 2.0821, 1e-4); // by quadrature, see exact_targets.c
    cr_expect_leq(elbo, log_z + 4 * number(object, "elbo_stderr"));
    cr_expect_geq(elbo, log_z - 1);
    cr_expect_float_eq(number(object, "kl"), log_z - elbo, 1e-12);
    cr_expect_str_eq(json_string_value(json_object_get(object, "flow")),
                     "real_nvp:layers=2,hidden=16");
    cr_expect_eq(json_integer_value(json_object_get(object, "steps")), 800);
    json_decref(object);

    cr_assert_eq(mr_matrix_read("deep/vi/samples.npy", &samples), MR_OK, "%s", mr_error_message());
    cr_expect_eq(samples.n_rows, 500);
    cr_expect_eq(samples.n_cols, 2);
    mr_matrix_free(&samples);
    cr_assert_eq(mr_density_load("deep/vi/model.safetensors", &density), MR_OK, "%s",
                 mr_error_message());
    cr_expect_eq(mr_density_dim(density), 2);
    mr_density_free(density);
    cr_expect(is_png("deep/vi/density.png"));
}

Test(flow_vi_command, same_seed_gives_the_same_files) {
    char *first, *again;
    outcome a = RUN("flow", "vi", "u1", "--flow", "gaussian", "--steps", "100", "--out", "a");
    outcome b = RUN("flow", "vi", "u1", "--flow", "gaussian", "--steps", "100", "--out", "b");
    expect_success(&a);
    expect_success(&b);
    scratch_expect_part(a.out, "\nELBO ");
    scratch_expect_part(a.out, "\nKL ");
    first = scratch_read("a/samples.npy");
    again = scratch_read("b/samples.npy");
    cr_expect_arr_eq(first, again, 128 + 10000 * 2 * sizeof(double));
    free(first);
    free(again);
    outcome_free(&a);
    outcome_free(&b);
}

Test(flow_vi_command, regresses_on_a_users_table) {
    // Two weights and the intercept: a picture of three features. log Z is nobody's to know.
    char table[4096] = "dose,age,ill\n";
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    for (int i = 0; i < 60; i++) {
        const double x = mr_random_normal(&random), y = mr_random_normal(&random);
        const bool ill = mr_random_uniform(&random) < 1 / (1 + exp(-2 * x + y));
        snprintf(table + strlen(table), 64, "%.4f,%.4f,%d\n", x, y, ill);
    }
    scratch_write("people.csv", table);
    outcome o = RUN("flow", "vi", "logistic:people.csv", "--flow", "gaussian", "--steps", "600",
                    "--lr", "0.1", "--out", "vi", "--json");
    json_t *object = parse(&o);
    cr_expect(json_is_null(json_object_get(object, "log_z")));
    cr_expect(json_is_null(json_object_get(object, "kl")));
    cr_expect_float_eq(number(object, "log_z_estimate"), number(object, "elbo"), 0.2);
    json_decref(object);
    mr_matrix samples;
    double mean[3] = {0};
    cr_assert_eq(mr_matrix_read("vi/samples.npy", &samples), MR_OK);
    cr_assert_eq(samples.n_cols, 3);
    for (size_t i = 0; i < samples.n_rows * 3; i++)
        mean[i % 3] += samples.values[i] / (double)samples.n_rows;
    mr_matrix_free(&samples);
    // The truth is (2, -1, 0); 60 rows leave it a deviation of about 0.4 and the prior pulls
    // towards 0: three deviations.
    cr_expect_float_eq(mean[0], 2, 1.2);
    cr_expect_float_eq(mean[1], -1, 1.2);
    cr_expect_float_eq(mean[2], 0, 1.2);
    cr_expect(is_png("vi/density.png"));
}

// Two rows below a name that could be a number: too few to tell by themselves.
Test(flow_vi_command, says_what_it_takes_the_first_row_for) {
    static const struct {
        const char *header;
        bool has_names;
    } cases[] = {{"auto", false}, {"yes", true}, {"no", false}};
    scratch_write("few.csv", "0,1\n0.5,1\n-0.5,0\n");
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        outcome o = RUN("flow", "vi", "logistic:few.csv", "--flow", "gaussian", "--steps", "10",
                        "--samples", "10", "--header", cases[i].header);
        cr_assert_eq(o.code, 0, "%s", o.err);
        cr_expect_not_null(strstr(o.out, cases[i].has_names
                                             ? "header          the first row is names\n"
                                             : "header          none: the first row is data\n"),
                           "%s", o.out);
        outcome_free(&o);
    }
    outcome o = RUN("flow", "vi", "logistic:few.csv", "--flow", "gaussian", "--steps", "10",
                    "--samples", "10", "--header", "yes", "--json");
    json_t *object = parse(&o);
    cr_expect(json_is_true(json_object_get(object, "header")));
    json_decref(object);
}

Test(flow_vi_command, has_results_without_gnuplot) {
    outcome o = run_under(&(circumstances){.path = "/nowhere"},
                          ARGUMENTS("flow", "vi", "u1", "--flow", "gaussian", "--steps", "10"));
    expect_success(&o);
    scratch_expect_part(o.err, "there is no picture: cannot run gnuplot");
    cr_expect_eq(access("vi/samples.npy", F_OK), 0);
    cr_expect_neq(access("vi/density.png", F_OK), 0);
    outcome_free(&o);
}

Test(flow_vi_command, a_signal_ends_it_in_good_order) {
    const pid_t child =
        start(&(circumstances){0}, "vi", ARGUMENTS("flow", "vi", "u1", "--steps", "1e9"));
    usleep(500000);
    kill(child, SIGINT);
    outcome o = finish(child, "vi");
    cr_expect_eq(o.code, 128 + SIGINT, "%d: %s", o.code, o.err);
    scratch_expect_part(o.out, "\nELBO ");
    cr_expect_eq(access("vi/model.safetensors", F_OK), 0);
    outcome_free(&o);
}

// ---- Pictures

static void save_model(const char *path, size_t dim) {
    mr_density *density = NULL;
    cr_assert_eq(mr_density_new("real_nvp", MR_FLOW_TO_SCORE, dim, 1, &density), MR_OK);
    cr_assert_eq(mr_density_save(density, path), MR_OK, "%s", mr_error_message());
    mr_density_free(density);
}

Test(flow_vi_command, plots_models_of_any_dimension) {
    static const size_t dims[] = {1, 2, 3, 9};
    for (size_t i = 0; i < MR_COUNT(dims); i++) {
        save_model("m.safetensors", dims[i]);
        outcome o = RUN("flow", "plot", "m.safetensors", "--out", "m.png");
        expect_success(&o);
        cr_expect_str_eq(o.out, "m.png\n");
        cr_expect(is_png("m.png"));
        unlink("m.png");
        outcome_free(&o);
    }
}

Test(flow_vi_command, writes_what_an_svg_shows) {
    save_model("m.safetensors", 9);
    outcome o = RUN("flow", "plot", "m.safetensors", "--out", "m.svg", "--title", "it's nine");
    expect_success(&o);
    char *picture = scratch_read("m.svg");
    scratch_expect_part(picture, "it's nine (6 of 9 features)");
    free(picture);
    outcome_free(&o);
}

Test(flow_vi_command, plot_names_itself_in_json) {
    save_model("m.safetensors", 2);
    outcome o = RUN("flow", "plot", "m.safetensors", "--json", "--samples", "100");
    json_t *object = parse(&o);
    cr_expect_str_eq(json_string_value(json_object_get(object, "out")), "density.png");
    cr_expect_eq(json_integer_value(json_object_get(object, "dim")), 2);
    json_decref(object);
}

// ---- Refusals

Test(flow_vi_command, what_makes_no_sense_is_refused_in_one_line) {
    static const struct {
        const char *arguments[8];
        int code;
        const char *message;
    } cases[] = {
        {{"flow", "vi"}, 2, "usage: millrace flow vi TARGET"},
        {{"flow", "vi", "u7"}, 2, "choose from u1"},
        {{"flow", "vi", "u1", "--flow", "planer"}, 2, "there is no such preset"},
        {{"flow", "vi", "u1", "--steps", "0"}, 2, "--steps"},
        {{"flow", "vi", "u1", "--anneal", "2"}, 2, "--anneal"},
        {{"flow", "vi", "logistic:none.csv"}, 1, "none.csv"},
        {{"flow", "vi", "u1", "--header", "yes"}, 2, "u1 has none"},
        {{"flow", "vi", "u1", "--out", "file/vi"}, 1, "file"},
        {{"flow", "plot", "none.safetensors"}, 1, "none.safetensors"},
        {{"flow", "plot", "file"}, 1, "file"},
        {{"flow", "plot", "file", "--out", "a.jpg"}, 2, "--out must end in .png, .svg or .pdf"},
    };
    scratch_write("file", "no model");
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        outcome o = run(cases[i].arguments);
        expect_refusal(&o, cases[i].code, cases[i].message);
    }
    cr_expect_neq(access("vi/model.safetensors", F_OK), 0);
}
