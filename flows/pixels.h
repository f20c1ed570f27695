/// Images as rows of a density: their pixels are whole numbers, to which noise is added.
///
///     x = pixel + noise,   pixel in 0 .. 2^bits - 1,   noise uniform on [0, 1)
///
/// With variational dequantisation (dequantiser.h) the density draws the noise itself, and rows
/// have pixels without noise; what follows is about uniform noise.
///
/// The density is one of x, in levels. Its log-likelihood of x, averaged over the noise, is at most
/// that of the pixels under the discrete model P(pixel) = integral of p(pixel + noise) (Theis et
/// al. 2016, arXiv:1511.01844, section 3.1), so that
///
///     bits a dimension = -log p(x) / (dim log 2)
///
/// is an upper bound of the bits that the pixels cost; no other correction is due. With a logit
/// (Dinh et al. 2017), the pixels are columns with bounds a little outside of 0 and 2^bits, whose
/// map's derivative is part of p(x).
#pragma once

#include "base/images.h"
#include "flows/density.h"

/// What a density knows of its pixels.
typedef struct {
    size_t bits;      // of a pixel, 1 to 8; 0: the density is not one of images
    double logit;     // alpha: the logit is of alpha + (1 - 2 alpha) x / 2^bits; 0: none
    size_t n_classes; // 0: it is not class-conditional; else given_dim: 1 in the class's column
    char **classes;   // [n_classes] their names
    double mean_bits; // bits a dimension of the images that were held out of the fit
} mr_pixels;

/// Releases its arrays, and empties it.
void mr_pixels_release(mr_pixels *pixels);

/// Takes a copy. Fails with MR_ERR_MEMORY alone.
mr_status mr_density_set_pixels(mr_density *density, const mr_pixels *pixels);
const mr_pixels *mr_density_pixels(const mr_density *density); // NULL: it is not one of images

/// The supports [dim + n_classes] of the columns, to be freed.
mr_status mr_pixels_supports(const mr_pixels *pixels, size_t dim, mr_support **out);

/// Makes a row x [width] of an image [dim] of 8 bits: fewer bits if the model has fewer, plus noise
/// [dim] from 0 to 1 (NULL: none), then its class's columns.
void mr_pixels_to_row(const mr_density *density, const unsigned char *image, const mr_real *noise,
                      size_t label, double *x);

/// Makes images of 8 bits of rows x [n x dim] of samples.
void mr_pixels_of_rows(const mr_density *density, size_t n, const double *x, unsigned char *images);

/// Bits a dimension of a log-likelihood.
double mr_bits_per_dim(const mr_density *density, double log_prob);

/// Log-likelihoods [n] of images first .. first+n-1; -infinity where the model has no density.
/// Uniform noise is drawn from stream (seed, score, draw images->n + number of the image), that of
/// variational dequantisation from stream (seed, latent, number of the image).
///
///   n_samples  draws of the noise for each image: log (mean p / q) of them, a tighter bound of the
///              pixels' log-likelihood the more there are (Burda et al. 2016, arXiv:1509.00519)
///   label      [n] their classes in the model; NULL: it is not class-conditional
mr_status mr_images_log_prob(const mr_density *density, int n_threads, uint64_t seed,
                             size_t n_samples, const mr_images *images, size_t first, size_t n,
                             const size_t *label, double *log_prob);
