/// Pictures of densities: a curve in one dimension, a map in two, a corner of histograms in more,
/// and wherever a feature is a category.
#pragma once

#include "flows/vi.h"

/// The content of a picture.
typedef struct {
    const char *title;
    const mr_density *density;
    const mr_target *target; // the distribution that it approximates, drawn beside it; NULL: none
    size_t n;
    const double *samples;  // [n x dim] of the density
    const double *log_prob; // [n] of the samples
    int n_threads;
} mr_flow_picture;

/// Draws it. Of more than two dimensions, it shows the first six.
mr_status mr_flow_picture_draw(const mr_flow_picture *picture, const char *path);
