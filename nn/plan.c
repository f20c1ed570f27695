// Planning a graph: which gradients are wanted, which op overwrites a gradient and which adds to
// it, and where every value and gradient lies in memory.
//
// The live range of a value or gradient goes from the op that writes it to the last op that reads
// it. Op i runs forward at time i and backward at time 2n - i. Two of them may share a slot of
// memory if their live ranges do not overlap and they have the same number of columns. The second
// condition lets threads run without waiting for each other: row i of a slot is always the same
// bytes, whichever value lies there, so a thread never writes to the rows of another. It also holds
// for ops over the whole batch: threads exchange no rows there, only the numbers that they reduced
// them to, which lie in memory of the op's own.

#include "nn/graph_internal.h"

#include <stdlib.h>

enum {
    TILE = 256, // rows that go through all ops together, if a thread has more than twice as many
    TILE_NUMBERS = 1 << 24, // of images: as many rows as have so many values and gradients (64 MB)
};

/// When a value or a gradient must be in memory.
typedef struct {
    size_t first, last; // times, both included
    size_t index;       // in the order of the nodes: 2i is the value of node i, 2i + 1 its gradient
    size_t cols;        // numbers for each row of the batch; 0: it does not exist
    mr_real **address;  // where the plan writes its address
    size_t slot;
} live_range;

/// A piece of memory for one matrix at a time.
typedef struct {
    size_t cols;
    size_t last; // time of the latest range that it was given to
    size_t offset;
} slot;

// ---- Which gradients are wanted

static int find_set(const mr_graph *graph, const mr_params *params) {
    for (size_t s = 0; s < graph->n_sets; s++)
        if (graph->set[s].params == params)
            return (int)s;
    return -1;
}

static bool stops_gradient(const mr_node *node) {
    return node->op->backward == NULL;
}

static void mark_trained(mr_graph *graph) {
    for (mr_node *node = graph->first; node; node = node->next) {
        node->set = node->params ? find_set(graph, node->params) : -1;
        if (node->set >= 0)
            node->wants_grad = true;
        for (size_t k = 0; k < node->n_inputs && !stops_gradient(node); k++)
            node->wants_grad |= node->input[k]->wants_grad;
    }
}

// Only nodes that the loss depends on keep their gradient.
static void unmark_unreached(mr_graph *graph, bool *reached) {
    if (graph->loss)
        reached[graph->loss->index] = true;
    for (mr_node *node = graph->last; node; node = node->previous) {
        node->wants_grad &= reached[node->index];
        for (size_t k = 0; k < node->n_inputs; k++)
            reached[node->input[k]->index] |= node->wants_grad;
    }
}

// ---- Which op overwrites a gradient and which adds to it, in backward order

static void order_inputs(mr_graph *graph, bool *written) {
    for (mr_node *node = graph->last; node; node = node->previous)
        for (size_t k = 0; k < node->n_inputs && node->wants_grad; k++) {
            node->adds[k] = written[node->input[k]->index];
            written[node->input[k]->index] = true;
        }
}

static mr_status order_params(mr_graph *graph) {
    for (size_t s = 0; s < graph->n_sets; s++) {
        const size_t size = mr_params_size(graph->set[s].params);
        bool *written = calloc(size + 1, sizeof *written);
        if (!written)
            return mr_fail_memory("a graph's plan");
        size_t n_written = 0;
        for (mr_node *node = graph->last; node; node = node->previous)
            for (size_t k = 0; k < node->n_params && node->wants_grad && node->set == (int)s; k++) {
                bool *first = written + node->param[k].offset;
                node->adds_param[k] = *first;
                n_written += *first ? 0 : node->param[k].rows * node->param[k].cols;
                *first = true;
            }
        free(written);
        graph->set[s].all_written = n_written == mr_params_count(graph->set[s].params);
    }
    return MR_OK;
}

// ---- Live ranges

static size_t backward_time(const mr_graph *graph, const mr_node *node) {
    return 2 * graph->n_nodes - node->index;
}

static void extend(live_range *range, size_t time) {
    if (time > range->last)
        range->last = time;
}

static bool reads_inputs_backward(const mr_node *node) {
    return node->op->reads & MR_READS_INPUTS ||
           (node->op->reads & MR_READS_INPUTS_TRAINED && node->set >= 0);
}

// ranges[2i] is the value of node i, ranges[2i + 1] its gradient.
static void find_ranges(mr_graph *graph, live_range *ranges) {
    const size_t end = 2 * graph->n_nodes + 1;
    for (mr_node *node = graph->first; node; node = node->next) {
        live_range *value = &ranges[2 * node->index], *grad = value + 1;
        const size_t now = node->index, back = backward_time(graph, node);
        const size_t cols = node->n_parts * node->cols;
        *value = (live_range){.first = node->keep ? 0 : now,
                              .last = node->keep ? end : now,
                              .index = 2 * now,
                              .cols = cols,
                              .address = &node->value};
        if (node->wants_grad) {
            // The loss's is set before the way back; another's is first written by the last node
            // that reads the value, which is found below.
            const bool lasts = node->n_inputs == 0 && node->keep;
            *grad = (live_range){.first = node == graph->loss ? graph->n_nodes : back,
                                 .last = lasts ? end : back,
                                 .index = 2 * now + 1,
                                 .cols = cols,
                                 .address = &node->grad};
            if (node->op->reads & MR_READS_OUTPUT)
                extend(value, back);
        }
        for (size_t k = 0; k < node->n_inputs; k++) {
            mr_node *input = node->input[k];
            live_range *input_value = &ranges[2 * input->index], *input_grad = input_value + 1;
            extend(input_value, now);
            if (node->wants_grad && reads_inputs_backward(node))
                extend(input_value, back);
            if (node->wants_grad && input->wants_grad && back < input_grad->first)
                input_grad->first = back;
        }
    }
}

// ---- Slots

static int compare(size_t a, size_t b) {
    return a < b ? -1 : a > b;
}

static int by_start(const void *a, const void *b) {
    const live_range *x = a, *y = b;
    return x->first != y->first ? compare(x->first, y->first) : compare(x->index, y->index);
}

static size_t take_slot(slot *slots, size_t *n_slots, const live_range *range) {
    size_t s = 0;
    while (s < *n_slots && !(slots[s].cols == range->cols && slots[s].last < range->first))
        s++;
    if (s == *n_slots)
        slots[(*n_slots)++] = (slot){.cols = range->cols};
    slots[s].last = range->last;
    return s;
}

static size_t round_up(size_t n_bytes) {
    return (n_bytes + MR_ARENA_ALIGNMENT - 1) / MR_ARENA_ALIGNMENT * MR_ARENA_ALIGNMENT;
}

static bool has_images(const mr_graph *graph) {
    for (const mr_node *node = graph->first; node; node = node->next)
        if (node->shape.height * node->shape.width > 1)
            return true;
    return false;
}

static bool has_whole_batch_op(const mr_graph *graph) {
    for (const mr_node *node = graph->first; node; node = node->next)
        if (node->op->reduce_forward)
            return true;
    return false;
}

// Rows of a tile; 0: a thread takes all of its rows at once.
static size_t choose_tile(const mr_graph *graph, const slot *slots, size_t n_slots) {
    size_t tile = TILE, n_cols = 1;
    for (size_t s = 0; s < n_slots; s++)
        n_cols += slots[s].cols;
    if (has_images(graph))
        tile = n_cols < TILE_NUMBERS ? TILE_NUMBERS / n_cols : 1;
    const size_t n_rows = (graph->max_rows - 1) / (size_t)graph->n_threads + 1; // of a thread
    const bool is_large =
        has_images(graph) ? n_rows > tile : graph->max_rows > 2 * TILE * (size_t)graph->n_threads;
    return is_large && !has_whole_batch_op(graph) ? tile : 0;
}

// Rows of the matrices that ops work on.
static size_t slot_rows(const mr_graph *graph) {
    return graph->tile > 0 ? graph->tile * (size_t)graph->n_threads : graph->max_rows;
}

static mr_status place_all(mr_graph *graph, live_range *ranges, size_t n_ranges, slot *slots) {
    size_t n_slots = 0, n_bytes = 0;
    qsort(ranges, n_ranges, sizeof *ranges, by_start);
    for (size_t i = 0; i < n_ranges; i++)
        if (ranges[i].cols > 0)
            ranges[i].slot = take_slot(slots, &n_slots, &ranges[i]);
    graph->tile = choose_tile(graph, slots, n_slots);
    for (size_t s = 0; s < n_slots; s++) {
        slots[s].offset = n_bytes / sizeof(mr_real);
        n_bytes += round_up(slot_rows(graph) * slots[s].cols * sizeof(mr_real));
    }
    graph->memory = mr_graph_alloc(graph, n_bytes);
    if (!graph->memory)
        return mr_fail_memory("a graph's values");
    for (size_t i = 0; i < n_ranges; i++)
        if (ranges[i].cols > 0)
            *ranges[i].address = graph->memory + slots[ranges[i].slot].offset;
    return MR_OK;
}

// The whole matrices that the caller sees, if ops work on tiles of them.
static mr_status give_whole(mr_graph *graph) {
    for (mr_node *node = graph->first; node && graph->tile > 0; node = node->next) {
        const size_t n_bytes = graph->max_rows * node->cols * sizeof(mr_real);
        if (node->keep)
            node->whole = mr_graph_alloc(graph, n_bytes);
        if (node->keep && node->n_inputs == 0 && node->grad)
            node->whole_grad = mr_graph_alloc(graph, n_bytes);
    }
    return graph->failed ? mr_fail_memory("a graph's values") : MR_OK;
}

// The gradients of threads 1, 2, ...; thread 0 writes into the set's own block.
static mr_status give_threads_gradients(mr_graph *graph) {
    for (size_t s = 0; s < graph->n_sets; s++) {
        mr_trained_set *set = &graph->set[s];
        const size_t n = mr_params_size(set->params);
        set->grad = mr_graph_alloc(graph, (size_t)graph->n_threads * sizeof *set->grad);
        for (int t = 0; t < graph->n_threads && set->grad; t++)
            set->grad[t] =
                t == 0 ? mr_params_grad(set->params) : mr_graph_alloc(graph, n * sizeof(mr_real));
    }
    return graph->failed ? mr_fail_memory("a graph's gradients") : MR_OK;
}

static mr_status lay_out(mr_graph *graph) {
    mr_status status;
    const size_t n_ranges = 2 * graph->n_nodes;
    bool *flags = calloc(2 * graph->n_nodes, sizeof *flags); // reached, then written
    live_range *ranges = calloc(n_ranges, sizeof *ranges);
    slot *slots = calloc(n_ranges, sizeof *slots);
    if (!flags || !ranges || !slots) {
        status = mr_fail_memory("a graph's plan");
        goto done;
    }
    mark_trained(graph);
    unmark_unreached(graph, flags);
    order_inputs(graph, flags + graph->n_nodes);
    MR_TRY(order_params(graph));
    find_ranges(graph, ranges);
    MR_TRY(place_all(graph, ranges, n_ranges, slots));
    MR_TRY(give_whole(graph));
    MR_TRY(give_threads_gradients(graph));
done:
    free(flags);
    free(ranges);
    free(slots);
    return status;
}

mr_status mr_graph_plan(mr_graph *graph, mr_node *loss, size_t n_trained,
                        mr_params *const *trained) {
    assert(!graph->memory && n_trained <= MR_MAX_SETS);
    if (graph->failed)
        return mr_fail_memory("a graph");
    assert(!loss || loss->cols == 1);
    graph->loss = mr_keep(loss);
    graph->n_sets = n_trained;
    for (size_t s = 0; s < n_trained; s++)
        graph->set[s].params = trained[s];
    return lay_out(graph);
}
