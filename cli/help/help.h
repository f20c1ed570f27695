/// What `millrace help` makes of the table of commands. Private to cli/help/.
#pragma once

#include "cli/command.h"

/// An option's help with its default in brackets, which is cut where `text` ends.
enum { MR_OPTION_HELP_SIZE = 768 };
void mr_option_help(const mr_setting *option, char text[MR_OPTION_HELP_SIZE]);

/// The agent that has a command's option `i`; NULL: every agent.
const char *mr_command_option_agent(const mr_command *command, size_t i);

/// Writes the manual page of each command into a directory, which is made if it's missing:
/// millrace.1, millrace-train.1, millrace-flow-fit.1, ... They have the date of
/// SOURCE_DATE_EPOCH if the environment has one, or today's. Fails with MR_ERR_IO.
mr_status mr_man_pages_write(const char *directory);

/// Prints what the last of `words` [n], which follow `millrace` on a command line and of which the
/// last may be unfinished or empty, may become: one a line, with a tab and a description if there
/// is one. The line ":files" or ":directories" stands for the names that a shell completes itself.
void mr_complete(size_t n, char *const *words);
