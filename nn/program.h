/// A net as a program: a list of simple instructions on the numbers of one row. It is what a net is
/// written as where it leaves millrace (agents/export_*.c: a C file, an ONNX file). Each op of a
/// graph writes itself as instructions once (mr_op.write); each file format says once how it writes
/// each instruction.
///
/// Functions that add an instruction return NULL if memory runs out, and accept NULL for a value;
/// mr_net_program_add_nodes reports it. A wrong shape is a mistake of ours and asserts.
#pragma once

#include "nn/graph.h"

typedef struct mr_net_program mr_net_program;
typedef struct mr_value mr_value;

typedef enum {
    MR_DO_INPUT,    // number `first` of the program's inputs
    MR_DO_CONSTANT, // `numbers`
    MR_DO_RESCALE,  // clamp((a - origin) factor + shift, low, high), computed in double
    MR_DO_LINEAR,   // W a + b: a [1 x in], the constants W [out x in], b [1 x out]
    MR_DO_PART,     // the numbers of a from `first` on, in another shape
    MR_DO_COLUMNS,  // number j is number columns[j] of a
    MR_DO_CONCAT,   // all operands, one after the other

    // One number at a time.
    MR_DO_EXP,
    MR_DO_LOG,
    MR_DO_TANH,
    MR_DO_SIGMOID,
    MR_DO_SOFTPLUS,
    MR_DO_RELU,
    MR_DO_SQRT,
    MR_DO_ERF,

    // Two at a time. An operand [1 x 1] or [1 x cols] is repeated over the other's shape.
    MR_DO_ADD,
    MR_DO_SUB,
    MR_DO_MUL,
    MR_DO_DIV,
    MR_DO_MIN,
    MR_DO_MAX,
    MR_DO_AT_LEAST, // 1 if a >= b, else 0
    MR_DO_EQUAL,    // 1 if a == b, else 0

    // [rows x cols] -> [1 x cols], but for the last.
    MR_DO_SUM,       // over the rows
    MR_DO_SOFTMAX,   // over the rows, in each column: [rows x cols]
    MR_DO_SUM_UP_TO, // row k is the sum of the rows before it: [rows x cols]

    MR_N_DO
} mr_do;

/// The constants of MR_DO_RESCALE, each [cols].
typedef struct {
    const double *origin, *factor, *shift, *low, *high;
} mr_rescale;

/// An instruction and its result: a matrix [rows x cols], row-major. Most have one row.
struct mr_value {
    mr_do what;
    size_t rows, cols;
    size_t index; // in the order of the instructions
    size_t n_operands;
    mr_value **operand;
    size_t first;
    const float *numbers;  // [rows x cols]
    const size_t *columns; // [cols]
    mr_rescale rescale;
    mr_value *next;
};

/// An empty program. The caller frees it, and with it its values.
mr_status mr_net_program_new(mr_net_program **out);
void mr_net_program_free(mr_net_program *program);

/// The first instruction; NULL if there is none. The others follow by `next`.
const mr_value *mr_net_program_first(const mr_net_program *program);
size_t mr_net_program_size(const mr_net_program *program); // instructions

/// Adds what computes nodes of a graph, for one row.
///
///   input   [n_inputs] nodes whose values are known
///   value   [n_inputs] these values
///   output  [n_outputs] the nodes to compute
///   out     [n_outputs] their values, each [1 x cols]
///
/// Fails with MR_ERR_INPUT, naming the op, if an op that is needed can't be written as
/// instructions, and with MR_ERR_MEMORY, if the graph ran out of memory, too.
mr_status mr_net_program_add_nodes(mr_net_program *program, mr_graph *graph, size_t n_inputs,
                                   mr_node *const *input, mr_value *const *value, size_t n_outputs,
                                   mr_node *const *output, mr_value **out);

/// Removes the instructions that none of the outputs [n] needs. The others have new indices.
mr_status mr_net_program_prune(mr_net_program *program, size_t n, mr_value *const *output);

/// Input number `number`, [1 x cols].
mr_value *mr_do_input(mr_net_program *program, size_t number, size_t cols);

/// A constant [rows x cols]. The numbers are copied.
mr_value *mr_do_constant(mr_net_program *program, size_t rows, size_t cols, const mr_real *numbers);
mr_value *mr_do_number(mr_net_program *program, double number);
mr_value *mr_do_zeros(mr_net_program *program, size_t cols); // [1 x cols]

/// MR_DO_RESCALE; the constants are borrowed.
mr_value *mr_do_rescale(mr_net_program *program, mr_value *a, const mr_rescale *rescale);

/// MR_DO_LINEAR.
///
///   weight  [n_out x n_in], copied
///   bias    [n_out], copied; NULL: zeros
mr_value *mr_do_linear(mr_net_program *program, mr_value *a, size_t n_out, const mr_real *weight,
                       const mr_real *bias);

/// MR_DO_PART. What lies within an operand of a concat is taken from there.
mr_value *mr_do_part(mr_net_program *program, mr_value *a, size_t first, size_t rows, size_t cols);

/// MR_DO_COLUMNS; columns[n] is copied.
mr_value *mr_do_columns(mr_net_program *program, mr_value *a, size_t n, const size_t *columns);

mr_value *mr_do_concat(mr_net_program *program, size_t n, mr_value *const *operand);

/// An instruction of one operand, or of two, that has no numbers of its own. What needs no
/// instruction adds none: the sum of one row, b = 0 in a + b and in a b.
mr_value *mr_do_one(mr_net_program *program, mr_do what, mr_value *a);
mr_value *mr_do_two(mr_net_program *program, mr_do what, mr_value *a, mr_value *b);

/// The sum of all numbers of a, [1 x 1].
mr_value *mr_do_sum_all(mr_net_program *program, mr_value *a);

/// factor a + shift.
mr_value *mr_do_affine(mr_net_program *program, mr_value *a, double factor, double shift);

/// activation(a).
mr_value *mr_do_activation(mr_net_program *program, mr_activation activation, mr_value *a);
