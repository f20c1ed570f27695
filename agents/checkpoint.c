// The head of a checkpoint.

#include "agents/checkpoint.h"

#include <stdio.h>
#include <string.h>

static const char format_name[] = "millrace.checkpoint";
static const char format_version[] = "3";
static const char history_key[] = "history";

enum { KEY_SIZE = 80 };

static void name_setting(const char *name, char key[KEY_SIZE]) {
    snprintf(key, KEY_SIZE, "setting.%s", name);
}

static mr_status note_settings(const mr_settings *settings, mr_tensors_writer *writer) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < mr_setting_count(); i++) {
        char key[KEY_SIZE], text[MR_MAX_TEXT];
        name_setting(mr_setting_at(i)->name, key);
        mr_setting_format(mr_setting_at(i), settings, text, sizeof text);
        if (mr_setting_at(i)->role != MR_ROLE_OWN_TO_RUN &&
            mr_setting_is_used(mr_setting_at(i), settings))
            MR_TRY(mr_tensors_writer_note(writer, key, text));
    }
done:
    return status;
}

mr_status mr_checkpoint_write_head(const mr_settings *settings, const char *engine,
                                   const char *engine_version, const char *history,
                                   mr_tensors_writer *writer) {
    mr_status status;
    MR_TRY(mr_tensors_writer_note(writer, "format", format_name));
    MR_TRY(mr_tensors_writer_note(writer, "format_version", format_version));
    MR_TRY(note_settings(settings, writer));
    MR_TRY(mr_tensors_writer_note(writer, "engine", engine ? engine : ""));
    MR_TRY(mr_tensors_writer_note(writer, "engine_version", engine_version ? engine_version : ""));
    if (history[0] != '\0')
        MR_TRY(mr_tensors_writer_note(writer, history_key, history));
done:
    return status;
}

mr_status mr_checkpoint_check(const mr_tensors *file) {
    const char *format = mr_tensors_note(file, "format");
    const char *version = mr_tensors_note(file, "format_version");
    if (!format || strcmp(format, format_name) != 0 || !version)
        return mr_fail(MR_ERR_INPUT,
                       "%s is not a checkpoint that training can be resumed from; begin a new run",
                       mr_tensors_path(file));
    if (strcmp(version, format_version) != 0 && !mr_numbers_are_of_0_1(file))
        return mr_fail(
            MR_ERR_INPUT,
            "%s is a checkpoint of version %.20s, and this millrace reads version %s; resume "
            "with the millrace that wrote it",
            mr_tensors_path(file), version, format_version);
    return MR_OK;
}

void mr_checkpoint_add_to_history(char history[MR_MAX_CHANGED], const char *line) {
    const size_t n_line = strlen(line) + sizeof "\n\n"; // a newline before it, too, and the final 0
    const char *kept = history;
    while (*kept != '\0' && strlen(kept) + n_line > MR_MAX_CHANGED) {
        kept += strcspn(kept, "\n");
        kept += *kept == '\n';
    }
    memmove(history, kept, strlen(kept) + 1);
    const size_t n = strlen(history);
    const bool is_cut = n > 0 && history[n - 1] != '\n'; // by an earlier version
    snprintf(history + n, MR_MAX_CHANGED - n, "%s%s\n", is_cut ? "\n" : "", line);
}

// Two texts of a value: earlier versions wrote 10 as 1.0e+01.
static bool is_same_value(const mr_setting *setting, const char *saved, const char *text) {
    mr_settings read = {0};
    char saved_now[MR_MAX_TEXT];
    if (strcmp(saved, text) == 0)
        return true;
    if (mr_setting_store(setting, &read, saved, setting->name) != MR_OK)
        return false;
    mr_setting_format(setting, &read, saved_now, sizeof saved_now);
    return strcmp(saved_now, text) == 0;
}

// The text that the file has for a setting. One that it does not have is of a later version.
static const char *saved_text(const mr_tensors *file, const mr_setting *setting) {
    const char *const names[] = {setting->name, mr_setting_former_name(setting)};
    for (size_t i = 0; i < MR_COUNT(names) && names[i]; i++) {
        char key[KEY_SIZE];
        name_setting(names[i], key);
        if (mr_tensors_note(file, key))
            return mr_tensors_note(file, key);
    }
    return mr_setting_of_older(setting);
}

static void add_change(const mr_setting *setting, const char *text, const char *saved,
                       char changed[MR_MAX_CHANGED]) {
    const size_t n = strlen(changed);
    snprintf(changed + n, MR_MAX_CHANGED - n, "%s%s %.200s (was %.200s)", n > 0 ? ", " : "",
             setting->name, text, saved);
}

static mr_status check_settings(const mr_tensors *file, const mr_settings *settings,
                                char changed[MR_MAX_CHANGED]) {
    changed[0] = '\0';
    for (size_t i = 0; i < mr_setting_count(); i++) {
        const mr_setting *setting = mr_setting_at(i);
        char text[MR_MAX_TEXT];
        const char *saved = saved_text(file, setting);
        mr_setting_format(setting, settings, text, sizeof text);
        const mr_setting_role role = mr_setting_role_of(setting, settings);
        if (!mr_setting_is_used(setting, settings) || is_same_value(setting, saved, text) ||
            role == MR_ROLE_FREE || role == MR_ROLE_OWN_TO_RUN)
            continue;
        if (role == MR_ROLE_TUNABLE) {
            add_change(setting, text, saved, changed);
            continue;
        }
        return mr_fail(MR_ERR_USAGE,
                       "%s is %.200s, but the run goes on only with the %.200s that it was begun "
                       "with; leave it as it was or begin a new run",
                       setting->name, text, saved);
    }
    return MR_OK;
}

static void read_engine(const mr_tensors *file, mr_engine *engine) {
    const char *name = mr_tensors_note(file, "engine");
    const char *version = mr_tensors_note(file, "engine_version");
    snprintf(engine->name, sizeof engine->name, "%s", name ? name : "");
    snprintf(engine->version, sizeof engine->version, "%s", version ? version : "");
}

mr_status mr_checkpoint_read_head(const mr_tensors *file, const mr_settings *settings,
                                  mr_checkpoint_head *out) {
    mr_status status;
    MR_TRY(mr_checkpoint_check(file));
    MR_TRY(check_settings(file, settings, out->changed));
    read_engine(file, &out->engine);
    const char *history = mr_tensors_note(file, history_key);
    snprintf(out->history, sizeof out->history, "%s", history ? history : "");
done:
    return status;
}
