// `millrace help` and the text of --help.

#include <stdio.h>
#include <string.h>

#include "agents/agent.h"
#include "cli/command_line.h"
#include "cli/help/help.h"

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

void mr_option_help(const mr_setting *option, char text[MR_OPTION_HELP_SIZE]) {
    const bool has_default =
        option->initial != NULL && option->initial[0] != '\0' && option->type != MR_SETTING_SWITCH;
    snprintf(text, MR_OPTION_HELP_SIZE, "%s%s%s%s", option->help, has_default ? " [" : "",
             has_default ? option->initial : "", has_default ? "]" : "");
}

static void print_option(const mr_setting *option, char letter) {
    char name[MR_OPTION_NAME_SIZE], help[MR_OPTION_HELP_SIZE];
    mr_option_name(option->name, name);
    mr_option_help(option, help);
    const char *metavar = option->metavar != NULL ? option->metavar : "";
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

// Settings come first.
const char *mr_command_option_agent(const mr_command *command, size_t i) {
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
        if (mr_command_option_agent(command, i) == NULL)
            print_option(mr_command_option_at(command, i), mr_command_option_letter(command, i));
    for (size_t k = 0; k < mr_agent_count() && command->takes_settings; k++) {
        const mr_agent_ops *agent = mr_agent_at(k);
        printf("\nOptions of --agent %s:\n", agent->name);
        for (size_t i = 0; i < mr_setting_count(); i++) {
            const char *owner = mr_command_option_agent(command, i);
            if (owner != NULL && strcmp(owner, agent->name) == 0)
                print_option(mr_setting_at(i), '\0');
        }
    }
}

// ---- The command

typedef struct {
    char man[MR_MAX_TEXT];
    bool complete;
} help_options;

static const mr_setting options[] = {
    {.name = "man",
     .type = MR_SETTING_OUT_DIR,
     .offset = offsetof(help_options, man),
     .initial = "",
     .metavar = "DIR",
     .help = "write the manual pages of all commands into this folder"},
    {.name = "complete",
     .type = MR_SETTING_SWITCH,
     .offset = offsetof(help_options, complete),
     .initial = "false",
     .help = "print what the last word after -- may become, for the completion of a shell"},
};

static mr_status print_help(const mr_command_line *line) {
    const mr_command *command;
    size_t n_taken;
    const mr_status status =
        mr_command_find(line->n_arguments, line->arguments, &command, &n_taken);
    if (status != MR_OK)
        return status;
    if (n_taken < line->n_arguments)
        return mr_fail(MR_ERR_USAGE, "%s has no subcommand %.60s", command->name,
                       line->arguments[n_taken]);
    mr_command_print_help(command);
    return MR_OK;
}

static mr_status run_help(const mr_command_line *line, int *exit_code) {
    (void)exit_code;
    help_options chosen;
    const mr_status status = mr_command_line_store(&mr_command_help, line, &chosen);
    if (status != MR_OK)
        return status;
    if (chosen.complete)
        mr_complete(line->n_arguments, line->arguments);
    else if (chosen.man[0] == '\0')
        return print_help(line);
    else if (line->n_arguments > 0)
        return mr_fail(MR_ERR_USAGE, "--man writes the pages of all commands; leave %.60s out",
                       line->arguments[0]);
    else
        return mr_man_pages_write(chosen.man);
    return MR_OK;
}

const mr_command mr_command_help = {
    .name = "help",
    .usage = "[COMMAND [SUBCOMMAND]] [options]",
    .summary = "explain a command and its options",
    .details = "Explains a command and lists its options with their defaults.",
    .max_arguments = SIZE_MAX,
    .options = options,
    .n_options = MR_COUNT(options),
    .run = run_help,
};
