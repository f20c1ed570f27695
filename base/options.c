// Options in tables, read from text and written as text.

#include "base/options.h"

#include "base/nearest.h"
#include "base/number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_SIZE = 256, LIST_SIZE = 768 };

/// A type: how its values are read and written, and what messages call them.
typedef struct {
    /// False if the text is no such value; the present value then stays.
    bool (*parse)(const mr_option *row, const char *text, void *value);
    void (*format)(const void *value, char *text, size_t size);
    const char *what;
    bool has_range; // messages say from where to where
} type_row;

// Plain decimal notation, or an infinity; the text ends at `end`.
static bool parse_number(const char *text, const char *end, double *out) {
    char *stop;
    if (text == end || isspace((unsigned char)text[0]) || strpbrk(text, "xX") != NULL)
        return false;
    *out = mr_number_read(text, &stop);
    return stop == end && !isnan(*out);
}

static bool parse_real(const mr_option *row, const char *text, void *value) {
    double number;
    if (!parse_number(text, text + strlen(text), &number) || !isfinite(number) ||
        number < row->min || number > row->max)
        return false;
    *(double *)value = number;
    return true;
}

static void format_real(const void *value, char *text, size_t size) {
    mr_number_write(text, size, *(const double *)value);
}

static bool parse_count(const mr_option *row, const char *text, void *value) {
    double number;
    if (!parse_number(text, text + strlen(text), &number) || number != floor(number) ||
        number < row->min || number > row->max)
        return false;
    *(size_t *)value = (size_t)number;
    return true;
}

static void format_count(const void *value, char *text, size_t size) {
    snprintf(text, size, "%zu", *(const size_t *)value);
}

// Python's spelling too: options are often copied from a call of gymnasium.make.
static bool parse_switch(const mr_option *row, const char *text, void *value) {
    (void)row;
    const bool on = strcmp(text, "true") == 0 || strcmp(text, "True") == 0;
    if (!on && strcmp(text, "false") != 0 && strcmp(text, "False") != 0)
        return false;
    *(bool *)value = on;
    return true;
}

static void format_switch(const void *value, char *text, size_t size) {
    snprintf(text, size, "%s", *(const bool *)value ? "true" : "false");
}

static bool parse_range(const mr_option *row, const char *text, void *value) {
    (void)row;
    const char *colon = strchr(text, ':');
    mr_range range;
    if (colon == NULL || !parse_number(text, colon, &range.low) ||
        !parse_number(colon + 1, text + strlen(text), &range.high) || !(range.low < range.high))
        return false;
    *(mr_range *)value = range;
    return true;
}

static void format_range(const void *value, char *text, size_t size) {
    const mr_range *range = value;
    char low[32], high[32];
    mr_number_write(low, sizeof low, range->low);
    mr_number_write(high, sizeof high, range->high);
    snprintf(text, size, "%s:%s", low, high);
}

static bool parse_text(const mr_option *row, const char *text, void *value) {
    if (text[0] == '\0' || strlen(text) >= row->size)
        return false;
    snprintf(value, row->size, "%s", text);
    return true;
}

static void format_text(const void *value, char *text, size_t size) {
    snprintf(text, size, "%s", (const char *)value);
}

static const type_row types[] = {
    [MR_OPTION_REAL] = {parse_real, format_real, "a number", true},
    [MR_OPTION_COUNT] = {parse_count, format_count, "a whole number", true},
    [MR_OPTION_SWITCH] = {parse_switch, format_switch, "true or false", false},
    [MR_OPTION_RANGE] = {parse_range, format_range,
                         "two numbers low:high, the first below the second, as in 0.2:1 or -inf:10",
                         false},
    [MR_OPTION_TEXT] = {parse_text, format_text, "a name", false},
};

static void *value_of(const mr_option *row, void *fields) {
    return row->value != NULL ? row->value : (char *)fields + row->offset;
}

static const char *name_at(const void *rows, size_t i) {
    return ((const mr_option *)rows)[i].name;
}

static mr_status fail_unknown(const char *where, const char *key, size_t n, const mr_option *rows) {
    const char *nearest = mr_nearest(key, n, name_at, rows);
    if (n == 0)
        return mr_fail(MR_ERR_USAGE, "%s: unknown option \"%s\"; it has no options", where, key);
    if (nearest != NULL)
        return mr_fail(MR_ERR_USAGE, "%s: unknown option \"%s\"; did you mean \"%s\"?", where, key,
                       nearest);
    char list[LIST_SIZE];
    mr_list_names(n, name_at, rows, sizeof list, list);
    return mr_fail(MR_ERR_USAGE, "%s: unknown option \"%s\"; there are %s", where, key, list);
}

static mr_status fail_value(const char *where, const mr_option *row, const char *text) {
    char range[80] = "", min[32], max[32];
    mr_number_write(min, sizeof min, row->min);
    mr_number_write(max, sizeof max, row->max);
    if (types[row->type].has_range)
        snprintf(range, sizeof range, " from %s to %s", min, max);
    else if (row->size > 0)
        snprintf(range, sizeof range, " of at most %zu bytes", row->size - 1);
    return mr_fail(MR_ERR_USAGE, "%s: %s must be %s%s, not '%.60s'", where, row->name,
                   types[row->type].what, range, text);
}

static bool is_alias(const mr_option *row, const char *key) {
    return row->alias != NULL && strcmp(row->alias, key) == 0;
}

// The name of a key, which may be an alias.
static mr_status find_name(const char *where, const char *key, size_t n, const mr_option *rows,
                           const char **out) {
    const char *found = NULL;
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].name, key) == 0) {
            *out = key;
            return MR_OK;
        }
    for (size_t i = 0; i < n; i++) {
        if (!is_alias(&rows[i], key))
            continue;
        if (found != NULL && strcmp(found, rows[i].name) != 0)
            return mr_fail(MR_ERR_USAGE, "%s: %s could be %s or %s; name one of the two", where,
                           key, found, rows[i].name);
        found = rows[i].name;
    }
    if (found == NULL)
        return fail_unknown(where, key, n, rows);
    *out = found;
    return MR_OK;
}

static mr_status set_one(const char *where, const char *key, const char *text, size_t n,
                         const mr_option *rows, void *fields) {
    const char *name = NULL;
    const mr_status status = find_name(where, key, n, rows, &name);
    if (status != MR_OK)
        return status;
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].name, name) == 0 &&
            !types[rows[i].type].parse(&rows[i], text, value_of(&rows[i], fields)))
            return fail_value(where, &rows[i], text);
    return MR_OK;
}

// One "key=value" of `length` bytes.
static mr_status set_pair(const char *where, const char *pair, size_t length, size_t n,
                          const mr_option *rows, void *fields) {
    char key[KEY_SIZE], text[MR_OPTION_MAX_TEXT];
    const char *equals = memchr(pair, '=', length);
    const size_t n_key = equals != NULL ? (size_t)(equals - pair) : 0;
    const size_t n_text = length - n_key - 1;
    if (n_key == 0 || n_key >= sizeof key || n_text >= sizeof text)
        return mr_fail(
            MR_ERR_USAGE,
            "%s: '%.*s' is no option, or is too long; write options as key=value,key=value", where,
            (int)(length < 60 ? length : 60), pair);
    memcpy(key, pair, n_key);
    key[n_key] = '\0';
    memcpy(text, equals + 1, n_text);
    text[n_text] = '\0';
    return set_one(where, key, text, n, rows, fields);
}

mr_status mr_options_set(const char *where, const char *set, size_t n, const mr_option *rows,
                         void *fields) {
    while (*set != '\0') {
        const size_t length = strcspn(set, ",");
        const mr_status status = set_pair(where, set, length, n, rows, fields);
        if (status != MR_OK)
            return status;
        set += length;
        set += *set == ',' ? 1 : 0;
    }
    return MR_OK;
}

void mr_option_format(const mr_option *row, const void *fields, char *text, size_t size) {
    const void *value = row->value != NULL ? row->value : (const char *)fields + row->offset;
    types[row->type].format(value, text, size);
}
