// Exploration noise that is kept for some steps.

#include "agents/exploration_noise.h"

#include <math.h>
#include <stdlib.h>

#include "agents/numbers.h"

struct mr_exploration_noise {
    size_t n_envs, dim, longest;
    double *cumulative; // [longest] P(n <= i + 1)
    mr_real *out;       // [n_envs x dim]
    double *kept;       // [n_envs x dim]
    double *end;        // [n_envs] the step at which it begins anew
};

static void accumulate(mr_exploration_noise *e, double exponent) {
    double sum = 0;
    for (size_t i = 0; i < e->longest; i++)
        e->cumulative[i] = sum += pow((double)(i + 1), -exponent);
    for (size_t i = 0; i < e->longest; i++)
        e->cumulative[i] /= sum;
}

mr_status mr_exploration_noise_new(const mr_exploration_options *options, size_t n_envs, size_t dim,
                                   mr_exploration_noise **out) {
    const size_t longest = options->longest > 0 ? options->longest : 1;
    mr_exploration_noise *e = calloc(1, sizeof *e);
    if (!e)
        return mr_fail_memory("the exploration noise");
    *e = (mr_exploration_noise){.n_envs = n_envs,
                                .dim = dim,
                                .longest = longest,
                                .cumulative = calloc(longest, sizeof(double)),
                                .out = calloc(n_envs * dim, sizeof(mr_real)),
                                .kept = calloc(n_envs * dim, sizeof(double)),
                                .end = calloc(n_envs, sizeof(double))};
    if (!e->cumulative || !e->out || !e->kept || !e->end) {
        mr_exploration_noise_free(e);
        return mr_fail_memory("the exploration noise");
    }
    accumulate(e, options->exponent);
    *out = e;
    return MR_OK;
}

void mr_exploration_noise_free(mr_exploration_noise *e) {
    if (!e)
        return;
    free(e->cumulative);
    free(e->out);
    free(e->kept);
    free(e->end);
    free(e);
}

static size_t draw_length(const mr_exploration_noise *e, mr_random *random) {
    const double u = mr_random_uniform(random);
    size_t n = 1;
    while (n < e->longest && u >= e->cumulative[n - 1])
        n++;
    return n;
}

// Where the noise of before goes on, the fresh one is left unused.
static void keep(mr_exploration_noise *e, size_t n, uint64_t step, mr_random *random) {
    for (size_t i = 0; i < n; i++) {
        mr_real *fresh = e->out + i * e->dim;
        double *kept = e->kept + i * e->dim;
        const bool begins = (double)step >= e->end[i];
        if (begins)
            e->end[i] = (double)(step + draw_length(e, random) * e->n_envs);
        for (size_t j = 0; j < e->dim; j++) {
            kept[j] = begins ? (double)fresh[j] : kept[j];
            fresh[j] = (mr_real)kept[j];
        }
    }
}

const mr_real *mr_exploration_noise_draw(mr_exploration_noise *e, size_t n, uint64_t step,
                                         mr_random *random) {
    mr_random_fill_normal(random, n * e->dim, e->out);
    if (e->longest > 1)
        keep(e, n, step, random);
    return e->out;
}

// ---- Checkpoints

enum { N_NUMBERS = 2 };

static void list_numbers(mr_exploration_noise *e, mr_number out[N_NUMBERS]) {
    out[0] = (mr_number){"exploration_noise.kept", e->kept, e->n_envs * e->dim, false, false};
    out[1] = (mr_number){"exploration_noise.end", e->end, e->n_envs, false, true};
}

mr_status mr_exploration_noise_write(mr_exploration_noise *e, mr_tensors_writer *writer) {
    mr_number numbers[N_NUMBERS];
    list_numbers(e, numbers);
    return e->longest > 1 ? mr_numbers_write(N_NUMBERS, numbers, writer) : MR_OK;
}

mr_status mr_exploration_noise_read(mr_exploration_noise *e, const mr_tensors *file) {
    mr_number numbers[N_NUMBERS];
    list_numbers(e, numbers);
    return e->longest > 1 ? mr_numbers_read(N_NUMBERS, numbers, file) : MR_OK;
}
