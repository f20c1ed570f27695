/// Files that a script under tests/oracle/ has recorded: float64 arrays by name, weights and what
/// another library makes of them. For either precision: the float32 library gets them rounded.
#pragma once

#include "nn/params.h"

#include <math.h>

#include "tests/scratch.h"

/// Opens MR_TEST_DATA/NAME.safetensors. The caller closes it.
static inline mr_tensors *recorded_open(const char *name) {
    char path[512];
    mr_tensors *file;
    snprintf(path, sizeof path, MR_TEST_DATA "/%s.safetensors", name);
    cr_assert_eq(mr_tensors_open(path, &file), MR_OK, "%s", mr_error_message());
    return file;
}

/// A recorded array.
static inline const double *recorded_array(const mr_tensors *file, const char *name, size_t n) {
    mr_tensor tensor;
    cr_assert(mr_tensors_find(file, name, &tensor), "no array %s", name);
    cr_assert(tensor.dtype == MR_F64 && tensor.n_bytes == n * sizeof(double), "%s", name);
    return tensor.data;
}

static inline void recorded_copy(const mr_tensors *file, const char *name, size_t n, mr_real *out) {
    const double *from = recorded_array(file, name, n);
    for (size_t i = 0; i < n; i++)
        out[i] = (mr_real)from[i];
}

static inline void recorded_add_rounded(mr_tensors_writer *writer, const mr_tensor *tensor,
                                        mr_real *rounded) {
    const size_t n = tensor->n_bytes / sizeof(double);
    for (size_t i = 0; i < n; i++)
        rounded[i] = (mr_real)((const double *)tensor->data)[i];
    cr_assert_eq(mr_tensors_writer_add(writer, tensor->name,
                                       sizeof(mr_real) == sizeof(float) ? MR_F32 : MR_F64,
                                       tensor->n_dims, tensor->shape, rounded),
                 MR_OK);
}

/// A recorded file in the library's own precision, by way of a file in the present folder.
static inline mr_tensors *recorded_round(const mr_tensors *file) {
    static const char path[] = "rounded.safetensors";
    mr_tensors_writer *writer;
    mr_tensors *rounded;
    size_t n_bytes = 0;
    for (size_t i = 0; i < mr_tensors_count(file); i++)
        n_bytes += mr_tensors_at(file, i).n_bytes;
    mr_real *numbers = malloc(n_bytes), *next = numbers;
    cr_assert_not_null(numbers);
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    for (size_t i = 0; i < mr_tensors_count(file); i++) {
        const mr_tensor tensor = mr_tensors_at(file, i);
        recorded_add_rounded(writer, &tensor, next);
        next += tensor.n_bytes / sizeof(double);
    }
    cr_assert_eq(mr_tensors_writer_write(writer, path), MR_OK, "%s", mr_error_message());
    mr_tensors_writer_free(writer);
    free(numbers);
    cr_assert_eq(mr_tensors_open(path, &rounded), MR_OK, "%s", mr_error_message());
    return rounded;
}

/// The gradients of a set under the names that the file has for them, by way of a file. The caller
/// closes it.
static inline mr_tensors *recorded_named_grads(const mr_params *params, const char *prefix) {
    static const char path[] = "grads.safetensors";
    mr_tensors_writer *writer;
    mr_tensors *named;
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    cr_assert_eq(mr_params_write(params, mr_params_grad(params), prefix, writer), MR_OK);
    cr_assert_eq(mr_tensors_writer_write(writer, path), MR_OK, "%s", mr_error_message());
    mr_tensors_writer_free(writer);
    cr_assert_eq(mr_tensors_open(path, &named), MR_OK, "%s", mr_error_message());
    return named;
}

/// Holds numbers against the recorded array of that name. Each may err by `tolerance` of the
/// largest of them: within one array, rounding depends on the size of what is summed, not of the
/// sum. If that is below 1e-3, it counts as 1e-3: the gradient of a shift that a later batch norm
/// takes out again is 0 but for rounding.
static inline void recorded_expect(const mr_tensors *file, const char *name, size_t n,
                                   const mr_real *found, double tolerance) {
    const double *expected = recorded_array(file, name, n);
    double largest = 1e-3;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(expected[i]));
    for (size_t i = 0; i < n; i++)
        cr_expect_float_eq((double)found[i], expected[i], tolerance * largest,
                           "%s: %s[%zu] is %.15g, recorded is %.15g", mr_tensors_path(file), name,
                           i, (double)found[i], expected[i]);
}

/// Holds the gradients of a set against those recorded under PREFIX and its names.
static inline void recorded_expect_grads(const mr_tensors *file, const char *prefix,
                                         const mr_params *params, double tolerance) {
    mr_tensors *named = recorded_named_grads(params, prefix);
    for (size_t k = 0; k < mr_tensors_count(named); k++) {
        const mr_tensor tensor = mr_tensors_at(named, k);
        recorded_expect(file, tensor.name, tensor.n_bytes / sizeof(mr_real), tensor.data,
                        tolerance);
    }
    mr_tensors_close(named);
}
