// Names of what a task observes.

#include "envs/mujoco/obs_names.h"

#include <stdio.h>

#include "envs/mujoco/slice.h"

/// The object that a component belongs to, and where it is among the object's.
typedef struct {
    int id;
    size_t first, n;
} owner;

static owner owner_at(const mjModel *model, const mr_field *field, size_t i) {
    owner o = {.id = mr_field_owner(model, field, i)};
    o.first = (size_t)o.id * field->width;
    o.n = field->width;
    if (field->span != NULL)
        field->span(model, o.id, &o.first, &o.n);
    return o;
}

static size_t append(char *name, size_t length, const char *before, const char *text) {
    if (length >= MR_OBS_NAME_SIZE)
        return length;
    return length +
           (size_t)snprintf(name + length, MR_OBS_NAME_SIZE - length, "%s%s", before, text);
}

static size_t append_number(char *name, size_t length, size_t number) {
    char text[24];
    snprintf(text, sizeof text, "%zu", number);
    return append(name, length, ".", text);
}

// An object without a name goes by its number.
static size_t append_object(const mjModel *model, const mr_slice *slice, int id, char *name,
                            size_t length) {
    const char *object = mj_id2name(model, (int)slice->field->object, id);
    if (object == NULL || object[0] == '\0')
        return append_number(name, length, (size_t)id);
    return append(name, length, ".", object);
}

static void name_component(const mjModel *model, const mr_slice *slice, size_t i, char *name) {
    const size_t at = slice->start + i;
    size_t length = 0;
    if (slice->map != NULL) {
        length = append(name, length, "", slice->map->name);
        length = append(name, length, ".", slice->field->name);
    } else {
        length = append(name, length, "", slice->field->name);
    }
    if (slice->field->object == mjOBJ_UNKNOWN) {
        append_number(name, length, at);
        return;
    }
    const owner o = owner_at(model, slice->field, at);
    length = append_object(model, slice, o.id, name, length);
    if (slice->minus.name[0] != '\0')
        length = append(name, length, "-", slice->minus.name);
    if (o.n > 1)
        append_number(name, length, at - o.first);
}

void mr_mujoco_name_obs(const mr_mujoco *mujoco, char (*names)[MR_OBS_NAME_SIZE]) {
    size_t k = 0;
    for (size_t i = 0; i < mujoco->task.obs.n; i++) {
        const mr_obs_part *part = &mujoco->task.obs.rows[i];
        const size_t n = part->option == NULL || part->included ? part->of.dim : 0;
        for (size_t j = 0; j < n; j++)
            name_component(mujoco->model, &part->of, j, names[k++]);
    }
}
