// Words of commands.

#include "cli/shell_word.h"

#include <string.h>

// An option of a switch has no value, and none has an empty one.
size_t mr_setting_words(const mr_setting *setting, const char *text,
                        char words[2][MR_SETTING_WORD_SIZE]) {
    char option[MR_OPTION_TEXT_SIZE];
    const bool is_switch = setting->type == MR_SETTING_SWITCH;
    const bool is_on = is_switch && strcmp(text, "true") == 0;
    mr_option_text(setting->name, option);
    if (is_on || (!is_switch && text[0] != '\0')) {
        snprintf(words[0], MR_SETTING_WORD_SIZE, "%s", option);
        snprintf(words[1], MR_SETTING_WORD_SIZE, "%s", text);
        return is_on ? 1 : 2;
    }
    snprintf(words[0], MR_SETTING_WORD_SIZE, "--set");
    snprintf(words[1], MR_SETTING_WORD_SIZE, "%s=%s", setting->name, text);
    return 2;
}

void mr_shell_word_write(const char *word, FILE *out) {
    const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (; *word != '\0'; word++)
        fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'}, out);
    fputc('\'', out);
}
