/// What files of saved models have in common: the metadata that says what they are, and parameters
/// that must be finite.
#pragma once

#include "nn/params.h"
#include "base/tensors.h"

/// A kind of model file.
typedef struct {
    const char *name;    // "millrace.policy"
    const char *version; // "1"
    const char *what;    // "policy"
    const char *give;    // what users are told to give in its place
} mr_model_format;

/// Notes what the file is.
mr_status mr_model_note(const mr_model_format *format, mr_tensors_writer *writer);

/// Notes a size.
mr_status mr_model_note_size(mr_tensors_writer *writer, const char *key, size_t size);

/// Fails with MR_ERR_INPUT where a file is not of that kind and version.
mr_status mr_model_check(const mr_model_format *format, const mr_tensors *file);

/// An entry of the metadata, borrowed. Fails with MR_ERR_INPUT where there is none.
mr_status mr_model_text(const mr_tensors *file, const char *key, const char **out);

/// A size in the metadata, from 1 to 2^20. Fails with MR_ERR_INPUT on anything else.
mr_status mr_model_size(const mr_tensors *file, const char *key, size_t *out);

/// How many numbers the file has. The parameters are some of them: no model is larger than its
/// file.
size_t mr_model_count_numbers(const mr_tensors *file);

/// Fails with MR_ERR_INPUT: an entry of the metadata makes no sense.
mr_status mr_model_fail(const mr_tensors *file, const char *key, const char *text);

/// Loads parameters. Fails with MR_ERR_INPUT where they are not those of the file, and with
/// MR_ERR_NUMERIC where some are not finite; `remedy` then ends the message.
mr_status mr_model_load(const mr_tensors *file, mr_params *params, const char *remedy);
