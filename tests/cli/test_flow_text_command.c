// `millrace flow fit`, `sample` and `score` of text and of tables with categories, as a user runs
// them.

#include <jansson.h>
#include <math.h>

#include "base/matrix_file.h"
#include "base/random.h"
#include "tests/cli/command_runner.h"

// 60 names of two syllables each.
static void enter(void) {
    static const char *const first[] = {"an", "be", "ca", "do", "el"};
    static const char *const second[] = {"na", "lla", "rin", "ra"};
    char text[2048] = "";
    scratch_enter();
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < MR_COUNT(first); i++)
            for (size_t j = 0; j < MR_COUNT(second); j++) {
                strcat(text, first[i]);
                strcat(text, second[j]);
                strcat(text, "\n");
            }
    scratch_write("names.txt", text);
}

TestSuite(flow_text_command, .init = enter, .fini = scratch_leave);

static double number_of(outcome *o, const char *key) {
    expect_success(o);
    json_t *object = json_loads(o->out, 0, NULL);
    cr_assert_not_null(object, "no JSON: %s", o->out);
    const double value = json_number_value(json_object_get(object, key));
    json_decref(object);
    outcome_free(o);
    return value;
}

static void fit_names(const char *flow) {
    outcome o = RUN("flow", "fit", "names.txt", "--flow", flow, "--epochs", "150", "--batch-size",
                    "1", "--out", "m.safetensors");
    expect_success(&o);
    outcome_free(&o);
}

static size_t count_lines(const char *text) {
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

// 20 names are log2(20) = 4.3 bits, over 5.35 characters with the ends.
Test(flow_text_command, names_are_fitted_sampled_and_scored) {
    fit_names("text:hidden=32,blocks=3");
    outcome o = RUN("flow", "score", "m.safetensors", "names.txt", "--json");
    const double bits = number_of(&o, "bits_per_character");
    cr_expect_gt(bits, log2(20) / 5.4 - 0.02);
    cr_expect_lt(bits, 1.4);
    o = RUN("flow", "score", "m.safetensors", "names.txt", "--importance-samples", "20", "--out",
            "s.npy");
    expect_success(&o);
    scratch_expect_part(o.out, "bits a character");
    outcome_free(&o);
    mr_matrix scores;
    cr_assert_eq(mr_matrix_read("s.npy", &scores), MR_OK);
    cr_expect_eq(scores.n_rows, 60);
    mr_matrix_free(&scores);

    o = RUN("flow", "sample", "m.safetensors", "-n", "20");
    expect_success(&o);
    cr_expect_eq(count_lines(o.out), 20);
    outcome file = RUN("flow", "sample", "m.safetensors", "-n", "20", "--out", "s.txt");
    expect_success(&file);
    char *text = scratch_read("s.txt");
    cr_expect_str_eq(text, o.out);
    free(text);
    outcome_free(&o);
    outcome_free(&file);
}

Test(flow_text_command, running_text_is_sampled_at_any_length) {
    fit_names("text:length=32,hidden=16,blocks=3");
    outcome o =
        RUN("flow", "sample", "m.safetensors", "-n", "3", "--length", "50", "--temperature", "0.5");
    expect_success(&o);
    size_t n = 0; // samples, each followed by a percent sign
    for (const char *at = o.out; (at = strstr(at, "\n%\n")) != NULL; at++)
        n++;
    cr_expect_eq(n, 3);
    cr_expect_eq(strlen(o.out), 3 * (50 + strlen("\n%\n")));
    outcome_free(&o);
}

Test(flow_text_command, what_does_not_go_together_is_refused) {
    outcome o = RUN("flow", "fit", "names.txt", "--flow", "text", "--given", "1");
    expect_refusal(&o, 2, "--given is for tables");
    o = RUN("flow", "fit", "names.txt", "--flow", "text:depth=3");
    expect_refusal(&o, 2, "text has no option 'depth'");
    o = RUN("flow", "fit", "names.txt");
    expect_refusal(&o, 2,
                   "names.txt: the name of a table must end in .npy, .npz or .csv; a text is "
                   "fitted with --flow text");
    o = RUN("flow", "fit", "names.txt", "--flow", "text", "--bits", "5");
    expect_refusal(&o, 2, "--bits is for images, and names.txt is a text");
    scratch_write("one.txt", "aaaa\n");
    o = RUN("flow", "fit", "one.txt", "--flow", "text");
    expect_refusal(&o, 1, "one.txt: has the same character throughout");
    scratch_write("one.txt", "abab");
    o = RUN("flow", "fit", "one.txt", "--flow", "text:length=8");
    expect_refusal(&o, 1, "the text is one window of 4 characters; a fit needs two at least");
    scratch_write("empty.txt", "");
    o = RUN("flow", "fit", "empty.txt", "--flow", "text");
    expect_refusal(&o, 1, "empty.txt: has no characters");
    fit_names("text:hidden=8,blocks=2");
    scratch_write("new.txt", "anna\nzoe\n");
    o = RUN("flow", "score", "m.safetensors", "new.txt");
    expect_refusal(&o, 1, "new.txt: line 2, column 1: the character 'z' (U+007A)");
    o = RUN("flow", "plot", "m.safetensors");
    expect_refusal(&o, 1, "m.safetensors is a model of text, which has no picture");
    o = RUN("flow", "sample", "m.safetensors", "--out", "s.npy");
    expect_refusal(&o, 2, "--out s.npy: samples of text are no table");
    o = RUN("flow", "sample", "m.safetensors", "--given", "x.npy");
    expect_refusal(&o, 2, "--given is for models of tables");
    o = RUN("flow", "sample", "m.safetensors", "--temperature", "0");
    expect_refusal(&o, 2, "temperature");
}

// ---- Categories

// A category of three, and a number that follows it.
static void write_table(const char *path) {
    enum { N = 600 };
    static double x[N][2];
    mr_random random = mr_random_stream(12, MR_STREAM_TEST, 4);
    for (size_t i = 0; i < N; i++) {
        x[i][0] = (double)mr_random_below(&random, 3) + 5;
        x[i][1] = 3 * x[i][0] + mr_random_normal(&random);
    }
    cr_assert_eq(mr_matrix_write(path, N, 2, x[0]), MR_OK, "%s", mr_error_message());
}

Test(flow_text_command, a_table_with_categories_is_fitted_scored_and_sampled) {
    write_table("x.npy");
    outcome o = RUN("flow", "fit", "x.npy", "--categorical", "1", "--flow", "nsf:layers=2",
                    "--epochs", "30", "--out", "m.safetensors");
    expect_success(&o);
    outcome_free(&o);
    o = RUN("flow", "score", "m.safetensors", "x.npy", "--json", "--importance-samples", "10");
    const double found = number_of(&o, "mean_log_likelihood");
    cr_expect_float_eq(found, -log(3) - 1.4189, 0.15); // with the entropy of a normal, in nats
    o = RUN("flow", "sample", "m.safetensors", "-n", "50", "--out", "s.npy");
    expect_success(&o);
    outcome_free(&o);
    mr_matrix samples;
    cr_assert_eq(mr_matrix_read("s.npy", &samples), MR_OK);
    for (size_t i = 0; i < samples.n_rows; i++) {
        const double c = samples.values[2 * i];
        cr_expect(c == 5 || c == 6 || c == 7, "%g", c);
    }
    mr_matrix_free(&samples);
}

Test(flow_text_command, categories_are_whole_numbers) {
    write_table("x.npy");
    outcome o = RUN("flow", "fit", "x.npy", "--categorical", "2");
    expect_refusal(&o, 1, "a category is a whole number");
    o = RUN("flow", "fit", "x.npy", "--categorical", "1:0:9", "--bounded", "1:0:9");
    expect_refusal(&o, 2, "the column has bounds already");
    o = RUN("flow", "fit", "x.npy", "--categorical", "1:0:4");
    expect_refusal(&o, 1, "which is none of its categories");
}
