// What commands say of the engine that simulates a task.

#include "scripts/engine_notes.h"

#include <stdio.h>

void mr_warning_tell(const char *env, const char *warning) {
    fprintf(stderr, "warning: %s: %s\n", env, warning);
}
