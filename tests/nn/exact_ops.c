// Every op's gradient against central differences, in double precision.
//
// A case builds an op on two inputs and two parameters; the loss is a fixed random weighting of the
// op's squared result, so that each output has a gradient of its own. With step h = 1e-5 a central
// difference errs by h^2/6 times the third derivative plus 2^-53/h times the loss: below 1e-8 for
// values of order 1. Inputs keep clear of kinks.

#include "nn/graph.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

// Of docs/examples/op_huber.c.
mr_node *mr_huber(mr_node *x, double delta);

enum { ROWS = 5, COLS = 4, WIDE = 6 };

static const double step = 1e-5;
static const double tolerance = 1e-7;

/// What a case may use: leaves of an op.
typedef struct {
    mr_graph *graph;
    mr_params *params;
    mr_node *a, *b;                 // [ROWS x COLS]
    mr_node *column;                // [ROWS x 1]
    mr_node *positive;              // [ROWS x COLS], above 0.5
    mr_node *weights;               // of the loss, one for each value of the op's result
    mr_param weight, log_scale;     // [WIDE x COLS]
    mr_param bias;                  // [1 x WIDE]
    mr_param gain;                  // [1 x COLS]
    mr_param shift;                 // [1 x COLS]
    mr_param masked;                // [WIDE x COLS], zero where the mask is
    mr_param square;                // [COLS x COLS]
    mr_param pair[2];               // [1 x 2] gain and shift of two channels
    mr_param narrow[2];             // [1 x 18] and [1 x 1]: 3 x 3 of two channels to one
    mr_batch_norm norm, image_norm; // of COLS features, of two channels
    mr_buffer sign, order;          // [1 x COLS]
} leaves;

static const mr_real mask[WIDE * COLS] = {1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0,
                                          1, 1, 1, 1, 0, 0, 0, 1, 0, 1, 0, 1};

static const mr_real sign[COLS] = {1, -1, -1, 1}, order[COLS] = {2, 0, 3, 1};

// sum_j x_j^exponent, as a user would write it.
static void sum_of_powers(void *self, size_t n, size_t cols, const mr_real *x, mr_real *y,
                          mr_real *gradient) {
    const double exponent = *(const double *)self;
    for (size_t i = 0; i < n; i++) {
        y[i] = 0;
        for (size_t j = i * cols; j < (i + 1) * cols; j++) {
            y[i] += pow(x[j], exponent);
            gradient[j] = exponent * pow(x[j], exponent - 1);
        }
    }
}

static mr_node *op_affine(leaves *x) {
    return mr_affine(x->a, -1.5, 0.25);
}
static mr_node *op_wrap(leaves *x) {
    return mr_wrap(x->a, 0.7);
}
static mr_node *op_exp(leaves *x) {
    return mr_exp(x->a);
}
static mr_node *op_log(leaves *x) {
    return mr_log(x->positive);
}
static mr_node *op_log1p(leaves *x) {
    return mr_log1p(x->positive);
}
static mr_node *op_tanh(leaves *x) {
    return mr_tanh(x->a);
}
static mr_node *op_sigmoid(leaves *x) {
    return mr_sigmoid(x->a);
}
static mr_node *op_softplus(leaves *x) {
    return mr_softplus(x->a);
}
static mr_node *op_softplus_inverse(leaves *x) {
    return mr_softplus_inverse(x->positive);
}
static mr_node *op_relu(leaves *x) {
    return mr_relu(x->a);
}
static mr_node *op_silu(leaves *x) {
    return mr_silu(x->a);
}
static mr_node *op_gelu(leaves *x) {
    return mr_gelu(x->a);
}
static mr_node *op_square(leaves *x) {
    return mr_square(x->a);
}
static mr_node *op_clamp(leaves *x) {
    return mr_clamp(x->a, -0.5, 0.75);
}
static mr_node *op_add(leaves *x) {
    return mr_add(x->a, x->b);
}
static mr_node *op_add_column(leaves *x) {
    return mr_add(x->column, x->b);
}
static mr_node *op_sub(leaves *x) {
    return mr_sub(x->a, x->b);
}
static mr_node *op_mul(leaves *x) {
    return mr_mul(x->a, x->b);
}
static mr_node *op_mul_itself(leaves *x) {
    return mr_mul(x->a, x->a);
}
static mr_node *op_mul_column(leaves *x) {
    return mr_mul(x->a, x->column);
}
static mr_node *op_div(leaves *x) {
    return mr_div(x->a, x->positive);
}
static mr_node *op_div_column(leaves *x) {
    return mr_div(x->column, x->positive);
}
static mr_node *op_min(leaves *x) {
    return mr_min(x->a, x->b);
}
static mr_node *op_max(leaves *x) {
    return mr_max(x->a, x->b);
}
static mr_node *op_sin(leaves *x) {
    return mr_sin(x->a);
}
static mr_node *op_log_add_exp(leaves *x) {
    return mr_log_add_exp(x->a, x->b);
}
static mr_node *op_log_add_exp_column(leaves *x) {
    return mr_log_add_exp(mr_affine(x->column, 10, 0), x->b);
}
static mr_node *op_callback(leaves *x) {
    static const double exponent = 3;
    return mr_callback(x->positive, sum_of_powers, (void *)&exponent);
}
static mr_node *op_row_sum(leaves *x) {
    return mr_row_sum(x->a);
}
static mr_node *op_row_mean(leaves *x) {
    return mr_row_mean(x->a);
}
static mr_node *op_row_norm(leaves *x) {
    return mr_row_norm(x->a);
}
static mr_node *op_tanh_log_det(leaves *x) {
    return mr_tanh_log_det(x->a);
}
static mr_node *op_concat(leaves *x) {
    return mr_concat(x->column, x->b);
}
static mr_node *op_concat_all(leaves *x) {
    return mr_concat_all(4, (mr_node *[]){x->a, x->column, x->b, x->a});
}
static mr_node *op_slice(leaves *x) {
    return mr_slice(x->a, 1, 2);
}
static mr_node *op_columns(leaves *x) {
    return mr_columns(x->a, (const size_t[]){2, 0, 2}, 3);
}
static mr_node *op_param_rows(leaves *x) {
    return mr_mul(x->a, mr_param_rows(x->graph, x->params, x->gain));
}
static mr_node *op_linear(leaves *x) {
    return mr_linear(x->a, x->params, x->weight, x->bias, MR_IDENTITY);
}
static mr_node *op_linear_relu(leaves *x) {
    return mr_linear(x->a, x->params, x->weight, x->bias, MR_RELU);
}
static mr_node *op_linear_tanh(leaves *x) {
    return mr_linear(x->a, x->params, x->weight, x->bias, MR_TANH);
}
static mr_node *op_linear_sigmoid(leaves *x) {
    return mr_linear(x->a, x->params, x->weight, x->bias, MR_SIGMOID);
}
static mr_node *op_linear_silu(leaves *x) {
    return mr_linear(x->a, x->params, x->weight, x->bias, MR_SILU);
}
static mr_node *op_linear_gelu(leaves *x) {
    return mr_linear(x->a, x->params, x->weight, x->bias, MR_GELU);
}
static mr_node *op_linear_without_bias(leaves *x) {
    return mr_linear_without_bias(x->a, x->params, x->weight);
}
static mr_node *op_linear_masked(leaves *x) {
    return mr_linear_masked(x->a, x->params, x->masked, x->bias, mask, MR_TANH);
}
// Two sets of units of one layer, which share one unit and some inputs.
static mr_node *op_linear_units(leaves *x) {
    static const size_t in[] = {2, 0, 1}, first[] = {1, 0}, second[] = {1};
    mr_node *some =
        mr_linear_units(mr_slice(x->a, 0, 3), x->params, x->weight, x->bias, in, 2, first, MR_TANH);
    mr_node *one = mr_linear_units(mr_slice(x->b, 0, 2), x->params, x->weight, x->bias, in, 1,
                                   second, MR_IDENTITY);
    return mr_concat(some, one);
}
static mr_node *op_linear_shared(leaves *x) {
    return mr_add(mr_linear(x->a, x->params, x->weight, x->bias, MR_TANH),
                  mr_linear(x->b, x->params, x->weight, x->bias, MR_IDENTITY));
}
static mr_node *op_layer_norm(leaves *x) {
    return mr_layer_norm(x->a, x->params, x->gain, x->shift, MR_IDENTITY);
}
static mr_node *op_layer_norm_relu(leaves *x) {
    return mr_layer_norm(x->a, x->params, x->gain, x->shift, MR_RELU);
}
static mr_node *op_layer_norm_silu(leaves *x) {
    return mr_layer_norm(x->a, x->params, x->gain, x->shift, MR_SILU);
}
static mr_node *op_rms_norm(leaves *x) {
    return mr_rms_norm(x->a, x->params, x->gain, MR_IDENTITY);
}
static mr_node *op_rms_norm_relu(leaves *x) {
    return mr_rms_norm(x->a, x->params, x->gain, MR_RELU);
}

static const mr_batch_norm_options plain = {.rate = 0.1, .epsilon = 1e-5, .r_max = 1};

static const mr_batch_norm_options plain_relu = {
    .rate = 0.1, .epsilon = 1e-5, .r_max = 1, .activation = MR_RELU};

// With running statistics as far from the batch's as those of leaves_new, both corrections are at
// their bounds: constants, as the gradient takes them to be.
static const mr_batch_norm_options renorm = {
    .rate = 0.1, .epsilon = 1e-3, .r_max = 3, .d_max = 0.7};

static mr_node *op_batch_norm(leaves *x) {
    return mr_batch_norm_train(x->a, x->params, &x->norm, &plain);
}
static mr_node *op_batch_norm_relu(leaves *x) {
    return mr_batch_norm_train(x->a, x->params, &x->norm, &plain_relu);
}
static mr_node *op_batch_norm_of_channels(leaves *x) {
    mr_node *image = mr_reshape(x->a, (mr_shape){2, 1, 2});
    return mr_batch_norm_train(image, x->params, &x->image_norm, &plain);
}
static mr_node *op_batch_renorm(leaves *x) {
    return mr_batch_norm_train(x->a, x->params, &x->norm, &renorm);
}
static mr_node *op_batch_norm_running(leaves *x) {
    return mr_batch_norm_running(x->a, x->params, &x->norm, &plain);
}
static mr_node *op_batch_norm_running_relu(leaves *x) {
    return mr_batch_norm_running(x->a, x->params, &x->norm, &plain_relu);
}
// Stretches one after another, a value that is read in several of them, parameters used twice.
static mr_node *op_batch_norms(leaves *x) {
    mr_node *h = mr_tanh(mr_batch_norm_train(x->a, x->params, &x->norm, &plain));
    mr_node *k = mr_batch_norm_train(mr_mul(h, x->b), x->params, &x->norm, &plain);
    mr_node *image = mr_sin(mr_reshape(k, (mr_shape){2, 2, 1}));
    return mr_add(mr_mul(h, k), mr_batch_norm_train(image, x->params, &x->image_norm, &plain));
}
// Two points in a row: layers and statistics are those of all points.
static mr_node *op_split_rows(leaves *x) {
    mr_node *points = mr_split_rows(mr_concat(x->a, x->b), 2);
    mr_node *h = mr_tanh(mr_batch_norm_train(points, x->params, &x->norm, &plain));
    return mr_join_rows(mr_linear(h, x->params, x->weight, x->bias, MR_IDENTITY), 2);
}
// Norms whose rows are more than the batch's.
static mr_node *op_split_rows_norms(leaves *x) {
    mr_node *points = mr_split_rows(mr_concat(x->a, x->b), 2);
    mr_node *h = mr_layer_norm(points, x->params, x->gain, x->shift, MR_RELU);
    return mr_join_rows(mr_add(h, mr_rms_norm(points, x->params, x->gain, MR_RELU)), 2);
}
static mr_node *op_conv2d(leaves *x) {
    mr_node *image = mr_reshape(x->a, (mr_shape){1, 2, 2});
    return mr_conv2d(image, NULL, x->params, x->weight, x->bias,
                     (mr_conv2d_options){.kernel = 2, .stride = 1, .padding = 1});
}
static mr_node *op_conv2d_strided(leaves *x) {
    mr_node *image = mr_reshape(mr_concat(x->a, x->b), (mr_shape){1, 2, 4});
    return mr_conv2d(image, NULL, x->params, x->weight, x->bias,
                     (mr_conv2d_options){.kernel = 2, .stride = 2, .padding = 1});
}
static mr_node *op_conv2d_pointwise(leaves *x) {
    mr_node *image = mr_reshape(mr_concat(x->a, x->b), (mr_shape){4, 1, 2});
    return mr_conv2d(image, NULL, x->params, x->weight, x->bias,
                     (mr_conv2d_options){.kernel = 1, .stride = 1});
}
static mr_node *op_conv2d_relu(leaves *x) {
    mr_node *image = mr_reshape(x->a, (mr_shape){1, 2, 2});
    return mr_conv2d(image, NULL, x->params, x->weight, x->bias,
                     (mr_conv2d_options){.kernel = 2, .stride = 1, .padding = 1, .relu = true});
}
// To fewer channels: the patches are those of the result.
static mr_node *op_conv2d_narrow(leaves *x) {
    const mr_conv2d_options options = {.kernel = 3, .stride = 1, .padding = 1};
    mr_node *all = mr_concat_all(3, (mr_node *[]){x->a, x->b, x->positive});
    mr_node *image = mr_reshape(all, (mr_shape){2, 2, 3});
    mr_node *y = mr_conv2d(mr_tanh(image), NULL, x->params, x->narrow[0], x->narrow[1], options);
    return mr_mul(y, mr_conv2d(image, NULL, x->params, x->narrow[0], x->narrow[1], options));
}
// A number for each channel; one of the shifts is also added to elsewhere.
static mr_node *op_conv2d_shifted(leaves *x) {
    const mr_conv2d_options options = {.kernel = 2, .stride = 1, .padding = 1, .relu = true};
    mr_node *image = mr_reshape(x->a, (mr_shape){1, 2, 2});
    mr_node *shift = mr_slice(mr_concat(x->positive, x->b), 0, WIDE);
    mr_node *y = mr_conv2d(image, shift, x->params, x->weight, x->bias, options);
    return mr_add(mr_row_sum(mr_square(y)), mr_row_sum(mr_square(shift)));
}
// A value with other consumers, and weights that are used twice.
static mr_node *op_conv2d_shared(leaves *x) {
    const mr_conv2d_options options = {.kernel = 2, .stride = 1, .padding = 1};
    mr_node *image = mr_reshape(x->a, (mr_shape){1, 2, 2});
    mr_node *y = mr_conv2d(mr_tanh(image), NULL, x->params, x->weight, x->bias, options);
    mr_node *z = mr_conv2d(image, NULL, x->params, x->weight, x->bias, options);
    return mr_mul(mr_mul(y, z), mr_row_sum(image));
}
static mr_node *op_batch_log_sum_exp(leaves *x) {
    return mr_mul(mr_batch_log_sum_exp(mr_affine(x->a, 3, 0)), x->a);
}
static mr_node *op_huber(leaves *x) {
    return mr_huber(x->a, 0.8);
}
// Some of these are below the rate.
static mr_node *op_dropout(leaves *x) {
    return mr_dropout(x->a, mr_affine(mr_stop_gradient(x->positive), 0.5, 0), 0.6);
}
static mr_node *op_categorical_mean(leaves *x) {
    return mr_categorical_mean(x->a, (mr_atoms){-1, 2});
}
static mr_node *op_cross_entropy(leaves *x) {
    return mr_cross_entropy(x->a, mr_stop_gradient(x->positive));
}
static mr_node *op_quantile_huber(leaves *x) {
    return mr_quantile_huber(x->a, mr_stop_gradient(x->b));
}
static mr_node *op_row_log_sum_exp(leaves *x) {
    return mr_row_log_sum_exp(mr_affine(x->a, 3, 0));
}
static mr_node *op_shift_columns(leaves *x) {
    return mr_mul(mr_shift_columns(mr_tanh(x->a), 1), x->a);
}
static mr_node *op_shift_columns_past_the_end(leaves *x) {
    return mr_mul(mr_add(mr_shift_columns(x->a, COLS + 1), x->b), x->a);
}
// Some numbers are the same, and some are outside the table.
static mr_node *op_embed(leaves *x) {
    mr_node *table = mr_embed(mr_affine(x->positive, 2, 0), x->params, x->weight);
    return mr_mul(table, mr_embed(mr_affine(x->positive, 4, -3), x->params, x->weight));
}
static mr_node *op_logistic_log_density(leaves *x) {
    return mr_logistic_log_density(x->a, x->params, x->weight, x->log_scale);
}
static mr_node *op_scale(leaves *x) {
    return mr_scale(x->a, x->params, x->gain, x->shift);
}
// An image of as many channels as the other cases have features.
static mr_node *image_of(leaves *x) {
    return mr_reshape(mr_concat(x->a, x->b), (mr_shape){COLS, 1, 2});
}
static mr_node *op_scale_image(leaves *x) {
    mr_node *y = mr_scale(image_of(x), x->params, x->gain, x->shift);
    return mr_scale(mr_tanh(y), x->params, x->gain, x->shift);
}
static mr_node *op_unscale_image(leaves *x) {
    return mr_unscale(image_of(x), x->params, x->gain, x->shift);
}
static mr_node *op_lower_upper_image(leaves *x) {
    mr_node *y = mr_upper(image_of(x), x->params, x->square, x->gain, x->sign);
    return mr_permute(mr_lower(y, x->params, x->square), x->params, x->order);
}
static mr_node *op_lower_upper_solve_image(leaves *x) {
    mr_node *y = mr_unpermute(image_of(x), x->params, x->order);
    return mr_upper_solve(mr_lower_solve(y, x->params, x->square), x->params, x->square, x->gain,
                          x->sign);
}
static mr_node *op_param_dot(leaves *x) {
    return mr_param_dot(x->a, x->params, x->square, 2, 1);
}
static mr_node *op_param_add(leaves *x) {
    mr_node *r = mr_param_product(x->graph, x->params, x->square, 0, 2, COLS);
    mr_node *y = mr_param_add(x->a, x->column, r, x->params, x->square, 1);
    return mr_mul(y, mr_param_dot(y, x->params, x->square, 0, 3)); // all add to one gradient
}
static mr_node *op_param_product(leaves *x) {
    return mr_mul(x->column, mr_param_product(x->graph, x->params, x->square, 1, 3, COLS));
}
static mr_node *op_unscale(leaves *x) {
    return mr_unscale(x->a, x->params, x->gain, x->shift);
}
static mr_node *op_lower(leaves *x) {
    return mr_lower(x->a, x->params, x->square);
}
static mr_node *op_lower_solve(leaves *x) {
    return mr_lower_solve(x->a, x->params, x->square);
}
static mr_node *op_upper(leaves *x) {
    return mr_upper(x->a, x->params, x->square, x->gain, x->sign);
}
static mr_node *op_upper_solve(leaves *x) {
    return mr_upper_solve(x->a, x->params, x->square, x->gain, x->sign);
}
static mr_node *op_lower_upper(leaves *x) {
    return mr_lower(mr_upper(x->a, x->params, x->square, x->gain, x->sign), x->params, x->square);
}
static mr_node *op_permute(leaves *x) {
    return mr_permute(x->a, x->params, x->order);
}
static mr_node *op_unpermute(leaves *x) {
    return mr_unpermute(x->a, x->params, x->order);
}
static mr_node *op_planar_root(leaves *x) {
    return mr_planar_root(x->column, mr_slice(x->positive, 1, 1));
}
static mr_node *op_radial_root(leaves *x) {
    return mr_radial_root(mr_row_norm(x->a), mr_slice(x->positive, 1, 2));
}
static mr_node *op_many_consumers(leaves *x) {
    mr_node *h = mr_tanh(x->a);
    return mr_mul(mr_add(h, mr_square(h)), mr_exp(mr_sub(h, x->b)));
}

typedef struct {
    const char *name;
    mr_node *(*build)(leaves *x);
} op_case;

static const op_case cases[] = {
    {"affine", op_affine},
    {"wrap", op_wrap},
    {"exp", op_exp},
    {"log", op_log},
    {"log1p", op_log1p},
    {"tanh", op_tanh},
    {"sigmoid", op_sigmoid},
    {"softplus", op_softplus},
    {"softplus_inverse", op_softplus_inverse},
    {"relu", op_relu},
    {"silu", op_silu},
    {"gelu", op_gelu},
    {"square", op_square},
    {"clamp", op_clamp},
    {"add", op_add},
    {"add, column first", op_add_column},
    {"sub", op_sub},
    {"mul", op_mul},
    {"mul, both the same", op_mul_itself},
    {"mul, column second", op_mul_column},
    {"div", op_div},
    {"div, column first", op_div_column},
    {"min", op_min},
    {"max", op_max},
    {"sin", op_sin},
    {"log_add_exp", op_log_add_exp},
    {"log_add_exp, column first", op_log_add_exp_column},
    {"callback", op_callback},
    {"row_sum", op_row_sum},
    {"row_mean", op_row_mean},
    {"row_norm", op_row_norm},
    {"tanh_log_det", op_tanh_log_det},
    {"concat", op_concat},
    {"concat of four, one of them twice", op_concat_all},
    {"slice", op_slice},
    {"columns, one twice", op_columns},
    {"permute", op_permute},
    {"unpermute", op_unpermute},
    {"param_rows", op_param_rows},
    {"linear", op_linear},
    {"linear, relu", op_linear_relu},
    {"linear, tanh", op_linear_tanh},
    {"linear, sigmoid", op_linear_sigmoid},
    {"linear, silu", op_linear_silu},
    {"linear, gelu", op_linear_gelu},
    {"linear without bias", op_linear_without_bias},
    {"linear, masked", op_linear_masked},
    {"linear, parameters used twice", op_linear_shared},
    {"linear, some units", op_linear_units},
    {"layer_norm", op_layer_norm},
    {"layer_norm, relu", op_layer_norm_relu},
    {"layer_norm, silu", op_layer_norm_silu},
    {"rms_norm", op_rms_norm},
    {"rms_norm, relu", op_rms_norm_relu},
    {"batch_norm", op_batch_norm},
    {"batch_norm, relu", op_batch_norm_relu},
    {"batch_norm of two channels", op_batch_norm_of_channels},
    {"batch_norm with renorm's corrections", op_batch_renorm},
    {"batch_norm by running statistics", op_batch_norm_running},
    {"batch_norm by running statistics, relu", op_batch_norm_running_relu},
    {"batch norms one after another", op_batch_norms},
    {"split_rows and join_rows", op_split_rows},
    {"norms of split rows", op_split_rows_norms},
    {"conv2d", op_conv2d},
    {"conv2d, strided", op_conv2d_strided},
    {"conv2d, 1 x 1", op_conv2d_pointwise},
    {"conv2d, shared", op_conv2d_shared},
    {"conv2d, relu", op_conv2d_relu},
    {"conv2d, to fewer channels", op_conv2d_narrow},
    {"conv2d, shifted", op_conv2d_shifted},
    {"batch_log_sum_exp", op_batch_log_sum_exp},
    {"huber, the example of docs/extending.md", op_huber},
    {"dropout", op_dropout},
    {"categorical_mean", op_categorical_mean},
    {"cross_entropy", op_cross_entropy},
    {"quantile_huber", op_quantile_huber},
    {"row_log_sum_exp", op_row_log_sum_exp},
    {"shift_columns", op_shift_columns},
    {"shift_columns, all of them", op_shift_columns_past_the_end},
    {"embed", op_embed},
    {"logistic_log_density", op_logistic_log_density},
    {"scale", op_scale},
    {"param_dot", op_param_dot},
    {"param_add", op_param_add},
    {"param_product", op_param_product},
    {"unscale", op_unscale},
    {"scale of channels", op_scale_image},
    {"unscale of channels", op_unscale_image},
    {"lower and upper of channels", op_lower_upper_image},
    {"lower_solve and upper_solve of channels", op_lower_upper_solve_image},
    {"lower", op_lower},
    {"lower_solve", op_lower_solve},
    {"upper", op_upper},
    {"upper_solve", op_upper_solve},
    {"lower and upper of one matrix", op_lower_upper},
    {"planar_root", op_planar_root},
    {"radial_root", op_radial_root},
    {"a value with many consumers", op_many_consumers},
};

static leaves leaves_new(int n_threads) {
    leaves x = {0};
    mr_random random = mr_random_stream(7, MR_STREAM_TEST, 0);
    cr_assert_eq(mr_params_new(&x.params), MR_OK);
    x.weight = mr_params_add(x.params, "weight", WIDE, COLS, MR_INIT_FAN_IN, 1, NULL);
    x.bias = mr_params_add(x.params, "bias", 1, WIDE, MR_INIT_FAN_IN, 1, NULL);
    x.gain = mr_params_add(x.params, "gain", 1, COLS, MR_INIT_FAN_IN, 1, NULL);
    x.shift = mr_params_add(x.params, "shift", 1, COLS, MR_INIT_FAN_IN, 1, NULL);
    x.masked = mr_params_add(x.params, "masked", WIDE, COLS, MR_INIT_FAN_IN, 1, mask);
    x.square = mr_params_add(x.params, "square", COLS, COLS, MR_INIT_FAN_IN, 1, NULL);
    x.log_scale = mr_params_add(x.params, "log_scale", WIDE, COLS, MR_INIT_FAN_IN, 1, NULL);
    x.pair[0] = mr_params_add(x.params, "pair.0", 1, 2, MR_INIT_FAN_IN, 1, NULL);
    x.pair[1] = mr_params_add(x.params, "pair.1", 1, 2, MR_INIT_FAN_IN, 1, NULL);
    x.narrow[0] = mr_params_add(x.params, "narrow.0", 1, 18, MR_INIT_FAN_IN, 18, NULL);
    x.narrow[1] = mr_params_add(x.params, "narrow.1", 1, 1, MR_INIT_FAN_IN, 18, NULL);
    x.norm = (mr_batch_norm){
        .gain = x.gain,
        .shift = x.shift,
        .mean = mr_params_add_buffer(x.params, "mean", 1, COLS, -40),
        .variance = mr_params_add_buffer(x.params, "variance", 1, COLS, 30),
        .n_batches = mr_params_add_buffer(x.params, "n_batches", 1, 1, 0),
    };
    x.sign = mr_params_add_buffer_values(x.params, "sign", 1, COLS, MR_BUFFER_SIGNS, sign);
    x.order = mr_params_add_buffer_values(x.params, "order", 1, COLS, MR_BUFFER_PERMUTATION, order);
    x.image_norm = x.norm;
    x.image_norm.gain = x.pair[0];
    x.image_norm.shift = x.pair[1];
    cr_assert_eq(mr_params_alloc(x.params, &random), MR_OK);
    cr_assert_eq(mr_graph_new(ROWS, n_threads, &x.graph), MR_OK);
    x.a = mr_input(x.graph, COLS, true);
    x.b = mr_input(x.graph, COLS, true);
    x.column = mr_input(x.graph, 1, true);
    x.positive = mr_input(x.graph, COLS, true);
    return x;
}

static void leaves_fill(leaves *x) {
    mr_random random = mr_random_stream(7, MR_STREAM_TEST, 1);
    mr_random_fill_normal(&random, ROWS * COLS, mr_node_value(x->a));
    mr_random_fill_normal(&random, ROWS * COLS, mr_node_value(x->b));
    mr_random_fill_normal(&random, ROWS, mr_node_value(x->column));
    mr_random_fill_uniform(&random, ROWS * COLS, 0.5, 2.0, mr_node_value(x->positive));
    mr_random_fill_normal(&random, ROWS * mr_node_cols(x->weights), mr_node_value(x->weights));
}

static void leaves_free(leaves *x) {
    mr_graph_free(x->graph);
    mr_params_free(x->params);
}

// A loss in which every value of `y` has its own weight.
static mr_node *weighted(leaves *x, mr_node *y) {
    x->weights = mr_input(x->graph, mr_node_cols(y), false);
    return mr_row_sum(mr_mul(x->weights, mr_square(mr_affine(y, 1, 0.3))));
}

static double loss_of(leaves *x, mr_node *loss) {
    mr_graph_run(x->graph, ROWS);
    return mr_node_mean(loss, ROWS);
}

// Compares d loss / d at[i] with a central difference.
static void check(leaves *x, mr_node *loss, const char *name, const char *what, mr_real *at,
                  const mr_real *grad, size_t n) {
    mr_real analytic[64];
    cr_assert(n <= 64);
    loss_of(x, loss);
    for (size_t i = 0; i < n; i++)
        analytic[i] = grad[i];
    for (size_t i = 0; i < n; i++) {
        const mr_real kept = at[i];
        at[i] = kept + step;
        const double above = loss_of(x, loss);
        at[i] = kept - step;
        const double below = loss_of(x, loss);
        at[i] = kept;
        cr_expect_float_eq(analytic[i], (above - below) / (2 * step), tolerance,
                           "%s: d/d%s[%zu] is %.10g, the difference says %.10g", name, what, i,
                           (double)analytic[i], (above - below) / (2 * step));
    }
}

static void check_param(leaves *x, mr_node *loss, const char *name, const char *what, mr_param p) {
    check(x, loss, name, what, mr_params_value(x->params) + p.offset,
          mr_params_grad(x->params) + p.offset, p.rows * p.cols);
}

// The masked weights that exist; the others have gradient 0 whatever the difference says.
static void check_masked(leaves *x, mr_node *loss, const char *name) {
    mr_real *value = mr_params_value(x->params) + x->masked.offset;
    const mr_real *grad = mr_params_grad(x->params) + x->masked.offset;
    for (size_t i = 0; i < WIDE * COLS; i++)
        if (mask[i] == 1)
            check(x, loss, name, "masked weight", value + i, grad + i, 1);
    loss_of(x, loss);
    for (size_t i = 0; i < WIDE * COLS; i++)
        cr_expect(mask[i] == 1 || grad[i] == 0);
}

static void check_op(const op_case *c, int n_threads) {
    leaves x = leaves_new(n_threads);
    mr_node *y = c->build(&x);
    mr_node *loss = weighted(&x, y);
    cr_assert_eq(mr_graph_plan(x.graph, loss, 1, &x.params), MR_OK);
    leaves_fill(&x);
    const struct {
        const char *name;
        mr_node *node;
    } inputs[] = {{"a", x.a}, {"b", x.b}, {"column", x.column}, {"positive", x.positive}};
    for (size_t k = 0; k < MR_COUNT(inputs); k++)
        if (mr_node_grad(inputs[k].node))
            check(&x, loss, c->name, inputs[k].name, mr_node_value(inputs[k].node),
                  mr_node_grad(inputs[k].node), ROWS * mr_node_cols(inputs[k].node));
    check_param(&x, loss, c->name, "weight", x.weight);
    check_param(&x, loss, c->name, "log_scale", x.log_scale);
    check_param(&x, loss, c->name, "bias", x.bias);
    check_param(&x, loss, c->name, "gain", x.gain);
    check_param(&x, loss, c->name, "shift", x.shift);
    check_param(&x, loss, c->name, "square", x.square);
    check_param(&x, loss, c->name, "pair", x.pair[0]);
    check_param(&x, loss, c->name, "pair", x.pair[1]);
    check_param(&x, loss, c->name, "narrow", x.narrow[0]);
    check_param(&x, loss, c->name, "narrow", x.narrow[1]);
    check_masked(&x, loss, c->name);
    leaves_free(&x);
}

Test(ops, gradients_equal_central_differences) {
    for (size_t i = 0; i < MR_COUNT(cases); i++)
        check_op(&cases[i], 1);
}

Test(ops, gradients_equal_central_differences_with_rows_shared_out_over_threads) {
    for (size_t i = 0; i < MR_COUNT(cases); i++)
        check_op(&cases[i], 3);
}

// Products and solves undo each other, which finite differences would not notice.
Test(ops, triangular_solves_invert_the_products) {
    leaves x = leaves_new(1);
    mr_node *y = mr_lower(mr_upper(x.a, x.params, x.square, x.gain, x.sign), x.params, x.square);
    mr_node *back = mr_keep(
        mr_upper_solve(mr_lower_solve(y, x.params, x.square), x.params, x.square, x.gain, x.sign));
    mr_node *loss = weighted(&x, y);
    cr_assert_eq(mr_graph_plan(x.graph, loss, 0, NULL), MR_OK);
    leaves_fill(&x);
    mr_graph_run(x.graph, ROWS);
    for (size_t i = 0; i < ROWS * COLS; i++)
        cr_expect_float_eq(mr_node_value(back)[i], mr_node_value(x.a)[i], 1e-12);
    leaves_free(&x);
}

// An order that is loaded after the graph was built is the one that counts.
Test(ops, a_permutation_goes_by_the_order_of_the_latest_run) {
    static const mr_real other[COLS] = {3, 1, 0, 2};
    leaves x = leaves_new(1);
    mr_node *y = mr_keep(mr_permute(x.a, x.params, x.order));
    mr_node *back = mr_keep(mr_unpermute(y, x.params, x.order));
    cr_assert_eq(mr_graph_plan(x.graph, weighted(&x, back), 0, NULL), MR_OK);
    leaves_fill(&x);
    for (int k = 0; k < 2; k++) {
        const mr_real *now = k == 0 ? order : other;
        memcpy(mr_params_buffer(x.params, x.order), now, sizeof order);
        mr_graph_run(x.graph, ROWS);
        for (size_t i = 0; i < ROWS * COLS; i++)
            cr_expect_eq(mr_node_value(y)[i],
                         mr_node_value(x.a)[i - i % COLS + (size_t)now[i % COLS]]);
        cr_expect_arr_eq(mr_node_value(back), mr_node_value(x.a), ROWS * COLS * sizeof(mr_real));
    }
    leaves_free(&x);
}

Test(ops, no_gradient_goes_through_stop_gradient) {
    leaves x = leaves_new(1);
    mr_node *loss = weighted(&x, mr_mul(x.a, mr_stop_gradient(x.b)));
    cr_assert_eq(mr_graph_plan(x.graph, loss, 0, NULL), MR_OK);
    leaves_fill(&x);
    check(&x, loss, "stop_gradient", "a", mr_node_value(x.a), mr_node_grad(x.a), ROWS * COLS);
    cr_assert_null(mr_node_grad(x.b));
    leaves_free(&x);
}

Test(ops, a_log_sum_exp_over_the_batch_is_what_its_rows_give) {
    static const double x[] = {1000, 3, -1000, 3, 1001, 4};
    const double expected[] = {1001 + log1p(exp(-1)), 4 + log(1 + 2 * exp(-1))};
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        mr_graph *graph = NULL;
        cr_assert_eq(mr_graph_new(3, n_threads, &graph), MR_OK);
        mr_node *input = mr_input(graph, 2, false);
        mr_node *y = mr_keep(mr_batch_log_sum_exp(input));
        cr_assert_eq(mr_graph_plan(graph, NULL, 0, NULL), MR_OK);
        memcpy(mr_node_value(input), x, sizeof x);
        mr_graph_run(graph, 3);
        for (size_t i = 0; i < MR_COUNT(x); i++)
            cr_expect_float_eq(mr_node_value(y)[i], expected[i % 2], 1e-12);
        mr_graph_free(graph);
    }
}

Test(ops, log_add_exp_neither_overflows_nor_makes_a_nan) {
    static const double a[] = {1000, -1000, 0, -INFINITY, -INFINITY};
    static const double b[] = {-1000, -1001, 0, 2, -INFINITY};
    const double expected[] = {1000, -1000 + log1p(exp(-1)), log(2), 2, -INFINITY};
    mr_graph *graph = NULL;
    cr_assert_eq(mr_graph_new(MR_COUNT(a), 1, &graph), MR_OK);
    mr_node *x = mr_input(graph, 1, true), *y = mr_input(graph, 1, true);
    mr_node *sum = mr_log_add_exp(x, y);
    cr_assert_eq(mr_graph_plan(graph, sum, 0, NULL), MR_OK);
    memcpy(mr_node_value(x), a, sizeof a);
    memcpy(mr_node_value(y), b, sizeof b);
    mr_graph_run(graph, MR_COUNT(a));
    for (size_t i = 0; i < MR_COUNT(a); i++) {
        cr_expect(mr_node_value(sum)[i] == expected[i] ||
                      fabs(mr_node_value(sum)[i] - expected[i]) < 1e-12,
                  "%g, not %g", mr_node_value(sum)[i], expected[i]);
        cr_expect(isfinite(mr_node_grad(x)[i]) && isfinite(mr_node_grad(y)[i]));
    }
    mr_graph_free(graph);
}
