// `millrace help` and the text of --help.

#include <stdio.h>
#include <string.h>

#include "agents/agent.h"
#include "cli/command.h"

enum { HELP_COLUMN = 27, PAGE_WIDTH = 80 };

// Prints words from the present column on, and wraps them at HELP_COLUMN.
static void print_wrapped(const char *text, int column) {
    while (*text != '\0') {
        const int length = (int)strcspn(text, " ");
        if (column > HELP_COLUMN && column + 1 + length > PAGE_WIDTH) {
            printf("\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        }
        const char *space = column > HELP_COLUMN ? " " : "";
        column += printf("%s%.*s", space, length, text);
        text += length;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_option(const mr_setting *option, char letter) {
    char name[MR_OPTION_NAME_SIZE], help[512];
    mr_option_name(option->name, name);
    const char *metavar = option->metavar != NULL ? option->metavar : "";
    const bool has_default =
        option->initial != NULL && option->initial[0] != '\0' && option->type != MR_SETTING_SWITCH;
    snprintf(help, sizeof help, "%s%s%s%s", option->help, has_default ? " [" : "",
             has_default ? option->initial : "", has_default ? "]" : "");
    char short_name[] = "-x, ";
    short_name[1] = letter;
    const int column = printf("  %s--%s %s", letter != '\0' ? short_name : "", name, metavar);
    if (column < HELP_COLUMN)
        printf("%*s", HELP_COLUMN - column, "");
    else
        printf("\n%*s", HELP_COLUMN, "");
    print_wrapped(help, HELP_COLUMN);
}

static void print_commands(const mr_command *group) {
    printf("\nCommands:\n");
    for (size_t i = 0; i < group->n_commands; i++)
        printf("  %-8s %s\n", mr_command_word(group->commands[i]), group->commands[i]->summary);
}

// The agent that has a command's option `i`; NULL: every agent. Settings come first.
static const char *agent_of(const mr_command *command, size_t i) {
    return command->takes_settings && i < mr_setting_count() ? mr_setting_agent(mr_setting_at(i))
                                                             : NULL;
}

void mr_command_print_help(const mr_command *command) {
    const bool is_program = command == &mr_program;
    printf("Usage: millrace %s%s%s\n\n%s\n", is_program ? "" : command->name, is_program ? "" : " ",
           command->usage, command->details);
    if (command->n_commands > 0)
        print_commands(command);
    printf("\nOptions%s:\n", command->takes_settings ? " (defaults in brackets)" : "");
    for (size_t i = 0; i < mr_command_option_count(command); i++)
        if (!agent_of(command, i))
            print_option(mr_command_option_at(command, i), mr_command_option_letter(command, i));
    for (size_t k = 0; k < mr_agent_count() && command->takes_settings; k++) {
        const mr_agent_ops *agent = mr_agent_at(k);
        printf("\nOptions of --agent %s:\n", agent->name);
        for (size_t i = 0; i < mr_setting_count(); i++)
            if (agent_of(command, i) && strcmp(agent_of(command, i), agent->name) == 0)
                print_option(mr_setting_at(i), '\0');
    }
}

static mr_status run_help(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    mr_status status;
    const mr_command *command;
    size_t n_taken;
    MR_TRY(mr_command_find(line->n_arguments, line->arguments, &command, &n_taken));
    if (n_taken < line->n_arguments)
        return mr_fail(MR_ERR_USAGE, "%s has no subcommand %.60s", command->name,
                       line->arguments[n_taken]);
    mr_command_print_help(command);
done:
    return status;
}

const mr_command mr_command_help = {
    .name = "help",
    .usage = "[COMMAND [SUBCOMMAND]]",
    .summary = "explain a command and its options",
    .details = "Explains a command and lists its options with their defaults.",
    .max_arguments = SIZE_MAX,
    .run = run_help,
};
