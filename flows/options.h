/// The options that a flow's text can set: of parts, presets and base distributions. Private to
/// flows/.
#pragma once

#include "nn/mlp.h"

#include <stdbool.h>

typedef enum {
    MR_FLOW_OPTION_COUNT,  // size_t
    MR_FLOW_OPTION_REAL,   // double
    MR_FLOW_OPTION_WIDTHS, // mr_widths
    MR_FLOW_OPTION_CHOICE, // size_t: the number of the chosen word, from 0
} mr_flow_option_type;

/// One option: a row of a table. Values are kept in a struct of the table's owner.
typedef struct {
    const char *name;
    mr_flow_option_type type;
    size_t offset; // in that struct
    const char *initial;
    double min, max;     // of a count or a real
    const char *choices; // of a choice: "first|second"
    const char *help;
} mr_flow_option;

typedef struct {
    const mr_flow_option *rows;
    size_t n;
    size_t size; // of the struct
} mr_flow_options;

enum { MR_FLOW_MAX_OPTION = 128 }; // bytes of a value's text, with the final zero

/// NULL if there is none of that name (`n_name` bytes).
const mr_flow_option *mr_flow_option_find(const mr_flow_options *options, const char *name,
                                          size_t n_name);

/// The names of all, "layers, hidden"; "none" of an empty table.
void mr_flow_option_names(const mr_flow_options *options, char *text, size_t size);

/// Sets every option to its initial value.
void mr_flow_options_init(const mr_flow_options *options, void *values);

/// Reads a value. False, and `values` untouched, if it is not one that the option may have.
bool mr_flow_option_read(const mr_flow_option *option, const char *text, void *values);

/// Writes a value so that it reads back as the same.
void mr_flow_option_write(const mr_flow_option *option, const void *values,
                          char text[MR_FLOW_MAX_OPTION]);

/// What a value must be, as part of a sentence: "a number from 0.1 to 1000".
void mr_flow_option_explain(const mr_flow_option *option, char text[MR_FLOW_MAX_OPTION]);

/// Reads "NAME:option=value,option=value", or "NAME" alone, which begins with `name`; options that
/// the text leaves out have their initial values.
///
///   what  the message calls the text: "flow"
///
/// Fails with MR_ERR_USAGE; the message names the choices.
mr_status mr_flow_options_read(const mr_flow_options *options, const char *what, const char *name,
                               const char *text, void *values);

/// Writes such a text with every option, at most `size` bytes with the final zero.
void mr_flow_options_write(const mr_flow_options *options, const char *name, const void *values,
                           char *text, size_t size);
