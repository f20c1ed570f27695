// Any bytes as the checkpoint of a run. What is taken goes on: episodes are played again, an update
// is made.

#include "agents/trainer.h"
#include "tests/fuzz/small_run.h"
#include "tests/fuzz/tensors_mutator.h"

static void go_on(mr_trainer *t) {
    size_t n_lost = 0;
    if (!fuzz_is_fine(mr_trainer_resume_episodes(t, &n_lost)))
        return;
    for (size_t i = 0; i < t->n_envs; i++)
        assert(t->actions[i].n <= (size_t)t->rollout[i].episode_length);
    if (mr_replay_size(t->replay) > 0)
        fuzz_is_fine(mr_trainer_update(t));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static mr_settings settings;
    mr_trainer t = {.settings = &settings};
    fuzz_small_run(&settings);
    assert(mr_trainer_build(&t) == MR_OK);
    const mr_settings used = mr_trainer_used_settings(&t);
    mr_checkpoint checkpoint = mr_trainer_checkpoint(&t, &used);
    if (fuzz_is_fine(mr_checkpoint_load(&checkpoint, fuzz_file(data, n_bytes))))
        go_on(&t);
    mr_trainer_close(&t);
    return 0;
}
