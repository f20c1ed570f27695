// Manual pages, in the macros of man(7), from the tables that --help shows.

#include "cli/help/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agents/agent.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text_stream.h"

enum { PAGE_NAME_SIZE = 64, DATE_SIZE = 16, LINE_WIDTH = 72 };

// ---- Text

// What roff would take for a command of its own, or for a typographer's sign.
static const char *escape_of(char c) {
    switch (c) {
    case '\\':
        return "\\(rs";
    case '-':
        return "\\-";
    case '`':
        return "\\(ga";
    case '\'':
        return "\\(aq";
    case '^':
        return "\\(ha";
    case '~':
        return "\\(ti";
    default:
        return NULL;
    }
}

static void put(FILE *page, const char *text, size_t length) {
    if (length > 0 && text[0] == '.') // at the beginning of a line, a request
        fputs("\\&", page);
    for (size_t i = 0; i < length; i++) {
        const char *escape = escape_of(text[i]);
        if (escape != NULL)
            fputs(escape, page);
        else
            fputc(text[i], page);
    }
}

static void put_in(FILE *page, char font, const char *text) {
    fprintf(page, "\\f%c", font);
    put(page, text, strlen(text));
    fputs("\\fR", page);
}

// Words that are filled, in lines of a width that editors show.
static void put_words(FILE *page, const char *text, size_t length) {
    size_t column = 0;
    for (const char *end = text + length; text < end; text += strspn(text, " ")) {
        size_t n = strcspn(text, " ");
        n = n < (size_t)(end - text) ? n : (size_t)(end - text);
        if (column > 0 && column + n > LINE_WIDTH) {
            fputc('\n', page);
            column = 0;
        }
        if (column > 0)
            fputc(' ', page);
        put(page, text, n);
        column += n + 1;
        text += n;
    }
    fputc('\n', page);
}

// The text of --help: paragraphs, which are filled, and indented lines, which are kept.
static void put_details(FILE *page, const char *text) {
    bool was_kept = false, is_new = false;
    for (; *text != '\0'; text += *text == '\n') {
        const size_t length = strcspn(text, "\n");
        if (length == 0) {
            is_new = true;
            continue;
        }
        const bool is_kept = text[0] == ' ';
        if (was_kept && !is_kept)
            fputs(".EE\n", page);
        if (is_new)
            fputs(was_kept && is_kept ? "\n" : ".PP\n", page);
        if (is_kept && !was_kept)
            fputs(".EX\n", page);
        if (is_kept) {
            put(page, text, length);
            fputc('\n', page);
        } else {
            put_words(page, text, length);
        }
        was_kept = is_kept;
        is_new = false;
        text += length;
    }
    if (was_kept)
        fputs(".EE\n", page);
}

// ---- A page

static void page_name(const mr_command *command, char name[PAGE_NAME_SIZE]) {
    snprintf(name, PAGE_NAME_SIZE, "millrace%s%s", command->name[0] != '\0' ? "-" : "",
             command->name);
    for (char *c = strchr(name, ' '); c != NULL; c = strchr(c, ' '))
        *c = '-';
}

static void put_reference(FILE *page, const mr_command *command) {
    char name[PAGE_NAME_SIZE];
    page_name(command, name);
    put_in(page, 'B', name);
    fputs("(1)", page);
}

// The ways to call it, which its usage separates by " | ".
static void put_synopsis(FILE *page, const mr_command *command) {
    fputs(".SH SYNOPSIS\n", page);
    for (const char *way = command->usage; way != NULL;) {
        const char *end = strstr(way, " | ");
        fprintf(page, "\\fBmillrace%s%s\\fR ", command->name[0] != '\0' ? " " : "", command->name);
        put(page, way, end != NULL ? (size_t)(end - way) : strlen(way));
        fputs(end != NULL ? "\n.br\n" : "\n", page);
        way = end != NULL ? end + strlen(" | ") : NULL;
    }
}

static void put_commands(FILE *page, const mr_command *group) {
    if (group->n_commands > 0)
        fputs(".SH COMMANDS\n", page);
    for (size_t i = 0; i < group->n_commands; i++) {
        fputs(".TP\n", page);
        put_reference(page, group->commands[i]);
        fputc('\n', page);
        put_words(page, group->commands[i]->summary, strlen(group->commands[i]->summary));
    }
}

static void put_option(FILE *page, const mr_command *command, size_t i) {
    const mr_setting *option = mr_command_option_at(command, i);
    char name[MR_OPTION_TEXT_SIZE], help[MR_OPTION_HELP_SIZE];
    const char letter[] = {'-', mr_command_option_letter(command, i), '\0'};
    mr_option_text(option->name, name);
    mr_option_help(option, help);
    fputs(".TP\n", page);
    if (letter[1] != '\0') {
        put_in(page, 'B', letter);
        fputs(", ", page);
    }
    put_in(page, 'B', name);
    if (option->metavar != NULL) {
        fputc(' ', page);
        put_in(page, 'I', option->metavar);
    }
    fputc('\n', page);
    put_words(page, help, strlen(help));
}

static void put_options(FILE *page, const mr_command *command) {
    fputs(".SH OPTIONS\n", page);
    if (command->takes_settings)
        fputs("Defaults are in brackets.\n", page);
    for (size_t i = 0; i < mr_command_option_count(command); i++)
        if (mr_command_option_agent(command, i) == NULL)
            put_option(page, command, i);
    for (size_t k = 0; k < mr_agent_count() && command->takes_settings; k++) {
        fprintf(page, ".SS Options of \\-\\-agent %s\n", mr_agent_at(k)->name);
        for (size_t i = 0; i < mr_command_option_count(command); i++) {
            const char *owner = mr_command_option_agent(command, i);
            if (owner != NULL && strcmp(owner, mr_agent_at(k)->name) == 0)
                put_option(page, command, i);
        }
    }
}

static void put_page(FILE *page, const mr_command *command, const mr_command *group,
                     const char *date) {
    char name[PAGE_NAME_SIZE];
    page_name(command, name);
    fprintf(page, ".TH %s 1 %s \"millrace %s\" \"User Commands\"\n.SH NAME\n", name, date,
            MR_VERSION);
    put(page, name, strlen(name));
    fprintf(page, " \\- %s\n", command->summary);
    put_synopsis(page, command);
    fputs(".SH DESCRIPTION\n", page);
    put_details(page, command->details);
    put_commands(page, command);
    put_options(page, command);
    fputs(".SH EXIT STATUS\n0 if all went well, 1 if something failed, 2 if the command line is "
          "invalid, 128 + n if signal n stopped it.\n",
          page);
    if (group == NULL)
        return;
    fputs(".SH SEE ALSO\n", page);
    put_reference(page, group);
    fputc('\n', page);
}

// ---- All of them

static void write_date(char date[DATE_SIZE]) {
    const char *epoch = getenv("SOURCE_DATE_EPOCH"); // of reproducible builds
    const time_t now = epoch != NULL ? (time_t)strtoll(epoch, NULL, 10) : time(NULL);
    struct tm day;
    if (gmtime_r(&now, &day) == NULL || strftime(date, DATE_SIZE, "%Y-%m-%d", &day) == 0)
        snprintf(date, DATE_SIZE, "1970-01-01");
}

static mr_status write_page(const char *directory, const mr_command *command,
                            const mr_command *group, const char *date) {
    char name[PAGE_NAME_SIZE], file[PAGE_NAME_SIZE + 2];
    mr_text_stream page;
    mr_status status;
    page_name(command, name);
    snprintf(file, sizeof file, "%s.1", name);
    char *path = mr_path_join(directory, file);
    if (path == NULL)
        return mr_fail_memory("a manual page");
    MR_TRY(mr_text_stream_open("a manual page", &page));
    put_page(page.file, command, group, date);
    status = mr_text_stream_save(&page, MR_OK, path);
done:
    free(path);
    return status;
}

static mr_status write_pages(const char *directory, const mr_command *command,
                             const mr_command *group, const char *date) {
    mr_status status = write_page(directory, command, group, date);
    for (size_t i = 0; status == MR_OK && i < command->n_commands; i++)
        status = write_pages(directory, command->commands[i], command, date);
    return status;
}

mr_status mr_man_pages_write(const char *directory) {
    char date[DATE_SIZE];
    write_date(date);
    const mr_status status = mr_make_directories(directory);
    return status == MR_OK ? write_pages(directory, &mr_program, NULL, date) : status;
}
