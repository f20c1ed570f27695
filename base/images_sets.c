// Data sets of images that Debian has, by their names.

#include <string.h>

#include "base/images_internal.h"

#define FASHION_MNIST "/usr/share/datasets/fashion-mnist"

static const char *const clothes[] = {"T-shirt", "Trouser", "Pullover", "Dress", "Coat",
                                      "Sandal",  "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

static const mr_image_data_set sets[] = {
    {"fashion-mnist", FASHION_MNIST "/train-images-idx3-ubyte.gz", "dataset-fashion-mnist", clothes,
     MR_COUNT(clothes)},
    {"fashion-mnist:test", FASHION_MNIST "/t10k-images-idx3-ubyte.gz", "dataset-fashion-mnist",
     clothes, MR_COUNT(clothes)},
};

const mr_image_data_set *mr_image_data_set_find(const char *name) {
    for (size_t i = 0; i < MR_COUNT(sets); i++)
        if (strcmp(sets[i].name, name) == 0)
            return &sets[i];
    return NULL;
}
