/// The files of an environment: the model of a user's task, and the files that it includes or
/// refers to.
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    size_t n;
    char **path; // [n] owned
} mr_paths;

void mr_paths_free(mr_paths *paths);

/// Whether the model of the environment that mr_env_open would give is a file ("mjcf:robot.xml", or
/// "xml_file=robot.xml" in `set`); its path, at most `size` bytes with the final zero. Nothing is
/// opened.
bool mr_env_model_path(const char *name, const char *set, char *path, size_t size);

/// Name and options of the same environment with its model at another path. Fails with MR_ERR_USAGE
/// if that doesn't fit into `size` bytes or can't be written as an option.
mr_status mr_env_move_model(const char *name, const char *set, const char *path, size_t size,
                            char *new_name, char *new_set);

/// Lists the files that a model includes or refers to, its meshes, textures and height fields,
/// relative to the model's folder and normalised, or absolute if it names them so. Missing files
/// are left out: MuJoCo reports them. The caller frees the list.
mr_status mr_env_list_parts(const char *model, mr_paths *out);
