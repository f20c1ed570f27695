// That agents learn: a return that rises, in seconds.

#include "agents/agent.h"
#include "agents/train.h"

#include "tests/agents/set.h"
#include "tests/scratch.h"

TestSuite(learning, .init = scratch_enter, .fini = scratch_leave);

// A policy that has learned nothing holds the pole for 2 to 9 steps (a reward of 1 each). After
// 4,000 steps six seeds reached 37 to 257 with td3, 57 to 85 with sac, 47 to 1000 with meow, 1000
// with crossq, 66 to 151 with quantiles and 49 to 68 with categories.
static const double enough = 30;

/// Settings of a run, beside those that are small.
typedef struct {
    const char *name;
    size_t n;
    const char *const (*settings)[2];
} recipe;

// Sets the learning rates, which agents call differently.
static void set_rates(mr_settings *s) {
    static const char *const names[] = {"actor_lr", "critic_lr", "lr"};
    for (size_t i = 0; i < MR_COUNT(names); i++)
        for (size_t k = 0; k < mr_setting_count(); k++) {
            const mr_setting *row = mr_setting_at(k);
            if (strcmp(row->name, names[i]) == 0 && mr_setting_is_used(row, s))
                set(s, names[i], "0.001");
        }
}

static double learn(const recipe *r) {
    static const char *const small[][2] = {
        {"env", "InvertedPendulum-v5"}, {"hidden", "32,32"}, {"batch_size", "64"},
        {"learning_starts", "500"},     {"steps", "4000"},   {"eval_every", "0"},
        {"eval_episodes", "5"},         {"threads", "1"}};
    mr_settings s;
    mr_trainer_result result;
    mr_settings_init(&s);
    for (size_t i = 0; i < MR_COUNT(small); i++)
        set(&s, small[i][0], small[i][1]);
    for (size_t i = 0; i < r->n; i++)
        set(&s, r->settings[i][0], r->settings[i][1]);
    set_rates(&s);
    snprintf(s.out, sizeof s.out, "%s", r->name);
    cr_assert_eq(mr_trainer_run(&s, NULL, NULL, NULL, &result), MR_OK, "%s", mr_error_message());
    return result.last.eval_mean_reward;
}

static void check_learns(const recipe *r) {
    const double mean_return = learn(r);
    cr_expect_geq(mean_return, enough, "%s: mean return %g", r->name, mean_return);
}

Test(learning, every_agent_learns_to_balance_a_pole) {
    for (size_t i = 0; i < mr_agent_count(); i++) {
        const char *agent = mr_agent_at(i)->name;
        check_learns(&(recipe){agent, 1, &(const char *const[2]){"agent", agent}});
    }
}

Test(learning, crossq_learns_to_balance_a_pole) {
    static const char *const settings[][2] = {
        {"policy", "gaussian"},         {"critic_targets", "none"}, {"critic_norm", "batch_renorm"},
        {"actor_norm", "batch_renorm"}, {"norm_position", "after"}, {"adam_beta1", "0.5"},
        {"policy_delay", "3"},
    };
    check_learns(&(recipe){"crossq", MR_COUNT(settings), settings});
}

Test(learning, quantile_critics_learn_to_balance_a_pole) {
    static const char *const settings[][2] = {{"critic_head", "quantile"}};
    check_learns(&(recipe){"quantile", MR_COUNT(settings), settings});
}

// The temperature is XQC's first: from 1, the entropy alone would reach beyond the support.
Test(learning, categorical_critics_learn_to_balance_a_pole) {
    static const char *const settings[][2] = {
        {"critic_head", "categorical"}, {"normalize_reward", "true"}, {"alpha", "0.01"}};
    check_learns(&(recipe){"categorical", MR_COUNT(settings), settings});
}
