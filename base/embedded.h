/// Files that are compiled into the library, so that a program that is moved or copied has them
/// with it. `mr_embed` (embed.cmake) makes an array of them out of a folder.
#pragma once

#include <stddef.h>

typedef struct {
    const char *name;           // of the file, without its folder: "hopper.xml"
    const unsigned char *bytes; // [size], and a zero after them: a text is a string
    size_t size;
} mr_embedded_file;
