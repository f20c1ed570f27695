/// What a command line sets, and whether it contradicts itself.
#pragma once

#include "cli/command.h"

/// A setting that was given, in whatever way.
typedef struct {
    const mr_setting *setting;
    const char *value; // borrowed
    char
        before[MR_OPTION_NAME_SIZE + 8]; // what stands before the value: "--steps ", "--set steps="
} mr_assignment;

/// That of an option.
mr_assignment mr_assignment_of(const mr_given *given);

/// Refuses (MR_ERR_USAGE) a setting that is given twice with different values. Of settings that
/// take several pairs, none of the keys may be.
mr_status mr_check_conflicts(size_t n, const mr_assignment *given);
