// Any bytes as a model file of a density. What is taken scores points and gives samples.

#include "flows/density.h"
#include "tests/fuzz/tensors_mutator.h"

enum { N = 3, MAX_DIM = 64 };

static void use(const mr_density *density) {
    double x[N * MAX_DIM] = {0}, log_prob[N];
    size_t n_impossible;
    const size_t dim = mr_density_dim(density);
    const mr_layout *layout = mr_density_layout(density);
    for (size_t j = 0; layout->columns != NULL && j < dim; j++)
        assert(layout->columns[j] < layout->n_columns);
    for (size_t j = 0; layout->names != NULL && j < layout->n_columns; j++)
        fuzz_touch((double)strlen(layout->names[j]));
    if (dim > MAX_DIM)
        return;
    for (size_t i = 0; i < N * dim; i++)
        x[i] = (double)i / 2 - 1;
    fuzz_is_fine(mr_density_log_prob(density, 1, N, x, log_prob));
    fuzz_is_fine(mr_density_score(density, 1, N, x, log_prob, &n_impossible));
    fuzz_is_fine(mr_density_sample(density, 1, 1, N, x, log_prob));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    mr_density *density;
    if (!fuzz_is_fine(mr_density_load(fuzz_file(data, n_bytes), &density)))
        return 0;
    // No model is larger than its file.
    assert(mr_params_count(mr_density_params(density)) * sizeof(mr_real) <= n_bytes);
    use(density);
    mr_density_free(density);
    return 0;
}
