// Settings that mean something only beside a value of another one.

#include "agents/settings.h"

#include <stdio.h>
#include <string.h>

#include "agents/agent.h"
#include "agents/presets.h"

/// `name` is for runs whose setting `of` has this value; or, if `is_not`, any but this value.
typedef struct {
    const char *name, *of, *value;
    bool is_not;
} need;

// Options of the bonus may stand beside bonus none: runs with and without it have one command.
static const need needs[] = {
    {"critic_atoms", "critic_head", "categorical", false},
    {"critic_value_min", "critic_head", "categorical", false},
    {"critic_value_max", "critic_head", "categorical", false},
    {"critic_quantiles", "critic_head", "quantile", false},
    {"critic_drop", "critic_head", "quantile", false},
    {"max_return", "normalize_reward", "true", false},
    {"noise_repeat_exponent", "noise_repeat", "1", true},
    {"lr_final", "lr_schedule", "constant", true},
    {"priority_beta", "priority_alpha", "0", true},
    {"demonstration_ratio", "demonstrations", "", true},
    {"initial_alpha", "alpha", "auto", false},
    {"target_entropy", "alpha", "auto", false},
    {"target_sigma", "alpha", "auto", false},
    {"target_sigma", "target_entropy", "auto", false},
};

// The i-th need of a run; NULL: there are no more. The last are those of the agent's own options.
static const need *need_at(const mr_settings *settings, size_t i, need *own) {
    if (i < MR_COUNT(needs))
        return &needs[i];
    const char *const *name = mr_agent_find(settings->agent)->of_targets;
    for (size_t k = MR_COUNT(needs); name && *name; k++, name++)
        if (k == i) {
            *own = (need){*name, "critic_targets", "polyak", false};
            return own;
        }
    return NULL;
}

static bool has_what_it_needs(const need *n, const mr_settings *settings, char is[MR_MAX_TEXT]) {
    const mr_setting *of = mr_setting_find_used(n->of, settings);
    is[0] = '\0';
    if (of)
        mr_setting_format(of, settings, is, MR_MAX_TEXT);
    return of && (strcmp(is, n->value) == 0) != n->is_not;
}

static mr_status refuse(const need *n, const mr_settings *settings, const char *value,
                        const char *is) {
    char remedy[MR_MAX_TEXT], origin[MR_ORIGIN_SIZE] = "";
    const mr_setting *of = mr_setting_find_used(n->of, settings);
    if (of)
        mr_setting_origin(of, settings, origin);
    if (n->is_not)
        snprintf(remedy, sizeof remedy, "set %s", n->of);
    else
        snprintf(remedy, sizeof remedy, "set %s to %s", n->of, n->value);
    return mr_fail(MR_ERR_USAGE,
                   "%s is %s, which means nothing while %s is %s%s; leave it out or %s", n->name,
                   value, n->of, is[0] ? is : "not set", origin, remedy);
}

mr_status mr_settings_settle(mr_settings *settings) {
    need own;
    const need *n;
    for (size_t i = 0; (n = need_at(settings, i, &own)); i++) {
        char value[MR_MAX_TEXT], is[MR_MAX_TEXT];
        const mr_setting *row = mr_setting_find_used(n->name, settings);
        if (!row || has_what_it_needs(n, settings, is) ||
            mr_setting_is_default(row, settings, value))
            continue;
        if (mr_setting_is_given(row, settings))
            return refuse(n, settings, value, is);
        const mr_status status = mr_setting_store(row, settings, row->initial, row->name);
        if (status != MR_OK)
            return status;
    }
    return MR_OK;
}
