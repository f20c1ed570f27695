/// Pictures of 8 bits a channel: PNG and JPEG files (libpng, libjpeg), other sizes.
#pragma once

#include "base/status.h"

#include <stdbool.h>

/// A picture. Begin with zeros.
typedef struct {
    size_t channels; // 1: grey; 3: red, green, blue
    size_t height, width;
    unsigned char *pixels; // [channels x height x width] owned
    size_t n_bytes;        // of the memory at `pixels`, at least
} mr_picture;

/// Frees what it holds, and empties it.
void mr_picture_free(mr_picture *picture);

/// Gives it a shape, and memory for it if it has less. Its pixels are then to be written.
mr_status mr_picture_reshape(mr_picture *picture, size_t channels, size_t height, size_t width);

/// Whether the name is that of a picture: it ends in .png, .jpg or .jpeg.
bool mr_picture_is_name(const char *path);

/// Finds the shape of a picture in a file without its pixels.
mr_status mr_picture_probe(const char *path, mr_picture *out);

/// Reads one: grey if it is stored so, else in colour; transparent pixels over black. Fails with
/// MR_ERR_INPUT on damaged files, 16 bits a channel, and more than 2^28 numbers.
mr_status mr_picture_read(const char *path, mr_picture *out);

/// Writes a .png, whole or not at all. Fails with MR_ERR_USAGE on another name.
mr_status mr_picture_write(const char *path, const mr_picture *picture);

/// The same into memory: the bytes of a .png, to be freed.
mr_status mr_picture_encode(const mr_picture *picture, unsigned char **bytes, size_t *n_bytes);

/// Makes a grey picture one in colour, three times the same.
mr_status mr_picture_colour(mr_picture *picture);

/// Writes a picture in another size: the middle part of that shape (height : width), each pixel
/// of which becomes the mean of the area that it covers.
void mr_picture_resize(const mr_picture *from, size_t height, size_t width, unsigned char *out);

/// n pictures [n x channels x height x width] in a grid of one-pixel lines between them, white, as
/// many columns as make it square.
///
///   columns  of the grid; 0: as many as make it about square
///   scale    each pixel becomes a square of so many, at least 1; the lines stay thin
mr_status mr_picture_grid(size_t n, size_t channels, size_t height, size_t width,
                          const unsigned char *pixels, size_t columns, size_t scale,
                          mr_picture *out);
