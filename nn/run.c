// Running a graph: threads, tiles, forward and backward.

#include "nn/graph_internal.h"

#include "nn/denormals.h"

#include <omp.h>
#include <string.h>

static mr_rows rows_of_thread(size_t n_rows, int thread, int n_threads) {
    const size_t t = (size_t)thread, n = (size_t)n_threads;
    const size_t first = n_rows * t / n;
    return (mr_rows){.first = first,
                     .n = n_rows * (t + 1) / n - first,
                     .thread = thread,
                     .n_threads = n_threads,
                     .n_batch = n_rows};
}

static void clear_untouched(const mr_graph *graph, int thread) {
    for (size_t s = 0; s < graph->n_sets; s++)
        if (!graph->set[s].all_written)
            memset(graph->set[s].grad[thread], 0,
                   mr_params_size(graph->set[s].params) * sizeof(mr_real));
}

// Waits for all threads of the run.
static void meet(mr_rows rows) {
    if (rows.n_threads == 1) // no parallel region of ours: a barrier would be that of the caller's
        return;
#pragma omp barrier
}

// The rows that a node has for these rows of the batch.
static mr_rows rows_of_node(const mr_node *node, mr_rows rows) {
    rows.first *= node->n_parts;
    rows.n *= node->n_parts;
    rows.n_batch *= node->n_parts;
    return rows;
}

static void forward(const mr_graph *graph, mr_rows rows) {
    for (const mr_node *node = graph->first; node; node = node->next) {
        const mr_rows own = rows_of_node(node, rows);
        if (node->op->reduce_forward) {
            node->op->reduce_forward(node, own);
            meet(rows);
        }
        node->op->forward(node, own);
    }
}

static void backward(const mr_graph *graph, mr_rows rows) {
    if (!rows.more)
        clear_untouched(graph, rows.thread);
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        graph->loss->grad[i] = 1 / (mr_real)rows.n_batch;
    for (const mr_node *node = graph->loss; node; node = node->previous) {
        if (!node->grad)
            continue;
        const mr_rows own = rows_of_node(node, rows);
        if (node->op->reduce_backward) {
            node->op->reduce_backward(node, own);
            meet(rows);
        }
        node->op->backward(node, own);
    }
}

// Adds the threads' gradients up, each thread a slice of the block, in the order of the threads.
static void add_up(const mr_graph *graph, int thread, int n_threads) {
    for (size_t s = 0; s < graph->n_sets; s++) {
        mr_real *const *grad = graph->set[s].grad;
        const mr_rows slice =
            rows_of_thread(mr_params_trained_size(graph->set[s].params), thread, n_threads);
        for (int t = 1; t < n_threads; t++)
            mr_put(true, slice.n, grad[t] + slice.first, grad[0] + slice.first);
    }
}

static void run_ops(const mr_graph *graph, mr_rows rows) {
    forward(graph, rows);
    if (graph->loss)
        backward(graph, rows);
}

// Copies n rows between the caller's matrix, from row `first`, and the thread's tile.
static void copy_in(const mr_graph *graph, mr_rows tile, size_t first) {
    for (const mr_node *node = graph->first; node; node = node->next)
        if (node->whole && node->n_inputs == 0)
            memcpy(mr_row(node->value, node, tile.first), mr_row(node->whole, node, first),
                   tile.n * node->cols * sizeof *node->value);
}

static void copy_out(const mr_graph *graph, mr_rows tile, size_t first) {
    for (const mr_node *node = graph->first; node; node = node->next) {
        if (node->whole && node->n_inputs > 0)
            memcpy(mr_row(node->whole, node, first), mr_row(node->value, node, tile.first),
                   tile.n * node->cols * sizeof *node->value);
        if (node->whole_grad)
            memcpy(mr_row(node->whole_grad, node, first), mr_row(node->grad, node, tile.first),
                   tile.n * node->cols * sizeof *node->grad);
    }
}

// Takes a large share through the graph in tiles, so that values are read again while they are in
// the cache (64 features, batch 4096: a third faster).
static void run_tiles(const mr_graph *graph, mr_rows rows) {
    mr_rows tile = rows;
    tile.first = (size_t)rows.thread * graph->tile;
    for (size_t done = 0; done < rows.n; done += tile.n) {
        const size_t n_left = rows.n - done;
        tile.n = n_left < graph->tile ? n_left : graph->tile;
        tile.more = done > 0;
        copy_in(graph, tile, rows.first + done);
        run_ops(graph, tile);
        copy_out(graph, tile, rows.first + done);
    }
}

static void run_rows(const mr_graph *graph, size_t n_rows, int thread, int n_threads) {
    const mr_rows rows = rows_of_thread(n_rows, thread, n_threads);
    if (graph->tile > 0)
        run_tiles(graph, rows);
    else
        run_ops(graph, rows);
    if (!graph->loss || n_threads == 1)
        return;
    meet(rows);
    add_up(graph, thread, n_threads);
}

static void run_thread(const mr_graph *graph, size_t n_rows, int thread, int n_threads) {
    const mr_denormals kept = mr_denormals_flush();
    run_rows(graph, n_rows, thread, n_threads);
    mr_denormals_restore(kept);
}

void mr_graph_run(mr_graph *graph, size_t n_rows) {
    assert(graph->memory && n_rows > 0 && n_rows <= graph->max_rows);
    const int n_threads = n_rows < (size_t)graph->n_threads ? (int)n_rows : graph->n_threads;
    if (n_threads == 1) {
        run_thread(graph, n_rows, 0, 1);
        return;
    }
#pragma omp parallel num_threads(n_threads)
    run_thread(graph, n_rows, omp_get_thread_num(), omp_get_num_threads());
}

void mr_graph_update_buffers(mr_graph *graph) {
    for (const mr_node *node = graph->first; node; node = node->next)
        if (node->op->update_buffers && node->set >= 0)
            node->op->update_buffers(node);
}
