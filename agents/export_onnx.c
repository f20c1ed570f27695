// Policies as ONNX files (onnx.ai): a tensor for each value of the program, [batch x cols] or
// [batch x rows x cols]. Constants, and what is computed from constants alone, have no batch; ONNX
// repeats them over it.

#include "agents/export.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "agents/export_program.h"
#include "base/file.h"
#include "base/protobuf.h"
#include "nn/model_file.h"

// Of ONNX 1.9 (2021): the oldest that Stable-Baselines3's export guide takes. None of our ops needs
// a newer one.
enum { IR_VERSION = 7, OPSET = 14 };

/// Numbers of the fields that we write, as in ONNX's onnx.proto.
enum { MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_PRODUCER_VERSION = 3, MODEL_GRAPH = 7 };
enum { MODEL_OPSET = 8, MODEL_METADATA = 14 };
enum { OPSET_VERSION = 2 };
enum { METADATA_KEY = 1, METADATA_VALUE = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_TENSOR = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_INTEGER = 3, ATTRIBUTE_TYPE = 20 };
enum { TENSOR_DIM = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_BYTES = 9 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2, TYPE_OF_TENSOR = 1, TENSOR_TYPE_ELEMENT = 1 };
enum { TENSOR_TYPE_SHAPE = 2, SHAPE_DIM = 1, DIM_SIZE = 1, DIM_NAME = 2 };

enum { FLOAT32 = 1, INT64 = 7 }; // types of a tensor's numbers
enum { TYPE_INTEGER = 2 };       // type of an attribute

/// The name of a tensor.
typedef struct {
    char text[24];
} onnx_name;

typedef struct {
    const mr_exported *exported;
    mr_message graph;
    size_t n_names;
    onnx_name *name;  // [values] of the tensors; "": not written yet; owned
    bool *has_batch;  // [values] owned
    onnx_name *input; // [values] of a node; owned
    float *row;       // [obs_dim + act_dim] constants of a step of MR_DO_RESCALE; owned
    double *rest;     // [obs_dim + act_dim] what float32 rounds off; owned
} onnx_writer;

static onnx_name new_name(onnx_writer *w) {
    onnx_name name;
    snprintf(name.text, sizeof name.text, "t%zu", w->n_names++);
    return name;
}

// ---- Nodes and constants

/// An attribute of a node.
typedef struct {
    const char *name; // NULL: the node has none
    int64_t value;
} onnx_attribute;

// A node is named after its output: older runtimes derive names of nodes that they add from it, and
// these must differ.
static void put_node(onnx_writer *w, const char *op, onnx_attribute attribute, size_t n,
                     const onnx_name *input, const char *output) {
    mr_message node = {0}, own = {0};
    for (size_t k = 0; k < n; k++)
        mr_message_add_text(&node, NODE_INPUT, input[k].text);
    mr_message_add_text(&node, NODE_OUTPUT, output);
    mr_message_add_text(&node, NODE_NAME, output);
    mr_message_add_text(&node, NODE_OP, op);
    if (attribute.name != NULL) {
        mr_message_add_text(&own, ATTRIBUTE_NAME, attribute.name);
        mr_message_add_integer(&own, ATTRIBUTE_INTEGER, attribute.value);
        mr_message_add_integer(&own, ATTRIBUTE_TYPE, TYPE_INTEGER);
        mr_message_add_message(&node, NODE_ATTRIBUTE, &own);
    }
    mr_message_add_message(&w->graph, GRAPH_NODE, &node);
}

// Returns the node's output.
static onnx_name add_node_with(onnx_writer *w, const char *op, const char *attribute, int64_t value,
                               size_t n, const onnx_name *input) {
    const onnx_name output = new_name(w);
    put_node(w, op, (onnx_attribute){attribute, value}, n, input, output.text);
    return output;
}

static onnx_name add_node(onnx_writer *w, const char *op, size_t n, const onnx_name *input) {
    return add_node_with(w, op, NULL, 0, n, input);
}

// Little-endian, as ONNX has it and all machines that we know.
static onnx_name add_tensor(onnx_writer *w, int type, size_t n_dims, const size_t *dims,
                            size_t size, const void *numbers) {
    const onnx_name name = new_name(w);
    mr_message tensor = {0};
    size_t n_bytes = size;
    for (size_t k = 0; k < n_dims; k++) {
        mr_message_add_integer(&tensor, TENSOR_DIM, (int64_t)dims[k]);
        n_bytes *= dims[k];
    }
    mr_message_add_integer(&tensor, TENSOR_TYPE, type);
    mr_message_add_text(&tensor, TENSOR_NAME, name.text);
    mr_message_add_bytes(&tensor, TENSOR_BYTES, numbers, n_bytes);
    mr_message_add_message(&w->graph, GRAPH_TENSOR, &tensor);
    return name;
}

static onnx_name add_matrix(onnx_writer *w, size_t rows, size_t cols, const float *numbers) {
    return add_tensor(w, FLOAT32, 2, (const size_t[]){rows, cols}, sizeof *numbers, numbers);
}

static onnx_name add_row(onnx_writer *w, size_t cols, const float *numbers) {
    return add_tensor(w, FLOAT32, 1, &cols, sizeof *numbers, numbers);
}

static onnx_name add_integers(onnx_writer *w, size_t n, const int64_t *numbers) {
    return add_tensor(w, INT64, 1, &n, sizeof *numbers, numbers);
}

static onnx_name add_integer(onnx_writer *w, int64_t number) {
    return add_integers(w, 1, &number);
}

// ---- Shapes. Axes are counted from the last, with or without a batch.

enum { ROWS = -2, COLS = -1 };

// The tensor of a value. Constants are added when they are needed: a layer's weight is not, in this
// shape.
static onnx_name name_of(onnx_writer *w, const mr_value *v) {
    onnx_name *name = &w->name[v->index];
    if (name->text[0] == '\0')
        *name = v->rows > 1 ? add_matrix(w, v->rows, v->cols, v->numbers)
                            : add_row(w, v->cols, v->numbers);
    return *name;
}

static onnx_name reshape(onnx_writer *w, const mr_value *of, onnx_name x, size_t rows,
                         size_t cols) {
    int64_t shape[3];
    size_t n = 0;
    if (w->has_batch[of->index])
        shape[n++] = 0; // as it is
    if (rows > 1)
        shape[n++] = (int64_t)rows;
    shape[n++] = (int64_t)cols;
    return add_node(w, "Reshape", 2, (onnx_name[]){x, add_integers(w, n, shape)});
}

// A value as an operand of an instruction whose result has several rows.
static onnx_name matrix_of(onnx_writer *w, const mr_value *v) {
    const onnx_name name = name_of(w, v);
    if (v->rows > 1 || !w->has_batch[v->index])
        return name;
    return add_node(w, "Unsqueeze", 2, (onnx_name[]){name, add_integer(w, ROWS)});
}

// ---- Instructions

static onnx_name write_linear(onnx_writer *w, const mr_value *v) {
    const mr_value *weight = v->operand[1];
    const onnx_name weights = add_matrix(w, weight->rows, weight->cols, weight->numbers);
    return add_node_with(
        w, "Gemm", "transB", 1, 3,
        (onnx_name[]){name_of(w, v->operand[0]), weights, name_of(w, v->operand[2])});
}

// x op c for constants c [n], unless all of them leave x as it is.
static onnx_name add_step(onnx_writer *w, const char *op, onnx_name x, size_t n, const double *c,
                          double neutral) {
    bool is_needed = false;
    for (size_t i = 0; i < n; i++) {
        w->row[i] = (float)c[i];
        is_needed = is_needed || c[i] != neutral;
    }
    return is_needed ? add_node(w, op, 2, (onnx_name[]){x, add_row(w, n, w->row)}) : x;
}

// In float32, because many runtimes have nothing else for it. The origin is subtracted in two
// parts, so that it is not rounded: x - origin may be small.
static onnx_name write_rescale(onnx_writer *w, const mr_value *v) {
    const mr_rescale *r = &v->rescale;
    const size_t n = v->cols;
    for (size_t i = 0; i < n; i++)
        w->rest[i] = r->origin[i] - (double)(float)r->origin[i];
    onnx_name x = name_of(w, v->operand[0]);
    x = add_step(w, "Sub", x, n, r->origin, 0);
    x = add_step(w, "Sub", x, n, w->rest, 0);
    x = add_step(w, "Mul", x, n, r->factor, 1);
    x = add_step(w, "Add", x, n, r->shift, 0);
    x = add_step(w, "Max", x, n, r->low, -(double)INFINITY);
    return add_step(w, "Min", x, n, r->high, (double)INFINITY);
}

static onnx_name write_part(onnx_writer *w, const mr_value *v) {
    const mr_value *a = v->operand[0];
    const size_t n = v->rows * v->cols, n_a = a->rows * a->cols;
    onnx_name x = name_of(w, a);
    if (a->rows > 1)
        x = reshape(w, a, x, 1, n_a);
    if (n < n_a)
        x = add_node(w, "Slice", 4,
                     (onnx_name[]){x, add_integer(w, (int64_t)v->first),
                                   add_integer(w, (int64_t)(v->first + n)), add_integer(w, COLS)});
    return v->rows > 1 ? reshape(w, a, x, v->rows, v->cols) : x;
}

static onnx_name write_columns(onnx_writer *w, const mr_value *v) {
    const onnx_name columns = add_tensor(w, INT64, 1, &v->cols, sizeof(int64_t), v->columns);
    return add_node_with(w, "Gather", "axis", COLS, 2,
                         (onnx_name[]){name_of(w, v->operand[0]), columns});
}

static onnx_name write_concat(onnx_writer *w, const mr_value *v) {
    for (size_t k = 0; k < v->n_operands; k++) {
        assert(w->has_batch[v->operand[k]->index] == w->has_batch[v->index]);
        w->input[k] = name_of(w, v->operand[k]);
    }
    return add_node_with(w, "Concat", "axis", COLS, v->n_operands, w->input);
}

static onnx_name write_sum(onnx_writer *w, const mr_value *v) {
    return add_node_with(w, "ReduceSum", "keepdims", 0, 2,
                         (onnx_name[]){name_of(w, v->operand[0]), add_integer(w, ROWS)});
}

// Its axis is a scalar, where other ops have a list of axes.
static onnx_name write_sum_up_to(onnx_writer *w, const mr_value *v) {
    const int64_t axis = ROWS;
    const onnx_name scalar = add_tensor(w, INT64, 0, NULL, sizeof axis, &axis);
    return add_node_with(w, "CumSum", "exclusive", 1, 2,
                         (onnx_name[]){name_of(w, v->operand[0]), scalar});
}

static onnx_name write_softmax(onnx_writer *w, const mr_value *v) {
    return add_node_with(w, "Softmax", "axis", ROWS, 1, (onnx_name[]){name_of(w, v->operand[0])});
}

static onnx_name write_plainly(onnx_writer *w, const mr_value *v, const char *op) {
    onnx_name input[2];
    for (size_t k = 0; k < v->n_operands; k++)
        input[k] = v->rows > 1 ? matrix_of(w, v->operand[k]) : name_of(w, v->operand[k]);
    return add_node(w, op, v->n_operands, input);
}

// 1 or 0, of which ONNX makes no number by itself.
static onnx_name write_comparison(onnx_writer *w, const mr_value *v, const char *op) {
    const onnx_name result = write_plainly(w, v, op);
    return add_node_with(w, "Cast", "to", FLOAT32, 1, &result);
}

/// How an instruction is written: by a function of its own, or as the node of an op, whose operands
/// are its own.
typedef struct {
    onnx_name (*write)(onnx_writer *w, const mr_value *v);
    onnx_name (*write_op)(onnx_writer *w, const mr_value *v, const char *op);
    const char *op;
} onnx_form;

static const onnx_form forms[MR_N_DO] = {
    [MR_DO_RESCALE] = {.write = write_rescale},
    [MR_DO_LINEAR] = {.write = write_linear},
    [MR_DO_PART] = {.write = write_part},
    [MR_DO_COLUMNS] = {.write = write_columns},
    [MR_DO_CONCAT] = {.write = write_concat},
    [MR_DO_SUM] = {.write = write_sum},
    [MR_DO_SOFTMAX] = {.write = write_softmax},
    [MR_DO_SUM_UP_TO] = {.write = write_sum_up_to},
    [MR_DO_EXP] = {.write_op = write_plainly, .op = "Exp"},
    [MR_DO_LOG] = {.write_op = write_plainly, .op = "Log"},
    [MR_DO_TANH] = {.write_op = write_plainly, .op = "Tanh"},
    [MR_DO_SIGMOID] = {.write_op = write_plainly, .op = "Sigmoid"},
    [MR_DO_SOFTPLUS] = {.write_op = write_plainly, .op = "Softplus"},
    [MR_DO_RELU] = {.write_op = write_plainly, .op = "Relu"},
    [MR_DO_SQRT] = {.write_op = write_plainly, .op = "Sqrt"},
    [MR_DO_ERF] = {.write_op = write_plainly, .op = "Erf"},
    [MR_DO_ADD] = {.write_op = write_plainly, .op = "Add"},
    [MR_DO_SUB] = {.write_op = write_plainly, .op = "Sub"},
    [MR_DO_MUL] = {.write_op = write_plainly, .op = "Mul"},
    [MR_DO_DIV] = {.write_op = write_plainly, .op = "Div"},
    [MR_DO_MIN] = {.write_op = write_plainly, .op = "Min"},
    [MR_DO_MAX] = {.write_op = write_plainly, .op = "Max"},
    [MR_DO_AT_LEAST] = {.write_op = write_comparison, .op = "GreaterOrEqual"},
    [MR_DO_EQUAL] = {.write_op = write_comparison, .op = "Equal"},
};

static void write_value(onnx_writer *w, const mr_value *v) {
    const onnx_form *form = &forms[v->what];
    w->has_batch[v->index] = v->what == MR_DO_INPUT;
    for (size_t k = 0; k < v->n_operands; k++)
        w->has_batch[v->index] = w->has_batch[v->index] || w->has_batch[v->operand[k]->index];
    onnx_name *name = &w->name[v->index];
    if (v->what == MR_DO_INPUT)
        snprintf(name->text, sizeof name->text, "%s", v->first == 0 ? "obs" : "noise");
    else if (form->write != NULL)
        *name = form->write(w, v);
    else if (form->write_op != NULL)
        *name = form->write_op(w, v, form->op);
}

// ---- The graph

// Declares an input or output of float32, [batch x cols]; 0 columns: [batch].
static void declare(onnx_writer *w, unsigned field, const char *name, size_t cols) {
    mr_message value = {0}, type = {0}, tensor = {0}, shape = {0}, batch = {0}, size = {0};
    mr_message_add_text(&batch, DIM_NAME, "batch");
    mr_message_add_message(&shape, SHAPE_DIM, &batch);
    if (cols > 0) {
        mr_message_add_integer(&size, DIM_SIZE, (int64_t)cols);
        mr_message_add_message(&shape, SHAPE_DIM, &size);
    }
    mr_message_add_integer(&tensor, TENSOR_TYPE_ELEMENT, FLOAT32);
    mr_message_add_message(&tensor, TENSOR_TYPE_SHAPE, &shape);
    mr_message_add_message(&type, TYPE_OF_TENSOR, &tensor);
    mr_message_add_text(&value, VALUE_NAME, name);
    mr_message_add_message(&value, VALUE_TYPE, &type);
    mr_message_add_message(&w->graph, field, &value);
}

static mr_status write_graph(onnx_writer *w) {
    const mr_exported *e = w->exported;
    const size_t n = mr_net_program_size(e->program);
    w->name = calloc(n, sizeof *w->name);
    w->has_batch = calloc(n, sizeof *w->has_batch);
    w->input = calloc(n, sizeof *w->input);
    w->row = calloc(e->spec->obs_dim + e->spec->act_dim, sizeof *w->row);
    w->rest = calloc(e->spec->obs_dim + e->spec->act_dim, sizeof *w->rest);
    if (w->name == NULL || w->has_batch == NULL || w->input == NULL || w->row == NULL ||
        w->rest == NULL)
        return mr_fail_memory("an exported policy");
    mr_message_add_text(&w->graph, GRAPH_NAME, "policy");
    declare(w, GRAPH_INPUT, "obs", e->spec->obs_dim);
    if (e->log_prob != NULL)
        declare(w, GRAPH_INPUT, "noise", e->spec->act_dim);
    for (const mr_value *v = mr_net_program_first(e->program); v != NULL; v = v->next)
        write_value(w, v);
    const onnx_name actions = name_of(w, e->action);
    put_node(w, "Identity", (onnx_attribute){0}, 1, &actions, "actions");
    declare(w, GRAPH_OUTPUT, "actions", e->spec->act_dim);
    if (e->log_prob != NULL) {
        const onnx_name log_prob[] = {name_of(w, e->log_prob), add_integer(w, COLS)};
        put_node(w, "Squeeze", (onnx_attribute){0}, 2, log_prob, "log_prob");
        declare(w, GRAPH_OUTPUT, "log_prob", 0);
    }
    return MR_OK;
}

// ---- The model

static void add_metadata(mr_message *model, const char *key, const char *value) {
    mr_message entry = {0};
    mr_message_add_text(&entry, METADATA_KEY, key);
    mr_message_add_text(&entry, METADATA_VALUE, value);
    mr_message_add_message(model, MODEL_METADATA, &entry);
}

// Keys and texts are those of policy files.
static mr_status add_spec(mr_message *model, const mr_policy_spec *spec) {
    char *act_low = mr_model_numbers_text(spec->act_dim, spec->act_low);
    char *act_high = mr_model_numbers_text(spec->act_dim, spec->act_high);
    const bool is_whole = act_low != NULL && act_high != NULL;
    add_metadata(model, "millrace_version", MR_VERSION);
    add_metadata(model, "env", spec->env);
    if (spec->env_set[0] != '\0')
        add_metadata(model, "env_set", spec->env_set);
    add_metadata(model, "policy", spec->flow);
    if (is_whole) {
        add_metadata(model, "act_low", act_low);
        add_metadata(model, "act_high", act_high);
    }
    free(act_low);
    free(act_high);
    return is_whole ? MR_OK : mr_fail_memory("an exported policy");
}

static mr_status write_model(onnx_writer *w, mr_message *model) {
    mr_message opset = {0};
    mr_message_add_integer(model, MODEL_IR, IR_VERSION);
    mr_message_add_integer(&opset, OPSET_VERSION, OPSET);
    mr_message_add_message(model, MODEL_OPSET, &opset);
    mr_message_add_text(model, MODEL_PRODUCER, "millrace");
    mr_message_add_text(model, MODEL_PRODUCER_VERSION, MR_VERSION);
    const mr_status status = add_spec(model, w->exported->spec);
    mr_message_add_message(model, MODEL_GRAPH, &w->graph);
    return status == MR_OK && model->failed ? mr_fail_memory("an exported policy") : status;
}

mr_status mr_export_onnx(const mr_policy *policy, bool stochastic, const char *path) {
    mr_status status;
    mr_exported exported;
    onnx_writer w = {.exported = &exported};
    mr_message model = {0};
    MR_TRY(mr_exported_make(policy, stochastic ? MR_EXPORTED_SAMPLES : MR_EXPORTED_DETERMINISTIC,
                            &exported));
    MR_TRY(write_graph(&w));
    MR_TRY(write_model(&w, &model));
    MR_TRY(mr_file_replace(path, 1, &(mr_bytes){model.bytes, model.n_bytes}));
done:
    mr_message_free(&model);
    mr_message_free(&w.graph);
    free(w.name);
    free(w.has_batch);
    free(w.input);
    free(w.row);
    free(w.rest);
    mr_exported_release(&exported);
    return status;
}
