// Commands and their options: found by name, counted, named in messages.

#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/nearest.h"

const mr_setting mr_help_option = {
    .name = "help", .type = MR_SETTING_SWITCH, .help = "show this text"};

// ---- Commands

const char *mr_command_word(const mr_command *command) {
    const char *space = strrchr(command->name, ' ');
    return space != NULL ? space + 1 : command->name;
}

static const char *command_word_at(const void *commands, size_t i) {
    return mr_command_word(((const mr_command *const *)commands)[i]);
}

// " flow": a command's name after "millrace".
typedef struct {
    char text[64];
} suffix;

static suffix suffix_of(const mr_command *command) {
    suffix s;
    snprintf(s.text, sizeof s.text, "%s%s", command->name[0] != '\0' ? " " : "", command->name);
    return s;
}

static mr_status unknown_command(const mr_command *group, const char *word) {
    const char *nearest =
        mr_nearest(word, group->n_commands, command_word_at, (const void *)group->commands);
    if (nearest != NULL)
        return mr_fail(MR_ERR_USAGE, "there is no command %.60s; did you mean %s?", word, nearest);
    return mr_fail(MR_ERR_USAGE, "there is no command %.60s; `millrace help%s` lists them", word,
                   suffix_of(group).text);
}

static const mr_command *find_in(const mr_command *group, const char *word) {
    for (size_t i = 0; i < group->n_commands; i++)
        if (strcmp(word, mr_command_word(group->commands[i])) == 0)
            return group->commands[i];
    return NULL;
}

mr_status mr_command_find(size_t n_words, char *const *words, const mr_command **out,
                          size_t *n_taken) {
    *out = &mr_program;
    *n_taken = 0;
    while ((*out)->n_commands > 0 && *n_taken < n_words && words[*n_taken][0] != '-') {
        const mr_command *next = find_in(*out, words[*n_taken]);
        if (next == NULL)
            return unknown_command(*out, words[*n_taken]);
        *out = next;
        (*n_taken)++;
    }
    return MR_OK;
}

mr_status mr_command_needs_one(const mr_command *command) {
    return mr_fail(MR_ERR_USAGE, "no command given; `millrace help%s` lists them",
                   suffix_of(command).text);
}

mr_status mr_command_check_arguments(const mr_command *command, const mr_command_line *line) {
    const suffix name = suffix_of(command);
    if (line->help)
        return MR_OK;
    if (line->n_arguments < command->min_arguments)
        return mr_fail(MR_ERR_USAGE, "an argument is missing; usage: millrace%s %s", name.text,
                       command->usage);
    if (line->n_arguments > command->max_arguments)
        return mr_fail(MR_ERR_USAGE, "%.60s is one argument too many; usage: millrace%s %s",
                       line->arguments[command->max_arguments], name.text, command->usage);
    return MR_OK;
}

// ---- Options

static size_t count_settings(const mr_command *command) {
    return command->takes_settings ? mr_setting_count() : 0;
}

size_t mr_command_option_count(const mr_command *command) {
    return count_settings(command) + command->n_options + command->n_shared + 1;
}

const mr_setting *mr_command_option_at(const mr_command *command, size_t i) {
    const size_t n_settings = count_settings(command);
    if (i < n_settings)
        return mr_setting_at(i);
    i -= n_settings;
    if (i < command->n_options)
        return &command->options[i];
    i -= command->n_options;
    return i < command->n_shared ? &command->shared[i] : &mr_help_option;
}

char mr_command_option_letter(const mr_command *command, size_t i) {
    const mr_setting *option = mr_command_option_at(command, i);
    if (option == &mr_help_option)
        return 'h';
    const size_t n_settings = count_settings(command);
    const bool has_letter =
        command->letters != NULL && i >= n_settings && i - n_settings < strlen(command->letters);
    const char letter = has_letter ? command->letters[i - n_settings] : ' ';
    return letter != ' ' ? letter : '\0';
}

void mr_option_name(const char *name, char option[MR_OPTION_NAME_SIZE]) {
    snprintf(option, MR_OPTION_NAME_SIZE, "%s", name);
    for (char *c = strchr(option, '_'); c != NULL; c = strchr(c, '_'))
        *c = '-';
}

void mr_option_text(const char *name, char text[MR_OPTION_TEXT_SIZE]) {
    text[0] = text[1] = '-';
    mr_option_name(name, text + 2);
}
