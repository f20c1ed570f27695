// Dot products with vectors that are parameters, the same for every row.
//
// With mr_param_rows, mr_mul and mr_row_sum each row would first get a copy of its vector, and each
// op would go through memory for as many numbers as the row has; here a row is read once.

#include "nn/graph_internal.h"

typedef struct {
    size_t n;             // numbers in a vector
    size_t first, second; // where vectors begin among the parameter's numbers
    size_t shift;         // number of the parameter that is added to the dot product
    mr_real *scratch;     // [2 n] of each thread; owned by the graph
} vector_options;

static const vector_options *options_of(const mr_node *node) {
    return node->options;
}

static double dot(size_t n, const mr_real *restrict a, const mr_real *restrict b) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < n; j++)
        sum += (double)a[j] * (double)b[j];
    return sum;
}

// y += factor x
static void add_scaled(size_t n, mr_real factor, const mr_real *restrict x, mr_real *restrict y) {
    for (size_t j = 0; j < n; j++)
        y[j] += factor * x[j];
}

// The gradient of the whole parameter; set to 0 first if nothing has been added to it yet.
static mr_real *gradient_of(const mr_node *node, mr_rows rows) {
    mr_real *gradient = mr_node_param_grad(node, 0, rows.thread);
    const size_t n = node->param[0].rows * node->param[0].cols;
    for (size_t j = 0; j < n && !mr_node_adds_param(node, 0, rows); j++)
        gradient[j] = 0;
    return gradient;
}

// ---- y = v.x + shift

static void dot_forward(const mr_node *node, mr_rows rows) {
    const vector_options *o = options_of(node);
    const mr_node *x = node->input[0];
    const mr_real *param = mr_node_param(node, 0), *v = param + o->first;
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        node->value[i] = (mr_real)(dot(o->n, mr_row(x->value, x, i), v) + (double)param[o->shift]);
}

static void dot_train(const mr_node *node, mr_rows rows) {
    const vector_options *o = options_of(node);
    const mr_node *x = node->input[0];
    mr_real *gradient = gradient_of(node, rows);
    double sum = 0;
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        add_scaled(o->n, node->grad[i], mr_row(x->value, x, i), gradient + o->first);
        sum += (double)node->grad[i];
    }
    gradient[o->shift] += (mr_real)sum;
}

static void dot_backward(const mr_node *node, mr_rows rows) {
    const vector_options *o = options_of(node);
    const mr_node *x = node->input[0];
    const mr_real *v = mr_node_param(node, 0) + o->first;
    if (node->set >= 0)
        dot_train(node, rows);
    for (size_t i = rows.first; i < rows.first + rows.n && mr_node_passes(node, 0); i++) {
        mr_real *dx = mr_row(x->grad, x, i);
        for (size_t j = 0; j < o->n; j++)
            dx[j] = node->adds[0] ? dx[j] + node->grad[i] * v[j] : node->grad[i] * v[j];
    }
}

static mr_value *dot_write(const mr_node *node, mr_net_program *program, mr_value *const *input) {
    const vector_options *o = options_of(node);
    const mr_real *param = mr_node_param(node, 0);
    return mr_do_linear(program, input[0], 1, param + o->first, param + o->shift);
}

static const mr_op op_dot = {
    .name = "param_dot",
    .options_size = sizeof(vector_options),
    .reads = MR_READS_INPUTS_TRAINED,
    .forward = dot_forward,
    .backward = dot_backward,
    .write = dot_write,
};

// ---- y = x + s (w + r v): r, and so w + r v, is the same in every row

enum { X, S, R };

// The sum, in the thread's scratch memory.
static const mr_real *find_sum(const mr_node *node, mr_rows rows) {
    const vector_options *o = options_of(node);
    const mr_real r = node->input[R]->value[rows.first];
    const mr_real *v = mr_node_param(node, 0) + o->first, *w = v + o->n;
    mr_real *sum = o->scratch + 2 * o->n * (size_t)rows.thread;
    for (size_t j = 0; j < o->n; j++)
        sum[j] = w[j] + r * v[j];
    return sum;
}

static void add_forward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[X];
    const mr_real *s = node->input[S]->value, *sum = find_sum(node, rows);
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *from = mr_row(x->value, x, i);
        mr_real *y = mr_row(node->value, node, i);
        for (size_t j = 0; j < node->cols; j++)
            y[j] = from[j] + s[i] * sum[j];
    }
}

// The gradient of the sum, from which those of v, w and r come. That of r, which all rows share,
// is given to the first row.
static void add_train(const mr_node *node, mr_rows rows) {
    const vector_options *o = options_of(node);
    const mr_node *r = node->input[R];
    const mr_real *v = mr_node_param(node, 0) + o->first;
    mr_real *d_sum = o->scratch + 2 * o->n * (size_t)rows.thread + o->n;
    for (size_t j = 0; j < o->n; j++)
        d_sum[j] = 0;
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        add_scaled(o->n, node->input[S]->value[i], mr_row(node->grad, node, i), d_sum);
    if (node->set >= 0) {
        mr_real *gradient = gradient_of(node, rows) + o->first;
        add_scaled(o->n, r->value[rows.first], d_sum, gradient);
        add_scaled(o->n, 1, d_sum, gradient + o->n);
    }
    for (size_t i = 0; i < rows.n && mr_node_passes(node, R); i++) {
        const mr_real dr = i == 0 ? (mr_real)dot(o->n, d_sum, v) : 0;
        mr_put(node->adds[R], 1, &dr, r->grad + rows.first + i);
    }
}

static void add_backward(const mr_node *node, mr_rows rows) {
    const mr_node *x = node->input[X];
    const mr_real *sum = find_sum(node, rows);
    if (node->set >= 0 || mr_node_passes(node, R))
        add_train(node, rows);
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *dy = mr_row(node->grad, node, i);
        if (mr_node_passes(node, S)) {
            const mr_real ds = (mr_real)dot(node->cols, dy, sum);
            mr_put(node->adds[S], 1, &ds, node->input[S]->grad + i);
        }
        if (mr_node_passes(node, X))
            mr_put(node->adds[X], node->cols, dy, mr_row(x->grad, x, i));
    }
}

static mr_value *add_write(const mr_node *node, mr_net_program *program, mr_value *const *input) {
    const vector_options *o = options_of(node);
    const mr_real *v = mr_node_param(node, 0) + o->first, *w = v + o->n;
    mr_value *rv = mr_do_two(program, MR_DO_MUL, mr_do_constant(program, 1, o->n, v), input[R]);
    mr_value *sum = mr_do_two(program, MR_DO_ADD, rv, mr_do_constant(program, 1, o->n, w));
    return mr_do_two(program, MR_DO_ADD, input[X], mr_do_two(program, MR_DO_MUL, sum, input[S]));
}

static const mr_op op_add = {
    .name = "param_add",
    .options_size = sizeof(vector_options),
    .reads = MR_READS_INPUTS,
    .forward = add_forward,
    .backward = add_backward,
    .write = add_write,
};

// ---- v.w, the same in every row

static void product_forward(const mr_node *node, mr_rows rows) {
    const vector_options *o = options_of(node);
    const mr_real *param = mr_node_param(node, 0);
    const mr_real product = (mr_real)dot(o->n, param + o->first, param + o->second);
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        node->value[i] = product;
}

static void product_backward(const mr_node *node, mr_rows rows) {
    const vector_options *o = options_of(node);
    const mr_real *param = mr_node_param(node, 0);
    mr_real *gradient = gradient_of(node, rows);
    double sum = 0;
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        sum += (double)node->grad[i];
    add_scaled(o->n, (mr_real)sum, param + o->second, gradient + o->first);
    add_scaled(o->n, (mr_real)sum, param + o->first, gradient + o->second);
}

static mr_value *product_write(const mr_node *node, mr_net_program *program,
                               mr_value *const *input) {
    (void)input;
    const vector_options *o = options_of(node);
    const mr_real *param = mr_node_param(node, 0);
    return mr_do_number(program, dot(o->n, param + o->first, param + o->second));
}

static const mr_op op_product = {
    .name = "param_product",
    .options_size = sizeof(vector_options),
    .forward = product_forward,
    .backward = product_backward,
    .write = product_write,
};

// ---- Building

mr_node *mr_param_dot(mr_node *x, mr_params *params, mr_param param, size_t first, size_t shift) {
    if (!x)
        return NULL;
    assert(first + x->cols <= param.rows * param.cols && shift < param.rows * param.cols);
    const vector_options options = {.first = first, .n = x->cols, .shift = shift};
    mr_node *node = mr_node_of(&op_dot, 1, &options, 1, &x);
    if (node)
        mr_node_use(node, params, 1, &param);
    return node;
}

mr_node *mr_param_add(mr_node *x, mr_node *s, mr_node *r, mr_params *params, mr_param param,
                      size_t first) {
    if (!x || !s || !r)
        return NULL;
    assert(first + 2 * x->cols <= param.rows * param.cols && s->cols == 1 && r->cols == 1);
    const vector_options options = {
        .first = first, .n = x->cols, .scratch = mr_graph_scratch(x->graph, 2 * x->cols)};
    mr_node *node =
        mr_node_of(&op_add, x->cols, &options, 3, (mr_node *[]){[X] = x, [S] = s, [R] = r});
    if (node)
        mr_node_use(node, params, 1, &param);
    return node;
}

mr_node *mr_param_product(mr_graph *graph, mr_params *params, mr_param param, size_t first,
                          size_t second, size_t n) {
    if (!graph || graph->failed)
        return NULL;
    assert(first + n <= param.rows * param.cols && second + n <= param.rows * param.cols);
    const vector_options options = {.first = first, .second = second, .n = n};
    mr_node *node = mr_leaf_new(graph, &op_product, 1, &options);
    if (node)
        mr_node_use(node, params, 1, &param);
    return node;
}
