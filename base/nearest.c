// Edit distance and the nearest of some names.

#include "base/nearest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LENGTH = 63 };

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static int same_letter(char a, char b) {
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

size_t mr_edit_distance(const char *a, const char *b) {
    const size_t n_a = strnlen(a, MAX_LENGTH), n_b = strnlen(b, MAX_LENGTH);
    size_t row[MAX_LENGTH + 1]; // row[j]: distance from the part of `a` seen so far to b[0:j]
    for (size_t j = 0; j <= n_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            const size_t replaced = diagonal + !same_letter(a[i - 1], b[j - 1]);
            diagonal = row[j];
            row[j] = smaller(replaced, 1 + smaller(row[j], row[j - 1]));
        }
    }
    return row[n_b];
}

const char *mr_nearest(const char *name, size_t n, mr_name_at *at, const void *table) {
    const char *nearest = NULL;
    size_t least = (size_t)-1;
    for (size_t i = 0; i < n; i++) {
        const char *candidate = at(table, i);
        const size_t distance = mr_edit_distance(name, candidate);
        if (distance < least && 2 * distance <= strlen(candidate)) {
            nearest = candidate;
            least = distance;
        }
    }
    return nearest;
}

static int is_repeated(size_t i, mr_name_at *at, const void *table) {
    for (size_t k = 0; k < i; k++)
        if (strcmp(at(table, k), at(table, i)) == 0)
            return 1;
    return 0;
}

size_t mr_list_names(size_t n, mr_name_at *at, const void *table, size_t size, char *text) {
    static const char more[] = ", ...";
    size_t length = 0, n_listed = 0;
    text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        const char *name = at(table, i);
        if (name[0] == '\0' || is_repeated(i, at, table))
            continue;
        if (length + strlen(name) + 2 + sizeof more > size) {
            snprintf(text + length, size - length, "%s", n_listed > 0 ? more : more + 2);
            return n_listed;
        }
        length +=
            (size_t)snprintf(text + length, size - length, "%s%s", n_listed > 0 ? ", " : "", name);
        n_listed++;
    }
    return n_listed;
}
