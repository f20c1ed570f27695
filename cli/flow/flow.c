// `millrace flow`: densities without agents.

#include "cli/command.h"

static const mr_command *const commands[] = {
    &mr_command_flow_list,        &mr_command_flow_fit,  &mr_command_flow_score,
    &mr_command_flow_sample,      &mr_command_flow_plot, &mr_command_flow_vi,
    &mr_command_flow_interpolate,
};

static mr_status run_flow(const mr_command_line *line, int *exit_code) {
    (void)line, (void)exit_code;
    return mr_command_needs_one(&mr_command_flow);
}

const mr_command mr_command_flow = {
    .name = "flow",
    .usage = "COMMAND [options]",
    .summary = "fit densities to data, score, sample and draw them",
    .details = "Normalizing flows without agents: as densities of data, as generators, as\n"
               "variational posteriors.\n\n`millrace help flow COMMAND` explains a command.",
    .run = run_flow,
    .commands = commands,
    .n_commands = MR_COUNT(commands),
};
