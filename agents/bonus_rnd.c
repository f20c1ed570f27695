// Random network distillation (Burda et al. 2018, arXiv:1810.12894): the novelty of a state is the
// mean squared error with which a trained net predicts the outputs of a fixed random net.

#include "agents/novelty.h"

#include "nn/mlp.h"

#include <math.h>
#include <stdlib.h>

// Both nets: two hidden layers of 256 and as many outputs.
static const mr_widths hidden = {.n = 2, .width = {256, 256}};

enum { N_OUTPUTS = 256 };

typedef struct {
    mr_params *predictor_params, *target_params;
    mr_mlp predictor, target;
} rnd;

static void rnd_free(void *self) {
    rnd *r = self;
    if (!r)
        return;
    mr_params_free(r->predictor_params);
    mr_params_free(r->target_params);
    free(r);
}

static mr_status make_net(const mr_novelty_setup *setup, const char *name, uint64_t index,
                          mr_params **params, mr_mlp *net) {
    mr_random random = mr_random_stream(setup->seed, MR_STREAM_BONUS_INIT, index);
    const mr_status status = mr_params_new(params);
    if (status != MR_OK)
        return status;
    *net = mr_mlp_declare(*params, name, setup->dim, &hidden, N_OUTPUTS, MR_INIT_FAN_IN);
    return mr_params_alloc(*params, &random);
}

// The parameters of the fixed net come from the seed alone, so that no file needs to hold them.
static mr_status rnd_make(const mr_novelty_setup *setup, void **out) {
    mr_status status;
    rnd *r = calloc(1, sizeof *r);
    if (!r)
        return mr_fail_memory("random network distillation");
    MR_TRY(make_net(setup, "predictor", 1, &r->predictor_params, &r->predictor));
    MR_TRY(make_net(setup, "target", 2, &r->target_params, &r->target));
    *out = r;
    r = NULL;
done:
    rnd_free(r);
    return status;
}

static mr_params *rnd_params(const void *self) {
    return ((const rnd *)self)->predictor_params;
}

static mr_node *rnd_build(const void *self, mr_node *u) {
    const rnd *r = self;
    mr_node *target = mr_mlp_build(&r->target, r->target_params, u);
    mr_node *predicted = mr_mlp_build(&r->predictor, r->predictor_params, u);
    return mr_row_mean(mr_square(mr_sub(predicted, target)));
}

const mr_novelty_ops mr_novelty_rnd = {
    .name = "rnd",
    .summary = "random network distillation (Burda et al. 2018)",
    .normalize = "scale",
    .clip = 5,  // the paper's
    .lr = 1e-4, // the paper's
    .train_every = 4,
    .max_rise =
        INFINITY, // the error rises with every new place: only what is not finite is a fault
    .make = rnd_make,
    .free = rnd_free,
    .params = rnd_params,
    .build = rnd_build,
};
