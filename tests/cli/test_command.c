// The command as such: its subcommands, options and messages. Training is in test_train.c.

#include <jansson.h>

#include "agents/settings.h"
#include "cli/command_line.h"
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

// ---- Every command of the table

static void for_each_command(const mr_command *group, void (*check)(const mr_command *command)) {
    check(group);
    for (size_t i = 0; i < group->n_commands; i++)
        for_each_command(group->commands[i], check);
}

/// A command line of a command: `before`, the words of its name, `after` [n_after].
typedef struct {
    char words[64];
    const char *arguments[MAX_ARGUMENTS + 1];
    size_t n;
} line_of;

static void line_begin(line_of *line, const char *before, const mr_command *command) {
    char *rest = NULL;
    *line = (line_of){0};
    snprintf(line->words, sizeof line->words, "%s", command->name);
    if (before != NULL)
        line->arguments[line->n++] = before;
    for (char *word = strtok_r(line->words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        line->arguments[line->n++] = word;
}

static outcome run_with(const mr_command *command, const char *before, const char *after) {
    line_of line;
    line_begin(&line, before, command);
    line.arguments[line.n] = after;
    return run(line.arguments);
}

// The rows of help that begin an option: "  -o, --out FILE  ..." or "  --out FILE  ...".
static void expect_option_row(const char *help, const mr_command *command, size_t i) {
    const mr_setting *option = mr_command_option_at(command, i);
    const char letter = mr_command_option_letter(command, i);
    char name[MR_OPTION_NAME_SIZE], row[128];
    mr_option_name(option->name, name);
    snprintf(row, sizeof row, "\n  %s--%s %s", letter ? (char[]){'-', letter, ',', ' ', '\0'} : "",
             name, option->metavar ? option->metavar : "");
    scratch_expect_part(help, row);
}

static void check_help(const mr_command *command) {
    outcome a = run_with(command, "help", NULL), b = run_with(command, NULL, "--help"),
            c = run_with(command, NULL, "-h");
    char usage[256];
    snprintf(usage, sizeof usage, "Usage: millrace %s%s%s\n", command->name,
             command->name[0] ? " " : "", command->usage);
    expect_success(&a);
    scratch_expect_part(a.out, usage);
    scratch_expect_part(a.out, command->details);
    for (size_t i = 0; i < mr_command_option_count(command); i++)
        expect_option_row(a.out, command, i);
    for (size_t i = 0; i < command->n_commands; i++) {
        char row[256];
        snprintf(row, sizeof row, "\n  %-8s %s\n", mr_command_word(command->commands[i]),
                 command->commands[i]->summary);
        scratch_expect_part(a.out, row);
    }
    cr_expect_str_eq(a.out, b.out, "help %s", command->name);
    cr_expect_str_eq(a.out, c.out, "help %s", command->name);
    cr_expect_str_eq(a.err, "");
    for (const char *row = strtok(a.out, "\n"); row != NULL; row = strtok(NULL, "\n"))
        cr_expect_leq(strlen(row), 80, "%s", row);
    outcome_free(&a);
    outcome_free(&b);
    outcome_free(&c);
}

Test(command, help_of_every_command_shows_its_usage_options_and_subcommands) {
    for_each_command(&mr_program, check_help);
}

static void check_unknown_option(const mr_command *command) {
    outcome o = run_with(command, NULL, "--frobnicate");
    expect_refusal(&o, 2, "there is no option --frobnicate");
}

Test(command, every_command_refuses_an_option_that_it_does_not_have) {
    for_each_command(&mr_program, check_unknown_option);
}

static void expect_usage_error(const mr_command *command, const line_of *line, const char *part) {
    mr_command_line read;
    const char *argv[MAX_ARGUMENTS + 2] = {"millrace"};
    memcpy(argv + 1, line->arguments, line->n * sizeof *argv);
    cr_expect_eq(mr_command_line_read(command, (int)line->n + 1, (char **)argv, &read),
                 MR_ERR_USAGE, "%s: not refused: %s", command->name, part);
    scratch_expect_message(part);
    mr_command_line_free(&read);
}

static void check_values_of_options(const mr_command *command) {
    for (size_t i = 0; i < mr_command_option_count(command); i++) {
        char text[MR_OPTION_TEXT_SIZE], given[MR_OPTION_TEXT_SIZE + 8], part[128];
        const bool is_switch = mr_command_option_at(command, i)->type == MR_SETTING_SWITCH;
        mr_option_text(mr_command_option_at(command, i)->name, text);
        snprintf(given, sizeof given, "%s%s", text, is_switch ? "=yes" : "");
        snprintf(part, sizeof part, "%s %s", text, is_switch ? "takes no value" : "needs a value");
        expect_usage_error(command, &(line_of){.arguments = {given}, .n = 1}, part);
    }
}

Test(command, every_option_needs_a_value_or_takes_none) {
    for_each_command(&mr_program, check_values_of_options);
}

static void check_n_arguments(const mr_command *command) {
    line_of line;
    char usage[128];
    snprintf(usage, sizeof usage, "usage: millrace %s %s", command->name, command->usage);
    if (command->min_arguments > 0) {
        outcome o = run_with(command, NULL, NULL);
        expect_refusal(&o, 2, usage);
    }
    if (command->n_commands > 0) {
        outcome o = run_with(command, NULL, NULL);
        expect_refusal(&o, 2, "no command given");
    } else if (command->max_arguments < MAX_ARGUMENTS) {
        line_begin(&line, NULL, command);
        for (size_t i = 0; i <= command->max_arguments; i++)
            line.arguments[line.n++] = "superfluous";
        outcome o = run(line.arguments);
        expect_refusal(&o, 2, "superfluous is one argument too many");
    }
}

Test(command, every_command_refuses_too_few_and_too_many_arguments) {
    for_each_command(&mr_program, check_n_arguments);
}

#define IMAGES MR_TEST_DATA "/images"

/// What each command with --json is run with here, in this order.
static const struct {
    const char *name, *arguments[10];
} json_cases[] = {
    {"envs", {"Pendulum-v1"}},
    {"presets", {NULL}},
    {"eval", {"run", "--episodes", "1"}},
    {"status", {"run"}},
    {"flow list", {NULL}},
    {"flow fit", {"data.csv", "--flow", "gaussian", "--epochs", "1", "--out", "m.safetensors"}},
    {"flow score", {"m.safetensors", "data.csv", "--out", "scores.npy"}},
    {"flow sample", {"m.safetensors", "-n", "3", "--out", "samples.npy"}},
    {"flow plot", {"m.safetensors", "--samples", "50", "--out", "m.png"}},
    {"flow fit", {IMAGES "/grey.npy", "--flow", "gaussian", "--epochs", "1", "--out", "i.st"}},
    {"flow score", {"i.st", IMAGES "/grey.npy"}},
    {"flow sample", {"i.st", "-n", "3", "--out", "i.png"}},
    {"flow interpolate", {"i.st", IMAGES "/mixed/first.png", IMAGES "/mixed/last.png"}},
    {"flow vi", {"u1", "--flow", "gaussian", "--steps", "5", "--samples", "20", "--out", "vi"}},
};

static void check_has_json_case(const mr_command *command) {
    for (size_t i = 0; i < mr_command_option_count(command); i++)
        if (strcmp(mr_command_option_at(command, i)->name, "json") == 0) {
            size_t k = 0;
            while (k < MR_COUNT(json_cases) && strcmp(json_cases[k].name, command->name) != 0)
                k++;
            cr_expect_lt(k, MR_COUNT(json_cases), "%s --json is not tested", command->name);
        }
}

Test(command, json_is_json_of_every_command_that_has_it) {
    outcome o = RUN("train", "Pendulum-v1", "--steps", "20", "--learning-starts", "20", "--hidden",
                    "8", "--threads", "1", "--eval-episodes", "1", "--out", "run");
    expect_success(&o);
    outcome_free(&o);
    scratch_write("data.csv", "a,b\n1,2\n2,3.5\n3,1\n4,2.5\n0,3\n");
    for_each_command(&mr_program, check_has_json_case);
    for (size_t i = 0; i < MR_COUNT(json_cases); i++) {
        line_of line;
        json_error_t error;
        line_begin(&line, NULL, &(mr_command){.name = json_cases[i].name});
        for (size_t k = 0; json_cases[i].arguments[k] != NULL; k++)
            line.arguments[line.n++] = json_cases[i].arguments[k];
        line.arguments[line.n++] = "--json";
        o = run(line.arguments);
        expect_success(&o);
        json_t *json = json_loads(o.out, 0, &error);
        cr_expect_not_null(json, "%s --json: %s: %s", json_cases[i].name, error.text, o.out);
        json_decref(json);
        outcome_free(&o);
    }
}

// ---- Settings of train

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
        {{"eval", "a", "--deterministic-action", "mean", "--stochastic"}, 2, "exclude each other"},
        {{"train", "Pendulum-v1", "--deterministic-action", "median"},
         2,
         "there is no deterministic action median; there are base, mean, mode, best"},
        {{"train", "Pendulum-v1", "--agent", "meow", "--deterministic-action", "best"},
         2,
         "deterministic_action is best, but the agent meow has no critics"},
        {{"eval", "a", "--json=yes"}, 2, "--json takes no value"},
        {{"eval", "none"}, 1, "none"},
        {{"view"}, 2, "usage: millrace view RUN_DIR_OR_POLICY_FILE"},
        {{"view", "none"}, 1, "none"},
        {{"eval", "."}, 1, ". holds no policy.safetensors"},
        {{"envs", "HalfCheeta-v5"}, 2, "did you mean \"HalfCheetah-v5\"?"},
        {{"envs", "HalfCheeta-v5", "--json"}, 2, "did you mean \"HalfCheetah-v5\"?"},
        {{"plot"}, 2, "usage: millrace plot"},
        {{"plot", "none"}, 1, "none/config.yaml"},
        {{"plot", "none", "--out", "a.jpg"},
         2,
         "--out must end in .png, .svg or .pdf, not 'a.jpg'"},
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
