/// The options of a task: what `--env-set key=value` may change, as a table of rows.
///
/// For those who write environments. A row points to where its value is kept; several rows of one
/// name are changed together (a range that the observation and a cost share). An alias stands for a
/// name where no row has that name and no two of different names have that alias.
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { MR_ENV_TEXT_SIZE = 256 };

/// Two bounds; either may be infinite.
typedef struct {
    double low, high;
} mr_range;

typedef enum {
    MR_ENV_REAL,   // double
    MR_ENV_COUNT,  // size_t
    MR_ENV_SWITCH, // bool: true or false
    MR_ENV_RANGE,  // mr_range: low:high
    MR_ENV_TEXT,   // char[size]
} mr_env_option_type;

typedef struct {
    const char *name; // Gymnasium's, where it has one
    mr_env_option_type type;
    void *value;       // what it sets, as the type says
    double min, max;   // of numbers, both included
    size_t size;       // of texts, with the final zero; at most MR_ENV_TEXT_SIZE
    const char *alias; // another name; NULL: none
} mr_env_option;

/// Sets options from text.
///
///   env   the task, for messages
///   set   "key=value,key=value"; the last of one key counts; "": nothing
///   rows  [n] the options there are
///
/// Fails with MR_ERR_USAGE on an unknown key (the nearest name is in the message, or all where none
/// is near), on an alias of several names (they are in the message) and on a value that does not
/// fit (what would is in the message).
mr_status mr_env_options_set(const char *env, const char *set, size_t n, const mr_env_option *rows);

/// Writes a row's present value in the form that `set` takes, at most `size` bytes with the final
/// zero.
void mr_env_option_format(const mr_env_option *row, char *text, size_t size);
