// The command as such: its subcommands, options and messages. Training is in test_train.c.

#include <jansson.h>

#include "agents/settings.h"
#include "envs/env.h"
#include "tests/cli/command_runner.h"

TestSuite(command, .init = scratch_enter, .fini = scratch_leave);

Test(command, names_its_version_and_that_of_mujoco) {
    outcome o = RUN("--version");
    int major, minor;
    expect_success(&o);
    scratch_expect_part(o.out, "millrace " MR_VERSION ", MuJoCo ");
    cr_expect_eq(sscanf(strstr(o.out, "MuJoCo "), "MuJoCo %d.%d", &major, &minor), 2);
    outcome_free(&o);
}

Test(command, help_lists_the_commands) {
    static const char *const names[] = {"train", "eval", "view", "envs", "plot", "help"};
    outcome o = RUN("help");
    expect_success(&o);
    for (size_t i = 0; i < MR_COUNT(names); i++) {
        char row[32];
        snprintf(row, sizeof row, "\n  %s ", names[i]);
        scratch_expect_part(o.out, row);
    }
    outcome_free(&o);
}

Test(command, help_of_a_command_is_what_its_help_option_shows) {
    static const char *const names[] = {"train", "eval", "view", "envs", "plot", "help"};
    for (size_t i = 0; i < MR_COUNT(names); i++) {
        outcome a = RUN("help", names[i]), b = RUN(names[i], "--help"), c = RUN(names[i], "-h");
        expect_success(&a);
        scratch_expect_part(a.out, "Usage: millrace ");
        cr_expect_str_eq(a.out, b.out);
        cr_expect_str_eq(a.out, c.out);
        cr_expect_str_eq(a.err, "");
        outcome_free(&a);
        outcome_free(&b);
        outcome_free(&c);
    }
}

// Agents may share an option's name and not its default. A switch shows none.
static bool shows(const char *help, const mr_setting *setting) {
    char option[64], initial[64];
    snprintf(option, sizeof option, "\n  --%s ", setting->name);
    for (char *c = strchr(option, '_'); c != NULL; c = strchr(c, '_'))
        *c = '-';
    snprintf(initial, sizeof initial, "[%s]", setting->initial);
    for (const char *row = help; (row = strstr(row, option)) != NULL; row++) {
        const char *end = strstr(row + 1, "\n  --"), *shown = strstr(row, initial);
        const bool has_none = setting->initial[0] == '\0' || setting->type == MR_SETTING_SWITCH;
        if (has_none || (shown != NULL && (end == NULL || shown < end)))
            return true;
    }
    return false;
}

Test(command, help_of_train_shows_every_setting_with_its_default) {
    outcome o = RUN("train", "--help");
    for (size_t i = 0; i < mr_setting_count(); i++)
        cr_expect(shows(o.out, mr_setting_at(i)), "%s", mr_setting_at(i)->name);
    scratch_expect_part(o.out, "Options of --agent td3:\n");
    outcome_free(&o);
}

// One setting, two values, in whatever ways a command line has for it.
Test(command, what_is_given_twice_is_refused) {
    static const struct {
        const char *arguments[8];
        const char *message;
    } cases[] = {
        {{"train", "Hopper-v5", "--env", "Ant-v5"},
         "env is given twice, by Hopper-v5 and by --env Ant-v5; leave out one of them"},
        {{"train", "Hopper-v5", "--set", "env=Ant-v5"}, "by Hopper-v5 and by --set env=Ant-v5"},
        {{"train", "Hopper-v5", "--steps", "5", "--steps", "6"},
         "steps is given twice, by --steps 5 and by --steps 6"},
        {{"train", "Hopper-v5", "--set", "steps=5", "--steps=6"},
         "steps is given twice, by --set steps=5 and by --steps 6"},
        {{"train", "Hopper-v5", "--set", "batch-size=5", "--set", "batch_size=6"},
         "by --set batch_size=5 and by --set batch_size=6"},
        {{"train", "Hopper-v5", "--bonus-hidden", "8", "--bonus-critic-hidden", "9"},
         "bonus_critic_hidden is given twice, by --bonus-hidden 8 and by --bonus-critic-hidden 9"},
        {{"train", "Hopper-v5", "--set", "bonus-hidden=8", "--bonus-critic-hidden", "9"},
         "bonus_critic_hidden is given twice, by --set bonus_hidden=8 and by"},
        {{"train", "Hopper-v5", "--env-set", "frame_skip=2", "--env-set", "frame_skip=3"},
         "frame_skip is given twice, by --env-set frame_skip=2 and by --env-set frame_skip=3"},
        {{"train", "Hopper-v5", "--env-set", "frame_skip=2,frame_skip=3"},
         "frame_skip is given twice in --env-set frame_skip=2,frame_skip=3"},
        {{"train", "--resume", "a", "--resume", "b"}, "by --resume a and by --resume b"},
        {{"eval", "a", "--seed", "1", "--seed", "2"}, "by --seed 1 and by --seed 2"},
        {{"serve", "Hopper-v5", "--num-envs", "1", "--num-envs", "2"}, "num_envs is given twice"},
        {{"flow", "fit", "a.csv", "--flow", "nsf", "--flow", "maf"}, "flow is given twice"},
        {{"plot", "a", "--out", "a.png", "--out", "b.png"}, "out is given twice"},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        outcome o = run(cases[i].arguments);
        expect_refusal(&o, 2, cases[i].message);
    }
}

// What is refused then is something else.
Test(command, what_is_given_twice_with_the_same_value_is_fine) {
    static const char *const cases[][9] = {
        {"train", "None-v5", "--env", "None-v5"},
        {"train", "None-v5", "--steps", "5000", "--steps", "5e3", "--set", "steps=5000"},
        {"train", "None-v5", "--env-set", "a=1", "--env-set", "b=2,a=1"},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        outcome o = run(cases[i]);
        expect_refusal(&o, 2, "unknown environment \"None-v5\"");
    }
}

Test(command, help_fits_in_80_columns) {
    static const char *const names[] = {NULL, "train", "eval", "view", "envs", "plot", "help"};
    for (size_t i = 0; i < MR_COUNT(names); i++) {
        outcome o = RUN("help", names[i]);
        for (const char *row = strtok(o.out, "\n"); row != NULL; row = strtok(NULL, "\n"))
            cr_expect_leq(strlen(row), 80, "%s", row);
        outcome_free(&o);
    }
}

Test(command, what_makes_no_sense_is_refused_in_one_line) {
    static const struct {
        const char *arguments[8];
        int code;
        const char *message;
    } cases[] = {
        {{NULL}, 2, "millrace: no command given"},
        {{"trian"}, 2, "millrace: there is no command trian; did you mean train?"},
        {{"frobnicate"}, 2, "there is no command frobnicate; `millrace help` lists them"},
        {{"help", "plt"}, 2, "did you mean plot?"},
        {{"--versoin"}, 2, "did you mean --version?"},
        {{"--version", "train"}, 2, "train is one argument too many"},
        {{"eval"}, 2, "usage: millrace eval RUN_DIR_OR_POLICY_FILE"},
        {{"eval", "a", "b"}, 2, "b is one argument too many"},
        {{"eval", "a", "--episodes", "0"}, 2, "--episodes must be a whole number from 1 to"},
        {{"eval", "a", "--deterministic", "--stochastic"}, 2, "exclude each other"},
        {{"eval", "a", "--json=yes"}, 2, "--json takes no value"},
        {{"eval", "none"}, 1, "none"},
        {{"view"}, 2, "usage: millrace view RUN_DIR_OR_POLICY_FILE"},
        {{"view", "none"}, 1, "none"},
        {{"eval", "."}, 1, ". holds no policy.safetensors"},
        {{"envs", "HalfCheeta-v5"}, 2, "did you mean \"HalfCheetah-v5\"?"},
        {{"envs", "HalfCheeta-v5", "--json"}, 2, "did you mean \"HalfCheetah-v5\"?"},
        {{"plot"}, 2, "usage: millrace plot"},
        {{"plot", "none"}, 1, "none/config.yaml"},
        {{"plot", "none", "--out", "a.jpg"}, 2, "--out must end in .png or .svg, not 'a.jpg'"},
        {{"train"}, 2, "no task to train on"},
        {{"train", "HalfCheeta-v5"}, 2, "did you mean \"HalfCheetah-v5\"?"},
        {{"train", "a", "b"}, 2, "b is one argument too many"},
        {{"train", "Hopper-v5", "--batchsize", "3"}, 2, "did you mean --batch-size?"},
        {{"train", "Hopper-v5", "--batch_size=3"}, 2, "did you mean --batch-size?"},
        {{"train", "Hopper-v5", "--learning-rate", "1e-3"},
         2,
         "no option --learning-rate; Stable-Baselines3's learning_rate is --actor-lr and "
         "--critic-lr here"},
        {{"train", "Hopper-v5", "--set", "q_lr=1e-3"},
         2,
         "--set q_lr is not a setting; CleanRL's q_lr is critic_lr here"},
        {{"train", "Hopper-v5", "-x"}, 2, "there is no option -x"},
        {{"train", "Hopper-v5", "--steps"}, 2, "--steps needs a value"},
        {{"train", "Hopper-v5", "--steps", "0"}, 2, "--steps must be a whole number from 1 to"},
        {{"train", "Hopper-v5", "--gamma=1.5"}, 2, "--gamma must be a number from 0 to 1"},
        {{"train", "Hopper-v5", "--policy", "reel_nvp"}, 2, "reel_nvp"},
        {{"train", "Hopper-v5", "--set", "gama=1"},
         2,
         "--set gama is not a setting; did you mean gamma?"},
        {{"train", "Hopper-v5", "--set", "gamma"}, 2, "--set needs KEY=VALUE"},
        {{"train", "Hopper-v5", "--set", "gamma=x"}, 2, "--set gamma must be a number"},
        {{"train", "Hopper-v5", "--batch-size", "300", "--buffer-size", "200"},
         2,
         "buffer_size is 200"},
        {{"train", "Hopper-v5", "--config", "none.yaml"}, 1, "none.yaml: No such file"},
        {{"train", "Hopper-v5", "--config", "bad.yaml"},
         2,
         "bad.yaml:2:1: stpes is not a setting; did you mean steps?"},
        {{"train", "Hopper-v5", "--config", "broken.yaml"}, 1, "broken.yaml:2:1: "},
        {{"train", "Hopper-v5", "--out", "bad.yaml"}, 2, "bad.yaml exists already"},
        {{"train", "Hopper-v5", "--out", "bad.yaml/x"}, 1, "bad.yaml"},
    };
    scratch_write("bad.yaml", "gamma: 0.9\nstpes: 3\n");
    scratch_write("broken.yaml", "gamma: 'open\n");
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        outcome o = run(cases[i].arguments);
        expect_refusal(&o, cases[i].code, cases[i].message);
        cr_expect_neq(access("runs", F_OK), 0, "runs/ is left by: %s", cases[i].message);
    }
}

Test(command, says_so_when_its_output_cannot_be_written) {
    static const char *const commands[][3] = {
        {"envs"}, {"envs", "--json"}, {"help"}, {"--version"}};
    for (size_t i = 0; i < MR_COUNT(commands); i++) {
        outcome o = run_under(&(circumstances){.stdout_file = "/dev/full"}, commands[i]);
        expect_refusal(&o, 1, "standard output");
    }
}

Test(command, envs_lists_the_tasks) {
    outcome o = RUN("envs");
    expect_success(&o);
    for (size_t i = 0; i < mr_env_count(); i++)
        scratch_expect_part(o.out, mr_env_at(i).name);
    outcome_free(&o);
}

Test(command, envs_describes_a_task) {
    outcome o = RUN("envs", "HalfCheetah-v5");
    expect_success(&o);
    scratch_expect_part(o.out, "HalfCheetah-v5");
    outcome_free(&o);
}

Test(command, envs_lists_the_tasks_as_json) {
    outcome o = RUN("envs", "--json");
    expect_success(&o);
    json_t *list = json_loads(o.out, 0, NULL);
    cr_assert_eq(json_array_size(list), mr_env_count(), "%s", o.out);
    for (size_t i = 0; i < mr_env_count(); i++) {
        const json_t *object = json_array_get(list, i);
        const json_int_t act_dim = json_integer_value(json_object_get(object, "act_dim"));
        cr_expect_str_eq(json_string_value(json_object_get(object, "name")), mr_env_at(i).name);
        cr_expect_gt(json_integer_value(json_object_get(object, "obs_dim")), 0);
        cr_expect_eq(json_array_size(json_object_get(object, "act_low")), (size_t)act_dim);
        cr_expect_eq(json_array_size(json_object_get(object, "act_high")), (size_t)act_dim);
        cr_expect_gt(json_integer_value(json_object_get(object, "max_episode_steps")), 0);
    }
    json_decref(list);
    outcome_free(&o);
}
