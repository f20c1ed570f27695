// Parameters side by side.

#include "nn/params.h"

#include "base/arena.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALIGNMENT = 64, // bytes: a cache line, and the widest vector
    MAX_NAME = 256,
};

enum { VALUE, GRAD, MOMENT1, MOMENT2, N_ARRAYS };

typedef struct entry {
    struct entry *next;
    const char *name;
    mr_param param;
    mr_init init;
    size_t fan_in;
    const mr_real *mask;
    const mr_real *start; // [rows x cols], instead of `init`; NULL: none
} entry;

struct mr_params {
    mr_arena *arena; // the entries
    entry *first, *last;
    bool failed;              // an allocation of mr_params_add
    size_t size;              // numbers in the block, gaps for alignment included
    size_t n_declared;        // without gaps
    size_t limit;             // of n_declared
    mr_real *array[N_ARRAYS]; // one allocation, owned through array[VALUE]
};

static size_t round_up(size_t n) {
    const size_t unit = ALIGNMENT / sizeof(mr_real);
    return (n + unit - 1) / unit * unit;
}

mr_status mr_params_new(mr_params **out) {
    mr_params *params = calloc(1, sizeof *params);
    if (params)
        params->arena = mr_arena_new();
    if (!params || !params->arena) {
        free(params);
        return mr_fail_memory("parameters");
    }
    params->limit = SIZE_MAX;
    *out = params;
    return MR_OK;
}

void mr_params_limit(mr_params *params, size_t n_numbers) {
    params->limit = n_numbers;
}

mr_status mr_params_check_room(const mr_params *params, size_t n_numbers) {
    size_t n_all;
    if (!__builtin_add_overflow(params->n_declared, n_numbers, &n_all) && n_all <= params->limit)
        return MR_OK;
    return mr_fail(MR_ERR_INPUT,
                   "a model of these sizes has more than %zu numbers, which the file can't hold; "
                   "is it damaged?",
                   params->limit);
}

void mr_params_free(mr_params *params) {
    if (!params)
        return;
    mr_arena_free(params->arena);
    free(params->array[VALUE]);
    free(params);
}

static void add_entry(mr_params *params, entry fields) {
    entry *added = mr_arena_alloc(params->arena, sizeof *added);
    fields.name = mr_arena_text(params->arena, fields.name);
    if (!added || !fields.name) {
        params->failed = true;
        return;
    }
    *added = fields;
    if (params->last)
        params->last->next = added;
    else
        params->first = added;
    params->last = added;
}

mr_param mr_params_add(mr_params *params, const char *name, size_t rows, size_t cols, mr_init init,
                       size_t fan_in, const mr_real *mask) {
    assert(!params->array[VALUE] && rows > 0 && cols > 0 && strlen(name) < MAX_NAME);
    const mr_param param = {.offset = params->size, .rows = rows, .cols = cols};
    params->size += round_up(rows * cols);
    params->n_declared += rows * cols;
    add_entry(params,
              (entry){.name = name, .param = param, .init = init, .fan_in = fan_in, .mask = mask});
    return param;
}

mr_param mr_params_add_values(mr_params *params, const char *name, size_t rows, size_t cols,
                              const mr_real *start) {
    const mr_param param = mr_params_add(params, name, rows, cols, MR_INIT_ZERO, 1, NULL);
    if (params->n_declared > params->limit)
        return param; // mr_params_alloc will say so
    mr_real *copy = mr_arena_alloc(params->arena, rows * cols * sizeof *copy);
    if (copy && !params->failed) {
        memcpy(copy, start, rows * cols * sizeof *copy);
        params->last->start = copy;
    } else {
        params->failed = true;
    }
    return param;
}

static mr_status allocate_block(mr_params *params) {
    const mr_status status = mr_params_check_room(params, 0);
    if (status != MR_OK)
        return status;
    if (params->failed)
        return mr_fail_memory("the names of parameters");
    const size_t n_bytes = (params->size > 0 ? params->size : round_up(1)) * sizeof(mr_real);
    mr_real *block = aligned_alloc(ALIGNMENT, N_ARRAYS * n_bytes);
    if (!block)
        return mr_fail_memory("parameters");
    memset(block, 0, N_ARRAYS * n_bytes);
    for (size_t k = 0; k < N_ARRAYS; k++)
        params->array[k] = block + k * params->size;
    return MR_OK;
}

static void draw(const entry *e, mr_real *value, mr_random *random) {
    const size_t n = e->param.rows * e->param.cols;
    if (e->start) {
        memcpy(value, e->start, n * sizeof *value);
        return;
    }
    switch (e->init) {
    case MR_INIT_ZERO:
        break;
    case MR_INIT_ONE:
        for (size_t i = 0; i < n; i++)
            value[i] = 1;
        break;
    case MR_INIT_FAN_IN: {
        const double bound = 1 / sqrt((double)e->fan_in);
        mr_random_fill_uniform(random, n, -bound, bound, value);
        break;
    }
    case MR_INIT_NORMAL:
        for (size_t i = 0; i < n; i++)
            value[i] = (mr_real)(0.01 * mr_random_normal(random));
        break;
    }
    if (e->mask)
        for (size_t i = 0; i < n; i++)
            value[i] *= e->mask[i];
}

mr_status mr_params_alloc(mr_params *params, mr_random *random) {
    assert(!params->array[VALUE]);
    const mr_status status = allocate_block(params);
    if (status == MR_OK)
        for (const entry *e = params->first; e; e = e->next)
            draw(e, params->array[VALUE] + e->param.offset, random);
    return status;
}

mr_status mr_params_copy(const mr_params *params, mr_params **out) {
    mr_status status;
    mr_params *copy = NULL;
    MR_TRY(mr_params_new(&copy));
    for (const entry *e = params->first; e; e = e->next)
        add_entry(copy, (entry){.name = e->name,
                                .param = e->param,
                                .init = e->init,
                                .fan_in = e->fan_in,
                                .mask = e->mask});
    copy->size = params->size;
    MR_TRY(allocate_block(copy));
    memcpy(copy->array[VALUE], params->array[VALUE], params->size * sizeof(mr_real));
    *out = copy;
    copy = NULL;
done:
    mr_params_free(copy);
    return status;
}

void mr_params_swap(mr_params *a, mr_params *b) {
    for (size_t i = 0; i < a->size; i++) {
        const mr_real of_a = a->array[VALUE][i];
        a->array[VALUE][i] = b->array[VALUE][i];
        b->array[VALUE][i] = of_a;
    }
}

size_t mr_params_size(const mr_params *params) {
    return params->size;
}

size_t mr_params_count(const mr_params *params) {
    size_t n = 0;
    for (const entry *e = params->first; e; e = e->next)
        n += e->param.rows * e->param.cols;
    return n;
}

mr_real *mr_params_value(const mr_params *params) {
    return params->array[VALUE];
}

const mr_real *mr_params_read(const mr_params *params) {
    return params->array[VALUE];
}

mr_real *mr_params_grad(const mr_params *params) {
    return params->array[GRAD];
}

mr_real *mr_params_moment(const mr_params *params, int order) {
    assert(order == 1 || order == 2);
    return params->array[order == 1 ? MOMENT1 : MOMENT2];
}

// ---- Files. mr_real is written as what it is, so that the double build's files are its own.

const mr_dtype mr_real_dtype = sizeof(mr_real) == sizeof(float) ? MR_F32 : MR_F64;

/// How an entry is named and shaped in a file.
typedef struct {
    char name[2 * MAX_NAME];
    size_t n_dims;
    size_t shape[2];
} file_form;

static file_form form_of(const entry *e, const char *prefix) {
    file_form form = {.n_dims = e->param.rows == 1 ? 1 : 2};
    snprintf(form.name, sizeof form.name, "%s%s", prefix, e->name);
    form.shape[0] = e->param.rows == 1 ? e->param.cols : e->param.rows;
    form.shape[1] = e->param.cols;
    return form;
}

mr_status mr_params_write(const mr_params *params, const mr_real *array, const char *prefix,
                          mr_tensors_writer *writer) {
    for (const entry *e = params->first; e; e = e->next) {
        const file_form form = form_of(e, prefix);
        const mr_status status = mr_tensors_writer_add(
            writer, form.name, mr_real_dtype, form.n_dims, form.shape, array + e->param.offset);
        if (status != MR_OK)
            return status;
    }
    return MR_OK;
}

mr_status mr_params_load(const mr_params *params, const mr_tensors *tensors, const char *prefix,
                         mr_real *array) {
    for (const entry *e = params->first; e; e = e->next) {
        const file_form form = form_of(e, prefix);
        const void *data;
        const mr_status status =
            mr_tensors_get(tensors, form.name, mr_real_dtype, form.n_dims, form.shape, &data);
        if (status != MR_OK)
            return status;
        memcpy(array + e->param.offset, data, e->param.rows * e->param.cols * sizeof *array);
    }
    return MR_OK;
}

// Values and moments, in the order of their prefixes.
static const int saved_arrays[] = {VALUE, MOMENT1, MOMENT2};

mr_status mr_params_write_all(const mr_params *params, const char *const prefix[3],
                              mr_tensors_writer *writer) {
    mr_status status = MR_OK;
    for (size_t k = 0; k < MR_COUNT(saved_arrays) && status == MR_OK; k++)
        status = mr_params_write(params, params->array[saved_arrays[k]], prefix[k], writer);
    return status;
}

mr_status mr_params_load_all(const mr_params *params, const char *const prefix[3],
                             const mr_tensors *tensors) {
    mr_status status = MR_OK;
    for (size_t k = 0; k < MR_COUNT(saved_arrays) && status == MR_OK; k++)
        status = mr_params_load(params, tensors, prefix[k], params->array[saved_arrays[k]]);
    return status;
}
