// Checks of settings against each other.

#include "agents/settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/agent.h"
#include "agents/presets.h"
#include "envs/env.h"

static mr_status check_agent_options(const mr_settings *settings) {
    for (size_t i = 0; i < mr_setting_count(); i++) {
        const mr_setting *row = mr_setting_at(i);
        if (mr_setting_is_given(row, settings) && !mr_setting_find_used(row->name, settings))
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
    char origin[MR_ORIGIN_SIZE];
    mr_norm_kind kind = MR_NORM_NONE;
    mr_norm_find(norm, &kind);
    if (settings->batch_size > 1 || !mr_norm_is_of_batch(kind))
        return MR_OK;
    return mr_fail(
        MR_ERR_USAGE,
        "%s is %s%s, which takes mean and variance over a batch, and batch_size is 1; raise "
        "batch_size, or choose layer or rms",
        name, norm, mr_setting_origin(mr_setting_find(name), settings, origin));
}

static mr_status check_unused(const mr_settings *settings) {
    const char *const *name = mr_agent_find(settings->agent)->unused;
    for (; name && *name; name++) {
        char text[MR_MAX_TEXT];
        const mr_setting *row = mr_setting_find(*name);
        if (!mr_setting_is_default(row, settings, text))
            return mr_fail(MR_ERR_USAGE,
                           "%s is %s, which means nothing to the agent %s; leave it out or choose "
                           "another agent",
                           row->name, text, settings->agent);
    }
    return MR_OK;
}

static bool has_default(const mr_settings *settings, const char *name) {
    char text[MR_MAX_TEXT];
    return mr_setting_is_default(mr_setting_find_used(name, settings), settings, text);
}

static const double most_steps = 1000; // that rewards count for, whatever the discount

// Returns without a scale are in the hundreds on most tasks: beyond the support, all are equal.
static mr_status check_support(const mr_settings *s) {
    char origin[MR_ORIGIN_SIZE];
    if (strcmp(s->critic_head, "categorical") != 0)
        return MR_OK;
    if (s->critic_value_min >= s->critic_value_max)
        return mr_fail(
            MR_ERR_USAGE,
            "critic_value_min is %g, not less than the critic_value_max of %g; lower the "
            "one or raise the other",
            s->critic_value_min, s->critic_value_max);
    if (!s->normalize_reward && s->reward_scale == 1 && has_default(s, "critic_value_min") &&
        has_default(s, "critic_value_max"))
        return mr_fail(MR_ERR_USAGE,
                       "critic_head categorical%s has values from %g to %g, and returns may be far "
                       "beyond; add normalize_reward, or set critic_value_min and critic_value_max "
                       "to the task's least and largest discounted return",
                       mr_setting_origin(mr_setting_find("critic_head"), s, origin),
                       s->critic_value_min, s->critic_value_max);
    return MR_OK;
}

// The setting that the temperature starts from; NULL: the agent has none.
static const mr_setting *find_temperature(const mr_settings *s) {
    char text[MR_MAX_TEXT];
    const mr_setting *row = mr_setting_find_used("alpha", s);
    if (row == NULL)
        return NULL;
    mr_setting_format(row, s, text, sizeof text);
    return strcmp(text, "auto") == 0 ? mr_setting_find_used("initial_alpha", s) : row;
}

// Values count the entropy of all actions to come. If that of a single actuator, log 2 of a uniform
// one, is wider than the support, all values are at its end, and the actor has no gradient. The
// temperature of a run that this one begins with is not known here.
static mr_status check_temperature(const mr_settings *s) {
    char text[MR_MAX_TEXT], origin[MR_ORIGIN_SIZE];
    const mr_setting *row = find_temperature(s);
    if (row == NULL || strcmp(s->critic_head, "categorical") != 0)
        return MR_OK;
    if (strcmp(row->name, "initial_alpha") == 0 && mr_settings_begin_with_run(s))
        return MR_OK;
    mr_setting_format(row, s, text, sizeof text);
    const double horizon = fmin(1 / (1 - s->gamma), most_steps);
    const double worth = strtod(text, NULL) * log(2) * horizon;
    if (worth <= s->critic_value_max - s->critic_value_min)
        return MR_OK;
    return mr_fail(
        MR_ERR_USAGE,
        "%s is %s: entropy alone is then worth %.3g for each actuator, more than lies "
        "between critic_value_min %g and critic_value_max %g of critic_head "
        "categorical%s, so that nothing could be learned; set %s to 0.01, or widen these",
        row->name, text, worth, s->critic_value_min, s->critic_value_max,
        mr_setting_origin(mr_setting_find("critic_head"), s, origin), row->name);
}

static mr_status check_critics(const mr_settings *s) {
    mr_status status;
    MR_TRY(check_support(s));
    MR_TRY(check_temperature(s));
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

mr_status mr_settings_check(const mr_settings *settings) {
    if (settings->env[0] == '\0')
        return mr_fail(MR_ERR_USAGE, "no task to train on; give one, such as HalfCheetah-v5");
    mr_status status = check_agent_options(settings);
    if (status == MR_OK)
        status = check_unused(settings);
    // A server says how many environments it has when it says its task, for which a preset may have
    // other critics.
    if (status == MR_OK && (!mr_env_is_remote(settings->env) || settings->num_envs > 0))
        status = check_critics(settings);
    if (status == MR_OK)
        status = check_deterministic(settings);
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
