// JPEG files, by libjpeg. It reports an error by a function that must not return: a jump leads
// back.

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include <jerror.h>

#include "base/picture_internal.h"

typedef struct {
    struct jpeg_error_mgr manager;
    jmp_buf back;
    bool is_in_header;
    char message[JMSG_LENGTH_MAX];
    struct jpeg_decompress_struct file;
    unsigned char *rows; // [height x width x channels] owned
} decoding;

static void jump_back(j_common_ptr file) {
    decoding *d = file->client_data;
    file->err->format_message(file, d->message);
    longjmp(d->back, 1);
}

// A warning is about damaged data (a file that is cut short has one): the picture is not whole.
// Bytes between the parts before the pixels, which some cameras write, are no damage; bytes that
// are left of the pixels are often its only sign.
static void take_message(j_common_ptr file, int level) {
    const decoding *d = file->client_data;
    const bool is_harmless = d->is_in_header && file->err->msg_code == JWRN_EXTRANEOUS_DATA;
    if (level < 0 && !is_harmless)
        jump_back(file);
}

static mr_status begin(const char *path, const char *bytes, size_t n_bytes, decoding *d) {
    d->file.err = jpeg_std_error(&d->manager);
    d->manager.error_exit = jump_back;
    d->manager.emit_message = take_message;
    d->file.client_data = d;
    jpeg_create_decompress(&d->file);
    jpeg_mem_src(&d->file, (const unsigned char *)bytes, n_bytes);
    d->is_in_header = true;
    jpeg_read_header(&d->file, TRUE);
    d->is_in_header = false;
    if (d->file.jpeg_color_space == JCS_CMYK || d->file.jpeg_color_space == JCS_YCCK)
        return mr_fail(MR_ERR_INPUT, "%s: has the colours of a print (CMYK); save it as RGB", path);
    d->file.out_color_space = d->file.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    return mr_picture_check_size(path, d->file.image_height, d->file.image_width);
}

static size_t channels_of(const decoding *d) {
    return d->file.out_color_space == JCS_GRAYSCALE ? 1 : 3;
}

static mr_status read_pixels(const char *path, decoding *d, mr_picture *out) {
    const size_t stride = channels_of(d) * d->file.image_width;
    d->rows = malloc(stride * d->file.image_height);
    if (d->rows == NULL)
        return mr_fail_memory(path);
    jpeg_start_decompress(&d->file);
    while (d->file.output_scanline < d->file.output_height)
        jpeg_read_scanlines(&d->file, &(JSAMPROW){d->rows + d->file.output_scanline * stride}, 1);
    jpeg_finish_decompress(&d->file);
    return mr_picture_take_interleaved(d->rows, out, channels_of(d), d->file.image_height,
                                       d->file.image_width);
}

// With `has_pixels` false, the shape alone.
static mr_status decode(const char *path, const char *bytes, size_t n_bytes, bool has_pixels,
                        mr_picture *out) {
    mr_status status;
    decoding *d = calloc(1, sizeof *d);
    if (d == NULL)
        return mr_fail_memory(path);
    if (setjmp(d->back) != 0) {
        status = mr_fail(MR_ERR_INPUT, "%s: is no whole JPEG file (%s)", path, d->message);
        goto done;
    }
    MR_TRY(begin(path, bytes, n_bytes, d));
    if (has_pixels) {
        status = read_pixels(path, d, out);
        goto done;
    }
    out->channels = channels_of(d);
    out->height = d->file.image_height;
    out->width = d->file.image_width;
done:
    jpeg_destroy_decompress(&d->file);
    free(d->rows);
    free(d);
    return status;
}

mr_status mr_jpeg_probe(const char *path, const char *bytes, size_t n_bytes, mr_picture *out) {
    return decode(path, bytes, n_bytes, false, out);
}

mr_status mr_jpeg_read(const char *path, const char *bytes, size_t n_bytes, mr_picture *out) {
    return decode(path, bytes, n_bytes, true, out);
}
