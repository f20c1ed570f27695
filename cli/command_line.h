/// Reading the command line of a command.
#pragma once

#include "cli/command.h"

/// Reads argv[1 .. argc-1]. Fails with MR_ERR_USAGE on an unknown option (naming the nearest), a
/// missing value, too few and too many arguments; what the values are is not looked at. To be freed
/// also after a failure.
mr_status mr_command_line_read(const mr_command *command, int argc, char **argv,
                               mr_command_line *line);
void mr_command_line_free(mr_command_line *line);

/// Stores the value of a given option in its field. A failure's message calls it by its name on the
/// command line.
mr_status mr_given_store(const mr_given *given, void *fields);

/// For commands without settings: stores in `fields` the defaults of its options, then what was
/// given. Fails with MR_ERR_USAGE where an option is given twice with different values too, and
/// with MR_ERR_IO where an output (MR_SETTING_OUT_FILE, MR_SETTING_OUT_DIR) could not be written:
/// that is known before the work.
mr_status mr_command_line_store(const mr_command *command, const mr_command_line *line,
                                void *fields);
