// Sets of parameters and buffers.

#include "nn/learner.h"

#include "tests/scratch.h"

#include <criterion/criterion.h>
#include <string.h>

/// A set as a layer with running statistics declares one.
typedef struct {
    mr_params *params;
    mr_param weight;
    mr_buffer mean, order;
} set;

static const mr_real order[3] = {2, 0, 1};

static set set_new(void) {
    set s = {0};
    mr_random random = mr_random_stream(4, MR_STREAM_TEST, 0);
    cr_assert_eq(mr_params_new(&s.params), MR_OK);
    s.mean = mr_params_add_buffer(s.params, "running_mean", 1, 5, 0.5);
    s.weight = mr_params_add(s.params, "weight", 2, 5, MR_INIT_FAN_IN, 5, NULL);
    s.order = mr_params_add_buffer_values(s.params, "order", 1, 3, MR_BUFFER_PERMUTATION, order);
    cr_assert_eq(mr_params_alloc(s.params, &random), MR_OK);
    return s;
}

static void set_buffers(const set *s, double value) {
    for (size_t j = 0; j < s->mean.cols; j++)
        mr_params_buffer(s->params, s->mean)[j] = (mr_real)value;
}

static void expect_mean(const mr_params *params, mr_buffer mean, double value) {
    for (size_t j = 0; j < mean.cols; j++)
        cr_expect_eq(mr_params_buffer(params, mean)[j], (mr_real)value);
}

Test(params, buffers_have_their_initial_values_beside_the_parameters) {
    const set s = set_new();
    expect_mean(s.params, s.mean, 0.5);
    cr_expect_arr_eq(mr_params_buffer(s.params, s.order), order, sizeof order);
    cr_expect_eq(mr_params_count(s.params), 10);
    cr_expect_lt(mr_params_trained_size(s.params), mr_params_size(s.params));
    cr_expect_neq(mr_params_read(s.params)[s.weight.offset], 0);
    mr_params_free(s.params);
}

Test(params, the_optimizer_leaves_buffers_alone) {
    const set s = set_new();
    mr_adam adam = mr_adam_new(0.1);
    const mr_real before = mr_params_read(s.params)[s.weight.offset];
    for (size_t i = 0; i < mr_params_size(s.params); i++)
        mr_params_grad(s.params)[i] = 1;
    mr_adam_step(&adam, s.params, 2);
    expect_mean(s.params, s.mean, 0.5);
    cr_expect_neq(mr_params_read(s.params)[s.weight.offset], before);
    mr_params_free(s.params);
}

Test(params, a_target_averages_parameters_and_copies_buffers) {
    const set s = set_new();
    mr_params *target;
    cr_assert_eq(mr_params_copy(s.params, &target), MR_OK);
    set_buffers(&s, 7);
    mr_params_value(s.params)[s.weight.offset] = 3;
    mr_params_value(target)[s.weight.offset] = 1;
    mr_polyak(target, s.params, 0.25, 2);
    expect_mean(target, s.mean, 7);
    cr_expect_eq(mr_params_read(target)[s.weight.offset], 1.5);
    mr_params_free(target);
    mr_params_free(s.params);
}

Test(params, copies_swaps_and_rollbacks_include_buffers) {
    const set s = set_new();
    mr_params *copy;
    mr_learner learner;
    set_buffers(&s, 2);
    cr_assert_eq(mr_params_copy(s.params, &copy), MR_OK);
    expect_mean(copy, s.mean, 2);
    set_buffers(&s, 3);
    mr_params_swap(s.params, copy);
    expect_mean(s.params, s.mean, 2);
    expect_mean(copy, s.mean, 3);
    cr_assert_eq(mr_learner_init(&learner, s.params, mr_adam_new(0.1), MR_LEARNER_SNAPSHOT, 1),
                 MR_OK);
    set_buffers(&s, 9);
    mr_learner_rollback(&learner);
    expect_mean(s.params, s.mean, 2);
    mr_learner_release(&learner);
    mr_params_free(copy);
    mr_params_free(s.params);
}

static mr_tensors *written(const mr_params *params, const mr_real *array) {
    mr_tensors_writer *writer;
    mr_tensors *file;
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    cr_assert_eq(mr_params_write(params, array, "net.", writer), MR_OK);
    cr_assert_eq(mr_tensors_writer_write(writer, "params.safetensors"), MR_OK);
    mr_tensors_writer_free(writer);
    cr_assert_eq(mr_tensors_open("params.safetensors", &file), MR_OK);
    return file;
}

Test(params, files_hold_buffers_beside_the_values_and_not_beside_moments, .init = scratch_enter,
     .fini = scratch_leave) {
    const set s = set_new(), other = set_new();
    set_buffers(&s, 4);
    mr_tensors *file = written(s.params, mr_params_read(s.params));
    cr_expect_eq(mr_tensors_count(file), 3);
    cr_assert_eq(mr_params_load(other.params, file, "net.", mr_params_value(other.params)), MR_OK);
    expect_mean(other.params, other.mean, 4);
    mr_tensors_close(file);
    file = written(s.params, mr_params_moment(s.params, 1));
    cr_expect_eq(mr_tensors_count(file), 1);
    cr_expect_eq(mr_params_load(s.params, file, "net.", mr_params_moment(s.params, 1)), MR_OK);
    mr_tensors_close(file);
    mr_params_free(s.params);
    mr_params_free(other.params);
}

Test(params, a_file_without_a_permutation_leaves_the_initial_one, .init = scratch_enter,
     .fini = scratch_leave) {
    const set s = set_new();
    mr_params *old;
    mr_random random = mr_random_stream(4, MR_STREAM_TEST, 1);
    cr_assert_eq(mr_params_new(&old), MR_OK);
    mr_params_add(old, "weight", 2, 5, MR_INIT_FAN_IN, 5, NULL);
    mr_params_add_buffer(old, "running_mean", 1, 5, 8);
    cr_assert_eq(mr_params_alloc(old, &random), MR_OK);
    mr_tensors *file = written(old, mr_params_read(old));
    cr_assert_eq(mr_params_load(s.params, file, "net.", mr_params_value(s.params)), MR_OK);
    expect_mean(s.params, s.mean, 8);
    cr_expect_arr_eq(mr_params_buffer(s.params, s.order), order, sizeof order);
    cr_expect_eq(mr_params_read(s.params)[s.weight.offset], mr_params_read(old)[0]);
    mr_tensors_close(file);
    mr_params_free(old);
    mr_params_free(s.params);
}

Test(params, a_file_without_running_statistics_is_refused, .init = scratch_enter,
     .fini = scratch_leave) {
    const set s = set_new();
    mr_params *old;
    mr_random random = mr_random_stream(4, MR_STREAM_TEST, 1);
    cr_assert_eq(mr_params_new(&old), MR_OK);
    mr_params_add(old, "weight", 2, 5, MR_INIT_FAN_IN, 5, NULL);
    cr_assert_eq(mr_params_alloc(old, &random), MR_OK);
    mr_tensors *file = written(old, mr_params_read(old));
    cr_expect_eq(mr_params_load(s.params, file, "net.", mr_params_value(s.params)), MR_ERR_INPUT);
    scratch_expect_message("no array 'net.running_mean'");
    mr_tensors_close(file);
    mr_params_free(old);
    mr_params_free(s.params);
}

Test(params, a_file_whose_permutation_or_signs_are_none_is_refused, .init = scratch_enter,
     .fini = scratch_leave) {
    static const mr_real bad[][3] = {{0, 0, 1}, {0, 1, 3}, {0, -1, 1}, {0.5, 1, 2}, {0, 1, NAN}};
    static const mr_real good[3] = {1, 2, 0}, signs[3] = {1, -1, 1};
    for (size_t k = 0; k <= MR_COUNT(bad); k++) {
        mr_params *params;
        mr_random random = mr_random_stream(4, MR_STREAM_TEST, 0);
        cr_assert_eq(mr_params_new(&params), MR_OK);
        const mr_buffer o =
            mr_params_add_buffer_values(params, "order", 1, 3, MR_BUFFER_PERMUTATION, good);
        const mr_buffer s =
            mr_params_add_buffer_values(params, "sign", 1, 3, MR_BUFFER_SIGNS, signs);
        cr_assert_eq(mr_params_alloc(params, &random), MR_OK);
        if (k < MR_COUNT(bad))
            memcpy(mr_params_buffer(params, o), bad[k], sizeof good);
        else
            mr_params_buffer(params, s)[1] = 0;
        mr_tensors *file = written(params, mr_params_read(params));
        cr_expect_eq(mr_params_load(params, file, "net.", mr_params_value(params)), MR_ERR_INPUT);
        cr_expect_not_null(
            strstr(mr_error_message(), k < MR_COUNT(bad) ? "'net.order'" : "'net.sign'"));
        mr_tensors_close(file);
        mr_params_free(params);
    }
}

Test(params, more_numbers_than_the_limit_are_refused_in_either_part) {
    for (int is_buffer = 0; is_buffer < 2; is_buffer++) {
        mr_params *params;
        mr_random random = mr_random_stream(4, MR_STREAM_TEST, 0);
        cr_assert_eq(mr_params_new(&params), MR_OK);
        mr_params_limit(params, 10);
        if (is_buffer)
            mr_params_add_buffer(params, "running_mean", 1, 11, 0);
        else
            mr_params_add(params, "weight", 1, 11, MR_INIT_ZERO, 1, NULL);
        cr_expect_eq(mr_params_alloc(params, &random), MR_ERR_INPUT);
        mr_params_free(params);
    }
}
