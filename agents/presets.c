// Presets: found by name, listed, and applied to settings.

#include "agents/presets.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"

enum { LIST_SIZE = 256, MAX_PRESETS = 64 };

void mr_preset_name(size_t i, char name[MR_PRESET_NAME_SIZE]) {
    const char *file = mr_preset_files[i].name;
    snprintf(name, MR_PRESET_NAME_SIZE, "%.*s", (int)strcspn(file, "."), file);
}

void mr_preset_summary(size_t i, char summary[MR_PRESET_SUMMARY_SIZE]) {
    const char *text = (const char *)mr_preset_files[i].bytes;
    text += strspn(text, "# ");
    snprintf(summary, MR_PRESET_SUMMARY_SIZE, "%.*s", (int)strcspn(text, "\n"), text);
}

// mr_name_at.
static const char *name_at(const void *names, size_t i) {
    return ((const char(*)[MR_PRESET_NAME_SIZE])names)[i];
}

mr_status mr_preset_find(const char *name, const mr_embedded_file **out) {
    char names[MAX_PRESETS][MR_PRESET_NAME_SIZE], list[LIST_SIZE];
    assert(mr_n_preset_files <= MAX_PRESETS);
    for (size_t i = 0; i < mr_n_preset_files; i++) {
        mr_preset_name(i, names[i]);
        if (strcmp(name, names[i]) != 0)
            continue;
        *out = &mr_preset_files[i];
        return MR_OK;
    }
    const char *nearest = mr_nearest(name, mr_n_preset_files, name_at, names);
    mr_list_names(mr_n_preset_files, name_at, names, sizeof list, list);
    return mr_fail(MR_ERR_USAGE, "there is no preset %.60s;%s%s%s there are %s", name,
                   nearest ? " did you mean " : "", nearest ? nearest : "", nearest ? "?" : "",
                   list);
}

static mr_status check_agent(const mr_settings *settings, const mr_settings *preset, size_t i) {
    const bool both = settings->is_given[i] && preset->is_given[i];
    if (mr_setting_at(i)->offset != offsetof(mr_settings, agent) || !both ||
        strcmp(settings->agent, preset->agent) == 0)
        return MR_OK;
    return mr_fail(MR_ERR_USAGE,
                   "the preset %s is for the agent %s, and this run's agent is %s; leave one of "
                   "them out",
                   settings->preset, preset->agent, settings->agent);
}

// Whether setting `i` is the critics' widths while `hidden` was changed: that alone means them too.
static bool goes_by_hidden(const mr_settings *settings, const mr_settings *preset, size_t i) {
    const mr_setting *hidden = mr_setting_find("hidden");
    return mr_setting_at(i)->offset == offsetof(mr_settings, critic_hidden) &&
           mr_setting_is_given(hidden, settings) && !mr_setting_is_same(hidden, settings, preset);
}

bool mr_settings_has_preset(const mr_settings *settings) {
    return strcmp(settings->preset, "none") != 0 && strcmp(settings->preset, "auto") != 0;
}

const char *mr_setting_origin(const mr_setting *setting, const mr_settings *settings,
                              char text[MR_ORIGIN_SIZE]) {
    char value[MR_MAX_TEXT];
    text[0] = '\0';
    if (mr_settings_has_preset(settings) && !mr_setting_is_given(setting, settings) &&
        !mr_setting_is_default(setting, settings, value))
        snprintf(text, MR_ORIGIN_SIZE, " (of the preset %.40s)", settings->preset);
    return text;
}

bool mr_settings_have_choice(const mr_settings *settings) {
    return strcmp(settings->preset, "auto") != 0 ||
           mr_setting_is_given(mr_setting_find("agent"), settings);
}

static void choose_preset(mr_settings *settings) {
    if (strcmp(settings->preset, "auto") == 0)
        snprintf(settings->preset, sizeof settings->preset, "%s",
                 mr_settings_have_choice(settings) ? "none" : MR_DEFAULT_PRESET);
}

mr_status mr_settings_apply_preset(mr_settings *settings, const char *task) {
    mr_status status = MR_OK;
    const mr_embedded_file *file;
    mr_settings preset;
    char text[MR_MAX_TEXT];
    choose_preset(settings);
    if (!mr_settings_has_preset(settings))
        return MR_OK;
    MR_TRY(mr_preset_find(settings->preset, &file));
    mr_settings_init(&preset);
    MR_TRY(mr_settings_read_preset(&preset, task, file));
    for (size_t i = 0; i < mr_setting_count(); i++) {
        const mr_setting *setting = mr_setting_at(i);
        MR_TRY(check_agent(settings, &preset, i));
        if (settings->is_given[i] || !preset.is_given[i] || goes_by_hidden(settings, &preset, i))
            continue;
        mr_setting_format(setting, &preset, text, sizeof text);
        MR_TRY(mr_setting_store(setting, settings, text, settings->preset));
    }
done:
    return status;
}
