// Reading and writing the options of a flow's text.

#include "flows/options.h"

#include "base/nearest.h"
#include "base/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// How an option's value is read and written, and what a message says of it.
typedef struct {
    bool (*read)(const mr_flow_option *option, const char *text, void *field);
    void (*write)(const mr_flow_option *option, const void *field, char *text, size_t size);
    void (*explain)(const mr_flow_option *option, char *text, size_t size);
} option_type;

static bool count_read(const mr_flow_option *option, const char *text, void *field) {
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    const unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || (double)value < option->min || (double)value > option->max)
        return false;
    *(size_t *)field = value;
    return true;
}

static void count_write(const mr_flow_option *option, const void *field, char *text, size_t size) {
    (void)option;
    snprintf(text, size, "%zu", *(const size_t *)field);
}

static void count_explain(const mr_flow_option *option, char *text, size_t size) {
    snprintf(text, size, "a whole number from %.0f to %.0f", option->min, option->max);
}

// Decimal notation: no spaces, no hexadecimal, no "nan" or "inf".
static bool real_read(const mr_flow_option *option, const char *text, void *field) {
    char *end;
    const char *digits = *text == '-' ? text + 1 : text;
    if (strchr("0123456789.", *digits) == NULL || *digits == '\0' ||
        digits[strspn(digits, "0123456789.e-+")] != '\0')
        return false;
    const double value = mr_number_read(text, &end);
    if (*end != '\0' || value < option->min || value > option->max)
        return false;
    *(double *)field = value;
    return true;
}

static void real_write(const mr_flow_option *option, const void *field, char *text, size_t size) {
    (void)option;
    mr_number_write(text, size, *(const double *)field);
}

static void real_explain(const mr_flow_option *option, char *text, size_t size) {
    char min[32], max[32];
    mr_number_write(min, sizeof min, option->min);
    mr_number_write(max, sizeof max, option->max);
    snprintf(text, size, "a number from %s to %s", min, max);
}

static bool widths_read(const mr_flow_option *option, const char *text, void *field) {
    (void)option;
    return mr_widths_parse(text, field);
}

static void widths_write(const mr_flow_option *option, const void *field, char *text, size_t size) {
    (void)option;
    mr_widths_format(field, 'x', text, size);
}

static void widths_explain(const mr_flow_option *option, char *text, size_t size) {
    (void)option;
    snprintf(text, size, "up to %d widths from 1 to 65536 with an x between them", MR_MAX_HIDDEN);
}

static bool choice_read(const mr_flow_option *option, const char *text, void *field) {
    const char *word = option->choices;
    for (size_t i = 0;; i++) {
        const size_t n = strcspn(word, "|");
        if (strlen(text) == n && strncmp(text, word, n) == 0) {
            *(size_t *)field = i;
            return true;
        }
        if (word[n] == '\0')
            return false;
        word += n + 1;
    }
}

static void choice_write(const mr_flow_option *option, const void *field, char *text, size_t size) {
    const char *word = option->choices;
    for (size_t i = *(const size_t *)field; i > 0; i--)
        word += strcspn(word, "|") + 1;
    snprintf(text, size, "%.*s", (int)strcspn(word, "|"), word);
}

static void choice_explain(const mr_flow_option *option, char *text, size_t size) {
    snprintf(text, size, "one of %s", option->choices);
}

static const option_type types[] = {
    [MR_FLOW_OPTION_COUNT] = {count_read, count_write, count_explain},
    [MR_FLOW_OPTION_REAL] = {real_read, real_write, real_explain},
    [MR_FLOW_OPTION_WIDTHS] = {widths_read, widths_write, widths_explain},
    [MR_FLOW_OPTION_CHOICE] = {choice_read, choice_write, choice_explain},
};

// ---- Tables of options

const mr_flow_option *mr_flow_option_find(const mr_flow_options *options, const char *name,
                                          size_t n_name) {
    for (size_t i = 0; i < options->n; i++)
        if (strlen(options->rows[i].name) == n_name &&
            strncmp(options->rows[i].name, name, n_name) == 0)
            return &options->rows[i];
    return NULL;
}

static const char *name_at(const void *rows, size_t i) {
    return ((const mr_flow_option *)rows)[i].name;
}

void mr_flow_option_names(const mr_flow_options *options, char *text, size_t size) {
    if (mr_list_names(options->n, name_at, options->rows, size, text) == 0)
        snprintf(text, size, "none");
}

void mr_flow_options_init(const mr_flow_options *options, void *values) {
    for (size_t i = 0; i < options->n; i++)
        mr_flow_option_read(&options->rows[i], options->rows[i].initial, values);
}

bool mr_flow_option_read(const mr_flow_option *option, const char *text, void *values) {
    return types[option->type].read(option, text, (char *)values + option->offset);
}

void mr_flow_option_write(const mr_flow_option *option, const void *values,
                          char text[MR_FLOW_MAX_OPTION]) {
    types[option->type].write(option, (const char *)values + option->offset, text,
                              MR_FLOW_MAX_OPTION);
}

void mr_flow_option_explain(const mr_flow_option *option, char text[MR_FLOW_MAX_OPTION]) {
    types[option->type].explain(option, text, MR_FLOW_MAX_OPTION);
}

// ---- NAME:option=value,option=value

// The value that an option is given in the items before `item`; NULL: none. Each item there is
// "name\0value\0".
static const char *value_before(const char *items, const char *item, const char *name) {
    for (const char *at = items; at < item; at += strlen(at) + 1) {
        const char *value = at + strlen(at) + 1;
        if (strcmp(at, name) == 0)
            return value;
        at = value;
    }
    return NULL;
}

/// A text that is being read.
typedef struct {
    const mr_flow_options *options;
    const char *what, *name, *text;
    const char *items; // a copy of what follows the colon, cut into "name\0value\0" up to here
} list;

static mr_status read_item(const list *l, char *item, void *values) {
    char *equals = strchr(item, '=');
    if (equals)
        *equals = '\0';
    const mr_flow_option *option = mr_flow_option_find(l->options, item, strlen(item));
    if (!option) {
        char names[MR_FLOW_MAX_OPTION];
        mr_flow_option_names(l->options, names, sizeof names);
        return mr_fail(MR_ERR_USAGE, "%s '%s', column %td: %s has no option '%s'; it has %s",
                       l->what, l->text, item - l->items + (ptrdiff_t)strlen(l->name) + 2, l->name,
                       item, names);
    }
    const char *before = value_before(l->items, item, item);
    if (equals && before && strcmp(before, equals + 1) != 0)
        return mr_fail(MR_ERR_USAGE,
                       "%s '%s': %s is given twice, as %s and as %s; leave out one of them",
                       l->what, l->text, item, before, equals + 1);
    if (equals && mr_flow_option_read(option, equals + 1, values))
        return MR_OK;
    char expected[MR_FLOW_MAX_OPTION];
    mr_flow_option_explain(option, expected);
    return mr_fail(MR_ERR_USAGE, "%s '%s': %s must be %s, as in %s=%s", l->what, l->text, item,
                   expected, item, option->initial);
}

mr_status mr_flow_options_read(const mr_flow_options *options, const char *what, const char *name,
                               const char *text, void *values) {
    mr_status status = MR_OK;
    const bool has_items = text[strlen(name)] == ':';
    char *items = strdup(has_items ? text + strlen(name) + 1 : "");
    if (!items)
        return mr_fail_memory("a flow's options");
    const list l = {options, what, name, text, items};
    char *rest = has_items ? items : NULL;
    mr_flow_options_init(options, values);
    while (rest && status == MR_OK)
        status = read_item(&l, strsep(&rest, ","), values);
    free(items);
    return status;
}

void mr_flow_options_write(const mr_flow_options *options, const char *name, const void *values,
                           char *text, size_t size) {
    char value[MR_FLOW_MAX_OPTION];
    size_t used = (size_t)snprintf(text, size, "%s", name);
    for (size_t i = 0; i < options->n && used < size; i++) {
        const mr_flow_option *option = &options->rows[i];
        mr_flow_option_write(option, values, value);
        used += (size_t)snprintf(text + used, size - used, "%c%s=%s", i == 0 ? ':' : ',',
                                 option->name, value);
    }
}
