// Making batches.

#include "agents/batch.h"

#include <stdlib.h>

struct mr_batch_maker {
    mr_batch_options options;
    mr_transitions drawn;
    mr_real *intrinsic; // [batch_size]
    mr_batch batch;     // of the latest draw
};

mr_status mr_batch_maker_new(const mr_batch_options *options, size_t obs_dim, size_t act_dim,
                             mr_batch_maker **out) {
    const size_t n = options->batch_size;
    mr_batch_maker *m = calloc(1, sizeof *m);
    if (!m)
        return mr_fail_memory("the batches");
    m->options = *options;
    m->drawn = (mr_transitions){.obs = calloc(n * obs_dim, sizeof(mr_real)),
                                .act = calloc(n * act_dim, sizeof(mr_real)),
                                .reward = calloc(n, sizeof(mr_real)),
                                .discount = calloc(n, sizeof(mr_real)),
                                .next_obs = calloc(n * obs_dim, sizeof(mr_real))};
    m->intrinsic = calloc(n, sizeof *m->intrinsic);
    const mr_transitions *d = &m->drawn;
    if (!d->obs || !d->act || !d->reward || !d->discount || !d->next_obs || !m->intrinsic) {
        mr_batch_maker_free(m);
        return mr_fail_memory("the batches");
    }
    m->batch =
        (mr_batch){.n = n,
                   .obs = d->obs,
                   .act = d->act,
                   .reward = d->reward,
                   .discount = d->discount,
                   .next_obs = d->next_obs,
                   .intrinsic = options->bonus && options->is_separate ? m->intrinsic : NULL};
    *out = m;
    return MR_OK;
}

void mr_batch_maker_free(mr_batch_maker *m) {
    if (!m)
        return;
    free(m->drawn.obs);
    free(m->drawn.act);
    free(m->drawn.reward);
    free(m->drawn.discount);
    free(m->drawn.next_obs);
    free(m->intrinsic);
    free(m);
}

// The intrinsic reward is that of the present moment: it is not stored with the transitions.
static mr_status add_intrinsic(mr_batch_maker *m) {
    mr_bonus *bonus = m->options.bonus;
    const mr_status status = mr_bonus_score(bonus, m->drawn.next_obs, m->intrinsic);
    if (status != MR_OK)
        return status;
    m->batch.beta = mr_bonus_beta(bonus);
    const mr_real beta = (mr_real)m->batch.beta;
    for (size_t i = 0; i < m->batch.n && !m->batch.intrinsic; i++)
        m->drawn.reward[i] += beta * m->intrinsic[i];
    return MR_OK;
}

mr_status mr_batch_draw(mr_batch_maker *m, const mr_replay *replay, uint64_t index,
                        const mr_batch **out) {
    const mr_batch_options *o = &m->options;
    mr_random which = mr_random_stream(o->seed, MR_STREAM_REPLAY, index);
    mr_replay_sample(replay, &which, o->batch_size, o->gamma, &m->drawn);
    for (size_t i = 0; i < o->batch_size; i++)
        m->drawn.reward[i] *= (mr_real)o->reward_scale;
    *out = &m->batch;
    return o->bonus ? add_intrinsic(m) : MR_OK;
}
