// Checks of settings against each other.

#include "agents/settings.h"

#include <string.h>

#include "agents/agent.h"

// The row of that name that a run with these settings has; NULL: none.
static const mr_setting *find_used(const char *name, const mr_settings *settings) {
    for (size_t i = 0; i < mr_setting_count(); i++)
        if (strcmp(mr_setting_at(i)->name, name) == 0 &&
            mr_setting_is_used(mr_setting_at(i), settings))
            return mr_setting_at(i);
    return NULL;
}

static mr_status check_agent_options(const mr_settings *settings) {
    for (size_t i = 0; i < mr_setting_count(); i++) {
        const mr_setting *row = mr_setting_at(i);
        if (settings->is_given[i] && !find_used(row->name, settings))
            return mr_fail(MR_ERR_USAGE,
                           "%s is an option of the agent %s, and this run's agent is %s; leave it "
                           "out or choose the agent %s",
                           row->name, mr_setting_agent(row), settings->agent,
                           mr_setting_agent(row));
        if (row->type == MR_SETTING_TEXT && row->initial[0] != '\0' &&
            ((const char *)settings)[row->offset] == '\0')
            return mr_fail(MR_ERR_USAGE, "%s is empty; give it a value, such as %s", row->name,
                           row->initial);
    }
    return MR_OK;
}

static mr_status check_norm(const mr_settings *settings, const char *name, const char *norm) {
    mr_norm_kind kind = MR_NORM_NONE;
    mr_norm_find(norm, &kind);
    if (settings->batch_size > 1 || !mr_norm_is_of_batch(kind))
        return MR_OK;
    return mr_fail(
        MR_ERR_USAGE,
        "%s is %s, which takes mean and variance over a batch, and batch_size is 1; raise "
        "batch_size, or choose layer or rms",
        name, norm);
}

// Settings of one value head.
static const struct {
    const char *name, *head;
} of_head[] = {{"critic_atoms", "categorical"},
               {"critic_value_min", "categorical"},
               {"critic_value_max", "categorical"},
               {"critic_quantiles", "quantile"},
               {"critic_drop", "quantile"}};

// Whether someone wants a setting. A saved config.yaml names all of them: only another value than
// the default shows it. `text` is then that value.
static bool is_wanted(const mr_setting *row, const mr_settings *settings, char text[MR_MAX_TEXT]) {
    mr_setting_format(row, settings, text, MR_MAX_TEXT);
    return strcmp(text, row->initial) != 0;
}

static mr_status check_settings_of_heads(const mr_settings *settings) {
    for (size_t i = 0; i < MR_COUNT(of_head); i++) {
        char text[MR_MAX_TEXT];
        const mr_setting *row = find_used(of_head[i].name, settings);
        if (strcmp(settings->critic_head, of_head[i].head) != 0 && is_wanted(row, settings, text))
            return mr_fail(MR_ERR_USAGE,
                           "%s is a setting of critic_head %s, and critic_head is %s; leave it out "
                           "or set critic_head to %s",
                           row->name, of_head[i].head, settings->critic_head, of_head[i].head);
    }
    return MR_OK;
}

static bool is_given(const mr_settings *settings, const char *name) {
    return settings->is_given[find_used(name, settings) - mr_setting_at(0)];
}

static mr_status check_unused(const mr_settings *settings) {
    const char *const *name = mr_agent_find(settings->agent)->unused;
    for (; name && *name; name++) {
        char text[MR_MAX_TEXT];
        const mr_setting *row = mr_setting_find(*name);
        if (is_wanted(row, settings, text))
            return mr_fail(MR_ERR_USAGE,
                           "%s is %s, but the agent %s has no critics that it could be about; "
                           "leave it out or choose another agent",
                           row->name, text, settings->agent);
    }
    return MR_OK;
}

// A preset's value is no wish of the user's.
static mr_status check_targets(const mr_settings *settings) {
    const char *const *name = mr_agent_find(settings->agent)->of_targets;
    for (; name && *name && !mr_settings_critic_targets(settings); name++) {
        char text[MR_MAX_TEXT];
        if (is_given(settings, *name) && is_wanted(find_used(*name, settings), settings, text))
            return mr_fail(MR_ERR_USAGE,
                           "%s is %s, but with critic_targets %s there are no slow copies of the "
                           "critics that it could be about; leave it out or set critic_targets to "
                           "polyak",
                           *name, text, settings->critic_targets);
    }
    return MR_OK;
}

// Returns without a scale are in the hundreds on most tasks: beyond the support, all are equal.
static mr_status check_support(const mr_settings *s) {
    if (strcmp(s->critic_head, "categorical") != 0)
        return MR_OK;
    if (s->critic_value_min >= s->critic_value_max)
        return mr_fail(
            MR_ERR_USAGE,
            "critic_value_min is %g, not less than the critic_value_max of %g; lower the "
            "one or raise the other",
            s->critic_value_min, s->critic_value_max);
    if (!s->normalize_reward && !is_given(s, "critic_value_max") && !is_given(s, "reward_scale"))
        return mr_fail(MR_ERR_USAGE,
                       "critic_head categorical has values from %g to %g, and returns may be far "
                       "beyond; add normalize_reward, or set critic_value_min and critic_value_max "
                       "to the task's least and largest discounted return",
                       s->critic_value_min, s->critic_value_max);
    return MR_OK;
}

static mr_status check_critics(const mr_settings *s) {
    mr_status status;
    MR_TRY(check_settings_of_heads(s));
    MR_TRY(check_targets(s));
    MR_TRY(check_support(s));
    if (s->critic_drop >= s->critic_quantiles)
        return mr_fail(
            MR_ERR_USAGE,
            "critic_drop is %zu, and critics have %zu quantiles (critic_quantiles): none "
            "would be left for the target; lower the one or raise the other",
            s->critic_drop, s->critic_quantiles);
    if (s->critic_target_subset > s->critics)
        return mr_fail(MR_ERR_USAGE,
                       "critic_target_subset is %zu, more than the %zu critics; lower the one or "
                       "raise the other",
                       s->critic_target_subset, s->critics);
done:
    return status;
}

static mr_status check_deterministic(const mr_settings *s) {
    bool needs_critics;
    const mr_status status = mr_policy_check_deterministic(s->deterministic_action, &needs_critics);
    if (status == MR_OK && needs_critics && !mr_agent_find(s->agent)->critics)
        return mr_fail(MR_ERR_USAGE,
                       "deterministic_action is %s, but the agent %s has no critics that value "
                       "several actions; choose base, mean or mode, or another agent",
                       s->deterministic_action, s->agent);
    return status;
}

static mr_status check_demonstrations(const mr_settings *s) {
    char text[MR_MAX_TEXT];
    if (s->demonstrations[0] != '\0' || !is_wanted(find_used("demonstration_ratio", s), s, text))
        return MR_OK;
    return mr_fail(MR_ERR_USAGE,
                   "demonstration_ratio is %s, and there are no demonstrations; leave it out or "
                   "name a data set by demonstrations",
                   text);
}

mr_status mr_settings_check(const mr_settings *settings) {
    if (settings->env[0] == '\0')
        return mr_fail(MR_ERR_USAGE, "no task to train on; give one, such as HalfCheetah-v5");
    mr_status status = check_agent_options(settings);
    if (status == MR_OK)
        status = check_unused(settings);
    if (status == MR_OK)
        status = check_critics(settings);
    if (status == MR_OK)
        status = check_deterministic(settings);
    if (status == MR_OK)
        status = check_demonstrations(settings);
    if (status != MR_OK)
        return status;
    if (check_norm(settings, "actor_norm", settings->actor_norm) != MR_OK ||
        check_norm(settings, "critic_norm", settings->critic_norm) != MR_OK)
        return MR_ERR_USAGE;
    if (settings->log_std_min >= settings->log_std_max)
        return mr_fail(MR_ERR_USAGE,
                       "log_std_min is %g, not less than the log_std_max of %g; lower the one or "
                       "raise the other",
                       settings->log_std_min, settings->log_std_max);
    if (settings->buffer_size < settings->batch_size)
        return mr_fail(MR_ERR_USAGE,
                       "buffer_size is %zu, less than the batch_size of %zu; raise the one or "
                       "lower the other",
                       settings->buffer_size, settings->batch_size);
    if (settings->buffer_size < settings->num_envs)
        return mr_fail(MR_ERR_USAGE,
                       "buffer_size is %zu, less than the %zu copies of num_envs; raise the one or "
                       "lower the other",
                       settings->buffer_size, settings->num_envs);
    if (settings->steps < settings->num_envs)
        return mr_fail(MR_ERR_USAGE,
                       "steps is %zu, less than the %zu copies of num_envs; raise the one or lower "
                       "the other",
                       settings->steps, settings->num_envs);
    return MR_OK;
}
