// Model files of densities.

#include "flows/density.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char format_name[] = "millrace.density";
static const char format_version[] = "1";

enum {
    MAX_DIM = 1 << 20, // beyond it a file is damaged, not large
    NUMBER_SIZE = 32,
};

// What `use` is called in a file.
static const char *const uses[] = {[MR_FLOW_TO_SAMPLE] = "sample", [MR_FLOW_TO_SCORE] = "score"};

// ---- Writing

static mr_status write_notes(const mr_density *density, mr_tensors_writer *writer) {
    mr_status status;
    char dim[NUMBER_SIZE];
    snprintf(dim, sizeof dim, "%zu", mr_density_dim(density));
    MR_TRY(mr_tensors_writer_note(writer, "format", format_name));
    MR_TRY(mr_tensors_writer_note(writer, "format_version", format_version));
    MR_TRY(mr_tensors_writer_note(writer, "flow", mr_density_flow(density)));
    MR_TRY(mr_tensors_writer_note(writer, "use", uses[mr_density_use(density)]));
    MR_TRY(mr_tensors_writer_note(writer, "dim", dim));
done:
    return status;
}

// "0,1,4" of "n_columns" columns, where a density has such.
static mr_status write_columns(const mr_density *density, mr_tensors_writer *writer) {
    size_t n_columns, n_bytes;
    char *text = NULL, number[NUMBER_SIZE];
    const size_t *columns = mr_density_columns(density, &n_columns);
    if (!columns)
        return MR_OK;
    FILE *memory = open_memstream(&text, &n_bytes);
    for (size_t j = 0; memory && j < mr_density_dim(density); j++)
        fprintf(memory, "%s%zu", j > 0 ? "," : "", columns[j]);
    if (!memory || fclose(memory) != 0) {
        free(text);
        return mr_fail_memory("the columns of a density");
    }
    snprintf(number, sizeof number, "%zu", n_columns);
    mr_status status = mr_tensors_writer_note(writer, "columns", text);
    if (status == MR_OK)
        status = mr_tensors_writer_note(writer, "n_columns", number);
    free(text);
    return status;
}

mr_status mr_density_save(const mr_density *density, const char *path) {
    mr_status status;
    mr_tensors_writer *writer = NULL;
    const mr_params *params = mr_density_params(density);
    const size_t dim = mr_density_dim(density);
    MR_TRY(mr_tensors_writer_new(&writer));
    MR_TRY(write_notes(density, writer));
    MR_TRY(write_columns(density, writer));
    MR_TRY(mr_tensors_writer_add(writer, "shift", MR_F64, 1, &dim, mr_density_shift(density)));
    MR_TRY(mr_tensors_writer_add(writer, "scale", MR_F64, 1, &dim, mr_density_scale(density)));
    MR_TRY(mr_params_write(params, mr_params_read(params), "", writer));
    MR_TRY(mr_tensors_writer_write(writer, path));
done:
    mr_tensors_writer_free(writer);
    return status;
}

// ---- Reading

static mr_status check_format(const mr_tensors *file) {
    const char *format = mr_tensors_note(file, "format");
    const char *version = mr_tensors_note(file, "format_version");
    if (!format || strcmp(format, format_name) != 0)
        return mr_fail(
            MR_ERR_INPUT,
            "%s: not a density saved by millrace; give a file that `millrace flow` wrote",
            mr_tensors_path(file));
    if (!version || strcmp(version, format_version) != 0)
        return mr_fail(
            MR_ERR_INPUT,
            "%s: density format %s, this millrace reads %s; use the version that wrote it",
            mr_tensors_path(file), version ? version : "unknown", format_version);
    return MR_OK;
}

static mr_status get_text(const mr_tensors *file, const char *key, const char **out) {
    *out = mr_tensors_note(file, key);
    if (*out)
        return MR_OK;
    return mr_fail(MR_ERR_INPUT, "%s: its metadata has no '%s'; is the file damaged?",
                   mr_tensors_path(file), key);
}

static mr_status fail_value(const mr_tensors *file, const char *key, const char *text) {
    return mr_fail(MR_ERR_INPUT,
                   "%s: its metadata's '%s' is '%.40s', which makes no sense; is the file damaged?",
                   mr_tensors_path(file), key, text);
}

static mr_status get_size(const mr_tensors *file, const char *key, size_t *out) {
    const char *text;
    char *end;
    const mr_status status = get_text(file, key, &text);
    if (status != MR_OK)
        return status;
    const long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < 1 || value > MAX_DIM)
        return fail_value(file, key, text);
    *out = (size_t)value;
    return MR_OK;
}

static mr_status get_use(const mr_tensors *file, mr_flow_use *out) {
    const char *text;
    const mr_status status = get_text(file, "use", &text);
    if (status != MR_OK)
        return status;
    for (size_t i = 0; i < MR_COUNT(uses); i++)
        if (strcmp(text, uses[i]) == 0) {
            *out = (mr_flow_use)i;
            return MR_OK;
        }
    return fail_value(file, "use", text);
}

static mr_status read_density(const mr_tensors *file, mr_density **out) {
    mr_status status;
    const char *flow;
    const void *shift, *scale;
    size_t dim = 0;
    mr_flow_use use = MR_FLOW_TO_SCORE;
    MR_TRY(check_format(file));
    MR_TRY(get_text(file, "flow", &flow));
    MR_TRY(get_use(file, &use));
    MR_TRY(get_size(file, "dim", &dim));
    MR_TRY(mr_tensors_get(file, "shift", MR_F64, 1, &dim, &shift));
    MR_TRY(mr_tensors_get(file, "scale", MR_F64, 1, &dim, &scale));
    status = mr_density_new(flow, use, dim, 0, out);
    if (status == MR_ERR_USAGE) // not what the user asked for, but what the file says
        status = fail_value(file, "flow", flow);
    if (status == MR_OK)
        status = mr_density_set_scale(*out, shift, scale);
done:
    return status;
}

static mr_status read_params(const mr_tensors *file, mr_density *density) {
    mr_params *params = mr_density_params(density);
    mr_real *value = mr_params_value(params);
    const mr_status status = mr_params_load(params, file, "", value);
    if (status != MR_OK)
        return status;
    for (size_t i = 0; i < mr_params_size(params); i++)
        if (!isfinite(value[i]))
            return mr_fail(MR_ERR_NUMERIC,
                           "%s: holds parameters that are not finite; fit the model again",
                           mr_tensors_path(file));
    return MR_OK;
}

// Reads "0,1,4" into `columns` [dim]. False where it is not so many numbers, ascending and below
// n_columns.
static bool parse_columns(const char *text, size_t dim, size_t n_columns, size_t *columns) {
    for (size_t j = 0; j < dim; j++) {
        char *end;
        if (text[0] < '0' || text[0] > '9')
            return false;
        columns[j] = strtoull(text, &end, 10);
        if (columns[j] >= n_columns || (j > 0 && columns[j] <= columns[j - 1]) ||
            *end != (j + 1 < dim ? ',' : '\0'))
            return false;
        text = end + 1;
    }
    return true;
}

static mr_status read_columns(const mr_tensors *file, mr_density *density) {
    mr_status status = MR_OK;
    const char *text = mr_tensors_note(file, "columns");
    const size_t dim = mr_density_dim(density);
    size_t n_columns, *columns = NULL;
    if (!text)
        return MR_OK;
    MR_TRY(get_size(file, "n_columns", &n_columns));
    columns = calloc(dim, sizeof *columns);
    if (!columns)
        return mr_fail_memory("the columns of a density");
    status = parse_columns(text, dim, n_columns, columns)
                 ? mr_density_set_columns(density, n_columns, columns)
                 : fail_value(file, "columns", text);
done:
    free(columns);
    return status;
}

mr_status mr_density_load(const char *path, mr_density **out) {
    mr_status status;
    mr_tensors *file = NULL;
    mr_density *density = NULL;
    MR_TRY(mr_tensors_open(path, &file));
    MR_TRY(read_density(file, &density));
    MR_TRY(read_params(file, density));
    MR_TRY(read_columns(file, density));
    *out = density;
    density = NULL;
done:
    mr_density_free(density);
    mr_tensors_close(file);
    return status;
}
