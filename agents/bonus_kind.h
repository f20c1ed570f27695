/// A kind of bonus: what makes a state novel. A kind is a net whose loss on a state, before it is
/// trained on it, is the state's novelty; novelty.h trains it, bonus.h pays for it.
///
/// To add one: a file agents/bonus_NAME.c, a line in agents/bonus_registry.c and the name in the
/// row `bonus` of the settings.
#pragma once

#include "flows/density.h"
#include "nn/graph.h"

#include <stdbool.h>

/// What a kind is built from.
typedef struct {
    size_t dim;       // features
    const char *flow; // a flow's text, for kinds that have one
    uint64_t seed;
} mr_bonus_setup;

typedef struct {
    const char *name;
    const char *summary;   // one line, with the paper
    const char *normalize; // what bonus_normalize=auto stands for
    bool is_log_density;   // novelty is -log p(u)
    double noise;          // deviation of what is added to the states that it is trained on
    double reach;          // standardised features are held to +-reach
    double lr;
    size_t train_every; // updates of the agent for each training step
    double collapse;    // a mean novelty that is so much higher, for each feature, than the
                        // last good state's on the same states is a collapse

    /// Builds the net. Fails with MR_ERR_USAGE on a flow's text that is not understood.
    mr_status (*make)(const mr_bonus_setup *setup, void **out);
    void (*free)(void *self);
    mr_params *(*params)(const void *self); // those that are trained
    /// Adds the novelty [rows x 1] of standardised features u [rows x dim] to their graph.
    mr_node *(*build)(const void *self, mr_node *u);
    /// Gives the net a start that depends on data [n x dim]; NULL: it needs none.
    mr_status (*start)(void *self, size_t n, const mr_real *u);
    /// The net as a density; NULL: it is none.
    mr_density *(*density)(void *self);
} mr_bonus_kind;

extern const mr_bonus_kind mr_bonus_density;
extern const mr_bonus_kind mr_bonus_rnd;

/// The kind of that name; NULL where there is none ("none", for one).
const mr_bonus_kind *mr_bonus_kind_find(const char *name);
