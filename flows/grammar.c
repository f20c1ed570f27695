// Reading and writing compositions.

#include "flows/grammar.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"

enum { MAX_DEPTH = 16, MAX_CHOICES = 512 };

static const char inverse[] = "inverse";
static const char name_characters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";

/// A text that is being read.
typedef struct {
    const char *text, *at;
    mr_arena *arena;
    size_t depth; // of brackets and parentheses
} reader;

/// A piece of the text.
typedef struct {
    const char *at;
    size_t n;
} word;

// ---- Messages

static mr_status fail_at(const reader *r, const char *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static mr_status fail_at(const reader *r, const char *place, const char *format, ...) {
    char cause[MAX_CHOICES + 256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cause, sizeof cause, format, arguments);
    va_end(arguments);
    return mr_fail(MR_ERR_USAGE, "flow '%.200s', column %td: %s", r->text, place - r->text + 1,
                   cause);
}

// What may stand at a place: any part, or element-wise transforms alone.
static bool is_choice(const mr_part_ops *ops, bool is_transform) {
    return !is_transform || ops->transform;
}

// "" for a part that is no choice: names without letters are not listed.
static const char *choice_at(const void *is_transform, size_t i) {
    const mr_part_ops *ops = mr_part_table[i];
    return is_choice(ops, *(const bool *)is_transform) ? ops->name : "";
}

static mr_status fail_name(const reader *r, word name, bool is_transform) {
    char choices[MAX_CHOICES];
    mr_list_names(mr_part_table_size, choice_at, &is_transform, sizeof choices, choices);
    const char *what = is_transform ? "element-wise transform" : "part";
    if (name.n == 0)
        return fail_at(r, name.at, "expected %s %s; choose from %s, %s(...)",
                       is_transform ? "an" : "a", what, choices, inverse);
    return fail_at(r, name.at, "there is no %s '%.*s'; choose from %s, %s(...)", what, (int)name.n,
                   name.at, choices, inverse);
}

static mr_status fail_expected(const reader *r, const char *what) {
    return *r->at ? fail_at(r, r->at, "expected %s, found '%c'", what, *r->at)
                  : fail_at(r, r->at, "expected %s, but the text ends", what);
}

// ---- Words

static void skip_spaces(reader *r) {
    r->at += strspn(r->at, " ");
}

// Takes a character if it is the next.
static bool take(reader *r, char c) {
    skip_spaces(r);
    if (*r->at != c)
        return false;
    r->at++;
    return true;
}

static word take_name(reader *r) {
    skip_spaces(r);
    const word name = {r->at, strspn(r->at, name_characters)};
    r->at += name.n;
    return name;
}

static bool is(word w, const char *text) {
    return strlen(text) == w.n && strncmp(w.at, text, w.n) == 0;
}

// ---- Arguments of a part

static mr_status read_item(reader *r, bool is_transform, mr_term **out);

// What comes after `name=`, up to a comma or parenthesis.
static mr_status read_option(reader *r, const mr_part_ops *ops, word name, unsigned *given,
                             void *values) {
    char names[MAX_CHOICES], value[MR_FLOW_MAX_OPTION], expected[MR_FLOW_MAX_OPTION];
    const mr_flow_option *option = mr_flow_option_find(&ops->options, name.at, name.n);
    if (!option) {
        mr_flow_option_names(&ops->options, names, sizeof names);
        return fail_at(r, name.at, "%s has no option '%.*s'; it has %s", ops->name, (int)name.n,
                       name.at, names);
    }
    skip_spaces(r);
    const char *at = r->at;
    size_t n = strcspn(at, ",()[]= ");
    r->at += n;
    snprintf(value, sizeof value, "%.*s", (int)(n < sizeof value ? n : sizeof value - 1), at);
    if (n >= sizeof value || !mr_flow_option_read(option, value, values)) {
        mr_flow_option_explain(option, expected);
        return fail_at(r, at, "%s of %s must be %s, as in %s=%s", option->name, ops->name, expected,
                       option->name, option->initial);
    }
    const unsigned bit = 1U << (option - ops->options.rows);
    if (*given & bit)
        return fail_at(r, name.at, "%s is given twice; leave out one of them", option->name);
    *given |= bit;
    return MR_OK;
}

static mr_status read_arguments(reader *r, mr_term *term, void *values) {
    const mr_part_ops *ops = term->ops;
    unsigned given = 0; // a bit for each option
    do {
        skip_spaces(r);
        const char *argument = r->at;
        const word name = take_name(r);
        mr_status status;
        if (name.n > 0 && take(r, '=')) {
            status = read_option(r, ops, name, &given, values);
        } else if (ops->has_transform && !term->first) {
            r->at = argument;
            status = read_item(r, true, &term->first);
        } else {
            char names[MAX_CHOICES];
            mr_flow_option_names(&ops->options, names, sizeof names);
            status = fail_at(r, argument, "expected an option of %s as name=value; it has %s",
                             ops->name, names);
        }
        if (status != MR_OK)
            return status;
    } while (take(r, ','));
    return take(r, ')') ? MR_OK : fail_expected(r, "',' or ')'");
}

static mr_status read_part(reader *r, word name, bool is_transform, mr_term *term) {
    for (size_t i = 0; i < mr_part_table_size && !term->ops; i++)
        if (is(name, mr_part_table[i]->name) && is_choice(mr_part_table[i], is_transform))
            term->ops = mr_part_table[i];
    if (!term->ops)
        return fail_name(r, name, is_transform);
    void *values = mr_arena_alloc(r->arena, term->ops->options.size + 1);
    if (!values)
        return mr_fail_memory("a flow");
    term->type = MR_TERM_PART;
    term->options = values;
    mr_flow_options_init(&term->ops->options, values);
    if (take(r, '(')) {
        const mr_status status = read_arguments(r, term, values);
        if (status != MR_OK)
            return status;
    }
    if (term->ops->has_transform && !term->first)
        return fail_at(r, name.at, "%s needs an element-wise transform, as in %s(affine)",
                       term->ops->name, term->ops->name);
    return MR_OK;
}

// ---- Items

static mr_status read_inverse(reader *r, bool is_transform, mr_term *term) {
    term->type = MR_TERM_INVERSE;
    if (!take(r, '('))
        return fail_expected(r, "'(' after inverse");
    const mr_status status = read_item(r, is_transform, &term->first);
    if (status != MR_OK)
        return status;
    return take(r, ')') ? MR_OK : fail_expected(r, "')'");
}

static mr_status read_sequence(reader *r, mr_term *term) {
    mr_term **end = &term->first;
    term->type = MR_TERM_SEQUENCE;
    if (take(r, ']'))
        return MR_OK;
    do {
        const mr_status status = read_item(r, false, end);
        if (status != MR_OK)
            return status;
        end = &(*end)->next;
    } while (take(r, ','));
    return take(r, ']') ? MR_OK : fail_expected(r, "',' or ']'");
}

static mr_status read_count(reader *r, const char *item, mr_term *term) {
    skip_spaces(r);
    const char *at = r->at;
    char *end = (char *)at;
    term->repeat = *at >= '1' && *at <= '9' ? strtoul(at, &end, 10) : 0;
    r->at = end;
    if (term->repeat < 1 || term->repeat > MR_FLOW_MAX_PARTS)
        return fail_at(r, at, "after '*' comes a whole number from 1 to %d", MR_FLOW_MAX_PARTS);
    if (mr_term_count(term) > MR_FLOW_MAX_PARTS)
        return fail_at(r, item, "these are %zu parts; a flow may have %d", mr_term_count(term),
                       MR_FLOW_MAX_PARTS);
    return MR_OK;
}

static mr_status read_unit(reader *r, bool is_transform, mr_term *term) {
    if (!is_transform && take(r, '['))
        return read_sequence(r, term);
    const word name = take_name(r);
    if (is(name, inverse))
        return read_inverse(r, is_transform, term);
    return read_part(r, name, is_transform, term);
}

static mr_status read_item(reader *r, bool is_transform, mr_term **out) {
    skip_spaces(r);
    const char *item = r->at;
    mr_term *term = mr_arena_alloc(r->arena, sizeof *term);
    if (!term)
        return mr_fail_memory("a flow");
    term->repeat = 1;
    *out = term;
    if (++r->depth > MAX_DEPTH)
        return fail_at(r, item, "brackets are nested more than %d deep", MAX_DEPTH);
    mr_status status = read_unit(r, is_transform, term);
    r->depth--;
    if (status == MR_OK && !is_transform && take(r, '*'))
        status = read_count(r, item, term);
    return status;
}

mr_status mr_flow_parse(const char *text, mr_arena *arena, mr_term **out) {
    reader r = {.text = text, .at = text, .arena = arena};
    mr_status status = read_item(&r, false, out);
    skip_spaces(&r);
    if (status == MR_OK && *r.at != '\0')
        status = fail_at(&r, r.at, "expected the end of the text, found '%c'%s", *r.at,
                         *r.at == ',' ? "; put the parts in brackets, as in [lu, planar]" : "");
    if (status == MR_OK && mr_term_count(*out) > MR_FLOW_MAX_PARTS)
        status = fail_at(&r, text, "these are %zu parts; a flow may have %d", mr_term_count(*out),
                         MR_FLOW_MAX_PARTS);
    return status;
}

size_t mr_term_count(const mr_term *term) {
    size_t n = term->type == MR_TERM_PART;
    for (const mr_term *item = term->first; item && term->type != MR_TERM_PART; item = item->next)
        n += mr_term_count(item);
    return n * term->repeat;
}

// ---- Writing

/// A text that is being written. `used` counts what would be needed.
typedef struct {
    char *text;
    size_t size, used;
} writer;

static void put(writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(writer *w, const char *format, ...) {
    va_list arguments;
    const size_t at = w->used < w->size ? w->used : w->size;
    va_start(arguments, format);
    w->used += (size_t)vsnprintf(w->text + at, w->size - at, format, arguments);
    va_end(arguments);
}

static void write_term(writer *w, const mr_term *term);

static void write_items(writer *w, const mr_term *first) {
    for (const mr_term *item = first; item; item = item->next) {
        put(w, "%s", item == first ? "" : ", ");
        write_term(w, item);
    }
}

static void write_part(writer *w, const mr_term *term) {
    char value[MR_FLOW_MAX_OPTION];
    const char *separator = "(";
    put(w, "%s", term->ops->name);
    if (term->first) {
        put(w, "%s", separator);
        write_term(w, term->first);
        separator = ", ";
    }
    for (size_t i = 0; i < term->ops->options.n; i++) {
        const mr_flow_option *option = &term->ops->options.rows[i];
        mr_flow_option_write(option, term->options, value);
        put(w, "%s%s=%s", separator, option->name, value);
        separator = ", ";
    }
    put(w, "%s", *separator == ',' ? ")" : "");
}

static void write_term(writer *w, const mr_term *term) {
    switch (term->type) {
    case MR_TERM_SEQUENCE:
        put(w, "[");
        write_items(w, term->first);
        put(w, "]");
        break;
    case MR_TERM_INVERSE:
        put(w, "%s(", inverse);
        write_term(w, term->first);
        put(w, ")");
        break;
    case MR_TERM_PART:
        write_part(w, term);
        break;
    }
    if (term->repeat > 1)
        put(w, "*%zu", term->repeat);
}

mr_status mr_flow_print(const mr_term *term, char *text, size_t size) {
    writer w = {.text = text, .size = size};
    write_term(&w, term);
    if (w.used < size)
        return MR_OK;
    return mr_fail(MR_ERR_USAGE,
                   "flow '%.60s...': with all options written out it is longer than %zu "
                   "characters; shorten it by repetitions, as in [lu, planar]*4",
                   text, size - 1);
}
