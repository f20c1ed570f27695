// What a task says of itself once it is open.

#include "scripts/env_notes.h"

#include <stdio.h>

void mr_env_notes_tell(const mr_env_spec *spec) {
    for (size_t i = 0; i < spec->n_notes; i++)
        fprintf(stderr, "note: %s: %s\n", spec->name, spec->notes[i]);
}
