/// The bins that points of splines are in: the first half of the op in nn/op_spline.c. Private to
/// nn/.
///
/// Many splines are computed side by side, one in each lane, so that every step is a loop over
/// lanes that the compiler turns into vector code. In bin k, the paper's symbols (Durkan et al.
/// 2019, arXiv:1906.04032) are its lower left corner (x_k, y_k), width w, height h and the slopes
/// d0 and d1 at its ends.
#pragma once

#include "nn/op.h"

enum {
    LANES = 64, // splines at a time: with 8 bins all that is touched stays in the first cache
};

enum { X, Y };        // the axes
enum { LEFT, RIGHT }; // the ends of a bin

/// Up to LANES splines, and the bin of each that its point is in.
typedef struct {
    size_t n; // lanes in use
    size_t n_bins;
    mr_real bound;
    mr_real min_size, range;               // a bin's size is min_size + range share
    mr_real point[LANES];                  // the input, moved into [-bound, bound]
    mr_real share[2][MR_MAX_BINS * LANES]; // softmax of the logits: bin k of lane i at [k n + i]

    mr_real bin[LANES];       // its number, as a real so that it fits into vectors
    mr_real before[2][LANES]; // shares of the bins before it, summed
    mr_real of_bin[2][LANES]; // its own share
    mr_real corner[2][LANES]; // (x_k, y_k)
    mr_real size[2][LANES];   // (w, h)
    mr_real slope[2][LANES];  // (d0, d1)
    mr_real logit[2][LANES];  // of the slopes; a slope's derivative by it is the logistic function
    mr_real xi[LANES];
} mr_spline_block;

/// A run of splines: whole rows, or part of a row that has more than LANES.
typedef struct {
    size_t row, n_rows;
    size_t col, n_cols;
} mr_spline_piece;

static inline const mr_spline *mr_spline_of(const mr_node *node) {
    return node->options;
}

static inline size_t mr_spline_dim(const mr_node *node) {
    return node->input[0]->cols;
}

/// The lanes of a piece lie side by side in x [rows x dim], from here on.
static inline size_t mr_spline_first(const mr_node *node, const mr_spline_piece *at) {
    return at->row * mr_spline_dim(node) + at->col;
}

/// The next piece of the rows; false at the end. Starts from a piece of no columns at the first
/// row.
bool mr_spline_next_piece(const mr_node *node, mr_rows rows, mr_spline_piece *at);

/// Fills the block of a piece: computes all bins' shares, and finds the bin and the place in it
/// (xi) of each point, an x or, if `inverse`, a y.
void mr_spline_find_bins(const mr_node *node, const mr_spline_piece *at, bool inverse,
                         mr_spline_block *b);

/// The column of the logit of the slope at the left of bin k (from 1), for lane i of the piece.
static inline size_t mr_spline_slope_column(const mr_node *node, const mr_spline_piece *at,
                                            const mr_spline_block *b, size_t k, size_t i) {
    return (2 * b->n_bins + k - 1) * mr_spline_dim(node) + at->col + i % at->n_cols;
}

/// The bins of a row's points as values of a program, each [1 x dim].
typedef struct {
    mr_value *beyond;    // x - point: 0 within the box
    mr_value *corner[2]; // (x_k, y_k)
    mr_value *size[2];   // (w, h)
    mr_value *slope[2];  // (d0, d1)
    mr_value *xi;
} mr_spline_values;

/// What mr_spline_find_bins computes, added to a program.
///
///   input  the node's
mr_spline_values mr_spline_write_bins(const mr_node *node, bool inverse, mr_net_program *program,
                                      mr_value *const *input);
