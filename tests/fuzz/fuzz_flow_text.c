// Any text as a flow. What is taken is written and read again, and built where it is small.

#include "flows/flow.h"
#include "flows/text.h"
#include "tests/fuzz/fuzz.h"

enum { DIM = 3, CONTEXT_DIM = 2, MAX_PARAMS = 20000, TEXT_SIZE = 256 };

static void write_and_read(const mr_flow_kind *kind, const mr_flow_options *options) {
    char once[TEXT_SIZE], twice[TEXT_SIZE];
    const mr_flow_kind *again;
    mr_flow_options read;
    mr_flow_text_write(kind, options, once, sizeof once);
    assert(mr_flow_text_read(once, &again, &read) == MR_OK && again == kind);
    mr_flow_text_write(again, &read, twice, sizeof twice);
    assert(strcmp(once, twice) == 0);
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
    const mr_flow_kind *kind;
    mr_flow_options options;
    char *text = fuzz_text(data, n_bytes);
    if (fuzz_is_fine(mr_flow_text_read(text, &kind, &options))) {
        write_and_read(kind, &options);
        build(text, MR_FLOW_TO_SAMPLE, CONTEXT_DIM);
        build(text, MR_FLOW_TO_SCORE, 0);
    }
    free(text);
    return 0;
}
