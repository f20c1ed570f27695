// Reading the file of a sweep with libyaml.

#include "cli/sweep/sweep_file.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "base/nearest.h"
#include "base/number.h"

enum { TEXT_SIZE = 1100 };

typedef struct {
    mr_sweep_file *file;
    yaml_document_t document;
} reader;

// ---- Nodes

static mr_status fault(const reader *r, const yaml_node_t *node, const char *what) {
    return mr_fail(MR_ERR_INPUT, "%s:%zu:%zu: %s", r->file->path, node->start_mark.line + 1,
                   node->start_mark.column + 1, what);
}

static yaml_node_t *node_at(reader *r, int index) {
    return yaml_document_get_node(&r->document, index);
}

static size_t length_of(const yaml_node_t *list) {
    return (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
}

static yaml_node_t *item_of(reader *r, const yaml_node_t *list, size_t i) {
    return node_at(r, list->data.sequence.items.start[i]);
}

static size_t n_pairs_of(const yaml_node_t *mapping) {
    return (size_t)(mapping->data.mapping.pairs.top - mapping->data.mapping.pairs.start);
}

static void pair_of(reader *r, const yaml_node_t *mapping, size_t i, yaml_node_t **key,
                    yaml_node_t **value) {
    *key = node_at(r, mapping->data.mapping.pairs.start[i].key);
    *value = node_at(r, mapping->data.mapping.pairs.start[i].value);
}

static mr_status keep(reader *r, const char *text, const char **out) {
    *out = mr_arena_text(r->file->arena, text);
    return *out ? MR_OK : mr_fail_memory("the sweep");
}

static void *allocate(reader *r, size_t n, size_t size) {
    return mr_arena_alloc(r->file->arena, (n > 0 ? n : 1) * size);
}

// A plain value, or a list of them as a,b,c (widths: [64, 64]).
static mr_status read_text(reader *r, const yaml_node_t *node, const char **out) {
    char text[TEXT_SIZE] = "";
    size_t n = 0;
    if (node->type == YAML_SCALAR_NODE) {
        if (strlen((const char *)node->data.scalar.value) != node->data.scalar.length)
            return fault(r, node, "a zero byte cannot be part of a value");
        return keep(r, (const char *)node->data.scalar.value, out);
    }
    if (node->type != YAML_SEQUENCE_NODE)
        return fault(r, node, "expected one value here, as in `gamma: 0.98`");
    for (size_t i = 0; i < length_of(node); i++) {
        const yaml_node_t *item = item_of(r, node, i);
        if (item->type != YAML_SCALAR_NODE)
            return fault(r, item, "expected a number in the list");
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i > 0 ? "," : "",
                              (const char *)item->data.scalar.value);
        if (n >= sizeof text)
            return fault(r, item, "the list is too long");
    }
    return keep(r, text, out);
}

static mr_status read_number(reader *r, const yaml_node_t *node, double *out) {
    const char *text = node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : "";
    char *end;
    *out = mr_number_read(text, &end);
    return end != text && *end == '\0' && isfinite(*out)
               ? MR_OK
               : fault(r, node, "expected a number here, as in 0.1");
}

static mr_status read_count(reader *r, const yaml_node_t *node, double least, double most,
                            size_t *out) {
    char what[128];
    double number;
    const mr_status status = read_number(r, node, &number);
    snprintf(what, sizeof what, "expected a whole number from %.0f to %.0f here", least, most);
    if (status != MR_OK || number != floor(number) || number < least || number > most)
        return fault(r, node, what);
    *out = (size_t)number;
    return MR_OK;
}

static mr_status read_where(reader *r, const yaml_node_t *node, const char *name,
                            const char **out) {
    char where[TEXT_SIZE];
    snprintf(where, sizeof where, "%s:%zu:%zu: %s", r->file->path, node->start_mark.line + 1,
             node->start_mark.column + 1, name);
    return keep(r, where, out);
}

// ---- Entries of the file

static mr_status expect_mapping(const reader *r, const yaml_node_t *node, const char *what) {
    return node->type == YAML_MAPPING_NODE ? MR_OK : fault(r, node, what);
}

static mr_status read_values(reader *r, const yaml_node_t *node, size_t *n, mr_sweep_value **out) {
    mr_status status;
    yaml_node_t *key, *value;
    MR_TRY(expect_mapping(r, node, "expected lines of the form `name: value` here"));
    *n = n_pairs_of(node);
    *out = allocate(r, *n, sizeof **out);
    if (!*out)
        return mr_fail_memory("the sweep");
    for (size_t i = 0; i < *n; i++) {
        pair_of(r, node, i, &key, &value);
        MR_TRY(read_text(r, key, &(*out)[i].name));
        MR_TRY(read_text(r, value, &(*out)[i].text));
        MR_TRY(read_where(r, value, (*out)[i].name, &(*out)[i].where));
    }
done:
    return status;
}

static mr_status read_settings(reader *r, const yaml_node_t *node) {
    return read_values(r, node, &r->file->n_fixed, &r->file->fixed);
}

// An option of sbatch becomes a line of a script.
static mr_status check_slurm(const mr_sweep_value *option) {
    const char *letters = "abcdefghijklmnopqrstuvwxyz0123456789-";
    if (option->name[0] == '\0' || option->name[strspn(option->name, letters)] != '\0')
        return mr_fail(MR_ERR_INPUT,
                       "%s: not the long name of an option of sbatch, as in `mem: 2G`",
                       option->where);
    for (const char *c = option->text; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c))
            return mr_fail(MR_ERR_INPUT,
                           "%s: a line break or another control character cannot be part of it",
                           option->where);
    return MR_OK;
}

static mr_status read_slurm(reader *r, const yaml_node_t *node) {
    mr_status status;
    MR_TRY(read_values(r, node, &r->file->n_slurm, &r->file->slurm));
    for (size_t i = 0; i < r->file->n_slurm; i++)
        MR_TRY(check_slurm(&r->file->slurm[i]));
done:
    return status;
}

static mr_status read_list(reader *r, const yaml_node_t *node, mr_sweep_axis *axis) {
    mr_status status = MR_OK;
    axis->n_values = node->type == YAML_SEQUENCE_NODE ? length_of(node) : 0;
    if (axis->n_values == 0)
        return fault(r, node, "expected a list of values here, as in [0.98, 0.99]");
    axis->values = allocate(r, axis->n_values, sizeof *axis->values);
    if (!axis->values)
        return mr_fail_memory("the sweep");
    for (size_t i = 0; i < axis->n_values; i++)
        MR_TRY(read_text(r, item_of(r, node, i), &axis->values[i]));
done:
    return status;
}

static mr_status read_interval(reader *r, const yaml_node_t *node, mr_sweep_axis *axis) {
    mr_status status;
    if (node->type != YAML_SEQUENCE_NODE || length_of(node) != 2)
        return fault(r, node, "expected two numbers here, as in [1e-5, 1e-2]");
    MR_TRY(read_number(r, item_of(r, node, 0), &axis->low));
    MR_TRY(read_number(r, item_of(r, node, 1), &axis->high));
    if (!(axis->low < axis->high))
        return fault(r, node, "the first of the two numbers must be the smaller one");
    if (axis->distribution == MR_SWEEP_LOG_UNIFORM && axis->low <= 0)
        return fault(r, node, "log_uniform needs numbers above 0");
    if (axis->distribution == MR_SWEEP_INTEGER &&
        (axis->low != floor(axis->low) || axis->high != floor(axis->high)))
        return fault(r, node, "integer needs whole numbers");
done:
    return status;
}

static const struct {
    const char *name;
    mr_status (*read)(reader *r, const yaml_node_t *node, mr_sweep_axis *axis);
} distributions[] = {[MR_SWEEP_CHOICE] = {"choice", read_list},
                     [MR_SWEEP_UNIFORM] = {"uniform", read_interval},
                     [MR_SWEEP_LOG_UNIFORM] = {"log_uniform", read_interval},
                     [MR_SWEEP_INTEGER] = {"integer", read_interval}};

// A list, or a distribution: {log_uniform: [1e-5, 1e-2]}.
static mr_status read_axis(reader *r, const yaml_node_t *node, mr_sweep_axis *axis) {
    yaml_node_t *key, *value;
    if (node->type == YAML_SEQUENCE_NODE)
        return read_list(r, node, axis);
    if (node->type == YAML_MAPPING_NODE && n_pairs_of(node) == 1) {
        pair_of(r, node, 0, &key, &value);
        for (size_t k = 0; k < MR_COUNT(distributions) && key->type == YAML_SCALAR_NODE; k++) {
            if (strcmp((const char *)key->data.scalar.value, distributions[k].name) != 0)
                continue;
            axis->distribution = (mr_sweep_distribution)k;
            return distributions[k].read(r, value, axis);
        }
    }
    return fault(r, node,
                 "expected a list of values, or one of choice, uniform, log_uniform and "
                 "integer with one, as in {log_uniform: [1e-5, 1e-2]}");
}

static mr_status read_vary(reader *r, const yaml_node_t *node) {
    mr_status status;
    yaml_node_t *key, *value;
    mr_sweep_file *f = r->file;
    MR_TRY(expect_mapping(r, node,
                          "expected settings with lists of values here, as in `gamma: "
                          "[0.98, 0.99]`"));
    f->n_axes = n_pairs_of(node);
    f->axes = allocate(r, f->n_axes, sizeof *f->axes);
    if (!f->axes)
        return mr_fail_memory("the sweep");
    for (size_t i = 0; i < f->n_axes; i++) {
        pair_of(r, node, i, &key, &value);
        MR_TRY(read_text(r, key, &f->axes[i].name));
        MR_TRY(read_where(r, value, f->axes[i].name, &f->axes[i].where));
        MR_TRY(read_axis(r, value, &f->axes[i]));
    }
done:
    return status;
}

// A list, or a number n that stands for 1 to n.
static mr_status read_seeds(reader *r, const yaml_node_t *node) {
    mr_status status = MR_OK;
    mr_sweep_file *f = r->file;
    mr_sweep_axis list = {0};
    char text[32];
    if (node->type == YAML_SEQUENCE_NODE) {
        MR_TRY(read_list(r, node, &list));
        if (list.n_values > MR_SWEEP_MAX_SEEDS)
            return fault(r, node, "too many seeds");
        f->n_seeds = list.n_values;
        f->seeds = list.values;
        return MR_OK;
    }
    MR_TRY(read_count(r, node, 1, MR_SWEEP_MAX_SEEDS, &f->n_seeds));
    f->seeds = allocate(r, f->n_seeds, sizeof *f->seeds);
    if (!f->seeds)
        return mr_fail_memory("the sweep");
    for (size_t i = 0; i < f->n_seeds; i++) {
        snprintf(text, sizeof text, "%zu", i + 1);
        MR_TRY(keep(r, text, &f->seeds[i]));
    }
done:
    return status;
}

static mr_status read_method(reader *r, const yaml_node_t *node) {
    static const char *const words[] = {
        [MR_SWEEP_GRID] = "grid", [MR_SWEEP_RANDOM] = "random", [MR_SWEEP_HALVING] = "halving"};
    for (size_t i = 0; i < MR_COUNT(words) && node->type == YAML_SCALAR_NODE; i++)
        if (strcmp((const char *)node->data.scalar.value, words[i]) == 0) {
            r->file->method = (mr_sweep_method)i;
            return MR_OK;
        }
    return fault(r, node, "method must be one of grid, random and halving");
}

static mr_status read_points(reader *r, const yaml_node_t *node) {
    return read_count(r, node, 1, MR_SWEEP_MAX_POINTS, &r->file->n_points);
}

static mr_status read_draw_seed(reader *r, const yaml_node_t *node) {
    return read_count(r, node, 0, 1e9, &r->file->draw_seed);
}

static mr_status read_eta(reader *r, const yaml_node_t *node) {
    return read_count(r, node, 2, 100, &r->file->eta);
}

static mr_status read_first_steps(reader *r, const yaml_node_t *node) {
    return read_count(r, node, 1, 1e12, &r->file->first_steps);
}

static const struct {
    const char *name;
    mr_status (*read)(reader *r, const yaml_node_t *node);
} entries[] = {
    {"method", read_method}, {"settings", read_settings},       {"vary", read_vary},
    {"seeds", read_seeds},   {"points", read_points},           {"draw_seed", read_draw_seed},
    {"eta", read_eta},       {"first_steps", read_first_steps}, {"slurm", read_slurm}};

static const char *entry_name(const void *table, size_t i) {
    (void)table;
    return entries[i].name;
}

static mr_status read_entry(reader *r, const yaml_node_t *key, const yaml_node_t *value) {
    char what[512], list[256];
    const char *name = "";
    const mr_status status = read_text(r, key, &name);
    if (status != MR_OK)
        return status;
    for (size_t i = 0; i < MR_COUNT(entries); i++)
        if (strcmp(name, entries[i].name) == 0)
            return entries[i].read(r, value);
    mr_list_names(MR_COUNT(entries), entry_name, NULL, sizeof list, list);
    snprintf(what, sizeof what,
             "a sweep has no entry %.60s; there are %s (settings of all runs come "
             "under `settings`)",
             name, list);
    return fault(r, key, what);
}

// ---- The whole

static bool is_drawn(const mr_sweep_file *f) {
    return f->method == MR_SWEEP_RANDOM || f->n_points > 0;
}

static mr_status check(const reader *r, const yaml_node_t *root) {
    const mr_sweep_file *f = r->file;
    if (f->n_axes == 0 && f->n_seeds == 1)
        return fault(r, root, "a sweep of one run; list values under `vary`, or several `seeds`");
    if (f->method == MR_SWEEP_GRID && f->n_points > 0)
        return fault(r, root, "points is for random and halving: a grid has all combinations");
    if (f->method == MR_SWEEP_RANDOM && f->n_points == 0)
        return fault(r, root, "method random needs points: how many are drawn");
    if (f->method == MR_SWEEP_HALVING && f->first_steps == 0)
        return fault(r, root, "method halving needs first_steps: the steps of the first round");
    if (f->method != MR_SWEEP_HALVING && f->first_steps > 0)
        return fault(r, root, "first_steps is for method halving");
    for (size_t i = 0; i < f->n_axes; i++)
        if (f->axes[i].distribution != MR_SWEEP_CHOICE && !is_drawn(f))
            return mr_fail(MR_ERR_INPUT,
                           "%s: a grid needs a list of values; draw from distributions with method "
                           "random and points",
                           f->axes[i].where);
    return MR_OK;
}

static mr_status read_document(reader *r) {
    mr_status status;
    yaml_node_t *key, *value, *root = yaml_document_get_root_node(&r->document);
    if (!root)
        return mr_fail(MR_ERR_INPUT, "%s is empty; docs/sweeps.md says what a sweep is made of",
                       r->file->path);
    MR_TRY(expect_mapping(r, root, "expected lines of the form `name: value`"));
    for (size_t i = 0; i < n_pairs_of(root); i++) {
        pair_of(r, root, i, &key, &value);
        MR_TRY(read_entry(r, key, value));
    }
    status = check(r, root);
done:
    return status;
}

static mr_status parse(reader *r, const char *text, size_t n_bytes) {
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return mr_fail_memory("the sweep");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n_bytes);
    mr_status status = MR_OK;
    if (!yaml_parser_load(&parser, &r->document))
        status = mr_fail(MR_ERR_INPUT, "%s:%zu:%zu: %s", r->file->path,
                         parser.problem_mark.line + 1, parser.problem_mark.column + 1,
                         parser.problem ? parser.problem : "out of memory");
    else {
        status = read_document(r);
        yaml_document_delete(&r->document);
    }
    yaml_parser_delete(&parser);
    return status;
}

mr_status mr_sweep_file_read(const char *path, mr_sweep_file *out) {
    mr_status status;
    char *text = NULL;
    size_t n_bytes;
    reader r = {.file = out};
    static const char *one_seed[] = {"1"};
    *out = (mr_sweep_file){
        .arena = mr_arena_new(), .n_seeds = 1, .seeds = one_seed, .draw_seed = 1, .eta = 3};
    if (!out->arena)
        return mr_fail_memory("the sweep");
    MR_TRY(keep(&r, path, &out->path));
    MR_TRY(mr_file_read(path, &text, &n_bytes));
    status = parse(&r, text, n_bytes);
done:
    free(text);
    return status;
}

void mr_sweep_file_free(mr_sweep_file *file) {
    mr_arena_free(file->arena);
    *file = (mr_sweep_file){0};
}
