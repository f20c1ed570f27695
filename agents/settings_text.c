// The text forms of settings: parsed from command lines and files, written to files and messages.

#include "agents/settings.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/number.h"

static const double max_exact = 0x1p53; // up to here every whole number is a double

// A type of settings.
typedef struct {
    bool (*parse)(const mr_setting *setting, const char *text, void *field);
    void (*format)(const void *field, char *text, size_t size);
    const char *what; // it must be, in messages
    bool has_range;   // messages add the range
} type_row;

// Plain decimal notation: no spaces, no hexadecimal, no "nan" or "inf".
static bool parse_number(const char *text, double *out) {
    if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0')
        return false;
    char *end;
    *out = mr_number_read(text, &end);
    return *end == '\0' && isfinite(*out);
}

static bool parse_whole(const char *text, uint64_t *out) {
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (*end == '\0')
        return errno == 0;
    double number; // "1e6"
    if (!parse_number(text, &number) || number > max_exact || number != floor(number))
        return false;
    *out = (uint64_t)number;
    return true;
}

static bool in_range(const mr_setting *setting, double number) {
    return number >= setting->min && number <= setting->max;
}

static bool parse_count(const mr_setting *setting, const char *text, void *field) {
    uint64_t number;
    if (!parse_whole(text, &number) || !in_range(setting, (double)number))
        return false;
    *(size_t *)field = (size_t)number;
    return true;
}

static void format_count(const void *field, char *text, size_t size) {
    snprintf(text, size, "%zu", *(const size_t *)field);
}

static bool parse_seed(const mr_setting *setting, const char *text, void *field) {
    (void)setting; // all 64 bits are valid
    return parse_whole(text, field);
}

static void format_seed(const void *field, char *text, size_t size) {
    snprintf(text, size, "%llu", (unsigned long long)*(const uint64_t *)field);
}

static bool parse_real(const mr_setting *setting, const char *text, void *field) {
    double number;
    if (!parse_number(text, &number) || !in_range(setting, number))
        return false;
    *(double *)field = number;
    return true;
}

// The mantissa before an exponent always has a point: YAML 1.1 readers take "1e-05" for a word,
// "1.0e-05" for a number.
static void format_real(const void *field, char *text, size_t size) {
    char digits[40];
    mr_number_write(digits, sizeof digits, *(const double *)field);
    const size_t n_mantissa = strcspn(digits, "e");
    const bool needs_point = digits[n_mantissa] == 'e' && memchr(digits, '.', n_mantissa) == NULL;
    snprintf(text, size, "%.*s%s%s", (int)n_mantissa, digits, needs_point ? ".0" : "",
             digits + n_mantissa);
}

static bool parse_auto(const mr_setting *setting, const char *text, void *field) {
    mr_auto *choice = field;
    if (strcmp(text, "auto") == 0) {
        *choice = (mr_auto){.automatic = true};
        return true;
    }
    double number;
    if (!parse_real(setting, text, &number))
        return false;
    *choice = (mr_auto){.value = number};
    return true;
}

static void format_auto(const void *field, char *text, size_t size) {
    const mr_auto *choice = field;
    if (choice->automatic)
        snprintf(text, size, "auto");
    else
        format_real(&choice->value, text, size);
}

static bool parse_widths(const mr_setting *setting, const char *text, void *field) {
    if (text[0] == '\0' && setting->initial[0] == '\0') { // may be left open
        *(mr_widths *)field = (mr_widths){0};
        return true;
    }
    return mr_widths_parse(text, field);
}

static void format_widths(const void *field, char *text, size_t size) {
    mr_widths_format(field, ',', text, size);
}

static bool is_line(const char *text) {
    for (const char *c = text; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c))
            return false;
    return strlen(text) < MR_MAX_TEXT;
}

static bool parse_text(const mr_setting *setting, const char *text, void *field) {
    (void)setting;
    if (!is_line(text))
        return false;
    snprintf(field, MR_MAX_TEXT, "%s", text);
    return true;
}

static void format_text(const void *field, char *text, size_t size) {
    snprintf(text, size, "%s", (const char *)field);
}

// Whether each item between commas has a key and an equals sign.
static bool are_pairs(const char *text) {
    for (;;) {
        const size_t length = strcspn(text, ","), n_key = strcspn(text, "=");
        if (n_key == 0 || n_key >= length)
            return false;
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
}

static bool parse_pairs(const mr_setting *setting, const char *text, void *field) {
    (void)setting;
    char *pairs = field;
    if (text[0] == '\0') {
        pairs[0] = '\0';
        return true;
    }
    const size_t length = strlen(pairs);
    if (!is_line(text) || !are_pairs(text) || length + 1 + strlen(text) >= MR_MAX_TEXT)
        return false;
    snprintf(pairs + length, MR_MAX_TEXT - length, "%s%s", length > 0 ? "," : "", text);
    return true;
}

static bool parse_switch(const mr_setting *setting, const char *text, void *field) {
    (void)setting;
    const bool on = strcmp(text, "true") == 0;
    if (!on && strcmp(text, "false") != 0)
        return false;
    *(bool *)field = on;
    return true;
}

static void format_switch(const void *field, char *text, size_t size) {
    snprintf(text, size, "%s", *(const bool *)field ? "true" : "false");
}

// Whether `word` is one of a|b|c.
static bool is_listed(const char *list, const char *word) {
    const size_t length = strlen(word);
    for (const char *at = list;; at++) {
        const size_t n = strcspn(at, "|");
        if (n == length && memcmp(at, word, n) == 0)
            return true;
        at += n;
        if (*at == '\0')
            return false;
    }
}

static bool parse_choice(const mr_setting *setting, const char *text, void *field) {
    if (!is_listed(setting->metavar, text))
        return false;
    snprintf(field, MR_MAX_CHOICE, "%s", text);
    return true;
}

static const type_row types[] = {
    [MR_SETTING_COUNT] = {parse_count, format_count, "a whole number", true},
    [MR_SETTING_SEED] = {parse_seed, format_seed, "a whole number from 0 to 18446744073709551615",
                         false},
    [MR_SETTING_REAL] = {parse_real, format_real, "a number", true},
    [MR_SETTING_AUTO] = {parse_auto, format_auto, "auto or a number", true},
    [MR_SETTING_WIDTHS] = {parse_widths, format_widths,
                           "at most 8 whole numbers from 1 to 65536, as in 256,256", false},
    [MR_SETTING_TEXT] = {parse_text, format_text, "a line of at most 1023 bytes", false},
    [MR_SETTING_OUT_FILE] = {parse_text, format_text, "a line of at most 1023 bytes", false},
    [MR_SETTING_OUT_DIR] = {parse_text, format_text, "a line of at most 1023 bytes", false},
    [MR_SETTING_PAIRS] = {parse_pairs, format_text,
                          "key=value or key=value,key=value, in all at most 1023 bytes", false},
    [MR_SETTING_SWITCH] = {parse_switch, format_switch, "true or false", false},
    [MR_SETTING_CHOICE] = {parse_choice, format_text, NULL, false},
};

enum { MAX_CHOICES = 8 };

// The words of a|b|c, cut out into `words`.
static size_t list_words(const char *list, char words[MAX_CHOICES][MR_MAX_CHOICE]) {
    size_t n = 0;
    while (*list != '\0' && n < MAX_CHOICES) {
        const size_t length = strcspn(list, "|");
        snprintf(words[n++], MR_MAX_CHOICE, "%.*s", (int)length, list);
        list += length + (list[length] == '|');
    }
    return n;
}

static const char *word_at(const void *words, size_t i) {
    return ((const char(*)[MR_MAX_CHOICE])words)[i];
}

static mr_status fail_choice(const mr_setting *setting, const char *text, const char *where) {
    char words[MAX_CHOICES][MR_MAX_CHOICE];
    const size_t n = list_words(setting->metavar, words);
    const char *nearest = mr_nearest(text, n, word_at, words);
    if (nearest != NULL)
        return mr_fail(MR_ERR_USAGE, "%s must be one of %s, not '%.60s'; did you mean %s?", where,
                       setting->metavar, text, nearest);
    return mr_fail(MR_ERR_USAGE, "%s must be one of %s, not '%.60s'", where, setting->metavar,
                   text);
}

mr_status mr_setting_store(const mr_setting *setting, void *fields, const char *text,
                           const char *where) {
    const type_row *type = &types[setting->type];
    if (type->parse(setting, text, (char *)fields + setting->offset))
        return MR_OK;
    if (setting->type == MR_SETTING_CHOICE)
        return fail_choice(setting, text, where);
    if (type->has_range)
        return mr_fail(MR_ERR_USAGE, "%s must be %s from %.15g to %.15g, not '%.60s'", where,
                       type->what, setting->min, setting->max, text);
    return mr_fail(MR_ERR_USAGE, "%s must be %s, not '%.60s'", where, type->what, text);
}

void mr_setting_format(const mr_setting *setting, const void *fields, char *text, size_t size) {
    types[setting->type].format((const char *)fields + setting->offset, text, size);
}
