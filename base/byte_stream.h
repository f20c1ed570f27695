/// The bytes of a file, one after the other; those of a gzip file are inflated on the way.
#pragma once

#include "base/status.h"

#include <stdbool.h>

typedef struct mr_byte_stream mr_byte_stream;

/// Opens a regular file. A gzip file is known by its first bytes. The caller closes it.
mr_status mr_byte_stream_open(const char *path, mr_byte_stream **out);
void mr_byte_stream_close(mr_byte_stream *stream); // NULL is fine

/// Reads the next n bytes; `*n_read` are fewer at the end alone. Fails with MR_ERR_IO, and with
/// MR_ERR_INPUT on damaged gzip data.
mr_status mr_byte_stream_read(mr_byte_stream *stream, size_t n, void *out, size_t *n_read);

/// Whether what is read was inflated.
bool mr_byte_stream_is_gzip(const mr_byte_stream *stream);
