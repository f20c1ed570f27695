// Parameters and buffers in one block.

#include "nn/params.h"

#include "base/arena.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 256 };

enum { VALUE, GRAD, MOMENT1, MOMENT2, N_ARRAYS };

typedef struct entry {
    struct entry *next;
    const char *name;
    mr_param param; // of a buffer: its offset is among the buffers
    bool is_buffer;
    mr_buffer_kind kind; // of a buffer
    mr_initializer init;
    size_t fan_in;
    const mr_real *mask;
    const mr_real *start; // [rows x cols], instead of `init`; NULL: none
    double constant;      // of a buffer without `start`
} entry;

/// A weight whose rows are kept at norm 1.
typedef struct unit_rows {
    struct unit_rows *next;
    mr_param weight, bias;
    bool has_bias;
} unit_rows;

struct mr_params {
    mr_arena *arena; // all that follows
    entry *first, *last;
    unit_rows *unit_rows;
    bool failed;              // an allocation of mr_params_add failed
    size_t trained_size;      // numbers of parameters, gaps for alignment included
    size_t buffer_size;       // likewise of buffers, which come after them
    size_t n_trained;         // without gaps
    size_t n_buffered;        // likewise
    size_t limit;             // of each of these two
    mr_real *array[N_ARRAYS]; // one block
};

static size_t round_up(size_t n) {
    const size_t unit = MR_ARENA_ALIGNMENT / sizeof(mr_real);
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
    if (!__builtin_add_overflow(params->n_trained, n_numbers, &n_all) && n_all <= params->limit &&
        params->n_buffered <= params->limit)
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

mr_param mr_params_add(mr_params *params, const char *name, size_t rows, size_t cols,
                       mr_initializer init, size_t fan_in, const mr_real *mask) {
    assert(!params->array[VALUE] && rows > 0 && cols > 0 && strlen(name) < MAX_NAME);
    const mr_param param = {.offset = params->trained_size, .rows = rows, .cols = cols};
    params->trained_size += round_up(rows * cols);
    params->n_trained += rows * cols;
    add_entry(params,
              (entry){.name = name, .param = param, .init = init, .fan_in = fan_in, .mask = mask});
    return param;
}

// Gives the latest entry its initial values. If it is beyond the limit, mr_params_alloc will say
// so.
static void copy_start(mr_params *params, size_t n, const mr_real *start) {
    if (params->n_trained > params->limit || params->n_buffered > params->limit)
        return;
    mr_real *copy = mr_arena_alloc(params->arena, n * sizeof *copy);
    if (copy && !params->failed) {
        memcpy(copy, start, n * sizeof *copy);
        params->last->start = copy;
    } else {
        params->failed = true;
    }
}

mr_param mr_params_add_values(mr_params *params, const char *name, size_t rows, size_t cols,
                              const mr_real *start) {
    const mr_param param = mr_params_add(params, name, rows, cols, MR_INIT_ZERO, 1, NULL);
    copy_start(params, rows * cols, start);
    return param;
}

static mr_buffer add_buffer(mr_params *params, const char *name, size_t rows, size_t cols,
                            mr_buffer_kind kind, double start) {
    assert(!params->array[VALUE] && rows > 0 && cols > 0 && strlen(name) < MAX_NAME);
    const mr_buffer buffer = {.offset = params->buffer_size, .rows = rows, .cols = cols};
    params->buffer_size += round_up(rows * cols);
    params->n_buffered += rows * cols;
    add_entry(params, (entry){.name = name,
                              .param = {buffer.offset, rows, cols},
                              .is_buffer = true,
                              .kind = kind,
                              .constant = start});
    return buffer;
}

mr_buffer mr_params_add_buffer(mr_params *params, const char *name, size_t rows, size_t cols,
                               double start) {
    return add_buffer(params, name, rows, cols, MR_BUFFER_NUMBERS, start);
}

mr_buffer mr_params_add_buffer_values(mr_params *params, const char *name, size_t rows, size_t cols,
                                      mr_buffer_kind kind, const mr_real *start) {
    const mr_buffer buffer = add_buffer(params, name, rows, cols, kind, 0);
    copy_start(params, rows * cols, start);
    return buffer;
}

static mr_status allocate_block(mr_params *params) {
    const mr_status status = mr_params_check_room(params, 0);
    if (status != MR_OK)
        return status;
    if (params->failed)
        return mr_fail_memory("the names of parameters");
    const size_t size = mr_params_size(params);
    const size_t n_bytes = (size > 0 ? size : round_up(1)) * sizeof(mr_real);
    mr_real *block = mr_arena_alloc(params->arena, N_ARRAYS * n_bytes);
    if (!block)
        return mr_fail_memory("parameters");
    for (size_t k = 0; k < N_ARRAYS; k++)
        params->array[k] = block + k * size;
    return MR_OK;
}

// An entry's numbers in an array of the set's layout.
static mr_real *numbers_of(const mr_params *params, const entry *e, mr_real *array) {
    return array + (e->is_buffer ? params->trained_size : 0) + e->param.offset;
}

static void fill(size_t n, double value, mr_real *out) {
    for (size_t i = 0; i < n; i++)
        out[i] = (mr_real)value;
}

static void draw(const entry *e, mr_real *value, mr_random *random) {
    const size_t n = e->param.rows * e->param.cols;
    if (e->start || e->is_buffer) {
        if (e->start)
            memcpy(value, e->start, n * sizeof *value);
        else
            fill(n, e->constant, value);
        return;
    }
    switch (e->init) {
    case MR_INIT_ZERO:
        break;
    case MR_INIT_ONE:
        fill(n, 1, value);
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
            draw(e, numbers_of(params, e, params->array[VALUE]), random);
    return status;
}

mr_status mr_params_copy(const mr_params *params, mr_params **out) {
    mr_status status;
    mr_params *copy = NULL;
    MR_TRY(mr_params_new(&copy));
    for (const entry *e = params->first; e; e = e->next)
        add_entry(copy, (entry){.name = e->name,
                                .param = e->param,
                                .is_buffer = e->is_buffer,
                                .kind = e->kind,
                                .init = e->init,
                                .fan_in = e->fan_in,
                                .mask = e->mask});
    copy->trained_size = params->trained_size;
    copy->buffer_size = params->buffer_size;
    MR_TRY(allocate_block(copy));
    memcpy(copy->array[VALUE], params->array[VALUE], mr_params_size(params) * sizeof(mr_real));
    *out = copy;
    copy = NULL;
done:
    mr_params_free(copy);
    return status;
}

// ---- Rows of norm 1

static double sum_of_squares(size_t n, const mr_real *x) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

static void scale_rows(const mr_params *params, const unit_rows *of) {
    mr_real *weight = params->array[VALUE] + of->weight.offset;
    mr_real *bias = params->array[VALUE] + of->bias.offset;
    const size_t cols = of->weight.cols;
    for (size_t i = 0; i < of->weight.rows; i++) {
        const double of_bias = of->has_bias ? (double)bias[i] : 0;
        const double squares = sum_of_squares(cols, weight + i * cols) + of_bias * of_bias;
        const double factor = squares > 0 ? 1 / sqrt(squares) : 1;
        for (size_t j = i * cols; j < (i + 1) * cols; j++)
            weight[j] = (mr_real)(factor * (double)weight[j]);
        if (of->has_bias)
            bias[i] = (mr_real)(factor * of_bias);
    }
}

mr_status mr_params_keep_unit_rows(mr_params *params, mr_param weight, const mr_param *bias) {
    assert(params->array[VALUE] && (!bias || bias->cols == weight.rows));
    unit_rows *added = mr_arena_alloc(params->arena, sizeof *added);
    if (!added)
        return mr_fail_memory("parameters");
    *added = (unit_rows){.next = params->unit_rows, .weight = weight, .has_bias = bias != NULL};
    if (bias)
        added->bias = *bias;
    params->unit_rows = added;
    scale_rows(params, added);
    return MR_OK;
}

void mr_params_scale_rows(mr_params *params) {
    for (const unit_rows *of = params->unit_rows; of; of = of->next)
        scale_rows(params, of);
}

void mr_params_swap(mr_params *a, mr_params *b) {
    for (size_t i = 0; i < mr_params_size(a); i++) {
        const mr_real of_a = a->array[VALUE][i];
        a->array[VALUE][i] = b->array[VALUE][i];
        b->array[VALUE][i] = of_a;
    }
}

size_t mr_params_size(const mr_params *params) {
    return params->trained_size + params->buffer_size;
}

size_t mr_params_trained_size(const mr_params *params) {
    return params->trained_size;
}

size_t mr_params_count(const mr_params *params) {
    size_t n = 0;
    for (const entry *e = params->first; e; e = e->next)
        n += e->is_buffer ? 0 : e->param.rows * e->param.cols;
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

mr_real *mr_params_buffer(const mr_params *params, mr_buffer buffer) {
    return params->array[VALUE] + params->trained_size + buffer.offset;
}

// ---- Files. The double build writes and reads float64.

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

// Whether an array's buffers are more than zeros.
static bool has_buffers(const mr_params *params, const mr_real *array) {
    return array != params->array[GRAD] && array != params->array[MOMENT1] &&
           array != params->array[MOMENT2];
}

mr_status mr_params_write(const mr_params *params, const mr_real *array, const char *prefix,
                          mr_tensors_writer *writer) {
    for (const entry *e = params->first; e; e = e->next) {
        const file_form form = form_of(e, prefix);
        if (e->is_buffer && !has_buffers(params, array))
            continue;
        const mr_status status =
            mr_tensors_writer_add(writer, form.name, mr_real_dtype, form.n_dims, form.shape,
                                  numbers_of(params, e, (mr_real *)array));
        if (status != MR_OK)
            return status;
    }
    return MR_OK;
}

// ---- What buffers hold

static mr_status check_permutation(size_t n, const mr_real *value, bool *holds) {
    bool *seen = calloc(n, sizeof *seen);
    if (!seen)
        return mr_fail_memory("a permutation");
    *holds = true;
    for (size_t i = 0; i < n && *holds; i++) {
        const mr_real v = value[i];
        *holds = v >= 0 && v < (mr_real)n && v == (mr_real)(size_t)v && !seen[(size_t)v];
        if (*holds)
            seen[(size_t)v] = true;
    }
    free(seen);
    return MR_OK;
}

static mr_status check_signs(size_t n, const mr_real *value, bool *holds) {
    *holds = true;
    for (size_t i = 0; i < n; i++)
        *holds = *holds && (value[i] == 1 || value[i] == -1);
    return MR_OK;
}

static const struct {
    const char *what;
    mr_status (*check)(size_t n, const mr_real *value, bool *holds); // NULL: all numbers will do
} buffer_kinds[] = {
    [MR_BUFFER_NUMBERS] = {"numbers", NULL},
    [MR_BUFFER_PERMUTATION] = {"a permutation of the numbers from 0", check_permutation},
    [MR_BUFFER_SIGNS] = {"signs, 1 or -1", check_signs},
};

static mr_status check_buffer(const entry *e, const char *name, const mr_tensors *tensors,
                              const mr_real *value) {
    bool holds = true;
    mr_status status = MR_OK;
    if (e->is_buffer && buffer_kinds[e->kind].check)
        status = buffer_kinds[e->kind].check(e->param.rows * e->param.cols, value, &holds);
    if (status == MR_OK && !holds)
        status = mr_fail(MR_ERR_INPUT, "%s: '%s' is not %s; is the file damaged?",
                         mr_tensors_path(tensors), name, buffer_kinds[e->kind].what);
    return status;
}

// Whether version 0.1 drew the numbers again in the place of reading them.
static bool is_drawn(const entry *e) {
    return e->is_buffer && e->kind != MR_BUFFER_NUMBERS;
}

mr_status mr_params_load(const mr_params *params, const mr_tensors *tensors, const char *prefix,
                         mr_real *array) {
    for (const entry *e = params->first; e; e = e->next) {
        const file_form form = form_of(e, prefix);
        const void *data;
        mr_tensor found;
        if (e->is_buffer && !has_buffers(params, array))
            continue;
        if (is_drawn(e) && !mr_tensors_find(tensors, form.name, &found))
            continue;
        mr_status status =
            mr_tensors_get(tensors, form.name, mr_real_dtype, form.n_dims, form.shape, &data);
        if (status == MR_OK)
            status = check_buffer(e, form.name, tensors, data);
        if (status != MR_OK)
            return status;
        memcpy(numbers_of(params, e, array), data, e->param.rows * e->param.cols * sizeof *array);
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
