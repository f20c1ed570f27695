// Conflicting settings on a command line.

#include "cli/conflicts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

mr_assignment mr_assignment_of(const mr_given *given) {
    mr_assignment a = {.setting = given->option, .value = given->value};
    char name[MR_OPTION_TEXT_SIZE];
    mr_option_text(given->name, name);
    snprintf(a.before, sizeof a.before, "%s ", name);
    return a;
}

static mr_status fail_twice(const char *name, const mr_assignment *a, const mr_assignment *b) {
    if (a == b)
        return mr_fail(MR_ERR_USAGE, "%.60s is given twice in %s%.200s; leave out one of them",
                       name, a->before, a->value);
    return mr_fail(MR_ERR_USAGE,
                   "%.60s is given twice, by %s%.200s and by %s%.200s; leave out one of them", name,
                   a->before, a->value, b->before, b->value);
}

// Writes the canonical text of the value. An invalid value is copied: it is reported later.
static void normalise(const mr_assignment *a, char text[MR_MAX_TEXT]) {
    char *fields = calloc(1, a->setting->offset + MR_MAX_TEXT); // no field is larger than a text
    if (fields != NULL && mr_setting_store(a->setting, fields, a->value, "") == MR_OK)
        mr_setting_format(a->setting, fields, text, MR_MAX_TEXT);
    else
        snprintf(text, MR_MAX_TEXT, "%s", a->value);
    free(fields);
}

static bool is_same_value(const mr_assignment *a, const mr_assignment *b) {
    char text_a[MR_MAX_TEXT], text_b[MR_MAX_TEXT];
    if (strcmp(a->value, b->value) == 0)
        return true;
    normalise(a, text_a);
    normalise(b, text_b);
    return strcmp(text_a, text_b) == 0;
}

// A pair of key=value,key=value.
typedef struct {
    const char *key, *value;
    int n_key, n_value;
} pair;

// Takes the first pair off `*rest`; false if there is none.
static bool next_pair(const char **rest, pair *out) {
    const char *text = *rest;
    if (*text == '\0')
        return false;
    const size_t length = strcspn(text, ","), n_key = strcspn(text, "=,");
    const size_t n_value = n_key < length ? length - n_key - 1 : 0;
    *out = (pair){text, text + length - n_value, (int)n_key, (int)n_value};
    *rest = text + length + (text[length] == ',');
    return true;
}

static bool contradicts(const pair *p, const pair *q) {
    return p->n_key == q->n_key && memcmp(p->key, q->key, (size_t)p->n_key) == 0 &&
           (p->n_value != q->n_value || memcmp(p->value, q->value, (size_t)p->n_value) != 0);
}

// `a` and `b` may be the same.
static mr_status check_pairs(const mr_assignment *a, const mr_assignment *b) {
    pair p, q;
    for (const char *rest_a = a->value; next_pair(&rest_a, &p);)
        for (const char *rest_b = b->value; next_pair(&rest_b, &q);)
            if (contradicts(&p, &q)) {
                char name[64];
                snprintf(name, sizeof name, "%.*s", p.n_key, p.key);
                return fail_twice(name, a, b);
            }
    return MR_OK;
}

static mr_status check_both(const mr_assignment *a, const mr_assignment *b) {
    if (a->setting != b->setting)
        return MR_OK;
    if (a->setting->type == MR_SETTING_PAIRS)
        return check_pairs(a, b);
    return is_same_value(a, b) ? MR_OK : fail_twice(a->setting->name, a, b);
}

mr_status mr_check_conflicts(size_t n, const mr_assignment *given) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            const mr_status status = check_both(&given[j], &given[i]);
            if (status != MR_OK)
                return status;
        }
    return MR_OK;
}
