/// A stream that keeps its text in memory. Its end tells whether all of it is there: what
/// open_memstream lost for want of memory, glibc before 2.38 doesn't say.
#pragma once

#include "base/status.h"

#include <stddef.h>
#include <stdio.h>

/// Must stay where it is while the stream is open.
typedef struct {
    FILE *file;       // to write to; NULL: the stream is not open
    const char *what; // that messages name
    char *text;       // owned by the caller, who frees it after the end; ends with a 0
    size_t n_bytes;   // of the text, without the 0
    size_t room;      // bytes
} mr_text_stream;

/// Opens a stream; `what` must outlive it. Fails with MR_ERR_MEMORY alone.
mr_status mr_text_stream_open(const char *what, mr_text_stream *out);

/// Closes it. Returns `status`, that of the writing, unless that is MR_OK and a write had no
/// memory: MR_ERR_MEMORY. Without MR_OK there is no text, and nothing to free.
mr_status mr_text_stream_close(mr_text_stream *stream, mr_status status);

/// Closes it, and replaces the file `path` by the text (mr_file_replace), unless that or `status`
/// is a failure, which it returns. Nothing is left to free.
mr_status mr_text_stream_save(mr_text_stream *stream, mr_status status, const char *path);
