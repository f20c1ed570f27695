#include "agents/metrics.h"

#include <criterion/criterion.h>

#include <string.h>

// The loop's metrics and the agent's fill the struct up, without gaps, up to the room for agents
// with more.
Test(metrics, every_metric_has_a_place_and_a_name_of_its_own) {
    for (size_t a = 0; a < mr_agent_count(); a++) {
        const mr_agent_ops *agent = mr_agent_at(a);
        mr_metric_list list;
        mr_metric_list_of(agent, &list);
        const size_t n_unused = MR_MAX_AGENT_METRICS - agent->n_metrics;
        cr_expect_eq((list.n + n_unused) * sizeof(double), sizeof(mr_metrics));
        for (size_t i = 0; i < list.n; i++)
            for (size_t k = 0; k < i; k++) {
                cr_expect_neq(list.at[i].offset, list.at[k].offset, "%s", list.at[i].name);
                cr_expect_str_neq(list.at[i].name, list.at[k].name);
            }
    }
}

// Users' scripts know columns by name and, it may be, by place.
Test(metrics, a_sac_runs_columns_are_those_of_version_0_1_and_later_ones) {
    static const char *const some[] = {
        "train/n_updates",     "train/actor_loss", "train/critic_loss", "train/ent_coef",
        "train/ent_coef_loss", "train/entropy",    "train/q_mean",      "eval/mean_reward"};
    mr_metric_list list;
    mr_metric_list_of(&mr_agent_sac, &list);
    const mr_metric *first = mr_metric_find(&list, some[0]);
    for (size_t i = 0; i < MR_COUNT(some); i++)
        cr_expect_str_eq(first[i].name, some[i]);
    cr_expect_null(mr_metric_find(&list, "train/none"));
}
