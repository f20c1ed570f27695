// `millrace presets`: lists the presets of `millrace train --preset`, or shows one.

#include <stdio.h>

#include "agents/presets.h"
#include "cli/command_line.h"
#include "cli/print_json.h"

typedef struct {
    bool json;
} presets_options;

static const mr_setting options[] = {
    {.name = "json",
     .type = MR_SETTING_SWITCH,
     .offset = offsetof(presets_options, json),
     .initial = "false",
     .help = "print a list of objects: name, summary, text (the YAML file)"},
};

static void print_list(void) {
    char name[MR_PRESET_NAME_SIZE], summary[MR_PRESET_SUMMARY_SIZE];
    for (size_t i = 0; i < mr_n_preset_files; i++) {
        mr_preset_name(i, name);
        mr_preset_summary(i, summary);
        printf("%-8s  %s\n", name, summary);
    }
}

static mr_status print_json(void) {
    char name[MR_PRESET_NAME_SIZE], summary[MR_PRESET_SUMMARY_SIZE];
    json_t *list = json_array();
    for (size_t i = 0; i < mr_n_preset_files; i++) {
        mr_preset_name(i, name);
        mr_preset_summary(i, summary);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", name, "summary", summary,
                                              "text", (const char *)mr_preset_files[i].bytes));
    }
    return mr_print_json(list);
}

static mr_status print_file(const char *name) {
    const mr_embedded_file *file;
    const mr_status status = mr_preset_find(name, &file);
    if (status == MR_OK)
        fwrite(file->bytes, 1, file->size, stdout);
    return status;
}

static mr_status run_presets(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    presets_options chosen;
    const mr_status status = mr_command_line_store(&mr_command_presets, line, &chosen);
    if (status != MR_OK)
        return status;
    if (line->n_arguments > 0 && chosen.json)
        return mr_fail(MR_ERR_USAGE, "--json lists all presets; leave %.60s out",
                       line->arguments[0]);
    if (line->n_arguments > 0)
        return print_file(line->arguments[0]);
    if (chosen.json)
        return print_json();
    print_list();
    return MR_OK;
}

const mr_command mr_command_presets = {
    .name = "presets",
    .usage = "[PRESET] [options]",
    .summary = "list the presets of `train --preset`, or show one",
    .details = "Lists the presets, one a line: settings of published agents, which\n"
               "`millrace train ENV --preset PRESET` takes as defaults. PRESET shows the YAML\n"
               "file of one. What it has under `tasks` is for these tasks alone.",
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_presets,
};
