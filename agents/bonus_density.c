// Novelty as surprise: -log p(u) under a normalizing flow that is trained on the visited states.
// Its mean over these is their entropy (Hazan et al. 2019, Lee et al. 2019).

#include "agents/novelty.h"

static mr_status density_make(const mr_novelty_setup *setup, void **out) {
    mr_density *density = NULL;
    const mr_status status =
        mr_density_new(setup->flow, MR_FLOW_TO_SCORE, setup->dim, setup->seed, &density);
    if (status != MR_OK)
        return status;
    if (mr_density_is_limited(density)) {
        mr_density_free(density);
        return mr_fail(MR_ERR_USAGE,
                       "bonus flow '%.200s': it takes bounded values alone, but states may be any "
                       "numbers; leave out the map that bounds them (logit, log, ...)",
                       setup->flow);
    }
    *out = density;
    return MR_OK;
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

const mr_novelty_ops mr_novelty_density = {
    .name = "density",
    .summary = "-log p of the state under a flow that is trained on the visited states",
    .normalize = "standard",
    .is_log_density = true,
    // With noise, a feature that is constant or discrete for a while has a finite density.
    .noise = 0.05,
    // float32 holds the log-density of all states up to here.
    .clip = 100,
    .lr = 1e-3,
    .train_every = 4,
    .max_rise = 1,
    .make = density_make,
    .free = density_free,
    .params = density_params,
    .build = density_build,
    .start = density_start,
    .density = density_itself,
};
