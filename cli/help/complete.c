// What the next word of a command line may be, by the same tables as --help: for the completion of
// bash, zsh and fish (scripts/install/completion).

#include "cli/help/help.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agents/presets.h"
#include "base/file.h"
#include "base/path.h"
#include "flows/flow.h"
#include "millrace/env.h"

/// The word that is completed.
typedef struct {
    const char *option; // "--name=", to which the value is joined; "": the word is all
    size_t n_option;
    const char *text; // what there is of it
} word;

static void offer(const word *w, const char *candidate, const char *after, const char *about) {
    if (strncmp(candidate, w->text, strlen(w->text)) != 0)
        return;
    printf("%.*s%s%s%s%s\n", (int)w->n_option, w->option, candidate, after,
           about[0] != '\0' ? "\t" : "", about);
}

// ---- Values, by what the help calls them

static void offer_tasks(const word *w, const char *metavar) {
    (void)metavar;
    for (size_t i = 0; i < mr_env_count(); i++)
        offer(w, mr_env_at(i).name, "", mr_env_at(i).summary);
}

static void offer_flows(const word *w, const char *metavar) {
    (void)metavar;
    for (size_t i = 0; i < mr_flow_count_all(); i++)
        offer(w, mr_flow_at(i).name, "", mr_flow_at(i).summary);
}

static void offer_presets(const word *w, const char *metavar) {
    char name[MR_PRESET_NAME_SIZE], summary[MR_PRESET_SUMMARY_SIZE];
    (void)metavar;
    offer(w, "none", "", "the defaults of millrace help train");
    for (size_t i = 0; i < mr_n_preset_files; i++) {
        mr_preset_name(i, name);
        mr_preset_summary(i, summary);
        offer(w, name, "", summary);
    }
}

static bool has_control(const char *name) {
    while (*name != '\0' && !iscntrl((unsigned char)*name))
        name++;
    return *name != '\0';
}

// A run is offered as it is; any other folder may have runs in it. So may files with policies be,
// if the command takes these as well.
static void offer_path(const word *w, const char *path, bool takes_files) {
    static const char policy[] = ".safetensors";
    struct stat info;
    if (stat(path, &info) != 0)
        return;
    char *config = mr_path_join(path, "config.yaml");
    const size_t n = strlen(path);
    if (config != NULL && S_ISDIR(info.st_mode))
        offer(w, path, mr_file_is_there(config) ? "" : "/", "");
    else if (takes_files && n > strlen(policy) && strcmp(path + n - strlen(policy), policy) == 0)
        offer(w, path, "", "");
    free(config);
}

static void offer_runs(const word *w, const char *metavar) {
    char *folder = mr_path_folder(w->text);
    DIR *directory = folder != NULL ? opendir(folder[0] != '\0' ? folder : ".") : NULL;
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char *path = mr_path_join(folder, entry->d_name);
        if (path != NULL && entry->d_name[0] != '.' && !has_control(entry->d_name))
            offer_path(w, path, strstr(metavar, "FILE") != NULL);
        free(path);
    }
    if (directory != NULL)
        closedir(directory);
    free(folder);
}

static void offer_files(const word *w, const char *metavar) {
    (void)w;
    (void)metavar;
    puts(":files");
}

static void offer_directories(const word *w, const char *metavar) {
    (void)w;
    (void)metavar;
    puts(":directories");
}

/// The names that usages and options have for their values. A longer name that begins so is meant
/// too: RUN_DIR, FILE.png.
static const struct {
    const char *name;
    void (*offer)(const word *w, const char *metavar);
} values[] = {
    {"ENV", offer_tasks},       {"FLOW", offer_flows},  {"PRESET", offer_presets},
    {"RUN", offer_runs},        {"FILE", offer_files},  {"MODEL", offer_files},
    {"DATA", offer_files},      {"TABLE", offer_files}, {"SWEEP", offer_files},
    {"DIR", offer_directories},
};

static void offer_value(const word *w, const char *metavar) {
    for (size_t i = 0; i < MR_COUNT(values); i++) {
        const size_t n = strlen(values[i].name);
        if (strncmp(metavar, values[i].name, n) == 0 && !isalpha((unsigned char)metavar[n])) {
            values[i].offer(w, metavar);
            return;
        }
    }
}

// The words of "none|density|rnd".
static void offer_choices(const word *w, const char *choices) {
    while (*choices != '\0') {
        char choice[MR_MAX_CHOICE];
        const size_t length = strcspn(choices, "|");
        snprintf(choice, sizeof choice, "%.*s", (int)length, choices);
        offer(w, choice, "", "");
        choices += length + (choices[length] == '|' ? 1 : 0);
    }
}

static void offer_option_value(const word *w, const mr_setting *option) {
    if (option->metavar == NULL)
        return;
    if (option->type == MR_SETTING_CHOICE)
        offer_choices(w, option->metavar);
    else
        offer_value(w, option->metavar);
}

// ---- Words, by the command

static const mr_setting *find_option(const mr_command *command, const char *text, size_t length) {
    for (size_t i = 0; i < mr_command_option_count(command); i++) {
        const mr_setting *option = mr_command_option_at(command, i);
        const char letter[] = {'-', mr_command_option_letter(command, i), '\0'};
        char name[MR_OPTION_TEXT_SIZE];
        mr_option_text(option->name, name);
        if (strlen(name) == length && strncmp(name, text, length) == 0)
            return option;
        if (letter[1] != '\0' && length == 2 && strncmp(letter, text, 2) == 0)
            return option;
    }
    return NULL;
}

static void offer_options(const word *w, const mr_command *command) {
    for (size_t i = 0; i < mr_command_option_count(command); i++) {
        const mr_setting *option = mr_command_option_at(command, i);
        char name[MR_OPTION_TEXT_SIZE];
        mr_option_text(option->name, name);
        if (find_option(command, name, strlen(name)) == option) // agents share names
            offer(w, name, "", option->help);
    }
}

// Argument `i` in a usage such as "MODEL DATA [options]" or "RUN_DIR... [options]"; false if the
// command takes no such one.
static bool find_argument(const char *usage, size_t i, char metavar[MR_OPTION_NAME_SIZE]) {
    for (usage += strspn(usage, " ["); *usage != '\0' && *usage != '|';) {
        const size_t length = strcspn(usage, " ]");
        snprintf(metavar, MR_OPTION_NAME_SIZE, "%.*s", (int)length, usage);
        if (strcmp(metavar, "options") == 0 || metavar[0] == '-')
            return false;
        if (i == 0 || strstr(metavar, "...") != NULL)
            return true;
        i--;
        usage += length;
        usage += strspn(usage, " []");
    }
    return false;
}

static void offer_commands(const word *w, const mr_command *group) {
    for (size_t i = 0; i < group->n_commands; i++)
        offer(w, mr_command_word(group->commands[i]), "", group->commands[i]->summary);
}

static void offer_argument(const word *w, const mr_command *command, size_t i) {
    char metavar[MR_OPTION_NAME_SIZE];
    if (command->n_commands > 0)
        offer_commands(w, command);
    else if (find_argument(command->usage, i, metavar))
        offer_value(w, metavar);
    else
        offer_options(w, command);
}

// The option whose value the next word is after `before`; NULL: it is none's.
static const mr_setting *option_before(const mr_command *command, const char *before) {
    const mr_setting *option =
        before[0] == '-' ? find_option(command, before, strlen(before)) : NULL;
    return option != NULL && option->type != MR_SETTING_SWITCH ? option : NULL;
}

static size_t count_arguments(const mr_command *command, size_t n, char *const *words) {
    size_t n_arguments = 0;
    for (size_t i = 0; i < n; i++)
        if (option_before(command, words[i]) != NULL)
            i++;
        else if (words[i][0] != '-')
            n_arguments++;
    return n_arguments;
}

static void complete_in(const mr_command *command, size_t n, char *const *words) {
    const char *text = words[n - 1], *equals = strchr(text, '=');
    const word all = {"", 0, text};
    const mr_setting *option = n > 1 ? option_before(command, words[n - 2]) : NULL;
    if (option != NULL)
        offer_option_value(&all, option);
    else if (text[0] == '-' && equals != NULL &&
             (option = find_option(command, text, (size_t)(equals - text))) != NULL)
        offer_option_value(&(word){text, (size_t)(equals - text) + 1, equals + 1}, option);
    else if (text[0] == '-')
        offer_options(&all, command);
    else
        offer_argument(&all, command, count_arguments(command, n - 1, words));
}

void mr_complete(size_t n, char *const *words) {
    const mr_command *command;
    size_t n_taken;
    if (n == 0 || mr_command_find(n - 1, words, &command, &n_taken) != MR_OK)
        return;
    if (command == &mr_command_help && words[n - 1][0] != '-')
        mr_complete(n - n_taken, words + n_taken); // what follows it is a command line, too
    else
        complete_in(command, n - n_taken, words + n_taken);
}
