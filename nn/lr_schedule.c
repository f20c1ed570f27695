// Schedules of the learning rate.

#include "nn/lr_schedule.h"

#include <math.h>
#include <string.h>

#include "base/status.h"

static double linear(double x) {
    return 1 - x;
}

// Loshchilov and Hutter 2017 (arXiv:1608.03983), without restarts.
static double cosine(double x) {
    return (1 + cos(M_PI * x)) / 2;
}

static const struct {
    const char *name;
    double (*shape)(double x);
} schedules[] = {{"constant", NULL}, {"linear", linear}, {"cosine", cosine}};

bool mr_lr_schedule_find(const char *name, mr_lr_schedule *schedule) {
    for (size_t i = 0; i < MR_COUNT(schedules); i++) {
        if (strcmp(schedules[i].name, name) != 0)
            continue;
        schedule->shape = schedules[i].shape;
        return true;
    }
    return false;
}

double mr_lr_factor(const mr_lr_schedule *s, uint64_t index) {
    if (!s->shape)
        return 1;
    return s->last + (1 - s->last) * s->shape(fmin((double)index / s->n_updates, 1));
}
