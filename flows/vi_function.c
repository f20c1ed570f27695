// Variational inference for a target that is given as a C function. The tests' library in double
// precision does without it: the function speaks float.

#include "flows/vi.h"

#include "base/threads.h"

#ifndef MR_REAL_DOUBLE

static mr_node *build(const mr_target *target, mr_node *x) {
    const mr_vi_target *given = target->self;
    return mr_callback(x, given->log_density, given->self);
}

mr_status mr_vi_fit(mr_density *density, const mr_vi_target *target, const mr_vi_options *options,
                    mr_vi_watcher watcher, void *self, const volatile sig_atomic_t *stop,
                    mr_vi_result *result) {
    MR_REQUIRE(density);
    MR_REQUIRE(target);
    MR_REQUIRE(target->log_density);
    MR_REQUIRE(result);
    const mr_vi_options how = options != NULL ? *options : mr_vi_defaults();
    const mr_target formula = {.name = "the caller's function",
                               .dim = target->dim,
                               .log_z = NAN,
                               .self = (void *)target,
                               .build = build,
                               .shift = target->shift,
                               .scale = target->scale};
    if (mr_density_dim(density) != target->dim)
        return mr_fail(MR_ERR_USAGE,
                       "mr_vi_fit: the density has %zu features, the target %zu; make a density of "
                       "as many",
                       mr_density_dim(density), target->dim);
    if (!(how.lr > 0 && how.clip_norm > 0 && how.batch_size > 0 && how.anneal >= 0))
        return mr_fail(MR_ERR_USAGE, "mr_vi_fit: lr, clip_norm and batch_size must be above 0, "
                                     "anneal at least 0; begin with mr_vi_defaults");
    if (how.n_threads < 1)
        return mr_threads_check(how.n_threads);
    if ((target->shift == NULL) != (target->scale == NULL))
        return mr_fail(MR_ERR_USAGE, "mr_vi_fit: shift and scale go together; give both or none");
    return mr_vi(density, &formula, &how, watcher, self, stop, result);
}

#endif
