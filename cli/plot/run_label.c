// Labels of runs.

#include "cli/plot/run_label.h"

#include <stdio.h>
#include <string.h>

// Settings in which the runs of one curve may differ.
static const char *const ignored[] = {
    "seed",
    "steps",
    "threads",
    "eval_every",
    "eval_episodes",
    "checkpoint_every",
    "timeout",
    "retries",
    "curve_server_key",
    "curve_secret_key",
    "changed_files",
    "out",
};

// Settings whose value alone is a label, without the setting's name.
static const char *const plain[] = {"env", "agent", "policy"};

static bool is_among(const char *name, size_t n, const char *const *names) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

bool mr_runs_agree(const mr_setting *setting, const mr_settings *a, const mr_settings *b) {
    if (!mr_setting_is_used(setting, a) || !mr_setting_is_used(setting, b))
        return true; // the setting `agent` differs then
    return mr_setting_is_same(setting, a, b);
}

bool mr_runs_alike(const mr_settings *a, const mr_settings *b) {
    for (size_t i = 0; i < mr_setting_count(); i++) {
        const mr_setting *setting = mr_setting_at(i);
        if (!is_among(setting->name, MR_COUNT(ignored), ignored) && !mr_runs_agree(setting, a, b))
            return false;
    }
    return true;
}

static bool tells_apart(const mr_setting *setting, const mr_settings *run, size_t n,
                        const mr_settings *const *all) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(run->env, all[i]->env) == 0 && !mr_runs_agree(setting, run, all[i]))
            return true;
    return false;
}

// Adds a setting with its value to a label of `used` bytes; the number of bytes then.
static size_t add_setting(const mr_setting *setting, const mr_settings *run, char *text,
                          size_t size, size_t used) {
    char value[MR_MAX_TEXT];
    const char *comma = used > 0 ? ", " : "";
    const bool is_plain = is_among(setting->name, MR_COUNT(plain), plain);
    if (used >= size)
        return used;
    mr_setting_format(setting, run, value, sizeof value);
    if (value[0] == '\0')
        return used + (size_t)snprintf(text + used, size - used, "%sno %s", comma, setting->name);
    return used + (size_t)snprintf(text + used, size - used, "%s%s%s%s", comma,
                                   is_plain ? "" : setting->name, is_plain ? "" : " ", value);
}

void mr_run_label_of(const mr_settings *run, size_t n, const mr_setting *const *settings,
                     char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < n; i++)
        used = add_setting(settings[i], run, text, size, used);
}

void mr_run_label(const mr_settings *run, size_t n, const mr_settings *const *all, char *text,
                  size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < mr_setting_count(); i++) {
        const mr_setting *setting = mr_setting_at(i);
        const bool is_unnamed = is_among(setting->name, MR_COUNT(ignored), ignored) ||
                                strcmp(setting->name, "env") == 0;
        if (!is_unnamed && mr_setting_is_used(setting, run) &&
            (strcmp(setting->name, "policy") == 0 || tells_apart(setting, run, n, all)))
            used = add_setting(setting, run, text, size, used);
    }
    if (used == 0)
        snprintf(text, size, "%s", run->agent);
}
