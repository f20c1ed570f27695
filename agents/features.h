/// Features: components of an observation, chosen by number or by name.
#pragma once

#include "envs/env.h"

/// Chosen features.
typedef struct {
    size_t n;
    size_t *index; // [n] ascending, each once; owned
} mr_features;

/// Parses a choice of features.
///
///   text   "all", or numbers, ranges (both ends included) and names, separated by commas: "0,3",
///          "0-5", "qpos.rootz,qvel". A name chooses all features whose names begin with it and a
///          dot: "qpos" chooses qpos.rootz and qpos.bthigh
///   where  the setting's name in messages: "bonus_features"
///
/// Fails with MR_ERR_USAGE on a feature that the task does not have; the message names the nearest,
/// or all there are. The caller frees the result.
mr_status mr_features_parse(const char *text, const mr_env_spec *env, const char *where,
                            mr_features *out);
void mr_features_free(mr_features *features);
