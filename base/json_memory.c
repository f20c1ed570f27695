// malloc for jansson.

#include "base/json_memory.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

static _Thread_local bool is_out_of_memory;

static void *allocate(size_t n_bytes) {
    void *memory = malloc(n_bytes);
    is_out_of_memory |= memory == NULL;
    return memory;
}

static void install(void) {
    json_set_alloc_funcs(allocate, free);
}

void mr_json_watch(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    is_out_of_memory = false;
}

bool mr_json_is_out_of_memory(void) {
    return is_out_of_memory;
}
