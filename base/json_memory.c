// What jansson allocates with, and texts for it.

#include "base/json_memory.h"

#include <stdlib.h>
#include <string.h>

static json_malloc_t inner_malloc; // of before: malloc, or the host's
static json_free_t inner_free;
static _Thread_local bool is_out_of_memory;

static void *allocate(size_t n_bytes) {
    void *memory = inner_malloc(n_bytes);
    is_out_of_memory |= memory == NULL;
    return memory;
}

void mr_json_take_memory(void) {
    json_get_alloc_funcs(&inner_malloc, &inner_free);
    json_set_alloc_funcs(allocate, inner_free);
}

void mr_json_watch(void) {
    is_out_of_memory = false;
}

bool mr_json_is_out_of_memory(void) {
    return is_out_of_memory;
}

mr_status mr_json_check_utf8(const char *text, bool *is_utf8) {
    mr_json_watch();
    json_t *value = json_string(text);
    *is_utf8 = value != NULL;
    json_decref(value);
    return mr_json_is_out_of_memory() ? mr_fail_memory("a text") : MR_OK;
}

json_t *mr_json_text(const char *text) {
    json_t *value = json_string(text);
    char *ascii = value == NULL ? strdup(text) : NULL;
    for (char *c = ascii; c != NULL && *c != '\0'; c++)
        if ((unsigned char)*c > 127)
            *c = '?';
    if (ascii != NULL)
        value = json_string(ascii);
    free(ascii);
    return value;
}
