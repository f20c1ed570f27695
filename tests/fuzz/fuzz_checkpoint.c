// Any bytes as the checkpoint of a run. What is taken goes on: episodes are played again, an update
// is made.

#include "agents/trainer.h"
#include "tests/fuzz/small_run.h"
#include "tests/fuzz/tensors_mutator.h"

static void go_on(mr_trainer *t) {
    size_t n_lost = 0;
    mr_collector *c = &t->collector;
    if (!fuzz_is_fine(mr_collector_resume(c, t->updater.replay, &n_lost)))
        return;
    for (size_t i = 0; i < c->n_envs; i++)
        assert(c->log[i].n <= (size_t)c->episode[i].length);
    if (mr_replay_size(t->updater.replay) > 0)
        fuzz_is_fine(mr_updater_update(&t->updater));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static mr_settings settings;
    mr_trainer t;
    mr_checkpoint_head head;
    fuzz_small_run(&settings);
    assert(mr_trainer_build(&t, &settings, NULL, NULL, NULL, false) == MR_OK);
    if (fuzz_is_fine(mr_trainer_load_checkpoint(&t, fuzz_file(data, n_bytes), &head)))
        go_on(&t);
    mr_trainer_close(&t);
    return 0;
}
