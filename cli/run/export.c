// `millrace export`: a saved policy as a file that runs without millrace.

#include <stdio.h>

#include "agents/export.h"
#include "cli/command_line.h"
#include "cli/run/saved_policy.h"

typedef struct {
    char c[MR_MAX_TEXT];
    char onnx[MR_MAX_TEXT];
    bool stochastic;
    char deterministic_action[MR_MAX_TEXT];
} export_options;

#define AT(field) offsetof(export_options, field)

static const mr_setting options[] = {
    {"c", MR_SETTING_OUT_FILE, AT(c), "", 0, 0, "FILE.c",
     "write one C99 file that needs libm alone", false},
    {"onnx", MR_SETTING_OUT_FILE, AT(onnx), "", 0, 0, "FILE.onnx",
     "write an ONNX model: from obs to actions, without noise", false},
    {"stochastic", MR_SETTING_SWITCH, AT(stochastic), "false", 0, 0, NULL,
     "give the ONNX model a second input, noise, by which it samples, and a second output, "
     "log_prob",
     false},
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
    if (chosen.c[0] == '\0' && chosen.onnx[0] == '\0')
        return mr_fail(MR_ERR_USAGE,
                       "nothing to write; name a file by --c FILE.c or --onnx FILE.onnx");
    if (chosen.stochastic && chosen.onnx[0] == '\0')
        return mr_fail(MR_ERR_USAGE, "--stochastic is for --onnx; a C file samples by the noise "
                                     "that its function is given");
    MR_TRY(mr_saved_policy_load(line->arguments[0], chosen.deterministic_action, &policy));
    if (chosen.c[0] != '\0')
        MR_TRY(mr_export_c(policy, chosen.c));
    if (chosen.onnx[0] != '\0')
        MR_TRY(mr_export_onnx(policy, chosen.stochastic, chosen.onnx));
done:
    mr_policy_free(policy);
    return status;
}

const mr_command mr_command_export = {
    .name = "export",
    .usage = "RUN_DIR_OR_POLICY_FILE [options]",
    .summary = "write a saved policy as a C file or an ONNX model",
    .details = "Writes a saved policy for programs that run it without millrace: as one C99\n"
               "file that needs libm alone, for microcontrollers too, or as an ONNX model\n"
               "(opset 14) for onnxruntime and the like. Observations in, actions out, in the\n"
               "task's own units, deterministic or by noise that the caller gives. A run's\n"
               "directory stands for its policy.safetensors. docs/export.md says more.",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_export,
};
