#include "nn/conv_patches.h"

#include <assert.h>
#include <string.h>

size_t mr_patches_size(const mr_patches *p) {
    return p->image.channels * p->kernel * p->kernel * p->height * p->width;
}

// ---- Planes of the image's size: place p of the plane is place p + offset of the image, but for
// columns and rows that lie beside it. So a plane is one piece of memory, of which only the columns
// at a side are mended; line by line, a convolution of 6 channels on 16 x 16 would spend as long in
// its patches as in its product.

/// The offset of a plane: rows down, columns to the right; and its places [first, end) that may lie
/// in the image.
typedef struct {
    ptrdiff_t dy, dx;
    size_t first, end;
} shift;

static bool keeps_size(const mr_patches *p) {
    return p->stride == 1 && p->height == p->image.height && p->width == p->image.width;
}

static size_t positive(ptrdiff_t n) {
    return n > 0 ? (size_t)n : 0;
}

static shift shift_of(const mr_patches *p, size_t ky, size_t kx) {
    const ptrdiff_t y = (ptrdiff_t)ky - (ptrdiff_t)p->padding;
    const ptrdiff_t x = (ptrdiff_t)kx - (ptrdiff_t)p->padding;
    shift s = {.dy = p->is_transposed ? -y : y, .dx = p->is_transposed ? -x : x};
    const size_t n_places = p->height * p->width;
    const size_t before = positive(-s.dy) * p->width + positive(-s.dx);
    const size_t behind = positive(s.dy) * p->width + positive(s.dx);
    const bool is_beside =
        before + behind >= n_places || positive(s.dx) >= p->width || positive(-s.dx) >= p->width;
    s.first = is_beside ? 0 : before;
    s.end = is_beside ? 0 : n_places - behind;
    return s;
}

// The columns of a plane that lie beside the image.
static void clear_sides(const mr_patches *p, shift s, mr_real *plane) {
    const size_t left = positive(-s.dx), right = positive(s.dx);
    for (size_t y = 0; y < p->height && left + right > 0; y++) {
        for (size_t x = 0; x < left; x++)
            plane[y * p->width + x] = 0;
        for (size_t x = p->width - right; x < p->width; x++)
            plane[y * p->width + x] = 0;
    }
}

static const mr_real *shifted(const mr_patches *p, shift s, const mr_real *channel) {
    return channel + (ptrdiff_t)s.first + s.dy * (ptrdiff_t)p->width + s.dx;
}

static void read_plane(const mr_patches *p, size_t ky, size_t kx, const mr_real *channel,
                       mr_real *plane) {
    const shift s = shift_of(p, ky, kx);
    memset(plane, 0, s.first * sizeof *plane);
    if (s.end > s.first) {
        memcpy(plane + s.first, shifted(p, s, channel), (s.end - s.first) * sizeof *plane);
        clear_sides(p, s, plane);
    }
    memset(plane + s.end, 0, (p->height * p->width - s.end) * sizeof *plane);
}

static void add_plane(const mr_patches *p, size_t ky, size_t kx, mr_real *restrict plane,
                      mr_real *channel) {
    const shift s = shift_of(p, ky, kx);
    if (s.end == s.first)
        return;
    mr_real *restrict to = channel + (shifted(p, s, channel) - channel);
    clear_sides(p, s, plane);
    for (size_t k = 0; k < s.end - s.first; k++)
        to[k] += plane[s.first + k];
}

// ---- Planes of another size, line by line

/// The numbers of one channel at one offset that belong to one line of a plane.
typedef struct {
    size_t first, end; // columns of the line whose number lies inside the image
    size_t from;       // place in the channel of column `first`
} line;

// The first column of the plane that reads at or behind `at`, an index of the padded line.
static size_t first_column(size_t at, size_t stride) {
    return (at + stride - 1) / stride;
}

static line find_line(const mr_patches *p, size_t ky, size_t kx, size_t y) {
    const size_t row = y * p->stride + ky; // of the padded image
    if (row < p->padding || row >= p->image.height + p->padding)
        return (line){0};
    const size_t left = p->padding > kx ? p->padding - kx : 0;
    const size_t right = p->image.width + p->padding > kx ? p->image.width + p->padding - kx : 0;
    const size_t end = first_column(right, p->stride);
    line l = {.first = first_column(left, p->stride), .end = end < p->width ? end : p->width};
    if (l.first >= l.end)
        return (line){0};
    l.from = (row - p->padding) * p->image.width + l.first * p->stride + kx - p->padding;
    return l;
}

static void read_lines(const mr_patches *p, size_t ky, size_t kx, const mr_real *channel,
                       mr_real *plane) {
    memset(plane, 0, p->height * p->width * sizeof *plane);
    for (size_t y = 0; y < p->height; y++) {
        const line l = find_line(p, ky, kx, y);
        for (size_t x = l.first; x < l.end; x++)
            plane[y * p->width + x] = channel[l.from + (x - l.first) * p->stride];
    }
}

static void add_lines(const mr_patches *p, size_t ky, size_t kx, mr_real *plane, mr_real *channel) {
    for (size_t y = 0; y < p->height; y++) {
        const line l = find_line(p, ky, kx, y);
        for (size_t x = l.first; x < l.end; x++)
            channel[l.from + (x - l.first) * p->stride] += plane[y * p->width + x];
    }
}

// ---- All planes, in their order

void mr_patches_read(const mr_patches *p, const mr_real *image, mr_real *planes) {
    void (*const read)(const mr_patches *, size_t, size_t, const mr_real *, mr_real *) =
        keeps_size(p) ? read_plane : read_lines;
    const size_t n_places = p->image.height * p->image.width;
    for (size_t c = 0; c < p->image.channels; c++)
        for (size_t ky = 0; ky < p->kernel; ky++)
            for (size_t kx = 0; kx < p->kernel; kx++, planes += p->height * p->width)
                read(p, ky, kx, image + c * n_places, planes);
}

void mr_patches_add(const mr_patches *p, mr_real *planes, mr_real *image) {
    void (*const add)(const mr_patches *, size_t, size_t, mr_real *, mr_real *) =
        keeps_size(p) ? add_plane : add_lines;
    const size_t n_places = p->image.height * p->image.width;
    for (size_t c = 0; c < p->image.channels; c++)
        for (size_t ky = 0; ky < p->kernel; ky++)
            for (size_t kx = 0; kx < p->kernel; kx++, planes += p->height * p->width)
                add(p, ky, kx, planes, image + c * n_places);
}
