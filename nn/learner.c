// Learners: the optimizer's step, the target, the snapshot, and files.

#include "nn/learner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_BLOCKS = 3 }; // values and both moments

// ---- Building

static mr_status make_snapshot(mr_learner *l) {
    mr_status status;
    MR_TRY(mr_params_copy(l->params, &l->snapshot));
    if (!l->target)
        goto done;
    l->good_target = malloc(mr_params_size(l->target) * sizeof *l->good_target);
    if (!l->good_target)
        MR_TRY(mr_fail_memory("a learner"));
done:
    return status;
}

mr_status mr_learner_init(mr_learner *l, mr_params *params, mr_adam adam, int parts,
                          int n_threads) {
    mr_status status = MR_OK;
    *l = (mr_learner){.params = params, .adam = adam, .n_threads = n_threads};
    if (parts & MR_LEARNER_TARGET)
        MR_TRY(mr_params_copy(params, &l->target));
    if (parts & MR_LEARNER_SNAPSHOT) {
        MR_TRY(make_snapshot(l));
        mr_learner_snapshot(l);
    }
done:
    return status;
}

void mr_learner_release(mr_learner *l) {
    mr_params_free(l->target);
    mr_params_free(l->snapshot);
    free(l->good_target);
    *l = (mr_learner){0};
}

// ---- Training

mr_status mr_learner_check(const mr_learner *l, const char *name, double loss) {
    if (!isfinite(loss))
        return mr_fail(
            MR_ERR_NUMERIC,
            "the %s loss is %g; try a smaller learning rate or look at the rewards' scale", name,
            loss);
    if (!mr_grad_is_finite(l->params))
        return mr_fail(
            MR_ERR_NUMERIC,
            "the gradient of the %s loss, or its square, is not finite; try a smaller learning "
            "rate or look at the rewards' scale",
            name);
    return MR_OK;
}

void mr_learner_step(mr_learner *l) {
    mr_adam_step(&l->adam, l->params, l->n_threads);
    mr_params_scale_rows(l->params);
}

void mr_learner_move_target(mr_learner *l, double tau) {
    if (l->target)
        mr_polyak(l->target, l->params, tau, l->n_threads);
}

// ---- Copies, and the snapshot

static mr_real *block_of(const mr_params *params, int k) {
    return k == 0 ? mr_params_value(params) : mr_params_moment(params, k);
}

static void copy_blocks(const mr_params *from, mr_params *to) {
    for (int k = 0; k < N_BLOCKS; k++)
        memcpy(block_of(to, k), block_of(from, k), mr_params_size(from) * sizeof(mr_real));
}

void mr_learner_copy(const mr_learner *from, mr_learner *to) {
    copy_blocks(from->params, to->params);
    if (to->target)
        memcpy(mr_params_value(to->target), mr_params_read(from->target),
               mr_params_size(to->target) * sizeof(mr_real));
    to->adam.n_steps = from->adam.n_steps;
}

void mr_learner_set(mr_learner *l, const mr_real *values) {
    const size_t n_bytes = mr_params_size(l->params) * sizeof *values;
    memcpy(mr_params_value(l->params), values, n_bytes);
    if (l->target)
        memcpy(mr_params_value(l->target), values, n_bytes);
}

void mr_learner_snapshot(mr_learner *l) {
    copy_blocks(l->params, l->snapshot);
    if (l->target)
        memcpy(l->good_target, mr_params_read(l->target),
               mr_params_size(l->target) * sizeof *l->good_target);
    l->good_steps = l->adam.n_steps;
}

void mr_learner_rollback(mr_learner *l) {
    copy_blocks(l->snapshot, l->params);
    if (l->target)
        memcpy(mr_params_value(l->target), l->good_target,
               mr_params_size(l->target) * sizeof *l->good_target);
    l->adam.n_steps = l->good_steps;
}

// ---- Files

mr_status mr_learner_write(const mr_learner *l, const mr_learner_names *names,
                           mr_tensors_writer *writer) {
    mr_status status;
    MR_TRY(mr_tensors_writer_note_count(writer, names->n_steps, l->adam.n_steps));
    MR_TRY(mr_params_write_all(l->params, names->trained, writer));
    if (names->target)
        MR_TRY(mr_params_write(l->target, mr_params_read(l->target), names->target, writer));
done:
    return status;
}

mr_status mr_learner_read(mr_learner *l, const mr_learner_names *names, const mr_tensors *file) {
    mr_status status;
    MR_TRY(mr_tensors_get_count(file, names->n_steps, &l->adam.n_steps));
    MR_TRY(mr_params_load_all(l->params, names->trained, file));
    if (names->target)
        MR_TRY(mr_params_load(l->target, file, names->target, mr_params_value(l->target)));
done:
    return status;
}

mr_status mr_learner_read_nets(mr_learner *l, const mr_learner_names *names,
                               const mr_tensors *file) {
    mr_status status;
    MR_TRY(mr_params_load(l->params, file, names->trained[0], mr_params_value(l->params)));
    if (names->target)
        MR_TRY(mr_params_load(l->target, file, names->target, mr_params_value(l->target)));
done:
    return status;
}
