// Slices in a model and in a state.

#include "envs/mujoco/slice.h"

#include "base/nearest.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_SIZE = 512 };

// ---- Objects

// The kinds of objects that fields belong to, as messages call them.
static const struct {
    mjtObj type;
    const char *what;
} object_names[] = {
    {mjOBJ_BODY, "body"},         {mjOBJ_SITE, "site"},     {mjOBJ_JOINT, "joint"},
    {mjOBJ_ACTUATOR, "actuator"}, {mjOBJ_TENDON, "tendon"}, {mjOBJ_SENSOR, "sensor"},
    {mjOBJ_GEOM, "geom"},         {mjOBJ_KEY, "keyframe"},
};

const char *mr_object_what(mjtObj type) {
    for (size_t i = 0; i < MR_COUNT(object_names); i++)
        if (object_names[i].type == type)
            return object_names[i].what;
    return "object";
}

static int count_objects(const mjModel *model, mjtObj type) {
    const struct {
        mjtObj type;
        int n;
    } counts[] = {
        {mjOBJ_BODY, (int)model->nbody},     {mjOBJ_SITE, (int)model->nsite},
        {mjOBJ_JOINT, (int)model->njnt},     {mjOBJ_ACTUATOR, (int)model->nu},
        {mjOBJ_TENDON, (int)model->ntendon}, {mjOBJ_SENSOR, (int)model->nsensor},
        {mjOBJ_GEOM, (int)model->ngeom},     {mjOBJ_KEY, (int)model->nkey},
    };
    for (size_t i = 0; i < MR_COUNT(counts); i++)
        if (counts[i].type == type)
            return counts[i].n;
    return 0;
}

typedef struct {
    const mjModel *model;
    mjtObj type;
} name_table;

static const char *name_at(const void *table, size_t i) {
    const name_table *names = table;
    const char *name = mj_id2name(names->model, (int)names->type, (int)i);
    return name != NULL ? name : "";
}

static mr_status fail_unknown(const mjModel *model, mjtObj type, const char *name) {
    const name_table names = {model, type};
    const size_t n = (size_t)count_objects(model, type);
    const char *nearest = mr_nearest(name, n, name_at, &names);
    if (nearest != NULL && nearest[0] != '\0')
        return mr_fail(MR_ERR_INPUT, "the model has no %s \"%s\"; did you mean \"%s\"?",
                       mr_object_what(type), name, nearest);
    char list[LIST_SIZE];
    const size_t n_listed = mr_list_names(n, name_at, &names, sizeof list, list);
    return mr_fail(MR_ERR_INPUT, "the model has no %s \"%s\"; it has %s", mr_object_what(type),
                   name, n_listed > 0 ? list : "none with a name");
}

mr_status mr_object_find(const mjModel *model, mjtObj type, const char *name, int *id) {
    *id = mj_name2id(model, (int)type, name);
    if (*id >= 0)
        return MR_OK;
    char *end;
    const long number = strtol(name, &end, 10);
    if (!isdigit((unsigned char)name[0]) || *end != '\0' || number >= count_objects(model, type))
        return fail_unknown(model, type, name);
    *id = (int)number;
    return MR_OK;
}

int mr_field_owner(const mjModel *model, const mr_field *field, size_t i) {
    size_t start, n;
    if (field->span == NULL)
        return (int)(i / field->width);
    for (int id = 0;; id++) {
        field->span(model, id, &start, &n);
        if (i < start + n)
            return id;
    }
}

// ---- Components

const mr_field *mr_slice_minus_field(const mr_slice *slice) {
    return slice->minus_field != NULL ? slice->minus_field : slice->field;
}

// The components that are an object's; all of them without one.
static mr_status find_span(const mjModel *model, const mr_field *field, const mr_object *object,
                           size_t *start, size_t *n) {
    mr_status status = MR_OK;
    int id;

    *start = 0;
    *n = field->count(model) * field->width;
    if (object->name[0] == '\0')
        return MR_OK;
    MR_TRY(mr_object_find(model, field->object, object->name, &id));
    *start = (size_t)id * field->width;
    *n = field->width;
    if (field->span != NULL)
        field->span(model, id, start, n);
done:
    return status;
}

mr_status mr_slice_resolve(const mjModel *model, mr_slice *slice) {
    mr_status status;
    size_t start, minus_start = 0, n, n_minus = 0;

    MR_TRY(find_span(model, slice->field, &slice->object, &start, &n));
    if (slice->minus.name[0] != '\0')
        MR_TRY(
            find_span(model, mr_slice_minus_field(slice), &slice->minus, &minus_start, &n_minus));
    if (slice->minus.name[0] != '\0' && n_minus != n)
        MR_TRY(mr_fail(MR_ERR_INPUT, "%s of \"%s\" has %zu components, of \"%s\" %zu",
                       slice->field->name, slice->object.name, n, slice->minus.name, n_minus));
    const size_t dim = slice->n > 0 ? slice->n : slice->first < n ? n - slice->first : 0;
    if (slice->first > 0 && slice->first >= n)
        MR_TRY(mr_fail(MR_ERR_INPUT, "%s has %zu components here, and none from %zu on",
                       slice->field->name, n, slice->first));
    if (slice->first + dim > n)
        MR_TRY(mr_fail(MR_ERR_INPUT, "%s has %zu components here, and not %zu from %zu on",
                       slice->field->name, n, dim, slice->first));
    slice->start = start + slice->first;
    slice->minus_start = minus_start + slice->first;
    slice->dim = dim;
done:
    return status;
}

static mr_status resolve(const char *name, const mjModel *model, mr_slice *slice) {
    char cause[LIST_SIZE * 2];
    if (slice->field == NULL)
        return MR_OK;
    const mr_status status = mr_slice_resolve(model, slice);
    if (status == MR_OK)
        return MR_OK;
    snprintf(cause, sizeof cause, "%s", mr_error_message());
    return mr_fail(status, "%s: %s", name, cause);
}

mr_status mr_task_resolve(const char *name, const mjModel *model, mr_task *task) {
    mr_status status = MR_OK;

    for (size_t i = 0; i < task->obs.n; i++) {
        mr_obs_part *part = &task->obs.rows[i];
        if (part->n_positions > 0)
            part->of.first = task->exclude_positions ? part->n_positions : 0;
        MR_TRY(resolve(name, model, &part->of));
    }
    for (size_t i = 0; i < task->rewards.n; i++)
        MR_TRY(resolve(name, model, &task->rewards.rows[i].of.of));
    for (size_t i = 0; i < task->infos.n; i++)
        MR_TRY(resolve(name, model, &task->infos.rows[i].of.of));
    for (size_t i = 0; i < task->healthy.n; i++)
        MR_TRY(resolve(name, model, &task->healthy.rows[i].of.of));
done:
    return status;
}

size_t mr_obs_part_dim(const mr_obs_part *part) {
    return part->option == NULL || part->included ? part->of.dim : 0;
}

// ---- Names

/// The object that a component belongs to, and which components are the object's.
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
    if (length >= MR_SLICE_NAME_SIZE)
        return length;
    return length +
           (size_t)snprintf(name + length, MR_SLICE_NAME_SIZE - length, "%s%s", before, text);
}

static size_t append_number(char *name, size_t length, size_t number) {
    char text[24];
    snprintf(text, sizeof text, "%zu", number);
    return append(name, length, ".", text);
}

// An object without a name is called by its number.
static size_t append_object(const mjModel *model, const mr_slice *slice, int id, char *name,
                            size_t length) {
    const char *object = mj_id2name(model, (int)slice->field->object, id);
    if (object == NULL || object[0] == '\0')
        return append_number(name, length, (size_t)id);
    return append(name, length, ".", object);
}

void mr_slice_name(const mjModel *model, const mr_slice *slice, size_t i, char *name) {
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

// ---- Values

double mr_clip(const mr_range *range, double x) {
    return x < range->low ? range->low : x > range->high ? range->high : x;
}

mr_slice_values mr_slice_look(const mr_mujoco *mujoco, const mr_slice *slice) {
    const mjtNum *values = slice->field->values(mujoco);
    mr_slice_values found = {.of = values + slice->start};
    if (slice->minus.name[0] != '\0')
        found.minus = (slice->minus_field != NULL ? slice->minus_field->values(mujoco) : values) +
                      slice->minus_start;
    return found;
}

double mr_slice_of(mr_slice_values values, const mr_slice *slice, size_t i) {
    double x = values.of[i];
    if (values.minus != NULL)
        x -= values.minus[i];
    if (slice->map != NULL)
        x = slice->map->of(x);
    if (slice->is_scaled)
        x = slice->scale * x + slice->offset;
    return slice->clip.low < slice->clip.high ? mr_clip(&slice->clip, x) : x;
}

double mr_slice_at(const mr_mujoco *mujoco, const mr_slice *slice, size_t i) {
    return mr_slice_of(mr_slice_look(mujoco, slice), slice, i);
}
