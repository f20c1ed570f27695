// Roots of one unknown, in double, with implicit gradients: the inverses of planar and radial
// flows.

#include "nn/op.h"

#include <math.h>

// ---- a + k tanh(a) = v, k = q - 1

enum { MAX_STEPS = 65 }; // bisection alone has halved the bracket to rounding by then

static const double root_tolerance = 4 * 0x1p-52; // of a step, relative to the root

// Newton's method, safeguarded by bisection: the left side increases strictly because q > 0, and
// the root lies within |k| of v.
static double planar_root(double v, double q) {
    const double k = q - 1;
    double low = v - fabs(k), high = v + fabs(k);
    // tanh(a) <= a: from here, and on this side of the root, Newton steps do not overshoot.
    double a = fmin(fmax(v / q, low), high);
    for (int i = 0; i < MAX_STEPS; i++) {
        const double t = tanh(a);
        const double f = a + k * t - v, slope = t * t + q * (1 - t * t);
        if (f > 0)
            high = a;
        else
            low = a;
        double next = a - f / slope;
        if (!(next >= low && next <= high))
            next = low + (high - low) / 2;
        const double step = fabs(next - a);
        a = next;
        if (step <= root_tolerance * fabs(a))
            break;
    }
    return a;
}

static void planar_root_forward(const mr_node *node, mr_rows rows) {
    const mr_real *v = node->input[0]->value, *q = node->input[1]->value;
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        node->value[i] = (mr_real)planar_root((double)v[i], (double)q[i]);
}

// With s = 1 / (1 + k (1 - tanh(a)^2)): da/dv = s, da/dq = -s tanh(a).
static void planar_root_backward(const mr_node *node, mr_rows rows) {
    const mr_real *q = node->input[1]->value;
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const double t = tanh((double)node->value[i]);
        const mr_real dv = (mr_real)((double)node->grad[i] / (t * t + (double)q[i] * (1 - t * t)));
        const mr_real dq = (mr_real)-t * dv;
        if (mr_node_passes(node, 0))
            mr_put(node->adds[0], 1, &dv, node->input[0]->grad + i);
        if (mr_node_passes(node, 1))
            mr_put(node->adds[1], 1, &dq, node->input[1]->grad + i);
    }
}

static const mr_op op_planar_root = {
    .name = "planar_root",
    .reads = MR_READS_INPUTS | MR_READS_OUTPUT,
    .forward = planar_root_forward,
    .backward = planar_root_backward,
};

mr_node *mr_planar_root(mr_node *v, mr_node *q) {
    if (!v || !q)
        return NULL;
    assert(v->cols == 1 && q->cols == 1);
    return mr_node_of(&op_planar_root, 1, NULL, 2, (mr_node *[]){v, q});
}

// ---- r (g + r) / (a + r) = R

enum { A, G };

// r^2 + (g - R) r - a R = 0, by the form of the solution in which nothing cancels.
static double radial_root(double big_r, double a, double g) {
    const double b = g - big_r, s = sqrt(b * b + 4 * a * big_r);
    return b > 0 ? 2 * a * big_r / (b + s) : (s - b) / 2;
}

static void radial_root_forward(const mr_node *node, mr_rows rows) {
    const mr_node *shape = node->input[1];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *p = mr_row(shape->value, shape, i);
        node->value[i] =
            (mr_real)radial_root((double)node->input[0]->value[i], (double)p[A], (double)p[G]);
    }
}

// With D = r^2 + 2 a r + a g: dr/dR = (a + r)^2 / D, dr/da = r (g + r) / D, dr/dg = -r (a + r) / D.
static void radial_root_backward(const mr_node *node, mr_rows rows) {
    const mr_node *shape = node->input[1];
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const mr_real *p = mr_row(shape->value, shape, i);
        const double a = (double)p[A], g = (double)p[G], r = (double)node->value[i];
        const double d = (double)node->grad[i] / (r * r + 2 * a * r + a * g);
        const mr_real d_big_r = (mr_real)(d * (a + r) * (a + r));
        const mr_real d_shape[] = {
            [A] = (mr_real)(d * r * (g + r)), [G] = (mr_real)(-d * r * (a + r))};
        if (mr_node_passes(node, 0))
            mr_put(node->adds[0], 1, &d_big_r, node->input[0]->grad + i);
        if (mr_node_passes(node, 1))
            mr_put(node->adds[1], 2, d_shape, mr_row(shape->grad, shape, i));
    }
}

// With t = |b| + s: 2 a R / t for b > 0, else t / 2.
static mr_value *radial_root_write(const mr_node *node, mr_net_program *program,
                                   mr_value *const *input) {
    (void)node;
    mr_value *big_r = input[0], *zero = mr_do_number(program, 0);
    mr_value *a = mr_do_part(program, input[1], A, 1, 1),
             *g = mr_do_part(program, input[1], G, 1, 1);
    mr_value *b = mr_do_two(program, MR_DO_SUB, g, big_r);
    mr_value *size = mr_do_two(program, MR_DO_MAX, b, mr_do_affine(program, b, -1, 0));
    mr_value *two_a_r = mr_do_affine(program, mr_do_two(program, MR_DO_MUL, a, big_r), 2, 0);
    mr_value *s = mr_do_one(program, MR_DO_SQRT,
                            mr_do_two(program, MR_DO_ADD, mr_do_two(program, MR_DO_MUL, b, b),
                                      mr_do_affine(program, two_a_r, 2, 0)));
    mr_value *t = mr_do_two(program, MR_DO_ADD, size, s);
    mr_value *is_below = mr_do_two(program, MR_DO_AT_LEAST, zero, b); // b <= 0
    mr_value *below = mr_do_affine(program, t, 0.5, 0);
    mr_value *above = mr_do_two(program, MR_DO_DIV, two_a_r, t);
    mr_value *step = mr_do_two(program, MR_DO_SUB, below, above);
    return mr_do_two(program, MR_DO_ADD, above, mr_do_two(program, MR_DO_MUL, is_below, step));
}

static const mr_op op_radial_root = {
    .name = "radial_root",
    .reads = MR_READS_INPUTS | MR_READS_OUTPUT,
    .forward = radial_root_forward,
    .backward = radial_root_backward,
    .write = radial_root_write,
};

mr_node *mr_radial_root(mr_node *big_r, mr_node *shape) {
    if (!big_r || !shape)
        return NULL;
    assert(big_r->cols == 1 && shape->cols == 2);
    return mr_node_of(&op_radial_root, 1, NULL, 2, (mr_node *[]){big_r, shape});
}
