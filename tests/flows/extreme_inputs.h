/// Inputs that break careless formulas, for both precisions.
#pragma once

#include "tests/flows/flow_cases.h"

#include <math.h>

enum { N_EXTREME = 96 };

/// Rows of tiny, huge, equal and mixed values.
static inline void fill_extreme(subject *s) {
    static const double sizes[] = {0, 1e-30, 1e-12, 1e-6, 1, 3, 1e3, 1e6};
    mr_real *in = mr_node_value(s->in);
    for (size_t i = 0; i < s->n_rows; i++)
        for (size_t j = 0; j < s->c->dim; j++) {
            const double size = sizes[i % MR_COUNT(sizes)];
            const double sign = (i / MR_COUNT(sizes) + j) % 2 ? -1 : 1;
            switch (i / MR_COUNT(sizes) % 6) {
            case 0:
            case 1: // signs alternate
                in[i * s->c->dim + j] = (mr_real)(sign * size);
                break;
            case 2:
            case 3: // all alike
                in[i * s->c->dim + j] = (mr_real)(i % 16 < 8 ? size : -size);
                break;
            default: // one feature stands out
                in[i * s->c->dim + j] = (mr_real)(j == i % s->c->dim ? size : 0.1 * sign);
            }
        }
}

static inline bool all_finite(const mr_real *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

/// Runs `s` and checks that values, log-dets and gradients are finite.
static inline void check_finite(subject *s) {
    const size_t n = s->n_rows * s->c->dim;
    subject_run(s);
    cr_assert(all_finite(mr_node_value(s->out), n), "%s: not finite", s->label);
    cr_assert(all_finite(mr_node_value(s->back), n), "%s: not finite on the way back", s->label);
    for (size_t i = 0; i < s->n_rows; i++) {
        cr_assert(isfinite(log_det_of(s->log_det, i)), "%s: log-det not finite", s->label);
        cr_assert(isfinite(log_det_of(s->back_log_det, i)), "%s: log-det back not finite",
                  s->label);
    }
    cr_assert(all_finite(mr_node_grad(s->in), n), "%s: gradient in the input not finite", s->label);
    cr_assert(all_finite(mr_params_grad(s->params), mr_params_size(s->params)),
              "%s: gradient in the parameters not finite", s->label);
}

static inline void check_extreme(const flow_case *c) {
    if (fact_of(c->text).has_fixed)
        return;
    subject s = subject_new(c, N_EXTREME, 1);
    fill_extreme(&s);
    check_finite(&s);
    subject_perturb(&s, noise_of(c));
    check_finite(&s);
    subject_free(&s);
}

/// Every parameter zero, every input zero: where norms, products and spans vanish together.
static inline void check_all_zero(const flow_case *c) {
    subject s = subject_new(c, 4, 1);
    memset(mr_params_value(s.params), 0, mr_params_trained_size(s.params) * sizeof(mr_real));
    memset(mr_node_value(s.in), 0, s.n_rows * c->dim * sizeof(mr_real));
    subject_place(&s, s.n_rows * c->dim, mr_node_value(s.in));
    check_finite(&s);
    subject_free(&s);
}
