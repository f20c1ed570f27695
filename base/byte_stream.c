// Files as streams of bytes, inflated by ISA-L where they are gzip files.

#include "base/byte_stream.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

enum { CHUNK = 1 << 16 }; // bytes that are read at once

static const unsigned char gzip_magic[] = {0x1f, 0x8b};

struct mr_byte_stream {
    char *path;              // owned
    int file;                // owned
    bool is_gzip, is_inside; // inside: of a member of the gzip file
    struct inflate_state inflate;
    unsigned char *at; // of `chunk`: n_left bytes are to be used
    size_t n_left;
    unsigned char chunk[CHUNK];
};

static mr_status fill(mr_byte_stream *s) {
    ssize_t n_read;
    do
        n_read = read(s->file, s->chunk, CHUNK);
    while (n_read < 0 && errno == EINTR);
    if (n_read < 0)
        return mr_fail(MR_ERR_IO, "cannot read %s: %s; check the disk", s->path, strerror(errno));
    s->at = s->chunk;
    s->n_left = (size_t)n_read;
    return MR_OK;
}

mr_status mr_byte_stream_open(const char *path, mr_byte_stream **out) {
    mr_status status;
    size_t n_bytes;
    mr_byte_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return mr_fail_memory(path);
    s->file = -1;
    s->path = strdup(path);
    if (s->path == NULL) {
        status = mr_fail_memory(path);
        goto done;
    }
    MR_TRY(mr_file_open(path, &s->file, &n_bytes));
    MR_TRY(fill(s));
    s->is_gzip =
        s->n_left >= sizeof gzip_magic && memcmp(s->at, gzip_magic, sizeof gzip_magic) == 0;
    *out = s;
    s = NULL;
done:
    mr_byte_stream_close(s);
    return status;
}

void mr_byte_stream_close(mr_byte_stream *s) {
    if (s == NULL)
        return;
    if (s->file >= 0)
        close(s->file);
    free(s->path);
    free(s);
}

bool mr_byte_stream_is_gzip(const mr_byte_stream *s) {
    return s->is_gzip;
}

// The next bytes of the file, at most n; none at its end.
static mr_status read_plain(mr_byte_stream *s, size_t n, unsigned char *out, size_t *n_read) {
    const mr_status status = s->n_left == 0 ? fill(s) : MR_OK;
    *n_read = n < s->n_left ? n : s->n_left;
    memcpy(out, s->at, *n_read);
    s->at += *n_read;
    s->n_left -= *n_read;
    return status;
}

static mr_status fail_gzip(const mr_byte_stream *s) {
    return mr_fail(MR_ERR_INPUT, "%s: its gzip data is damaged or cut short; copy it again",
                   s->path);
}

// The same of what the gzip file holds. It may be several members, one after the other.
static mr_status read_gzip(mr_byte_stream *s, size_t n, unsigned char *out, size_t *n_read) {
    const size_t n_most = n < CHUNK ? n : CHUNK;
    *n_read = 0;
    while (*n_read == 0) {
        const mr_status status = s->n_left == 0 ? fill(s) : MR_OK;
        if (status != MR_OK)
            return status;
        if (s->n_left == 0 && !s->is_inside)
            return MR_OK;
        if (!s->is_inside) {
            isal_inflate_init(&s->inflate);
            s->inflate.crc_flag = ISAL_GZIP;
            s->is_inside = true;
        }
        const bool is_at_end = s->n_left == 0; // what was read before may still be to be inflated
        s->inflate.next_in = s->at;
        s->inflate.avail_in = (uint32_t)s->n_left;
        s->inflate.next_out = out;
        s->inflate.avail_out = (uint32_t)n_most;
        const int result = isal_inflate(&s->inflate);
        s->at = s->inflate.next_in;
        s->n_left = s->inflate.avail_in;
        *n_read = n_most - s->inflate.avail_out;
        s->is_inside = s->inflate.block_state != ISAL_BLOCK_FINISH;
        if (result < 0 || result == ISAL_NEED_DICT)
            return fail_gzip(s);
        if (is_at_end && *n_read == 0 && s->is_inside)
            return fail_gzip(s);
    }
    return MR_OK;
}

mr_status mr_byte_stream_read(mr_byte_stream *s, size_t n, void *out, size_t *n_read) {
    size_t n_done = 0, n_now = 0;
    do {
        const mr_status status = (s->is_gzip ? read_gzip : read_plain)(
            s, n - n_done, (unsigned char *)out + n_done, &n_now);
        if (status != MR_OK)
            return status;
        n_done += n_now;
    } while (n_done < n && n_now > 0);
    *n_read = n_done;
    return MR_OK;
}
