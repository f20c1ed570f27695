/// What a flow over text holds. Private to flows/text*.c.
#pragma once

#include "flows/categories.h"
#include "flows/causal_net.h"
#include "flows/options.h"
#include "flows/text.h"

typedef struct {
    size_t length, hidden, blocks, latent;
} mr_text_options;

struct mr_text_flow {
    mr_text_options options;
    char text[256]; // with every option
    mr_alphabet alphabet;
    size_t longest; // codes of the longest sequence that it was fitted to
    mr_params *params;
    mr_categories categories;
    mr_causal_net net;
};

/// mr_text_flow_new for an alphabet, which is copied. Fails with MR_ERR_INPUT if the model would
/// have more than `max_params` numbers.
mr_status mr_text_flow_create(const char *flow, const mr_alphabet *alphabet, size_t longest,
                              uint64_t seed, size_t max_params, mr_text_flow **out);

/// Codes before a sequence in its row of data.
size_t mr_text_flow_context(const mr_text_flow *flow);
