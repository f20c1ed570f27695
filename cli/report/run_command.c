// The command that makes a run again.

#include "cli/report/run_command.h"

#include <string.h>

#include "agents/fine_tuning.h"
#include "agents/presets.h"
#include "cli/shell_word.h"
#include "envs/env.h"

// What `millrace train ENV --preset PRESET`, or `--agent AGENT`, would begin with.
static mr_status init_base(const mr_settings *settings, const char *env, mr_settings *base) {
    mr_status status;
    mr_settings_init(base);
    MR_TRY(mr_settings_set(base, "env", env, "env"));
    if (mr_settings_has_preset(settings))
        MR_TRY(mr_settings_set(base, "preset", settings->preset, "preset"));
    else
        MR_TRY(mr_settings_set(base, "agent", settings->agent, "agent"));
    MR_TRY(mr_settings_complete(base));
    if (!mr_setting_is_same(mr_setting_find("hidden"), settings, base))
        base->critic_hidden = (mr_widths){0}; // which go by hidden then
done:
    return status;
}

// Whether the settings don't say which task a preset's values are for: a server's, or that of the
// run of `from`.
static bool has_hidden_task(const mr_settings *settings) {
    return mr_settings_has_preset(settings) &&
           (mr_env_is_remote(settings->env) || settings->from[0] != '\0');
}

static mr_status add_differences(const mr_settings *settings, const char *env,
                                 bool is_needed[MR_MAX_SETTINGS]) {
    mr_settings base;
    const mr_status status = init_base(settings, env, &base);
    for (size_t i = 0; i < mr_setting_count() && status == MR_OK; i++)
        is_needed[i] |= !mr_setting_is_same(mr_setting_at(i), settings, &base);
    return status;
}

mr_status mr_run_command_needs(const mr_settings *settings, bool is_needed[MR_MAX_SETTINGS]) {
    mr_status status;
    const bool has_preset = mr_settings_has_preset(settings);
    const size_t n_tasks = has_hidden_task(settings) ? mr_env_count() : 0; // any may be it
    memset(is_needed, 0, MR_MAX_SETTINGS * sizeof is_needed[0]);
    MR_TRY(add_differences(settings, settings->env, is_needed));
    for (size_t i = 0; i < n_tasks; i++)
        MR_TRY(add_differences(settings, mr_env_at(i).name, is_needed));
    for (size_t i = 0; i < mr_setting_count(); i++) {
        const mr_setting *s = mr_setting_at(i);
        is_needed[i] &= s->role != MR_ROLE_OWN_TO_RUN && strcmp(s->name, "env") != 0 &&
                        mr_setting_is_used(s, settings);
    }
    // The one that the others are compared with, unless it is the default.
    is_needed[mr_setting_find("agent") - mr_setting_at(0)] = !has_preset;
    is_needed[mr_setting_find("preset") - mr_setting_at(0)] =
        has_preset &&
        (strcmp(settings->preset, MR_DEFAULT_PRESET) != 0 || settings->from[0] != '\0');
done:
    return status;
}

static void write_setting(const mr_setting *setting, const mr_settings *settings, FILE *file) {
    char value[MR_MAX_TEXT], words[2][MR_SETTING_WORD_SIZE];
    mr_setting_format(setting, settings, value, sizeof value);
    const size_t n = mr_setting_words(setting, value, words);
    for (size_t i = 0; i < n; i++) {
        fputc(' ', file);
        mr_shell_word_write(words[i], file);
    }
}

mr_status mr_run_command_write(const mr_settings *settings, const char *out, FILE *file) {
    bool is_needed[MR_MAX_SETTINGS];
    const mr_status status = mr_run_command_needs(settings, is_needed);
    if (status != MR_OK)
        return status;
    fputs("millrace train ", file);
    mr_shell_word_write(settings->env, file);
    for (size_t i = 0; i < mr_setting_count(); i++)
        if (is_needed[i])
            write_setting(mr_setting_at(i), settings, file);
    fputs(" --out ", file);
    mr_shell_word_write(out, file);
    return MR_OK;
}
