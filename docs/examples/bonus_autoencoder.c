// The novelty of a state is how badly an autoencoder reproduces it, |decode(encode(u)) - u|^2 / d
// (Stadie et al. 2015, arXiv:1507.00814): the example of a bonus in docs/extending.md.

#include "agents/novelty.h"

#include "nn/mlp.h"

#include <math.h>
#include <stdlib.h>

static const mr_widths hidden = {.n = 1, .width = {64}};

typedef struct {
    mr_params *params;
    mr_mlp encoder, decoder;
} autoencoder;

static void autoencoder_free(void *self) {
    autoencoder *a = self;
    if (!a)
        return;
    mr_params_free(a->params);
    free(a);
}

static mr_status autoencoder_make(const mr_novelty_setup *setup, void **out) {
    mr_status status;
    mr_random random = mr_random_stream(setup->seed, MR_STREAM_BONUS_INIT, 1);
    const size_t n_code = setup->dim > 1 ? setup->dim / 2 : 1;
    autoencoder *a = calloc(1, sizeof *a);
    if (!a)
        return mr_fail_memory("the autoencoder");
    MR_TRY(mr_params_new(&a->params));
    a->encoder = mr_mlp_declare(a->params, "encoder", setup->dim, &hidden, n_code, MR_INIT_FAN_IN);
    a->decoder = mr_mlp_declare(a->params, "decoder", n_code, &hidden, setup->dim, MR_INIT_FAN_IN);
    MR_TRY(mr_params_alloc(a->params, &random));
    *out = a;
    a = NULL;
done:
    autoencoder_free(a);
    return status;
}

static mr_params *autoencoder_params(const void *self) {
    return ((const autoencoder *)self)->params;
}

static mr_node *autoencoder_build(const void *self, mr_node *u) {
    const autoencoder *a = self;
    mr_node *code = mr_mlp_build(&a->encoder, a->params, u);
    mr_node *reproduced = mr_mlp_build(&a->decoder, a->params, code);
    return mr_row_mean(mr_square(mr_sub(reproduced, u)));
}

const mr_novelty_ops mr_novelty_autoencoder = {
    .name = "autoencoder",
    .summary = "error of an autoencoder (Stadie et al. 2015)",
    .normalize = "scale",
    .clip = 5,
    .lr = 1e-3,
    .train_every = 4,
    .max_rise = INFINITY, // the error rises with every new place
    .make = autoencoder_make,
    .free = autoencoder_free,
    .params = autoencoder_params,
    .build = autoencoder_build,
};
