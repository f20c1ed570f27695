// Entries of a task file's lists: their keys, their terms, and what they measure.
//
// The lists (observation, reward, info, healthy) hold mappings with the same keys. Which keys an
// entry may have depends on its list and its term.

#include "envs/mujoco/task_entry_internal.h"

#include "envs/mujoco/terms.h"

#include <stdio.h>
#include <string.h>

enum { CAUSE_SIZE = 1024 };

// ---- Terms

enum { AXIS = 1, TO = 2, RADIUS = 4, NEEDS_OBJECT = 8, NEEDS_FIELD = 16 };

#define POSITIONS &mr_field_xpos, &mr_field_site_xpos, &mr_field_geom_xpos

static const mr_term_row terms[] = {
    {"velocity", "velocity_weight", &mr_quantity_velocity, POSITIONS, &mr_field_qpos, NULL, 0, 1,
     AXIS | NEEDS_OBJECT, false},
    {"height", "height_weight", &mr_quantity_value, POSITIONS, NULL, NULL, 2, 1, NEEDS_OBJECT,
     false},
    {"upright", "upright_weight", &mr_quantity_value, &mr_field_xmat, NULL, NULL, NULL, NULL, 8, 1,
     NEEDS_OBJECT, false},
    {"distance", "distance_weight", &mr_quantity_norm, POSITIONS, NULL, NULL, 0, 0,
     TO | NEEDS_OBJECT, true},
    {"reached", "reached_weight", &mr_quantity_reached, POSITIONS, NULL, NULL, 0, 0,
     TO | RADIUS | NEEDS_OBJECT, false},
    {"control_cost", "control_cost_weight", &mr_quantity_squares, NULL, NULL, NULL, NULL,
     &mr_field_ctrl, 0, 0, 0, true},
    {"contact_cost", "contact_cost_weight", &mr_quantity_squares, &mr_field_cfrc_ext, NULL, NULL,
     NULL, &mr_field_cfrc_ext, 0, 0, 0, true},
    {"alive", "alive_weight", &mr_quantity_healthy, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, false},
    {"constant", "constant_weight", &mr_quantity_one, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, false},
    {"value", "value_weight", &mr_quantity_value, NULL, NULL, NULL, NULL, NULL, 0, 1, NEEDS_FIELD,
     false},
    {"squares", "squares_weight", &mr_quantity_squares, NULL, NULL, NULL, NULL, NULL, 0, 0,
     NEEDS_FIELD, false},
    {"norm", "norm_weight", &mr_quantity_norm, NULL, NULL, NULL, NULL, NULL, 0, 0, NEEDS_FIELD,
     false},
};

static const char *term_name_at(const void *table, size_t i) {
    return ((const mr_term_row *)table)[i].name;
}

// ---- Keys

static mr_status read_term(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    const char *text = NULL;
    const mr_status status = mr_yaml_text(r, node, &text);
    if (status != MR_OK)
        return status;
    e->term_node = node;
    for (size_t i = 0; i < MR_COUNT(terms); i++)
        if (strcmp(terms[i].name, text) == 0) {
            e->term = &terms[i];
            return MR_OK;
        }
    return mr_yaml_unknown(r, node, "term", text, MR_COUNT(terms), term_name_at, terms);
}

static mr_status read_field(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    const void *found = NULL;
    const mr_status status = mr_yaml_listed(r, node, "field", mr_fields, &found);
    e->field = found;
    return status;
}

static mr_status read_function(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    const void *found = NULL;
    const mr_status status = mr_yaml_listed(r, node, "function", mr_maps, &found);
    e->map = found;
    return status;
}

static mr_status read_object(mr_yaml_reader *r, const yaml_node_t *node, mjtObj type,
                             mr_task_entry *e) {
    if (e->object_node != NULL)
        return mr_yaml_fault(r, node, "an entry is about one object; keep one of them");
    e->object_type = type;
    e->object_node = node;
    return mr_yaml_name(r, node, sizeof e->object.name, e->object.name);
}

static mr_status read_body(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return read_object(r, node, mjOBJ_BODY, e);
}

static mr_status read_site(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return read_object(r, node, mjOBJ_SITE, e);
}

static mr_status read_geom(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return read_object(r, node, mjOBJ_GEOM, e);
}

static mr_status read_joint(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return read_object(r, node, mjOBJ_JOINT, e);
}

static mr_status read_actuator(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return read_object(r, node, mjOBJ_ACTUATOR, e);
}

static mr_status read_tendon(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return read_object(r, node, mjOBJ_TENDON, e);
}

static mr_status read_sensor(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return read_object(r, node, mjOBJ_SENSOR, e);
}

static mr_status read_target(mr_yaml_reader *r, const yaml_node_t *node, mjtObj type,
                             mr_task_entry *e) {
    if (e->to_node != NULL)
        return mr_yaml_fault(r, node, "a difference is to one object; keep one of them");
    e->to_type = type;
    e->to_node = node;
    return mr_yaml_name(r, node, sizeof e->to.name, e->to.name);
}

static mr_status read_to(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return read_target(r, node, mjOBJ_UNKNOWN, e);
}

static mr_status read_to_body(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return read_target(r, node, mjOBJ_BODY, e);
}

static mr_status read_to_site(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return read_target(r, node, mjOBJ_SITE, e);
}

static mr_status read_to_geom(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return read_target(r, node, mjOBJ_GEOM, e);
}

static mr_status read_axis(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    const char *text = NULL;
    const mr_status status = mr_yaml_text(r, node, &text);
    if (status != MR_OK)
        return status;
    if (strlen(text) != 1 || strchr("xyz", text[0]) == NULL)
        return mr_yaml_fault(r, node, "an axis is x, y or z");
    e->axis_node = node;
    e->first = (size_t)(text[0] - 'x');
    e->has_first = true;
    return MR_OK;
}

static mr_status read_first(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    e->has_first = true;
    return mr_yaml_count(r, node, 0.0, &e->first);
}

static mr_status read_count(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    e->has_count = true;
    return mr_yaml_count(r, node, 1.0, &e->count);
}

static mr_status read_clip(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return mr_yaml_range(r, node, &e->clip);
}

static mr_status read_range(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    e->has_range = true;
    return mr_yaml_range(r, node, &e->range);
}

static mr_status read_within(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return mr_yaml_range(r, node, &e->within);
}

static mr_status read_closed(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return mr_yaml_switch(r, node, &e->closed);
}

static mr_status read_radius(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    const mr_status status = mr_yaml_number(r, node, &e->radius);
    e->radius_node = node;
    if (status == MR_OK && !(e->radius > 0.0))
        return mr_yaml_fault(r, node, "a radius is above 0");
    return status;
}

static mr_status read_scale(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    const mr_status status = mr_yaml_number(r, node, &e->scale);
    e->is_scaled = true;
    if (status == MR_OK && e->scale == 0.0)
        return mr_yaml_fault(r, node, "a scale of 0 would leave nothing to observe");
    return status;
}

static mr_status read_offset(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    e->is_scaled = true;
    return mr_yaml_number(r, node, &e->offset);
}

static mr_status read_shape(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return mr_yaml_shape(r, node, &e->shape);
}

static mr_status read_box(mr_yaml_reader *r, const yaml_node_t *node, size_t axis,
                          mr_task_entry *e) {
    e->has_box[axis] = true;
    return mr_yaml_finite_range(r, node, &e->box[axis]);
}

static mr_status read_x(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return read_box(r, node, 0, e);
}

static mr_status read_y(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return read_box(r, node, 1, e);
}

static mr_status read_z(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return read_box(r, node, 2, e);
}

static mr_status read_qpos(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return mr_yaml_noise(r, node, &e->qpos);
}

static mr_status read_qvel(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return mr_yaml_noise(r, node, &e->qvel);
}

static mr_status read_weight(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return mr_yaml_number(r, node, &e->weight);
}

static mr_status read_name(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e) {
    return mr_yaml_name(r, node, sizeof e->name, e->name);
}

typedef struct {
    const char *name;
    unsigned lists;
    mr_status (*read)(mr_yaml_reader *r, const yaml_node_t *node, mr_task_entry *e);
} key_row;

static const key_row keys[] = {
    {"term", MR_IN_MEASURED & ~(unsigned)MR_IN_OBSERVATION, read_term},
    {"field", MR_IN_MEASURED, read_field},
    {"body", MR_IN_MEASURED | MR_IN_GOALS, read_body},
    {"site", MR_IN_MEASURED | MR_IN_GOALS, read_site},
    {"geom", MR_IN_MEASURED, read_geom},
    {"joint", MR_IN_MEASURED | MR_IN_GOALS | MR_IN_JOINTS, read_joint},
    {"actuator", MR_IN_MEASURED, read_actuator},
    {"tendon", MR_IN_MEASURED, read_tendon},
    {"sensor", MR_IN_MEASURED, read_sensor},
    {"to", MR_IN_MEASURED, read_to},
    {"to_body", MR_IN_MEASURED, read_to_body},
    {"to_site", MR_IN_MEASURED, read_to_site},
    {"to_geom", MR_IN_MEASURED, read_to_geom},
    {"axis", MR_IN_MEASURED, read_axis},
    {"first", MR_IN_MEASURED, read_first},
    {"count", MR_IN_MEASURED, read_count},
    {"function", MR_IN_MEASURED, read_function},
    {"scale", MR_IN_OBSERVATION, read_scale},
    {"offset", MR_IN_OBSERVATION, read_offset},
    {"clip", MR_IN_MEASURED, read_clip},
    {"radius", MR_IN_MEASURED & ~(unsigned)MR_IN_OBSERVATION, read_radius},
    {"shape", MR_IN_REWARD, read_shape},
    {"weight", MR_IN_REWARD, read_weight},
    {"within", MR_IN_REWARD, read_within},
    {"name", MR_IN_REWARD | MR_IN_INFO, read_name},
    {"range", MR_IN_HEALTHY | MR_IN_GOALS, read_range},
    {"closed", MR_IN_HEALTHY, read_closed},
    {"x", MR_IN_GOALS, read_x},
    {"y", MR_IN_GOALS, read_y},
    {"z", MR_IN_GOALS, read_z},
    {"qpos", MR_IN_JOINTS, read_qpos},
    {"qvel", MR_IN_JOINTS, read_qvel},
};

// The names of the keys of one list.
typedef struct {
    size_t n;
    const char *names[MR_COUNT(keys)];
} key_names;

static const char *key_name_at(const void *table, size_t i) {
    return ((const key_names *)table)->names[i];
}

static mr_status read_key(mr_yaml_reader *r, unsigned list, const yaml_node_t *key,
                          const yaml_node_t *value, bool given[MR_COUNT(keys)], mr_task_entry *e) {
    const char *text = NULL;
    key_names names = {0};
    const mr_status status = mr_yaml_text(r, key, &text);
    if (status != MR_OK)
        return status;
    for (size_t i = 0; i < MR_COUNT(keys); i++) {
        if ((keys[i].lists & list) == 0)
            continue;
        names.names[names.n++] = keys[i].name;
        if (strcmp(keys[i].name, text) != 0)
            continue;
        if (given[i])
            return mr_yaml_fault(r, key, "this key is given twice; keep one");
        given[i] = true;
        return keys[i].read(r, value, e);
    }
    return mr_yaml_unknown(r, key, "key", text, names.n, key_name_at, &names);
}

mr_status mr_entry_read(mr_yaml_reader *r, unsigned list, const yaml_node_t *node,
                        mr_task_entry *e) {
    mr_status status = MR_OK;
    bool given[MR_COUNT(keys)] = {false};
    *e = (mr_task_entry){.whole = node, .to_type = mjOBJ_UNKNOWN, .weight = 1.0, .scale = 1.0};
    if (node->type != YAML_MAPPING_NODE)
        return mr_yaml_fault(r, node, "expected an entry of the form {field: qpos, first: 1}");
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++)
        MR_TRY(
            read_key(r, list, mr_yaml_node(r, pair->key), mr_yaml_node(r, pair->value), given, e));
done:
    return status;
}

// ---- From entries to slices and measures

static mr_status check_object(const mr_yaml_reader *r, mjtObj type, const mr_object *object,
                              const yaml_node_t *node) {
    int id;
    if (node == NULL)
        return MR_OK;
    if (mr_object_find(r->model, type, object->name, &id) != MR_OK)
        return mr_yaml_fault(r, node, mr_error_message());
    return MR_OK;
}

static const struct {
    mjtObj type;
    const mr_field *field;
} position_fields[] = {
    {mjOBJ_BODY, &mr_field_xpos},
    {mjOBJ_SITE, &mr_field_site_xpos},
    {mjOBJ_GEOM, &mr_field_geom_xpos},
};

// The field of positions of a kind of object; NULL if it has none.
static const mr_field *positions_of(mjtObj type) {
    for (size_t i = 0; i < MR_COUNT(position_fields); i++)
        if (position_fields[i].type == type)
            return position_fields[i].field;
    return NULL;
}

// The field that a difference subtracts: of objects of the other kind, their positions.
static mr_status find_minus_field(const mr_yaml_reader *r, const mr_task_entry *e,
                                  const mr_field *field, const mr_field **out) {
    char cause[CAUSE_SIZE];
    *out = field;
    if (e->to_type == mjOBJ_UNKNOWN || e->to_type == field->object)
        return MR_OK;
    if (positions_of(field->object) == field) {
        *out = positions_of(e->to_type);
        return MR_OK;
    }
    snprintf(cause, sizeof cause,
             "%s has a difference to another of its kind only; write to: and its name",
             field->name);
    return mr_yaml_fault(r, e->to_node, cause);
}

mr_status mr_entry_slice(const mr_yaml_reader *r, const mr_task_entry *e, const mr_field *field,
                         mr_slice *slice) {
    mr_status status;
    char cause[CAUSE_SIZE];
    const mr_field *minus_field = NULL;

    if (e->object_node != NULL && e->object_type != field->object) {
        snprintf(cause, sizeof cause, "%s is of a %s, not of a %s", field->name,
                 mr_object_what(field->object), mr_object_what(e->object_type));
        return mr_yaml_fault(r, e->object_node, cause);
    }
    if (e->to_node != NULL && e->object_node == NULL)
        return mr_yaml_fault(r, e->to_node, "say from which object, as in {body: hand, to: goal}");
    MR_TRY(find_minus_field(r, e, field, &minus_field));
    MR_TRY(check_object(r, field->object, &e->object, e->object_node));
    MR_TRY(check_object(r, minus_field->object, &e->to, e->to_node));
    *slice = (mr_slice){
        .field = field,
        .object = e->object,
        .minus = e->to,
        .minus_field = minus_field != field ? minus_field : NULL,
        .first = e->first,
        .n = e->count,
        .map = e->map,
        .is_scaled = e->is_scaled,
        .scale = e->scale,
        .offset = e->offset,
        .clip = e->clip,
    };
    if (mr_slice_resolve(r->model, slice) != MR_OK)
        status = mr_yaml_fault(r, e->whole, mr_error_message());
    else if (slice->dim == 0)
        status = mr_yaml_fault(r, e->whole, "the model has none of these");
done:
    return status;
}

// The field that a term measures, for its object or without one.
static const mr_field *field_of(const mr_term_row *term, const mr_task_entry *e) {
    if (e->field != NULL)
        return e->field;
    if (e->object_node == NULL)
        return term->of_all;
    return e->object_type == mjOBJ_BODY    ? term->of_body
           : e->object_type == mjOBJ_SITE  ? term->of_site
           : e->object_type == mjOBJ_GEOM  ? term->of_geom
           : e->object_type == mjOBJ_JOINT ? term->of_joint
                                           : NULL;
}

static mr_status check_term(const mr_yaml_reader *r, const mr_task_entry *e,
                            const mr_field *field) {
    const mr_term_row *term = e->term;
    char cause[CAUSE_SIZE] = "";
    if ((term->takes & NEEDS_FIELD) && e->field == NULL)
        snprintf(cause, sizeof cause, "%s needs a field, as in {term: %s, field: qvel}", term->name,
                 term->name);
    else if ((term->takes & NEEDS_OBJECT) && e->object_node == NULL && e->field == NULL)
        snprintf(cause, sizeof cause, "%s needs a body%s%s%s", term->name,
                 term->of_site != NULL ? " or site" : "", term->of_geom != NULL ? " or geom" : "",
                 term->of_joint != NULL ? " or joint" : "");
    else if (e->object_node != NULL && field == NULL)
        snprintf(cause, sizeof cause, "%s can't be about that kind of object", term->name);
    else if ((term->takes & TO) && e->to_node == NULL)
        snprintf(cause, sizeof cause,
                 "%s needs to: the name of another of the kind, or to_body, to_site or to_geom",
                 term->name);
    else if ((term->takes & RADIUS) && e->radius_node == NULL)
        snprintf(cause, sizeof cause, "%s needs a radius, within which it is", term->name);
    else if (e->axis_node != NULL && e->field == NULL &&
             (!(term->takes & AXIS) || e->object_type == mjOBJ_JOINT))
        snprintf(cause, sizeof cause, "%s%s has no axis", term->name,
                 term->takes & AXIS ? " of a joint" : "");
    else if (e->radius_node != NULL && !(term->takes & RADIUS))
        snprintf(cause, sizeof cause, "%s has no radius", term->name);
    return cause[0] != '\0' ? mr_yaml_fault(r, e->term_node, cause) : MR_OK;
}

// What an entry measures: its term, or the components of its field.
mr_status mr_entry_measure(const mr_yaml_reader *r, const mr_task_entry *given,
                           mr_measure *measure) {
    mr_status status = MR_OK;
    const mr_term_row *term = given->term;
    mr_task_entry e = *given;

    if (term == NULL && e.field == NULL)
        return mr_yaml_fault(r, e.whole, "an entry needs a term or a field");
    const mr_field *field = term != NULL ? field_of(term, &e) : e.field;
    if (term != NULL) {
        MR_TRY(check_term(r, &e, field));
        e.first = e.has_first ? e.first : e.field == NULL ? term->first : 0;
        e.count = e.has_count ? e.count : term->n;
        measure->kind = term->kind;
        measure->range = (mr_range){0.0, e.radius};
    }
    if (field != NULL)
        MR_TRY(mr_entry_slice(r, &e, field, &measure->of));
done:
    return status;
}
