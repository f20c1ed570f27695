/// The sequences that a text consists of, as codes of an alphabet. Private to flows/ and to the
/// command.
///
/// A sequence is a line with its end, or a window of running text. In a row of data, its context
/// comes first: the codes before it. A line has one, the mark; a window has as many as its model's
/// net sees, so that each character of a text, but for the first ones, is conditional on as many
/// before it.
#pragma once

#include "base/real.h"
#include "flows/characters.h"

enum { MR_MAX_LINE = 1024 }; // characters

typedef struct {
    size_t context; // codes before a sequence
    size_t longest; // codes of the longest sequence
    size_t n_codes;
    uint32_t *code; // [n_codes] of all sequences
    size_t n;
    size_t *first; // [n + 1] the first code of each sequence, and n_codes
} mr_sequences;

/// Cuts a text into sequences.
///
///   name    of the text, for messages
///   length  characters of a window; 0: lines, of which empty ones are left out
///
/// Fails with MR_ERR_INPUT, naming line and column, on a character that is not in the alphabet, on
/// a line of more than MR_MAX_LINE characters, and if there is no sequence. To be freed.
mr_status mr_sequences_cut(const char *name, const mr_characters *text, const mr_alphabet *alphabet,
                           size_t length, size_t context, mr_sequences *out);
void mr_sequences_free(mr_sequences *sequences);

/// Codes of a sequence. Each is counted as a character.
size_t mr_sequences_length(const mr_sequences *sequences, size_t i);

/// The row of data of a sequence, [width], width > context + its length: context, codes, and -1
/// after its end.
void mr_sequences_fill(const mr_sequences *sequences, size_t i, size_t width, mr_real *row);
