/// The text of a composition: parts in brackets, with arguments, repeated. Private to flows/.
///
///     [actnorm, lu, coupling(spline(bins=8), hidden=64x64)]*6
///     inverse([planar]*8)
///
///     item      = unit ["*" count]
///     unit      = "[" [item ("," item)*] "]"
///               | "inverse(" item ")"
///               | name ["(" argument ("," argument)* ")"]
///     argument  = transform | option "=" value
///
/// `transform` is the first argument of parts that apply an element-wise transform, and may itself
/// stand in inverse(...). Spaces are allowed between words.
#pragma once

#include "flows/part.h"

enum { MR_FLOW_MAX_PARTS = 512 }; // of a flow, repetitions counted

typedef enum { MR_TERM_SEQUENCE, MR_TERM_INVERSE, MR_TERM_PART } mr_term_type;

/// A node of the tree that a text stands for.
typedef struct mr_term mr_term;
struct mr_term {
    mr_term_type type;
    size_t repeat;
    mr_term *first;         // a sequence's items; what is inverted; the transform of a part
    mr_term *next;          // in the sequence
    const mr_part_ops *ops; // of a part
    const void *options;    // its struct
};

/// Reads a text into a tree, which lives in `arena`. Options that the text leaves out have their
/// initial values. Fails with MR_ERR_USAGE; the message names the column and the choices.
mr_status mr_flow_parse(const char *text, mr_arena *arena, mr_term **out);

/// Writes a tree as a text with every option. Fails with MR_ERR_USAGE if that is longer than `size`
/// bytes with the final zero.
mr_status mr_flow_print(const mr_term *term, char *text, size_t size);

/// Parts of a tree, repetitions counted.
size_t mr_term_count(const mr_term *term);
