// A stream that keeps its text in memory.

#include "base/text_stream.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/file.h"

enum { FIRST_ROOM = 1024 };

static ssize_t append(void *self, const char *bytes, size_t n) {
    mr_text_stream *s = self;
    if (n >= s->room - s->n_bytes) {
        const size_t room = 2 * (s->n_bytes + n) + FIRST_ROOM;
        char *grown = realloc(s->text, room);
        if (!grown)
            return 0; // an error of the stream
        s->text = grown;
        s->room = room;
    }
    memcpy(s->text + s->n_bytes, bytes, n);
    s->n_bytes += n;
    s->text[s->n_bytes] = '\0';
    return (ssize_t)n;
}

mr_status mr_text_stream_open(const char *what, mr_text_stream *out) {
    *out = (mr_text_stream){.what = what, .text = calloc(1, FIRST_ROOM), .room = FIRST_ROOM};
    out->file = out->text ? fopencookie(out, "w", (cookie_io_functions_t){.write = append}) : NULL;
    if (out->file)
        return MR_OK;
    free(out->text);
    out->text = NULL;
    return mr_fail_memory(what);
}

mr_status mr_text_stream_close(mr_text_stream *s, mr_status status) {
    const bool has_failed = ferror(s->file) != 0;
    const bool is_whole = fclose(s->file) == 0 && !has_failed;
    s->file = NULL;
    if (status == MR_OK && !is_whole)
        status = mr_fail_memory(s->what);
    if (status != MR_OK) {
        free(s->text);
        s->text = NULL;
    }
    return status;
}

mr_status mr_text_stream_save(mr_text_stream *s, mr_status status, const char *path) {
    status = mr_text_stream_close(s, status);
    if (status != MR_OK)
        return status;
    status = mr_file_replace(path, 1, &(mr_bytes){s->text, s->n_bytes});
    free(s->text);
    s->text = NULL;
    return status;
}
