/// Parameters: declared one by one, then side by side in one contiguous block.
///
/// A set of parameters is a layout (names and shapes, in order of declaration) and, once allocated,
/// four arrays of the same length over it: value, gradient and the two moments of Adam. So Adam,
/// Polyak averaging, clipping and saving are single passes over memory. A copy of a layout
/// (`mr_params_copy`) serves a target net: what is built for one set can be built for the other.
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

/// How a parameter starts.
typedef enum {
    MR_INIT_ZERO,
    MR_INIT_ONE,
    MR_INIT_FAN_IN, // uniform on +-1/sqrt(fan_in): PyTorch's start of linear layers (He et al. 2015
                    // with a = sqrt(5))
    MR_INIT_NORMAL, // normal, deviation 0.01
} mr_init;

/// An empty layout. The caller frees it.
mr_status mr_params_new(mr_params **out);
void mr_params_free(mr_params *params);

/// Bounds how many numbers may be declared: for layouts that a file describes, which cannot have
/// more of them than the file. Without a bound until set.
void mr_params_limit(mr_params *params, size_t n_numbers);

/// Fails with MR_ERR_INPUT where `n_numbers` more are beyond the limit. For those who prepare
/// something of that size before they declare it.
mr_status mr_params_check_room(const mr_params *params, size_t n_numbers);

/// Declares a parameter [rows x cols], before mr_params_alloc. `name` is copied and unique
/// ("actor.trunk.0.weight").
///
///   fan_in  inputs of the layer, for MR_INIT_FAN_IN
///   mask    [rows x cols] of 0 and 1, borrowed for the life of the set; NULL: none. Where it is 0
///   the parameter is 0
///           at the start; mr_linear_masked keeps its gradient 0 there, so that it stays 0.
///
/// An allocation that fails is reported by mr_params_alloc, and likewise what is beyond the limit.
mr_param mr_params_add(mr_params *params, const char *name, size_t rows, size_t cols, mr_init init,
                       size_t fan_in, const mr_real *mask);

/// Declares a parameter [rows x cols] that starts with the values `start`, which are copied.
mr_param mr_params_add_values(mr_params *params, const char *name, size_t rows, size_t cols,
                              const mr_real *start);

/// Fails with MR_ERR_MEMORY, or MR_ERR_INPUT where more was declared than mr_params_limit allows.
/// Allocates the block, 64-byte aligned and zeroed, and draws the starting values from `random`.
mr_status mr_params_alloc(mr_params *params, mr_random *random);

/// A second set with the same layout and values (moments zero).
mr_status mr_params_copy(const mr_params *params, mr_params **out);

/// Exchanges the values of two sets of the same layout.
void mr_params_swap(mr_params *a, mr_params *b);

/// Numbers in the block, gaps for alignment included.
size_t mr_params_size(const mr_params *params);

/// Numbers that belong to a parameter.
size_t mr_params_count(const mr_params *params);

mr_real *mr_params_value(const mr_params *params);             // [size]
const mr_real *mr_params_read(const mr_params *params);        // [size]
mr_real *mr_params_grad(const mr_params *params);              // [size]
mr_real *mr_params_moment(const mr_params *params, int order); // [size], order 1 or 2

/// How files hold mr_real.
extern const mr_dtype mr_real_dtype;

/// Adds each parameter to a file as float32 [rows x cols], or [cols] where it has one row; `prefix`
/// before its name. `array` is the block to write, one of the four.
mr_status mr_params_write(const mr_params *params, const mr_real *array, const char *prefix,
                          mr_tensors_writer *writer);

/// Reads the same back from a file into `array`. On failure `array` is partly overwritten.
mr_status mr_params_load(const mr_params *params, const mr_tensors *tensors, const char *prefix,
                         mr_real *array);

/// mr_params_write and mr_params_load of a set's values and both moments, each under a prefix of
/// its own.
mr_status mr_params_write_all(const mr_params *params, const char *const prefix[3],
                              mr_tensors_writer *writer);
mr_status mr_params_load_all(const mr_params *params, const char *const prefix[3],
                             const mr_tensors *tensors);
