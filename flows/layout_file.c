// Layouts of tables in the metadata of model files.

#include "flows/layout.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"
#include "base/matrix_file.h"
#include "base/text_stream.h"
#include "nn/model_file.h"

const char mr_layout_categories[] = "categories";

// ---- Writing

// A list of columns as "0,1,4".
static mr_status note_columns(mr_tensors_writer *writer, const char *key, size_t n,
                              const size_t *columns) {
    mr_text_stream list;
    mr_status status = mr_text_stream_open("the columns of a density", &list);
    if (status != MR_OK)
        return status;
    for (size_t j = 0; j < n; j++)
        fprintf(list.file, "%s%zu", j > 0 ? "," : "", columns[j]);
    status = mr_text_stream_close(&list, MR_OK);
    if (status != MR_OK)
        return status;
    status = mr_tensors_writer_note(writer, key, list.text);
    free(list.text);
    return status;
}

static mr_status write_columns(const mr_layout *layout, size_t dim, mr_tensors_writer *writer) {
    mr_status status = MR_OK;
    if (!layout->columns)
        return MR_OK;
    MR_TRY(note_columns(writer, "columns", dim, layout->columns));
    MR_TRY(mr_model_note_size(writer, "n_columns", layout->n_columns));
    if (layout->n_given > 0)
        status = note_columns(writer, "given_columns", layout->n_given, layout->given);
done:
    return status;
}

static json_t *list_of(size_t n, char *const *names) {
    json_t *list = json_array();
    for (size_t k = 0; k < n; k++)
        json_array_append_new(list, json_string_nocheck(names[k]));
    return list;
}

// A list for each column of the table, null for one of numbers.
static mr_status write_dictionaries(const mr_layout *layout, mr_tensors_writer *writer) {
    if (!layout->dictionary)
        return MR_OK;
    mr_json_watch();
    json_t *lists = json_array();
    for (size_t j = 0; j < layout->n_columns; j++) {
        const mr_dictionary *d = &layout->dictionary[j];
        json_array_append_new(lists, d->n > 0 ? list_of(d->n, d->name) : json_null());
    }
    return mr_model_note_json(writer, mr_layout_categories, lists);
}

mr_status mr_layout_write(const mr_layout *layout, size_t dim, mr_tensors_writer *writer) {
    mr_status status = write_columns(layout, dim, writer);
    if (status == MR_OK && layout->names) {
        mr_json_watch();
        status =
            mr_model_note_json(writer, "column_names", list_of(layout->n_columns, layout->names));
    }
    if (status == MR_OK)
        status = write_dictionaries(layout, writer);
    if (status == MR_OK && layout->n_constants > 0) {
        mr_json_watch();
        json_t *constants = json_array();
        for (size_t k = 0; k < layout->n_constants; k++)
            json_array_append_new(constants,
                                  json_pack("[I, f]", (json_int_t)layout->constants[k].column,
                                            layout->constants[k].value));
        status = mr_model_note_json(writer, "constants", constants);
    }
    return status;
}

// ---- Reading

// Reads "0,1,4" into `columns` [dim]. False unless these are `dim` ascending numbers below
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

static mr_status read_names(const mr_tensors *file, mr_layout *layout) {
    json_t *array = NULL;
    mr_status status = mr_model_array(file, "column_names", &array);
    if (status != MR_OK || !array)
        goto done;
    const size_t n = layout->n_columns;
    layout->names = calloc(n + 1, sizeof *layout->names);
    if (!layout->names) {
        status = mr_fail_memory("the names of columns");
        goto done;
    }
    if (json_array_size(array) != n)
        status = mr_model_fail(file, "column_names", mr_tensors_note(file, "column_names"));
    for (size_t j = 0; status == MR_OK && j < n; j++) {
        const char *name = json_string_value(json_array_get(array, j));
        if (!name)
            status = mr_model_fail(file, "column_names", mr_tensors_note(file, "column_names"));
        else if (!(layout->names[j] = strdup(name)))
            status = mr_fail_memory("the names of columns");
    }
done:
    json_decref(array);
    return status;
}

static bool is_feature(const mr_layout *layout, size_t dim, size_t column) {
    for (size_t j = 0; j < dim; j++)
        if (layout->columns[j] == column)
            return true;
    return false;
}

// "[3, 0.5]" is a column of the table that is no feature.
static bool parse_constant(const mr_layout *layout, size_t dim, const json_t *pair,
                           mr_constant *out) {
    const json_t *column = json_array_get(pair, 0), *value = json_array_get(pair, 1);
    if (json_array_size(pair) != 2 || !json_is_integer(column) || !json_is_number(value) ||
        json_integer_value(column) < 0)
        return false;
    *out = (mr_constant){(size_t)json_integer_value(column), json_number_value(value)};
    return out->column < layout->n_columns && !is_feature(layout, dim, out->column);
}

static mr_status read_constants(const mr_tensors *file, size_t dim, mr_layout *layout) {
    json_t *array = NULL;
    mr_status status = mr_model_array(file, "constants", &array);
    if (status != MR_OK || !array)
        goto done;
    const size_t n = json_array_size(array);
    layout->constants = calloc(n + 1, sizeof *layout->constants);
    if (!layout->constants) {
        status = mr_fail_memory("the constant columns");
        goto done;
    }
    for (size_t k = 0; k < n; k++) {
        mr_constant *c = &layout->constants[k];
        if (!parse_constant(layout, dim, json_array_get(array, k), c) ||
            (k > 0 && c->column <= c[-1].column)) {
            status = mr_model_fail(file, "constants", mr_tensors_note(file, "constants"));
            goto done;
        }
    }
    layout->n_constants = n;
done:
    json_decref(array);
    return status;
}

static mr_status read_given(const mr_tensors *file, size_t n, mr_layout *layout) {
    if (n == 0)
        return MR_OK;
    const char *text;
    const mr_status status = mr_model_text(file, "given_columns", &text);
    if (status != MR_OK)
        return status;
    layout->given = calloc(n, sizeof *layout->given);
    if (!layout->given)
        return mr_fail_memory("the columns of a density");
    layout->n_given = n;
    return parse_columns(text, n, layout->n_columns, layout->given)
               ? MR_OK
               : mr_model_fail(file, "given_columns", text);
}

// Names in their order, each once; null: a column of numbers.
static bool parse_dictionary(const json_t *list, mr_dictionary *out, mr_status *status) {
    if (!json_is_array(list) || json_array_size(list) == 0)
        return json_is_null(list);
    for (size_t k = 0; k < json_array_size(list) && *status == MR_OK; k++) {
        const char *name = json_string_value(json_array_get(list, k));
        if (!name || strlen(name) > MR_MAX_NAME_BYTES ||
            (k > 0 && strcmp(name, out->name[k - 1]) <= 0))
            return false;
        *status = mr_dictionary_add(out, name);
    }
    return true;
}

// A constant column of text has the code of its one category.
static bool is_in_dictionary(const mr_layout *layout, const mr_constant *c) {
    const size_t n = layout->dictionary[c->column].n;
    return n == 0 || (c->value >= 0 && c->value < (double)n);
}

static mr_status read_dictionaries(const mr_tensors *file, mr_layout *layout) {
    json_t *array = NULL;
    mr_status status = mr_model_array(file, mr_layout_categories, &array);
    if (status != MR_OK || !array)
        goto done;
    const size_t n = layout->n_columns;
    layout->dictionary = calloc(n + 1, sizeof *layout->dictionary);
    if (!layout->dictionary) {
        status = mr_fail_memory("the names of categories");
        goto done;
    }
    bool is_good = json_array_size(array) == n;
    for (size_t j = 0; is_good && status == MR_OK && j < n; j++)
        is_good = parse_dictionary(json_array_get(array, j), &layout->dictionary[j], &status);
    for (size_t k = 0; is_good && k < layout->n_constants; k++)
        is_good = is_in_dictionary(layout, &layout->constants[k]);
    if (!is_good && status == MR_OK)
        status =
            mr_model_fail(file, mr_layout_categories, mr_tensors_note(file, mr_layout_categories));
done:
    json_decref(array);
    return status;
}

mr_status mr_layout_read(const mr_tensors *file, size_t dim, size_t given_dim, mr_layout *out) {
    mr_status status = MR_OK;
    const char *text = mr_tensors_note(file, "columns");
    if (!text)
        return MR_OK;
    MR_TRY(mr_model_size(file, "n_columns", &out->n_columns));
    out->columns = calloc(dim, sizeof *out->columns);
    if (!out->columns)
        return mr_fail_memory("the columns of a density");
    if (!parse_columns(text, dim, out->n_columns, out->columns))
        return mr_model_fail(file, "columns", text);
    MR_TRY(read_given(file, given_dim, out));
    MR_TRY(read_names(file, out));
    MR_TRY(read_constants(file, dim, out));
    status = read_dictionaries(file, out);
done:
    return status;
}
