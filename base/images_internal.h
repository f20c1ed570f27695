/// Sources of images, one after the other. Private to base/images*.c.
#pragma once

#include "base/images.h"
#include "base/picture.h"

enum { MR_MAX_CLASSES = 1000 };

typedef struct mr_image_source mr_image_source;

struct mr_image_source {
    size_t n, channels;   // as many images at most
    size_t height, width; // of the first
    bool has_fractions;
    /// The next image and, of a source with classes, its class. It is borrowed until the next call.
    /// MR_ERR_INPUT says that this one alone is bad, and the next may follow; any other failure
    /// ends the source.
    mr_status (*next)(mr_image_source *source, const mr_picture **image, size_t *label);
    /// What messages call image i.
    void (*name)(const mr_image_source *source, size_t i, size_t size, char *text);
    void (*close)(mr_image_source *source);
    const char *const *classes; // [n_classes] borrowed; NULL: there are no labels
    size_t n_classes;
    /// If the pixels are in a plain file as mr_images has them: which, and where.
    const char *stored_in;
    size_t offset;
};

/// Opens a .npy or an IDX file of images.
mr_status mr_image_array_open(const char *path, mr_image_source **out);

/// Whether a file is one of these.
bool mr_image_array_is(const char *path);

/// Reads an IDX file of labels into `values` [n], to be freed.
mr_status mr_idx_labels_read(const char *path, size_t *n, double **values);
bool mr_idx_is_labels(const char *path);

/// Opens CIFAR-10's binary form: a file, or the folder of its training part.
mr_status mr_cifar_open(const char *path, mr_image_source **out);
bool mr_cifar_is(const char *path);

/// Opens a folder of pictures, or a picture.
mr_status mr_image_folder_open(const char *path, bool skips_bad, mr_image_source **out);

/// A data set that is found by its name.
typedef struct {
    const char *name;
    const char *path;           // where its package puts it
    const char *package;        // Debian's
    const char *const *classes; // [n_classes] what its labels mean
    size_t n_classes;
} mr_image_data_set;

/// NULL if there is none of that name.
const mr_image_data_set *mr_image_data_set_find(const char *name);
