// Any bytes as a file of images: IDX, gzipped or not, .npy, PNG, JPEG.

#include "base/images.h"
#include "base/images_internal.h"
#include "tests/fuzz/fuzz.h"

static void read_images(const char *path) {
    mr_images images = {0};
    if (!mr_images_is_source(path) ||
        !fuzz_is_fine(mr_images_open(path, &(mr_images_options){.max_bytes = 1 << 20}, &images)))
        return;
    unsigned char *pixels = malloc(mr_images_dim(&images));
    assert(pixels != NULL);
    for (size_t i = 0; i < images.n; i++) {
        if (fuzz_is_fine(mr_images_get(&images, i, 1, pixels)))
            fuzz_touch((double)pixels[0]);
        fuzz_touch((double)(images.label != NULL ? images.label[i] : 0));
    }
    free(pixels);
    mr_images_free(&images);
}

static void read_labels(const char *path) {
    size_t n;
    double *values = NULL;
    if (!mr_idx_is_labels(path) || !fuzz_is_fine(mr_idx_labels_read(path, &n, &values)))
        return;
    for (size_t i = 0; i < n; i++)
        fuzz_touch(values[i]);
    free(values);
}

static void read_picture(const char *path) {
    enum { MAX_PIXELS = 1 << 20 }; // a small file may say that it is a large picture
    mr_picture picture = {0}, shape = {0};
    if (!fuzz_is_fine(mr_picture_probe(path, &shape)) || shape.height * shape.width > MAX_PIXELS)
        return;
    if (fuzz_is_fine(mr_picture_read(path, &picture)))
        fuzz_touch((double)picture.pixels[0]);
    mr_picture_free(&picture);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    const char *path = fuzz_file(data, n_bytes);
    read_images(path);
    read_labels(path);
    read_picture(path);
    return 0;
}
