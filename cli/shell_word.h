/// Words of commands, as a shell takes them.
#pragma once

#include <stdio.h>

/// Writes a word, in quotation marks if it has characters that are special to a shell.
void mr_shell_word_write(const char *word, FILE *out);
