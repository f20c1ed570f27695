// Metadata and parameters of saved models.

#include "nn/model_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"
#include "base/number.h"

enum {
    MAX_SIZE = 1 << 20, // beyond it a file is damaged, not large
    NUMBER_SIZE = 32,
};

mr_status mr_model_note(const mr_model_format *format, mr_tensors_writer *writer) {
    const mr_status status = mr_tensors_writer_note(writer, "format", format->name);
    return status == MR_OK ? mr_tensors_writer_note(writer, "format_version", format->version)
                           : status;
}

mr_status mr_model_note_size(mr_tensors_writer *writer, const char *key, size_t size) {
    char text[NUMBER_SIZE];
    snprintf(text, sizeof text, "%zu", size);
    return mr_tensors_writer_note(writer, key, text);
}

mr_status mr_model_check(const mr_model_format *format, const mr_tensors *file) {
    const char *name = mr_tensors_note(file, "format");
    const char *version = mr_tensors_note(file, "format_version");
    if (!name)
        return mr_fail(MR_ERR_INPUT, "%s: not a %s saved by millrace; give %s",
                       mr_tensors_path(file), format->what, format->give);
    if (strcmp(name, format->name) != 0)
        return mr_fail(MR_ERR_INPUT, "%s: not a %s saved by millrace, but a '%.40s'; give %s",
                       mr_tensors_path(file), format->what, name, format->give);
    if (!version || strcmp(version, format->version) != 0)
        return mr_fail(MR_ERR_INPUT,
                       "%s: %s format %.20s, this millrace reads %s; use the version that wrote it",
                       mr_tensors_path(file), format->what, version ? version : "unknown",
                       format->version);
    return MR_OK;
}

mr_status mr_model_text(const mr_tensors *file, const char *key, const char **out) {
    *out = mr_tensors_note(file, key);
    if (*out)
        return MR_OK;
    return mr_fail(MR_ERR_INPUT, "%s: its metadata has no '%s'; is the file damaged?",
                   mr_tensors_path(file), key);
}

mr_status mr_model_word(const mr_tensors *file, const char *key, const char *const words[2],
                        bool *is_second) {
    const char *text;
    const mr_status status = mr_model_text(file, key, &text);
    if (status != MR_OK)
        return status;
    *is_second = strcmp(text, words[1]) == 0;
    return *is_second || strcmp(text, words[0]) == 0 ? MR_OK : mr_model_fail(file, key, text);
}

mr_status mr_model_size(const mr_tensors *file, const char *key, size_t *out) {
    const char *text;
    char *end;
    const mr_status status = mr_model_text(file, key, &text);
    if (status != MR_OK)
        return status;
    const long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < 1 || value > MAX_SIZE)
        return mr_model_fail(file, key, text);
    *out = (size_t)value;
    return MR_OK;
}

size_t mr_model_count_numbers(const mr_tensors *file) {
    size_t n_bytes = 0;
    for (size_t i = 0; i < mr_tensors_count(file); i++)
        n_bytes += mr_tensors_at(file, i).n_bytes;
    return n_bytes / sizeof(mr_real);
}

mr_status mr_model_fail(const mr_tensors *file, const char *key, const char *text) {
    return mr_fail(MR_ERR_INPUT,
                   "%s: its metadata's '%s' is '%.40s', which makes no sense; is the file damaged?",
                   mr_tensors_path(file), key, text);
}

char *mr_model_numbers_text(size_t n, const double *numbers) {
    char *text = malloc(n * NUMBER_SIZE + 1);
    if (!text)
        return NULL;
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            text[used++] = ' ';
        used += (size_t)mr_number_write_digits(text + used, NUMBER_SIZE, 17, numbers[i]);
    }
    return text;
}

mr_status mr_model_note_numbers(mr_tensors_writer *writer, const char *key, size_t n,
                                const double *numbers) {
    char *text = mr_model_numbers_text(n, numbers);
    if (!text)
        return mr_fail_memory("a model's metadata");
    const mr_status status = mr_tensors_writer_note(writer, key, text);
    free(text);
    return status;
}

mr_status mr_model_numbers(const mr_tensors *file, const char *key, size_t n, double *numbers) {
    const char *text;
    const mr_status status = mr_model_text(file, key, &text);
    if (status != MR_OK)
        return status;
    char *end = (char *)text;
    for (size_t i = 0; i < n; i++) {
        const char *at = end;
        numbers[i] = mr_number_read(at, &end);
        if (end == at || !isfinite(numbers[i]))
            return mr_model_fail(file, key, text);
    }
    return *end == '\0' ? MR_OK : mr_model_fail(file, key, text);
}

mr_status mr_model_note_json(mr_tensors_writer *writer, const char *key, json_t *value) {
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(value);
    if (mr_json_is_out_of_memory()) {
        free(text);
        return mr_fail_memory("a model's metadata");
    }
    if (!text)
        return mr_fail(MR_ERR_INPUT, "the model's %s cannot be written: are the names UTF-8?", key);
    const mr_status status = mr_tensors_writer_note(writer, key, text);
    free(text);
    return status;
}

mr_status mr_model_array(const mr_tensors *file, const char *key, json_t **out) {
    const char *text = mr_tensors_note(file, key);
    mr_json_watch();
    if (text)
        *out = json_loads(text, 0, NULL);
    if (mr_json_is_out_of_memory())
        return mr_fail_memory("a model's metadata");
    if (text && !json_is_array(*out))
        return mr_model_fail(file, key, text);
    return MR_OK;
}

mr_status mr_model_load(const mr_tensors *file, mr_params *params, const char *prefix,
                        const char *remedy) {
    mr_real *value = mr_params_value(params);
    const mr_status status = mr_params_load(params, file, prefix, value);
    if (status != MR_OK)
        return status;
    for (size_t i = 0; i < mr_params_size(params); i++)
        if (!isfinite(value[i]))
            return mr_fail(MR_ERR_NUMERIC, "%s: holds parameters that are not finite; %s",
                           mr_tensors_path(file), remedy);
    return MR_OK;
}
