// exp(-U(z)) for the energies U1 to U4 of Rezende and Mohamed 2015 (arXiv:1505.05770, table 1).
//
//     w1 = sin(pi z1 / 2),   w2 = 3 exp(-1/2 ((z1 - 1)/0.6)^2),   w3 = 3 sigmoid((z1 - 1)/0.3)
//
// exp(-U) of U2, U3 and U4 has no finite integral over the plane. So all four are multiplied by a
// window that is 1 in the box [-4, 4]^2 and falls to 0 outside of it,
//
//     sigmoid((4 - |z1|)/0.05) sigmoid((4 - |z2|)/0.05):
//
// it takes 0.02 nats at a distance of 0.2 inside the edge, 0.7 on it, and 20 more for each unit of
// length outside. Its area is that of the box, and so log Z is that on the box: 1.8775, 2.0821,
// 2.6417 and 2.6846, the last less 0.0005.

#include "flows/targets.h"

static const double pi = 3.14159265358979323846;
static const double box = 4, edge = 0.05; // of the window

/// z and its two features.
typedef struct {
    mr_node *z, *z1, *z2;
} point;

static point take_apart(mr_node *z) {
    return (point){z, mr_slice(z, 0, 1), mr_slice(z, 1, 1)};
}

// -1/2 ((t - centre)/sigma)^2
static mr_node *bell(mr_node *t, double centre, double sigma) {
    return mr_affine(mr_square(mr_affine(t, 1, -centre)), -0.5 / (sigma * sigma), 0);
}

static mr_node *w1(point p) {
    return mr_sin(mr_affine(p.z1, pi / 2, 0));
}

static mr_node *w2(point p) {
    return mr_affine(mr_exp(bell(p.z1, 1, 0.6)), 3, 0);
}

static mr_node *w3(point p) {
    return mr_affine(mr_sigmoid(mr_affine(p.z1, 1 / 0.3, -1 / 0.3)), 3, 0);
}

// The window's logarithm is -sum(softplus((|z| - box)/edge)). Of the softpluses of z and -z, one is
// that and the other 0, to within exp(-box/edge).
static mr_node *add_window(mr_node *minus_u, point p) {
    mr_node *above = mr_softplus(mr_affine(p.z, 1 / edge, -box / edge));
    mr_node *below = mr_softplus(mr_affine(p.z, -1 / edge, -box / edge));
    return mr_sub(minus_u, mr_row_sum(mr_add(above, below)));
}

// U1 = 1/2 ((||z|| - 2)/0.4)^2 - log(exp(-1/2 ((z1 - 2)/0.6)^2) + exp(-1/2 ((z1 + 2)/0.6)^2))
static mr_node *u1_build(const mr_target *target, mr_node *z) {
    (void)target;
    const point p = take_apart(z);
    mr_node *ring = bell(mr_row_norm(z), 2, 0.4);
    mr_node *sides = mr_log_add_exp(bell(p.z1, 2, 0.6), bell(p.z1, -2, 0.6));
    return add_window(mr_add(ring, sides), p);
}

// U2 = 1/2 ((z2 - w1)/0.4)^2
static mr_node *u2_build(const mr_target *target, mr_node *z) {
    (void)target;
    const point p = take_apart(z);
    return add_window(bell(mr_sub(p.z2, w1(p)), 0, 0.4), p);
}

// U3 = -log(exp(-1/2 ((z2 - w1)/0.35)^2) + exp(-1/2 ((z2 - w1 + w2)/0.35)^2))
static mr_node *u3_build(const mr_target *target, mr_node *z) {
    (void)target;
    const point p = take_apart(z);
    mr_node *t = mr_sub(p.z2, w1(p));
    return add_window(mr_log_add_exp(bell(t, 0, 0.35), bell(mr_add(t, w2(p)), 0, 0.35)), p);
}

// U4 = -log(exp(-1/2 ((z2 - w1)/0.4)^2) + exp(-1/2 ((z2 - w1 + w3)/0.35)^2))
static mr_node *u4_build(const mr_target *target, mr_node *z) {
    (void)target;
    const point p = take_apart(z);
    mr_node *t = mr_sub(p.z2, w1(p));
    return add_window(mr_log_add_exp(bell(t, 0, 0.4), bell(mr_add(t, w3(p)), 0, 0.35)), p);
}

// log Z by quadrature with the window; tests/flows/exact_targets.c does it again.
#define ENERGY(text, what, log_of_z)                                                               \
    {                                                                                              \
        .name = #text, .usage = #text, .summary = what, .dim = 2, .log_z = log_of_z, .view = 4.5,  \
        .build = text##_build                                                                      \
    }

const mr_target_kind mr_target_u1 =
    ENERGY(u1, "a ring with two thick sides (Rezende and Mohamed 2015)", 1.877502);
const mr_target_kind mr_target_u2 = ENERGY(u2, "a sine wave (the same paper)", 2.082089);
const mr_target_kind mr_target_u3 =
    ENERGY(u3, "a sine wave with a dip beside it (the same paper)", 2.641705);
const mr_target_kind mr_target_u4 =
    ENERGY(u4, "a sine wave that splits in two (the same paper)", 2.684115);
