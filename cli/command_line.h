/// Reading the command line of a command.
#pragma once

#include "cli/command.h"

/// Parses argv[1 .. argc-1]. Fails with MR_ERR_USAGE on an unknown option (naming the nearest), a
/// missing value, and too few or too many arguments. Values are not checked. The caller frees
/// `line`, also after a failure.
mr_status mr_command_line_read(const mr_command *command, int argc, char **argv,
                               mr_command_line *line);
void mr_command_line_free(mr_command_line *line);

/// Stores the value of a given option in its field. The message of a failure names the option.
mr_status mr_given_store(const mr_given *given, void *fields);

/// Whether an option was given, by its name in the table.
bool mr_command_line_has(const mr_command_line *line, const char *name);

/// Fails with MR_ERR_USAGE, naming the option, if one of `names` [n] was given.
///
///   why  what the message says of the option: "is for tables"
mr_status mr_command_line_refuse(const mr_command_line *line, size_t n, const char *const *names,
                                 const char *why);

/// For commands without settings: stores the defaults of their options in `fields`, then the given
/// values. Also fails with MR_ERR_USAGE if an option is given twice with different values, and with
/// MR_ERR_IO if an output (MR_SETTING_OUT_FILE, MR_SETTING_OUT_DIR) can't be written, so that this
/// is known before the work.
mr_status mr_command_line_store(const mr_command *command, const mr_command_line *line,
                                void *fields);
