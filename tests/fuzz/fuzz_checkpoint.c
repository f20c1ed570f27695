// Any bytes as the checkpoint of a run. What is taken goes on: episodes are played again, an update
// is made.

#include "agents/trainer.h"
#include "tests/fuzz/small_run.h"
#include "tests/fuzz/tensors_mutator.h"

static mr_checkpoint checkpoint_of(mr_trainer *t, const mr_settings *used) {
    return (mr_checkpoint){.settings = used,
                           .agent = t->agent,
                           .best = t->best,
                           .replay = t->replay,
                           .bonus = t->bonus,
                           .n_envs = t->n_envs,
                           .obs_dim = t->obs_dim,
                           .act_dim = t->act_dim,
                           .engine = &t->engine,
                           .loop = &t->loop,
                           .rollouts = t->rollout,
                           .actions = t->actions,
                           .obs = t->obs};
}

static void go_on(mr_trainer *t) {
    size_t n_lost = 0;
    if (!fuzz_is_fine(mr_trainer_resume_episodes(t, &n_lost)))
        return;
    for (size_t i = 0; i < t->n_envs; i++)
        assert(t->actions[i].n <= (size_t)t->rollout[i].episode_length);
    const mr_batch *batch;
    if (mr_replay_size(t->replay) > 0 &&
        fuzz_is_fine(mr_batch_draw(t->batches, t->replay, mr_agent_n_updates(t->agent), &batch)) &&
        fuzz_is_fine(mr_agent_update(t->agent, batch)))
        mr_trainer_note_update(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static mr_settings settings;
    mr_trainer t = {.settings = &settings};
    fuzz_small_run(&settings);
    assert(mr_trainer_build(&t) == MR_OK);
    const mr_settings used = mr_trainer_used_settings(&t);
    mr_checkpoint checkpoint = checkpoint_of(&t, &used);
    if (fuzz_is_fine(mr_checkpoint_load(&checkpoint, fuzz_file(data, n_bytes))))
        go_on(&t);
    mr_trainer_close(&t);
    return 0;
}
