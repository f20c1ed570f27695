// Settings as a YAML file: a mapping of names to values, read and written with libyaml.

#include "agents/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "base/text_stream.h"
#include "envs/env.h"

enum { NAME_SIZE = 256, WHERE_SIZE = 512 };

// A file being read. `event` is the present one; it is released when the next is fetched.
typedef struct {
    const char *path;
    yaml_parser_t parser;
    yaml_event_t event;
    const char *preset_env;      // the task, if it is a preset that is read; NULL: it is none
    mr_settings settings;        // what is set so far
    bool given[MR_MAX_SETTINGS]; // by row of the table
} reader;

static mr_status fault(const reader *r, yaml_mark_t mark, const char *what) {
    return mr_fail(MR_ERR_INPUT, "%s:%zu:%zu: %s", r->path, mark.line + 1, mark.column + 1, what);
}

static mr_status parser_fault(const reader *r) {
    const yaml_parser_t *parser = &r->parser;
    if (parser->error == YAML_MEMORY_ERROR || parser->problem == NULL) // libyaml may not say which
        return mr_fail_memory("the settings");
    const bool marked = parser->error != YAML_READER_ERROR; // where it stands, if not at a token
    return fault(r, marked ? parser->problem_mark : parser->mark, parser->problem);
}

static mr_status next_event(reader *r) {
    yaml_event_delete(&r->event);
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        r->event = (yaml_event_t){0};
        return parser_fault(r);
    }
    return MR_OK;
}

static mr_status scalar_text(const reader *r, const char *expected, const char **out) {
    const yaml_event_t *event = &r->event;
    if (event->type != YAML_SCALAR_EVENT)
        return fault(r, event->start_mark, expected);
    const char *text = (const char *)event->data.scalar.value;
    if (strlen(text) != event->data.scalar.length)
        return fault(r, event->start_mark, "a zero byte cannot be part of a value");
    *out = text;
    return MR_OK;
}

// [256, 256] is another way to write 256,256. Starts at the sequence's first event, ends at its
// last.
static mr_status join_sequence(reader *r, char *text, size_t size) {
    mr_status status = MR_OK;
    size_t length = 0;
    for (const char *comma = "";; comma = ",") {
        MR_TRY(next_event(r));
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        const char *item = NULL;
        MR_TRY(scalar_text(r, "expected a number in the list", &item));
        length += (size_t)snprintf(text + length, size - length, "%s%s", comma, item);
        if (length >= size)
            return fault(r, r->event.start_mark, "the list is too long");
    }
done:
    return status;
}

static mr_status fail_twice(const reader *r, yaml_mark_t mark, const mr_setting *setting) {
    const char *former = mr_setting_former_name(setting);
    return mr_fail(MR_ERR_INPUT, "%s:%zu:%zu: %s is given twice%s%s%s; keep one", r->path,
                   mark.line + 1, mark.column + 1, setting->name, former ? " (" : "",
                   former ? former : "", former ? " is its former name)" : "");
}

// The present event is a name; the next one is its value.
static mr_status read_entry(reader *r) {
    mr_status status;
    char name[NAME_SIZE], where[WHERE_SIZE], list[MR_MAX_TEXT] = "";
    const char *text = NULL;

    MR_TRY(scalar_text(r, "expected the name of a setting", &text));
    snprintf(name, sizeof name, "%s", text);
    yaml_mark_t mark = r->event.start_mark;
    const mr_setting *setting = mr_setting_find(name);
    if (setting != NULL && r->given[setting - mr_setting_at(0)])
        return fail_twice(r, mark, setting);

    MR_TRY(next_event(r));
    if (setting != NULL) { // what is wrong is the value, from here on
        mark = r->event.start_mark;
        r->given[setting - mr_setting_at(0)] = true;
    }
    if (setting != NULL && setting->type == MR_SETTING_WIDTHS &&
        r->event.type == YAML_SEQUENCE_START_EVENT) {
        MR_TRY(join_sequence(r, list, sizeof list));
        text = list;
    } else if (setting != NULL) {
        MR_TRY(scalar_text(r, "expected one plain value here, as in `steps: 20000`", &text));
    }
    snprintf(where, sizeof where, "%s:%zu:%zu: %s", r->path, mark.line + 1, mark.column + 1, name);
    status = mr_settings_set(&r->settings, name, text, where);
done:
    return status;
}

static mr_status read_settings(reader *r) {
    mr_status status;
    for (;;) {
        MR_TRY(next_event(r));
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        MR_TRY(read_entry(r));
    }
done:
    return status;
}

static mr_status expect_mapping(reader *r, const char *expected) {
    const mr_status status = next_event(r);
    if (status != MR_OK || r->event.type == YAML_MAPPING_START_EVENT)
        return status;
    return fault(r, r->event.start_mark, expected);
}

// The present event is `tasks`. What other tasks have is read, and forgotten.
static mr_status read_tasks(reader *r) {
    mr_status status;
    const char *name = NULL;
    MR_TRY(expect_mapping(r, "expected tasks here, as in `Swimmer-v5: {gamma: 0.9999}`"));
    for (;;) {
        MR_TRY(next_event(r));
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        const mr_settings before = r->settings;
        MR_TRY(scalar_text(r, "expected the name of a task", &name));
        const bool is_own = strcmp(name, mr_env_task_name(r->preset_env)) == 0;
        memset(r->given, 0, sizeof r->given);
        MR_TRY(expect_mapping(r, "expected settings here, as in `{gamma: 0.9999}`"));
        MR_TRY(read_settings(r));
        if (!is_own)
            r->settings = before;
    }
done:
    return status;
}

static bool is_tasks(const yaml_event_t *event) {
    return event->type == YAML_SCALAR_EVENT &&
           strcmp((const char *)event->data.scalar.value, "tasks") == 0;
}

// Settings, and in a preset, at the end, those of single tasks.
static mr_status read_mapping(reader *r) {
    mr_status status;
    for (;;) {
        MR_TRY(next_event(r));
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        MR_TRY(r->preset_env && is_tasks(&r->event) ? read_tasks(r) : read_entry(r));
    }
done:
    return status;
}

static mr_status read_document(reader *r) {
    mr_status status;
    MR_TRY(next_event(r)); // start of the stream
    MR_TRY(next_event(r));
    if (r->event.type == YAML_STREAM_END_EVENT) // an empty file sets nothing
        return MR_OK;
    MR_TRY(next_event(r));
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return fault(r, r->event.start_mark, "expected lines of the form `name: value`");
    MR_TRY(read_mapping(r));
    MR_TRY(next_event(r)); // end of the document
    MR_TRY(next_event(r));
    if (r->event.type != YAML_STREAM_END_EVENT)
        return fault(r, r->event.start_mark, "expected the end of the file after one document");
done:
    return status;
}

// Sets `settings` if all of the text is right.
static mr_status read_text(reader *r, const unsigned char *text, size_t n_bytes,
                           mr_settings *settings) {
    if (!yaml_parser_initialize(&r->parser))
        return mr_fail_memory("the settings");
    r->settings = *settings;
    yaml_parser_set_input_string(&r->parser, text, n_bytes);
    const mr_status status = read_document(r);
    if (status == MR_OK)
        *settings = r->settings;
    yaml_event_delete(&r->event);
    yaml_parser_delete(&r->parser);
    return status;
}

// The first line of the settings of a run, which has a value for each.
static const char of_a_run[] =
    "# Settings of a millrace run; `millrace train --config FILE` takes them again.\n";

mr_status mr_settings_read(mr_settings *settings, const char *path) {
    mr_status status;
    char *text = NULL;
    size_t n_bytes;
    reader r = {.path = path};
    const mr_setting *preset = mr_setting_find("preset");
    MR_TRY(mr_file_read(path, &text, &n_bytes));
    MR_TRY(read_text(&r, (const unsigned char *)text, n_bytes, settings));
    if (!r.given[preset - mr_setting_at(0)] && strncmp(text, of_a_run, strlen(of_a_run)) == 0)
        MR_TRY(mr_settings_set(settings, "preset", mr_setting_of_older(preset), path));
done:
    free(text);
    return status;
}

mr_status mr_settings_read_preset(mr_settings *settings, const char *env,
                                  const mr_embedded_file *file) {
    reader r = {.path = file->name, .preset_env = env};
    return read_text(&r, file->bytes, file->size, settings);
}

// Adds a plain value to the document; its number there, 0 when there is no memory.
static int add_scalar(yaml_document_t *document, const char *text) {
    return yaml_document_add_scalar(document, NULL, (const yaml_char_t *)text, (int)strlen(text),
                                    YAML_ANY_SCALAR_STYLE);
}

// Adds a,b,c as a list. Cuts `text` up.
static int add_list(yaml_document_t *document, char *text) {
    const int list = yaml_document_add_sequence(document, NULL, YAML_FLOW_SEQUENCE_STYLE);
    bool made = list != 0;
    char *rest;
    for (char *item = strtok_r(text, ",", &rest); item != NULL && made;
         item = strtok_r(NULL, ",", &rest)) {
        const int value = add_scalar(document, item);
        made = value != 0 && yaml_document_append_sequence_item(document, list, value);
    }
    return made ? list : 0;
}

static bool add_settings(yaml_document_t *document, const mr_settings *settings) {
    const int mapping = yaml_document_add_mapping(document, NULL, YAML_BLOCK_MAPPING_STYLE);
    bool made = mapping != 0;
    for (size_t i = 0; i < mr_setting_count() && made; i++) {
        const mr_setting *setting = mr_setting_at(i);
        char text[MR_MAX_TEXT];
        mr_setting_format(setting, settings, text, sizeof text);
        if (setting->role == MR_ROLE_OWN_TO_RUN || !mr_setting_is_used(setting, settings))
            continue;
        const bool is_list = setting->type == MR_SETTING_WIDTHS;
        const int key = add_scalar(document, setting->name);
        const int value = is_list ? add_list(document, text) : add_scalar(document, text);
        made = key != 0 && value != 0 &&
               yaml_document_append_mapping_pair(document, mapping, key, value);
    }
    return made;
}

// Takes over the document, also on failure.
static bool write_document(yaml_document_t *document, FILE *file) {
    yaml_emitter_t emitter;
    if (!yaml_emitter_initialize(&emitter)) {
        yaml_document_delete(document);
        return false;
    }
    yaml_emitter_set_output_file(&emitter, file);
    yaml_emitter_set_unicode(&emitter, 1);
    const bool written = yaml_emitter_open(&emitter) && yaml_emitter_dump(&emitter, document) &&
                         yaml_emitter_close(&emitter);
    yaml_emitter_delete(&emitter);
    return written;
}

static void print_comment(const char *lines, FILE *file) {
    while (*lines != '\0') {
        const int length = (int)strcspn(lines, "\n");
        fprintf(file, "# %.*s\n", length, lines);
        lines += length;
        lines += *lines == '\n';
    }
}

static bool print_settings(const mr_settings *settings, const char *comment, FILE *file) {
    yaml_document_t document;
    if (!yaml_document_initialize(&document, NULL, NULL, NULL, 1, 1))
        return false;
    if (!add_settings(&document, settings)) {
        yaml_document_delete(&document);
        return false;
    }
    fputs(of_a_run, file);
    print_comment(comment, file);
    return write_document(&document, file);
}

mr_status mr_settings_write(const mr_settings *settings, const char *comment, const char *path) {
    mr_text_stream text;
    mr_status status = mr_text_stream_open(path, &text);
    if (status != MR_OK)
        return status;
    status = print_settings(settings, comment, text.file) ? MR_OK : mr_fail_memory(path);
    return mr_text_stream_save(&text, status, path);
}
