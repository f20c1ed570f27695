/// Panels of pictures of densities: maps, placed by pixels.
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

/// The index of the cell, of n, that holds a value; n if it is outside.
size_t mr_cell_of(mr_range range, double value, size_t n);

/// The quantile of sorted values [n].
double mr_quantile(size_t n, const double *sorted, double fraction);

/// Sets the style of maps: colours, borders, no legends.
void mr_panel_style(FILE *script);

/// Sets a panel's lower left corner, in pixels from the picture's, and its side.
void mr_panel_place(FILE *script, mr_pixels size, size_t left, size_t bottom, size_t side);

/// Sets the range of an axis ('x', 'y').
void mr_panel_range(FILE *script, char axis, mr_range range);

/// Writes values [n_rows x n_cols] as gnuplot's data block $NAME; values that are not finite become
/// 0.
void mr_panel_matrix(FILE *script, const char *name, size_t n_rows, size_t n_cols,
                     const double *values);

/// Draws the block $NAME of n_y rows of n_x cells over the ranges, darker by the root of its
/// values.
void mr_panel_plot_matrix(FILE *script, const char *name, mr_range x, mr_range y, size_t n_x,
                          size_t n_y);
