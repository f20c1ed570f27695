// The table of all commands, and what `millrace` does without one.

#include <stdio.h>

#include "cli/command.h"
#include "envs/mujoco/compat.h"

static const mr_command *const commands[] = {
    &mr_command_train, &mr_command_sweep,        &mr_command_eval,   &mr_command_record,
    &mr_command_view,  &mr_command_export,       &mr_command_envs,   &mr_command_presets,
    &mr_command_serve, &mr_command_serve_policy, &mr_command_keygen, &mr_command_status,
    &mr_command_plot,  &mr_command_report,       &mr_command_flow,   &mr_command_help,
};

static const mr_setting program_options[] = {
    {.name = "version",
     .type = MR_SETTING_SWITCH,
     .initial = "false",
     .help = "show the versions of millrace and of MuJoCo"},
};

static mr_status run_program(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    if (line->n_given == 0)
        return mr_command_needs_one(&mr_program);
    printf("millrace %s, MuJoCo %s\n", MR_VERSION, mr_mujoco_version());
    return MR_OK;
}

const mr_command mr_program = {
    .name = "",
    .usage = "COMMAND [options]",
    .summary = "train and evaluate agents whose policies are normalizing flows",
    .details = "Trains and evaluates reinforcement-learning agents whose policies are\n"
               "normalizing flows.\n\n`millrace help COMMAND` explains a command.",
    .options = program_options,
    .n_options = MR_COUNT(program_options),
    .run = run_program,
    .commands = commands,
    .n_commands = MR_COUNT(commands),
};
