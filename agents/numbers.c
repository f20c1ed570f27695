// Numbers of a checkpoint by name.

#include "agents/numbers.h"

#include <math.h>
#include <string.h>

mr_status mr_numbers_fail_damaged(const mr_tensors *file, const char *name) {
    return mr_fail(MR_ERR_INPUT, "%s: %s is invalid; the file is damaged, take another copy",
                   mr_tensors_path(file), name);
}

// Version 2, of millrace 0.1, has all numbers in one array, in this order.
static const char array_of_0_1[] = "loop";
static const struct {
    const char *name;
    size_t n;
} order_of_0_1[] = {
    {"metrics.time/total_timesteps", 1},
    {"metrics.time/time_elapsed", 1},
    {"metrics.time/fps", 1},
    {"metrics.time/episodes", 1},
    {"metrics.rollout/ep_rew_mean", 1},
    {"metrics.rollout/ep_len_mean", 1},
    {"metrics.rollout/ep_rew_last", 1},
    {"metrics.rollout/n_diverged", 1},
    {"metrics.train/n_updates", 1},
    {"metrics.train/actor_loss", 1},
    {"metrics.train/critic_loss", 1},
    {"metrics.train/ent_coef", 1},
    {"metrics.train/ent_coef_loss", 1},
    {"metrics.train/entropy", 1},
    {"metrics.train/q_mean", 1},
    {"metrics.eval/mean_reward", 1},
    {"metrics.eval/std_reward", 1},
    {"metrics.eval/mean_ep_length", 1},
    {"metrics.bonus/state_log_prob", 1},
    {"metrics.bonus/mean", 1},
    {"metrics.bonus/std", 1},
    {"metrics.bonus/beta", 1},
    {"metrics.bonus/coverage", 1},
    {"metrics.bonus/restarts", 1},
    {"loop.best_mean_reward", 1},
    {"loop.best_steps", 1},
    {"loop.n_recent", 1},
    {"loop.recent_return", 100},
    {"loop.recent_length", 100},
    {"loop.n_summed", 1},
    {"sum.train/critic_loss", 1},
    {"sum.train/q_mean", 1},
    {"sum.train/actor_loss", 1},
    {"sum.train/ent_coef", 1},
    {"sum.train/ent_coef_loss", 1},
    {"sum.train/entropy", 1},
    {"loop.step_part", 1},
    {"loop.n_bytes.progress", 1},
    {"loop.n_bytes.evaluations", 1},
    {"loop.n_bytes.events", 1},
};

mr_status mr_numbers_write(size_t n, const mr_number *numbers, mr_tensors_writer *writer) {
    mr_status status = MR_OK;
    for (size_t i = 0; i < n; i++)
        MR_TRY(mr_tensors_writer_add(writer, numbers[i].name, MR_F64, 1, &numbers[i].n,
                                     numbers[i].value));
done:
    return status;
}

static mr_status read_by_name(size_t n, const mr_number *numbers, const mr_tensors *file) {
    mr_status status = MR_OK;
    mr_tensor unused;
    for (size_t i = 0; i < n; i++) {
        const void *data;
        if (numbers[i].is_optional && !mr_tensors_find(file, numbers[i].name, &unused))
            continue;
        MR_TRY(mr_tensors_get(file, numbers[i].name, MR_F64, 1, &numbers[i].n, &data));
        memcpy(numbers[i].value, data, numbers[i].n * sizeof(double));
    }
done:
    return status;
}

static mr_status read_array_of_0_1(size_t n, const mr_number *numbers, const mr_tensors *file) {
    const void *data;
    size_t n_all = 0;
    for (size_t i = 0; i < MR_COUNT(order_of_0_1); i++)
        n_all += order_of_0_1[i].n;
    const mr_status status = mr_tensors_get(file, array_of_0_1, MR_F64, 1, &n_all, &data);
    if (status != MR_OK)
        return status;
    const double *at = data;
    for (size_t i = 0; i < MR_COUNT(order_of_0_1); at += order_of_0_1[i++].n)
        for (size_t k = 0; k < n; k++)
            if (strcmp(numbers[k].name, order_of_0_1[i].name) == 0)
                memcpy(numbers[k].value, at, numbers[k].n * sizeof *at);
    return MR_OK;
}

bool mr_number_is_count(double x) {
    const double max_exact = 0x1p53; // up to here every whole number is a double
    return x >= 0 && x <= max_exact && x == floor(x);
}

static mr_status check_counts(size_t n, const mr_number *numbers, const mr_tensors *file) {
    for (size_t i = 0; i < n; i++)
        if (numbers[i].is_count && !mr_number_is_count(*numbers[i].value))
            return mr_numbers_fail_damaged(file, numbers[i].name);
    return MR_OK;
}

bool mr_numbers_are_of_0_1(const mr_tensors *file) {
    const char *version = mr_tensors_note(file, "format_version");
    return version && strcmp(version, "2") == 0;
}

mr_status mr_numbers_read(size_t n, const mr_number *numbers, const mr_tensors *file) {
    mr_status status;
    MR_TRY(mr_numbers_are_of_0_1(file) ? read_array_of_0_1(n, numbers, file)
                                       : read_by_name(n, numbers, file));
    MR_TRY(check_counts(n, numbers, file));
done:
    return status;
}

mr_status mr_numbers_read_array(size_t n, const mr_number *numbers, const char *array,
                                const mr_tensors *file) {
    mr_status status;
    const void *data;
    size_t n_all = 0;
    for (size_t i = 0; i < n; i++)
        n_all += numbers[i].n;
    MR_TRY(mr_tensors_get(file, array, MR_F64, 1, &n_all, &data));
    for (size_t i = 0, k = 0; i < n; k += numbers[i++].n)
        memcpy(numbers[i].value, (const double *)data + k, numbers[i].n * sizeof(double));
    MR_TRY(check_counts(n, numbers, file));
done:
    return status;
}
