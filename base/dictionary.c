// Dictionaries: sorted arrays, which are searched by halves. A column has few categories beside its
// rows, so that a new one is rare.

#include "base/dictionary.h"

#include <stdlib.h>
#include <string.h>

// The place of the first text that isn't before `text`.
static size_t place_of(const mr_dictionary *d, const char *text) {
    size_t low = 0, high = d->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(d->name[middle], text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool mr_dictionary_find(const mr_dictionary *d, const char *text, size_t *code) {
    *code = place_of(d, text);
    return *code < d->n && strcmp(d->name[*code], text) == 0;
}

mr_status mr_dictionary_add(mr_dictionary *d, const char *text) {
    size_t place;
    if (mr_dictionary_find(d, text, &place))
        return MR_OK;
    if ((d->n & (d->n - 1)) == 0) { // full at every power of two
        char **grown = realloc(d->name, (d->n > 0 ? 2 * d->n : 1) * sizeof *grown);
        if (grown == NULL)
            return mr_fail_memory("the names of categories");
        d->name = grown;
    }
    char *copy = strdup(text);
    if (copy == NULL)
        return mr_fail_memory("the names of categories");
    memmove(d->name + place + 1, d->name + place, (d->n - place) * sizeof *d->name);
    d->name[place] = copy;
    d->n++;
    return MR_OK;
}

mr_status mr_dictionary_copy(const mr_dictionary *d, mr_dictionary *out) {
    mr_dictionary copy = {0};
    for (size_t k = 0; k < d->n; k++) {
        const mr_status status = mr_dictionary_add(&copy, d->name[k]);
        if (status != MR_OK) {
            mr_dictionary_free(&copy);
            return status;
        }
    }
    *out = copy;
    return MR_OK;
}

void mr_dictionary_free(mr_dictionary *d) {
    for (size_t k = 0; k < d->n; k++)
        free(d->name[k]);
    free(d->name);
    *d = (mr_dictionary){0};
}

mr_status mr_dictionaries_copy(size_t n, const mr_dictionary *dictionaries, mr_dictionary **out) {
    mr_dictionary *copies = dictionaries != NULL ? calloc(n + 1, sizeof *copies) : NULL;
    mr_status status = MR_OK;
    if (dictionaries != NULL && copies == NULL)
        return mr_fail_memory("the names of categories");
    for (size_t j = 0; copies != NULL && j < n && status == MR_OK; j++)
        status = mr_dictionary_copy(&dictionaries[j], &copies[j]);
    if (status == MR_OK)
        *out = copies;
    else
        mr_dictionaries_free(n, copies);
    return status;
}

void mr_dictionaries_free(size_t n, mr_dictionary *dictionaries) {
    for (size_t j = 0; dictionaries != NULL && j < n; j++)
        mr_dictionary_free(&dictionaries[j]);
    free(dictionaries);
}
