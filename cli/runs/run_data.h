/// Runs as status, plot and report see them: found on the disk and read.
#pragma once

#include "agents/run_process.h"
#include "agents/settings.h"
#include "cli/runs/run_table.h"

#include <sys/types.h>

/// A run. All is owned.
typedef struct {
    char *dir;
    mr_settings settings;
    mr_run_process process;
    mr_run_table progress, evaluations;
} mr_run_data;

/// Reads a run as it is at this moment; its trainer may be at work. Fails with one line that names
/// the file, MR_ERR_INPUT or MR_ERR_IO. mr_run_data_free releases it, also after a failure.
mr_status mr_run_data_read(const char *dir, mr_run_data *out);
void mr_run_data_free(mr_run_data *run);

/// Environment steps so far; 0: no row of progress.csv yet.
double mr_run_data_steps(const mr_run_data *run);

/// Which directory a path leads to. inode 0: none.
typedef struct {
    dev_t device;
    ino_t inode;
} mr_run_id;

/// A list of runs, owned.
typedef struct {
    size_t n;
    char **path;   // [n]
    mr_run_id *id; // [n]
} mr_run_list;

/// Lists the runs that paths name [n]: a run's directory, or a folder with runs in it, at any of
/// four depths, by name. Fails with MR_ERR_INPUT if a path is neither, and with MR_ERR_USAGE if a
/// path is named twice. mr_run_list_free releases it, also after a failure.
mr_status mr_run_list_find(size_t n, char *const *paths, mr_run_list *out);
void mr_run_list_free(mr_run_list *list);

/// Reads the runs of a list into an array [list->n]. mr_run_list_free_data releases it, also after
/// a failure.
mr_status mr_run_list_read(const mr_run_list *list, mr_run_data **out);
void mr_run_list_free_data(const mr_run_list *list, mr_run_data *runs);
