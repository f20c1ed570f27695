// The sequences that a text consists of.

#include "flows/sequences.h"

#include <stdbool.h>
#include <stdlib.h>

static mr_status fail_unknown(const char *name, size_t n_codes, uint32_t character, size_t line,
                              size_t column) {
    char *text = NULL;
    mr_status status = mr_characters_print(1, &character, &text);
    if (status == MR_OK)
        status = mr_fail(MR_ERR_INPUT,
                         "%s: line %zu, column %zu: the character '%s' (U+%04X) is not in the "
                         "model's alphabet of %zu; replace it, or fit a model to text that has it",
                         name, line, column, text, (unsigned)character, n_codes - 1);
    free(text);
    return status;
}

/// What has been read of a text.
typedef struct {
    const char *name;
    size_t length;       // of a window; 0: lines
    size_t line, column; // of the next character, from 1
    mr_sequences *s;
} reader;

static void end_sequence(reader *r) {
    mr_sequences *s = r->s;
    const size_t n = s->n_codes - s->first[s->n];
    s->longest = n > s->longest ? n : s->longest;
    s->first[++s->n] = s->n_codes;
}

static void end_line(reader *r) {
    mr_sequences *s = r->s;
    if (s->n_codes == s->first[s->n])
        return;
    s->code[s->n_codes++] = 0;
    end_sequence(r);
}

static mr_status take_character(reader *r, const mr_alphabet *alphabet, uint32_t character) {
    mr_sequences *s = r->s;
    const size_t code = mr_alphabet_find(alphabet, character);
    if (code == 0)
        return fail_unknown(r->name, alphabet->n, character, r->line, r->column);
    if (r->length == 0 && r->column > MR_MAX_LINE)
        return mr_fail(MR_ERR_INPUT,
                       "%s: line %zu has more than %d characters; running text is fitted in "
                       "windows (--flow text:length=128)",
                       r->name, r->line, MR_MAX_LINE);
    s->code[s->n_codes++] = (uint32_t)code;
    if (s->n_codes - s->first[s->n] == r->length)
        end_sequence(r);
    return MR_OK;
}

static mr_status read_text(reader *r, const mr_characters *text, const mr_alphabet *alphabet) {
    const bool has_lines = r->length == 0;
    for (size_t i = 0; i < text->n; i++) {
        const uint32_t c = text->character[i];
        mr_status status = MR_OK;
        if (has_lines && c == '\n')
            end_line(r);
        else
            status = take_character(r, alphabet, c);
        if (status != MR_OK)
            return status;
        r->column++;
        if (c == '\n') {
            r->line++;
            r->column = 1;
        }
    }
    if (has_lines)
        end_line(r);
    else if (r->s->n_codes > r->s->first[r->s->n])
        end_sequence(r);
    return MR_OK;
}

mr_status mr_sequences_cut(const char *name, const mr_characters *text, const mr_alphabet *alphabet,
                           size_t length, size_t context, mr_sequences *out) {
    mr_sequences s = {.context = context,
                      .code = malloc((text->n + 1) * sizeof *s.code),
                      .first = calloc(text->n + 2, sizeof *s.first)};
    reader r = {.name = name, .length = length, .line = 1, .column = 1, .s = &s};
    mr_status status = s.code && s.first ? MR_OK : mr_fail_memory("a text");
    if (status == MR_OK)
        status = read_text(&r, text, alphabet);
    if (status == MR_OK && s.n == 0)
        status = mr_fail(MR_ERR_INPUT, "%s: has no characters; give a text", name);
    if (status != MR_OK) {
        mr_sequences_free(&s);
        return status;
    }
    *out = s;
    return MR_OK;
}

void mr_sequences_free(mr_sequences *s) {
    free(s->code);
    free(s->first);
    *s = (mr_sequences){0};
}

size_t mr_sequences_length(const mr_sequences *s, size_t i) {
    return s->first[i + 1] - s->first[i];
}

void mr_sequences_fill(const mr_sequences *s, size_t i, size_t width, mr_real *row) {
    const size_t first = s->first[i], end = s->first[i + 1];
    for (size_t j = 0; j < width; j++) {
        const size_t at = first + j; // of the code, counted from `context` before the text
        const bool is_before = at < s->context;
        row[j] = is_before ? 0 : at - s->context < end ? (mr_real)s->code[at - s->context] : -1;
    }
}
