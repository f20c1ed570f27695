/// A set of images of one size, with labels if its source has some.
#pragma once

#include "base/status.h"

#include <stdbool.h>

/// Images of more bytes than these stay in a file, unless told otherwise.
enum { MR_MAX_IMAGE_BYTES = 1 << 29 };

typedef struct {
    size_t n, channels, height, width;
    unsigned char *pixels; // [n x channels x height x width] owned; NULL: they are in `file`
    int file;              // owned
    size_t offset;         // bytes in the file before the first image
    size_t *label;         // [n] the class of each image; NULL: there are no labels
    size_t n_classes;
    char **classes;     // [n_classes] their names
    bool has_fractions; // pixels were floating-point numbers, and rounded to 8 bits
    size_t n_skipped;   // images that were left out
    char *skipped;      // the message about the first of them; NULL: none
} mr_images;

/// How images are read.
typedef struct {
    size_t height, width; // that all are brought to; 0: they must have one size
    const char *labels;   // a file of labels; NULL: those of the source
    bool skips_bad;       // images that cannot be read are left out, not a failure
    size_t max_bytes;     // images of more stay in a file; 0: MR_MAX_IMAGE_BYTES
} mr_images_options;

/// Whether a path, or the name of a data set, is that of images: otherwise it may be a table.
bool mr_images_is_source(const char *path);

/// Reads images, from
///
///   name     of a data set that is installed: fashion-mnist, fashion-mnist:test
///   folder   of .png and .jpg files, in the order of their names. If they are in sub-folders,
///            these are the classes. Or of CIFAR-10's data_batch_*.bin
///   .png, .jpg   one image
///   .npy     [n x height x width] or [n x height x width x channels] (1 or 3): whole numbers from
///            0 to 255, or floating-point numbers from 0 to 1, which are rounded to 8 bits
///   IDX      the same in the format of MNIST, gzipped or not; labels are those of the file whose
///            name has "labels-idx1" for "images-idx3"
///   .bin     CIFAR-10's binary form
///
/// Labels of a file are whole numbers, in IDX or in a table of one column (.npy, .csv).
///
/// Grey images are made coloured if others of the folder are. Images that have another size than
/// the first fail with MR_ERR_INPUT unless options->height and width are given: then the middle
/// part of that shape is scaled. Images of more than options->max_bytes are decoded once, into a
/// temporary file in $TMPDIR or /var/tmp, or stay where they are if they are stored as they are
/// used. The caller frees them.
mr_status mr_images_open(const char *path, const mr_images_options *options, mr_images *out);

/// Copies images first .. first+n-1 to out [n x channels x height x width]. Not by two threads at
/// once. Fails with MR_ERR_IO.
mr_status mr_images_get(const mr_images *images, size_t first, size_t n, unsigned char *out);

/// Forgets labels and classes.
void mr_images_drop_labels(mr_images *images);

/// Frees what it holds, and empties it.
void mr_images_free(mr_images *images);

/// Numbers in an image.
size_t mr_images_dim(const mr_images *images);

/// Writes images [n x channels x height x width] as a .npy of 8 bits: [n x height x width], or with
/// the channels as a fourth index.
mr_status mr_images_write(const char *path, size_t n, size_t channels, size_t height, size_t width,
                          const unsigned char *pixels);
