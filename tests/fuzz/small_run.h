/// The settings of the run whose checkpoint is fuzzed: small, with all that a checkpoint may hold.
#pragma once

#include "agents/settings.h"

#include <assert.h>

static inline void fuzz_small_run(mr_settings *settings) {
    static const char *const values[][2] = {
        {"env", "Pendulum-v1"},
        {"policy", "real_nvp:layers=1,hidden=2"},
        {"hidden", "3"},
        {"bonus", "density"},
        {"bonus_flow", "real_nvp:layers=1,hidden=2"},
        {"bonus_critic", "separate"},
        {"bonus_critic_hidden", "2"},
        {"num_envs", "2"},
        {"steps", "100"},
        {"batch_size", "4"},
        {"buffer_size", "40"},
        {"learning_starts", "20"},
        {"eval_episodes", "1"},
        {"eval_max_steps", "5"},
        {"threads", "1"},
    };
    mr_settings_init(settings);
    for (size_t i = 0; i < MR_COUNT(values); i++) {
        const mr_status status = mr_settings_set(settings, values[i][0], values[i][1], "small run");
        assert(status == MR_OK);
        (void)status;
    }
}
