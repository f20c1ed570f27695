// Reads command lines with popt, whose table is made from the tables of settings.

#include "cli/command_line.h"

#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agents/peer_names.h"
#include "base/file.h"
#include "base/nearest.h"
#include "cli/conflicts.h"

// The options as a table of popt. Option i has the value i + 1, and n + i + 1 by its former name.
typedef struct {
    size_t n;
    char (*names)[MR_OPTION_NAME_SIZE]; // [n], and former names
    struct poptOption *rows;            // for each name, and an empty one
} popt_table;

static void popt_table_free(popt_table *table) {
    free(table->names);
    free(table->rows);
}

static mr_status popt_table_init(popt_table *table, const mr_command *command) {
    const size_t n = mr_command_option_count(command);
    size_t n_rows = n;
    table->n = n;
    table->names = calloc(2 * n, sizeof *table->names);
    table->rows = calloc(2 * n + 1, sizeof *table->rows);
    if (table->names == NULL || table->rows == NULL)
        return mr_fail_memory("the options");
    for (size_t i = 0; i < n; i++) {
        const mr_setting *option = mr_command_option_at(command, i);
        const bool is_switch = option->type == MR_SETTING_SWITCH;
        mr_option_name(option->name, table->names[i]);
        table->rows[i] = (struct poptOption){
            .longName = table->names[i],
            .shortName = mr_command_option_letter(command, i),
            .argInfo = is_switch ? POPT_ARG_NONE : POPT_ARG_STRING,
            .val = (int)i + 1,
        };
        const char *former = mr_setting_former_name(option);
        if (former == NULL)
            continue;
        mr_option_name(former, table->names[n_rows]);
        table->rows[n_rows] = (struct poptOption){.longName = table->names[n_rows],
                                                  .argInfo = table->rows[i].argInfo,
                                                  .val = (int)(n + i) + 1};
        n_rows++;
    }
    return MR_OK;
}

static const char *name_at(const void *names, size_t i) {
    return ((const char(*)[MR_OPTION_NAME_SIZE])names)[i];
}

static mr_status unknown_option(const mr_command *command, const popt_table *table,
                                const char *given) {
    char name[MR_OPTION_NAME_SIZE], theirs[256];
    snprintf(name, sizeof name, "%s", given + strspn(given, "-"));
    name[strcspn(name, "=")] = '\0';
    if (command->takes_settings && mr_peer_name_explain(name, true, theirs, sizeof theirs))
        return mr_fail(MR_ERR_USAGE, "there is no option %.60s; %s", given, theirs);
    const char *nearest = mr_nearest(name, table->n, name_at, table->names);
    if (nearest != NULL)
        return mr_fail(MR_ERR_USAGE, "there is no option %.60s; did you mean --%s?", given,
                       nearest);
    return mr_fail(MR_ERR_USAGE, "there is no option %.60s; --help shows those there are", given);
}

static mr_status bad_option(const mr_command *command, const popt_table *table, poptContext context,
                            int error) {
    const char *given = poptBadOption(context, POPT_BADOPTION_NOALIAS);
    switch (error) {
    case POPT_ERROR_NOARG:
        return mr_fail(MR_ERR_USAGE, "%.60s needs a value after it", given);
    case POPT_ERROR_UNWANTEDARG:
        return mr_fail(MR_ERR_USAGE, "%.*s takes no value", (int)strcspn(given, "="), given);
    case POPT_ERROR_BADOPT:
        return unknown_option(command, table, given);
    default:
        return mr_fail(MR_ERR_USAGE, "%.60s: %s", given, poptStrerror(error));
    }
}

static mr_status read_options(const mr_command *command, const popt_table *table,
                              poptContext context, mr_command_line *line) {
    int value;
    while ((value = poptGetNextOpt(context)) > 0) {
        const size_t i = (size_t)value - 1;
        const mr_setting *option = mr_command_option_at(command, i % table->n);
        const char *name = i < table->n ? option->name : mr_setting_former_name(option);
        char *text = poptGetOptArg(context);
        if (text == NULL)
            text = strdup("true");
        if (text == NULL)
            return mr_fail_memory("the options");
        line->help = line->help || option == &mr_help_option;
        line->given[line->n_given++] = (mr_given){option, name, text};
    }
    return value < -1 ? bad_option(command, table, context, value) : MR_OK;
}

static mr_status read_arguments(poptContext context, mr_command_line *line) {
    const char **arguments = poptGetArgs(context);
    for (; arguments != NULL && *arguments != NULL; arguments++) {
        char *copy = strdup(*arguments);
        if (copy == NULL)
            return mr_fail_memory("the arguments");
        line->arguments[line->n_arguments++] = copy;
    }
    return MR_OK;
}

mr_status mr_command_line_read(const mr_command *command, int argc, char **argv,
                               mr_command_line *line) {
    mr_status status;
    popt_table table = {0};
    poptContext context = NULL;

    *line = (mr_command_line){0};
    MR_TRY(popt_table_init(&table, command));
    context = poptGetContext(NULL, argc, (const char **)argv, table.rows, 0);
    // Each option and each argument is at least one of argv, or a letter of one ("-hh").
    size_t n_most = 0;
    for (int i = 0; i < argc; i++)
        n_most += strlen(argv[i]) + 1;
    line->given = calloc(n_most + 1, sizeof *line->given);
    line->arguments = calloc((size_t)argc + 1, sizeof *line->arguments);
    if (context == NULL || line->given == NULL || line->arguments == NULL) {
        status = mr_fail_memory("the options");
        goto done;
    }
    MR_TRY(read_options(command, &table, context, line));
    MR_TRY(read_arguments(context, line));
    status = mr_command_check_arguments(command, line);
done:
    poptFreeContext(context);
    popt_table_free(&table);
    return status;
}

void mr_command_line_free(mr_command_line *line) {
    for (size_t i = 0; i < line->n_given; i++)
        free(line->given[i].value);
    for (size_t i = 0; i < line->n_arguments; i++)
        free(line->arguments[i]);
    free(line->given);
    free(line->arguments);
    *line = (mr_command_line){0};
}

mr_status mr_given_store(const mr_given *given, void *fields) {
    char where[MR_OPTION_TEXT_SIZE];
    mr_option_text(given->name, where);
    return mr_setting_store(given->option, fields, given->value, where);
}

static mr_status check_given_once(const mr_command_line *line) {
    mr_assignment *given = calloc(line->n_given + 1, sizeof *given);
    if (given == NULL)
        return mr_fail_memory("the options");
    for (size_t i = 0; i < line->n_given; i++)
        given[i] = mr_assignment_of(&line->given[i]);
    const mr_status status = mr_check_conflicts(line->n_given, given);
    free(given);
    return status;
}

// The check of an output before the work; NULL: the option is not an output.
static mr_status (*const output_checks[])(const char *path) = {
    [MR_SETTING_OUT_FILE] = mr_file_check_writable,
    [MR_SETTING_OUT_DIR] = mr_directory_check_writable,
};

static bool is_same_file(const char *a, const char *b) {
    struct stat info_a, info_b;
    return stat(a, &info_a) == 0 && stat(b, &info_b) == 0 && info_a.st_dev == info_b.st_dev &&
           info_a.st_ino == info_b.st_ino;
}

// An output must not be a file that the command reads.
static mr_status check_spared(const mr_command_line *line, const mr_setting *output,
                              const char *path) {
    const char *read = NULL;
    for (size_t i = 0; i < line->n_arguments; i++)
        read = is_same_file(line->arguments[i], path) ? line->arguments[i] : read;
    for (size_t i = 0; i < line->n_given; i++)
        if (line->given[i].option != output && is_same_file(line->given[i].value, path))
            read = line->given[i].value;
    if (read == NULL)
        return MR_OK;
    char name[MR_OPTION_TEXT_SIZE];
    mr_option_text(output->name, name);
    return mr_fail(MR_ERR_USAGE, "%s %s would replace %s, which is an input; give another name",
                   name, path, read);
}

static mr_status check_outputs(const mr_command *command, const mr_command_line *line,
                               const void *fields) {
    mr_status status = MR_OK;
    for (size_t i = 0; i + 1 < mr_command_option_count(command); i++) { // the last is --help
        const mr_setting *option = mr_command_option_at(command, i);
        if (option->type >= MR_COUNT(output_checks) || output_checks[option->type] == NULL)
            continue;
        const char *path = (const char *)fields + option->offset;
        if (path[0] == '\0' && option->initial[0] == '\0') // empty by default: none
            continue;
        MR_TRY(output_checks[option->type](path));
        MR_TRY(check_spared(line, option, path));
    }
done:
    return status;
}

bool mr_command_line_has(const mr_command_line *line, const char *name) {
    for (size_t i = 0; i < line->n_given; i++)
        if (strcmp(line->given[i].option->name, name) == 0)
            return true;
    return false;
}

mr_status mr_command_line_refuse(const mr_command_line *line, size_t n, const char *const *names,
                                 const char *why) {
    char option[MR_OPTION_TEXT_SIZE];
    for (size_t i = 0; i < n; i++) {
        if (!mr_command_line_has(line, names[i]))
            continue;
        mr_option_text(names[i], option);
        return mr_fail(MR_ERR_USAGE, "%s %s; leave it out", option, why);
    }
    return MR_OK;
}

mr_status mr_command_line_store(const mr_command *command, const mr_command_line *line,
                                void *fields) {
    mr_status status;
    MR_TRY(check_given_once(line));
    for (size_t i = 0; i + 1 < mr_command_option_count(command); i++) { // the last is --help
        const mr_setting *option = mr_command_option_at(command, i);
        MR_TRY(mr_setting_store(option, fields, option->initial, option->name));
    }
    for (size_t i = 0; i < line->n_given; i++)
        if (line->given[i].option != &mr_help_option)
            MR_TRY(mr_given_store(&line->given[i], fields));
    status = check_outputs(command, line, fields);
done:
    return status;
}
