/// Fits to images.
#pragma once

#include "base/images.h"
#include "flows/fit_rows.h"
#include "flows/pixels.h"

/// What is done to an image whenever it is trained on, at random.
typedef struct {
    bool flips;   // left and right are exchanged, half of the times
    size_t shift; // it moves by up to so many pixels, up or down and sideways; its edge is repeated
} mr_augmentation;

/// mr_fit to images, for a density of which mr_density_set_pixels has been called. Noise and
/// augmentation are drawn anew in each epoch: they are a function of seed, epoch and image.
/// Held-out images are not augmented, and keep their noise. Each image is read when its turn comes.
/// Shift and scale are those of MR_FIT_IMAGES_MEASURED images at random.
///
/// Log-likelihoods are those of images of density's number of bits (pixels.h), in nats. On return
/// the density knows the mean of the held-out images (mr_pixels.mean_bits).
enum { MR_FIT_IMAGES_MEASURED = 4096 };
mr_status mr_fit_to_images(mr_density *density, const mr_images *images,
                           const mr_augmentation *augmentation, const mr_fit_options *options,
                           const mr_fit_watch *watch, const volatile sig_atomic_t *stop,
                           mr_fit_progress *result);
