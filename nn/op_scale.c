// Scale and shift of every feature, or every channel of an image, by parameters, and the inverse.

#include "nn/op.h"

#include "base/vmath.h"

enum { LOG_SCALE, SHIFT };

enum { CHUNK = 512 }; // features whose scales are computed at a time

/// Features [first, first + n), their factors and shifts.
typedef struct {
    size_t first, n;
    mr_real scale[CHUNK], shift[CHUNK];
    mr_real d_log_scale[CHUNK], d_shift[CHUNK]; // their gradients, while rows are added up
} chunk;

// Features that share a parameter: the places of an image.
static size_t places_of(const mr_node *node) {
    return node->cols / node->param[SHIFT].cols;
}

static void spread(const mr_node *node, const chunk *c, const mr_real *param,
                   mr_real *of_features) {
    const size_t n_places = places_of(node);
    for (size_t j = 0; j < c->n; j++)
        of_features[j] = param[n_places == 1 ? c->first + j : (c->first + j) / n_places];
}

// Moves on to the next features, with factors exp(sign log_scale); false at the end. Starts from n
// = 0.
static bool next_chunk(const mr_node *node, mr_real sign, chunk *c) {
    c->first += c->n;
    const size_t n_left = node->cols - c->first;
    c->n = n_left < CHUNK ? n_left : CHUNK;
    spread(node, c, mr_node_param(node, SHIFT), c->shift);
    spread(node, c, mr_node_param(node, LOG_SCALE), c->scale);
    for (size_t j = 0; j < c->n; j++)
        c->scale[j] *= sign;
    mr_vexp(c->n, c->scale, c->scale);
    return c->n > 0;
}

// d x = d y scale
static void pass(const mr_node *node, size_t row, const chunk *c) {
    const mr_node *input = node->input[0];
    const mr_real *dy = mr_row(node->grad, node, row) + c->first;
    mr_real *dx = mr_row(input->grad, input, row) + c->first;
    for (size_t j = 0; j < c->n; j++)
        dx[j] = node->adds[0] ? dx[j] + dy[j] * c->scale[j] : dy[j] * c->scale[j];
}

// Begins the gradients of these features' parameters. Of a vector, these are the parameters' own,
// and rows are added to what they have; of an image, they are added to the channels' at the end.
static void begin_gradients(const mr_node *node, mr_rows rows, chunk *c) {
    mr_real *const gradient[] = {c->d_log_scale, c->d_shift};
    for (size_t k = LOG_SCALE; k <= SHIFT; k++) {
        const bool continues = places_of(node) == 1 && mr_node_adds_param(node, k, rows);
        for (size_t j = 0; j < c->n; j++)
            gradient[k][j] = continues ? mr_node_param_grad(node, k, rows.thread)[c->first + j] : 0;
    }
}

static void end_gradients(const mr_node *node, mr_rows rows, const chunk *c) {
    const mr_real *const gradient[] = {c->d_log_scale, c->d_shift};
    const size_t n_places = places_of(node);
    for (size_t k = LOG_SCALE; k <= SHIFT; k++)
        for (size_t j = 0; j < c->n; j++) {
            const size_t place = (c->first + j) % n_places;
            const bool adds = n_places > 1 && (place > 0 || mr_node_adds_param(node, k, rows));
            mr_put(adds, 1, &gradient[k][j],
                   mr_node_param_grad(node, k, rows.thread) + (c->first + j) / n_places);
        }
}

// ---- y = x exp(l) + b

static void scale_forward(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    for (chunk c = {.n = 0}; next_chunk(node, 1, &c);)
        for (size_t i = rows.first; i < rows.first + rows.n; i++) {
            const mr_real *x = mr_row(input->value, input, i) + c.first;
            mr_real *y = mr_row(node->value, node, i) + c.first;
            for (size_t j = 0; j < c.n; j++)
                y[j] = x[j] * c.scale[j] + c.shift[j];
        }
}

static void scale_train(const mr_node *node, mr_rows rows, chunk *c) {
    const mr_node *input = node->input[0];
    begin_gradients(node, rows, c);
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *x = mr_row(input->value, input, i) + c->first;
        const mr_real *dy = mr_row(node->grad, node, i) + c->first;
        for (size_t j = 0; j < c->n; j++) {
            c->d_log_scale[j] += dy[j] * x[j] * c->scale[j];
            c->d_shift[j] += dy[j];
        }
    }
    end_gradients(node, rows, c);
}

static void scale_backward(const mr_node *node, mr_rows rows) {
    for (chunk c = {.n = 0}; next_chunk(node, 1, &c);) {
        if (node->set >= 0)
            scale_train(node, rows, &c);
        for (size_t i = 0; i < rows.n && mr_node_passes(node, 0); i++)
            pass(node, rows.first + i, &c);
    }
}

static mr_value *scale_write(const mr_node *node, mr_net_program *program, mr_value *const *input) {
    if (places_of(node) > 1)
        return NULL;
    mr_value *l = mr_do_constant(program, 1, node->cols, mr_node_param(node, LOG_SCALE));
    mr_value *b = mr_do_constant(program, 1, node->cols, mr_node_param(node, SHIFT));
    mr_value *scaled = mr_do_two(program, MR_DO_MUL, input[0], mr_do_one(program, MR_DO_EXP, l));
    return mr_do_two(program, MR_DO_ADD, scaled, b);
}

static const mr_op op_scale = {
    .name = "scale",
    .reads = MR_READS_INPUTS_TRAINED,
    .forward = scale_forward,
    .backward = scale_backward,
    .write = scale_write,
};

// ---- y = (x - b) exp(-l)

static void unscale_forward(const mr_node *node, mr_rows rows) {
    const mr_node *input = node->input[0];
    for (chunk c = {.n = 0}; next_chunk(node, -1, &c);)
        for (size_t i = rows.first; i < rows.first + rows.n; i++) {
            const mr_real *x = mr_row(input->value, input, i) + c.first;
            mr_real *y = mr_row(node->value, node, i) + c.first;
            for (size_t j = 0; j < c.n; j++)
                y[j] = (x[j] - c.shift[j]) * c.scale[j];
        }
}

static void unscale_train(const mr_node *node, mr_rows rows, chunk *c) {
    begin_gradients(node, rows, c);
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *y = mr_row(node->value, node, i) + c->first;
        const mr_real *dy = mr_row(node->grad, node, i) + c->first;
        for (size_t j = 0; j < c->n; j++) {
            c->d_log_scale[j] -= dy[j] * y[j];
            c->d_shift[j] -= dy[j] * c->scale[j];
        }
    }
    end_gradients(node, rows, c);
}

static void unscale_backward(const mr_node *node, mr_rows rows) {
    for (chunk c = {.n = 0}; next_chunk(node, -1, &c);) {
        if (node->set >= 0)
            unscale_train(node, rows, &c);
        for (size_t i = 0; i < rows.n && mr_node_passes(node, 0); i++)
            pass(node, rows.first + i, &c);
    }
}

static mr_value *unscale_write(const mr_node *node, mr_net_program *program,
                               mr_value *const *input) {
    if (places_of(node) > 1)
        return NULL;
    mr_value *l = mr_do_constant(program, 1, node->cols, mr_node_param(node, LOG_SCALE));
    mr_value *b = mr_do_constant(program, 1, node->cols, mr_node_param(node, SHIFT));
    mr_value *centred = mr_do_two(program, MR_DO_SUB, input[0], b);
    return mr_do_two(program, MR_DO_DIV, centred, mr_do_one(program, MR_DO_EXP, l));
}

static const mr_op op_unscale = {
    .name = "unscale",
    .reads = MR_READS_OUTPUT,
    .forward = unscale_forward,
    .backward = unscale_backward,
    .write = unscale_write,
};

static mr_node *scale_new(const mr_op *op, mr_node *x, mr_params *params, mr_param log_scale,
                          mr_param shift) {
    if (!x)
        return NULL;
    assert(log_scale.cols == shift.cols && x->cols % shift.cols == 0);
    mr_node *node = mr_node_of(op, x->cols, NULL, 1, &x);
    if (node)
        mr_node_use(node, params, 2, (const mr_param[]){[LOG_SCALE] = log_scale, [SHIFT] = shift});
    return node;
}

mr_node *mr_scale(mr_node *x, mr_params *params, mr_param log_scale, mr_param shift) {
    return scale_new(&op_scale, x, params, log_scale, shift);
}

mr_node *mr_unscale(mr_node *x, mr_params *params, mr_param log_scale, mr_param shift) {
    return scale_new(&op_unscale, x, params, log_scale, shift);
}
