// Tasks in YAML, read with libyaml.

#include "envs/mujoco/task_yaml.h"

#include "envs/mujoco/task_entry_inside.h"
#include "envs/mujoco/terms.h"

#include "nn/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- The lists

static mr_status add_observation(mr_yaml_reader *r, const mr_task_entry *e, size_t i) {
    if (e->field == NULL)
        return mr_yaml_fault(r, e->whole,
                             "an observation needs a field, as in {field: qpos, first: 1}");
    return mr_entry_slice(r, e, e->field, &r->task->obs[i].of);
}

static mr_status add_reward(mr_yaml_reader *r, const mr_task_entry *e, size_t i) {
    mr_reward_term *term = &r->task->rewards[i];
    if (e->term == NULL)
        return mr_yaml_fault(r, e->whole,
                             "a reward needs a term, as in {term: control_cost, weight: 0.1}");
    const mr_status status = mr_entry_measure(r, e, &term->of);
    term->weight = e->weight;
    term->option = e->term->option;
    term->clip = e->within;
    term->cost = e->term->cost;
    snprintf(term->name, sizeof term->name, "%s", e->name[0] != '\0' ? e->name : e->term->name);
    return status;
}

static mr_status add_info(mr_yaml_reader *r, const mr_task_entry *e, size_t i) {
    mr_info_term *term = &r->task->infos[i];
    if (e->name[0] == '\0')
        return mr_yaml_fault(r, e->whole, "an info needs a name");
    snprintf(term->name, sizeof term->name, "%s", e->name);
    return mr_entry_measure(r, e, &term->of);
}

static mr_status add_healthy(mr_yaml_reader *r, const mr_task_entry *e, size_t i) {
    mr_healthy_range *range = &r->task->healthy[i];
    if (!e->has_range)
        return mr_yaml_fault(r, e->whole, "a condition needs a range, as in range: [0.2, 1.0]");
    if (e->term != NULL && (e->term->kind->before != NULL || e->term->kind == &mr_quantity_healthy))
        return mr_yaml_fault(r, e->term_node, "this term can't be a condition of the state");
    range->range = e->range;
    range->closed = e->closed;
    r->task->terminate_when_unhealthy = true; // unless the file says otherwise, which is read later
    return mr_entry_measure(r, e, &range->of);
}

static mr_status read_list(mr_yaml_reader *r, const yaml_node_t *node, unsigned list, size_t most,
                           mr_status (*add)(mr_yaml_reader *r, const mr_task_entry *e, size_t i)) {
    mr_status status = MR_OK;
    if (node->type != YAML_SEQUENCE_NODE)
        return mr_yaml_fault(r, node, "expected a list here, its entries after \"- \"");
    const int *items = node->data.sequence.items.start;
    const size_t n = (size_t)(node->data.sequence.items.top - items);
    for (size_t i = 0; i < n; i++) {
        mr_task_entry e;
        const yaml_node_t *item = mr_yaml_node(r, items[i]);
        if (i >= most)
            return mr_yaml_fault(r, item, "there is no room for so many entries");
        MR_TRY(mr_entry_read(r, list, item, &e));
        MR_TRY(add(r, &e, i));
    }
done:
    return status;
}

// ---- The whole description

static mr_status read_summary(mr_yaml_reader *r, const yaml_node_t *node) {
    return mr_yaml_name(r, node, MR_ENV_TEXT_SIZE, r->summary);
}

static mr_status read_frame_skip(mr_yaml_reader *r, const yaml_node_t *node) {
    return mr_yaml_count(r, node, 1.0, &r->task->frame_skip);
}

static mr_status read_max_episode_steps(mr_yaml_reader *r, const yaml_node_t *node) {
    return mr_yaml_count(r, node, 0.0, &r->task->max_episode_steps);
}

static mr_status read_observation(mr_yaml_reader *r, const yaml_node_t *node) {
    return read_list(r, node, MR_IN_OBSERVATION, MR_MAX_OBS_PARTS, add_observation);
}

static mr_status read_reward(mr_yaml_reader *r, const yaml_node_t *node) {
    return read_list(r, node, MR_IN_REWARD, MR_MAX_REWARDS, add_reward);
}

static mr_status read_info(mr_yaml_reader *r, const yaml_node_t *node) {
    return read_list(r, node, MR_IN_INFO, MR_MAX_INFOS, add_info);
}

static mr_status read_healthy(mr_yaml_reader *r, const yaml_node_t *node) {
    return read_list(r, node, MR_IN_HEALTHY, MR_MAX_RANGES, add_healthy);
}

static mr_status read_terminate(mr_yaml_reader *r, const yaml_node_t *node) {
    return mr_yaml_switch(r, node, &r->task->terminate_when_unhealthy);
}

// {uniform: 0.1}
static mr_status get_noise(mr_yaml_reader *r, const yaml_node_t *node, mr_noise *noise) {
    mr_status status;
    const void *kind = NULL;
    if (node->type != YAML_MAPPING_NODE ||
        node->data.mapping.pairs.top - node->data.mapping.pairs.start != 1)
        return mr_yaml_fault(r, node, "expected {uniform: 0.1} or {normal: 0.1} here");
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    const yaml_node_t *scale = mr_yaml_node(r, pair->value);
    MR_TRY(mr_yaml_listed(r, mr_yaml_node(r, pair->key), "noise", mr_noise_kinds, &kind));
    MR_TRY(mr_yaml_number(r, scale, &noise->scale));
    if (noise->scale < 0.0)
        MR_TRY(mr_yaml_fault(r, scale, "a scale is not below 0"));
    noise->kind = kind;
    noise->option = "reset_noise_scale";
done:
    return status;
}

static const char *const noisy[] = {"qpos", "qvel"};

static const char *noisy_at(const void *table, size_t i) {
    return ((const char *const *)table)[i];
}

static mr_status read_reset_noise(mr_yaml_reader *r, const yaml_node_t *node) {
    mr_status status = MR_OK;
    if (node->type != YAML_MAPPING_NODE)
        return mr_yaml_fault(r, node, "expected {qpos: {uniform: 0.1}, qvel: {normal: 0.1}} here");
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = mr_yaml_node(r, pair->key);
        const char *text = NULL;
        MR_TRY(mr_yaml_text(r, key, &text));
        if (strcmp(text, noisy[0]) != 0 && strcmp(text, noisy[1]) != 0)
            return mr_yaml_unknown(r, key, "key", text, MR_COUNT(noisy), noisy_at, noisy);
        mr_noise *noise = strcmp(text, noisy[0]) == 0 ? &r->task->qpos_noise : &r->task->qvel_noise;
        MR_TRY(get_noise(r, mr_yaml_node(r, pair->value), noise));
    }
done:
    return status;
}

typedef struct {
    const char *name;
    mr_status (*read)(mr_yaml_reader *r, const yaml_node_t *node);
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
static mr_status find_sections(mr_yaml_reader *r, const yaml_node_t *root,
                               const yaml_node_t *found[MR_COUNT(sections)]) {
    mr_status status = MR_OK;
    for (const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = mr_yaml_node(r, pair->key);
        const char *text = NULL;
        size_t i = 0;
        MR_TRY(mr_yaml_text(r, key, &text));
        while (i < MR_COUNT(sections) && strcmp(sections[i].name, text) != 0)
            i++;
        if (i == MR_COUNT(sections))
            return mr_yaml_unknown(r, key, "key", text, MR_COUNT(sections), section_at, sections);
        if (found[i] != NULL)
            return mr_yaml_fault(r, key, "this key is given twice; keep one");
        found[i] = mr_yaml_node(r, pair->value);
    }
done:
    return status;
}

static mr_status read_document(mr_yaml_reader *r) {
    mr_status status;
    const yaml_node_t *found[MR_COUNT(sections)] = {0};
    const yaml_node_t *root = yaml_document_get_root_node(&r->document);
    if (root == NULL)
        return mr_fail(MR_ERR_INPUT, "%s: is empty; docs/environments.md says what a task needs",
                       r->path);
    if (root->type != YAML_MAPPING_NODE)
        return mr_yaml_fault(r, root, "expected lines of the form `name: value`");
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
done:
    free(text);
    return status;
}
