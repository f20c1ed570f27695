/// The checkpoint of a training run: a safetensors file with all that the run needs to go on as if
/// it had never been stopped.
///
/// Each part of a run writes its own section (mr_updater_write, mr_recorder_write,
/// mr_collector_write; trainer.c puts them together). This file has what the sections share: the
/// head with format, settings and engine, and numbers by name. Random streams are indexed by
/// counters, so no state of them is saved. An environment in the middle of an episode is saved as
/// the actions since its reset.
///
/// Format version 3. Values that this version does not know are ignored; optional ones that an
/// earlier file does not have keep the values of a new run. Version 2, of millrace 0.1, is read
/// too: it has all numbers in one array.
#pragma once

#include "agents/settings.h"
#include "base/tensors.h"

/// The simulator of a task: texts of mr_env_spec; "": not known.
typedef struct {
    char name[128], version[128];
} mr_engine;

/// Adds the head. `engine` and `engine_version` may be NULL: not known.
mr_status mr_checkpoint_write_head(const mr_settings *settings, const char *engine,
                                   const char *engine_version, mr_tensors_writer *writer);

/// Checks the head against the settings of the run, and reads the engine. Fails with MR_ERR_USAGE,
/// naming the setting, if one differs that must not (mr_setting_may_change), and with MR_ERR_INPUT
/// if the file is not a checkpoint of a version that is read.
mr_status mr_checkpoint_read_head(const mr_tensors *file, const mr_settings *settings,
                                  mr_engine *engine);

/// Numbers of a section, under one name.
typedef struct {
    char name[64]; // "loop.best_steps"
    double *value; // [n]
    size_t n;
    bool is_optional; // earlier files may not have it
    bool is_count;    // a whole number that is not negative
} mr_number;

/// Adds numbers; the values are borrowed until the file is written.
mr_status mr_numbers_write(size_t n, const mr_number *numbers, mr_tensors_writer *writer);

/// Reads them back. Fails with MR_ERR_INPUT if one is missing that is not optional or is not the
/// count that it should be.
mr_status mr_numbers_read(size_t n, const mr_number *numbers, const mr_tensors *file);

/// Reads them from one array that has them in their order, as earlier versions wrote some.
mr_status mr_numbers_read_array(size_t n, const mr_number *numbers, const char *array,
                                const mr_tensors *file);

/// Whether a double is a whole number that is not negative.
bool mr_number_is_count(double x);

/// Fails with MR_ERR_INPUT: the value of that name is invalid.
mr_status mr_checkpoint_fail_damaged(const mr_tensors *file, const char *name);
