// The text form of flows.

#include "flows/text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

// The full text of `text`, "" and a message where it is refused.
static const char *full(const char *text) {
    static char out[256];
    const mr_flow_kind *kind;
    mr_flow_options options;
    out[0] = '\0';
    if (mr_flow_text_read(text, &kind, &options) == MR_OK)
        mr_flow_text_write(kind, &options, out, sizeof out);
    return out;
}

Test(text, every_option_is_written_out) {
    cr_expect_str_eq(full("real_nvp"), "real_nvp:layers=4,hidden=64x64");
    cr_expect_str_eq(full("real_nvp:hidden=32x16"), "real_nvp:layers=4,hidden=32x16");
    cr_expect_str_eq(full("real_nvp:hidden=8,layers=2"), "real_nvp:layers=2,hidden=8");
    cr_expect_str_eq(full("gaussian"), "gaussian");
}

Test(text, a_real_is_written_in_as_few_digits_as_it_takes) {
    static const char *const bounds[] = {"1", "2.5", "30", "1000", "3.3", "1.0000000000000002"};
    for (size_t i = 0; i < MR_COUNT(bounds); i++) {
        char text[64];
        snprintf(text, sizeof text, "nsf:layers=1,hidden=8,bins=4,bound=%s", bounds[i]);
        cr_expect_str_eq(full(text), text);
    }
    cr_expect_str_eq(full("nsf:layers=1,hidden=8,bins=4,bound=3.50"),
                     "nsf:layers=1,hidden=8,bins=4,bound=3.5");
}

Test(text, what_is_written_reads_as_the_same) {
    for (size_t i = 0; i < mr_flow_count(); i++) {
        char once[256];
        snprintf(once, sizeof once, "%s", full(mr_flow_at(i).name));
        cr_expect_str_eq(full(once), once);
        cr_expect_eq(strncmp(once, mr_flow_at(i).name, strlen(mr_flow_at(i).name)), 0);
    }
}

Test(text, defaults_are_within_their_own_ranges) {
    for (size_t i = 0; i < mr_flow_n_kinds; i++)
        for (size_t k = 0; k < mr_flow_kinds[i]->n_options; k++) {
            const mr_flow_option *option = &mr_flow_kinds[i]->options[k];
            char text[256];
            snprintf(text, sizeof text, "%s:%s=%s", mr_flow_kinds[i]->name, option->name,
                     option->initial);
            cr_expect_str_eq(full(text), full(mr_flow_kinds[i]->name), "%s", text);
        }
}

// A refusal is a mistake of usage, in one line that holds every word of `words`.
static void expect_refusal(const char *text, const char *const *words) {
    const mr_flow_kind *kind = NULL;
    mr_flow_options options;
    cr_expect_eq(mr_flow_text_read(text, &kind, &options), MR_ERR_USAGE, "'%s' is taken", text);
    cr_expect_null(kind);
    cr_expect_null(strchr(mr_error_message(), '\n'));
    for (; *words; words++)
        cr_expect(strstr(mr_error_message(), *words), "'%s': the message lacks '%s': %s", text,
                  *words, mr_error_message());
}

#define REFUSED(text, ...) expect_refusal(text, (const char *const[]){__VA_ARGS__, NULL})

Test(text, an_unknown_kind_gets_the_choices) {
    for (size_t i = 0; i < mr_flow_count(); i++)
        REFUSED("real_nvq", "real_nvq", mr_flow_at(i).name);
    REFUSED("", "choose from");
    REFUSED("real_nv", "'real_nv'");
    REFUSED("Real_NVP", "Real_NVP");
    REFUSED(":layers=2", "choose from");
}

Test(text, an_unknown_option_gets_the_choices) {
    REFUSED("real_nvp:depth=3", "depth", "layers", "hidden");
    REFUSED("real_nvp:", "layers");
    REFUSED("real_nvp:layers=2,", "layers");
    REFUSED("real_nvp:=2", "layers");
    REFUSED("real_nvp: layers=2", "layers");
    REFUSED("gaussian:layers=2", "layers", "none");
}

Test(text, a_bad_value_gets_the_range) {
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

Test(text, an_option_is_given_one_value) {
    REFUSED("nsf:layers=1,layers=2", "layers is given twice", "as 1 and as 2");
    REFUSED("nsf:layers=1,bins=4,hidden=8,layers=2", "layers is given twice");
    cr_expect_str_eq(full("real_nvp:layers=2,layers=2"), "real_nvp:layers=2,hidden=64x64");
    // a value is no name
    REFUSED("nsf:layers=1,bins=layers", "bins must be");
}

Test(text, a_bad_real_gets_the_range) {
    static const char *const bad[] = {"0",   "0.9", "1001", "-3", "+3",    " 3",
                                      "0x4", "inf", "nan",  "3,", "1.2.3", ""};
    for (size_t i = 0; i < MR_COUNT(bad); i++) {
        char text[64];
        snprintf(text, sizeof text, "nsf:bound=%s", bad[i]);
        REFUSED(text, strchr(bad[i], ',') ? "nsf" : "1 to 1000");
    }
}

Test(text, a_long_text_is_refused) {
    char text[400];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    REFUSED(text, "shorten");
}
