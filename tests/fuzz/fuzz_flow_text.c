// Any text as a flow. What is taken is written and read again, and built where it is small.

#include "flows/flow.h"
#include "tests/fuzz/fuzz.h"

enum { DIM = 3, CONTEXT_DIM = 2, MAX_PARAMS = 20000 };

// The text in full stands for itself, and so does the composition that it stands for.
static void read_again(const char *full, const char *composition) {
    char once[MR_FLOW_MAX_TEXT], twice[MR_FLOW_MAX_TEXT];
    assert(mr_flow_describe(full, MR_FLOW_TO_SCORE, once, twice) == MR_OK);
    assert(strcmp(once, full) == 0 && strcmp(twice, composition) == 0);
    assert(mr_flow_describe(composition, MR_FLOW_TO_SCORE, once, twice) == MR_OK);
    assert(strcmp(once, composition) == 0 && strcmp(twice, composition) == 0);
}

static void build(const char *text, mr_flow_use use, size_t context_dim) {
    mr_params *params;
    mr_flow *flow;
    mr_random random = mr_random_stream(1, MR_STREAM_TEST, 0);
    assert(mr_params_new(&params) == MR_OK);
    mr_params_limit(params, MAX_PARAMS);
    if (fuzz_is_fine(mr_flow_new(text, use, DIM, context_dim, params, "flow", &flow))) {
        if (fuzz_is_fine(mr_params_alloc(params, &random)))
            assert(mr_params_count(params) <= MAX_PARAMS);
        mr_flow_free(flow);
    }
    mr_params_free(params);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    char full[MR_FLOW_MAX_TEXT], composition[MR_FLOW_MAX_TEXT];
    char *text = fuzz_text(data, n_bytes);
    if (fuzz_is_fine(mr_flow_describe(text, MR_FLOW_TO_SCORE, full, composition))) {
        read_again(full, composition);
        build(text, MR_FLOW_TO_SAMPLE, CONTEXT_DIM);
        build(text, MR_FLOW_TO_SCORE, 0);
    }
    free(text);
    return 0;
}
