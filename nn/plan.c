// Planning a graph: which gradients are wanted, who overwrites and who adds, and where everything
// lies.
//
// Values and gradients live from the op that writes them to the last op that reads them, on one
// line of time: op i runs forward at time i and backward at time 2n - i. Two of them may share room
// when their lives do not meet and they have the same number of columns. The last condition is what
// lets threads run without waiting for each other: in a shared room, row i always lies at the same
// place, so a thread never touches the rows of another.

#include "nn/graph_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    ALIGNMENT = 64,
    TILE = 256, // rows that go through all ops together, where a thread has more than twice as many
};

/// The life of a value or a gradient.
typedef struct {
    size_t birth, death; // both included
    size_t cols;
    mr_real **place; // where its address goes
    size_t room;
} life;

/// Room in the block, taken by one life after another.
typedef struct {
    size_t cols;
    size_t free_after; // death of the last life in it
    size_t offset;
} room;

// ---- Which gradients are wanted

static int find_set(const mr_graph *graph, const mr_params *params) {
    for (size_t s = 0; s < graph->n_sets; s++)
        if (graph->set[s].params == params)
            return (int)s;
    return -1;
}

static bool is_wall(const mr_node *node) {
    return node->op->backward == NULL;
}

static void mark_trained(mr_graph *graph) {
    for (mr_node *node = graph->first; node; node = node->next) {
        node->set = node->params ? find_set(graph, node->params) : -1;
        if (node->set >= 0)
            node->wants_grad = true;
        for (size_t k = 0; k < node->n_inputs && !is_wall(node); k++)
            node->wants_grad |= node->input[k]->wants_grad;
    }
}

// Keeps the wish of a node only where the loss depends on it.
static void unmark_unreached(mr_graph *graph, bool *reached) {
    if (graph->loss)
        reached[graph->loss->index] = true;
    for (mr_node *node = graph->last; node; node = node->previous) {
        node->wants_grad &= reached[node->index];
        for (size_t k = 0; k < node->n_inputs; k++)
            reached[node->input[k]->index] |= node->wants_grad;
    }
}

// ---- Who overwrites and who adds, in backward order

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

// ---- Lives

static size_t backward_time(const mr_graph *graph, const mr_node *node) {
    return 2 * graph->n_nodes - node->index;
}

static void extend(life *l, size_t time) {
    if (time > l->death)
        l->death = time;
}

static bool reads_inputs_backward(const mr_node *node) {
    return node->op->reads & MR_READS_INPUTS ||
           (node->op->reads & MR_READS_INPUTS_TRAINED && node->set >= 0);
}

// lives[2i] is the value of node i, lives[2i + 1] its gradient (cols = 0 where it has none).
static void find_lives(mr_graph *graph, life *lives) {
    const size_t end = 2 * graph->n_nodes + 1;
    for (mr_node *node = graph->first; node; node = node->next) {
        life *value = &lives[2 * node->index], *grad = value + 1;
        const size_t back = backward_time(graph, node);
        *value = (life){
            .birth = node->index, .death = node->index, .cols = node->cols, .place = &node->value};
        if (node->keep)
            *value = (life){.birth = 0, .death = end, .cols = node->cols, .place = &node->value};
        if (node->wants_grad) {
            // Born when the loss seeds it or the last consumer, first on the way back, writes it.
            const bool lasts = node->n_inputs == 0 && node->keep;
            *grad = (life){.birth = node == graph->loss ? graph->n_nodes : back,
                           .death = lasts ? end : back,
                           .cols = node->cols,
                           .place = &node->grad};
            if (node->op->reads & MR_READS_OUTPUT)
                extend(value, back);
        }
        for (size_t k = 0; k < node->n_inputs; k++) {
            mr_node *input = node->input[k];
            life *input_value = &lives[2 * input->index], *input_grad = input_value + 1;
            extend(input_value, node->index);
            if (node->wants_grad && reads_inputs_backward(node))
                extend(input_value, back);
            if (node->wants_grad && input->wants_grad && back < input_grad->birth)
                input_grad->birth = back;
        }
    }
}

// ---- Rooms

static int by_birth(const void *a, const void *b) {
    const life *x = a, *y = b;
    if (x->birth != y->birth)
        return x->birth < y->birth ? -1 : 1;
    return x->place < y->place
               ? -1
               : x->place > y->place; // a total order, so that every run plans alike
}

static size_t take_room(room *rooms, size_t *n_rooms, const life *l) {
    size_t r = 0;
    while (r < *n_rooms && !(rooms[r].cols == l->cols && rooms[r].free_after < l->birth))
        r++;
    if (r == *n_rooms)
        rooms[(*n_rooms)++] = (room){.cols = l->cols};
    rooms[r].free_after = l->death;
    return r;
}

static size_t round_up(size_t n_bytes) {
    return (n_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

// Rows of the matrices that ops work on.
static size_t room_rows(const mr_graph *graph) {
    return graph->tile > 0 ? graph->tile * (size_t)graph->n_threads : graph->max_rows;
}

static mr_status place_all(mr_graph *graph, life *lives, size_t n_lives, room *rooms) {
    size_t n_rooms = 0, n_bytes = ALIGNMENT;
    qsort(lives, n_lives, sizeof *lives, by_birth);
    for (size_t i = 0; i < n_lives; i++)
        if (lives[i].cols > 0)
            lives[i].room = take_room(rooms, &n_rooms, &lives[i]);
    for (size_t r = 0; r < n_rooms; r++) {
        rooms[r].offset = n_bytes / sizeof(mr_real);
        n_bytes += round_up(room_rows(graph) * rooms[r].cols * sizeof(mr_real));
    }
    graph->memory = aligned_alloc(ALIGNMENT, n_bytes);
    if (!graph->memory)
        return mr_fail_memory("a graph's values");
    memset(graph->memory, 0, n_bytes);
    for (size_t i = 0; i < n_lives; i++)
        if (lives[i].cols > 0)
            *lives[i].place = graph->memory + rooms[lives[i].room].offset;
    return MR_OK;
}

// What the caller sees, where ops see but a tile of it.
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
    const size_t n_lives = 2 * graph->n_nodes;
    bool *flags = calloc(2 * graph->n_nodes, sizeof *flags); // reached, then written
    life *lives = calloc(n_lives, sizeof *lives);
    room *rooms = calloc(n_lives, sizeof *rooms);
    if (!flags || !lives || !rooms) {
        status = mr_fail_memory("a graph's plan");
        goto done;
    }
    mark_trained(graph);
    unmark_unreached(graph, flags);
    order_inputs(graph, flags + graph->n_nodes);
    MR_TRY(order_params(graph));
    find_lives(graph, lives);
    MR_TRY(place_all(graph, lives, n_lives, rooms));
    MR_TRY(give_whole(graph));
    MR_TRY(give_threads_gradients(graph));
done:
    free(flags);
    free(lives);
    free(rooms);
    return status;
}

mr_status mr_graph_plan(mr_graph *graph, mr_node *loss, size_t n_trained,
                        mr_params *const *trained) {
    assert(!graph->memory && n_trained <= MR_MAX_SETS);
    if (graph->failed)
        return mr_fail_memory("a graph");
    assert(!loss || loss->cols == 1);
    graph->tile = graph->max_rows > 2 * TILE * (size_t)graph->n_threads ? TILE : 0;
    graph->loss = mr_keep(loss);
    graph->n_sets = n_trained;
    for (size_t s = 0; s < n_trained; s++)
        graph->set[s].params = trained[s];
    return lay_out(graph);
}
