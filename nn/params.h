/// Sets of parameters and buffers: declared one by one, then allocated as one contiguous block.
///
/// Parameters are trained. Buffers belong to a model too and are saved with it, but no optimizer
/// changes them: the running statistics of a batch norm, a permutation. A set is a layout (names
/// and shapes, in order of declaration) and, once allocated, four arrays of the same length over
/// it: values, gradients and the two moments of Adam. Each has the parameters first and the buffers
/// after them, whose gradients and moments stay 0. So Adam, Polyak averaging, clipping, copying and
/// saving are single passes over memory. A copy of a set (`mr_params_copy`) serves as a target net:
/// what is built for one set can be built for the other.
#pragma once

#include "base/random.h"
#include "base/real.h"
#include "base/status.h"
#include "base/tensors.h"

typedef struct mr_params mr_params;

/// A parameter of a layout: the same handle serves every copy of it.
typedef struct {
    size_t offset; // of its first number in the block
    size_t rows;
    size_t cols;
} mr_param;

/// A buffer of a layout, likewise.
typedef struct {
    size_t offset; // of its first number among the buffers
    size_t rows;
    size_t cols;
} mr_buffer;

/// What the numbers of a buffer are. A file whose numbers are something else is refused.
typedef enum {
    MR_BUFFER_NUMBERS,     // any
    MR_BUFFER_PERMUTATION, // 0 to n - 1, each once
    MR_BUFFER_SIGNS,       // 1 and -1
} mr_buffer_kind;

/// The initial values of a parameter.
typedef enum {
    MR_INIT_ZERO,
    MR_INIT_ONE,
    MR_INIT_FAN_IN, // uniform on +-1/sqrt(fan_in): PyTorch's default for linear layers (He et al.
                    // 2015 with a = sqrt(5))
    MR_INIT_NORMAL, // normal, deviation 0.01
} mr_initializer;

/// An empty layout. The caller frees it.
mr_status mr_params_new(mr_params **out);
void mr_params_free(mr_params *params);

/// Bounds how many numbers may be declared, of parameters and of buffers each: for layouts that a
/// file describes, which cannot have more of them than the file. Without a bound until set.
void mr_params_limit(mr_params *params, size_t n_numbers);

/// Fails with MR_ERR_INPUT if `n_numbers` more are beyond the limit. For callers that compute the
/// initial values of a parameter of that size before they declare it.
mr_status mr_params_check_room(const mr_params *params, size_t n_numbers);

/// Declares a parameter [rows x cols], before mr_params_alloc. `name` is copied and unique
/// ("actor.trunk.0.weight").
///
///   fan_in  inputs of the layer, for MR_INIT_FAN_IN
///   mask    [rows x cols] of 0 and 1, borrowed for the life of the set; NULL: none. The parameter
///           is initially 0 where the mask is; mr_linear_masked keeps its gradient 0 there, so that
///           it stays 0.
///
/// mr_params_alloc reports an allocation that fails here, and a size beyond the limit.
mr_param mr_params_add(mr_params *params, const char *name, size_t rows, size_t cols,
                       mr_initializer init, size_t fan_in, const mr_real *mask);

/// Declares a parameter [rows x cols] with the initial values `start`, which are copied.
mr_param mr_params_add_values(mr_params *params, const char *name, size_t rows, size_t cols,
                              const mr_real *start);

/// Declares a buffer [rows x cols] of numbers that are initially `start`, or a buffer of `kind`
/// that is initially a copy of start[rows x cols]. As mr_params_add in all else.
mr_buffer mr_params_add_buffer(mr_params *params, const char *name, size_t rows, size_t cols,
                               double start);
mr_buffer mr_params_add_buffer_values(mr_params *params, const char *name, size_t rows, size_t cols,
                                      mr_buffer_kind kind, const mr_real *start);

/// Allocates the block, 64-byte aligned and zeroed, and draws the initial values from `random`.
/// Fails with MR_ERR_MEMORY, or with MR_ERR_INPUT if more was declared than mr_params_limit allows.
mr_status mr_params_alloc(mr_params *params, mr_random *random);

/// Keeps each row of a weight [rows x cols] at Euclidean norm 1: scales it now, and whenever
/// mr_params_scale_rows is called. Rows of zeros stay. Called after mr_params_alloc; a copy of the
/// set has no such rows. Fails with MR_ERR_MEMORY alone.
///
///   bias  [1 x rows], each number of which is taken as one more of its row; NULL: none
mr_status mr_params_keep_unit_rows(mr_params *params, mr_param weight, const mr_param *bias);

/// Scales all rows of mr_params_keep_unit_rows to norm 1.
void mr_params_scale_rows(mr_params *params);

/// A second set with the same layout, values and buffers (moments zero).
mr_status mr_params_copy(const mr_params *params, mr_params **out);

/// Exchanges the values and buffers of two sets of the same layout.
void mr_params_swap(mr_params *a, mr_params *b);

/// Numbers in each array: parameters and buffers, with gaps for alignment.
size_t mr_params_size(const mr_params *params);

/// How many of them, at the start, are the parameters': what an optimizer goes through.
size_t mr_params_trained_size(const mr_params *params);

/// Numbers of all parameters, without gaps and buffers.
size_t mr_params_count(const mr_params *params);

mr_real *mr_params_value(const mr_params *params);             // [size]
const mr_real *mr_params_read(const mr_params *params);        // [size]
mr_real *mr_params_grad(const mr_params *params);              // [size]
mr_real *mr_params_moment(const mr_params *params, int order); // [size], order 1 or 2

/// The numbers of a buffer [rows x cols].
mr_real *mr_params_buffer(const mr_params *params, mr_buffer buffer);

/// How files hold mr_real.
extern const mr_dtype mr_real_dtype;

/// Adds each parameter and buffer to a file as float32 [rows x cols], or [cols] if it has one row;
/// `prefix` before its name.
///
///   array  [mr_params_size] what to write: one of the set's four arrays, or another with its
///          layout. Of the set's gradients and moments, only those of parameters are written.
mr_status mr_params_write(const mr_params *params, const mr_real *array, const char *prefix,
                          mr_tensors_writer *writer);

/// Reads the same back from a file into `array`. A permutation or signs that the file does not have
/// stay as they are: files of version 0.1 have none. Fails with MR_ERR_INPUT on anything else that
/// is missing or has another shape, and on a buffer that is not of its kind; `array` is then partly
/// overwritten.
mr_status mr_params_load(const mr_params *params, const mr_tensors *tensors, const char *prefix,
                         mr_real *array);

/// mr_params_write and mr_params_load of a set's values and both moments, each under a prefix of
/// its own.
mr_status mr_params_write_all(const mr_params *params, const char *const prefix[3],
                              mr_tensors_writer *writer);
mr_status mr_params_load_all(const mr_params *params, const char *const prefix[3],
                             const mr_tensors *tensors);
