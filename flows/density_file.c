// Model files of densities.

#include "flows/density.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/model_file.h"

static const mr_model_format format = {.name = "millrace.density",
                                       .version = "1",
                                       .what = "density",
                                       .give = "a file that `millrace flow` wrote"};

// What `use` is called in a file.
static const char *const uses[] = {[MR_FLOW_TO_SAMPLE] = "sample", [MR_FLOW_TO_SCORE] = "score"};

// ---- Writing

static mr_status write_notes(const mr_density *density, mr_tensors_writer *writer) {
    mr_status status;
    MR_TRY(mr_model_note(&format, writer));
    MR_TRY(mr_tensors_writer_note(writer, "flow", mr_density_flow(density)));
    MR_TRY(mr_tensors_writer_note(writer, "use", uses[mr_density_use(density)]));
    MR_TRY(mr_model_note_size(writer, "dim", mr_density_dim(density)));
done:
    return status;
}

// "0,1,4" of "n_columns" columns, where a density has such.
static mr_status write_columns(const mr_density *density, mr_tensors_writer *writer) {
    size_t n_columns, n_bytes;
    char *text = NULL;
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
    mr_status status = mr_tensors_writer_note(writer, "columns", text);
    if (status == MR_OK)
        status = mr_model_note_size(writer, "n_columns", n_columns);
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

static mr_status get_use(const mr_tensors *file, mr_flow_use *out) {
    const char *text;
    const mr_status status = mr_model_text(file, "use", &text);
    if (status != MR_OK)
        return status;
    for (size_t i = 0; i < MR_COUNT(uses); i++)
        if (strcmp(text, uses[i]) == 0) {
            *out = (mr_flow_use)i;
            return MR_OK;
        }
    return mr_model_fail(file, "use", text);
}

static mr_status read_density(const mr_tensors *file, mr_density **out) {
    mr_status status;
    const char *flow;
    const void *shift, *scale;
    size_t dim = 0;
    mr_flow_use use = MR_FLOW_TO_SCORE;
    MR_TRY(mr_model_check(&format, file));
    MR_TRY(mr_model_text(file, "flow", &flow));
    MR_TRY(get_use(file, &use));
    MR_TRY(mr_model_size(file, "dim", &dim));
    MR_TRY(mr_tensors_get(file, "shift", MR_F64, 1, &dim, &shift));
    MR_TRY(mr_tensors_get(file, "scale", MR_F64, 1, &dim, &scale));
    status = mr_density_new(flow, use, dim, 0, out);
    if (status == MR_ERR_USAGE) // not what the user asked for, but what the file says
        status = mr_model_fail(file, "flow", flow);
    if (status == MR_OK)
        status = mr_density_set_scale(*out, shift, scale);
done:
    return status;
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
    MR_TRY(mr_model_size(file, "n_columns", &n_columns));
    columns = calloc(dim, sizeof *columns);
    if (!columns)
        return mr_fail_memory("the columns of a density");
    status = parse_columns(text, dim, n_columns, columns)
                 ? mr_density_set_columns(density, n_columns, columns)
                 : mr_model_fail(file, "columns", text);
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
    MR_TRY(mr_model_load(file, mr_density_params(density), "fit the model again"));
    MR_TRY(read_columns(file, density));
    *out = density;
    density = NULL;
done:
    mr_density_free(density);
    mr_tensors_close(file);
    return status;
}
