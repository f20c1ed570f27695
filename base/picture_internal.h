/// What base/picture.c and base/jpeg.c share.
#pragma once

#include "base/picture.h"

/// Takes rows of pixels [height x width x channels].
mr_status mr_picture_take_interleaved(const unsigned char *rows, mr_picture *out, size_t channels,
                                      size_t height, size_t width);

/// Fails with MR_ERR_INPUT on a picture that is empty or too large to be read.
mr_status mr_picture_check_size(const char *path, size_t height, size_t width);

/// The shape of a JPEG file of n_bytes, and its pixels.
mr_status mr_jpeg_probe(const char *path, const char *bytes, size_t n_bytes, mr_picture *out);
mr_status mr_jpeg_read(const char *path, const char *bytes, size_t n_bytes, mr_picture *out);
