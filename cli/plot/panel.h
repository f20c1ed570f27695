/// Parts of pictures of densities: panels with maps, placed to the pixel.
#pragma once

#include "base/options.h"

#include <stddef.h>
#include <stdio.h>

/// The size of a picture.
typedef struct {
    size_t width, height;
} mr_pixels;

/// The middle of cell i of n.
double mr_cell_middle(mr_range range, size_t i, size_t n);

/// The cell of n that a value is in; n where it is outside.
size_t mr_cell_of(mr_range range, double value, size_t n);

/// The quantile of values [n], which are sorted.
double mr_quantile(size_t n, const double *sorted, double share);

/// The order that mr_quantile needs, for qsort.
int mr_ascending(const void *a, const void *b);

/// Colours of maps, borders, no legends.
void mr_panel_style(FILE *script);

/// A panel's place by its left lower corner, in pixels from the picture's.
void mr_panel_place(FILE *script, mr_pixels size, size_t left, size_t bottom, size_t side);

/// What an axis ('x', 'y') shows.
void mr_panel_range(FILE *script, char axis, mr_range range);

/// Writes values [n_rows x n_cols] as gnuplot's data block $NAME; what is not finite becomes 0.
void mr_panel_matrix(FILE *script, const char *name, size_t n_rows, size_t n_cols,
                     const double *values);

/// Draws the block $NAME of n x n cells over the ranges, darker by the root of its values.
void mr_panel_plot_matrix(FILE *script, const char *name, mr_range x, mr_range y, size_t n);
