/// Text as characters (Unicode code points), and the alphabet of a text. Private to flows/ and to
/// the command.
#pragma once

#include "base/status.h"

#include <stdint.h>

/// A text.
typedef struct {
    size_t n;
    uint32_t *character; // [n] owned
} mr_characters;

/// Reads a file of UTF-8 text, without a byte order mark; a line that ends in "\r\n" ends in "\n".
/// Fails with MR_ERR_INPUT, naming line and column, on anything that is not UTF-8, and on the
/// character U+0000. To be freed.
mr_status mr_characters_read(const char *path, mr_characters *out);

/// The same for a text in memory; messages call it `name`.
mr_status mr_characters_parse(const char *name, const char *bytes, size_t n_bytes,
                              mr_characters *out);
void mr_characters_free(mr_characters *characters);

/// Writes a text as UTF-8. The caller frees it.
mr_status mr_characters_print(size_t n, const uint32_t *character, char **out);

/// The characters that a text is made of. Code 0 is no character but the mark: the end of a line,
/// and what stands before the beginning of a text.
typedef struct {
    size_t n;            // codes, that of the mark counted
    uint32_t *character; // [n] owned; ascending, the first is U+0000
} mr_alphabet;

/// The alphabet of a text.
///
///   leave_out  a character that does not count; U+0000: none
mr_status mr_alphabet_of(const mr_characters *text, uint32_t leave_out, mr_alphabet *out);
mr_status mr_alphabet_copy(const mr_alphabet *alphabet, mr_alphabet *out);
void mr_alphabet_free(mr_alphabet *alphabet);

/// The code of a character; 0: it is not in the alphabet.
size_t mr_alphabet_find(const mr_alphabet *alphabet, uint32_t character);
