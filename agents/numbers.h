/// Numbers of the sections of a checkpoint (checkpoint.h): float64 arrays, each under its name.
#pragma once

#include "base/tensors.h"

/// Numbers of a section, under one name.
typedef struct {
    char name[64]; // "loop.best_steps"
    double *value; // [n]
    size_t n;
    bool is_optional; // earlier files may not have it
    bool is_count;    // a whole number that is not negative
} mr_number;

/// Adds numbers; the values are borrowed until the file is written.
mr_status mr_numbers_write(size_t n, const mr_number *numbers, mr_tensors_writer *writer);

/// Reads them back. Fails with MR_ERR_INPUT if one is missing that is not optional or is not the
/// count that it should be.
mr_status mr_numbers_read(size_t n, const mr_number *numbers, const mr_tensors *file);

/// Reads them from one array that has them in their order, as earlier versions wrote some.
mr_status mr_numbers_read_array(size_t n, const mr_number *numbers, const char *array,
                                const mr_tensors *file);

/// Whether a checkpoint is of version 2, that of millrace 0.1. mr_numbers_read takes its numbers
/// from the one array that it has of them.
bool mr_numbers_are_of_0_1(const mr_tensors *file);

/// Whether a double is a whole number that is not negative.
bool mr_number_is_count(double x);

/// Fails with MR_ERR_INPUT: the value of that name is invalid.
mr_status mr_numbers_fail_damaged(const mr_tensors *file, const char *name);
