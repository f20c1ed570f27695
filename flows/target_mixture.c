// A mixture of eight Gaussians of equal weight, deviation 0.5, on a circle of radius 3: neighbours
// are 4.6 deviations apart, so that a fit can lose some of them.

#include "flows/target_kind.h"

enum { N_COMPONENTS = 8 };

static const double pi = 3.14159265358979323846;
static const double radius = 3, sigma = 0.5;

// -1/2 ((t - centre)/sigma)^2
static mr_node *bell(mr_node *t, double centre) {
    return mr_affine(mr_square(mr_affine(t, 1, -centre)), -0.5 / (sigma * sigma), 0);
}

static mr_node *mixture_build(const mr_target *target, mr_node *x) {
    (void)target;
    mr_node *x1 = mr_slice(x, 0, 1), *x2 = mr_slice(x, 1, 1), *sum = NULL;
    for (int k = 0; k < N_COMPONENTS; k++) {
        const double angle = 2 * pi * k / N_COMPONENTS;
        mr_node *component = mr_add(bell(x1, radius * cos(angle)), bell(x2, radius * sin(angle)));
        sum = k > 0 ? mr_log_add_exp(sum, component) : component;
    }
    return mr_affine(sum, 1, -log(N_COMPONENTS * 2 * pi * sigma * sigma));
}

const mr_target_kind mr_target_gaussian_mixture = {
    .name = "gaussian_mixture",
    .usage = "gaussian_mixture",
    .summary = "eight Gaussians on a circle",
    .dim = 2,
    .view = 5,
    .build = mixture_build,
};
