/// The subcommands of `millrace`: their table, and the reading of their command lines.
#pragma once

#include "agents/settings.h"
#include "nn/status.h"

#include <stdbool.h>
#include <stddef.h>

/// An option that was given, with its value ("true" for a switch).
typedef struct {
    const mr_setting *option;
    char *value;
} mr_given;

/// A command line that has been read.
typedef struct {
    bool help; // --help was given; the rest is then not to be relied on
    size_t n_given;
    mr_given *given; // [n_given], in their order
    size_t n_arguments;
    char **arguments; // [n_arguments], what is no option
} mr_command_line;

typedef struct {
    const char *name;
    const char *usage;   // what follows the name: "ENV [options]"
    const char *summary; // one line
    const char *details; // what --help says besides
    size_t min_arguments, max_arguments;
    bool takes_settings;       // the settings of a run are options too
    const mr_setting *options; // of its own
    size_t n_options;
    /// Does the work; results go to stdout. The message of a failure is printed by the caller.
    /// `exit_code` arrives as 0 and stands where the status is MR_OK.
    mr_status (*run)(const mr_command_line *line, int *exit_code);
} mr_command;

extern const mr_command mr_command_train;
extern const mr_command mr_command_eval;
extern const mr_command mr_command_envs;
extern const mr_command mr_command_plot;
extern const mr_command mr_command_help;

/// The program itself: the options before a subcommand.
extern const mr_command mr_program;

size_t mr_command_count(void);
const mr_command *mr_command_at(size_t i);

/// The subcommand of that name. Fails with MR_ERR_USAGE on an unknown one, naming the nearest.
mr_status mr_command_find(const char *name, const mr_command **out);

/// All options of a command: the settings (if it takes them), its own, and --help.
size_t mr_command_option_count(const mr_command *command);
const mr_setting *mr_command_option_at(const mr_command *command, size_t i);

/// The name of an option on the command line, without dashes before it: "batch-size".
enum { MR_OPTION_NAME_SIZE = 64 };
void mr_option_name(const mr_setting *option, char name[MR_OPTION_NAME_SIZE]);

/// Reads argv[1 .. argc-1]. Fails with MR_ERR_USAGE on an unknown option (naming the nearest), a
/// missing value, too few and too many arguments; what the values are is not looked at. To be freed
/// also after a failure.
mr_status mr_command_line_read(const mr_command *command, int argc, char **argv,
                               mr_command_line *line);
void mr_command_line_free(mr_command_line *line);

/// Stores the value of a given option in its field. A failure's message calls it by its name on the
/// command line.
mr_status mr_given_store(const mr_given *given, void *fields);

/// For commands without settings: stores in `fields` the defaults of its own options, then what was
/// given.
mr_status mr_command_line_store(const mr_command *command, const mr_command_line *line,
                                void *fields);

/// Prints what --help shows, on stdout.
void mr_command_print_help(const mr_command *command);
