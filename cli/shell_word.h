/// Words of commands, and how a shell is given them.
#pragma once

#include "cli/command.h"

#include <stdio.h>

enum { MR_SETTING_WORD_SIZE = MR_MAX_TEXT + MR_OPTION_TEXT_SIZE };

/// The words that give `millrace train` a value of a setting, as mr_setting_format writes it:
/// --actor-lr 0.001; --normalize-reward; --set normalize_reward=false; --set bonus_flow=.
/// Returns how many they are, 1 or 2.
size_t mr_setting_words(const mr_setting *setting, const char *text,
                        char words[2][MR_SETTING_WORD_SIZE]);

/// Writes a word, in quotation marks if it has characters that are special to a shell.
void mr_shell_word_write(const char *word, FILE *out);
