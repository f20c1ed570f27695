// Layouts of tables: released, copied.

#include "flows/layout.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void mr_layout_release(mr_layout *layout) {
    for (size_t j = 0; layout->names && j < layout->n_columns; j++)
        free(layout->names[j]);
    free(layout->names);
    mr_dictionaries_free(layout->n_columns, layout->dictionary);
    free(layout->columns);
    free(layout->constants);
    free(layout->given);
    *layout = (mr_layout){0};
}

// A copy; NULL of NULL.
static void *copy_array(const void *from, size_t n_bytes, bool *is_whole) {
    void *copy = from ? malloc(n_bytes + 1) : NULL;
    if (copy)
        memcpy(copy, from, n_bytes);
    *is_whole = *is_whole && (copy || !from);
    return copy;
}

static mr_status copy_names(const mr_layout *from, mr_layout *out) {
    if (!from->names)
        return MR_OK;
    out->names = calloc(from->n_columns + 1, sizeof *out->names);
    for (size_t j = 0; out->names && j < from->n_columns; j++) {
        out->names[j] = strdup(from->names[j]);
        if (!out->names[j])
            return mr_fail_memory("a density");
    }
    return out->names ? MR_OK : mr_fail_memory("a density");
}

static mr_status copy_into(const mr_layout *layout, size_t dim, mr_layout *copy) {
    bool is_whole = true;
    copy->columns = copy_array(layout->columns, dim * sizeof *copy->columns, &is_whole);
    copy->constants =
        copy_array(layout->constants, layout->n_constants * sizeof *copy->constants, &is_whole);
    copy->given = copy_array(layout->given, layout->n_given * sizeof *copy->given, &is_whole);
    if (!is_whole)
        return mr_fail_memory("a density");
    const mr_status status = copy_names(layout, copy);
    return status == MR_OK
               ? mr_dictionaries_copy(layout->n_columns, layout->dictionary, &copy->dictionary)
               : status;
}

mr_status mr_layout_copy(const mr_layout *layout, size_t dim, mr_layout *out) {
    mr_layout copy = {.n_columns = layout->n_columns,
                      .n_constants = layout->n_constants,
                      .n_given = layout->n_given};
    const mr_status status = copy_into(layout, dim, &copy);
    if (status == MR_OK)
        *out = copy;
    else
        mr_layout_release(&copy);
    return status;
}
