// `millrace export`: a saved policy as a file that runs without millrace.

#include <stdio.h>

#include "agents/export.h"
#include "cli/command_line.h"
#include "cli/run/saved_policy.h"

typedef struct {
    char c[MR_MAX_TEXT];
    char deterministic_action[MR_MAX_TEXT];
} export_options;

#define AT(field) offsetof(export_options, field)

static const mr_setting options[] = {
    {"c", MR_SETTING_OUT_FILE, AT(c), "", 0, 0, "FILE.c",
     "write one C99 file that needs libm alone", false},
    {"deterministic_action", MR_SETTING_TEXT, AT(deterministic_action), "", 0, 0,
     MR_DETERMINISTIC_WORDS,
     "action of a flow policy without noise: base, which is one pass; default: as in training",
     false},
};

static mr_status run_export(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    export_options chosen;
    mr_policy *policy = NULL;

    MR_TRY(mr_command_line_store(&mr_command_export, line, &chosen));
    if (chosen.c[0] == '\0')
        return mr_fail(MR_ERR_USAGE, "nothing to write; name a file by --c FILE.c");
    MR_TRY(mr_saved_policy_load(line->arguments[0], chosen.deterministic_action, &policy));
    MR_TRY(mr_export_c(policy, chosen.c));
done:
    mr_policy_free(policy);
    return status;
}

const mr_command mr_command_export = {
    .name = "export",
    .usage = "RUN_DIR_OR_POLICY_FILE [options]",
    .summary = "write a saved policy as a C file",
    .details = "Writes a saved policy as one C99 file that needs libm alone, for programs and\n"
               "microcontrollers that run it without millrace: observation in, action out,\n"
               "in the task's own units, deterministic or by noise that the caller gives. A\n"
               "run's directory stands for its policy.safetensors. docs/export.md says more.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_export,
};
