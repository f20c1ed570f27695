// `millrace flow list`: what kinds of flow there are.

#include <stdio.h>

#include "flows/flow.h"
#include "cli/command.h"
#include "cli/print_json.h"

typedef struct {
    bool json;
} list_options;

static const mr_setting options[] = {
    {.name = "json",
     .type = MR_SETTING_SWITCH,
     .offset = offsetof(list_options, json),
     .initial = "false",
     .help = "print a list of objects: name, summary, text (with every option's default)"},
};

// Builds a flow for the sake of its full text. The caller frees it and the parameters.
static mr_status open_flow(const char *name, mr_params **params, mr_flow **out) {
    const mr_status status = mr_params_new(params);
    if (status != MR_OK)
        return status;
    return mr_flow_new(name, MR_FLOW_TO_SCORE, 2, 0, *params, "flow", out);
}

static mr_status list_one(const mr_flow_entry *entry, json_t *list) {
    mr_params *params = NULL;
    mr_flow *flow = NULL;
    const mr_status status = open_flow(entry->name, &params, &flow);
    if (status == MR_OK && list != NULL)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", entry->name, "summary",
                                              entry->summary, "text", mr_flow_text(flow)));
    else if (status == MR_OK)
        printf("%-9s %s\n%-9s %s\n", entry->name, entry->summary, "", mr_flow_text(flow));
    mr_flow_free(flow);
    mr_params_free(params);
    return status;
}

static mr_status run_list(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    list_options chosen;
    json_t *list = NULL;
    MR_TRY(mr_command_line_store(&mr_command_flow_list, line, &chosen));
    if (chosen.json)
        list = json_array();
    for (size_t i = 0; i < mr_flow_count(); i++)
        MR_TRY(list_one(&(mr_flow_entry){mr_flow_at(i).name, mr_flow_at(i).summary}, list));
    if (chosen.json)
        status = mr_print_json(json_incref(list));
done:
    json_decref(list);
    return status;
}

const mr_command mr_command_flow_list = {
    .name = "flow list",
    .usage = "[options]",
    .summary = "list the kinds of flow and their options",
    .details = "Lists the kinds of flow, each with the text that describes it in full: options\n"
               "that a text leaves out have the values shown. For example maf:layers=3.",
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_list,
};
