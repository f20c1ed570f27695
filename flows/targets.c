// The kinds of target, and the reading of their texts.

#include "flows/targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"

extern const mr_target_kind mr_target_u1;
extern const mr_target_kind mr_target_u2;
extern const mr_target_kind mr_target_u3;
extern const mr_target_kind mr_target_u4;
extern const mr_target_kind mr_target_gaussian_mixture;
extern const mr_target_kind mr_target_funnel;
extern const mr_target_kind mr_target_logistic;

static const mr_target_kind *const kinds[] = {
    &mr_target_u1,
    &mr_target_u2,
    &mr_target_u3,
    &mr_target_u4,
    &mr_target_gaussian_mixture,
    &mr_target_funnel,
    &mr_target_logistic,
};

/// What the caller gets, and what goes with it.
typedef struct {
    mr_target target; // first, so that the two have one address
    const mr_target_kind *kind;
    char *text;
} owned_target;

static const mr_target_kind *find_kind(const char *text) {
    const size_t n = strcspn(text, ":");
    for (size_t i = 0; i < MR_COUNT(kinds); i++)
        if (strlen(kinds[i]->name) == n && strncmp(kinds[i]->name, text, n) == 0)
            return kinds[i];
    return NULL;
}

static const char *usage_at(const void *table, size_t i) {
    return ((const mr_target_kind *const *)table)[i]->usage;
}

static mr_status fail_kind(const char *text) {
    char choices[256];
    mr_list_names(MR_COUNT(kinds), usage_at, kinds, sizeof choices, choices);
    return mr_fail(MR_ERR_USAGE, "target '%.100s': there is no such target; choose from %s", text,
                   choices);
}

mr_status mr_target_new(const char *text, mr_header header, mr_target **out) {
    mr_status status = MR_OK;
    const mr_target_kind *kind = find_kind(text);
    if (!kind)
        return fail_kind(text);
    const char *colon = strchr(text, ':');
    if (colon && !kind->open)
        return mr_fail(MR_ERR_USAGE, "target '%.100s': nothing may follow the name; write %s", text,
                       kind->usage);
    owned_target *owned = calloc(1, sizeof *owned);
    if (!owned)
        return mr_fail_memory("a target");
    owned->kind = kind;
    owned->text = strdup(text);
    owned->target = (mr_target){.name = owned->text,
                                .dim = kind->dim,
                                .log_z = kind->log_z,
                                .view = kind->view,
                                .build = kind->build};
    if (!owned->text)
        status = mr_fail_memory("a target");
    else if (kind->open)
        status = kind->open(&owned->target, text, colon ? colon + 1 : "", header);
    if (status == MR_OK)
        *out = &owned->target;
    else
        mr_target_free(&owned->target);
    return status;
}

void mr_target_free(mr_target *target) {
    owned_target *owned = (owned_target *)target;
    if (!owned)
        return;
    if (owned->kind->close)
        owned->kind->close(target);
    free(owned->text);
    free(owned);
}

size_t mr_target_count(void) {
    return MR_COUNT(kinds);
}

mr_target_entry mr_target_at(size_t i) {
    return (mr_target_entry){kinds[i]->usage, kinds[i]->summary};
}
