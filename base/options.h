/// Typed options as a table: read from "key=value,key=value", and written as text.
///
/// A row says where its value is stored: at an address, or at an offset in the struct that a call
/// is given. Rows of the same name are set together (a range that the observation and a cost
/// share). An alias is another name for a row. It must mean one name only, and a row that has it as
/// its own name comes first.
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { MR_OPTION_MAX_TEXT = 256 };

/// Two bounds; either may be infinite.
typedef struct {
    double low, high;
} mr_range;

typedef enum {
    MR_OPTION_REAL,   // double
    MR_OPTION_COUNT,  // size_t
    MR_OPTION_SWITCH, // bool: true or false
    MR_OPTION_RANGE,  // mr_range: low:high
    MR_OPTION_TEXT,   // char[size]
} mr_option_type;

typedef struct {
    const char *name;
    mr_option_type type;
    void *value;       // the address of its value; NULL: it is in the struct, at `offset`
    size_t offset;     // in bytes
    double min, max;   // of numbers, both included
    size_t size;       // of texts, with the final zero; at most MR_OPTION_MAX_TEXT
    const char *alias; // another name; NULL: none
} mr_option;

/// Sets options from text.
///
///   where   begins the message of a failure: the name of the task, for example
///   set     "key=value,key=value"; if a key comes twice, its last value counts; "" sets nothing
///   rows    [n] the table
///   fields  the struct that rows with an offset are about; NULL: there are no such rows
///
/// Fails with MR_ERR_USAGE on an unknown key (the message names the nearest, or all if none is
/// near), on an alias of several names (it names them) and on an invalid value (it says what would
/// be valid). Options before the invalid one are set then.
mr_status mr_options_set(const char *where, const char *set, size_t n, const mr_option *rows,
                         void *fields);

/// Writes a row's value in the form that mr_options_set reads, at most `size` bytes with the final
/// zero.
void mr_option_format(const mr_option *row, const void *fields, char *text, size_t size);
