// Reading and writing the text form of a flow.

#include "flows/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

enum { MAX_TEXT = 256 };

// ---- Lists of choices, for messages

static void append(char *list, size_t size, const char *separator, const char *word) {
    const size_t used = strlen(list);
    snprintf(list + used, size - used, "%s%s", used > 0 ? separator : "", word);
}

static mr_status fail_kind(const char *name) {
    char names[MAX_TEXT] = "";
    for (size_t i = 0; i < mr_flow_n_kinds; i++)
        append(names, sizeof names, ", ", mr_flow_kinds[i]->name);
    return mr_fail(MR_ERR_USAGE, "flow '%s': there is no such kind; choose from %s", name, names);
}

static mr_status fail_option(const mr_flow_kind *kind, const char *text, const char *name) {
    char names[MAX_TEXT] = "";
    for (size_t i = 0; i < kind->n_options; i++)
        append(names, sizeof names, ", ", kind->options[i].name);
    return mr_fail(MR_ERR_USAGE, "flow '%s': %s has no option '%s'; it has %s", text, kind->name,
                   name, names[0] ? names : "none");
}

// ---- The types of options

/// How an option's value is read, written, and what a message says of it.
typedef struct {
    bool (*parse)(const mr_flow_option *option, const char *text, void *field);
    void (*format)(const void *field, char *text, size_t size);
    void (*explain)(const mr_flow_option *option, char *text, size_t size);
} option_type;

static bool count_parse(const mr_flow_option *option, const char *text, void *field) {
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    const unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || value < 1 || value > option->max)
        return false;
    *(size_t *)field = value;
    return true;
}

static void count_format(const void *field, char *text, size_t size) {
    snprintf(text, size, "%zu", *(const size_t *)field);
}

static void count_explain(const mr_flow_option *option, char *text, size_t size) {
    snprintf(text, size, "a whole number from 1 to %zu", option->max);
}

// Plain decimal notation: no spaces, no hexadecimal, no "nan" or "inf".
static bool real_parse(const mr_flow_option *option, const char *text, void *field) {
    char *end;
    if (*text == '\0' || text[strspn(text, "0123456789.")] != '\0')
        return false;
    const double value = mr_number_read(text, &end);
    if (*end != '\0' || value < 1 || value > (double)option->max)
        return false;
    *(double *)field = value;
    return true;
}

static void real_format(const void *field, char *text, size_t size) {
    mr_number_write(text, size, *(const double *)field);
}

static void real_explain(const mr_flow_option *option, char *text, size_t size) {
    snprintf(text, size, "a number from 1 to %zu", option->max);
}

static bool widths_parse(const mr_flow_option *option, const char *text, void *field) {
    (void)option;
    return mr_widths_parse(text, field);
}

static void widths_format(const void *field, char *text, size_t size) {
    mr_widths_format(field, 'x', text, size);
}

static void widths_explain(const mr_flow_option *option, char *text, size_t size) {
    (void)option;
    snprintf(text, size, "widths from 1 to 65536");
}

static const option_type types[] = {
    [MR_FLOW_COUNT] = {count_parse, count_format, count_explain},
    [MR_FLOW_REAL] = {real_parse, real_format, real_explain},
    [MR_FLOW_WIDTHS] = {widths_parse, widths_format, widths_explain},
};

// ---- Reading

static const mr_flow_kind *find_kind(const char *name, size_t n) {
    for (size_t i = 0; i < mr_flow_n_kinds; i++)
        if (strlen(mr_flow_kinds[i]->name) == n && strncmp(mr_flow_kinds[i]->name, name, n) == 0)
            return mr_flow_kinds[i];
    return NULL;
}

static const mr_flow_option *find_option(const mr_flow_kind *kind, const char *name) {
    for (size_t i = 0; i < kind->n_options; i++)
        if (strcmp(kind->options[i].name, name) == 0)
            return &kind->options[i];
    return NULL;
}

static bool parse_value(const mr_flow_option *option, const char *value, mr_flow_options *options) {
    return types[option->type].parse(option, value, (char *)options + option->offset);
}

// The value that an option is given before `item`; NULL: none.
static const char *value_before(const char *items, const char *item, const char *name) {
    for (const char *at = items; at < item; at += strlen(at) + 1) {
        const char *value = at + strlen(at) + 1;
        if (strcmp(at, name) == 0)
            return value;
        at = value;
    }
    return NULL;
}

// `items` are all of them, those before `item` as this leaves them: "name\0value".
static mr_status read_option(const mr_flow_kind *kind, const char *text, const char *items,
                             char *item, mr_flow_options *options) {
    char *equals = strchr(item, '=');
    if (equals)
        *equals = '\0';
    const mr_flow_option *option = find_option(kind, item);
    if (!option)
        return fail_option(kind, text, item);
    const char *before = value_before(items, item, item);
    if (equals && before && strcmp(before, equals + 1) != 0)
        return mr_fail(MR_ERR_USAGE,
                       "flow '%s': %s is given twice, as %s and as %s; leave out one of them", text,
                       item, before, equals + 1);
    if (equals && parse_value(option, equals + 1, options))
        return MR_OK;
    char expected[MAX_TEXT];
    types[option->type].explain(option, expected, sizeof expected);
    return mr_fail(MR_ERR_USAGE, "flow '%s': %s must be %s, as in %s=%s", text, item, expected,
                   item, option->initial);
}

mr_status mr_flow_text_read(const char *text, const mr_flow_kind **kind_out, mr_flow_options *out) {
    char copy[MAX_TEXT];
    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
        return mr_fail(MR_ERR_USAGE, "flow '%.40s...': longer than %d characters; shorten it", text,
                       MAX_TEXT - 1);
    const size_t n_name = strcspn(copy, ":");
    const bool has_options = copy[n_name] == ':';
    copy[n_name] = '\0';
    const mr_flow_kind *kind = find_kind(copy, n_name);
    if (!kind)
        return fail_kind(copy);

    mr_flow_options options = {0};
    for (size_t i = 0; i < kind->n_options; i++)
        parse_value(&kind->options[i], kind->options[i].initial, &options);
    char *const items = copy + n_name + 1;
    char *rest = items;
    while (has_options && rest) {
        char *item = strsep(&rest, ",");
        const mr_status status = read_option(kind, text, items, item, &options);
        if (status != MR_OK)
            return status;
    }
    *kind_out = kind;
    *out = options;
    return MR_OK;
}

// ---- Writing

void mr_flow_text_write(const mr_flow_kind *kind, const mr_flow_options *options, char *text,
                        size_t size) {
    char item[MAX_TEXT];
    snprintf(text, size, "%s", kind->name);
    for (size_t i = 0; i < kind->n_options; i++) {
        const mr_flow_option *option = &kind->options[i];
        const void *field = (const char *)options + option->offset;
        const int n = snprintf(item, sizeof item, "%c%s=", i == 0 ? ':' : ',', option->name);
        types[option->type].format(field, item + n, sizeof item - (size_t)n);
        append(text, size, "", item);
    }
}
