/// Parts of an observation, chosen by number or by name.
#pragma once

#include "envs/env.h"

/// Some components of an observation.
typedef struct {
    size_t n;
    size_t *index; // [n] ascending, each once; owned
} mr_features;

/// Reads a choice of components.
///
///   text  "all", or numbers ("0,3"), ranges with both ends ("0-5") and names ("qpos",
///         "qpos.rootz,qvel"), with commas between. A name stands for all whose name begins with
///         it: "qpos" for qpos.rootz and qpos.bthigh
///  where  what the message of a failure calls it: "bonus_features"
///
/// Fails with MR_ERR_USAGE, naming the part of the text and what there is, on what the task lacks.
/// The caller frees what it gives.
mr_status mr_features_parse(const char *text, const mr_env_spec *env, const char *where,
                            mr_features *out);
void mr_features_free(mr_features *features);
