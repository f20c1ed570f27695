/// What a density holds. Private to flows/density*.c and to those who train one.
#pragma once

#include "flows/categories.h"
#include "flows/density.h"
#include "flows/dequantiser.h"
#include "flows/distribution.h"
#include "flows/part.h"
#include "flows/pixels.h"

struct mr_density {
    mr_arena *arena;
    size_t dim, given_dim;
    mr_shape image; // of the features; all 0: they are a vector
    mr_flow_use use;
    mr_params *params;
    mr_distribution base;   // of the features on lines
    mr_flow_values values;  // of the flow's features, on the side of the data
    double bound;           // of the base's box, if that is theirs too; 0: none
    mr_features of_base;    // the features on lines, and those on circles
    mr_features of_context; // the same of the given columns
    mr_flow *flow;
    mr_flow *noise;                   // of variational dequantisation, owned; NULL: the noise of
                                      // pixels is uniform, and part of the rows
    mr_support *support;              // [width]
    bool is_bounded;                  // some feature or given column is
    bool has_categories;              // likewise
    mr_categories *category;          // [width] n is 0: the column is none
    size_t flow_dim;                  // features of the flow: dim, or more with categories
    size_t *place;                    // [dim] the first of them that a column is
    size_t n_line_given, *line_given; // the given columns that are no categories
    double *shift, *scale;            // [width]
    mr_layout layout;                 // owned
    mr_pixels pixels;                 // owned; bits = 0: the features are no pixels
    char base_text[MR_DISTRIBUTION_MAX_TEXT];
};

/// mr_density_create_dequantised, but fails with MR_ERR_INPUT if the model would have more than
/// `max_params` numbers, before anything of that size is made.
mr_status mr_density_create_within(const mr_density_spec *spec, const char *dequantisation,
                                   uint64_t seed, size_t max_params, mr_density **out);

/// The logarithm of the sum of k + 1 draws' densities, the last of which has `log_prob`; `log_sum`
/// is that of the others. A draw whose `log_prob` is NaN adds nothing, so that the mean stays a
/// bound from below.
double mr_density_add_draw(size_t k, double log_sum, double log_prob);

/// Whether its formula draws random numbers, so that it gives a bound from below, which several
/// draws tighten: it has categories or variational dequantisation.
bool mr_density_has_latents(const mr_density *density);

/// Whether it is not conditional, its base is "normal", its features are a vector and all its
/// columns are lines.
bool mr_density_is_plain(const mr_density *density);

/// What values x of column j lie between; infinite: no bound.
mr_interval mr_density_limits(const mr_density *density, size_t j);

/// Fails with MR_ERR_INPUT, naming the first cell of x [n x width] that is not within its bounds.
///
///   first  number of the first row, from 0, for the message
mr_status mr_density_check_bounds(const mr_density *density, size_t first, size_t n,
                                  const double *x);

/// Whether a column of x [n x width], which begins at `column`, has one value only.
bool mr_column_is_constant(size_t n, size_t width, const double *column);

/// v of a value x of column j: its map to the line, if it is bounded. NaN outside the bounds.
double mr_density_map(const mr_density *density, size_t j, double x);

/// Whether the shape of a specification is one of its `dim` features, or none at all.
bool mr_density_has_shape(const mr_density_spec *spec);

/// Whether its features are an image.
bool mr_density_is_image(const mr_density *density);

/// Sets shift and scale by the means and deviations [width each] of the columns' v. Columns of
/// mr_density_keeps_scale stay as they are. The pixels of an image share one mean and one
/// deviation, so that the picture stays what it is and a pixel may be constant. Fails with
/// MR_ERR_INPUT if a deviation is 0 or not finite.
mr_status mr_density_take_moments(mr_density *density, const double *mean, const double *deviation);

/// Whether a support may be one of categories: whole numbers, and not too many.
bool mr_support_is_category(const mr_support *support);

/// Gives each column its features of the flow. Then declares the encoders of categories. Fail with
/// MR_ERR_MEMORY, or if there is no room for the parameters.
mr_status mr_density_place_columns(mr_density *density);
mr_status mr_density_declare_categories(mr_density *density);

/// Columns of what the flow's nets see of the given columns.
size_t mr_density_context_dim(const mr_density *density);

/// The features [rows x flow_dim] of rows u [rows x width]: categories are encoded, and pixels get
/// their noise from variational dequantisation.
///
///   context    what the nets see of the given columns; NULL: there are none
///   log_total  in and out: what is to be subtracted from the log-density of the features, [rows x
///              1]; stays NULL without categories and variational dequantisation
mr_node *mr_density_build_features(const mr_density *density, mr_node *u, mr_node *context,
                                   mr_node **log_total);

/// The log-probabilities of the categories of column j, [rows x n], given features x [rows x
/// flow_dim]; log_total as in mr_categories_decode.
mr_node *mr_density_build_decoder(const mr_density *density, size_t j, mr_node *x,
                                  mr_node **log_total);

/// Whether column j keeps the shift and scale that it starts with: those of an angle or a column
/// with a box follow from its bounds, a fixed map takes values as they are. Others are standardised
/// by data.
bool mr_density_keeps_scale(const mr_density *density, size_t j);

/// u = (v - shift) / scale of a value x of column j, NaN outside its bounds; and the opposite.
double mr_density_standardise_one(const mr_density *density, size_t j, double x);
double mr_density_unstandardise(const mr_density *density, size_t j, double u);

/// What the flow's nets see of given columns u [rows x given_dim]; NULL if there are none.
mr_node *mr_density_build_context(const mr_density *density, mr_node *given);

/// Samples of the flow's features, [rows x flow_dim], and their log-densities [rows x 1].
///
///   noise  [rows x flow_dim]: what the base draws for the features on lines, then angles
///   given  [rows x given_dim] standardised; NULL if there are none
mr_node *mr_density_build_sample_given(const mr_density *density, mr_node *noise, mr_node *given,
                                       mr_node **log_prob);
