// Novelty as surprise: -log p(u) under a normalizing flow that learns where the agent has been.
//
// In the mean, what is paid is then the entropy of the states that are visited (Hazan et al. 2019,
// Lee et al. 2019).

#include "agents/bonus_kind.h"

static mr_status density_make(const mr_bonus_setup *setup, void **out) {
    mr_density *density = NULL;
    const mr_status status =
        mr_density_new(setup->flow, MR_FLOW_TO_SCORE, setup->dim, setup->seed, &density);
    if (status == MR_OK)
        *out = density;
    return status;
}

static void density_free(void *self) {
    mr_density_free(self);
}

static mr_params *density_params(const void *self) {
    return mr_density_params(self);
}

static mr_node *density_build(const void *self, mr_node *u) {
    return mr_affine(mr_density_build_log_prob(self, u), -1, 0);
}

static mr_status density_start(void *self, size_t n, const mr_real *u) {
    return mr_density_start_flow(self, n, u);
}

static mr_density *density_itself(void *self) {
    return self;
}

const mr_bonus_kind mr_bonus_density = {
    .name = "density",
    .summary = "-log p of the state under a flow that is trained on what was visited",
    .normalize = "standard",
    .is_log_density = true,
    // A constant or discrete feature then has a finite density.
    .noise = 0.05,
    // Farther out is as novel: float32 holds the log-density of all that is nearer.
    .reach = 100,
    .lr = 1e-3,
    .train_every = 4,
    .collapse = 1,
    .make = density_make,
    .free = density_free,
    .params = density_params,
    .build = density_build,
    .start = density_start,
    .density = density_itself,
};
