// Reading and writing the text form of a flow.

#include "flows/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static bool parse_count(const char *text, size_t max, size_t *out) {
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    const unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || value < 1 || value > max)
        return false;
    *out = value;
    return true;
}

static bool parse_value(const mr_flow_option *option, const char *value, mr_flow_options *options) {
    void *field = (char *)options + option->offset;
    return option->type == MR_FLOW_COUNT ? parse_count(value, option->max, field)
                                         : mr_widths_parse(value, field);
}

static mr_status read_option(const mr_flow_kind *kind, const char *text, char *item,
                             mr_flow_options *options) {
    char *equals = strchr(item, '=');
    if (equals)
        *equals = '\0';
    const mr_flow_option *option = find_option(kind, item);
    if (!option)
        return fail_option(kind, text, item);
    if (equals && parse_value(option, equals + 1, options))
        return MR_OK;
    if (option->type == MR_FLOW_COUNT)
        return mr_fail(MR_ERR_USAGE,
                       "flow '%s': %s must be a whole number from 1 to %zu, as in %s=%s", text,
                       item, option->max, item, option->initial);
    return mr_fail(MR_ERR_USAGE, "flow '%s': %s must be widths from 1 to 65536, as in %s=%s", text,
                   item, item, option->initial);
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
    char *rest = copy + n_name + 1;
    while (has_options && rest) {
        char *item = strsep(&rest, ",");
        const mr_status status = read_option(kind, text, item, &options);
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
        if (option->type == MR_FLOW_COUNT)
            snprintf(item + n, sizeof item - (size_t)n, "%zu", *(const size_t *)field);
        else
            mr_widths_format(field, 'x', item + n, sizeof item - (size_t)n);
        append(text, size, "", item);
    }
}
