// The text form of flows: compositions, presets, refusals.

#include "flows/grammar.h"
#include "flows/presets.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

// The full text of `text`, or "" if it is refused.
static const char *full(const char *text) {
    static char out[MR_FLOW_MAX_TEXT];
    out[0] = '\0';
    mr_flow_describe(text, MR_FLOW_TO_SCORE, out, NULL);
    return out;
}

static const char *composition(const char *text, mr_flow_use use) {
    static char out[MR_FLOW_MAX_TEXT];
    out[0] = '\0';
    mr_flow_describe(text, use, NULL, out);
    return out;
}

// ---- Presets

Test(grammar, a_preset_is_written_with_every_option) {
    cr_expect_str_eq(full("real_nvp"), "real_nvp:layers=4,hidden=64x64");
    cr_expect_str_eq(full("real_nvp:hidden=32x16"), "real_nvp:layers=4,hidden=32x16");
    cr_expect_str_eq(full("real_nvp:hidden=8,layers=2"), "real_nvp:layers=2,hidden=8");
    cr_expect_str_eq(full("gaussian"), "gaussian");
}

Test(grammar, a_real_is_written_in_as_few_digits_as_it_takes) {
    static const char *const bounds[] = {"1", "2.5", "30", "1000", "3.3", "1.0000000000000002"};
    for (size_t i = 0; i < MR_COUNT(bounds); i++) {
        char text[64];
        snprintf(text, sizeof text, "nsf:layers=1,hidden=8,bins=4,bound=%s", bounds[i]);
        cr_expect_str_eq(full(text), text);
    }
    cr_expect_str_eq(full("nsf:layers=1,hidden=8,bins=4,bound=3.50"),
                     "nsf:layers=1,hidden=8,bins=4,bound=3.5");
}

Test(grammar, a_preset_stands_for_a_composition) {
    cr_expect_str_eq(composition("gaussian", MR_FLOW_TO_SCORE), "[]");
    cr_expect_str_eq(composition("maf:layers=2,hidden=8", MR_FLOW_TO_SCORE),
                     "[autoregressive(inverse(affine), hidden=8, order=alternate)]*2");
    cr_expect_str_eq(composition("glow:layers=3", MR_FLOW_TO_SAMPLE),
                     "[actnorm, lu, coupling(inverse(affine), net=mlp, hidden=64x64, "
                     "mask=alternate)]*3");
    cr_expect_str_eq(
        composition("nsf:bins=5,bound=2.5", MR_FLOW_TO_SAMPLE),
        "[coupling(spline(bins=5, bound=2.5), net=mlp, hidden=64x64, mask=alternate)]*4");
    cr_expect_str_eq(
        composition("nsf:bins=5,bound=2.5", MR_FLOW_TO_SCORE),
        "[coupling(inverse(spline(bins=5, bound=2.5)), net=mlp, hidden=64x64, mask=alternate)]*4");
}

Test(grammar, what_is_written_reads_as_the_same) {
    for (size_t i = 0; i < mr_preset_table_size; i++)
        for (int use = 0; use < 2; use++) {
            char once[MR_FLOW_MAX_TEXT], parts[MR_FLOW_MAX_TEXT];
            snprintf(once, sizeof once, "%s", full(mr_preset_table[i].name));
            cr_expect_str_eq(full(once), once);
            snprintf(parts, sizeof parts, "%s", composition(once, (mr_flow_use)use));
            cr_expect_str_eq(full(parts), parts);
        }
}

// ---- Compositions

Test(grammar, a_composition_is_written_with_every_option) {
    cr_expect_str_eq(full("[lu, coupling(spline(bins=8), hidden=64x64)]*3"),
                     "[lu, coupling(spline(bins=8, bound=6), net=mlp, hidden=64x64, "
                     "mask=alternate)]*3");
    cr_expect_str_eq(full(" [ planar , radial ]*2 "), "[planar, radial]*2");
    cr_expect_str_eq(full("[planar]"), "[planar]");
    cr_expect_str_eq(full("lu"), "lu");
    cr_expect_str_eq(full("planar*3"), "planar*3");
    cr_expect_str_eq(full("inverse([planar, lu]*2)*3"), "inverse([planar, lu]*2)*3");
    cr_expect_str_eq(full("[[planar, radial]*2, lu]*3"), "[[planar, radial]*2, lu]*3");
    cr_expect_str_eq(full("[]"), "[]");
    cr_expect_str_eq(full("spline(bound=0.25,bins=3)"), "spline(bins=3, bound=0.25)");
    cr_expect_str_eq(full("autoregressive(inverse( spline ), order = backward)"),
                     "autoregressive(inverse(spline(bins=8, bound=6)), hidden=64x64, "
                     "order=backward)");
}

Test(grammar, initial_values_are_within_their_own_ranges) {
    char value[MR_FLOW_MAX_OPTION];
    for (size_t i = 0; i < mr_part_table_size + mr_preset_table_size; i++) {
        const mr_flow_options *options = i < mr_part_table_size
                                             ? &mr_part_table[i]->options
                                             : &mr_preset_table[i - mr_part_table_size].options;
        char values[1024];
        cr_assert_leq(options->size, sizeof values);
        for (size_t k = 0; k < options->n; k++) {
            const mr_flow_option *option = &options->rows[k];
            cr_expect(mr_flow_option_read(option, option->initial, values), "%s", option->name);
            mr_flow_option_write(option, values, value);
            cr_expect_str_eq(value, option->initial);
        }
    }
}

// ---- Refusals

// A refusal is a mistake of usage, in one line that holds every word of `words`.
static void expect_refusal(const char *text, const char *const *words) {
    cr_expect_eq(mr_flow_describe(text, MR_FLOW_TO_SCORE, NULL, NULL), MR_ERR_USAGE,
                 "'%s' is taken", text);
    cr_expect_null(strchr(mr_error_message(), '\n'));
    for (; *words; words++)
        cr_expect(strstr(mr_error_message(), *words), "'%s': the message lacks '%s': %s", text,
                  *words, mr_error_message());
}

#define REFUSED(text, ...) expect_refusal(text, (const char *const[]){__VA_ARGS__, NULL})

Test(grammar, an_unknown_preset_gets_the_choices) {
    for (size_t i = 0; i < mr_preset_table_size; i++)
        REFUSED("real_nvq", "real_nvq", mr_preset_table[i].name);
    REFUSED("", "choose from");
    REFUSED("real_nv", "'real_nv'");
    REFUSED("Real_NVP", "Real_NVP");
    REFUSED(":layers=2", "choose from");
    REFUSED("lu:layers=2", "choose from");
}

Test(grammar, an_unknown_option_of_a_preset_gets_the_choices) {
    REFUSED("real_nvp:depth=3", "depth", "column 10", "layers, hidden");
    REFUSED("real_nvp:layers=3,depth=3", "column 19");
    REFUSED("real_nvp:", "layers");
    REFUSED("real_nvp:layers=2,", "layers");
    REFUSED("real_nvp:=2", "layers");
    REFUSED("real_nvp: layers=2", "layers");
    REFUSED("gaussian:layers=2", "layers", "none");
}

Test(grammar, a_bad_value_gets_the_range) {
    static const char *const bad[] = {"0",   "65", "-1",  "+1", " 2",
                                      "2.5", "2x", "1e1", "",   "99999999999999999999"};
    for (size_t i = 0; i < MR_COUNT(bad); i++) {
        char text[64];
        snprintf(text, sizeof text, "real_nvp:layers=%s", bad[i]);
        REFUSED(text, "layers", "1 to 64", "layers=4");
    }
    REFUSED("real_nvp:layers", "1 to 64");
    REFUSED("real_nvp:hidden=0", "hidden", "65536", "hidden=64");
    REFUSED("real_nvp:hidden=64x", "hidden");
    REFUSED("real_nvp:hidden=64x-3", "hidden");
    REFUSED("real_nvp:hidden=1x2x3x4x5x6x7x8x9", "hidden");
    REFUSED("real_nvp:hidden", "hidden");
}

Test(grammar, an_option_of_a_preset_is_given_one_value) {
    REFUSED("nsf:layers=1,layers=2", "layers is given twice", "as 1 and as 2");
    REFUSED("nsf:layers=1,bins=4,hidden=8,layers=2", "layers is given twice");
    cr_expect_str_eq(full("real_nvp:layers=2,layers=2"), "real_nvp:layers=2,hidden=64x64");
    // a value is no name
    REFUSED("nsf:layers=1,bins=layers", "bins must be");
}

Test(grammar, a_bad_real_gets_the_range) {
    static const char *const bad[] = {"0",   "0.9", "1001", "-3", "+3",    " 3",
                                      "0x4", "inf", "nan",  "3,", "1.2.3", ""};
    for (size_t i = 0; i < MR_COUNT(bad); i++) {
        char text[64];
        snprintf(text, sizeof text, "nsf:bound=%s", bad[i]);
        REFUSED(text, strchr(bad[i], ',') ? "nsf" : "1 to 1000");
    }
}

Test(grammar, a_mistake_in_a_composition_gets_its_column_and_the_choices) {
    for (size_t i = 0; i < mr_part_table_size; i++)
        REFUSED("[lu, couplin(affine)]", "column 6", "no part 'couplin'", mr_part_table[i]->name);
    REFUSED("[lu, coupling(splin(bins=8))]*3", "column 15", "no element-wise transform 'splin'",
            "affine, shift, spline, logistic_mixture, inverse(...)");
    REFUSED("[coupling(planar)]", "column 11", "no element-wise transform 'planar'");
    REFUSED("[coupling(spline(bin=8))]", "column 18", "spline has no option 'bin'", "bins, bound");
    REFUSED("[coupling(spline(bins=99))]", "column 23", "a whole number from 1 to 32", "bins=8");
    REFUSED("[coupling(affine, mask=left)]", "column 24", "one of alternate|halves|swapped");
    REFUSED("[coupling(spline(bins=4, bins=8))]", "column 26", "bins is given twice");
    REFUSED("[coupling]", "column 2", "needs an element-wise transform", "coupling(affine)");
    REFUSED("[coupling(hidden=8)]", "column 2", "needs an element-wise transform");
    REFUSED("[coupling(affine, affine)]", "column 19", "expected an option of coupling");
    REFUSED("[lu(3)]", "column 5", "expected an option of lu", "none");
    REFUSED("[lu, planar", "column 12", "the text ends");
    REFUSED("[lu planar]", "column 5", "expected ',' or ']'", "found 'p'");
    REFUSED("lu, planar", "column 3", "put the parts in brackets");
    REFUSED("[lu]]", "column 5", "expected the end");
    REFUSED("[lu]*", "column 6", "a whole number from 1 to 512");
    REFUSED("[lu]*0", "column 6", "a whole number");
    REFUSED("[lu]*600", "column 6", "a whole number");
    REFUSED("[[lu]*30]*20", "600 parts", "512");
    REFUSED("[lu,]", "column 5", "expected a part", "coupling");
    REFUSED("inverse", "inverse");
    REFUSED("inverse(lu", "column 11", "the text ends");
    REFUSED("[real_nvp]", "no part 'real_nvp'");
    REFUSED("[Lu]", "column 2");
}

Test(grammar, deep_nesting_is_refused) {
    REFUSED("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[lu]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "nested");
}

Test(grammar, a_long_text_is_refused) {
    char text[1400], parts[1100] = "[";
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    REFUSED(text, "shorten");
    // Short enough as it is given, but not with all options.
    size_t used = 1;
    for (int i = 0; i < 20; i++)
        used += (size_t)snprintf(parts + used, sizeof parts - used, "coupling(affine)%c",
                                 i < 19 ? ',' : ']');
    REFUSED(parts, "shorten", "*4");
}
