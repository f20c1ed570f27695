// Who is told of notes and warnings.

#include "base/log.h"

#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static mr_log_function current;
static void *current_self;

void mr_log_to(mr_log_function log, void *self) {
    pthread_mutex_lock(&mutex);
    current = log;
    current_self = self;
    pthread_mutex_unlock(&mutex);
}

void mr_tell(mr_log_level level, const char *text) {
    pthread_mutex_lock(&mutex);
    const mr_log_function log = current;
    void *self = current_self;
    pthread_mutex_unlock(&mutex);
    if (log != NULL)
        log(self, level, text);
}
