// Policies as one C99 file: constants, the functions that its instructions need, and a function
// with a line for each instruction.

#include "agents/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/export_program.h"
#include "base/number.h"
#include "base/path.h"
#include "base/text_stream.h"

enum { N_RESCALE = 5 }; // constants for each number of MR_DO_RESCALE

/// How an instruction is written.
typedef struct {
    const char *name;       // of its function; NULL: it needs none
    const char *expression; // of ops on one number a, or two, a and b; NULL: `text` is the function
    const char *text;
} c_form;

static const c_form forms[MR_N_DO] = {
    [MR_DO_RESCALE] =
        {"rescale", NULL,
         "/* (x - c[0]) c[1] + c[2], clamped to [c[3], c[4]]: five constants for each number. */\n"
         "static void rescale(int n, const double *c, const float *x, float *y) {\n"
         "    for (int i = 0; i < n; i++, c += 5) {\n"
         "        const double v = (x[i] - c[0]) * c[1] + c[2];\n"
         "        y[i] = (float)(v < c[3] ? c[3] : v > c[4] ? c[4] : v);\n"
         "    }\n"
         "}\n"},
    [MR_DO_LINEAR] =
        {"linear", NULL,
         "/* W x + b. W is stored column by column, and four columns are added at once: no number "
         "of y\n   waits for another, so that compilers make vectors of them. */\n"
         "static void linear(int n_in, int n_out, const float *restrict w, const float *restrict "
         "b,\n"
         "                   const float *restrict x, float *restrict y) {\n"
         "    int j = 0;\n"
         "    for (int i = 0; i < n_out; i++)\n"
         "        y[i] = b[i];\n"
         "    for (; j + 4 <= n_in; j += 4, w += 4 * n_out)\n"
         "        for (int i = 0; i < n_out; i++)\n"
         "            y[i] += w[i] * x[j] + w[n_out + i] * x[j + 1] + w[2 * n_out + i] * x[j + 2] "
         "+\n"
         "                    w[3 * n_out + i] * x[j + 3];\n"
         "    for (; j < n_in; j++, w += n_out)\n"
         "        for (int i = 0; i < n_out; i++)\n"
         "            y[i] += w[i] * x[j];\n"
         "}\n"},
    [MR_DO_COLUMNS] = {"columns", NULL,
                       "static void columns(int n, const int *index, const float *x, float *y) {\n"
                       "    for (int i = 0; i < n; i++)\n"
                       "        y[i] = x[index[i]];\n"
                       "}\n"},
    [MR_DO_CONCAT] = {"copy", NULL,
                      "static void copy(int n, const float *x, float *y) {\n"
                      "    for (int i = 0; i < n; i++)\n"
                      "        y[i] = x[i];\n"
                      "}\n"},
    [MR_DO_SUM] = {"sum", NULL,
                   "/* Of the rows of x. */\n"
                   "static void sum(int n_rows, int n, const float *x, float *y) {\n"
                   "    for (int j = 0; j < n; j++) {\n"
                   "        float total = 0;\n"
                   "        for (int i = 0; i < n_rows; i++)\n"
                   "            total += x[i * n + j];\n"
                   "        y[j] = total;\n"
                   "    }\n"
                   "}\n"},
    [MR_DO_SOFTMAX] = {"softmax", NULL,
                       "/* Over the rows of x, in each column. */\n"
                       "static void softmax(int n_rows, int n, const float *x, float *y) {\n"
                       "    for (int j = 0; j < n; j++) {\n"
                       "        float largest = x[j], total = 0;\n"
                       "        for (int i = 1; i < n_rows; i++)\n"
                       "            largest = x[i * n + j] > largest ? x[i * n + j] : largest;\n"
                       "        for (int i = 0; i < n_rows; i++) {\n"
                       "            y[i * n + j] = expf(x[i * n + j] - largest);\n"
                       "            total += y[i * n + j];\n"
                       "        }\n"
                       "        for (int i = 0; i < n_rows; i++)\n"
                       "            y[i * n + j] /= total;\n"
                       "    }\n"
                       "}\n"},
    [MR_DO_SUM_UP_TO] = {"sum_up_to", NULL,
                         "/* Row i is the sum of the rows of x before it. */\n"
                         "static void sum_up_to(int n_rows, int n, const float *x, float *y) {\n"
                         "    for (int j = 0; j < n; j++)\n"
                         "        y[j] = 0;\n"
                         "    for (int i = 0; i < (n_rows - 1) * n; i++)\n"
                         "        y[i + n] = y[i] + x[i];\n"
                         "}\n"},
    [MR_DO_EXP] = {"exponential", "expf(a)", NULL},
    [MR_DO_LOG] = {"logarithm", "logf(a)", NULL},
    [MR_DO_TANH] = {"tangent", "tanhf(a)", NULL},
    [MR_DO_SIGMOID] = {"sigmoid", "(1 + tanhf(a / 2)) / 2", NULL},
    [MR_DO_SOFTPLUS] = {"softplus", "log1pf(expf(a < 0 ? a : -a)) + (a > 0 ? a : 0)", NULL},
    [MR_DO_RELU] = {"relu", "a < 0 ? 0 : a", NULL},
    [MR_DO_SQRT] = {"root", "sqrtf(a)", NULL},
    [MR_DO_ERF] = {"error_function", "erff(a)", NULL},
    [MR_DO_ADD] = {"add", "a + b", NULL},
    [MR_DO_SUB] = {"subtract", "a - b", NULL},
    [MR_DO_MUL] = {"multiply", "a * b", NULL},
    [MR_DO_DIV] = {"divide", "a / b", NULL},
    [MR_DO_MIN] = {"minimum", "b < a ? b : a", NULL},
    [MR_DO_MAX] = {"maximum", "b > a ? b : a", NULL},
    [MR_DO_AT_LEAST] = {"at_least", "a >= b ? 1.0f : 0.0f", NULL},
    [MR_DO_EQUAL] = {"equal", "a == b ? 1.0f : 0.0f", NULL},
};

/// What is written, and where.
typedef struct {
    const mr_exported *exported;
    const char *name; // of the file, as part of a function's name
    FILE *file;
    size_t *last;    // [values] the last instruction that reads the value; owned
    size_t *offset;  // [values] of its numbers in `v`; owned
    bool *is_weight; // [values] of a linear layer; owned
    size_t n_floats; // of `v`
} c_writer;

static size_t size_of(const mr_value *v) {
    return v->rows * v->cols;
}

// ---- Where values lie

// The value whose numbers a value's are; those of a part begin at `*first` of them.
static const mr_value *storage_of(const mr_value *v, size_t *first) {
    *first = 0;
    for (; v->what == MR_DO_PART; v = v->operand[0])
        *first += v->first;
    return v;
}

static bool is_stored(const c_writer *w, const mr_value *v) {
    return v->what != MR_DO_INPUT && v->what != MR_DO_CONSTANT && v->what != MR_DO_PART &&
           v != w->exported->action;
}

static void find_last_uses(const c_writer *w) {
    size_t first;
    for (const mr_value *v = mr_net_program_first(w->exported->program); v != NULL; v = v->next) {
        w->last[v->index] = v->index;
        for (size_t k = 0; k < v->n_operands && v->what != MR_DO_PART; k++)
            w->last[storage_of(v->operand[k], &first)->index] = v->index;
        if (v->what == MR_DO_LINEAR)
            w->is_weight[v->operand[1]->index] = true;
    }
}

// Whether a value that was stored before is still needed while v is computed. What works on one
// number at a time may overwrite its operand.
static bool is_alive(const c_writer *w, const mr_value *other, const mr_value *v) {
    const bool overwrites = v->n_operands == 1 && forms[v->what].expression != NULL;
    return is_stored(w, other) &&
           (overwrites ? w->last[other->index] > v->index : w->last[other->index] >= v->index);
}

// The first place in `v` that no value needs.
static void place(c_writer *w, const mr_value *v) {
    size_t *at = &w->offset[v->index];
    const mr_value *other = mr_net_program_first(w->exported->program);
    while (other != v) {
        const size_t begin = w->offset[other->index], end = begin + size_of(other);
        const bool overlaps = *at < end && begin < *at + size_of(v);
        if (overlaps && is_alive(w, other, v)) {
            *at = end;
            other = mr_net_program_first(w->exported->program);
        } else {
            other = other->next;
        }
    }
    if (*at + size_of(v) > w->n_floats)
        w->n_floats = *at + size_of(v);
}

/// How C code names a value's numbers.
typedef struct {
    char text[64];
} c_address;

static c_address address_of(const c_writer *w, const mr_value *v) {
    c_address a;
    size_t first;
    v = storage_of(v, &first);
    if (v == w->exported->action)
        snprintf(a.text, sizeof a.text, "action");
    else if (v->what == MR_DO_INPUT)
        snprintf(a.text, sizeof a.text, "%s", v->first == 0 ? "obs" : "noise");
    else if (v->what == MR_DO_CONSTANT)
        snprintf(a.text, sizeof a.text, "c%zu", v->index);
    else
        snprintf(a.text, sizeof a.text, "v");
    if (is_stored(w, v))
        first += w->offset[v->index];
    if (first > 0)
        snprintf(a.text + strlen(a.text), sizeof a.text - strlen(a.text), " + %zu", first);
    return a;
}

// ---- Constants

// Separates the numbers of a list, `n_line` a line.
static void separate(const c_writer *w, size_t i, size_t n_line) {
    fputs(i == 0 ? "" : i % n_line == 0 ? ",\n    " : ", ", w->file);
}

static void write_number(const c_writer *w, int n_digits, double number, const char *suffix) {
    char text[40];
    mr_number_write_digits(text, sizeof text, n_digits, number);
    fprintf(w->file, "%s%s%s", text, strpbrk(text, ".e") != NULL ? "" : ".0", suffix);
}

static void write_float(const c_writer *w, size_t i, float number) {
    separate(w, i, 8);
    write_number(w, 9, (double)number, "f");
}

// The weights of a linear layer column by column.
static void write_constant(const c_writer *w, const mr_value *v) {
    const bool is_transposed = w->is_weight[v->index];
    fprintf(w->file, "static const float c%zu[%zu] = {\n    ", v->index, size_of(v));
    for (size_t i = 0; i < size_of(v); i++)
        write_float(w, i, v->numbers[is_transposed ? i % v->rows * v->cols + i / v->rows : i]);
    fputs("};\n", w->file);
}

static void write_rescale_constants(const c_writer *w, const mr_value *v) {
    const double *const array[N_RESCALE] = {v->rescale.origin, v->rescale.factor, v->rescale.shift,
                                            v->rescale.low, v->rescale.high};
    fprintf(w->file, "static const double c%zu[%zu] = {\n    ", v->index, N_RESCALE * v->cols);
    for (size_t i = 0; i < N_RESCALE * v->cols; i++) {
        separate(w, i, N_RESCALE);
        write_number(w, 17, array[i % N_RESCALE][i / N_RESCALE], "");
    }
    fputs("};\n", w->file);
}

static void write_columns(const c_writer *w, const mr_value *v) {
    fprintf(w->file, "static const int c%zu[%zu] = {\n    ", v->index, v->cols);
    for (size_t i = 0; i < v->cols; i++) {
        separate(w, i, 16);
        fprintf(w->file, "%zu", v->columns[i]);
    }
    fputs("};\n", w->file);
}

static void write_constants(const c_writer *w) {
    for (const mr_value *v = mr_net_program_first(w->exported->program); v != NULL; v = v->next)
        if (v->what == MR_DO_CONSTANT)
            write_constant(w, v);
        else if (v->what == MR_DO_RESCALE)
            write_rescale_constants(w, v);
        else if (v->what == MR_DO_COLUMNS)
            write_columns(w, v);
}

// ---- Functions

static void write_function(const c_writer *w, const mr_value *example) {
    const c_form *form = &forms[example->what];
    if (form->text != NULL)
        fputs(form->text, w->file);
    else if (example->n_operands == 1)
        fprintf(w->file,
                "static void %s(int n, const float *x, float *y) {\n"
                "    for (int i = 0; i < n; i++) {\n"
                "        const float a = x[i];\n"
                "        y[i] = %s;\n"
                "    }\n"
                "}\n",
                form->name, form->expression);
    else
        fprintf(w->file,
                "/* n_p and n_q numbers, repeated up to n. */\n"
                "static void %s(int n, int n_p, const float *p, int n_q, const float *q, float *y) "
                "{\n"
                "    for (int i = 0, j = 0, k = 0; i < n; i++) {\n"
                "        const float a = p[j], b = q[k];\n"
                "        y[i] = %s;\n"
                "        j = j + 1 < n_p ? j + 1 : 0;\n"
                "        k = k + 1 < n_q ? k + 1 : 0;\n"
                "    }\n"
                "}\n",
                form->name, form->expression);
    fputs("\n", w->file);
}

static void write_functions(const c_writer *w) {
    bool is_there[MR_N_DO] = {false};
    for (const mr_value *v = mr_net_program_first(w->exported->program); v != NULL; v = v->next) {
        if (forms[v->what].name != NULL && !is_there[v->what])
            write_function(w, v);
        is_there[v->what] = true;
    }
}

// ---- The action

static void write_concat(const c_writer *w, const mr_value *v) {
    size_t col = 0;
    for (size_t k = 0; k < v->n_operands; k++) {
        fprintf(w->file, "    copy(%zu, %s, v + %zu);\n", v->operand[k]->cols,
                address_of(w, v->operand[k]).text, w->offset[v->index] + col);
        col += v->operand[k]->cols;
    }
}

static void write_instruction(const c_writer *w, const mr_value *v) {
    const char *name = forms[v->what].name;
    const c_address y = address_of(w, v);
    const c_address a = v->n_operands > 0 ? address_of(w, v->operand[0]) : y;
    const c_address b = v->n_operands > 1 ? address_of(w, v->operand[1]) : y;
    const size_t n = size_of(v);
    switch (v->what) {
    case MR_DO_INPUT:
    case MR_DO_CONSTANT:
    case MR_DO_PART:
        break;
    case MR_DO_RESCALE:
    case MR_DO_COLUMNS:
        fprintf(w->file, "    %s(%zu, c%zu, %s, %s);\n", name, n, v->index, a.text, y.text);
        break;
    case MR_DO_LINEAR:
        fprintf(w->file, "    %s(%zu, %zu, %s, %s, %s, %s);\n", name, v->operand[0]->cols, n,
                b.text, address_of(w, v->operand[2]).text, a.text, y.text);
        break;
    case MR_DO_CONCAT:
        write_concat(w, v);
        break;
    case MR_DO_SUM:
    case MR_DO_SOFTMAX:
    case MR_DO_SUM_UP_TO:
        fprintf(w->file, "    %s(%zu, %zu, %s, %s);\n", name, v->operand[0]->rows, v->cols, a.text,
                y.text);
        break;
    default:
        if (v->n_operands == 1)
            fprintf(w->file, "    %s(%zu, %s, %s);\n", name, n, a.text, y.text);
        else
            fprintf(w->file, "    %s(%zu, %zu, %s, %zu, %s, %s);\n", name, n,
                    size_of(v->operand[0]), a.text, size_of(v->operand[1]), b.text, y.text);
    }
}

static void write_action(const c_writer *w) {
    const size_t act_dim = w->exported->spec->act_dim;
    fprintf(w->file, "void %s_act(const float *obs, const float *noise, float *action) {\n",
            w->name);
    if (w->exported->is_stochastic)
        fprintf(w->file, "    static const float no_noise[%zu] = {0};\n", act_dim);
    fprintf(w->file, "    float v[%zu];\n", w->n_floats);
    fputs(w->exported->is_stochastic ? "    noise = noise ? noise : no_noise;\n"
                                     : "    (void)noise;\n",
          w->file);
    for (const mr_value *v = mr_net_program_first(w->exported->program); v != NULL; v = v->next)
        write_instruction(w, v);
    fputs("}\n", w->file);
}

// ---- The file

// Whatever the locale.
static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_alphanumeric(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Text of the policy's in a comment: what could end the comment, or a line, becomes _.
static void write_safe(const c_writer *w, const char *text) {
    for (; *text != '\0'; text++)
        fputc(is_alphanumeric(*text) || strchr(" ._:,;=()+-", *text) ? *text : '_', w->file);
}

static size_t count_constant_bytes(const mr_net_program *program) {
    size_t n_bytes = 0;
    for (const mr_value *v = mr_net_program_first(program); v != NULL; v = v->next)
        if (v->what == MR_DO_CONSTANT)
            n_bytes += size_of(v) * sizeof *v->numbers;
        else if (v->what == MR_DO_RESCALE)
            n_bytes += N_RESCALE * v->cols * sizeof(double);
        else if (v->what == MR_DO_COLUMNS)
            n_bytes += v->cols * sizeof(int);
    return n_bytes;
}

static void write_head(const c_writer *w) {
    const mr_policy_spec *spec = w->exported->spec;
    fputs("/* A policy for ", w->file);
    write_safe(w, spec->env);
    fputs(": ", w->file);
    write_safe(w, spec->flow);
    fprintf(w->file,
            ". Made by millrace " MR_VERSION ".\n *\n"
            " *     void %s_act(const float *obs, const float *noise, float *action);\n *\n"
            " *   obs     [%zu] in, the task's own units, not normalised\n"
            " *   noise   [%zu] in, standard normals: the action is a sample; NULL: the "
            "deterministic action%s\n"
            " *   action  [%zu] out, the task's own units, within its bounds\n *\n"
            " * Memory: %zu bytes of stack for values, %zu bytes of constants (read-only: a linker "
            "may leave\n * them in flash), nothing else. Any number of threads may call it at "
            "once. C99, libm. */\n",
            w->name, spec->obs_dim, spec->act_dim,
            w->exported->is_stochastic ? "" : ".\n *                 This policy has no noise",
            spec->act_dim, w->n_floats * sizeof(float), count_constant_bytes(w->exported->program));
    fprintf(w->file,
            "\n#include <math.h>\n\n"
            "void %s_act(const float *obs, const float *noise, float *action);\n\n",
            w->name);
}

static mr_status write_file(c_writer *w, const char *path) {
    mr_text_stream text;
    const mr_status status = mr_text_stream_open("an exported policy", &text);
    if (status != MR_OK)
        return status;
    w->file = text.file;
    write_head(w);
    write_constants(w);
    fputs("\n", w->file);
    write_functions(w);
    write_action(w);
    return mr_text_stream_save(&text, MR_OK, path);
}

// "walker 2.c" -> "walker_2".
static void name_after(const char *path, char *name, size_t size) {
    const char *file = mr_path_name(path), *dot = strrchr(file, '.');
    const size_t length = dot != NULL ? (size_t)(dot - file) : strlen(file);
    snprintf(name, size, "%s%.*s", is_alphanumeric(*file) && !is_digit(*file) ? "" : "policy_",
             (int)length, file);
    for (; *name != '\0'; name++)
        *name = is_alphanumeric(*name) ? *name : '_';
}

static mr_status plan(c_writer *w) {
    const mr_net_program *program = w->exported->program;
    const size_t n = mr_net_program_size(program);
    w->last = calloc(n, sizeof *w->last);
    w->offset = calloc(n, sizeof *w->offset);
    w->is_weight = calloc(n, sizeof *w->is_weight);
    if (w->last == NULL || w->offset == NULL || w->is_weight == NULL)
        return mr_fail_memory("an exported policy");
    find_last_uses(w);
    for (const mr_value *v = mr_net_program_first(program); v != NULL; v = v->next)
        if (is_stored(w, v))
            place(w, v);
    return MR_OK;
}

mr_status mr_export_c(const mr_policy *policy, const char *path) {
    mr_status status;
    mr_exported exported;
    char name[64];
    c_writer w = {.exported = &exported, .name = name};
    name_after(path, name, sizeof name);
    MR_TRY(mr_exported_make(policy, MR_EXPORTED_EITHER, &exported));
    MR_TRY(plan(&w));
    status = write_file(&w, path);
done:
    free(w.last);
    free(w.offset);
    free(w.is_weight);
    mr_exported_release(&exported);
    return status;
}
