/// The subcommands of `millrace` and their options.
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

/// A parsed command line.
typedef struct {
    bool help; // --help was given; the rest may then be invalid
    size_t n_given;
    mr_given *given; // [n_given], in the order of the command line
    size_t n_arguments;
    char **arguments; // [n_arguments], not options
} mr_command_line;

typedef struct mr_command mr_command;
struct mr_command {
    const char *name;    // in full: "train", "flow fit"
    const char *usage;   // after the name: "ENV [options]"
    const char *summary; // one line
    const char *details; // the text of --help
    size_t min_arguments, max_arguments;
    bool takes_settings;       // the settings of a run are options, too
    const mr_setting *options; // [n_options] its own
    size_t n_options;
    const char *letters;      // short names of its first own options, ' ' for none; NULL: none
    const mr_setting *shared; // [n_shared] options that it shares with other commands
    size_t n_shared;
    /// Does the work and prints results to stdout; the caller prints the message of a failure.
    /// `*exit_code` is 0 on entry, and is the exit code if the status is MR_OK.
    mr_status (*run)(const mr_command_line *line, int *exit_code);
    const mr_command *const *commands; // [n_commands] subcommands; the other fields then describe
    size_t n_commands;                 // the command without a subcommand
};

extern const mr_command mr_command_train;
extern const mr_command mr_command_eval;
extern const mr_command mr_command_record;
extern const mr_command mr_command_view;
extern const mr_command mr_command_export;
extern const mr_command mr_command_envs;
extern const mr_command mr_command_presets;
extern const mr_command mr_command_serve;
extern const mr_command mr_command_serve_policy;
extern const mr_command mr_command_keygen;
extern const mr_command mr_command_status;
extern const mr_command mr_command_sweep;
extern const mr_command mr_command_plot;
extern const mr_command mr_command_report;
extern const mr_command mr_command_flow;
extern const mr_command mr_command_help;

/// The subcommands of `millrace flow`.
extern const mr_command mr_command_flow_list;
extern const mr_command mr_command_flow_fit;
extern const mr_command mr_command_flow_score;
extern const mr_command mr_command_flow_sample;
extern const mr_command mr_command_flow_interpolate;
extern const mr_command mr_command_flow_vi;
extern const mr_command mr_command_flow_plot;

/// The program itself: its commands, and its own options (--version).
extern const mr_command mr_program;

/// The last word of a command's name.
const char *mr_command_word(const mr_command *command);

/// Finds the command that the first words of a command line [n_words] name ("flow", "fit");
/// `*n_taken` is the number of these words. Fails with MR_ERR_USAGE on an unknown command; the
/// message has the nearest.
mr_status mr_command_find(size_t n_words, char *const *words, const mr_command **out,
                          size_t *n_taken);

/// Fails with MR_ERR_USAGE: the command needs a subcommand.
mr_status mr_command_needs_one(const mr_command *command);

/// Refuses (MR_ERR_USAGE) too few and too many arguments, unless help was asked for.
mr_status mr_command_check_arguments(const mr_command *command, const mr_command_line *line);

/// The option --help, which all commands have.
extern const mr_setting mr_help_option;

/// All options of a command: the settings (if it takes them), its own, the shared ones, and --help.
size_t mr_command_option_count(const mr_command *command);
const mr_setting *mr_command_option_at(const mr_command *command, size_t i);

/// The short name of option `i` ("-x"); '\0': it has none.
char mr_command_option_letter(const mr_command *command, size_t i);

/// The name of a setting as an option, without the dashes: "batch-size" for batch_size.
enum { MR_OPTION_NAME_SIZE = 64 };
void mr_option_name(const char *name, char option[MR_OPTION_NAME_SIZE]);

/// The same with dashes, for messages: "--batch-size".
enum { MR_OPTION_TEXT_SIZE = MR_OPTION_NAME_SIZE + 2 };
void mr_option_text(const char *name, char text[MR_OPTION_TEXT_SIZE]);

/// Prints what --help shows, on stdout.
void mr_command_print_help(const mr_command *command);
