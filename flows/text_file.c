// Model files of flows over text.

#include "flows/text_internal.h"

#include <stdlib.h>
#include <string.h>

#include "nn/model_file.h"

static const mr_model_format format = {.name = "millrace.text",
                                       .version = "1",
                                       .what = "flow over text",
                                       .give = "a file that `millrace flow fit --flow text` wrote"};

// ---- Writing

static mr_status note_alphabet(const mr_alphabet *alphabet, mr_tensors_writer *writer) {
    char *text;
    mr_status status = mr_characters_print(alphabet->n - 1, alphabet->character + 1, &text);
    if (status != MR_OK)
        return status;
    status = mr_tensors_writer_note(writer, "alphabet", text);
    free(text);
    return status;
}

mr_status mr_text_flow_save(const mr_text_flow *flow, const char *path) {
    mr_status status;
    mr_tensors_writer *writer = NULL;
    MR_TRY(mr_tensors_writer_new(&writer));
    MR_TRY(mr_model_note(&format, writer));
    MR_TRY(mr_tensors_writer_note(writer, "flow", flow->text));
    MR_TRY(note_alphabet(&flow->alphabet, writer));
    MR_TRY(mr_model_note_size(writer, "longest", flow->longest));
    MR_TRY(mr_params_write(flow->params, mr_params_read(flow->params), "", writer));
    MR_TRY(mr_tensors_writer_write(writer, path));
done:
    mr_tensors_writer_free(writer);
    return status;
}

// ---- Reading

// The characters must be in order, each once.
static mr_status read_alphabet(const mr_tensors *file, mr_alphabet *out) {
    const char *text;
    mr_characters characters = {0};
    mr_status status = mr_model_text(file, "alphabet", &text);
    if (status != MR_OK)
        return status;
    MR_TRY(mr_characters_parse(mr_tensors_path(file), text, strlen(text), &characters));
    MR_TRY(mr_alphabet_of(&characters, 0, out));
    if (out->n != characters.n + 1 || out->n < 3 ||
        memcmp(out->character + 1, characters.character,
               characters.n * sizeof *characters.character) != 0)
        status = mr_model_fail(file, "alphabet", text);
done:
    mr_characters_free(&characters);
    return status;
}

static mr_status read_flow(const mr_tensors *file, mr_text_flow **out) {
    mr_status status;
    mr_alphabet alphabet = {0};
    const char *text;
    size_t longest;
    MR_TRY(mr_model_check(&format, file));
    MR_TRY(mr_model_text(file, "flow", &text));
    MR_TRY(mr_model_size(file, "longest", &longest));
    MR_TRY(read_alphabet(file, &alphabet));
    if (!mr_text_flow_is(text)) {
        status = mr_model_fail(file, "flow", text);
        goto done;
    }
    status = mr_text_flow_create(text, &alphabet, longest, 0, mr_model_count_numbers(file), out);
    if (status == MR_ERR_USAGE || status == MR_ERR_INPUT) // it is the file that says so
        status = mr_model_fail(file, "flow", text);
done:
    mr_alphabet_free(&alphabet);
    return status;
}

mr_status mr_text_flow_load(const char *path, mr_text_flow **out) {
    mr_status status;
    mr_tensors *file = NULL;
    mr_text_flow *flow = NULL;
    MR_TRY(mr_tensors_open(path, &file));
    MR_TRY(read_flow(file, &flow));
    MR_TRY(mr_model_load(file, mr_text_flow_params(flow), "", "fit the model again"));
    *out = flow;
    flow = NULL;
done:
    mr_text_flow_free(flow);
    mr_tensors_close(file);
    return status;
}

bool mr_text_flow_is_file(const char *path) {
    mr_tensors *file;
    if (mr_tensors_open(path, &file) != MR_OK)
        return false;
    const char *name = mr_tensors_note(file, "format");
    const bool is_text = name && strcmp(name, format.name) == 0;
    mr_tensors_close(file);
    return is_text;
}
