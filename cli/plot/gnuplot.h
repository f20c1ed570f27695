/// Pictures that gnuplot draws.
#pragma once

#include "base/status.h"

#include <stddef.h>
#include <stdio.h>

/// Colours for curves and points: distinct on white and for colour-blind readers (Okabe and Ito
/// 2008).
enum { MR_N_COLOURS = 7 };
extern const char *const mr_colours[MR_N_COLOURS];

/// Fails with MR_ERR_USAGE unless `path`, given as --out, ends in .png, .svg or .pdf.
mr_status mr_picture_check_name(const char *path);

/// Writes gnuplot commands; encoding and terminal are set already.
typedef void (*mr_picture_script)(FILE *script, const void *self);

/// Draws a picture of this size in pixels from the commands that `write` writes. Writes the file
/// whole or not at all.
mr_status mr_picture_draw(const char *path, size_t width, size_t height, mr_picture_script write,
                          const void *self);

/// The same with another terminal, which the command `terminal` sets ("set terminal dumb"), into
/// memory: `*out` holds `*n_bytes` bytes and a zero after them; the caller frees it.
mr_status mr_picture_render(const char *terminal, mr_picture_script write, const void *self,
                            char **out, size_t *n_bytes);

/// Writes a text quoted for gnuplot. Control characters become spaces.
void mr_picture_quote(FILE *script, const char *text);
