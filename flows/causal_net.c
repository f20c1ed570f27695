// A causal convolutional net over sequences.

#include "flows/causal_net.h"

#include <stdio.h>

static mr_param add(mr_params *params, const char *prefix, const char *name, size_t rows,
                    size_t cols, mr_initializer init, size_t fan_in) {
    char full[256];
    snprintf(full, sizeof full, "%s.%s", prefix, name);
    return mr_params_add(params, full, rows, cols, init, fan_in, NULL);
}

mr_causal_net mr_causal_net_declare(mr_params *params, const char *prefix, size_t n_in,
                                    size_t hidden, size_t n_blocks, size_t n_out) {
    mr_causal_net net = {.hidden = hidden, .n_blocks = n_blocks, .n_out = n_out};
    char block_prefix[192];
    // Its input is nearly one-hot, so that a fan-in of 1 gives it deviation 1 / sqrt(3).
    net.in = add(params, prefix, "in.weight", hidden, n_in, MR_INIT_FAN_IN, 1);
    for (size_t i = 0; i < n_blocks; i++) {
        mr_causal_block *b = &net.block[i];
        snprintf(block_prefix, sizeof block_prefix, "%.160s.%zu", prefix, i);
        b->gain = add(params, block_prefix, "norm.weight", 1, hidden, MR_INIT_ONE, 1);
        b->now = add(params, block_prefix, "now.weight", hidden, hidden, MR_INIT_FAN_IN, hidden);
        b->bias = add(params, block_prefix, "now.bias", 1, hidden, MR_INIT_ZERO, 1);
        b->before =
            add(params, block_prefix, "before.weight", hidden, hidden, MR_INIT_FAN_IN, hidden);
        b->out = add(params, block_prefix, "out.weight", hidden, hidden, MR_INIT_FAN_IN, hidden);
        b->out_bias = add(params, block_prefix, "out.bias", 1, hidden, MR_INIT_ZERO, 1);
    }
    net.gain = add(params, prefix, "norm.weight", 1, hidden, MR_INIT_ONE, 1);
    net.out = add(params, prefix, "out.weight", n_out, hidden, MR_INIT_ZERO, 1);
    net.out_bias = add(params, prefix, "out.bias", 1, n_out, MR_INIT_ZERO, 1);
    return net;
}

size_t mr_causal_net_reach(const mr_causal_net *net) {
    return (size_t)1 << net->n_blocks;
}

size_t mr_causal_net_distance(size_t i) {
    return (size_t)1 << i;
}

static mr_node *block_add(const mr_causal_block *b, mr_params *params, mr_node *h, mr_node *n,
                          mr_node *earlier) {
    mr_node *now = mr_linear(n, params, b->now, b->bias, MR_IDENTITY);
    mr_node *inside = mr_relu(mr_add(now, earlier));
    return mr_add(h, mr_linear(inside, params, b->out, b->out_bias, MR_IDENTITY));
}

static mr_node *build_output(const mr_causal_net *net, mr_params *params, mr_node *h) {
    return mr_linear(mr_rms_norm(h, params, net->gain, MR_IDENTITY), params, net->out,
                     net->out_bias, MR_IDENTITY);
}

// goes_on is here about the last `distance` steps: whether none of them begins a sequence.
mr_node *mr_causal_net_build(const mr_causal_net *net, mr_params *params, mr_node *x,
                             mr_node *goes_on, size_t n_steps, size_t first) {
    const size_t width = net->hidden, n_last = n_steps - first;
    mr_node *h = mr_linear_without_bias(x, params, net->in);
    for (size_t i = 0; i < net->n_blocks; i++) {
        const mr_causal_block *b = &net->block[i];
        const size_t distance = mr_causal_net_distance(i);
        mr_node *n = mr_rms_norm(h, params, b->gain, MR_IDENTITY);
        mr_node *before = mr_join_rows(mr_linear_without_bias(n, params, b->before), n_steps);
        before = mr_split_rows(mr_shift_columns(before, distance * width), n_steps);
        if (goes_on) {
            before = mr_mul(before, mr_split_rows(goes_on, n_steps));
            goes_on = mr_mul(goes_on, mr_shift_columns(goes_on, distance));
        }
        h = block_add(b, params, h, n, before);
    }
    if (first > 0)
        h = mr_split_rows(mr_slice(mr_join_rows(h, n_steps), first * width, n_last * width),
                          n_last);
    return build_output(net, params, h);
}

mr_node *mr_causal_net_build_step(const mr_causal_net *net, mr_params *params, mr_node *x,
                                  mr_node *const *earlier, mr_node **latest) {
    mr_node *h = mr_linear_without_bias(x, params, net->in);
    for (size_t i = 0; i < net->n_blocks; i++) {
        const mr_causal_block *b = &net->block[i];
        mr_node *n = mr_rms_norm(h, params, b->gain, MR_IDENTITY);
        latest[i] = mr_linear_without_bias(n, params, b->before);
        h = block_add(b, params, h, n, earlier[i]);
    }
    return build_output(net, params, h);
}
