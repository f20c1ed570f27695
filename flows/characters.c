// Text as characters, and its alphabet.

#include "flows/characters.h"

#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/file.h"

// ---- Decoding

// WCHAR_T is a name that iconv itself knows, whatever the locale: in glibc, 32-bit code points.
_Static_assert(sizeof(wchar_t) == sizeof(uint32_t), "wchar_t holds a code point");

enum { LAST_CHARACTER = 0x10FFFF };

typedef struct {
    size_t line, column; // from 1
} place;

static place place_after(size_t n, const uint32_t *character) {
    place p = {1, 1};
    for (size_t i = 0; i < n; i++) {
        p.column++;
        if (character[i] == '\n')
            p = (place){p.line + 1, 1};
    }
    return p;
}

static mr_status convert(const char *to, const char *from, const void *in, size_t n_in, void *out,
                         size_t n_out, size_t *n_converted) {
    iconv_t converter = iconv_open(to, from);
    *n_converted = 0;
    if ((intptr_t)converter == -1)
        return mr_fail(MR_ERR_IO, "iconv cannot convert %s to %s: %s", from, to, strerror(errno));
    char *source = (char *)in, *target = out;
    const size_t n_room = n_out;
    const size_t result = iconv(converter, &source, &n_in, &target, &n_out);
    iconv_close(converter);
    *n_converted = n_room - n_out;
    return result == (size_t)-1 ? MR_ERR_INPUT : MR_OK;
}

static void drop_carriage_returns(mr_characters *text) {
    size_t n = 0;
    for (size_t i = 0; i < text->n; i++) {
        const bool ends_line = i + 1 < text->n && text->character[i + 1] == '\n';
        if (text->character[i] != '\r' || !ends_line)
            text->character[n++] = text->character[i];
    }
    text->n = n;
}

// UTF-8 as iconv reads it goes on above Unicode's last character.
static mr_status check_characters(const char *name, const mr_characters *text) {
    for (size_t i = 0; i < text->n; i++)
        if (text->character[i] == 0 || text->character[i] > LAST_CHARACTER) {
            const place p = place_after(i, text->character);
            return mr_fail(MR_ERR_INPUT,
                           "%s: line %zu, column %zu is the character U+%04X%s; is it a text?",
                           name, p.line, p.column, (unsigned)text->character[i],
                           text->character[i] == 0 ? "" : ", which is beyond Unicode's last");
        }
    return MR_OK;
}

mr_status mr_characters_parse(const char *name, const char *bytes, size_t n_bytes,
                              mr_characters *out) {
    static const char mark[] = "\xef\xbb\xbf";
    size_t n_converted = 0;
    if (n_bytes >= strlen(mark) && memcmp(bytes, mark, strlen(mark)) == 0) {
        bytes += strlen(mark);
        n_bytes -= strlen(mark);
    }
    mr_characters text = {.character = malloc((n_bytes + 1) * sizeof *text.character)};
    if (!text.character)
        return mr_fail_memory("a text");
    mr_status status = convert("WCHAR_T", "UTF-8", bytes, n_bytes, text.character,
                               n_bytes * sizeof *text.character, &n_converted);
    text.n = n_converted / sizeof *text.character;
    if (status == MR_ERR_INPUT) {
        const place p = place_after(text.n, text.character);
        status = mr_fail(MR_ERR_INPUT, "%s: line %zu, column %zu is not UTF-8; convert the text",
                         name, p.line, p.column);
    }
    if (status == MR_OK)
        status = check_characters(name, &text);
    if (status != MR_OK) {
        mr_characters_free(&text);
        return status;
    }
    drop_carriage_returns(&text);
    *out = text;
    return MR_OK;
}

mr_status mr_characters_read(const char *path, mr_characters *out) {
    char *bytes;
    size_t n_bytes;
    mr_status status = mr_file_read(path, &bytes, &n_bytes);
    if (status != MR_OK)
        return status;
    status = mr_characters_parse(path, bytes, n_bytes, out);
    free(bytes);
    return status;
}

void mr_characters_free(mr_characters *text) {
    free(text->character);
    *text = (mr_characters){0};
}

mr_status mr_characters_print(size_t n, const uint32_t *character, char **out) {
    enum { MAX_BYTES = 4 }; // of a character
    size_t n_bytes;
    char *text = malloc(n * MAX_BYTES + 1);
    if (!text)
        return mr_fail_memory("a text");
    const mr_status status = convert("UTF-8", "WCHAR_T", character, n * sizeof *character, text,
                                     n * MAX_BYTES, &n_bytes);
    if (status != MR_OK) {
        free(text);
        return status;
    }
    text[n_bytes] = '\0';
    *out = text;
    return MR_OK;
}

// ---- The alphabet

static int compare(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

mr_status mr_alphabet_of(const mr_characters *text, uint32_t leave_out, mr_alphabet *out) {
    uint32_t *all = malloc((text->n + 1) * sizeof *all);
    if (!all)
        return mr_fail_memory("an alphabet");
    size_t n = 1;
    memcpy(all + 1, text->character, text->n * sizeof *all);
    qsort(all + 1, text->n, sizeof *all, compare);
    all[0] = 0;
    for (size_t i = 1; i <= text->n; i++)
        if (all[i] != all[n - 1] && all[i] != leave_out)
            all[n++] = all[i];
    const mr_alphabet found = {n, all};
    const mr_status status = mr_alphabet_copy(&found, out); // as small as it can be
    free(all);
    return status;
}

mr_status mr_alphabet_copy(const mr_alphabet *alphabet, mr_alphabet *out) {
    uint32_t *character = malloc(alphabet->n * sizeof *character);
    if (!character)
        return mr_fail_memory("an alphabet");
    memcpy(character, alphabet->character, alphabet->n * sizeof *character);
    *out = (mr_alphabet){alphabet->n, character};
    return MR_OK;
}

void mr_alphabet_free(mr_alphabet *alphabet) {
    free(alphabet->character);
    *alphabet = (mr_alphabet){0};
}

size_t mr_alphabet_find(const mr_alphabet *alphabet, uint32_t character) {
    const uint32_t *found =
        bsearch(&character, alphabet->character, alphabet->n, sizeof *alphabet->character, compare);
    return found ? (size_t)(found - alphabet->character) : 0;
}
