/// The compute graph: formulas over batches, with reverse-mode gradients.
///
/// A node is a row-major matrix [rows x cols]: rows are the batch, columns are features. A row may
/// be an image, [channels x height x width] in that order; other rows are vectors, whose every
/// feature is a channel of its own. A graph is
/// built once, planned once (which lays all its values and gradients out in one block of memory,
/// reusing memory that is no longer needed), and run any number of times without allocating.
///
/// Most ops work on each row by itself. So in a run each thread computes its own rows from the
/// first op to the last gradient, without waiting for the others; at the end the threads add up
/// their shares of the parameters' gradients. An op that needs the whole batch (batch norm) cuts
/// that into stretches: all threads meet there, on the way forward and on the way back. Sums over
/// threads have a fixed order: the same numbers and the same number of threads give the same bits.
///
/// Building never fails in the middle: after a failed allocation the functions return NULL, accept
/// NULL for a node, and mr_graph_plan reports it. A wrong shape is a mistake of ours and asserts.
/// Nodes belong to their graph.
#pragma once

#include "nn/params.h"

#include <stdbool.h>

typedef struct mr_graph mr_graph;
typedef struct mr_node mr_node;

/// The shape of a node's rows. Of a vector of d features: d, 1, 1.
typedef struct {
    size_t channels, height, width;
} mr_shape;

/// A graph for batches of up to `max_rows` rows, run by `n_threads` threads. The caller frees it.
mr_status mr_graph_new(size_t max_rows, int n_threads, mr_graph **out);

/// A graph for one row and one thread, whose linear layers are matrix-vector products: a layer of
/// 256 on 256 takes 4 us, by the kernel for matrices 21 us. The last bits differ from those that a
/// batch gives.
mr_status mr_graph_new_for_one(mr_graph **out);
void mr_graph_free(mr_graph *graph);

/// Lays out the memory and makes the graph ready to run. Call once, after all nodes are built.
///
///   loss     [rows x 1]; gradients are those of its mean over the batch. NULL: the graph is only
///            run forward
///   trained  [n_trained] the sets whose gradients are wanted; all other parameters are constants
mr_status mr_graph_plan(mr_graph *graph, mr_node *loss, size_t n_trained,
                        mr_params *const *trained);

/// Computes every node's first `n_rows` rows and, if there is a loss, overwrites the gradients of
/// the trained sets with those of its mean over these rows.
void mr_graph_run(mr_graph *graph, size_t n_rows);

/// Moves the buffers that training moves, the running statistics of batch norms, by the latest run:
/// those of the sets that the graph trains. Call it when the run is accepted: after the loss has
/// been checked, beside the optimizer's step.
void mr_graph_update_buffers(mr_graph *graph);

/// The values of a node [rows x cols]: of an input, to be filled before a run; of a kept node, to
/// be read after it.
mr_real *mr_node_value(mr_node *node);

/// Fills the first `n_rows` rows of an input with values [n_rows x cols].
void mr_input_fill(mr_node *input, size_t n_rows, const mr_real *values);

/// The gradient of the loss with respect to an input that was made with `wants_grad`, after a run.
const mr_real *mr_node_grad(const mr_node *node);

size_t mr_node_cols(const mr_node *node);
mr_shape mr_node_shape(const mr_node *node);

/// The graph that a node belongs to; NULL of NULL.
mr_graph *mr_node_graph(const mr_node *node);

/// Keeps a node's values readable after the run (others share their memory). Returns the node.
mr_node *mr_keep(mr_node *node);

/// The mean over the first `n_rows` rows of a kept column [rows x 1], in double.
double mr_node_mean(const mr_node *node, size_t n_rows);

// ---- Leaves

/// Values that the caller fills in. `wants_grad`: the loss's gradient with respect to them is
/// computed too.
mr_node *mr_input(mr_graph *graph, size_t cols, bool wants_grad);

/// The same for images.
mr_node *mr_input_image(mr_graph *graph, mr_shape shape, bool wants_grad);

/// Values that mr_graph_draw draws, uniform on [0, 1), as many as x has.
mr_node *mr_uniform_like(mr_node *x);

/// Draws the first `n_rows` rows of all such nodes, in the order in which they were built. Between
/// two draws they stay as they are.
void mr_graph_draw(mr_graph *graph, size_t n_rows, mr_random *random);

/// Draws row `row` of them alone.
void mr_graph_draw_row(mr_graph *graph, size_t row, mr_random *random);

/// A parameter of one row, repeated over the batch. A NULL graph gives NULL.
mr_node *mr_param_rows(mr_graph *graph, mr_params *params, mr_param param);

// ---- Linear layers

typedef enum { MR_IDENTITY, MR_RELU, MR_TANH, MR_SIGMOID, MR_SILU, MR_GELU } mr_activation;

/// "identity", "relu", "tanh", "sigmoid", "silu", "gelu"; the activation of that name, or false.
const char *mr_activation_name(mr_activation activation);
bool mr_activation_find(const char *name, mr_activation *out);

mr_node *mr_activate(mr_node *x, mr_activation activation);

/// activation(x W^T + b).
///
///   x       [rows x in]
///   weight  [out x in], as PyTorch has it
///   bias    [1 x out]
mr_node *mr_linear(mr_node *x, mr_params *params, mr_param weight, mr_param bias,
                   mr_activation activation);

/// x W^T.
mr_node *mr_linear_without_bias(mr_node *x, mr_params *params, mr_param weight);

/// mr_linear with a mask [out x in] of 0 and 1 (borrowed) that says which weights exist. The others
/// were declared with the same mask, so they are 0, and their gradient is 0.
mr_node *mr_linear_masked(mr_node *x, mr_params *params, mr_param weight, mr_param bias,
                          const mr_real *mask, mr_activation activation);

/// Some units of a linear layer, by some of its inputs: as mr_linear with the weights of the others
/// at 0. For layers that are computed unit by unit.
///
///   x           [rows x n_in] the inputs in[n_in] of the layer
///   in, out     borrowed; no number twice
///   activation  none of those that are nodes of their own (SiLU, GELU)
///
/// Returns [rows x n_out], the units out[n_out].
mr_node *mr_linear_units(mr_node *x, mr_params *params, mr_param weight, mr_param bias,
                         const size_t *in, size_t n_out, const size_t *out,
                         mr_activation activation);

/// activation((x - mean) / sqrt(variance + 1e-5) * gain + shift) over the features of each row (Ba
/// et al. 2016).
///
///   gain, shift  [1 x cols]
mr_node *mr_layer_norm(mr_node *x, mr_params *params, mr_param gain, mr_param shift,
                       mr_activation activation);

/// activation(x / sqrt(mean(x^2) + 1e-6) * gain) over the features of each row (Zhang and Sennrich
/// 2019, arXiv:1910.07467).
///
///   gain  [1 x cols]
mr_node *mr_rms_norm(mr_node *x, mr_params *params, mr_param gain, mr_activation activation);

/// The parameters and buffers of a batch norm. A channel is a feature of a vector, or all places of
/// a channel of an image.
typedef struct {
    mr_param gain, shift;     // [1 x channels]
    mr_buffer mean, variance; // [1 x channels] running statistics; the variance is the biased one
    mr_buffer n_batches;      // [1 x 1] that they have been moved by
} mr_batch_norm;

typedef struct {
    double rate;              // of the running statistics: mean += rate (batch's mean - mean)
    double epsilon;           // added to variances
    double r_max, d_max;      // bounds of batch renorm's corrections; 1 and 0: plain batch norm
    double n_warm_up;         // batches before it corrects
    mr_activation activation; // of the result
} mr_batch_norm_options;

/// Batch norm over the batch's own statistics: for training. An op over the whole batch. The
/// running statistics are moved by mr_graph_update_buffers. Sources: Ioffe and Szegedy 2015
/// (arXiv:1502.03167); for r and d, Ioffe 2017 (arXiv:1702.03275).
mr_node *mr_batch_norm_train(mr_node *x, mr_params *params, const mr_batch_norm *norm,
                             const mr_batch_norm_options *options);

/// Batch norm by the running statistics, each row by itself: for acting and evaluating.
mr_node *mr_batch_norm_running(mr_node *x, mr_params *params, const mr_batch_norm *norm,
                               const mr_batch_norm_options *options);

/// log(sum of exp(x)) of each column over the batch, in every row. An op over the whole batch.
mr_node *mr_batch_log_sum_exp(mr_node *x);

/// Dropout (Srivastava et al. 2014): 0 if u < rate, else x / (1 - rate).
///
///   u  of the shape of x, uniform on [0, 1): mr_uniform_like. No gradient goes to it
mr_node *mr_dropout(mr_node *x, mr_node *u, double rate);

// ---- One value at a time

mr_node *mr_affine(mr_node *x, double factor, double shift); // factor x + shift
mr_node *mr_exp(mr_node *x);
mr_node *mr_log(mr_node *x);
mr_node *mr_log1p(mr_node *x);
mr_node *mr_tanh(mr_node *x);
mr_node *mr_sigmoid(mr_node *x);
mr_node *mr_softplus(mr_node *x);         // max(x, 0) + log1p(exp(-|x|))
mr_node *mr_softplus_inverse(mr_node *x); // log(exp(x) - 1), x > 0
mr_node *mr_relu(mr_node *x);
mr_node *mr_silu(mr_node *x); // x sigmoid(x)
mr_node *mr_gelu(mr_node *x); // x Phi(x), exact (by erf), as PyTorch's default
mr_node *mr_square(mr_node *x);
mr_node *mr_sin(mr_node *x);
mr_node *mr_clamp(mr_node *x, double low, double high); // gradient 0 outside
mr_node *mr_wrap(mr_node *x, double period); // into [-period / 2, period / 2], by whole periods

// ---- Two values at a time: both of the same shape, or one of them a column [rows x 1] that is
// repeated for every feature

mr_node *mr_add(mr_node *a, mr_node *b);
mr_node *mr_sub(mr_node *a, mr_node *b);
mr_node *mr_mul(mr_node *a, mr_node *b);
mr_node *mr_div(mr_node *a, mr_node *b);
mr_node *mr_min(mr_node *a,
                mr_node *b); // the gradient goes to the smaller; if they are equal, to `a`
mr_node *mr_max(mr_node *a, mr_node *b);
mr_node *mr_log_add_exp(mr_node *a, mr_node *b); // log(exp(a) + exp(b)), nothing overflows

// ---- Over a row's features

mr_node *mr_row_sum(mr_node *x);  // [rows x 1]
mr_node *mr_row_mean(mr_node *x); // [rows x 1]

/// sqrt(sum of squares + 1e-30): the gradient at 0 is 0. [rows x 1]
mr_node *mr_row_norm(mr_node *x);

/// log(sum of exp(x)), nothing overflows. [rows x 1]
mr_node *mr_row_log_sum_exp(mr_node *x);

/// log |det| of a = tanh(x), summed over a row: 2 (log 2 - x - softplus(-2x)). [rows x 1]
mr_node *mr_tanh_log_det(mr_node *x);

// ---- Distributions of one number, as the outputs of distributional critics

/// The places of a categorical distribution's atoms, evenly spaced: the first is `low`, the last
/// `high`. There are as many as the node has columns, at least two.
typedef struct {
    double low, high;
} mr_atoms;

/// The mean of the distribution with the probabilities softmax(logits). [rows x 1]
///
///   logits  [rows x atoms]
mr_node *mr_categorical_mean(mr_node *logits, mr_atoms atoms);

/// The probabilities, in each row, of that one of n distributions whose mean is the least. No
/// gradient goes through.
///
///   logits  [n], n > 0, each [rows x atoms]
mr_node *mr_categorical_least(size_t n, mr_node *const *logits, mr_atoms atoms);

/// The distribution of scale Z + shift for Z with the probabilities p, projected onto the atoms: a
/// mass between two atoms is shared so that the mean is kept, and one beyond the first or the last
/// goes to that. No gradient goes through. Source: Bellemare et al. 2017 (arXiv:1707.06887),
/// algorithm 1.
///
///   p             [rows x atoms]
///   scale, shift  [rows x 1]
mr_node *mr_categorical_project(mr_node *p, mr_node *scale, mr_node *shift, mr_atoms atoms);

/// -sum_j p_j log softmax(logits)_j. No gradient goes to p. [rows x 1]
mr_node *mr_cross_entropy(mr_node *logits, mr_node *p);

/// The values of one of n nodes of the same number of columns, x[*index], which is looked up in
/// each run. No gradient goes through.
///
///   index  borrowed for the life of the graph
mr_node *mr_select(size_t n, mr_node *const *x, const size_t *index);

/// Each row's values in ascending order. No gradient goes through.
mr_node *mr_row_sort(mr_node *x);

/// The mean over i and k of |tau_i - 1(y_k < q_i)| H(y_k - q_i), with the levels tau_i = (i + 1/2)
/// / n, i = 0 ... n - 1, and the Huber loss H(d) = d^2 / 2 for |d| <= 1, else |d| - 1/2. No
/// gradient goes to y. [rows x 1] Source: Dabney et al. 2018 (arXiv:1710.10044), equation 10.
///
///   q  [rows x n] quantiles
///   y  [rows x m] samples that they are to be quantiles of
mr_node *mr_quantile_huber(mr_node *q, mr_node *y);

// ---- Categories

/// The rows of a table [n_categories x width] that x [rows x d] names by whole numbers from 0, side
/// by side: [rows x d width]. Numbers outside the table name its first or last row. No gradient
/// goes to x.
mr_node *mr_embed(mr_node *x, mr_params *params, mr_param table);

/// The log-densities [rows x n] of x under n products of logistic distributions: that of feature d
/// in product k has the mean mean[k][d] and the scale exp(log_scale[k][d]).
///
///   x                [rows x d]
///   mean, log_scale  [n x d]
mr_node *mr_logistic_log_density(mr_node *x, mr_params *params, mr_param mean, mr_param log_scale);

// ---- Splines

enum { MR_MAX_BINS = 32 };

/// A monotone rational-quadratic spline (Durkan et al. 2019). It goes from the lower left to the
/// upper right corner of the box [-bound, bound]^2, with slope 1 at both, and is the identity
/// outside.
typedef struct {
    size_t n_bins; // 1 to MR_MAX_BINS
    double bound;
    double logit_factor; // that the parameters of widths and heights are multiplied by
} mr_spline;

/// The number of a spline's parameters: logits of its widths, its heights and its inner slopes.
static inline size_t mr_spline_n_params(size_t n_bins) {
    return 3 * n_bins - 1;
}

/// A spline for each feature.
///
///   x    [rows x d]
///   raw  [rows x d mr_spline_n_params], unconstrained; zeros give the identity. Parameter p of
///   feature j is column p d + j
///
/// Returns [rows x (d + 1)]: the transformed features, and log |det| in the last column.
mr_node *mr_spline_forward(mr_node *x, mr_node *raw, mr_spline spline);

/// The inverse map, with its own log |det|.
mr_node *mr_spline_inverse(mr_node *y, mr_node *raw, mr_spline spline);

// ---- Mixtures of logistics

enum { MR_MAX_LOGISTICS = 16 };

/// A mixture of logistics, whose means are parameters plus places that they have at the start,
/// evenly on [-spread, spread].
typedef struct {
    size_t n; // components, 1 to MR_MAX_LOGISTICS
    double spread;
} mr_logistics;

/// The place of the mean of component k.
static inline double mr_logistics_place(const mr_logistics *logistics, size_t k) {
    return logistics->n > 1 ? logistics->spread * (2 * (double)k / (double)(logistics->n - 1) - 1)
                            : 0;
}

/// The logit of a mixture's distribution function, for each feature its own (Ho et al. 2019,
/// arXiv:1902.00275, section 3.2).
///
///   x    [rows x d]
///   raw  [rows x 3 n d]: logits of the weights, means without their places, log-scales. Parameter
///        p of feature j is column p d + j
///
/// Returns [rows x (d + 1)]: the transformed features, and log |det| in the last column.
mr_node *mr_logistic_mixture_forward(mr_node *x, mr_node *raw, mr_logistics logistics);

/// The inverse map, by its root in double precision, with its own log |det|.
mr_node *mr_logistic_mixture_inverse(mr_node *y, mr_node *raw, mr_logistics logistics);

// ---- Linear maps whose determinant and inverse are cheap

/// x exp(log_scale) + shift, feature by feature or channel by channel.
///
///   log_scale, shift  [1 x cols], or [1 x channels] of an image
mr_node *mr_scale(mr_node *x, mr_params *params, mr_param log_scale, mr_param shift);

/// Its inverse, (x - shift) exp(-log_scale).
mr_node *mr_unscale(mr_node *x, mr_params *params, mr_param log_scale, mr_param shift);

/// L x for each row x, or for the channels in each place of an image. L has ones on its diagonal
/// and the entries of `matrix` below it.
///
///   matrix  [cols x cols], or [channels x channels]
mr_node *mr_lower(mr_node *x, mr_params *params, mr_param matrix);

/// L^-1 x, by substitution.
mr_node *mr_lower_solve(mr_node *x, mr_params *params, mr_param matrix);

/// U x for each row x. U has sign exp(log_diagonal) on its diagonal and the entries of `matrix`
/// above it. One matrix can hold an L and a U, one on each side of its diagonal.
///
///   matrix        [cols x cols], or [channels x channels]
///   log_diagonal  [1 x cols], or [1 x channels]
///   sign          likewise, of 1 and -1
mr_node *mr_upper(mr_node *x, mr_params *params, mr_param matrix, mr_param log_diagonal,
                  mr_buffer sign);

/// U^-1 x, by substitution.
mr_node *mr_upper_solve(mr_node *x, mr_params *params, mr_param matrix, mr_param log_diagonal,
                        mr_buffer sign);

/// The features, or the channels of an image, in another order: number j of the result is number
/// order[j] of x.
///
///   order  [1 x cols], or [1 x channels]: a permutation of 0, 1, ...
mr_node *mr_permute(mr_node *x, const mr_params *params, mr_buffer order);

/// Its inverse: feature order[j] of the result is feature j of x.
mr_node *mr_unpermute(mr_node *x, const mr_params *params, mr_buffer order);

// ---- Vectors that are numbers of a parameter, the same for every row

/// v.x + c [rows x 1]: v [cols] begins at number `first` of the parameter, c is its number `shift`.
mr_node *mr_param_dot(mr_node *x, mr_params *params, mr_param param, size_t first, size_t shift);

/// x + s (w + r v): v [cols] begins at number `first` of the parameter, w [cols] follows it.
///
///   s  [rows x 1]
///   r  [rows x 1] the same in every row, as what is computed of parameters alone is
mr_node *mr_param_add(mr_node *x, mr_node *s, mr_node *r, mr_params *params, mr_param param,
                      size_t first);

/// v.w [rows x 1] of the vectors [n] that begin at numbers `first` and `second` of the parameter.
mr_node *mr_param_product(mr_graph *graph, mr_params *params, mr_param param, size_t first,
                          size_t second, size_t n);

// ---- Roots, solved in double, with implicit gradients

/// The a for which a + (q - 1) tanh(a) = v: the inverse of a planar flow along its direction.
///
///   v, q  [rows x 1], q > 0
mr_node *mr_planar_root(mr_node *v, mr_node *q);

/// The r >= 0 for which r (g + r) / (a + r) = R: the inverse of a radial flow's radius.
///
///   big_r  [rows x 1], R >= 0
///   shape  [rows x 2], a > 0 and g > 0
mr_node *mr_radial_root(mr_node *big_r, mr_node *shape);

// ---- Columns

mr_node *mr_concat(mr_node *a, mr_node *b);          // side by side
mr_node *mr_concat_all(size_t n, mr_node *const *x); // n > 0 of them
mr_node *mr_slice(mr_node *x, size_t first, size_t n);

/// The columns moved to the right by n: the first n are 0, the last n of x are left out. Of rows
/// that are sequences of steps it is what stood some steps before.
mr_node *mr_shift_columns(mr_node *x, size_t n);

/// Column j of the result is column index[j] of x. `index` [n] is copied; it may name a column
/// twice or not at all.
mr_node *mr_columns(mr_node *x, const size_t *index, size_t n);

/// The same values, through which no gradient goes.
mr_node *mr_stop_gradient(mr_node *x);

// ---- Rows. What is between a split and its join sees n rows in place of each row of the batch:
// batch norms take their statistics over all of them.

/// [rows x cols] -> [n rows x cols / n]: the n parts of a row, side by side, become rows that
/// follow one another.
mr_node *mr_split_rows(mr_node *x, size_t n);

/// [n rows x cols] -> [rows x n cols]: the inverse.
mr_node *mr_join_rows(mr_node *x, size_t n);

// ---- Images. Element-wise ops, dropout and normalisation keep the shape; linear layers take an
// image as a vector.

/// The same numbers in another shape of as many.
mr_node *mr_reshape(mr_node *x, mr_shape shape);

typedef struct {
    size_t kernel;  // height and width of the kernel
    size_t stride;  // 1 or more
    size_t padding; // zeros on each side
    bool relu;      // the result is max(0, ...)
} mr_conv2d_options;

/// Two-dimensional convolution (as PyTorch's, not mirrored).
///
///   x       [rows x in x height x width]
///   shift   [rows x out], added to each channel in all places, before the ReLU; NULL: nothing
///   weight  [out x (in kernel kernel)], PyTorch's [out, in, kernel, kernel] row by row
///   bias    [1 x out]
///
/// Returns [rows x out x h x w], h = (height + 2 padding - kernel) / stride + 1, w likewise.
mr_node *mr_conv2d(mr_node *x, mr_node *shift, mr_params *params, mr_param weight, mr_param bias,
                   mr_conv2d_options options);

// ---- A function of the caller's

/// A real function of a row's features and its gradient, for rows of points.
///
///   x         [n x cols]
///   y         [n] out
///   gradient  [n x cols] out
///
/// Called by several threads at once, each for its own rows.
typedef void (*mr_row_function)(void *self, size_t n, size_t cols, const mr_real *x, mr_real *y,
                                mr_real *gradient);

/// y(x) [rows x 1]. `self` is borrowed for the life of the graph and handed to every call.
mr_node *mr_callback(mr_node *x, mr_row_function function, void *self);
