// Tasks in YAML, read with libyaml.

#include "envs/mujoco/task_file.h"

#include "envs/mujoco/start.h"
#include "envs/mujoco/task_entry_internal.h"
#include "envs/mujoco/terms.h"

#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- The lists

// The entries of a list: what each becomes may depend on the others.
typedef struct {
    size_t n;
    const mr_task_entry *rows;
} entry_list;

static mr_status add_observation(mr_yaml_reader *r, const entry_list *list, size_t i) {
    const mr_task_entry *e = &list->rows[i];
    if (e->field == NULL)
        return mr_yaml_fault(r, e->whole,
                             "an observation needs a field, as in {field: qpos, first: 1}");
    return mr_entry_slice(r, e, e->field, &r->task->obs.rows[i].of);
}

// A reward has its own name or, without one, the term's: "distance", or "distance_1" and so on if
// several of the term have no name.
static void name_reward(const entry_list *list, size_t i, char name[MR_NAME_SIZE]) {
    const mr_task_entry *e = &list->rows[i];
    size_t n = 0, n_before = 0;
    for (size_t k = 0; k < list->n; k++)
        if (list->rows[k].name[0] == '\0' && list->rows[k].term == e->term) {
            n++;
            n_before += k < i;
        }
    if (e->name[0] != '\0')
        snprintf(name, MR_NAME_SIZE, "%s", e->name);
    else if (n > 1)
        snprintf(name, MR_NAME_SIZE, "%s_%zu", e->term->name, n_before + 1);
    else
        snprintf(name, MR_NAME_SIZE, "%s", e->term->name);
}

// Options and info are found by their names, so that each has its own.
static mr_status check_name(const mr_yaml_reader *r, const mr_task_entry *e, const char *name,
                            size_t n_rewards, size_t n_infos) {
    char cause[MR_NAME_SIZE + 80];
    bool is_taken = false;
    for (size_t i = 0; i < n_rewards; i++)
        is_taken = is_taken || strcmp(r->task->rewards.rows[i].name, name) == 0;
    for (size_t i = 0; i < n_infos; i++)
        is_taken = is_taken || strcmp(r->task->infos.rows[i].name, name) == 0;
    if (!is_taken)
        return MR_OK;
    snprintf(cause, sizeof cause, "another entry is called \"%s\"; give this one a name of its own",
             name);
    return mr_yaml_fault(r, e->whole, cause);
}

static mr_status add_reward(mr_yaml_reader *r, const entry_list *list, size_t i) {
    mr_status status;
    const mr_task_entry *e = &list->rows[i];
    mr_reward_term *term = &r->task->rewards.rows[i];
    if (e->term == NULL)
        return mr_yaml_fault(r, e->whole,
                             "a reward needs a term, as in {term: control_cost, weight: 0.1}");
    name_reward(list, i, term->name);
    MR_TRY(check_name(r, e, term->name, i, 0));
    MR_TRY(mr_entry_measure(r, e, &term->of));
    snprintf(term->option, sizeof term->option, "%s_weight", term->name);
    term->alias = e->term->option;
    term->weight = e->weight;
    term->shape = e->shape;
    term->clip = e->within;
    term->cost = e->term->cost && e->shape.kind == NULL; // a shape is worth something near 0
done:
    return status;
}

static mr_status add_info(mr_yaml_reader *r, const entry_list *list, size_t i) {
    const mr_task_entry *e = &list->rows[i];
    mr_info_term *term = &r->task->infos.rows[i];
    if (e->name[0] == '\0')
        return mr_yaml_fault(r, e->whole, "an info needs a name");
    const mr_status status = check_name(r, e, e->name, r->task->rewards.n, i);
    if (status != MR_OK)
        return status;
    snprintf(term->name, sizeof term->name, "%s", e->name);
    return mr_entry_measure(r, e, &term->of);
}

static mr_status add_healthy(mr_yaml_reader *r, const entry_list *list, size_t i) {
    const mr_task_entry *e = &list->rows[i];
    mr_healthy_range *range = &r->task->healthy.rows[i];
    if (!e->has_range)
        return mr_yaml_fault(r, e->whole, "a condition needs a range, as in range: [0.2, 1.0]");
    if (e->term != NULL && (e->term->kind->before != NULL || e->term->kind == &mr_quantity_healthy))
        return mr_yaml_fault(r, e->term_node, "this term can't be a condition of the state");
    range->range = e->range;
    range->closed = e->closed;
    r->task->terminate_when_unhealthy = true; // unless the file says otherwise, which is read later
    return mr_entry_measure(r, e, &range->of);
}

static mr_status add_goal(mr_yaml_reader *r, const entry_list *list, size_t i) {
    const mr_task_entry *e = &list->rows[i];
    mr_goal *goal = &r->task->goals.rows[i];
    const bool has_box = e->has_box[0] || e->has_box[1] || e->has_box[2];
    const bool is_joint = e->object_type == mjOBJ_JOINT;
    if (e->object_node == NULL)
        return mr_yaml_fault(
            r, e->whole, "a goal needs a body, site or joint, as in {body: target, x: [-1, 1]}");
    if (is_joint && (!e->has_range || has_box))
        return mr_yaml_fault(r, e->whole, "the goal of a joint has a range: range: [-1.5, 1.5]");
    if (!is_joint && (!has_box || e->has_range))
        return mr_yaml_fault(r, e->whole,
                             "the goal of a body or site has a box: x: [-1, 1], y: [-1, 1]");
    if (is_joint && !(isfinite(e->range.low) && isfinite(e->range.high)))
        return mr_yaml_fault(r, e->whole, "a goal's range is finite, as in range: [-1.5, 1.5]");
    *goal = (mr_goal){.object = e->object_type};
    snprintf(goal->name, sizeof goal->name, "%s", e->object.name);
    memcpy(goal->is_drawn, e->has_box, sizeof goal->is_drawn);
    memcpy(goal->box, e->box, sizeof goal->box);
    if (is_joint) {
        goal->is_drawn[0] = true;
        goal->box[0] = e->range;
    }
    if (mr_goal_resolve(r->model, goal) != MR_OK)
        return mr_yaml_fault(r, e->object_node, mr_error_message());
    return MR_OK;
}

static mr_status add_joint_noise(mr_yaml_reader *r, const entry_list *list, size_t i) {
    int id;
    const mr_task_entry *e = &list->rows[i];
    mr_joint_noise *own = &r->task->joint_noises.rows[i];
    if (e->object_node == NULL)
        return mr_yaml_fault(r, e->whole,
                             "expected a joint, as in {joint: hip, qpos: {normal: 1}}");
    if (mr_object_find(r->model, mjOBJ_JOINT, e->object.name, &id) != MR_OK)
        return mr_yaml_fault(r, e->object_node, mr_error_message());
    *own = (mr_joint_noise){.qpos = e->qpos, .qvel = e->qvel};
    snprintf(own->joint, sizeof own->joint, "%s", e->object.name);
    return MR_OK;
}

// Reads a list, each of whose entries `add` makes a row of; `rows` has room for them.
static mr_status read_list(mr_yaml_reader *r, const yaml_node_t *node, unsigned list,
                           const void *rows,
                           mr_status (*add)(mr_yaml_reader *r, const entry_list *list, size_t i)) {
    mr_status status = MR_OK;
    const size_t n = mr_yaml_length(node);
    mr_task_entry *entries = calloc(n + 1, sizeof *entries);
    const entry_list read = {n, entries};

    if (entries == NULL || rows == NULL)
        MR_TRY(mr_fail_memory("a task"));
    if (node->type != YAML_SEQUENCE_NODE)
        MR_TRY(mr_yaml_fault(r, node, "expected a list here, its entries after \"- \""));
    for (size_t i = 0; i < n; i++)
        MR_TRY(mr_entry_read(r, list, mr_yaml_node(r, node->data.sequence.items.start[i]),
                             &entries[i]));
    for (size_t i = 0; i < n; i++)
        MR_TRY(add(r, &read, i));
done:
    free(entries);
    return status;
}

// ---- The whole description

static mr_status read_summary(mr_yaml_reader *r, const yaml_node_t *node) {
    return mr_yaml_name(r, node, MR_OPTION_MAX_TEXT, r->summary);
}

static mr_status read_frame_skip(mr_yaml_reader *r, const yaml_node_t *node) {
    return mr_yaml_count(r, node, 1.0, &r->task->frame_skip);
}

static mr_status read_max_episode_steps(mr_yaml_reader *r, const yaml_node_t *node) {
    return mr_yaml_count(r, node, 0.0, &r->task->max_episode_steps);
}

// Room for a row of `size` bytes for each entry of a list, in a task that is new; NULL: no memory.
static void *new_rows(const yaml_node_t *node, size_t size, size_t *n) {
    *n = mr_yaml_length(node);
    return calloc(*n + 1, size);
}

static mr_status read_observation(mr_yaml_reader *r, const yaml_node_t *node) {
    mr_obs_parts *list = &r->task->obs;
    list->rows = new_rows(node, sizeof *list->rows, &list->n);
    return read_list(r, node, MR_IN_OBSERVATION, list->rows, add_observation);
}

static mr_status read_reward(mr_yaml_reader *r, const yaml_node_t *node) {
    mr_reward_terms *list = &r->task->rewards;
    list->rows = new_rows(node, sizeof *list->rows, &list->n);
    return read_list(r, node, MR_IN_REWARD, list->rows, add_reward);
}

static mr_status read_info(mr_yaml_reader *r, const yaml_node_t *node) {
    mr_info_terms *list = &r->task->infos;
    list->rows = new_rows(node, sizeof *list->rows, &list->n);
    return read_list(r, node, MR_IN_INFO, list->rows, add_info);
}

static mr_status read_healthy(mr_yaml_reader *r, const yaml_node_t *node) {
    mr_healthy_ranges *list = &r->task->healthy;
    list->rows = new_rows(node, sizeof *list->rows, &list->n);
    return read_list(r, node, MR_IN_HEALTHY, list->rows, add_healthy);
}

static mr_status read_goals(mr_yaml_reader *r, const yaml_node_t *node) {
    mr_goals *list = &r->task->goals;
    list->rows = new_rows(node, sizeof *list->rows, &list->n);
    return read_list(r, node, MR_IN_GOALS, list->rows, add_goal);
}

static mr_status read_joints(mr_yaml_reader *r, const yaml_node_t *node) {
    mr_joint_noises *list = &r->task->joint_noises;
    list->rows = new_rows(node, sizeof *list->rows, &list->n);
    return read_list(r, node, MR_IN_JOINTS, list->rows, add_joint_noise);
}

static mr_status read_terminate(mr_yaml_reader *r, const yaml_node_t *node) {
    return mr_yaml_switch(r, node, &r->task->terminate_when_unhealthy);
}

static mr_status read_keyframe(mr_yaml_reader *r, const yaml_node_t *node) {
    int id;
    mr_object *keyframe = &r->task->keyframe;
    const mr_status status = mr_yaml_name(r, node, sizeof keyframe->name, keyframe->name);
    if (status != MR_OK)
        return status;
    if (mr_object_find(r->model, mjOBJ_KEY, keyframe->name, &id) != MR_OK)
        return mr_yaml_fault(r, node, mr_error_message());
    return MR_OK;
}

static mr_status read_default_ctrlrange(mr_yaml_reader *r, const yaml_node_t *node) {
    return mr_yaml_finite_range(r, node, &r->task->ctrl_range);
}

// ---- Noise of the start

static mr_status read_scaled_noise(mr_yaml_reader *r, const yaml_node_t *node, mr_noise *noise) {
    noise->option = "reset_noise_scale";
    return mr_yaml_noise(r, node, noise);
}

static mr_status read_qpos(mr_yaml_reader *r, const yaml_node_t *node) {
    return read_scaled_noise(r, node, &r->task->qpos_noise);
}

static mr_status read_qvel(mr_yaml_reader *r, const yaml_node_t *node) {
    return read_scaled_noise(r, node, &r->task->qvel_noise);
}

// ---- Sections: keys of the file, and of reset_noise

typedef struct {
    const char *name;
    mr_status (*read)(mr_yaml_reader *r, const yaml_node_t *node);
    bool needed;
} section;

enum { MAX_SECTIONS = 16 };

static const char *section_at(const void *table, size_t i) {
    return ((const section *)table)[i].name;
}

// The value of each section; NULL: not given.
static mr_status find_sections(mr_yaml_reader *r, const yaml_node_t *mapping, size_t n,
                               const section *sections, const yaml_node_t *found[]) {
    mr_status status = MR_OK;
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = mr_yaml_node(r, pair->key);
        const char *text = NULL;
        size_t i = 0;
        MR_TRY(mr_yaml_text(r, key, &text));
        while (i < n && strcmp(sections[i].name, text) != 0)
            i++;
        if (i == n)
            return mr_yaml_unknown(r, key, "key", text, n, section_at, sections);
        if (found[i] != NULL)
            return mr_yaml_fault(r, key, "this key is given twice; keep one");
        found[i] = mr_yaml_node(r, pair->value);
    }
done:
    return status;
}

static bool is_empty_list(const yaml_node_t *node) {
    return node->type == YAML_SEQUENCE_NODE && mr_yaml_length(node) == 0;
}

// Reads the sections in the order of the table, whatever the file's.
static mr_status read_sections(mr_yaml_reader *r, const yaml_node_t *mapping, size_t n,
                               const section *sections) {
    mr_status status;
    const yaml_node_t *found[MAX_SECTIONS] = {0};

    MR_TRY(find_sections(r, mapping, n, sections, found));
    for (size_t i = 0; i < n; i++) {
        if (found[i] != NULL)
            MR_TRY(sections[i].read(r, found[i]));
        if (sections[i].needed && (found[i] == NULL || is_empty_list(found[i])))
            return mr_fail(MR_ERR_INPUT, "%s: has no %s; docs/environments.md says what goes there",
                           r->path, sections[i].name);
    }
done:
    return status;
}

static const section noise_sections[] = {
    {"qpos", read_qpos, false},
    {"qvel", read_qvel, false},
    {"joints", read_joints, false},
};

static mr_status read_reset_noise(mr_yaml_reader *r, const yaml_node_t *node) {
    if (node->type != YAML_MAPPING_NODE)
        return mr_yaml_fault(r, node, "expected {qpos: {uniform: 0.1}, qvel: {normal: 0.1}} here");
    return read_sections(r, node, MR_COUNT(noise_sections), noise_sections);
}

static const section sections[] = {
    {"summary", read_summary, false},
    {"frame_skip", read_frame_skip, false},
    {"max_episode_steps", read_max_episode_steps, false},
    {"default_ctrlrange", read_default_ctrlrange, false},
    {"observation", read_observation, true},
    {"reward", read_reward, true},
    {"info", read_info, false},
    {"healthy", read_healthy, false},
    {"terminate_when_unhealthy", read_terminate, false},
    {"keyframe", read_keyframe, false},
    {"reset_noise", read_reset_noise, false},
    {"goals", read_goals, false},
};

_Static_assert(MR_COUNT(sections) <= MAX_SECTIONS && MR_COUNT(noise_sections) <= MAX_SECTIONS,
               "found has room for all sections");

static mr_status read_document(mr_yaml_reader *r) {
    const yaml_node_t *root = yaml_document_get_root_node(&r->document);
    if (root == NULL)
        return mr_fail(MR_ERR_INPUT, "%s: is empty; docs/environments.md says what a task needs",
                       r->path);
    if (root->type != YAML_MAPPING_NODE)
        return mr_yaml_fault(r, root, "expected lines of the form `name: value`");
    return read_sections(r, root, MR_COUNT(sections), sections);
}

static mr_status parser_fault(const char *path, const yaml_parser_t *parser) {
    if (parser->error == YAML_MEMORY_ERROR || parser->problem == NULL) // libyaml may not say which
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
    mr_yaml_reader r = {.path = path, .model = model, .task = &read, .summary = summary};

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
    else
        mr_task_free(&read);
done:
    free(text);
    return status;
}
