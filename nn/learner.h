/// A learner: a set of parameters with its optimizer and, if wanted, a target (a slow copy of the
/// parameters) and a snapshot (the last good state, to return to).
///
/// Every net that is trained is one: an agent's actor and critics, its temperature, the net of an
/// exploration bonus.
#pragma once

#include "nn/optim.h"

typedef struct {
    mr_params *params; // borrowed
    mr_adam adam;
    mr_params *target;    // owned; NULL: none
    mr_params *snapshot;  // owned: values and moments; NULL: none
    mr_real *good_target; // owned: the target's values of the snapshot
    uint64_t good_steps;  // Adam's count of the snapshot
    int n_threads;
} mr_learner;

/// Parts that a learner may have.
enum { MR_LEARNER_TARGET = 1, MR_LEARNER_SNAPSHOT = 2 };

/// A learner of `params`, which it borrows; the target and the snapshot start equal to them.
/// mr_learner_release releases what it owns, also after a failure.
///
///   adam   settings of the optimizer, before its first step
///   parts  MR_LEARNER_TARGET, MR_LEARNER_SNAPSHOT, both (|) or 0
mr_status mr_learner_init(mr_learner *learner, mr_params *params, mr_adam adam, int parts,
                          int n_threads);
void mr_learner_release(mr_learner *learner);

/// Fails with MR_ERR_NUMERIC, naming the loss, if it or its gradient or the gradient's square is
/// not finite: Adam's moments would never recover.
///
///   name  of the loss in the message: "critic"
mr_status mr_learner_check(const mr_learner *learner, const char *name, double loss);

/// One step of the optimizer on the gradient that the parameters hold; then rows that are kept at
/// norm 1 are scaled (mr_params_keep_unit_rows).
void mr_learner_step(mr_learner *learner);

/// target += tau (parameters - target), Polyak averaging. Does nothing if there is no target.
void mr_learner_move_target(mr_learner *learner, double tau);

/// Gives a learner the parameters, moments, target and count of another of the same layout. The
/// snapshot stays.
void mr_learner_copy(const mr_learner *from, mr_learner *to);

/// Gives parameters and target these values [mr_params_size]. The optimizer and the snapshot stay.
void mr_learner_set(mr_learner *learner, const mr_real *values);

/// Takes the present state as the snapshot; returns to it. The learning rate is not part of it.
void mr_learner_snapshot(mr_learner *learner);
void mr_learner_rollback(mr_learner *learner);

/// How a file calls a learner's arrays: prefixes of the parameters' names (values, first and second
/// moments, target; NULL: no target), and the key of the optimizer's count of steps in the
/// metadata.
typedef struct {
    const char *trained[3];
    const char *target;
    const char *n_steps;
} mr_learner_names;

/// Adds parameters, moments, target and count to a file. The data is borrowed until it is written.
mr_status mr_learner_write(const mr_learner *learner, const mr_learner_names *names,
                           mr_tensors_writer *writer);

/// Reads parameters and target alone, as mr_learner_read does.
mr_status mr_learner_read_nets(mr_learner *learner, const mr_learner_names *names,
                               const mr_tensors *file);

/// Reads all back. Fails with MR_ERR_INPUT naming what is missing or damaged; the learner is
/// then partly overwritten.
mr_status mr_learner_read(mr_learner *learner, const mr_learner_names *names,
                          const mr_tensors *file);
