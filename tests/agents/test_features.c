// Parts of an observation, by number and by name.

#include "agents/features.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {"qpos.rootz", "qpos.hip", "qvel.rootx", "qvel.rootz", "done"};

static const mr_env_spec named = {.name = "Named-v0", .obs_dim = 5, .obs_names = names};
static const mr_env_spec nameless = {.name = "Nameless-v0", .obs_dim = 12};

// `expected` has a digit for each feature.
static void expect(const mr_env_spec *env, const char *text, const char *expected) {
    mr_features features;
    cr_assert_eq(mr_features_parse(text, env, "bonus_features", &features), MR_OK, "%s",
                 mr_error_message());
    cr_expect_eq(features.n, strlen(expected), "%s gives %zu features", text, features.n);
    for (size_t i = 0; i < features.n && i < strlen(expected); i++)
        cr_expect_eq(features.index[i], (size_t)(expected[i] - '0'), "%s: number %zu is %zu", text,
                     i, features.index[i]);
    mr_features_free(&features);
}

static void expect_refused(const mr_env_spec *env, const char *text, const char *message) {
    mr_features features = {.n = 77};
    cr_expect_eq(mr_features_parse(text, env, "bonus_features", &features), MR_ERR_USAGE, "%s",
                 text);
    cr_expect_eq(features.n, 77, "%s changed the result", text);
    cr_expect_str_eq(mr_error_message(), message);
}

Test(features, all_are_all) {
    expect(&named, "all", "01234");
}

Test(features, numbers_and_ranges_have_both_ends) {
    expect(&nameless, "0,3", "03");
    expect(&nameless, "2-5", "2345");
    expect(&nameless, "0-1,9", "019");
}

Test(features, come_in_the_order_of_the_observation_and_once_each) {
    expect(&nameless, "5,1,1,4-5", "145");
}

Test(features, a_name_stands_for_all_that_begin_with_it) {
    expect(&named, "qpos", "01");
    expect(&named, "qvel.rootz,done", "34");
    expect(&named, "qpos,4", "014");
}

Test(features, part_of_a_word_is_no_name) {
    expect_refused(
        &named, "qp",
        "bonus_features: Named-v0 has no feature qp; its 5 features go from qpos.rootz to "
        "done (`millrace envs Named-v0` lists them)");
}

Test(features, an_unknown_name_gets_the_nearest) {
    expect_refused(&named, "qvel.rootzz",
                   "bonus_features: Named-v0 has no feature qvel.rootzz; did you mean qvel.rootz?");
}

Test(features, names_of_a_task_without_names_are_refused) {
    expect_refused(&nameless, "qpos",
                   "bonus_features: the features of Nameless-v0 have no names, so that qpos "
                   "chooses none; give "
                   "numbers from 0 to 11");
}

Test(features, numbers_that_the_task_lacks_are_refused) {
    static const char *const texts[] = {"12", "3-12", "5-4", "99999999999999999999999"};
    for (size_t i = 0; i < MR_COUNT(texts); i++) {
        char message[256];
        snprintf(
            message, sizeof message,
            "bonus_features: %s is out of range, the features of Nameless-v0 are numbered from 0 "
            "to 11",
            texts[i]);
        expect_refused(&nameless, texts[i], message);
    }
}

Test(features, empty_parts_are_refused) {
    expect_refused(
        &nameless, "1,,2",
        "bonus_features must be all, or numbers, ranges such as 0-5 and names, separated by "
        "commas, not ',2'");
}

// Names as `millrace envs` and the task's own parts have them.
Test(features, tasks_name_what_they_observe) {
    static const struct {
        const char *env;
        size_t i;
        const char *name;
    } cases[] = {
        {"PointMazeU-v0", 0, "qpos.x"},
        {"PointMazeU-v0", 3, "qvel.y"},
        {"HalfCheetah-v5", 0, "qpos.rootz"},
        {"HalfCheetah-v5", 8, "qvel.rootx"},
        {"Ant-v5", 1, "qpos.root.3"},
        {"Reacher-v5", 0, "cos.qpos.joint0"},
        {"Reacher-v5", 8, "xpos.fingertip-target.0"},
        {"Pendulum-v1", 2, "velocity"},
    };
    for (size_t k = 0; k < MR_COUNT(cases); k++) {
        mr_env *env = NULL;
        cr_assert_eq(mr_env_open(cases[k].env, NULL, &env), MR_OK, "%s", mr_error_message());
        cr_expect_str_eq(mr_env_get_spec(env)->obs_names[cases[k].i], cases[k].name);
        mr_env_close(env);
    }
}
