// Tasks in YAML, read with libyaml.
//
// The lists of a description (observation, reward, info, healthy) hold mappings of the same keys;
// which of them one takes is its list's business and, where it has a term, the term's.

#include "envs/mujoco/task_yaml.h"

#include "envs/mujoco/slice.h"
#include "envs/mujoco/terms.h"

#include "nn/file.h"
#include "nn/nearest.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { LIST_SIZE = 768, CAUSE_SIZE = 1024 };

// What a description is read with, and what it is read into.
typedef struct {
    const char *path;
    yaml_document_t document;
    const mjModel *model;
    mr_task *task;
    char *summary;
} reader;

// ---- Failures

static mr_status fault(const reader *r, const yaml_node_t *node, const char *what) {
    char cause[CAUSE_SIZE]; // may be the message of an earlier failure
    snprintf(cause, sizeof cause, "%s", what);
    return mr_fail(MR_ERR_INPUT, "%s:%zu:%zu: %s", r->path, node->start_mark.line + 1,
                   node->start_mark.column + 1, cause);
}

// "unknown WHAT "text"; did you mean ...?", or the list of the n names.
static mr_status unknown(const reader *r, const yaml_node_t *node, const char *what,
                         const char *text, size_t n, mr_name_at *at, const void *table) {
    char cause[CAUSE_SIZE], list[LIST_SIZE] = "";
    const char *nearest = mr_nearest(text, n, at, table);
    size_t length = 0;
    if (nearest != NULL) {
        snprintf(cause, sizeof cause, "unknown %s \"%.60s\"; did you mean \"%s\"?", what, text,
                 nearest);
        return fault(r, node, cause);
    }
    for (size_t i = 0; i < n && length < sizeof list; i++)
        length += (size_t)snprintf(list + length, sizeof list - length, "%s%s", i == 0 ? "" : ", ",
                                   at(table, i));
    snprintf(cause, sizeof cause, "unknown %s \"%.60s\"; there are %s", what, text, list);
    return fault(r, node, cause);
}

// ---- Values

static yaml_node_t *node_at(reader *r, int index) {
    return yaml_document_get_node(&r->document, index);
}

static mr_status get_text(const reader *r, const yaml_node_t *node, const char **out) {
    if (node->type != YAML_SCALAR_NODE)
        return fault(r, node, "expected one plain value here");
    const char *text = (const char *)node->data.scalar.value;
    for (size_t i = 0; i < node->data.scalar.length; i++)
        if (iscntrl((unsigned char)text[i]))
            return fault(r, node, "a control character cannot be part of a value");
    *out = text;
    return MR_OK;
}

static mr_status get_name(const reader *r, const yaml_node_t *node, size_t size, char *out) {
    const char *text = NULL;
    const mr_status status = get_text(r, node, &text);
    if (status != MR_OK)
        return status;
    if (text[0] == '\0' || strlen(text) >= size)
        return fault(r, node, "a name must have at least 1 byte and not so many");
    snprintf(out, size, "%s", text);
    return MR_OK;
}

// A number as YAML writes it: infinity is .inf there.
static mr_status get_number(const reader *r, const yaml_node_t *node, double *out) {
    const char *text = NULL;
    const mr_status status = get_text(r, node, &text);
    if (status != MR_OK)
        return status;
    const bool is_negative = text[0] == '-';
    if (strcmp(text + is_negative, ".inf") == 0 || strcmp(text + is_negative, "inf") == 0) {
        *out = is_negative ? -INFINITY : INFINITY;
        return MR_OK;
    }
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(*out) ||
        text[strspn(text, "0123456789+-.eE")] != '\0')
        return fault(r, node, "expected a number here, as in 0.1");
    return MR_OK;
}

static mr_status get_finite(const reader *r, const yaml_node_t *node, double *out) {
    const mr_status status = get_number(r, node, out);
    if (status == MR_OK && !isfinite(*out))
        return fault(r, node, "expected a finite number here, as in 0.1");
    return status;
}

static mr_status get_count(const reader *r, const yaml_node_t *node, double least, size_t *out) {
    double number;
    const mr_status status = get_number(r, node, &number);
    if (status != MR_OK)
        return status;
    if (number != floor(number) || number < least || number > 1e9)
        return fault(r, node,
                     least > 0.0 ? "expected a whole number from 1 to 1000000000 here"
                                 : "expected a whole number from 0 to 1000000000 here");
    *out = (size_t)number;
    return MR_OK;
}

static mr_status get_switch(const reader *r, const yaml_node_t *node, bool *out) {
    const char *text = NULL;
    const mr_status status = get_text(r, node, &text);
    if (status != MR_OK)
        return status;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return fault(r, node, "expected true or false here");
    *out = strcmp(text, "true") == 0;
    return MR_OK;
}

static mr_status get_range(reader *r, const yaml_node_t *node, mr_range *out) {
    mr_status status;
    if (node->type != YAML_SEQUENCE_NODE ||
        node->data.sequence.items.top - node->data.sequence.items.start != 2)
        return fault(r, node, "expected two numbers here, as in [0.2, 1.0] or [-.inf, 10]");
    const int *items = node->data.sequence.items.start;
    MR_TRY(get_number(r, node_at(r, items[0]), &out->low));
    MR_TRY(get_number(r, node_at(r, items[1]), &out->high));
    if (!(out->low < out->high))
        status = fault(r, node, "the first of the two numbers must be the smaller one");
done:
    return status;
}

// ---- Terms

enum { AXIS = 1, TO = 2, RADIUS = 4, NEEDS_OBJECT = 8, NEEDS_FIELD = 16 };

// What can be rewarded, told or held to a range, as descriptions call it.
typedef struct {
    const char *name;
    const char *option; // of its weight
    const mr_quantity *kind;
    // What it is about: of a body, of a site, of a joint; without any of them. NULL: not possible.
    const mr_field *of_body, *of_site, *of_joint, *of_all;
    size_t first, n;
    unsigned takes; // AXIS, ...
    bool cost;
} term_row;

static const term_row terms[] = {
    {"velocity", "velocity_weight", &mr_quantity_velocity, &mr_field_xpos, &mr_field_site_xpos,
     &mr_field_qpos, NULL, 0, 1, AXIS | NEEDS_OBJECT, false},
    {"height", "height_weight", &mr_quantity_value, &mr_field_xpos, &mr_field_site_xpos, NULL, NULL,
     2, 1, NEEDS_OBJECT, false},
    {"upright", "upright_weight", &mr_quantity_value, &mr_field_xmat, NULL, NULL, NULL, 8, 1,
     NEEDS_OBJECT, false},
    {"distance", "distance_weight", &mr_quantity_norm, &mr_field_xpos, &mr_field_site_xpos, NULL,
     NULL, 0, 0, TO | NEEDS_OBJECT, true},
    {"reached", "reached_weight", &mr_quantity_reached, &mr_field_xpos, &mr_field_site_xpos, NULL,
     NULL, 0, 0, TO | RADIUS | NEEDS_OBJECT, false},
    {"control_cost", "control_cost_weight", &mr_quantity_squares, NULL, NULL, NULL, &mr_field_ctrl,
     0, 0, 0, true},
    {"contact_cost", "contact_cost_weight", &mr_quantity_squares, &mr_field_cfrc_ext, NULL, NULL,
     &mr_field_cfrc_ext, 0, 0, 0, true},
    {"alive", "alive_weight", &mr_quantity_healthy, NULL, NULL, NULL, NULL, 0, 0, 0, false},
    {"constant", "constant_weight", &mr_quantity_one, NULL, NULL, NULL, NULL, 0, 0, 0, false},
    {"value", "value_weight", &mr_quantity_value, NULL, NULL, NULL, NULL, 0, 1, NEEDS_FIELD, false},
    {"squares", "squares_weight", &mr_quantity_squares, NULL, NULL, NULL, NULL, 0, 0, NEEDS_FIELD,
     false},
    {"norm", "norm_weight", &mr_quantity_norm, NULL, NULL, NULL, NULL, 0, 0, NEEDS_FIELD, false},
};

static const char *term_name_at(const void *table, size_t i) {
    return ((const term_row *)table)[i].name;
}

// Tables that end at NULL, whose rows begin with a name.
static const char *listed_name_at(const void *table, size_t i) {
    const char *const *const *rows = table;
    return *rows[i];
}

static size_t count_listed(const void *table) {
    const void *const *rows = table;
    size_t n = 0;
    while (rows[n] != NULL)
        n++;
    return n;
}

static mr_status find_listed(const reader *r, const yaml_node_t *node, const char *what,
                             const void *table, const void **out) {
    const char *text = NULL;
    const size_t n = count_listed(table);
    const mr_status status = get_text(r, node, &text);
    if (status != MR_OK)
        return status;
    for (size_t i = 0; i < n; i++)
        if (strcmp(listed_name_at(table, i), text) == 0) {
            *out = ((const void *const *)table)[i];
            return MR_OK;
        }
    return unknown(r, node, what, text, n, listed_name_at, table);
}

// ---- Entries of the lists

// One entry, as far as it has been read. Nodes are those of values, NULL where not given.
typedef struct {
    const yaml_node_t *whole;
    const term_row *term;
    const mr_field *field;
    mjtObj object_type;
    mr_object object, to;
    const yaml_node_t *object_node, *to_node, *term_node, *field_node, *axis_node, *radius_node;
    size_t first, count;
    const mr_map *map;
    mr_range clip, range, within;
    bool has_first, has_count, has_range, closed;
    double radius, weight;
    char name[MR_NAME_SIZE];
} entry;

static mr_status read_term(reader *r, const yaml_node_t *node, entry *e) {
    const char *text = NULL;
    const mr_status status = get_text(r, node, &text);
    if (status != MR_OK)
        return status;
    e->term_node = node;
    for (size_t i = 0; i < MR_COUNT(terms); i++)
        if (strcmp(terms[i].name, text) == 0) {
            e->term = &terms[i];
            return MR_OK;
        }
    return unknown(r, node, "term", text, MR_COUNT(terms), term_name_at, terms);
}

static mr_status read_field(reader *r, const yaml_node_t *node, entry *e) {
    const void *found = NULL;
    const mr_status status = find_listed(r, node, "field", mr_fields, &found);
    e->field = found;
    e->field_node = node;
    return status;
}

static mr_status read_function(reader *r, const yaml_node_t *node, entry *e) {
    const void *found = NULL;
    const mr_status status = find_listed(r, node, "function", mr_maps, &found);
    e->map = found;
    return status;
}

static mr_status read_object(reader *r, const yaml_node_t *node, mjtObj type, entry *e) {
    if (e->object_node != NULL)
        return fault(r, node, "an entry is about one object; keep one of them");
    e->object_type = type;
    e->object_node = node;
    return get_name(r, node, sizeof e->object.name, e->object.name);
}

static mr_status read_body(reader *r, const yaml_node_t *node, entry *e) {
    return read_object(r, node, mjOBJ_BODY, e);
}

static mr_status read_site(reader *r, const yaml_node_t *node, entry *e) {
    return read_object(r, node, mjOBJ_SITE, e);
}

static mr_status read_joint(reader *r, const yaml_node_t *node, entry *e) {
    return read_object(r, node, mjOBJ_JOINT, e);
}

static mr_status read_actuator(reader *r, const yaml_node_t *node, entry *e) {
    return read_object(r, node, mjOBJ_ACTUATOR, e);
}

static mr_status read_tendon(reader *r, const yaml_node_t *node, entry *e) {
    return read_object(r, node, mjOBJ_TENDON, e);
}

static mr_status read_sensor(reader *r, const yaml_node_t *node, entry *e) {
    return read_object(r, node, mjOBJ_SENSOR, e);
}

static mr_status read_to(reader *r, const yaml_node_t *node, entry *e) {
    e->to_node = node;
    return get_name(r, node, sizeof e->to.name, e->to.name);
}

static mr_status read_axis(reader *r, const yaml_node_t *node, entry *e) {
    const char *text = NULL;
    const mr_status status = get_text(r, node, &text);
    if (status != MR_OK)
        return status;
    if (strlen(text) != 1 || strchr("xyz", text[0]) == NULL)
        return fault(r, node, "an axis is x, y or z");
    e->axis_node = node;
    e->first = (size_t)(text[0] - 'x');
    e->has_first = true;
    return MR_OK;
}

static mr_status read_first(reader *r, const yaml_node_t *node, entry *e) {
    e->has_first = true;
    return get_count(r, node, 0.0, &e->first);
}

static mr_status read_count(reader *r, const yaml_node_t *node, entry *e) {
    e->has_count = true;
    return get_count(r, node, 1.0, &e->count);
}

static mr_status read_clip(reader *r, const yaml_node_t *node, entry *e) {
    return get_range(r, node, &e->clip);
}

static mr_status read_range(reader *r, const yaml_node_t *node, entry *e) {
    e->has_range = true;
    return get_range(r, node, &e->range);
}

static mr_status read_within(reader *r, const yaml_node_t *node, entry *e) {
    return get_range(r, node, &e->within);
}

static mr_status read_closed(reader *r, const yaml_node_t *node, entry *e) {
    return get_switch(r, node, &e->closed);
}

static mr_status read_radius(reader *r, const yaml_node_t *node, entry *e) {
    const mr_status status = get_finite(r, node, &e->radius);
    e->radius_node = node;
    if (status == MR_OK && !(e->radius > 0.0))
        return fault(r, node, "a radius is above 0");
    return status;
}

static mr_status read_weight(reader *r, const yaml_node_t *node, entry *e) {
    return get_finite(r, node, &e->weight);
}

static mr_status read_name(reader *r, const yaml_node_t *node, entry *e) {
    return get_name(r, node, sizeof e->name, e->name);
}

// The lists, as bits of those that a key may stand in.
enum { IN_OBSERVATION = 1, IN_REWARD = 2, IN_INFO = 4, IN_HEALTHY = 8, IN_ALL = 15 };

typedef struct {
    const char *name;
    unsigned lists;
    mr_status (*read)(reader *r, const yaml_node_t *node, entry *e);
} key_row;

static const key_row keys[] = {
    {"term", IN_ALL & ~(unsigned)IN_OBSERVATION, read_term},
    {"field", IN_ALL, read_field},
    {"body", IN_ALL, read_body},
    {"site", IN_ALL, read_site},
    {"joint", IN_ALL, read_joint},
    {"actuator", IN_ALL, read_actuator},
    {"tendon", IN_ALL, read_tendon},
    {"sensor", IN_ALL, read_sensor},
    {"to", IN_ALL, read_to},
    {"axis", IN_ALL, read_axis},
    {"first", IN_ALL, read_first},
    {"count", IN_ALL, read_count},
    {"function", IN_ALL, read_function},
    {"clip", IN_ALL, read_clip},
    {"radius", IN_ALL & ~(unsigned)IN_OBSERVATION, read_radius},
    {"weight", IN_REWARD, read_weight},
    {"within", IN_REWARD, read_within},
    {"name", IN_REWARD | IN_INFO, read_name},
    {"range", IN_HEALTHY, read_range},
    {"closed", IN_HEALTHY, read_closed},
};

// The names of the keys of one list.
typedef struct {
    size_t n;
    const char *names[MR_COUNT(keys)];
} key_names;

static const char *key_name_at(const void *table, size_t i) {
    return ((const key_names *)table)->names[i];
}

static mr_status read_key(reader *r, unsigned list, const yaml_node_t *key,
                          const yaml_node_t *value, unsigned *given, entry *e) {
    const char *text = NULL;
    key_names names = {0};
    const mr_status status = get_text(r, key, &text);
    if (status != MR_OK)
        return status;
    for (size_t i = 0; i < MR_COUNT(keys); i++) {
        if ((keys[i].lists & list) == 0)
            continue;
        names.names[names.n++] = keys[i].name;
        if (strcmp(keys[i].name, text) != 0)
            continue;
        if (*given & 1u << i)
            return fault(r, key, "this key is given twice; keep one");
        *given |= 1u << i;
        return keys[i].read(r, value, e);
    }
    return unknown(r, key, "key", text, names.n, key_name_at, &names);
}

static mr_status read_entry(reader *r, unsigned list, const yaml_node_t *node, entry *e) {
    mr_status status = MR_OK;
    unsigned given = 0;
    *e = (entry){.whole = node, .weight = 1.0};
    if (node->type != YAML_MAPPING_NODE)
        return fault(r, node, "expected an entry of the form {field: qpos, first: 1}");
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++)
        MR_TRY(read_key(r, list, node_at(r, pair->key), node_at(r, pair->value), &given, e));
done:
    return status;
}

// ---- From entries to slices and measures

static mr_status check_object(const reader *r, const mr_field *field, const mr_object *object,
                              const yaml_node_t *node) {
    int id;
    if (node == NULL)
        return MR_OK;
    if (mr_object_find(r->model, field->object, object->name, &id) != MR_OK)
        return fault(r, node, mr_error_message());
    return MR_OK;
}

static mr_status make_slice(const reader *r, const entry *e, const mr_field *field,
                            mr_slice *slice) {
    mr_status status;
    char cause[CAUSE_SIZE];

    if (e->object_node != NULL && e->object_type != field->object) {
        snprintf(cause, sizeof cause, "%s is of a %s, not of a %s", field->name,
                 mr_object_what(field->object), mr_object_what(e->object_type));
        return fault(r, e->object_node, cause);
    }
    if (e->to_node != NULL && e->object_node == NULL)
        return fault(r, e->to_node, "say from which object, as in {body: hand, to: goal}");
    MR_TRY(check_object(r, field, &e->object, e->object_node));
    MR_TRY(check_object(r, field, &e->to, e->to_node));
    *slice = (mr_slice){
        .field = field,
        .object = e->object,
        .minus = e->to,
        .first = e->first,
        .n = e->count,
        .map = e->map,
        .clip = e->clip,
    };
    if (mr_slice_resolve(r->model, slice) != MR_OK)
        status = fault(r, e->whole, mr_error_message());
    else if (slice->dim == 0)
        status = fault(r, e->whole, "the model has none of these");
done:
    return status;
}

// The field that a term is about, given an object or none.
static const mr_field *field_of(const term_row *term, const entry *e) {
    if (e->field != NULL)
        return e->field;
    if (e->object_node == NULL)
        return term->of_all;
    return e->object_type == mjOBJ_BODY    ? term->of_body
           : e->object_type == mjOBJ_SITE  ? term->of_site
           : e->object_type == mjOBJ_JOINT ? term->of_joint
                                           : NULL;
}

static mr_status check_term(const reader *r, const entry *e, const mr_field *field) {
    const term_row *term = e->term;
    char cause[CAUSE_SIZE] = "";
    if ((term->takes & NEEDS_FIELD) && e->field == NULL)
        snprintf(cause, sizeof cause, "%s needs a field, as in {term: %s, field: qvel}", term->name,
                 term->name);
    else if ((term->takes & NEEDS_OBJECT) && e->object_node == NULL && e->field == NULL)
        snprintf(cause, sizeof cause, "%s needs a body%s%s", term->name,
                 term->of_site != NULL ? " or site" : "",
                 term->of_joint != NULL ? " or joint" : "");
    else if (e->object_node != NULL && field == NULL)
        snprintf(cause, sizeof cause, "%s can't be about that kind of object", term->name);
    else if ((term->takes & TO) && e->to_node == NULL)
        snprintf(cause, sizeof cause, "%s needs to: where to, the name of another of the kind",
                 term->name);
    else if ((term->takes & RADIUS) && e->radius_node == NULL)
        snprintf(cause, sizeof cause, "%s needs a radius, within which it is", term->name);
    else if (e->radius_node != NULL && !(term->takes & RADIUS))
        snprintf(cause, sizeof cause, "%s has no radius", term->name);
    return cause[0] != '\0' ? fault(r, e->term_node, cause) : MR_OK;
}

// What an entry measures: its term, or the components of its field.
static mr_status make_measure(const reader *r, const entry *given, mr_measure *measure) {
    mr_status status = MR_OK;
    const term_row *term = given->term;
    entry e = *given;

    if (term == NULL && e.field == NULL)
        return fault(r, e.whole, "an entry needs a term or a field");
    const mr_field *field = term != NULL ? field_of(term, &e) : e.field;
    if (term != NULL) {
        MR_TRY(check_term(r, &e, field));
        e.first = e.has_first ? e.first : e.field == NULL ? term->first : 0;
        e.count = e.has_count ? e.count : term->n;
        measure->kind = term->kind;
        measure->range = (mr_range){0.0, e.radius};
    }
    if (field != NULL)
        MR_TRY(make_slice(r, &e, field, &measure->of));
done:
    return status;
}

// ---- The lists

static mr_status add_observation(reader *r, const entry *e, size_t i) {
    if (e->field == NULL)
        return fault(r, e->whole, "an observation needs a field, as in {field: qpos, first: 1}");
    return make_slice(r, e, e->field, &r->task->obs[i].of);
}

static mr_status add_reward(reader *r, const entry *e, size_t i) {
    mr_reward_term *term = &r->task->rewards[i];
    if (e->term == NULL)
        return fault(r, e->whole, "a reward needs a term, as in {term: control_cost, weight: 0.1}");
    const mr_status status = make_measure(r, e, &term->of);
    term->weight = e->weight;
    term->option = e->term->option;
    term->clip = e->within;
    term->cost = e->term->cost;
    snprintf(term->name, sizeof term->name, "%s", e->name[0] != '\0' ? e->name : e->term->name);
    return status;
}

static mr_status add_info(reader *r, const entry *e, size_t i) {
    mr_info_term *term = &r->task->infos[i];
    if (e->name[0] == '\0')
        return fault(r, e->whole, "an info needs a name");
    snprintf(term->name, sizeof term->name, "%s", e->name);
    return make_measure(r, e, &term->of);
}

static mr_status add_healthy(reader *r, const entry *e, size_t i) {
    mr_healthy_range *range = &r->task->healthy[i];
    if (!e->has_range)
        return fault(r, e->whole, "a condition needs a range, as in range: [0.2, 1.0]");
    if (e->term != NULL && (e->term->kind->before != NULL || e->term->kind == &mr_quantity_healthy))
        return fault(r, e->term_node, "this term can't be a condition of the state");
    range->range = e->range;
    range->closed = e->closed;
    r->task->terminate_when_unhealthy = true; // unless the file says otherwise, which is read later
    return make_measure(r, e, &range->of);
}

static mr_status read_list(reader *r, const yaml_node_t *node, unsigned list, size_t most,
                           mr_status (*add)(reader *r, const entry *e, size_t i)) {
    mr_status status = MR_OK;
    if (node->type != YAML_SEQUENCE_NODE)
        return fault(r, node, "expected a list here, its entries after \"- \"");
    const int *items = node->data.sequence.items.start;
    const size_t n = (size_t)(node->data.sequence.items.top - items);
    for (size_t i = 0; i < n; i++) {
        entry e;
        const yaml_node_t *item = node_at(r, items[i]);
        if (i >= most)
            return fault(r, item, "there is no room for so many entries");
        MR_TRY(read_entry(r, list, item, &e));
        MR_TRY(add(r, &e, i));
    }
done:
    return status;
}

// ---- The whole description

static mr_status read_summary(reader *r, const yaml_node_t *node) {
    return get_name(r, node, MR_ENV_TEXT_SIZE, r->summary);
}

static mr_status read_frame_skip(reader *r, const yaml_node_t *node) {
    return get_count(r, node, 1.0, &r->task->frame_skip);
}

static mr_status read_max_episode_steps(reader *r, const yaml_node_t *node) {
    return get_count(r, node, 0.0, &r->task->max_episode_steps);
}

static mr_status read_observation(reader *r, const yaml_node_t *node) {
    return read_list(r, node, IN_OBSERVATION, MR_MAX_OBS_PARTS, add_observation);
}

static mr_status read_reward(reader *r, const yaml_node_t *node) {
    return read_list(r, node, IN_REWARD, MR_MAX_REWARDS, add_reward);
}

static mr_status read_info(reader *r, const yaml_node_t *node) {
    return read_list(r, node, IN_INFO, MR_MAX_INFOS, add_info);
}

static mr_status read_healthy(reader *r, const yaml_node_t *node) {
    return read_list(r, node, IN_HEALTHY, MR_MAX_RANGES, add_healthy);
}

static mr_status read_terminate(reader *r, const yaml_node_t *node) {
    return get_switch(r, node, &r->task->terminate_when_unhealthy);
}

// {uniform: 0.1}
static mr_status get_noise(reader *r, const yaml_node_t *node, mr_noise *noise) {
    mr_status status;
    const void *kind = NULL;
    if (node->type != YAML_MAPPING_NODE ||
        node->data.mapping.pairs.top - node->data.mapping.pairs.start != 1)
        return fault(r, node, "expected {uniform: 0.1} or {normal: 0.1} here");
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    const yaml_node_t *scale = node_at(r, pair->value);
    MR_TRY(find_listed(r, node_at(r, pair->key), "noise", mr_noise_kinds, &kind));
    MR_TRY(get_finite(r, scale, &noise->scale));
    if (noise->scale < 0.0)
        MR_TRY(fault(r, scale, "a scale is not below 0"));
    noise->kind = kind;
    noise->option = "reset_noise_scale";
done:
    return status;
}

static const char *const noisy[] = {"qpos", "qvel"};

static const char *noisy_at(const void *table, size_t i) {
    return ((const char *const *)table)[i];
}

static mr_status read_reset_noise(reader *r, const yaml_node_t *node) {
    mr_status status = MR_OK;
    if (node->type != YAML_MAPPING_NODE)
        return fault(r, node, "expected {qpos: {uniform: 0.1}, qvel: {normal: 0.1}} here");
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = node_at(r, pair->key);
        const char *text = NULL;
        MR_TRY(get_text(r, key, &text));
        if (strcmp(text, noisy[0]) != 0 && strcmp(text, noisy[1]) != 0)
            return unknown(r, key, "key", text, MR_COUNT(noisy), noisy_at, noisy);
        mr_noise *noise = strcmp(text, noisy[0]) == 0 ? &r->task->qpos_noise : &r->task->qvel_noise;
        MR_TRY(get_noise(r, node_at(r, pair->value), noise));
    }
done:
    return status;
}

typedef struct {
    const char *name;
    mr_status (*read)(reader *r, const yaml_node_t *node);
    bool needed;
} section;

// In the order in which they are read, whatever the file's.
static const section sections[] = {
    {"summary", read_summary, false},
    {"frame_skip", read_frame_skip, false},
    {"max_episode_steps", read_max_episode_steps, false},
    {"observation", read_observation, true},
    {"reward", read_reward, true},
    {"info", read_info, false},
    {"healthy", read_healthy, false},
    {"terminate_when_unhealthy", read_terminate, false},
    {"reset_noise", read_reset_noise, false},
};

static const char *section_at(const void *table, size_t i) {
    return ((const section *)table)[i].name;
}

// Where the value of each section is; NULL: not given.
static mr_status find_sections(reader *r, const yaml_node_t *root,
                               const yaml_node_t *found[MR_COUNT(sections)]) {
    mr_status status = MR_OK;
    for (const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = node_at(r, pair->key);
        const char *text = NULL;
        size_t i = 0;
        MR_TRY(get_text(r, key, &text));
        while (i < MR_COUNT(sections) && strcmp(sections[i].name, text) != 0)
            i++;
        if (i == MR_COUNT(sections))
            return unknown(r, key, "key", text, MR_COUNT(sections), section_at, sections);
        if (found[i] != NULL)
            return fault(r, key, "this key is given twice; keep one");
        found[i] = node_at(r, pair->value);
    }
done:
    return status;
}

static mr_status read_document(reader *r) {
    mr_status status;
    const yaml_node_t *found[MR_COUNT(sections)] = {0};
    const yaml_node_t *root = yaml_document_get_root_node(&r->document);
    if (root == NULL)
        return mr_fail(MR_ERR_INPUT, "%s: is empty; docs/environments.md says what a task needs",
                       r->path);
    if (root->type != YAML_MAPPING_NODE)
        return fault(r, root, "expected lines of the form `name: value`");
    MR_TRY(find_sections(r, root, found));
    for (size_t i = 0; i < MR_COUNT(sections); i++) {
        if (found[i] != NULL)
            MR_TRY(sections[i].read(r, found[i]));
        const bool is_empty = found[i] == NULL || (found[i]->type == YAML_SEQUENCE_NODE &&
                                                   found[i]->data.sequence.items.top ==
                                                       found[i]->data.sequence.items.start);
        if (sections[i].needed && is_empty)
            return mr_fail(MR_ERR_INPUT, "%s: has no %s; docs/environments.md says what goes there",
                           r->path, sections[i].name);
    }
done:
    return status;
}

static mr_status parser_fault(const char *path, const yaml_parser_t *parser) {
    if (parser->error == YAML_MEMORY_ERROR)
        return mr_fail_memory("a task");
    const bool marked = parser->error != YAML_READER_ERROR;
    const yaml_mark_t mark = marked ? parser->problem_mark : parser->mark;
    return mr_fail(MR_ERR_INPUT, "%s:%zu:%zu: %s", path, mark.line + 1, mark.column + 1,
                   parser->problem);
}

mr_status mr_task_read_yaml(const char *path, const mjModel *model, mr_task *task, char *summary) {
    mr_status status;
    char *text = NULL;
    size_t n_bytes;
    yaml_parser_t parser;
    mr_task read = {.frame_skip = 1, .max_episode_steps = 1000};
    reader r = {.path = path, .model = model, .task = &read, .summary = summary};

    MR_TRY(mr_file_read(path, &text, &n_bytes));
    if (!yaml_parser_initialize(&parser)) {
        status = mr_fail_memory("a task");
        goto done;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n_bytes);
    summary[0] = '\0';
    if (yaml_parser_load(&parser, &r.document)) {
        status = read_document(&r);
        yaml_document_delete(&r.document);
    } else {
        status = parser_fault(path, &parser);
    }
    yaml_parser_delete(&parser);
    if (status == MR_OK)
        *task = read;
done:
    free(text);
    return status;
}
