/// What files of saved models have in common: metadata that names their kind and version, sizes in
/// the metadata, and parameters that must be finite.
#pragma once

#include <jansson.h>

#include "nn/params.h"
#include "base/tensors.h"

/// A kind of model file.
typedef struct {
    const char *name;    // "millrace.policy"
    const char *version; // "1"
    const char *what;    // "policy", in messages
    const char *give;    // the end of the message about a file of another kind: "give ..."
} mr_model_format;

/// Adds the kind and version to the metadata.
mr_status mr_model_note(const mr_model_format *format, mr_tensors_writer *writer);

/// Adds a size to the metadata.
mr_status mr_model_note_size(mr_tensors_writer *writer, const char *key, size_t size);

/// Fails with MR_ERR_INPUT if a file is not of that kind and version.
mr_status mr_model_check(const mr_model_format *format, const mr_tensors *file);

/// An entry of the metadata, borrowed. Fails with MR_ERR_INPUT if it is missing.
mr_status mr_model_text(const mr_tensors *file, const char *key, const char **out);

/// Which of two words an entry of the metadata is. Fails with MR_ERR_INPUT on another one.
mr_status mr_model_word(const mr_tensors *file, const char *key, const char *const words[2],
                        bool *is_second);

/// A size in the metadata, from 1 to 2^20. Fails with MR_ERR_INPUT on anything else.
mr_status mr_model_size(const mr_tensors *file, const char *key, size_t *out);

/// How many numbers the file has: a bound on the size of its model (mr_params_limit).
size_t mr_model_count_numbers(const mr_tensors *file);

/// Fails with MR_ERR_INPUT, saying that an entry of the metadata is invalid.
mr_status mr_model_fail(const mr_tensors *file, const char *key, const char *text);

/// Numbers [n] as a text of the metadata, each with as many digits as read back the same. The
/// caller frees it; NULL if memory runs out.
char *mr_model_numbers_text(size_t n, const double *numbers);

/// Adds numbers [n] to the metadata.
mr_status mr_model_note_numbers(mr_tensors_writer *writer, const char *key, size_t n,
                                const double *numbers);

/// Reads numbers [n] in the metadata, all finite.
mr_status mr_model_numbers(const mr_tensors *file, const char *key, size_t n, double *numbers);

/// Adds a value to the metadata as JSON, and releases it; NULL, and a value that was made without
/// enough memory since mr_json_watch, are a failure.
mr_status mr_model_note_json(mr_tensors_writer *writer, const char *key, json_t *value);

/// An entry of the metadata as an array of JSON, which the caller releases, also after a failure;
/// left as it is if there is no such entry.
mr_status mr_model_array(const mr_tensors *file, const char *key, json_t **out);

/// Loads parameters and buffers; `prefix` before their names. Fails with MR_ERR_INPUT if the file
/// has others or other shapes, and with MR_ERR_NUMERIC if some are not finite; `remedy` then ends
/// the message.
mr_status mr_model_load(const mr_tensors *file, mr_params *params, const char *prefix,
                        const char *remedy);
