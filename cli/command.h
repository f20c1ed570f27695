/// The subcommands of `millrace`: their table, and the reading of their command lines.
#pragma once

#include "agents/settings.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/// An option that was given, with its value ("true" for a switch).
typedef struct {
    const mr_setting *option;
    const char *name; // by which it was given: the option's or its former one
    char *value;
} mr_given;

/// A command line that has been read.
typedef struct {
    bool help; // --help was given; the rest may then be invalid
    size_t n_given;
    mr_given *given; // [n_given], in their order
    size_t n_arguments;
    char **arguments; // [n_arguments], what is no option
} mr_command_line;

typedef struct mr_command mr_command;
struct mr_command {
    const char *name;    // in full: "train", "flow fit"
    const char *usage;   // what follows the name: "ENV [options]"
    const char *summary; // one line
    const char *details; // what --help says besides
    size_t min_arguments, max_arguments;
    bool takes_settings;       // the settings of a run are options too
    const mr_setting *options; // of its own
    size_t n_options;
    const char *letters; // [n_options] short names of its own options, ' ' for none; NULL: none
    const mr_setting *shared; // [n_shared] options that other commands have too
    size_t n_shared;
    /// Does the work; results go to stdout. The message of a failure is printed by the caller.
    /// `exit_code` arrives as 0 and stands where the status is MR_OK.
    mr_status (*run)(const mr_command_line *line, int *exit_code);
    const mr_command *const *commands; // [n_commands] subcommands: what else is then said here is
    size_t n_commands;                 // about the command without one
};

extern const mr_command mr_command_train;
extern const mr_command mr_command_eval;
extern const mr_command mr_command_view;
extern const mr_command mr_command_envs;
extern const mr_command mr_command_serve;
extern const mr_command mr_command_serve_policy;
extern const mr_command mr_command_keygen;
extern const mr_command mr_command_plot;
extern const mr_command mr_command_flow;
extern const mr_command mr_command_help;

/// The subcommands of `millrace flow`.
extern const mr_command mr_command_flow_list;
extern const mr_command mr_command_flow_fit;
extern const mr_command mr_command_flow_score;
extern const mr_command mr_command_flow_sample;
extern const mr_command mr_command_flow_vi;
extern const mr_command mr_command_flow_plot;

/// The program itself: its commands, and the options before one.
extern const mr_command mr_program;

/// The last word of a command's name.
const char *mr_command_word(const mr_command *command);

/// Finds the command that the first of the words [n_words] of a command line name ("flow", "fit");
/// `*n_taken` is how many these are. Fails with MR_ERR_USAGE on an unknown command; the nearest is
/// in the message.
mr_status mr_command_find(size_t n_words, char *const *words, const mr_command **out,
                          size_t *n_taken);

/// Refuses to run a command that does nothing without a subcommand.
mr_status mr_command_needs_one(const mr_command *command);

/// Refuses (MR_ERR_USAGE) too few and too many arguments, unless help was asked for.
mr_status mr_command_check_arguments(const mr_command *command, const mr_command_line *line);

/// The option --help, which all commands have.
extern const mr_setting mr_help_option;

/// All options of a command: the settings (if it takes them), its own, the shared ones, and --help.
size_t mr_command_option_count(const mr_command *command);
const mr_setting *mr_command_option_at(const mr_command *command, size_t i);

/// Its short name on the command line; '\0': it has none.
char mr_command_option_letter(const mr_command *command, size_t i);

/// The name of a setting as an option, without dashes before it: "batch-size" for batch_size.
enum { MR_OPTION_NAME_SIZE = 64 };
void mr_option_name(const char *name, char option[MR_OPTION_NAME_SIZE]);

/// The same with them, as messages call it: "--batch-size".
enum { MR_OPTION_TEXT_SIZE = MR_OPTION_NAME_SIZE + 2 };
void mr_option_text(const char *name, char text[MR_OPTION_TEXT_SIZE]);

/// Prints what --help shows, on stdout.
void mr_command_print_help(const mr_command *command);
