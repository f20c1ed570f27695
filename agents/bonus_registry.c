// The kinds of bonus: one line each.

#include "agents/bonus_kind.h"

#include <string.h>

static const mr_bonus_kind *const kinds[] = {
    &mr_bonus_density,
    &mr_bonus_rnd,
};

const mr_bonus_kind *mr_bonus_kind_find(const char *name) {
    for (size_t i = 0; i < MR_COUNT(kinds); i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}
