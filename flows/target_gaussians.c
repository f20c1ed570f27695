// Targets made of Gaussians, normalised: a mixture on a circle, and the funnel.

#include "flows/targets.h"

#include <math.h>
#include <stdio.h>

// ---- Eight Gaussians of equal weight, deviation 0.5, on a circle of radius 3: neighbours are 4.6
// deviations apart, so that a fit can lose some of them

enum { N_COMPONENTS = 8 };

static const double pi = 3.14159265358979323846;
static const double radius = 3, mixture_sigma = 0.5;

// -1/2 ((t - centre)/sigma)^2
static mr_node *bell(mr_node *t, double centre) {
    return mr_affine(mr_square(mr_affine(t, 1, -centre)), -0.5 / (mixture_sigma * mixture_sigma),
                     0);
}

static mr_node *mixture_build(const mr_target *target, mr_node *x) {
    (void)target;
    mr_node *x1 = mr_slice(x, 0, 1), *x2 = mr_slice(x, 1, 1), *sum = NULL;
    for (int k = 0; k < N_COMPONENTS; k++) {
        const double angle = 2 * pi * k / N_COMPONENTS;
        mr_node *component = mr_add(bell(x1, radius * cos(angle)), bell(x2, radius * sin(angle)));
        sum = k > 0 ? mr_log_add_exp(sum, component) : component;
    }
    return mr_affine(sum, 1, -log(N_COMPONENTS * 2 * pi * mixture_sigma * mixture_sigma));
}

const mr_target_kind mr_target_gaussian_mixture = {
    .name = "gaussian_mixture",
    .usage = "gaussian_mixture",
    .summary = "eight Gaussians on a circle",
    .dim = 2,
    .view = 5,
    .build = mixture_build,
};

// ---- The funnel (Neal 2003, "Slice sampling", section 8)
//
//     v ~ N(0, 3^2),   x_i | v ~ N(0, exp(v))   (mean and variance)
//
// v is the first feature, the x_i are the others. dim counts them all.

enum { DEFAULT_DIM = 2, MAX_DIM = 1000 };

static const double funnel_sigma = 3;
static const double log_2_pi = 1.8378770664093454836;

// -1/2 (v/sigma)^2 - 1/2 sum x_i^2 exp(-v) - n/2 v - log sigma - (n + 1)/2 log(2 pi)
static mr_node *funnel_build(const mr_target *target, mr_node *vx) {
    const double n = (double)target->dim - 1;
    mr_node *v = mr_slice(vx, 0, 1), *x = mr_slice(vx, 1, target->dim - 1);
    mr_node *of_v = mr_affine(mr_square(v), -0.5 / (funnel_sigma * funnel_sigma), 0);
    mr_node *squares = mr_mul(mr_row_sum(mr_square(x)), mr_exp(mr_affine(v, -1, 0)));
    mr_node *of_x = mr_sub(mr_affine(squares, -0.5, 0), mr_affine(v, n / 2, 0));
    return mr_affine(mr_add(of_v, of_x), 1, -log(funnel_sigma) - (n + 1) / 2 * log_2_pi);
}

static mr_status funnel_open(mr_target *target, const char *text, const char *argument,
                             mr_header header) {
    (void)header;
    int n_read = 0;
    target->dim = DEFAULT_DIM;
    if (argument[0] == '\0')
        return MR_OK;
    if (sscanf(argument, "dim=%5zu%n", &target->dim, &n_read) != 1 || argument[n_read] != '\0' ||
        target->dim < 2 || target->dim > MAX_DIM)
        return mr_fail(
            MR_ERR_USAGE,
            "target '%.100s': dim must be a whole number from 2 to %d, as in funnel:dim=10", text,
            MAX_DIM);
    return MR_OK;
}

const mr_target_kind mr_target_funnel = {
    .name = "funnel",
    .usage = "funnel[:dim=N]",
    .summary = "v ~ N(0, 9), each other feature ~ N(0, exp(v)) (Neal 2003); dim=2 unless given",
    .build = funnel_build,
    .open = funnel_open,
};
