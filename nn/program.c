// Nets as programs: building the list of instructions, and going over a graph.

#include "nn/program.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "nn/graph_internal.h"

struct mr_net_program {
    mr_arena *arena; // owns the values
    bool failed;     // an allocation failed
    size_t n_values;
    mr_value *first, *last;
};

mr_status mr_net_program_new(mr_net_program **out) {
    mr_net_program *program = calloc(1, sizeof *program);
    if (program != NULL)
        program->arena = mr_arena_new();
    if (program == NULL || program->arena == NULL) {
        free(program);
        return mr_fail_memory("a net's program");
    }
    *out = program;
    return MR_OK;
}

void mr_net_program_free(mr_net_program *program) {
    if (program == NULL)
        return;
    mr_arena_free(program->arena);
    free(program);
}

const mr_value *mr_net_program_first(const mr_net_program *program) {
    return program->first;
}

size_t mr_net_program_size(const mr_net_program *program) {
    return program->n_values;
}

// ---- Instructions

static void *allocate(mr_net_program *program, size_t n_bytes) {
    void *memory = mr_arena_alloc(program->arena, n_bytes);
    if (memory == NULL)
        program->failed = true;
    return memory;
}

static void append(mr_net_program *program, mr_value *value) {
    value->next = NULL;
    value->index = program->n_values++;
    if (program->last != NULL)
        program->last->next = value;
    else
        program->first = value;
    program->last = value;
}

static mr_value *value_new(mr_net_program *program, mr_do what, size_t rows, size_t cols, size_t n,
                           mr_value *const *operand) {
    for (size_t k = 0; k < n; k++)
        if (operand[k] == NULL)
            return NULL;
    mr_value *value = allocate(program, sizeof *value);
    mr_value **operands = allocate(program, n * sizeof *operands + 1);
    if (value == NULL || operands == NULL)
        return NULL;
    for (size_t k = 0; k < n; k++)
        operands[k] = operand[k];
    *value =
        (mr_value){.what = what, .rows = rows, .cols = cols, .n_operands = n, .operand = operands};
    append(program, value);
    return value;
}

mr_value *mr_do_input(mr_net_program *program, size_t number, size_t cols) {
    mr_value *value = value_new(program, MR_DO_INPUT, 1, cols, 0, NULL);
    if (value != NULL)
        value->first = number;
    return value;
}

mr_value *mr_do_constant(mr_net_program *program, size_t rows, size_t cols,
                         const mr_real *numbers) {
    float *copy = allocate(program, rows * cols * sizeof *copy);
    mr_value *value = copy != NULL ? value_new(program, MR_DO_CONSTANT, rows, cols, 0, NULL) : NULL;
    if (value == NULL)
        return NULL;
    for (size_t i = 0; i < rows * cols; i++)
        copy[i] = (float)numbers[i];
    value->numbers = copy;
    return value;
}

mr_value *mr_do_number(mr_net_program *program, double number) {
    return mr_do_constant(program, 1, 1, &(mr_real){(mr_real)number});
}

mr_value *mr_do_rescale(mr_net_program *program, mr_value *a, const mr_rescale *rescale) {
    mr_value *value = a != NULL ? value_new(program, MR_DO_RESCALE, a->rows, a->cols, 1, &a) : NULL;
    if (value != NULL)
        value->rescale = *rescale;
    return value;
}

mr_value *mr_do_zeros(mr_net_program *program, size_t cols) {
    const mr_real *numbers = allocate(program, cols * sizeof *numbers);
    return numbers != NULL ? mr_do_constant(program, 1, cols, numbers) : NULL;
}

mr_value *mr_do_linear(mr_net_program *program, mr_value *a, size_t n_out, const mr_real *weight,
                       const mr_real *bias) {
    if (a == NULL)
        return NULL;
    mr_value *const operand[] = {a, mr_do_constant(program, n_out, a->cols, weight),
                                 bias != NULL ? mr_do_constant(program, 1, n_out, bias)
                                              : mr_do_zeros(program, n_out)};
    return value_new(program, MR_DO_LINEAR, 1, n_out, MR_COUNT(operand), operand);
}

mr_value *mr_do_part(mr_net_program *program, mr_value *a, size_t first, size_t rows, size_t cols) {
    if (a == NULL || (first == 0 && rows == a->rows && cols == a->cols))
        return a;
    assert(first + rows * cols <= a->rows * a->cols);
    for (size_t k = 0, begin = 0; a->what == MR_DO_CONCAT && k < a->n_operands; k++) {
        mr_value *operand = a->operand[k];
        if (first >= begin && first + rows * cols <= begin + operand->cols)
            return mr_do_part(program, operand, first - begin, rows, cols);
        begin += operand->cols;
    }
    mr_value *value = value_new(program, MR_DO_PART, rows, cols, 1, &a);
    if (value != NULL)
        value->first = first;
    return value;
}

mr_value *mr_do_columns(mr_net_program *program, mr_value *a, size_t n, const size_t *columns) {
    size_t *copy = allocate(program, n * sizeof *copy);
    mr_value *value = copy != NULL ? value_new(program, MR_DO_COLUMNS, 1, n, 1, &a) : NULL;
    if (value == NULL)
        return NULL;
    memcpy(copy, columns, n * sizeof *copy);
    value->columns = copy;
    return value;
}

mr_value *mr_do_concat(mr_net_program *program, size_t n, mr_value *const *operand) {
    size_t cols = 0;
    for (size_t k = 0; k < n; k++)
        cols += operand[k] != NULL ? operand[k]->cols : 0;
    return value_new(program, MR_DO_CONCAT, 1, cols, n, operand);
}

mr_value *mr_do_one(mr_net_program *program, mr_do what, mr_value *a) {
    if (a == NULL || (what == MR_DO_SUM && a->rows == 1))
        return a;
    if (what == MR_DO_SOFTMAX && a->rows == 1)
        return mr_do_affine(program, a, 0, 1);
    if (what == MR_DO_SUM_UP_TO && a->rows == 1)
        return mr_do_affine(program, a, 0, 0);
    return value_new(program, what, what == MR_DO_SUM ? 1 : a->rows, a->cols, 1, &a);
}

static bool is_zeros(const mr_value *v) {
    bool is_zero = v->what == MR_DO_CONSTANT;
    for (size_t i = 0; i < v->rows * v->cols && is_zero; i++)
        is_zero = v->numbers[i] == 0;
    return is_zero;
}

static bool has_shape(const mr_value *v, size_t rows, size_t cols) {
    return v->rows == rows && v->cols == cols;
}

mr_value *mr_do_two(mr_net_program *program, mr_do what, mr_value *a, mr_value *b) {
    if (a == NULL || b == NULL)
        return NULL;
    const size_t rows = a->rows > b->rows ? a->rows : b->rows;
    const size_t cols = a->cols > b->cols ? a->cols : b->cols;
    assert(has_shape(a, rows, cols) || has_shape(a, 1, cols) || has_shape(a, 1, 1));
    assert(has_shape(b, rows, cols) || has_shape(b, 1, cols) || has_shape(b, 1, 1));
    if (what == MR_DO_MUL && is_zeros(b) && has_shape(b, rows, cols))
        return b;
    if (what == MR_DO_ADD && is_zeros(b) && has_shape(a, rows, cols))
        return a;
    return value_new(program, what, rows, cols, 2, (mr_value *const[]){a, b});
}

mr_value *mr_do_sum_all(mr_net_program *program, mr_value *a) {
    if (a == NULL)
        return NULL;
    return mr_do_one(program, MR_DO_SUM, mr_do_part(program, a, 0, a->rows * a->cols, 1));
}

mr_value *mr_do_affine(mr_net_program *program, mr_value *a, double factor, double shift) {
    if (factor != 1)
        a = mr_do_two(program, MR_DO_MUL, a, mr_do_number(program, factor));
    return shift != 0 ? mr_do_two(program, MR_DO_ADD, a, mr_do_number(program, shift)) : a;
}

// x Phi(x), with the standard normal's distribution function Phi(x) = (1 + erf(x / sqrt 2)) / 2.
static mr_value *gelu(mr_net_program *program, mr_value *x) {
    static const double sqrt_half = 0.70710678118654752440;
    mr_value *e = mr_do_one(program, MR_DO_ERF, mr_do_affine(program, x, sqrt_half, 0));
    return mr_do_two(program, MR_DO_MUL, x, mr_do_affine(program, e, 0.5, 0.5));
}

mr_value *mr_do_activation(mr_net_program *program, mr_activation activation, mr_value *a) {
    switch (activation) {
    case MR_RELU:
        return mr_do_one(program, MR_DO_RELU, a);
    case MR_TANH:
        return mr_do_one(program, MR_DO_TANH, a);
    case MR_SIGMOID:
        return mr_do_one(program, MR_DO_SIGMOID, a);
    case MR_SILU:
        return mr_do_two(program, MR_DO_MUL, a, mr_do_one(program, MR_DO_SIGMOID, a));
    case MR_GELU:
        return gelu(program, a);
    case MR_IDENTITY:
        break;
    }
    return a;
}

// ---- What outputs need

mr_status mr_net_program_prune(mr_net_program *program, size_t n, mr_value *const *output) {
    const size_t n_values = program->n_values;
    mr_value **all = allocate(program, n_values * sizeof(mr_value *));
    bool *needed = allocate(program, n_values);
    if (program->failed)
        return mr_fail_memory("a net's program");
    for (mr_value *v = program->first; v != NULL; v = v->next)
        all[v->index] = v;
    for (size_t k = 0; k < n; k++)
        needed[output[k]->index] = true;
    for (size_t i = n_values; i-- > 0;)
        for (size_t k = 0; k < all[i]->n_operands && needed[i]; k++)
            needed[all[i]->operand[k]->index] = true;
    program->first = program->last = NULL;
    program->n_values = 0;
    for (size_t i = 0; i < n_values; i++)
        if (needed[i])
            append(program, all[i]);
    return MR_OK;
}

// ---- A graph's nodes

// Marks the nodes that marked ones are computed from, up to those with a known value.
static void mark_needed(const mr_graph *graph, mr_value *const *known, bool *needed) {
    for (const mr_node *at = graph->last; at != NULL; at = at->previous)
        for (size_t k = 0; k < at->n_inputs && needed[at->index] && known[at->index] == NULL; k++)
            needed[at->input[k]->index] = true;
}

static mr_status write_node(mr_net_program *program, const mr_node *node, mr_value **known) {
    const mr_op *op = node->op;
    mr_value **input = allocate(program, node->n_inputs * sizeof *input + 1);
    for (size_t k = 0; k < node->n_inputs && input != NULL; k++)
        input[k] = known[node->input[k]->index];
    mr_value *value = input != NULL && op->write != NULL && node->n_parts == 1
                          ? op->write(node, program, input)
                          : NULL;
    if (program->failed || node->graph->failed)
        return mr_fail_memory("a net's program");
    if (value == NULL)
        return mr_fail(MR_ERR_INPUT, "%s has no form in other languages", op->name);
    known[node->index] = value;
    return MR_OK;
}

mr_status mr_net_program_add_nodes(mr_net_program *program, mr_graph *graph, size_t n_inputs,
                                   mr_node *const *input, mr_value *const *value, size_t n_outputs,
                                   mr_node *const *output, mr_value **out) {
    mr_status status = MR_OK;
    bool *needed = calloc(graph->n_nodes, sizeof *needed);
    mr_value **known = calloc(graph->n_nodes, sizeof *known);
    if (needed == NULL || known == NULL || program->failed || graph->failed) {
        status = mr_fail_memory("a net's program");
        goto done;
    }
    for (size_t k = 0; k < n_inputs; k++)
        known[input[k]->index] = value[k];
    for (size_t k = 0; k < n_outputs; k++)
        needed[output[k]->index] = true;
    mark_needed(graph, known, needed);
    for (const mr_node *at = graph->first; at != NULL; at = at->next)
        if (needed[at->index] && known[at->index] == NULL)
            MR_TRY(write_node(program, at, known));
    for (size_t k = 0; k < n_outputs; k++)
        out[k] = known[output[k]->index];
done:
    free(needed);
    free(known);
    return status;
}
