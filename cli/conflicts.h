/// Settings that a command line gives twice.
#pragma once

#include "cli/command.h"

/// A setting that was given as an option, by --set or as an argument.
typedef struct {
    const mr_setting *setting;
    const char *value; // borrowed
    char
        before[MR_OPTION_NAME_SIZE + 8]; // what stands before the value: "--steps ", "--set steps="
} mr_assignment;

/// The assignment of an option.
mr_assignment mr_assignment_of(const mr_given *given);

/// Refuses (MR_ERR_USAGE) a setting that is given twice with different values; for settings of
/// key=value pairs, a key that is.
mr_status mr_check_conflicts(size_t n, const mr_assignment *given);
