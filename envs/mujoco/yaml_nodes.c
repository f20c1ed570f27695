// Values of a YAML document, with checks and messages.

#include "envs/mujoco/yaml_nodes_internal.h"

#include "base/nearest.h"
#include "base/number.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_SIZE = 768, CAUSE_SIZE = 1024 };

// ---- Failures

mr_status mr_yaml_fault(const mr_yaml_reader *r, const yaml_node_t *node, const char *what) {
    char cause[CAUSE_SIZE]; // may be the message of an earlier failure
    snprintf(cause, sizeof cause, "%s", what);
    return mr_fail(MR_ERR_INPUT, "%s:%zu:%zu: %s", r->path, node->start_mark.line + 1,
                   node->start_mark.column + 1, cause);
}

// "unknown WHAT "text"; did you mean ...?", or the list of the n names.
mr_status mr_yaml_unknown(const mr_yaml_reader *r, const yaml_node_t *node, const char *what,
                          const char *text, size_t n, mr_name_at *at, const void *table) {
    char cause[CAUSE_SIZE], list[LIST_SIZE];
    const char *nearest = mr_nearest(text, n, at, table);
    if (nearest != NULL) {
        snprintf(cause, sizeof cause, "unknown %s \"%.60s\"; did you mean \"%s\"?", what, text,
                 nearest);
        return mr_yaml_fault(r, node, cause);
    }
    mr_list_names(n, at, table, sizeof list, list);
    snprintf(cause, sizeof cause, "unknown %s \"%.60s\"; there are %s", what, text, list);
    return mr_yaml_fault(r, node, cause);
}

// ---- Values

yaml_node_t *mr_yaml_node(mr_yaml_reader *r, int index) {
    return yaml_document_get_node(&r->document, index);
}

mr_status mr_yaml_text(const mr_yaml_reader *r, const yaml_node_t *node, const char **out) {
    if (node->type != YAML_SCALAR_NODE)
        return mr_yaml_fault(r, node, "expected one plain value here");
    const char *text = (const char *)node->data.scalar.value;
    for (size_t i = 0; i < node->data.scalar.length; i++)
        if (iscntrl((unsigned char)text[i]))
            return mr_yaml_fault(r, node, "a control character cannot be part of a value");
    *out = text;
    return MR_OK;
}

mr_status mr_yaml_name(const mr_yaml_reader *r, const yaml_node_t *node, size_t size, char *out) {
    const char *text = "";
    const mr_status status = mr_yaml_text(r, node, &text);
    if (status != MR_OK)
        return status;
    if (text[0] == '\0' || strlen(text) >= size) {
        char cause[CAUSE_SIZE];
        snprintf(cause, sizeof cause, "expected from 1 to %zu bytes here, not %zu", size - 1,
                 strlen(text));
        return mr_yaml_fault(r, node, cause);
    }
    snprintf(out, size, "%s", text);
    return MR_OK;
}

// A number as YAML writes it: infinity is .inf there.
static mr_status get_number(const mr_yaml_reader *r, const yaml_node_t *node, double *out) {
    const char *text = "";
    const mr_status status = mr_yaml_text(r, node, &text);
    if (status != MR_OK)
        return status;
    const bool is_negative = text[0] == '-';
    if (strcmp(text + is_negative, ".inf") == 0 || strcmp(text + is_negative, "inf") == 0) {
        *out = is_negative ? -INFINITY : INFINITY;
        return MR_OK;
    }
    char *end;
    *out = mr_number_read(text, &end);
    if (end == text || *end != '\0' || !isfinite(*out) ||
        text[strspn(text, "0123456789+-.eE")] != '\0')
        return mr_yaml_fault(r, node, "expected a number here, as in 0.1");
    return MR_OK;
}

mr_status mr_yaml_number(const mr_yaml_reader *r, const yaml_node_t *node, double *out) {
    const mr_status status = get_number(r, node, out);
    if (status == MR_OK && !isfinite(*out))
        return mr_yaml_fault(r, node, "expected a finite number here, as in 0.1");
    return status;
}

mr_status mr_yaml_count(const mr_yaml_reader *r, const yaml_node_t *node, double least,
                        size_t *out) {
    double number;
    const mr_status status = get_number(r, node, &number);
    if (status != MR_OK)
        return status;
    if (number != floor(number) || number < least || number > 1e9)
        return mr_yaml_fault(r, node,
                             least > 0.0 ? "expected a whole number from 1 to 1000000000 here"
                                         : "expected a whole number from 0 to 1000000000 here");
    *out = (size_t)number;
    return MR_OK;
}

mr_status mr_yaml_switch(const mr_yaml_reader *r, const yaml_node_t *node, bool *out) {
    const char *text = "";
    const mr_status status = mr_yaml_text(r, node, &text);
    if (status != MR_OK)
        return status;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return mr_yaml_fault(r, node, "expected true or false here");
    *out = strcmp(text, "true") == 0;
    return MR_OK;
}

mr_status mr_yaml_bounds(mr_yaml_reader *r, const yaml_node_t *node, mr_range *out) {
    mr_status status;
    if (node->type != YAML_SEQUENCE_NODE ||
        node->data.sequence.items.top - node->data.sequence.items.start != 2)
        return mr_yaml_fault(r, node, "expected two numbers here, as in [0.2, 1.0] or [-.inf, 10]");
    const int *items = node->data.sequence.items.start;
    MR_TRY(get_number(r, mr_yaml_node(r, items[0]), &out->low));
    MR_TRY(get_number(r, mr_yaml_node(r, items[1]), &out->high));
    if (!(out->low <= out->high))
        status = mr_yaml_fault(r, node, "the first of the two numbers must be the smaller one");
done:
    return status;
}

mr_status mr_yaml_range(mr_yaml_reader *r, const yaml_node_t *node, mr_range *out) {
    const mr_status status = mr_yaml_bounds(r, node, out);
    if (status == MR_OK && !(out->low < out->high))
        return mr_yaml_fault(r, node, "the first of the two numbers must be the smaller one");
    return status;
}

mr_status mr_yaml_finite_range(mr_yaml_reader *r, const yaml_node_t *node, mr_range *out) {
    const mr_status status = mr_yaml_range(r, node, out);
    if (status == MR_OK && (!isfinite(out->low) || !isfinite(out->high)))
        return mr_yaml_fault(r, node, "expected two finite numbers here, as in [-0.2, 0.2]");
    return status;
}

size_t mr_yaml_length(const yaml_node_t *node) {
    return node->type == YAML_SEQUENCE_NODE
               ? (size_t)(node->data.sequence.items.top - node->data.sequence.items.start)
               : 0;
}

// ---- Tables

// Tables that end at NULL, whose rows begin with a name.
static const char *listed_name_at(const void *table, size_t i) {
    const char *const *const *rows = table;
    return *rows[i];
}

static size_t count_listed(const void *table) {
    const void *const *rows = table;
    size_t n = 0;
    while (rows[n] != NULL)
        n++;
    return n;
}

mr_status mr_yaml_listed(const mr_yaml_reader *r, const yaml_node_t *node, const char *what,
                         const void *table, const void **out) {
    const char *text = "";
    const size_t n = count_listed(table);
    const mr_status status = mr_yaml_text(r, node, &text);
    if (status != MR_OK)
        return status;
    for (size_t i = 0; i < n; i++)
        if (strcmp(listed_name_at(table, i), text) == 0) {
            *out = ((const void *const *)table)[i];
            return MR_OK;
        }
    return mr_yaml_unknown(r, node, what, text, n, listed_name_at, table);
}
