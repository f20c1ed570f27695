/// Images on the command line of `millrace flow`.
#pragma once

#include "base/images.h"
#include "base/picture.h"
#include "flows/pixels.h"

/// What --size says, WxH; 0 and 0 if it is "".
mr_status mr_image_size_read(const char *text, size_t *height, size_t *width);

/// Opens images. Prints notes on stderr about pixels that were rounded and images that were
/// skipped.
///
///   size    the value of --size
///   labels  of --labels; "": none
mr_status mr_images_read(const char *path, const char *size, const char *labels, bool skips_bad,
                         mr_images *out);

/// The same; fails with MR_ERR_INPUT unless they are as those that the density was fitted to.
mr_status mr_model_images_read(const char *path, const char *size, const char *labels,
                               bool skips_bad, const mr_density *density, mr_images *out);

/// Fails with MR_ERR_INPUT: the one is about images, the other about tables.
mr_status mr_fail_not_images(const char *model, const char *data);

/// Whether a model has a class of that name, or, if none has that name, of that number from 0.
/// Where only capitals differ, the name as it stands comes first.
bool mr_class_is_known(const mr_pixels *pixels, const char *text, size_t *out);

/// Finds a class of a model by its name or number, from 0.
mr_status mr_class_find(const mr_density *density, const char *text, size_t *out);

/// Draws images [n x dim] of 8 bits.
///
///   label  [n] their classes; NULL if the density is not class-conditional
mr_status mr_images_draw(const mr_density *density, int n_threads, uint64_t seed,
                         double temperature, size_t n, const size_t *label, unsigned char *out);

/// A grid of images [n x dim] that a density is about.
mr_status mr_images_grid(const mr_density *density, size_t n, const unsigned char *pixels,
                         size_t columns, mr_picture *out);

/// Writes images: a .png as a grid, a .npy as an array.
mr_status mr_images_save(const char *path, const mr_density *density, size_t n,
                         const unsigned char *pixels, size_t columns);

/// Fails with MR_ERR_USAGE unless images can be written under that name.
mr_status mr_images_check_name(const char *path);

/// `millrace flow sample` and `millrace flow score` for a density of images.
typedef struct {
    const char *out;
    const char *class; // "": all in turn
    size_t n;
    double temperature;
    uint64_t seed;
    int n_threads;
    bool json;
} mr_image_sampling;
mr_status mr_images_sample_run(const mr_density *density, const mr_image_sampling *how);

typedef struct {
    const char *data, *out;    // out: "" for none
    const char *size, *labels; // as mr_images_read takes them
    bool skips_bad;
    size_t n_samples; // importance samples
    uint64_t seed;
    int n_threads;
    bool json;
} mr_image_scoring;
mr_status mr_images_score_run(const mr_density *density, const mr_image_scoring *how);
