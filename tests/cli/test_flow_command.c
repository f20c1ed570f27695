// `millrace flow list`, `fit`, `score` and `sample`, as a user runs them.

#include <jansson.h>
#include <math.h>

#include "agents/settings.h"
#include "millrace/fit.h"
#include "flows/density.h"
#include "base/matrix_file.h"
#include "base/random.h"
#include "tests/cli/command_runner.h"

enum { N = 1000 };

static const double log_2_pi = 1.8378770664093454836;

// x ~ N(0, 1), y | x ~ N(x^2, 0.5^2).
static void write_banana(const char *path, size_t n, uint64_t stream) {
    double *x = malloc(2 * n * sizeof *x);
    mr_random random = mr_random_stream(12, MR_STREAM_TEST, stream);
    for (size_t i = 0; i < n; i++) {
        x[2 * i] = mr_random_normal(&random);
        x[2 * i + 1] = x[2 * i] * x[2 * i] + 0.5 * mr_random_normal(&random);
    }
    cr_assert_eq(mr_matrix_write(path, n, 2, x), MR_OK, "%s", mr_error_message());
    free(x);
}

static void enter(void) {
    scratch_enter();
    write_banana("x.npy", N, 0);
}

TestSuite(flow_command, .init = enter, .fini = scratch_leave);

static json_t *parse(outcome *o) {
    expect_success(o);
    json_t *object = json_loads(o->out, 0, NULL);
    cr_assert_not_null(object, "no JSON: %s", o->out);
    outcome_free(o);
    return object;
}

static double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    cr_assert(json_is_number(value), "%s is no number", key);
    return json_number_value(value);
}

// A quick model in m.safetensors.
static void fit_model(void) {
    outcome o = RUN("flow", "fit", "x.npy", "--flow", "real_nvp:layers=2,hidden=8", "--out",
                    "m.safetensors", "--epochs", "3");
    expect_success(&o);
    scratch_expect_part(o.out, "1000 rows of 2");
    outcome_free(&o);
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

Test(flow_command, lists_presets_and_parts_with_their_options) {
    outcome o = RUN("flow", "list");
    expect_success(&o);
    for (size_t i = 0; i < mr_flow_count_all(); i++)
        scratch_expect_part(o.out, mr_flow_at(i).summary);
    for (size_t i = 0; i < mr_flow_part_count(); i++)
        scratch_expect_part(o.out, mr_flow_part_at(i).summary);
    scratch_expect_part(o.out, "real_nvp:layers=4,hidden=64x64");
    scratch_expect_part(o.out,
                        "[coupling(inverse(affine), net=mlp, hidden=64x64, mask=alternate)]*4");
    scratch_expect_part(o.out, "bins=8: pieces; a whole number from 1 to 32");
    scratch_expect_part(o.out, "blocks=6: of the causal net");
    outcome_free(&o);
    o = RUN("flow", "list", "--json");
    json_t *list = parse(&o);
    cr_expect_eq(json_array_size(list),
                 mr_flow_count_all() + mr_flow_part_count() + mr_density_base_count() + 1);
    json_decref(list);
}

Test(flow_command, help_of_each_subcommand_is_what_its_help_option_shows) {
    static const char *const names[] = {"list", "fit", "score", "sample", "plot", "vi"};
    outcome group = RUN("help", "flow");
    for (size_t i = 0; i < MR_COUNT(names); i++) {
        char usage[64], row[32];
        outcome a = RUN("help", "flow", names[i]), b = RUN("flow", names[i], "--help");
        expect_success(&a);
        cr_expect_str_eq(a.out, b.out);
        snprintf(usage, sizeof usage, "Usage: millrace flow %s ", names[i]);
        scratch_expect_part(a.out, usage);
        snprintf(row, sizeof row, "\n  %s ", names[i]);
        scratch_expect_part(group.out, row);
        for (const char *line = strtok(a.out, "\n"); line != NULL; line = strtok(NULL, "\n"))
            cr_expect_leq(strlen(line), 80, "%s", line);
        outcome_free(&a);
        outcome_free(&b);
    }
    outcome_free(&group);
}

// The table of options states what mr_fit_defaults holds.
Test(flow_command, help_of_fit_shows_the_librarys_defaults) {
    const mr_fit_options d = mr_fit_defaults();
    outcome o = RUN("flow", "fit", "--help");
    const struct {
        const char *option;
        double value;
    } rows[] = {
        {"--epochs", (double)d.max_epochs},
        {"--patience", (double)d.patience},
        {"--batch-size", (double)d.batch_size},
        {"--held-out", d.held_out},
        {"--lr", d.lr},
        {"--clip-norm", d.clip_norm},
        {"--seed", (double)d.seed},
        {"--threads", (double)d.n_threads},
    };
    for (size_t i = 0; i < MR_COUNT(rows); i++) {
        const char *row = strstr(o.out, rows[i].option);
        cr_assert_not_null(row, "%s", rows[i].option);
        cr_expect_eq(strtod(strchr(row, '[') + 1, NULL), rows[i].value, "%s", rows[i].option);
    }
    outcome_free(&o);
}

// The exact mean log-density is -(1 + log 2 pi + log 0.5) = -2.14; 1,000 rows leave a few
// hundredths of error, a Gaussian would be 0.97 behind.
Test(flow_command, fits_scores_and_samples) {
    write_banana("test.npy", 2000, 1);
    outcome o = RUN("flow", "fit", "x.npy", "--flow", "maf:layers=3,hidden=32", "--out",
                    "m.safetensors", "--json");
    json_t *fit = parse(&o);
    cr_expect_eq(number(fit, "n"), N);
    cr_expect_eq(number(fit, "dim"), 2);
    cr_expect_geq(number(fit, "epochs"), number(fit, "best_epoch"));
    cr_expect_str_eq(json_string_value(json_object_get(fit, "flow")), "maf:layers=3,hidden=32");
    cr_expect_not(exists("m.safetensors.checkpoint"));

    o = RUN("flow", "score", "m.safetensors", "test.npy", "--out", "s.npy", "--json");
    json_t *score = parse(&o);
    const double mean = number(score, "mean_log_likelihood"), error = number(score, "stderr");
    cr_expect_float_eq(mean, -(1 + log_2_pi + log(0.5)), 0.15 + 4 * error);
    // The deviation of the exact log-density is 1, that of half a chi-square with 2 degrees.
    cr_expect_float_eq(error, 1 / sqrt(2000), 0.25 / sqrt(2000));

    mr_matrix scores, samples;
    cr_assert_eq(mr_matrix_read("s.npy", &scores), MR_OK, "%s", mr_error_message());
    cr_assert_eq(scores.n_rows, 2000);
    cr_expect_eq(scores.n_cols, 1);
    double sum = 0;
    for (size_t i = 0; i < 2000; i++)
        sum += scores.values[i];
    cr_expect_float_eq(sum / 2000, mean, 1e-12);
    mr_matrix_free(&scores);

    o = RUN("flow", "sample", "m.safetensors", "-n", "4000", "--seed", "7", "--out", "n.npy");
    expect_success(&o);
    outcome_free(&o);
    cr_assert_eq(mr_matrix_read("n.npy", &samples), MR_OK, "%s", mr_error_message());
    cr_assert_eq(samples.n_rows, 4000);
    cr_assert_eq(samples.n_cols, 2);
    double mean_y = 0;
    for (size_t i = 0; i < 4000; i++)
        mean_y += samples.values[2 * i + 1] / 4000;
    cr_expect_float_eq(mean_y, 1, 0.25); // E y = 1, deviation 1.5: by the fit's 1,000 rows 0.05
    mr_matrix_free(&samples);
    json_decref(fit);
    json_decref(score);
}

Test(flow_command, the_same_seed_gives_the_same_files) {
    char *files[4] = {NULL};
    size_t n_bytes[4];
    for (size_t k = 0; k < 2; k++) {
        fit_model();
        outcome o =
            RUN("flow", "sample", "m.safetensors", "-n", "10", "--seed", "5", "--out", "s.npy");
        expect_success(&o);
        outcome_free(&o);
        cr_assert_eq(mr_file_read("m.safetensors", &files[2 * k], &n_bytes[2 * k]), MR_OK);
        cr_assert_eq(mr_file_read("s.npy", &files[2 * k + 1], &n_bytes[2 * k + 1]), MR_OK);
    }
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(n_bytes[i], n_bytes[i + 2]);
        cr_expect_arr_eq(files[i], files[i + 2], n_bytes[i]);
    }
    for (size_t i = 0; i < 4; i++)
        free(files[i]);
}

Test(flow_command, reads_and_writes_csv) {
    scratch_write("x.csv", "a,b\n1,2\n3,5\n2,1\n0,1\n");
    outcome o = RUN("flow", "fit", "x.csv", "--flow", "gaussian", "--epochs", "2", "--out", "m");
    expect_success(&o);
    outcome_free(&o);
    o = RUN("flow", "score", "m", "x.csv", "--out", "s.csv");
    expect_success(&o);
    scratch_expect_part(o.out, "header               the first row is names");
    scratch_expect_part(o.out, "mean log-likelihood");
    outcome_free(&o);
    char *text = scratch_read("s.csv");
    size_t n_lines = 0;
    for (const char *c = text; *c != '\0'; c++)
        n_lines += *c == '\n';
    cr_expect_eq(n_lines, 4);
    free(text);
}

static off_t size_of(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? info.st_size : -1;
}

Test(flow_command, a_fit_that_was_killed_ends_as_if_it_had_not_been) {
    static const char *const arguments[] = {
        "flow", "fit",        "x.npy", "--flow", "real_nvp:hidden=8", "--epochs",
        "40",   "--patience", "40",    "--out",  "m.safetensors",     NULL};
    char *expected = NULL, *found = NULL;
    size_t n_expected = 0, n_found = 0;
    outcome o = run(arguments);
    expect_success(&o);
    outcome_free(&o);
    cr_assert_eq(mr_file_read("m.safetensors", &expected, &n_expected), MR_OK);
    unlink("m.safetensors");
    // Killed as soon as its first checkpoint is there, and again at some later time.
    for (int k = 0; k < 2; k++) {
        const pid_t child = start(&(circumstances){0}, "killed", arguments);
        for (int i = 0; i < 20000 && size_of("m.safetensors.checkpoint") <= 0; i++)
            usleep(100);
        usleep(10000);
        kill(child, k == 0 ? SIGTERM : SIGKILL);
        o = finish(child, "killed");
        cr_expect(o.code == 0 || o.code == 128 + SIGTERM || o.code == 128 + SIGKILL);
        outcome_free(&o);
    }
    o = run(arguments);
    expect_success(&o);
    outcome_free(&o);
    cr_expect_not(exists("m.safetensors.checkpoint"));
    cr_assert_eq(mr_file_read("m.safetensors", &found, &n_found), MR_OK);
    cr_assert_eq(n_found, n_expected);
    cr_expect_arr_eq(found, expected, n_expected);
    free(expected);
    free(found);
}

Test(flow_command, what_makes_no_sense_is_refused_in_one_line) {
    scratch_write("x.txt", "a\n");
    static const struct {
        const char *arguments[10];
        int code;
        const char *message;
    } cases[] = {
        {{"flow"}, 2, "millrace flow: no command given; `millrace help flow` lists them"},
        {{"flow", "scor"}, 2, "there is no command scor; did you mean score?"},
        {{"flow", "frobnicate"}, 2, "`millrace help flow` lists them"},
        {{"help", "flow", "scor"}, 2, "did you mean score?"},
        {{"help", "train", "fit"}, 2, "train has no subcommand fit"},
        {{"flow", "fit"}, 2, "usage: millrace flow fit DATA"},
        {{"flow", "fit", "none.npy"}, 1, "millrace flow fit: cannot read none.npy"},
        {{"flow", "fit", "y.txt"}, 1, "cannot read y.txt: No such file"},
        {{"flow", "fit", "x.txt"}, 2, "x.txt: the name of a table must end in .npy, .npz or .csv"},
        {{"flow", "fit", "x.npy", "--flow", "reel_nvp"}, 2, "there is no such preset; choose from"},
        {{"flow", "fit", "x.npy", "--held-out", "1"}, 2, "--held-out must be a number from"},
        {{"flow", "fit", "x.npy", "--out", "none/m"}, 1, "cannot write none/m: No such"},
        {{"flow", "fit", "bad.csv"}, 1, "bad.csv: row 2, column 1 is nan"},
        {{"flow", "fit", "same.csv"},
         1,
         "same.csv: constant columns have no density (2 is 2 in every row)"},
        {{"flow", "score", "m.safetensors"}, 2, "usage: millrace flow score MODEL DATA"},
        {{"flow", "score", "none", "x.npy"}, 1, "none"},
        {{"flow", "score", "x.npy", "x.npy"}, 1, "x.npy"},
        {{"flow", "score", "m.safetensors", "wide.csv"},
         1,
         "wide.csv: row 1 has 3 columns, the model needs 2"},
        {{"flow", "score", "m.safetensors", "x.npy", "--out", "s.txt"}, 2, "s.txt"},
        {{"flow", "score", "m.safetensors", "x.npy", "--out", "none/s.npy"}, 1, "none/s.npy"},
        {{"flow", "sample", "m.safetensors", "-n", "0"}, 2, "--num must be a whole number from 1"},
        {{"flow", "sample", "m.safetensors", "-n"}, 2, "needs a value"},
        {{"flow", "sample", "m.safetensors", "--out", "s"}, 2, "must end in .npy or .csv"},
        {{"flow", "sample", "bad.csv"}, 1, "bad.csv"},
    };
    fit_model();
    scratch_write("bad.csv", "1,2\nnan,4\n5,6\n");
    scratch_write("same.csv", "1,2\n2,2\n5,2\n");
    scratch_write("wide.csv", "1,2,3\n2,2,5\n");
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        outcome o = run(cases[i].arguments);
        expect_refusal(&o, cases[i].code, cases[i].message);
    }
    cr_expect_not(exists("model.safetensors"));
    cr_expect_not(exists("samples.npy"));
    cr_expect_not(exists("s.npy"));
}

Test(flow_command, a_full_disk_leaves_nothing_half_written) {
    fit_model();
    // Enough for what clang's OpenMP and its sanitizer keep in files of their own.
    const circumstances full = {.max_file_size = 1000000};
    outcome o = run_under(&full, ARGUMENTS("flow", "sample", "m.safetensors", "-n", "100000"));
    expect_refusal(&o, 1, "samples.npy");
    cr_expect_not(exists("samples.npy"));
    o = run_under(
        &full, ARGUMENTS("flow", "fit", "x.npy", "--flow", "nsf:hidden=256x256", "--epochs", "1"));
    expect_refusal(&o, 1, "model.safetensors.checkpoint");
    cr_expect_not(exists("model.safetensors"));
    cr_expect_not(exists("model.safetensors.checkpoint"));
}

// ---- Tables as they come

static const char *const quick[] = {
    "--flow", "real_nvp:layers=1,hidden=8", "--epochs", "2", "--out", "m.safetensors"};

// `flow fit DATA` with a quick flow and up to four more words.
static outcome fit_quickly(const char *data, const char *const more[4]) {
    const char *arguments[3 + MR_COUNT(quick) + 4 + 1] = {"flow", "fit", data};
    size_t n = 3;
    for (size_t i = 0; i < MR_COUNT(quick); i++)
        arguments[n++] = quick[i];
    for (size_t i = 0; i < 4 && more[i] != NULL; i++)
        arguments[n++] = more[i];
    return run(arguments);
}

// The rows of x.npy with an index before them and constants behind, under such names.
static void write_wide(const char *path, const char *names) {
    mr_matrix x;
    cr_assert_eq(mr_matrix_read("x.npy", &x), MR_OK);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(names, file);
    for (size_t i = 0; i < x.n_rows; i++)
        fprintf(file, "%zu,%.17g,%.17g,7,-2.5\n", i, x.values[2 * i], x.values[2 * i + 1]);
    fclose(file);
    mr_matrix_free(&x);
}

Test(flow_command, a_header_of_numbers_is_no_data_and_said_to_be_none) {
    write_wide("x.csv", "0,1,2,3,4\n");
    outcome o = fit_quickly("x.csv", (const char *const[4]){"--columns", "1-2"});
    expect_success(&o);
    scratch_expect_part(o.out, "1000 rows of 2");
    scratch_expect_part(o.out, "the first row is names: 0, 1, 2, 3, 4");
    scratch_expect_part(o.out, "columns   2, 3 of 5"); // by name
    outcome_free(&o);
    o = fit_quickly("x.csv", (const char *const[4]){"--header", "no", "--columns", "2-3"});
    expect_success(&o);
    scratch_expect_part(o.out, "1001 rows of 2");
    scratch_expect_part(o.out, "none: the first row is data");
    outcome_free(&o);
    o = fit_quickly("x.csv", (const char *const[4]){"--drop-constant", "--json"});
    scratch_expect_part(o.err, "note: x.csv: column 1 (0) counts the rows");
    json_t *fit = parse(&o);
    cr_expect(json_is_true(json_object_get(fit, "header")));
    json_decref(fit);
}

Test(flow_command, json_has_files_whose_path_is_not_utf_8) {
    outcome o = fit_quickly("x.npy", (const char *const[4]){NULL});
    expect_success(&o);
    outcome_free(&o);
    o = RUN("flow", "sample", "m.safetensors", "-n", "5", "--out", "caf\xe9.npy", "--json");
    json_t *sampled = parse(&o);
    cr_expect_str_eq(json_string_value(json_object_get(sampled, "out")), "caf?.npy");
    json_decref(sampled);
}

Test(flow_command, constant_columns_are_named_dropped_and_given_back) {
    mr_matrix samples;
    write_wide("x.csv", "id,a,b,c,d\n");
    outcome o = fit_quickly("x.csv", (const char *const[4]){NULL});
    expect_refusal(&o, 1, "4 (c) is 7, 5 (d) is -2.5 in every row); give --drop-constant");
    o = fit_quickly("x.csv",
                    (const char *const[4]){"--drop-constant", "--columns", "a-d", "--json"});
    json_t *fit = parse(&o);
    cr_expect_eq(number(fit, "dim"), 2);
    cr_expect_eq(json_array_size(json_object_get(fit, "constant_columns")), 2);
    json_decref(fit);
    o = RUN("flow", "sample", "m.safetensors", "-n", "5", "--out", "s.npy");
    expect_success(&o);
    outcome_free(&o);
    cr_assert_eq(mr_matrix_read("s.npy", &samples), MR_OK);
    cr_assert_eq(samples.n_cols, 4);
    for (size_t i = 0; i < 5; i++) {
        cr_expect_eq(samples.values[4 * i + 2], 7);
        cr_expect_eq(samples.values[4 * i + 3], -2.5);
    }
    mr_matrix_free(&samples);
    // The same rows as they were fitted, as samples are, and as features alone.
    static const char *const tables[] = {"x.csv", "x.npy"};
    double mean[2];
    for (size_t i = 0; i < 2; i++) {
        o = RUN("flow", "score", "m.safetensors", tables[i], "--json");
        json_t *score = parse(&o);
        mean[i] = number(score, "mean_log_likelihood");
        json_decref(score);
    }
    cr_expect_eq(mean[0], mean[1]);
    o = RUN("flow", "score", "m.safetensors", "s.npy");
    expect_success(&o);
    outcome_free(&o);
}

Test(flow_command, scoring_finds_columns_by_their_names) {
    write_wide("x.csv", "id,a,b,c,d\n");
    outcome o = fit_quickly("x.csv", (const char *const[4]){"--columns", "a,b"});
    expect_success(&o);
    outcome_free(&o);
    scratch_write("ab.csv", "a,b\n0,1\n0.5,2\n");
    scratch_write("ba.csv", "b,other,a\n1,9,0\n2,9,0.5\n");
    scratch_write("pq.csv", "p,q\n0,1\n0.5,2\n");
    scratch_write("bc.csv", "b,c\n0,1\n0.5,2\n");
    static const char *const tables[] = {"ab.csv", "ba.csv", "pq.csv"};
    double mean[3];
    for (size_t i = 0; i < MR_COUNT(tables); i++) {
        o = RUN("flow", "score", "m.safetensors", tables[i], "--json");
        cr_expect_eq(strstr(o.err, "other names") != NULL, i == 2, "%s", o.err);
        json_t *score = parse(&o);
        mean[i] = number(score, "mean_log_likelihood");
        json_decref(score);
    }
    cr_expect_eq(mean[0], mean[1]);
    cr_expect_eq(mean[0], mean[2]);
    o = RUN("flow", "score", "m.safetensors", "bc.csv");
    expect_refusal(&o, 1, "bc.csv: has no column 'a', which the model needs");
}

Test(flow_command, weights_come_from_a_column_or_a_file) {
    mr_matrix x;
    double weights[N];
    cr_assert_eq(mr_matrix_read("x.npy", &x), MR_OK);
    FILE *file = fopen("w.csv", "w");
    fputs("a,b,w\n", file);
    for (size_t i = 0; i < N; i++) {
        weights[i] = (double)(i % 4);
        fprintf(file, "%.17g,%.17g,%g\n", x.values[2 * i], x.values[2 * i + 1], weights[i]);
    }
    fclose(file);
    mr_matrix_free(&x);
    cr_assert_eq(mr_matrix_write("w.npy", N, 1, weights), MR_OK);
    double likelihood[2];
    for (size_t i = 0; i < 2; i++) {
        outcome o =
            fit_quickly(i == 0 ? "x.npy" : "w.csv",
                        (const char *const[4]){"--weights", i == 0 ? "w.npy" : "w", "--json"});
        json_t *fit = parse(&o);
        cr_expect_eq(number(fit, "dim"), 2);
        likelihood[i] = number(fit, "held_out_log_likelihood");
        json_decref(fit);
    }
    cr_expect_eq(likelihood[0], likelihood[1]);
    outcome o = fit_quickly("x.npy", (const char *const[4]){"--weights", "x.npy"});
    expect_refusal(&o, 1, "one weight a row is needed, 1000 in all");
    o = fit_quickly("w.csv", (const char *const[4]){"--weights", "v"});
    expect_refusal(&o, 2, "--weights: there is no column 'v'");
}

Test(flow_command, an_outlier_is_noted_and_clipped) {
    mr_matrix x;
    cr_assert_eq(mr_matrix_read("x.npy", &x), MR_OK);
    x.values[2 * 500 + 1] = 1e6;
    cr_assert_eq(mr_matrix_write("far.npy", N, 2, x.values), MR_OK);
    mr_matrix_free(&x);
    outcome o = fit_quickly("far.npy", (const char *const[4]){NULL});
    expect_success(&o);
    scratch_expect_part(o.err, "note: far.npy: row 501, column 2 is 1e+06,");
    scratch_expect_part(o.err, "--clip-outliers");
    outcome_free(&o);
    o = fit_quickly("far.npy", (const char *const[4]){"--clip-outliers", "20"});
    expect_success(&o);
    cr_expect_str_eq(o.err, "");
    scratch_expect_part(o.out, "clipped   1 cells beyond 20 robust deviations");
    outcome_free(&o);
    // The exact mean log-density is -2.14; a short fit that one row has spoilt is at -10 and below.
    o = RUN("flow", "score", "m.safetensors", "x.npy", "--json");
    json_t *score = parse(&o);
    cr_expect_gt(number(score, "mean_log_likelihood"), -4);
    json_decref(score);
}

Test(flow_command, scoring_goes_past_impossible_rows) {
    mr_matrix scores;
    fit_model();
    scratch_write("bad.csv", "1,2\ninf,1\n2,1e60\nnan,2\n0,1\n");
    outcome o = RUN("flow", "score", "m.safetensors", "bad.csv", "--out", "s.csv", "--json");
    scratch_expect_part(o.err, "gives no density to 3 of 5 rows (row 2 is the first)");
    json_t *score = parse(&o);
    cr_expect_eq(number(score, "n_impossible"), 3);
    cr_expect(isfinite(number(score, "mean_log_likelihood")));
    json_decref(score);
    cr_assert_eq(mr_matrix_read_cells("s.csv", &(mr_matrix_options){0}, &scores), MR_OK);
    static const bool possible[] = {true, false, false, false, true};
    for (size_t i = 0; i < 5; i++)
        cr_expect(possible[i] ? isfinite(scores.values[i]) : scores.values[i] == -INFINITY);
    mr_matrix_free(&scores);
    scratch_write("bad.csv", "inf,1\n");
    o = RUN("flow", "score", "m.safetensors", "bad.csv");
    expect_success(&o);
    scratch_expect_part(o.out, "mean log-likelihood  -inf nats");
    outcome_free(&o);
}

Test(flow_command, an_affine_flow_of_one_column_is_said_to_be_a_gaussian) {
    outcome o = RUN("flow", "fit", "x.npy", "--columns", "1", "--flow", "maf:layers=1,hidden=8",
                    "--epochs", "1");
    expect_success(&o);
    scratch_expect_part(o.err, "note: of one column maf:layers=1,hidden=8 makes no more than a Ga");
    outcome_free(&o);
    o = RUN("flow", "fit", "x.npy", "--columns", "1", "--flow", "nsf:layers=1,hidden=8", "--epochs",
            "1");
    expect_success(&o);
    cr_expect_str_eq(o.err, "");
    outcome_free(&o);
}

// ---- Conditional densities, bounds and angles

// a ~ U(0, 1), b ~ U(0, 1), c = a + noise, d an angle that follows b.
static void write_columns(const char *path) {
    double x[4 * N];
    mr_random random = mr_random_stream(12, MR_STREAM_TEST, 9);
    for (size_t i = 0; i < N; i++) {
        x[4 * i] = mr_random_uniform(&random);
        x[4 * i + 1] = mr_random_uniform(&random);
        x[4 * i + 2] = x[4 * i] + 0.1 * mr_random_normal(&random);
        x[4 * i + 3] = remainder(6 * x[4 * i + 1] + 0.3 * mr_random_normal(&random), 2 * M_PI);
    }
    cr_assert_eq(mr_matrix_write(path, N, 4, x), MR_OK, "%s", mr_error_message());
}

Test(flow_command, a_conditional_density_is_fitted_scored_and_sampled) {
    mr_matrix s;
    write_columns("xy.csv");
    outcome o = RUN("flow", "fit", "xy.csv", "--flow", "[actnorm, lu, coupling(affine)]*2",
                    "--target", "2,3", "--given", "0,1", "--out", "c", "--epochs", "20");
    expect_success(&o);
    scratch_expect_part(o.err, "columns are counted from 0, because column 0 is named");
    scratch_expect_part(o.out, "columns   2, 3 of 4, counted from 0; given: 0, 1");
    outcome_free(&o);
    o = RUN("flow", "score", "c", "xy.csv", "--json");
    json_t *score = parse(&o);
    cr_expect_eq(number(score, "n"), N);
    // Given a, c has the deviation 0.1: far from what c has alone, log(0.3) - 1.4.
    cr_expect_gt(number(score, "mean_log_likelihood"), -1.5);
    json_decref(score);
    scratch_write("rows.csv", "0.1,0.5\n0.9,0.5\n");
    o = RUN("flow", "sample", "c", "--given", "rows.csv", "--per-row", "200", "--out", "s.npy");
    expect_success(&o);
    scratch_expect_part(o.out, "400 samples of 2 are in s.npy");
    outcome_free(&o);
    cr_assert_eq(mr_matrix_read("s.npy", &s), MR_OK, "%s", mr_error_message());
    double mean[2] = {0};
    for (size_t i = 0; i < 400; i++)
        mean[i / 200] += s.values[2 * i] / 200;
    cr_expect_float_eq(mean[0], 0.1, 0.1);
    cr_expect_float_eq(mean[1], 0.9, 0.1);
    mr_matrix_free(&s);
}

Test(flow_command, bounded_and_circular_columns_stay_in_their_bounds) {
    mr_matrix s;
    write_columns("xy.csv");
    outcome o = RUN("flow", "fit", "xy.csv", "--columns", "1,4", "--bounded", "1:0:1", "--circular",
                    "4", "--base", "student_t", "--out", "a", "--epochs", "10");
    expect_success(&o);
    scratch_expect_part(o.out, "base      student_t");
    outcome_free(&o);
    o = RUN("flow", "sample", "a", "-n", "2000", "--out", "s.npy");
    expect_success(&o);
    outcome_free(&o);
    cr_assert_eq(mr_matrix_read("s.npy", &s), MR_OK, "%s", mr_error_message());
    for (size_t i = 0; i < 2000; i++)
        cr_assert(s.values[2 * i] >= 0 && s.values[2 * i] <= 1 &&
                  fabs(s.values[2 * i + 1]) <= M_PI);
    mr_matrix_free(&s);
}

static void expect_default(const char *flow, const char *option, const char *value) {
    outcome o = RUN("flow", "fit", "xy.csv", "--columns", "1,4", option, value, "--out", "a",
                    "--epochs", "1");
    expect_success(&o);
    scratch_expect_part(o.out, flow);
    outcome_free(&o);
}

// Linear maps have no form for angles, and don't keep a box.
Test(flow_command, the_default_flow_goes_with_base_and_columns) {
    write_columns("xy.csv");
    expect_default("flow      nsf_lu:layers=2,hidden=64x64,bins=16,bound=6\n", "--base", "mixture");
    expect_default("flow      nsf:layers=4,hidden=64x64,bins=16,bound=6\n", "--circular", "4");
    outcome o = RUN("flow", "fit", "xy.csv", "--columns", "1", "--bounded", "1:0:1", "--base",
                    "uniform", "--out", "a", "--epochs", "1");
    expect_success(&o);
    scratch_expect_part(o.out, "flow      nsf:layers=4,hidden=64x64,bins=16,bound=6\n");
    outcome_free(&o);
}

Test(flow_command, choices_of_columns_that_make_no_sense_are_refused) {
    static const struct {
        const char *arguments[10];
        int code;
        const char *message;
    } cases[] = {
        {{"flow", "fit", "xy.csv", "--target", "1-2", "--given", "2"},
         2,
         "column 2 is both a given column and one of --target"},
        {{"flow", "fit", "xy.csv", "--target", "1", "--columns", "2"},
         2,
         "--target and --columns both choose"},
        {{"flow", "fit", "xy.csv", "--given", "1-4"}, 1, "no column is left to fit"},
        {{"flow", "fit", "xy.csv", "--bounded", "1"}, 2, "--bounded: '1' is not COLUMN:LOW:HIGH"},
        {{"flow", "fit", "xy.csv", "--bounded", "1:2:0"}, 2, "'1:2:0' is not COLUMN:LOW:HIGH"},
        {{"flow", "fit", "xy.csv", "--bounded", "7:0:1"}, 2, "--bounded: there is no column '7'"},
        {{"flow", "fit", "xy.csv", "--bounded", "1:0:0.5"}, 1, "not between its bounds 0 and 0.5"},
        {{"flow", "fit", "xy.csv", "--circular", "4:0:inf"}, 2, "--circular: '4:0:inf' is not"},
        {{"flow", "fit", "xy.csv", "--circular", "1:0:1", "--bounded", "1:0:1"},
         2,
         "the column has bounds already"},
        {{"flow", "fit", "xy.csv", "--columns", "1", "--circular", "2"},
         2,
         "the column is neither fitted nor given"},
        {{"flow", "fit", "xy.csv", "--circular", "4", "--flow", "glow"},
         2,
         "actnorm has no form for circular columns"},
        {{"flow", "fit", "xy.csv", "--base", "gauss"}, 2, "choose from normal, student_t"},
        {{"flow", "fit", "xy.csv", "--base", "uniform"}, 2, "needs two bounds for every column"},
        {{"flow", "sample", "m.safetensors", "--given", "xy.csv"},
         2,
         "--given is for models that were fitted with --given"},
    };
    fit_model();
    write_columns("xy.csv");
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        outcome o = run(cases[i].arguments);
        expect_refusal(&o, cases[i].code, cases[i].message);
    }
}

// An .npy of bytes has as many numbers as a command keeps in memory, and some more, in 34 MB.
static void write_large_npy(const char *path, size_t n) {
    FILE *file = fopen(path, "w");
    char header[128], row[2];
    mr_random random = mr_random_stream(12, MR_STREAM_TEST, 2);
    const int length =
        snprintf(header, sizeof header,
                 "{'descr': '|i1', 'fortran_order': False, 'shape': (%zu, 2), }\n", n);
    fwrite("\x93NUMPY\x01", 1, 8, file);
    fputc(length, file);
    fputc(0, file);
    fwrite(header, 1, (size_t)length, file);
    for (size_t i = 0; i < n; i++) {
        row[0] = (char)mr_random_below(&random, 100);
        row[1] = (char)(row[0] / 2 + (char)mr_random_below(&random, 50));
        fwrite(row, 1, 2, file);
    }
    cr_assert_eq(fclose(file), 0);
}

Test(flow_command, tables_larger_than_memory_are_fitted_scored_and_refused_without_their_end) {
    const size_t n = (1 << 24) + 1000;
    write_large_npy("large.npy", n);
    outcome o = RUN("flow", "fit", "large.npy", "--flow", "[lu]", "--batch-size", "100000",
                    "--epochs", "1", "--out", "large.safetensors", "--json");
    json_t *object = parse(&o);
    cr_expect_eq(number(object, "n"), (double)n);
    const double fitted = number(object, "held_out_log_likelihood");
    json_decref(object);
    o = RUN("flow", "score", "large.safetensors", "large.npy", "--json");
    object = parse(&o);
    cr_expect_eq(number(object, "n"), (double)n);
    // The held-out rows are a tenth of them: 1.7 million, of scores with a deviation of some 1.
    cr_expect_float_eq(number(object, "mean_log_likelihood"), fitted, 5 / sqrt(1.7e6));
    json_decref(object);
    cr_assert_eq(truncate("large.npy", (off_t)n), 0);
    o = RUN("flow", "score", "large.safetensors", "large.npy");
    expect_refusal(&o, 1, "large.npy: ends before its last number");
}
