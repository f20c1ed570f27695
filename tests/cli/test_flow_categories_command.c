// `millrace flow fit`, `sample` and `score` of .csv tables whose columns hold text, as a user runs
// them.

#include <jansson.h>
#include <math.h>

#include "base/matrix_file.h"
#include "tests/cli/command_runner.h"

TestSuite(flow_categories_command, .init = scratch_enter, .fini = scratch_leave);

enum { N_COLOURS = 3, N_SIZES = 2, N_ROWS = 800 };

static const char *const colours[N_COLOURS] = {"blue, light", "Grün", "say \"red\""};
static const char *const sizes[N_SIZES] = {"large", "small"};

// How often each pair is among the 800 rows.
static const size_t counts[N_COLOURS][N_SIZES] = {{400, 100}, {20, 180}, {60, 40}};

static const char *quoted(const char *name) {
    return name == colours[0]   ? "\"blue, light\""
           : name == colours[2] ? "\"say \"\"red\"\"\""
                                : name;
}

static void write_pairs(const char *path, const char *names) {
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fprintf(file, "%s", names);
    for (size_t i = 0; i < N_ROWS; i++) { // rows of the pairs in turn, as long as there are some
        size_t k = i * 317 % N_ROWS, c = 0, s = 0;
        while (k >= counts[c][s]) {
            k -= counts[c][s];
            c += s == N_SIZES - 1;
            s = (s + 1) % N_SIZES;
        }
        fprintf(file, "%s,%s\n", quoted(colours[c]), sizes[s]);
    }
    cr_assert_eq(fclose(file), 0);
}

static double number_of(outcome *o, const char *key) {
    expect_success(o);
    json_t *object = json_loads(o->out, 0, NULL);
    cr_assert_not_null(object, "no JSON: %s", o->out);
    const double value = json_number_value(json_object_get(object, key));
    json_decref(object);
    outcome_free(o);
    return value;
}

static void fit_pairs(void) {
    write_pairs("x.csv", "colour,size\n");
    outcome o = RUN("flow", "fit", "x.csv", "--flow", "nsf_ar:layers=2", "--epochs", "60",
                    "--batch-size", "32", "--out", "m.safetensors");
    expect_success(&o);
    scratch_expect_part(o.err, "note: x.csv: columns of text are categorical: 1 (colour) with 3 "
                               "categories, 2 (size) with 2 categories\n");
    outcome_free(&o);
}

// The mean log-probability of rows whose frequencies are p is at most -H(p), whatever the model, if
// its probabilities add up to one. Importance samples leave a bound that is too low by their
// variance, and the tenth that is held out is not learned: 0.03 nats are allowed for that.
Test(flow_categories_command, the_likelihood_of_a_table_of_text_comes_near_its_entropy) {
    fit_pairs();
    double entropy = 0;
    for (size_t c = 0; c < N_COLOURS; c++)
        for (size_t s = 0; s < N_SIZES; s++) {
            const double p = (double)counts[c][s] / N_ROWS;
            entropy -= p * log(p);
        }
    outcome o = RUN("flow", "score", "m.safetensors", "x.csv", "--importance-samples", "100",
                    "--json", "--out", "s.npy");
    const double found = number_of(&o, "mean_log_likelihood");
    cr_expect_lt(found, -entropy + 0.003, "%g, the entropy is %g", found, entropy);
    cr_expect_gt(found, -entropy - 0.03, "%g, the entropy is %g", found, entropy);

    // One row of each pair: its probability, and all of them together.
    FILE *file = fopen("pairs.csv", "w");
    fprintf(file, "size,colour\n"); // columns are found by their names
    for (size_t c = 0; c < N_COLOURS; c++)
        for (size_t s = 0; s < N_SIZES; s++)
            fprintf(file, "%s,%s\n", sizes[s], quoted(colours[c]));
    cr_assert_eq(fclose(file), 0);
    o = RUN("flow", "score", "m.safetensors", "pairs.csv", "--importance-samples", "1000", "--out",
            "s.npy");
    expect_success(&o);
    outcome_free(&o);
    mr_matrix scores;
    double sum = 0;
    cr_assert_eq(mr_matrix_read("s.npy", &scores), MR_OK);
    for (size_t k = 0; k < N_COLOURS * N_SIZES; k++) {
        const double p = exp(scores.values[k]),
                     exact = (double)counts[k / N_SIZES][k % N_SIZES] / N_ROWS;
        // Within three standard errors of a frequency among 800, and 0.01 for the fit.
        cr_expect_float_eq(p, exact, 0.01 + 3 * sqrt(exact * (1 - exact) / N_ROWS), "%zu: %g", k,
                           p);
        sum += p;
    }
    cr_expect_float_eq(sum, 1, 0.02, "%g", sum);
    mr_matrix_free(&scores);
}

Test(flow_categories_command, samples_have_the_names_and_can_be_scored) {
    fit_pairs();
    outcome o = RUN("flow", "sample", "m.safetensors", "-n", "200", "--out", "s.csv");
    expect_success(&o);
    outcome_free(&o);
    char *text = scratch_read("s.csv");
    cr_expect_eq(strncmp(text, "colour,size\n", strlen("colour,size\n")), 0, "%.40s", text);
    scratch_expect_part(text, "\n\"blue, light\",large\n");
    scratch_expect_part(text, "\nGrün,small\n");
    scratch_expect_part(text, "\n\"say \"\"red\"\"\",");
    free(text);
    o = RUN("flow", "score", "m.safetensors", "s.csv", "--json");
    cr_expect_eq(number_of(&o, "n"), 200);
    // A .npy has the codes of the same samples, in the order of the names.
    o = RUN("flow", "sample", "m.safetensors", "-n", "200", "--out", "s.npy");
    expect_success(&o);
    outcome_free(&o);
    o = RUN("flow", "score", "m.safetensors", "s.npy", "--json");
    const double of_codes = number_of(&o, "mean_log_likelihood");
    o = RUN("flow", "score", "m.safetensors", "s.csv", "--json");
    cr_expect_eq(number_of(&o, "mean_log_likelihood"), of_codes);
}

Test(flow_categories_command, what_the_model_does_not_know_is_named) {
    fit_pairs();
    scratch_write("new.csv", "colour,size\nGrün,small\nviolet,large\n");
    outcome o = RUN("flow", "score", "m.safetensors", "new.csv");
    expect_refusal(&o, 1,
                   "new.csv: row 2, column 1 (colour) is 'violet', which is none of its 3 "
                   "categories ('Grün', 'blue, light', 'say \"red\"'); correct it, leave "
                   "the row out, or fit a model to data that has it");
    scratch_write("new.csv", "colour,size\n,small\n");
    o = RUN("flow", "score", "m.safetensors", "new.csv");
    expect_refusal(&o, 1, "row 1, column 1 (colour) is empty; it needs one of its 3 categories");
}

// A table of nothing but text has a first row of names, unless these are categories of the model.
Test(flow_categories_command, a_first_row_of_categories_is_data) {
    write_pairs("x.csv", "");
    outcome o = RUN("flow", "fit", "x.csv", "--epochs", "1", "--out", "m.safetensors", "--json");
    cr_expect_eq(number_of(&o, "n"), N_ROWS);
    o = RUN("flow", "sample", "m.safetensors", "-n", "50", "--out", "s.csv");
    expect_success(&o);
    outcome_free(&o);
    o = RUN("flow", "score", "m.safetensors", "s.csv", "--json");
    cr_expect_eq(number_of(&o, "n"), 50);
    o = RUN("flow", "score", "m.safetensors", "x.csv", "--json");
    cr_expect_eq(number_of(&o, "n"), N_ROWS);
    scratch_write("named.csv", "colour,size\nGrün,small\n");
    o = RUN("flow", "score", "m.safetensors", "named.csv", "--json");
    cr_expect_eq(number_of(&o, "n"), 1);
}

static FILE *begin_table(const char *names) {
    FILE *file = fopen("d.csv", "w");
    cr_assert_not_null(file);
    fputs(names, file);
    return file;
}

// Two columns of x and o, which may be their names, too; and one of numbers on request.
static void write_noughts(const char *names, bool has_numbers) {
    FILE *file = begin_table(names);
    for (int i = 0; i < 200; i++) {
        fprintf(file, "%s,%s", i % 3 == 0 ? "x" : "o", i % 5 == 0 ? "x" : "o");
        if (has_numbers)
            fprintf(file, ",%d", i % 7);
        fputc('\n', file);
    }
    cr_assert_eq(fclose(file), 0);
}

// Names that are categories, too: of a column that is chosen by its name, of a table with numbers,
// and of a model that knows them.
Test(flow_categories_command, names_that_are_categories_stay_names_where_they_are_used) {
    write_noughts("x,o,n\n", true);
    outcome o = RUN("flow", "fit", "d.csv", "--columns", "1,2", "--epochs", "1", "--json");
    cr_expect_eq(number_of(&o, "n"), 200);
    write_noughts("x,o\n", false);
    o = RUN("flow", "fit", "d.csv", "--epochs", "1", "--json");
    cr_expect_eq(number_of(&o, "n"), 201); // nothing says that they are names
    o = RUN("flow", "fit", "d.csv", "--columns", "x,o", "--epochs", "1", "--out", "m.safetensors",
            "--json");
    cr_expect_eq(number_of(&o, "n"), 200);
    o = RUN("flow", "score", "m.safetensors", "d.csv", "--json");
    cr_expect_eq(number_of(&o, "n"), 200);
}

// To gnuplot a name at an axis is a format.
Test(flow_categories_command, names_with_percent_signs_are_drawn) {
    FILE *file = begin_table("share\n");
    for (int i = 0; i < 60; i++)
        fprintf(file, "%s\n", (const char *[]){"50%", "%g of it", "%", "a"}[i % 4]);
    cr_assert_eq(fclose(file), 0);
    outcome o = RUN("flow", "fit", "d.csv", "--epochs", "1", "--out", "m.safetensors");
    expect_success(&o);
    outcome_free(&o);
    o = RUN("flow", "plot", "m.safetensors", "--out", "m.svg");
    expect_success(&o);
    outcome_free(&o);
    char *picture = scratch_read("m.svg");
    scratch_expect_part(picture, ">50%<");
    scratch_expect_part(picture, ">%g of it<");
    free(picture);
}

// A constant column of the name of a feature, which the scored table doesn't have.
Test(flow_categories_command, a_feature_is_not_taken_for_a_constant_of_its_name) {
    FILE *file = begin_table("x,x,y\n");
    for (int i = 0; i < 200; i++)
        fprintf(file, "%s,k,%d\n", i % 3 == 0 ? "a" : "b", i % 7);
    cr_assert_eq(fclose(file), 0);
    outcome o =
        RUN("flow", "fit", "d.csv", "--drop-constant", "--epochs", "1", "--out", "m.safetensors");
    expect_success(&o);
    outcome_free(&o);
    scratch_write("new.csv", "x,y\na,0\nb,1\n");
    o = RUN("flow", "score", "m.safetensors", "new.csv", "--json");
    cr_expect_eq(number_of(&o, "n"), 2);
}

// The two columns lie far apart, so that one taken for the other would show.
Test(flow_categories_command, columns_of_one_name_are_taken_by_their_places) {
    FILE *file = begin_table("x,x\n");
    for (int i = 0; i < 400; i++)
        fprintf(file, "%d,%d\n", i * 7 % 40, 1000 + i * 11 % 30);
    cr_assert_eq(fclose(file), 0);
    outcome o = RUN("flow", "fit", "d.csv", "--epochs", "3", "--out", "m.safetensors", "--json");
    const double fitted = number_of(&o, "train_log_likelihood");
    o = RUN("flow", "score", "m.safetensors", "d.csv", "--json");
    const double scored = number_of(&o, "mean_log_likelihood");
    cr_expect_float_eq(scored, fitted, 1);
    o = RUN("flow", "score", "m.safetensors", "d.csv");
    cr_expect_eq(o.code, 0);
    scratch_expect_part(o.err,
                        "several columns of it, or of the fitted table, are called 'x'; all ");
    outcome_free(&o);
    o = RUN("flow", "fit", "d.csv", "--columns", "x");
    expect_refusal(&o, 2, "--columns: several columns are called 'x', of which 1 (x) is the first");
}

// p(size | colour), by the name of the colour.
Test(flow_categories_command, given_columns_may_hold_text) {
    write_pairs("x.csv", "colour,size\n");
    outcome o = RUN("flow", "fit", "x.csv", "--given", "colour", "--epochs", "30", "--out",
                    "m.safetensors");
    expect_success(&o);
    outcome_free(&o);
    scratch_write("given.csv", "colour\nGrün\n");
    o = RUN("flow", "sample", "m.safetensors", "--given", "given.csv", "--per-row", "1000", "--out",
            "s.csv");
    expect_success(&o);
    outcome_free(&o);
    char *text = scratch_read("s.csv");
    size_t n_small = 0;
    for (const char *at = text; (at = strstr(at, "small\n")) != NULL; at++)
        n_small++;
    free(text);
    // 0.9 of the data; within 0.05 for the fit, and three standard errors of 1,000 samples.
    cr_expect_float_eq((double)n_small / 1000, 0.9, 0.08, "%zu", n_small);
    scratch_write("given.csv", "colour\npink\n");
    o = RUN("flow", "sample", "m.safetensors", "--given", "given.csv");
    expect_refusal(&o, 1, "given.csv: row 1, column 1 (colour) is 'pink'");
}

static void expect_fit_fails(const char *text, const char *option, const char *value, int code,
                             const char *part) {
    scratch_write("x.csv", text);
    outcome o = RUN("flow", "fit", "x.csv", "--epochs", "1", option, value);
    expect_refusal(&o, code, part);
}

Test(flow_categories_command, columns_that_cannot_be_meant_so_are_refused) {
    expect_fit_fails("a,b\n1,x\n2,y\n3,5\n", "--seed", "1", 1,
                     "x.csv: row 1, column 2 (b) is 'x', not a number, and other cells of the "
                     "column are numbers; correct it, or give --categorical 2 if they are");
    expect_fit_fails("a;b\n1;2\n3;4\n", "--seed", "1", 1,
                     "row 1, column 1 (a;b) is '1;2'; divide cells by commas, not by semicolons");
    expect_fit_fails("1,5;2,5\n3,5;4,5\n", "--seed", "1", 1,
                     "row 1, column 2 is '5;2'; divide cells by commas, not by semicolons");
    expect_fit_fails("a\tb\n1\t2\n3\t4\n", "--seed", "1", 1, "not by tabs");
    expect_fit_fails("a,b\n1,x\n2,\n3,y\n", "--seed", "1", 1,
                     "row 2, column 2 (b) is empty; every cell needs a category");
    expect_fit_fails("a,b\n1,x\n2,x\n3,x\n", "--seed", "1", 1, "2 (b) is x in every row");
    expect_fit_fails("a,b\n1,x\n2,y\n3,y\n", "--categorical", "b:0:1", 2,
                     "--categorical: 'b:0:1': the column holds text");
    expect_fit_fails("a,b\n1,x\n2,y\n3,y\n", "--bounded", "b:0:1", 2,
                     "--bounded: 'b:0:1': the column holds text");
    expect_fit_fails("a,b\n1,x\n2,y\n3,y\n", "--weights", "b", 1, "column 2 (b) is 'x', not a");
}

// Columns that are not chosen may hold anything; a constant text comes back in samples; an
// identifier is noted; postal codes are no numbers that could be counted through.
Test(flow_categories_command, other_columns_of_text_do_what_columns_of_numbers_do) {
    FILE *file = fopen("x.csv", "w");
    fprintf(file, "id,x,country,post\n");
    for (size_t i = 0; i < 60; i++)
        fprintf(file, "n%zu,%zu.5,DE,%d\n", i, i % 7, i % 2 == 0 ? 10115 : 80331);
    cr_assert_eq(fclose(file), 0);
    outcome o = RUN("flow", "fit", "x.csv", "--columns", "x-", "--drop-constant", "--categorical",
                    "post", "--epochs", "5", "--out", "m.safetensors", "--json");
    expect_success(&o);
    cr_expect_str_empty(o.err);
    scratch_expect_part(o.out, "\"columns\":[2,4]");
    scratch_expect_part(o.out, "\"categorical_columns\":[4]");
    outcome_free(&o);
    o = RUN("flow", "sample", "m.safetensors", "-n", "20", "--out", "s.csv");
    expect_success(&o);
    outcome_free(&o);
    char *text = scratch_read("s.csv");
    scratch_expect_part(text, "x,country,post\n");
    scratch_expect_part(text, ",DE,10115\n");
    scratch_expect_part(text, ",DE,80331\n");
    free(text);
    o = RUN("flow", "score", "m.safetensors", "x.csv", "--json");
    cr_expect_eq(number_of(&o, "n_impossible"), 0);
    o = RUN("flow", "fit", "x.csv", "--columns", "id,x", "--epochs", "1", "--out", "m.safetensors");
    expect_success(&o);
    scratch_expect_part(o.err, "note: x.csv: column 1 (id) has 60 categories in 60 rows; if it is "
                               "an identifier, choose the others by --columns\n");
    outcome_free(&o);
}

Test(flow_categories_command, categories_are_not_clipped) {
    FILE *file = fopen("x.csv", "w");
    for (size_t i = 0; i < 300; i++)
        fprintf(file, "%zu.5,%zu\n", i % 7, i % 100 == 0 ? (size_t)1000 : i % 2);
    cr_assert_eq(fclose(file), 0);
    outcome o = RUN("flow", "fit", "x.csv", "--categorical", "2", "--clip-outliers", "5",
                    "--epochs", "1", "--out", "m.safetensors", "--json");
    cr_expect_eq(number_of(&o, "clipped_cells"), 0);
}

// The constant's names, or its lack of them, are not those of the feature that stands in its place.
static void check_other_order(const char *constant, const char *other) {
    FILE *fitted = fopen("x.csv", "w"), *scored = fopen("y.csv", "w");
    cr_assert(fitted && scored);
    fprintf(fitted, "a,b,c\n");
    fprintf(scored, "b,a,c\n");
    for (size_t i = 0; i < 60; i++) {
        const char *a = i % 3 == 0 ? "2" : i % 3 == 1 ? "1" : "x";
        fprintf(fitted, "%s,%s,%zu.5\n", a, constant, i % 7);
        fprintf(scored, "%s,%s,%zu.5\n", i == 0 ? other : constant, a, i % 7);
    }
    cr_assert_eq(fclose(fitted), 0);
    cr_assert_eq(fclose(scored), 0);
    outcome o = RUN("flow", "fit", "x.csv", "--drop-constant", "--categorical", "a", "--epochs",
                    "5", "--out", "m.safetensors");
    expect_success(&o);
    outcome_free(&o);
    o = RUN("flow", "score", "m.safetensors", "x.csv", "--json");
    const double there = number_of(&o, "mean_log_likelihood");
    o = RUN("flow", "score", "m.safetensors", "y.csv", "--json");
    cr_expect(o.code == 0 && strstr(o.err, "column 1 (b) is not") != NULL &&
                  strstr(o.err, " in 1 rows") != NULL,
              "%s", o.err);
    cr_expect_eq(number_of(&o, "mean_log_likelihood"), there);
}

Test(flow_categories_command, scores_columns_in_another_order_beside_a_constant) {
    check_other_order("7", "8");
}

Test(flow_categories_command, refuses_a_category_that_is_no_number) {
    expect_fit_fails("a,b\n1,2\n2,nan\n3,1\n", "--categorical", "b", 1,
                     "row 2, column 2 (b) is nan");
}
