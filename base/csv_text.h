/// Cells divided by commas (RFC 4180), read and quoted by libcsv. Private to base/.
#pragma once

#include "base/status.h"

#include <stddef.h>

/// What is told of a .csv file as it is parsed. A failure ends the parsing.
typedef struct {
    void *self;
    /// The next cell of a row, without its quotation marks; [n_bytes and a zero].
    mr_status (*cell)(void *self, const char *text, size_t n_bytes);
    mr_status (*end_row)(void *self);
} mr_csv_visitor;

/// Parses the bytes of a file, or a file from its beginning on, by parts. Spaces around a cell that
/// isn't quoted are left out, and so are empty lines and a byte order mark. Fails with
/// MR_ERR_INPUT, naming the file, on quotation marks in wrong places and on bytes that are no text
/// in UTF-8.
///
///   n_rows  how many rows have been read, for messages; moved by the visitor
mr_status mr_csv_parse(const char *path, const char *bytes, size_t n_bytes, const size_t *n_rows,
                       const mr_csv_visitor *visitor);
mr_status mr_csv_parse_file(const char *path, int file, const size_t *n_rows,
                            const mr_csv_visitor *visitor);

/// The most bytes that a text of n_bytes takes as a cell.
size_t mr_csv_cell_size(size_t n_bytes);

/// Writes a text as a cell, within quotation marks if it needs them, into out
/// [mr_csv_cell_size]; returns how many bytes.
size_t mr_csv_write_cell(char *out, const char *text);
