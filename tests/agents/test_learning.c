// That agents learn: a return that rises, in seconds.

#include "agents/agent.h"
#include "agents/train.h"

#include "tests/agents/set.h"
#include "tests/scratch.h"

TestSuite(learning, .init = scratch_enter, .fini = scratch_leave);

enum { N_SEEDS = 3 };

// A policy that has learned nothing holds the pole for 2 to 9 steps (a reward of 1 each). After
// 4,000 steps six seeds reached 33 to 103 with td3 and 55 to 105 with sac; the means of three
// differ less.
static const double enough = 30;

static double learn(const char *agent, size_t seed) {
    static const char *const small[][2] = {{"env", "InvertedPendulum-v5"},
                                           {"hidden", "32,32"},
                                           {"batch_size", "64"},
                                           {"learning_starts", "500"},
                                           {"steps", "4000"},
                                           {"actor_lr", "0.001"},
                                           {"critic_lr", "0.001"},
                                           {"eval_every", "0"},
                                           {"eval_episodes", "5"},
                                           {"threads", "1"}};
    mr_settings s;
    mr_trainer_result result;
    mr_settings_init(&s);
    for (size_t i = 0; i < MR_COUNT(small); i++)
        set(&s, small[i][0], small[i][1]);
    set(&s, "agent", agent);
    s.seed = seed;
    snprintf(s.out, sizeof s.out, "%s-%zu", agent, seed);
    cr_assert_eq(mr_trainer_run(&s, NULL, NULL, NULL, &result), MR_OK, "%s", mr_error_message());
    return result.last.eval_mean_reward;
}

Test(learning, every_agent_learns_to_balance_a_pole) {
    for (size_t i = 0; i < mr_agent_count(); i++) {
        const char *agent = mr_agent_at(i)->name;
        double sum = 0;
        for (size_t seed = 1; seed <= N_SEEDS; seed++)
            sum += learn(agent, seed);
        cr_expect_geq(sum / N_SEEDS, enough, "%s: mean return %g", agent, sum / N_SEEDS);
    }
}
