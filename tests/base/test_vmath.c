// The vector functions against <math.h> in double, over their whole range.

#include "base/vmath.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

enum { N = 4099 }; // no multiple of a vector's width

/// A function, the range to try it over, and the double that it is held against.
typedef struct {
    const char *name;
    void (*vector)(size_t n, const float *x, float *y);
    double (*exact)(double x);
    double low, high;
} vmath_case;

static const vmath_case cases[] = {
    {"exp", mr_vexp, exp, -87, 88},
    {"log", mr_vlog, log, 1e-30, 1e30},
    {"log1p", mr_vlog1p, log1p, -0.999, 1e6},
    {"tanh", mr_vtanh, tanh, -20, 20},
    {"erf", mr_verf, erf, -6, 6},
    {"sin", mr_vsin, sin, -100, 100},
    {"cos", mr_vcos, cos, -100, 100},
};

// Distance in units in the last place of the exact result.
static double ulps(float got, double exact) {
    const float rounded = (float)exact;
    const double unit = (double)nextafterf(fabsf(rounded), INFINITY) - fabs((double)rounded);
    return fabs((double)got - exact) / unit;
}

Test(vmath, every_function_is_within_four_units_in_the_last_place) {
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const vmath_case *c = &cases[k];
        float x[N], y[N];
        for (size_t i = 0; i < N; i++)
            x[i] = (float)(c->low + (c->high - c->low) * (double)i / (N - 1));
        c->vector(N, x, y);
        for (size_t i = 0; i < N; i++)
            cr_assert(ulps(y[i], c->exact((double)x[i])) <= 4, "%s(%g) = %g, not %g", c->name,
                      (double)x[i], (double)y[i], c->exact((double)x[i]));
    }
}

Test(vmath, infinities_and_nan_go_through) {
    const float x[] = {INFINITY, -INFINITY, NAN, 0};
    float y[4];
    mr_vexp(4, x, y);
    cr_expect(isinf(y[0]) && y[1] == 0 && isnan(y[2]) && y[3] == 1);
    mr_vtanh(4, x, y);
    cr_expect(y[0] == 1 && y[1] == -1 && isnan(y[2]) && y[3] == 0);
    mr_vlog(4, x, y);
    cr_expect(isinf(y[0]) && isnan(y[1]) && isnan(y[2]) && isinf(y[3]) && y[3] < 0);
}

Test(vmath, works_in_place) {
    float x[N], y[N];
    for (size_t i = 0; i < N; i++)
        x[i] = (float)i / N;
    mr_vexp(N, x, y);
    mr_vexp(N, x, x);
    cr_assert_arr_eq(x, y, sizeof x);
}
