/// Dictionaries: the names of a column's categories.
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/// Texts in UTF-8, each once, in the order of their bytes, which is that of their characters'
/// numbers. The code of a text is its place, from 0. Begin with zeros.
typedef struct {
    size_t n;
    char **name; // [n] owned
} mr_dictionary;

/// Adds a text unless it is there. The codes of those behind it rise by one. Fails with
/// MR_ERR_MEMORY alone.
mr_status mr_dictionary_add(mr_dictionary *dictionary, const char *text);

/// Whether a text is there, and its code.
bool mr_dictionary_find(const mr_dictionary *dictionary, const char *text, size_t *code);

/// A copy, which the caller frees. Fails with MR_ERR_MEMORY alone.
mr_status mr_dictionary_copy(const mr_dictionary *dictionary, mr_dictionary *out);

/// Frees what it holds, and empties it.
void mr_dictionary_free(mr_dictionary *dictionary);

/// The dictionaries of n columns, n = 0: the column holds numbers. An array of them, which NULL may
/// stand for, is copied and freed as a whole.
mr_status mr_dictionaries_copy(size_t n, const mr_dictionary *dictionaries, mr_dictionary **out);
void mr_dictionaries_free(size_t n, mr_dictionary *dictionaries);
