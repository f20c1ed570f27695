#include "agents/infos.h"

#include <math.h>

#include "tests/scratch.h"

TestSuite(infos, .init = scratch_enter, .fini = scratch_leave);

// Two environments that tell what they were asked to do: "reward_a" is the action, "x,1" ten times
// the action plus the environment's index, and "rare" only what an action above 5 is.
static double told[3];

static mr_status reset(void *self, size_t i, const uint64_t *seed, double *obs) {
    (void)self, (void)i, (void)seed;
    obs[0] = 0;
    return MR_OK;
}

static mr_status step(void *self, size_t i, const double *action, double *obs, mr_step *result) {
    (void)self;
    obs[0] = 0;
    result->reward = told[0] = action[0];
    told[1] = 10 * action[0] + (double)i;
    told[2] = action[0] > 5 ? action[0] : NAN;
    return MR_OK;
}

static mr_vec_env *open_envs(void) {
    static const double low = -100, high = 100;
    static const char *const names[] = {"reward_a", "x,1", "rare"};
    const mr_env_spec spec = {.name = "Telling",
                              .obs_dim = 1,
                              .act_dim = 1,
                              .act_low = &low,
                              .act_high = &high,
                              .n_info = 3,
                              .info_names = names,
                              .info = told};
    const mr_env_callbacks callbacks = {.reset = reset, .step = step};
    mr_vec_env *envs = NULL;
    cr_assert_eq(mr_vec_env_new(&callbacks, NULL, &spec, 2, 1, &envs), MR_OK, "%s",
                 mr_error_message());
    return envs;
}

static void begin(mr_vec_env *envs, mr_infos *infos) {
    double obs;
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(mr_vec_env_reset(envs, i, NULL, &obs), MR_OK);
        mr_infos_begin_episode(infos, i);
    }
}

static void take_step(mr_vec_env *envs, mr_infos *infos, double a, double b) {
    const double actions[] = {a, b};
    double obs[2];
    mr_step results[2];
    cr_assert_eq(mr_vec_env_step(envs, NULL, actions, obs, results), MR_OK);
    for (size_t i = 0; i < 2; i++)
        mr_infos_add_step(infos, envs, i);
}

static void expect_means(mr_infos *infos, double reward, double x, double rare) {
    mr_scalar got[MR_MAX_INFOS];
    const double expected[] = {reward, x, rare};
    static const char *const tags[] = {"rollout/reward_a", "rollout/x_1", "rollout/rare"};
    cr_assert_eq(mr_infos_take(infos, got), 3);
    for (size_t k = 0; k < 3; k++) {
        cr_expect_str_eq(got[k].tag, tags[k]);
        cr_expect((isnan(expected[k]) && isnan(got[k].value)) || got[k].value == expected[k],
                  "%s is %g, not %g", tags[k], got[k].value, expected[k]);
    }
}

// Episode 0: rewards 1 + 2, x 10 and 20. Episode 1: rewards 3 + 4, x 31 and 41.
Test(infos, adds_up_rewards_and_averages_others_over_the_episodes_that_ended) {
    mr_infos infos;
    mr_vec_env *envs = open_envs();
    cr_assert_eq(mr_infos_open(&infos, 2), MR_OK);
    begin(envs, &infos);
    take_step(envs, &infos, 1, 3);
    take_step(envs, &infos, 2, 4);
    expect_means(&infos, NAN, NAN, NAN); // none ended
    mr_infos_end_episode(&infos, 0);
    mr_infos_end_episode(&infos, 1);
    expect_means(&infos, (3 + 7) / 2.0, (15 + 36) / 2.0, NAN);
    begin(envs, &infos);
    take_step(envs, &infos, 1, 8);
    take_step(envs, &infos, 1, 6);
    take_step(envs, &infos, 1, 1);
    mr_infos_end_episode(&infos, 1);
    expect_means(&infos, 15, (81 + 61 + 11) / 3.0, 7); // of the steps that gave it
    mr_infos_close(&infos);
    mr_vec_env_close(envs);
}

static void save(const mr_infos *infos) {
    mr_tensors_writer *writer = NULL;
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    cr_assert_eq(mr_infos_write(infos, writer), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_tensors_writer_write(writer, "state"), MR_OK);
    mr_tensors_writer_free(writer);
}

static mr_status load(mr_infos *infos, bool is_under_way) {
    mr_tensors *file = NULL;
    const bool under_way[] = {is_under_way, is_under_way};
    cr_assert_eq(mr_tensors_open("state", &file), MR_OK, "%s", mr_error_message());
    const mr_status status = mr_infos_read(infos, under_way, file);
    mr_tensors_close(file);
    return status;
}

Test(infos, goes_on_from_a_checkpoint) {
    mr_infos before, after;
    mr_vec_env *envs = open_envs();
    cr_assert_eq(mr_infos_open(&before, 2), MR_OK);
    cr_assert_eq(mr_infos_open(&after, 2), MR_OK);
    begin(envs, &before);
    take_step(envs, &before, 7, 3);
    mr_infos_end_episode(&before, 1);
    mr_infos_begin_episode(&before, 1);
    save(&before);
    cr_assert_eq(load(&after, true), MR_OK, "%s", mr_error_message());
    take_step(envs, &after, 2, 4);
    mr_infos_end_episode(&after, 0);
    expect_means(&after, (9 + 3) / 2.0, (45 + 31) / 2.0, 7);
    mr_infos_close(&before);
    mr_infos_close(&after);
    mr_vec_env_close(envs);
}

// The first steps of episodes that are under way are not in a checkpoint of an earlier version.
Test(infos, leaves_out_episodes_of_which_it_missed_the_beginning) {
    mr_infos infos;
    mr_vec_env *envs = open_envs();
    cr_assert_eq(mr_infos_open(&infos, 2), MR_OK);
    save(&infos); // as nothing is known yet
    begin(envs, &infos);
    cr_assert_eq(load(&infos, true), MR_OK);
    take_step(envs, &infos, 1, 2);
    mr_infos_end_episode(&infos, 0);
    expect_means(&infos, NAN, NAN, NAN);
    mr_infos_begin_episode(&infos, 0);
    take_step(envs, &infos, 1, 2);
    mr_infos_end_episode(&infos, 0);
    expect_means(&infos, 1, 10, NAN);
    mr_infos_close(&infos);
    mr_vec_env_close(envs);
}

static void save_names(size_t n, const char *names) {
    mr_tensors_writer *writer = NULL;
    const size_t shape[] = {n, MR_INFO_NAME_SIZE};
    cr_assert_eq(mr_tensors_writer_new(&writer), MR_OK);
    cr_assert_eq(mr_tensors_writer_add(writer, "infos.names", MR_U8, 2, shape, names), MR_OK);
    cr_assert_eq(mr_tensors_writer_write(writer, "state"), MR_OK);
    mr_tensors_writer_free(writer);
}

Test(infos, refuses_a_damaged_checkpoint) {
    static const char *const bad[] = {"reward_a", "rollout/a,b", "rollout/a\nb"};
    char names[2 * MR_INFO_NAME_SIZE];
    mr_infos infos;
    cr_assert_eq(mr_infos_open(&infos, 2), MR_OK);
    for (size_t i = 0; i < MR_COUNT(bad); i++) {
        memset(names, 0, sizeof names);
        memcpy(names, bad[i], strlen(bad[i]));
        save_names(1, names);
        cr_expect_eq(load(&infos, true), MR_ERR_INPUT, "%s", bad[i]);
        scratch_expect_message("infos.names is invalid");
    }
    memset(names, 'a', sizeof names); // without an end
    memcpy(names, "rollout/", 8);
    save_names(2, names);
    cr_expect_eq(load(&infos, true), MR_ERR_INPUT);
    memset(names, 0, sizeof names);
    memcpy(names, "rollout/a", 9);
    save_names(1, names);
    cr_expect_eq(load(&infos, true), MR_ERR_INPUT); // no numbers
    scratch_expect_message("infos.sum");
    mr_infos_close(&infos);
}

Test(infos, cuts_a_long_name_at_a_whole_character) {
    char long_name[400] = "";
    const char *names[] = {long_name};
    static const double low = -1, high = 1;
    const mr_env_spec spec = {.name = "Telling",
                              .obs_dim = 1,
                              .act_dim = 1,
                              .act_low = &low,
                              .act_high = &high,
                              .n_info = 1,
                              .info_names = names,
                              .info = told};
    const mr_env_callbacks callbacks = {.reset = reset, .step = step};
    mr_vec_env *envs = NULL;
    mr_infos infos;
    mr_scalar got[MR_MAX_INFOS];
    for (size_t i = 0; i < 130; i++)
        memcpy(long_name + 2 * i, "é", 2);
    cr_assert_eq(mr_vec_env_new(&callbacks, NULL, &spec, 2, 1, &envs), MR_OK);
    cr_assert_eq(mr_infos_open(&infos, 2), MR_OK);
    begin(envs, &infos);
    take_step(envs, &infos, 0, 0);
    cr_assert_eq(mr_infos_take(&infos, got), 1);
    cr_expect_eq(strlen(got[0].tag), 8 + 118); // 59 characters of two bytes, of 119 bytes
    save(&infos);
    cr_expect_eq(load(&infos, true), MR_OK, "%s", mr_error_message());
    mr_infos_close(&infos);
    mr_vec_env_close(envs);
}

// ---- Infos that become known with a step

// Environments without infos at first: the first step adds "first", environment 1's second one
// "second", and each gives its action under both.
static mr_vec_env *growing;
static double given[2];

static mr_status growing_step(void *self, size_t i, const double *action, double *obs,
                              mr_step *result) {
    (void)self, (void)result;
    const size_t n = mr_vec_env_get_spec(growing)->n_info;
    obs[0] = 0;
    given[0] = given[1] = action[0];
    if (n == 0)
        return mr_vec_env_add_info(growing, "first");
    return n == 1 && i == 1 && action[0] == 4 ? mr_vec_env_add_info(growing, "second") : MR_OK;
}

Test(infos, are_added_when_a_step_has_them) {
    static const double low = -100, high = 100;
    const mr_env_spec spec = {.name = "Growing",
                              .obs_dim = 1,
                              .act_dim = 1,
                              .act_low = &low,
                              .act_high = &high,
                              .info = given};
    const mr_env_callbacks callbacks = {.reset = reset, .step = growing_step};
    mr_infos infos;
    mr_scalar got[MR_MAX_INFOS];
    double values[4];
    cr_assert_eq(mr_vec_env_new(&callbacks, NULL, &spec, 2, 1, &growing), MR_OK);
    cr_assert_eq(mr_infos_open(&infos, 2), MR_OK);
    begin(growing, &infos);
    take_step(growing, &infos, 1, 2);
    take_step(growing, &infos, 3, 4);
    cr_assert_eq(mr_vec_env_get_spec(growing)->n_info, 2);
    cr_assert_eq(mr_vec_env_infos(growing, 2, values), MR_OK);
    cr_expect(values[0] == 3 && isnan(values[1]), "environment 0 stepped before the name came");
    cr_expect(values[2] == 4 && values[3] == 4);
    take_step(growing, &infos, 5, 6);
    for (size_t i = 0; i < 2; i++)
        mr_infos_end_episode(&infos, i);
    cr_assert_eq(mr_infos_take(&infos, got), 2);
    cr_expect_str_eq(got[0].tag, "rollout/first");
    cr_expect_eq(got[0].value, (3. + 4) / 2); // the means of 1, 3, 5 and of 2, 4, 6
    cr_expect_str_eq(got[1].tag, "rollout/second");
    cr_expect_eq(got[1].value, (5. + 5) / 2); // of 5, and of 4 and 6
    mr_infos_close(&infos);
    mr_vec_env_close(growing);
}

Test(infos, are_added_to_ones_own_environments_with_room_alone) {
    mr_vec_env *envs = NULL;
    cr_assert_eq(mr_vec_env_open("Pendulum-v1", NULL, 2, 1, &envs), MR_OK);
    cr_expect_eq(mr_vec_env_add_info(envs, "speed"), MR_ERR_USAGE);
    scratch_expect_message("Pendulum-v1: an info can't be added");
    mr_vec_env_close(envs);
}
