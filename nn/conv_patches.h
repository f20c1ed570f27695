/// Patches of images: the numbers that each place of a convolution's result reads.
///
/// They are planes, one for each channel and each offset (ky, kx) within the kernel: plane (channel
/// kernel + ky) kernel + kx holds, for all places of the result, the number at that offset.
#pragma once

#include "nn/graph.h"

/// An image, and how its patches lie.
typedef struct {
    mr_shape image;
    size_t height, width; // of a plane
    size_t kernel, stride, padding;
    bool
        is_transposed; // place p of a plane is the number that p is read as: at the opposite offset
} mr_patches;

/// Numbers of all planes.
size_t mr_patches_size(const mr_patches *patches);

/// Reads planes from an image. What lies beside the image is 0.
void mr_patches_read(const mr_patches *patches, const mr_real *image, mr_real *planes);

/// Adds each number of the planes to the image in the place where it would have been read.
/// Overwrites numbers of the planes that lie beside the image.
void mr_patches_add(const mr_patches *patches, mr_real *planes, mr_real *image);
