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
    scratch_write("empty.txt", "");
    o = RUN("flow", "fit", "empty.txt", "--flow", "text");
    expect_refusal(&o, 1, "empty.txt: has no characters");
    fit_names("text:hidden=8,blocks=2");
    scratch_write("new.txt", "anna\nzoe\n");
    o = RUN("flow", "score", "m.safetensors", "new.txt");
    expect_refusal(&o, 1, "new.txt: line 2, column 1: the character 'z' (U+007A)");
    o = RUN("flow", "sample", "m.safetensors", "--given", "x.npy");
    expect_refusal(&o, 2, "--given is for models of tables");
    o = RUN("flow", "sample", "m.safetensors", "--temperature", "0");
    expect_refusal(&o, 2, "temperature");
}
