// The agent and the bonus that docs/extending.md goes through, in double precision.

#include <math.h>

#include "agents/novelty.h"
#include "tests/agents/small.h"

extern const mr_agent_ops mr_agent_ddpg;
extern const mr_novelty_ops mr_novelty_autoencoder;

enum { ROWS = 64 };

// ---- The agent

static mr_agent *new_ddpg(void) {
    const mr_policy_spec spec = small_spec("deterministic", 1, 1);
    mr_agent_setup setup = small_defaults(1).setup;
    double options[MR_MAX_AGENT_OPTIONS / sizeof(double)] = {0};
    mr_agent *agent = NULL;
    setup.batch_size = setup.n_envs = ROWS;
    setup.critic.hidden = (mr_widths){.n = 2, .width = {32, 32}};
    for (size_t i = 0; i < mr_agent_ddpg.n_options; i++)
        cr_assert_eq(mr_setting_store(&mr_agent_ddpg.options[i], options,
                                      mr_agent_ddpg.options[i].initial, "default"),
                     MR_OK);
    cr_assert_eq(mr_setting_store(&mr_agent_ddpg.options[1], options, "0.003", "actor_lr"), MR_OK);
    cr_assert_eq(mr_agent_new(&mr_agent_ddpg, &spec, &setup, options, &agent), MR_OK, "%s",
                 mr_error_message());
    cr_assert_eq(mr_policy_prepare(mr_agent_policy(agent), ROWS), MR_OK);
    return agent;
}

// One step with the reward -(a - s/2)^2: the best action is s/2. A policy that does nothing is
// 0.29 off (the root of the mean of s^2/4 over [-1, 1]).
Test(examples, an_agent_of_the_guide_learns_the_best_action) {
    mr_random random = mr_random_stream(2, MR_STREAM_TEST, 0);
    mr_real obs[ROWS], act[ROWS], reward[ROWS];
    static const mr_real discount[ROWS] = {0};
    double seen[ROWS], error = 0;
    mr_agent *agent = new_ddpg();
    for (int t = 0; t < 2000; t++) {
        for (size_t i = 0; i < ROWS; i++) {
            obs[i] = 2 * mr_random_uniform(&random) - 1;
            act[i] = 2 * mr_random_uniform(&random) - 1;
            reward[i] = -(act[i] - obs[i] / 2) * (act[i] - obs[i] / 2);
        }
        const mr_batch batch = {.n = ROWS,
                                .obs = obs,
                                .act = act,
                                .reward = reward,
                                .discount = discount,
                                .next_obs = obs};
        cr_assert_eq(mr_agent_update(agent, &batch), MR_OK, "%s", mr_error_message());
    }
    for (size_t i = 0; i < ROWS; i++)
        seen[i] = obs[i];
    cr_assert_eq(mr_policy_sample_units(mr_agent_policy(agent), ROWS, seen, NULL, act, NULL),
                 MR_OK);
    for (size_t i = 0; i < ROWS; i++)
        error += pow(act[i] - seen[i] / 2, 2) / ROWS;
    cr_expect_lt(sqrt(error), 0.05, "%g off", sqrt(error));
    mr_agent_free(agent);
}

// ---- The bonus

// States are on the diagonal. A code of one number can hold where on it a state is, but not how far
// beside it.
Test(examples, a_bonus_of_the_guide_falls_where_states_are_and_not_elsewhere) {
    const mr_novelty_setup setup = {.dim = 2, .seed = 1};
    const mr_novelty_options options = {.batch_size = ROWS, .max_rows = ROWS, .n_threads = 1};
    mr_random random = mr_random_stream(3, MR_STREAM_TEST, 0);
    mr_real on[2 * ROWS], beside[2 * ROWS];
    double novelty_on[ROWS], novelty_beside[ROWS], sum_on = 0, sum_beside = 0;
    mr_novelty *novelty = NULL;
    cr_assert_eq(mr_novelty_new(&mr_novelty_autoencoder, &setup, &options, &novelty), MR_OK);
    for (uint64_t t = 0; t < 1000; t++) {
        for (size_t i = 0; i < ROWS; i++) {
            on[2 * i] = on[2 * i + 1] = 2 * mr_random_uniform(&random) - 1;
            beside[2 * i] = on[2 * i] + 1;
            beside[2 * i + 1] = on[2 * i] - 1;
        }
        mr_novelty_score(novelty, ROWS, on, novelty_on);
        mr_novelty_train(novelty, on, t);
    }
    mr_novelty_score(novelty, ROWS, beside, novelty_beside);
    for (size_t i = 0; i < ROWS; i++) {
        sum_on += novelty_on[i] / ROWS;
        sum_beside += novelty_beside[i] / ROWS;
    }
    cr_expect_lt(sum_on, 0.01, "%g where it was trained", sum_on);
    cr_expect_gt(sum_beside, 0.5, "%g beside it, where the nearest state is 1 away", sum_beside);
    mr_novelty_free(novelty);
}
