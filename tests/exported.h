/// Exported policies, compiled by the strictest rules of C99 and compared with the library.
#pragma once

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "tests/golden_inputs.h"

/// Of an action in (-1, 1): what issue 21 asks for. Sums of some 64 float32 products, ten layers
/// deep, err by 64 x 10 x 2^-25 = 2e-5 in the worst case, and by a tenth of it as a rule.
static const double exported_tolerance = 1e-5;

typedef void exported_function(const float *obs, const float *noise, float *action);

/// The function of policy.c, compiled. A library of its own name: dlopen knows one that is loaded
/// by its name.
static inline exported_function *exported_compile(const char *flow) {
    static int n_compiled;
    char library_name[32], command[256];
    snprintf(library_name, sizeof library_name, "./policy_%d.so", n_compiled++);
    snprintf(command, sizeof command,
             "cc -std=c99 -pedantic -Wall -Wextra -Werror -O1 -shared -fPIC policy.c -o %s -lm",
             library_name);
    cr_assert_eq(system(command), 0, "%s: %s", flow, command);
    void *library = dlopen(library_name, RTLD_NOW);
    cr_assert_not_null(library, "%s: %s", flow, dlerror());
    exported_function *act;
    *(void **)&act = dlsym(library, "policy_act");
    cr_assert_not_null(act, "%s", flow);
    return act;
}

/// Compares actions for obs [n_rows x obs_dim], without noise and with noise [n_rows x act_dim].
static inline void exported_expect_same(mr_policy *policy, exported_function *act, size_t n_rows,
                                        const double *obs, const mr_real *noise) {
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    for (size_t i = 0; i < 2 * n_rows; i++) {
        const double *from = obs + i / 2 * spec->obs_dim;
        const mr_real *z = i % 2 == 0 ? NULL : noise + i / 2 * spec->act_dim;
        float single[GOLDEN_MAX_DIM * 4], found[GOLDEN_MAX_DIM];
        double expected[GOLDEN_MAX_DIM];
        cr_assert(spec->obs_dim <= MR_COUNT(single) && spec->act_dim <= MR_COUNT(found));
        for (size_t j = 0; j < spec->obs_dim; j++)
            single[j] = (float)from[j];
        cr_assert_eq(mr_policy_act(policy, from, z, expected), MR_OK, "%s", mr_error_message());
        act(single, z, found);
        for (size_t j = 0; j < spec->act_dim; j++) {
            const double half_range = (spec->act_high[j] - spec->act_low[j]) / 2;
            cr_expect_float_eq((double)found[j], expected[j], exported_tolerance * half_range,
                               "%s: action %zu of row %zu is %.8g, not %.8g", spec->flow, j, i,
                               (double)found[j], expected[j]);
        }
    }
}
