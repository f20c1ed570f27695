#include "agents/presets.h"

#include "agents/fine_tuning.h"
#include "agents/sac.h"
#include "agents/td3.h"
#include "agents/updater.h"

#include "tests/agents/set.h"
#include "tests/scratch.h"

TestSuite(presets, .init = scratch_enter, .fini = scratch_leave);

static mr_settings settings_of(const char *env, const char *preset) {
    mr_settings settings;
    mr_settings_init(&settings);
    set(&settings, "env", env);
    set(&settings, "preset", preset);
    return settings;
}

static void apply(mr_settings *settings) {
    cr_assert_eq(mr_settings_complete(settings), MR_OK, "%s", mr_error_message());
}

// The updater of a run builds the agent, as in training.
static void build(const char *preset, const char *env_name) {
    mr_updater updater;
    mr_env *env = NULL;
    mr_settings settings = settings_of(env_name, preset);
    set(&settings, "buffer_size", "1000");
    apply(&settings);
    cr_assert_eq(mr_settings_check(&settings), MR_OK, "%s: %s", preset, mr_error_message());
    cr_assert_eq(mr_env_open(env_name, NULL, &env), MR_OK, "%s", mr_error_message());
    cr_expect_eq(mr_updater_open(&updater, &settings, mr_env_get_spec(env), 1, ""), MR_OK,
                 "%s on %s: %s", preset, env_name, mr_error_message());
    mr_updater_close(&updater);
    mr_env_close(env);
}

Test(presets, each_is_read_and_builds_its_agent) {
    for (size_t i = 0; i < mr_n_preset_files; i++) {
        char name[MR_PRESET_NAME_SIZE];
        mr_preset_name(i, name);
        build(name, "InvertedPendulum-v5");
        build(name, "Swimmer-v5");
    }
}

Test(presets, each_has_a_line_with_its_paper) {
    cr_assert_geq(mr_n_preset_files, 2);
    for (size_t i = 0; i < mr_n_preset_files; i++) {
        char summary[MR_PRESET_SUMMARY_SIZE];
        mr_preset_summary(i, summary);
        cr_expect(strstr(summary, "arXiv:") || strstr(summary, "github.com/"), "%s: %s",
                  mr_preset_files[i].name, summary);
        cr_expect_leq(strlen(summary), 110, "%s: %s", mr_preset_files[i].name, summary);
    }
}

Test(presets, sac_has_the_defaults_of_its_agent) {
    mr_settings expected, found = settings_of("Hopper-v5", "sac");
    mr_settings_init(&expected);
    set(&expected, "env", "Hopper-v5");
    apply(&found);
    for (size_t i = 0; i < mr_setting_count(); i++) {
        char text[2][MR_MAX_TEXT];
        const mr_setting *setting = mr_setting_at(i);
        if (strcmp(setting->name, "preset") == 0 || !mr_setting_is_used(setting, &found))
            continue;
        mr_setting_format(setting, &expected, text[0], MR_MAX_TEXT);
        mr_setting_format(setting, &found, text[1], MR_MAX_TEXT);
        cr_expect_str_eq(text[1], text[0], "%s", setting->name);
    }
}

Test(presets, change_what_was_not_set_by_name) {
    mr_settings s = settings_of("Hopper-v5", "td3");
    set(&s, "policy_delay", "3"); // td3 has 2
    apply(&s);
    cr_expect_str_eq(s.agent, "td3");
    cr_expect_eq(s.learning_starts, 25000);
    cr_expect_eq(((const mr_td3_options *)mr_settings_agent_options(&s))->policy_delay, 3);
}

// What a run is accepted with is accepted again, from its config.yaml: values of the preset that
// another setting left without a meaning are not in it.
Test(presets, with_any_choice_their_settings_are_accepted_from_a_file) {
    static const char *const changes[][2] = {
        {"critic_head", "scalar"},     {"critic_head", "quantile"},  {"critic_head", "categorical"},
        {"critic_targets", "none"},    {"critic_targets", "polyak"}, {"lr_schedule", "constant"},
        {"normalize_reward", "false"}, {"noise_repeat", "1"},        {"alpha", "0.1"},
        {"target_entropy", "-1"},      {"priority_alpha", "0"}};
    size_t n_accepted = 0;
    for (size_t i = 0; i < mr_n_preset_files; i++)
        for (size_t k = 0; k < MR_COUNT(changes); k++) {
            char name[MR_PRESET_NAME_SIZE];
            mr_preset_name(i, name);
            mr_settings s = settings_of("Hopper-v5", name), found;
            set(&s, changes[k][0], changes[k][1]);
            if (mr_settings_complete(&s) != MR_OK || mr_settings_check(&s) != MR_OK)
                continue;
            n_accepted++;
            cr_assert_eq(mr_settings_write(&s, "", "a.yaml"), MR_OK);
            mr_settings_init(&found);
            cr_assert_eq(mr_settings_read(&found, "a.yaml"), MR_OK, "%s", mr_error_message());
            cr_expect_eq(mr_settings_complete(&found), MR_OK, "%s, %s %s: %s", name, changes[k][0],
                         changes[k][1], mr_error_message());
            cr_expect_eq(mr_settings_check(&found), MR_OK, "%s", mr_error_message());
        }
    cr_expect_gt(n_accepted, 5 * mr_n_preset_files);
}

Test(presets, widths_that_are_changed_are_those_of_the_critics_too) {
    mr_settings s = settings_of("Ant-v5", "best");
    apply(&s);
    cr_expect_eq(mr_settings_critic(&s).hidden.width[0], 512);
    cr_expect_eq(s.hidden.width[0], 256);
    s = settings_of("Ant-v5", "best");
    set(&s, "hidden", "64,64");
    apply(&s);
    cr_expect_eq(mr_settings_critic(&s).hidden.width[0], 64);
    s = settings_of("Ant-v5", "best");
    set(&s, "hidden", "256,256"); // as it is
    apply(&s);
    cr_expect_eq(mr_settings_critic(&s).hidden.width[0], 512);
    s = settings_of("Ant-v5", "best");
    set(&s, "hidden", "64,64");
    set(&s, "critic_hidden", "32");
    apply(&s);
    cr_expect_eq(mr_settings_critic(&s).hidden.width[0], 32);
    cr_expect_eq(s.hidden.width[0], 64);
}

Test(presets, best_is_trained_by_default_and_an_agent_that_is_named_has_its_defaults) {
    mr_settings s = settings_of("Ant-v5", "auto");
    apply(&s);
    cr_expect_str_eq(s.preset, "best");
    cr_expect_str_eq(s.critic_norm, "batch_renorm");
    for (size_t i = 0; i < mr_agent_count(); i++) {
        s = settings_of("Ant-v5", "auto");
        set(&s, "agent", mr_agent_at(i)->name);
        apply(&s);
        cr_expect_str_eq(s.preset, "none");
        cr_expect_str_eq(s.critic_norm, "none");
    }
}

Test(presets, values_that_mean_nothing_any_more_return_to_their_defaults) {
    mr_settings s = settings_of("HalfCheetah-v5", "flash");
    set(&s, "critic_targets", "none");
    apply(&s);
    cr_expect_eq(((const mr_sac_options *)mr_settings_agent_options(&s))->tau, 0.005);
    s = settings_of("Hopper-v5", "tqc"); // which drops 5 quantiles there
    set(&s, "critic_head", "scalar");
    apply(&s);
    cr_expect_eq(s.critic_drop, 2);
}

Test(presets, what_is_for_one_task_is_left_alone_on_others) {
    static const char text[] = "# Some agent\n"
                               "gamma: 0.98\n"
                               "tasks:\n"
                               "  Hopper-v5: {gamma: 0.5, hidden: [7, 8]}\n"
                               "  Swimmer-v5: {gamma: 0.9999}\n";
    const mr_embedded_file file = {"a.yaml", (const unsigned char *)text, sizeof text - 1};
    static const struct {
        const char *env;
        double gamma;
        size_t width;
    } cases[] = {{"Hopper-v5", 0.5, 7},
                 {"gymnasium/Hopper-v5", 0.5, 7}, // Gymnasium's own
                 {"Swimmer-v5", 0.9999, 256},
                 {"Ant-v5", 0.98, 256}};
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_settings s;
        mr_settings_init(&s);
        cr_assert_eq(mr_settings_read_preset(&s, cases[i].env, &file), MR_OK, "%s",
                     mr_error_message());
        cr_expect_eq(s.gamma, cases[i].gamma, "%s", cases[i].env);
        cr_expect_eq(s.hidden.width[0], cases[i].width, "%s", cases[i].env);
    }
}

Test(presets, a_server_may_say_its_task_later) {
    mr_settings s = settings_of("zmq:ipc://a", "best");
    set(&s, "batch_size", "64");
    apply(&s);
    cr_expect_str_eq(s.critic_head, "categorical");
    cr_expect_eq(mr_settings_complete_for(&s, "gymnasium/Hopper-v5"), MR_OK);
    cr_expect_str_eq(s.critic_head, "scalar");
    cr_expect_eq(mr_settings_critic(&s).hidden.width[0], 256);
    cr_expect_eq(s.batch_size, 64);
    s = settings_of("zmq:ipc://a", "auto"); // of a caller that wants the settings as they are
    cr_expect_eq(mr_settings_complete_for(&s, "Hopper-v5"), MR_OK);
    cr_expect_str_eq(s.critic_norm, "none");
}

Test(presets, a_fault_in_what_is_for_one_task_is_found_on_every_task) {
    static const char text[] = "tasks:\n  Hopper-v5: {gamma: 2}\n";
    const mr_embedded_file file = {"a.yaml", (const unsigned char *)text, sizeof text - 1};
    mr_settings s;
    mr_settings_init(&s);
    cr_expect_eq(mr_settings_read_preset(&s, "Ant-v5", &file), MR_ERR_USAGE);
    scratch_expect_message("a.yaml:2:22: gamma must be a number from 0 to 1, not '2'");
}

Test(presets, an_unknown_name_is_answered_with_the_nearest_and_the_list) {
    mr_settings s = settings_of("Hopper-v5", "tdd3");
    cr_expect_eq(mr_settings_complete(&s), MR_ERR_USAGE);
    scratch_expect_message("there is no preset tdd3; did you mean td3? there are ");
    scratch_expect_message("sac, td3");
}

Test(presets, messages_say_what_is_of_a_preset) {
    mr_settings s = settings_of("Ant-v5", "auto");
    set(&s, "tau", "0.01");
    cr_expect_eq(mr_settings_complete(&s), MR_ERR_USAGE);
    scratch_expect_message("while critic_targets is none (of the preset best); leave it out or");
    s = settings_of("Ant-v5", "auto");
    set(&s, "alpha", "0.2");
    cr_expect_eq(mr_settings_complete(&s), MR_OK);
    cr_expect_eq(mr_settings_check(&s), MR_ERR_USAGE);
    scratch_expect_message("critic_head categorical (of the preset best)");
    s = settings_of("Ant-v5", "auto");
    set(&s, "batch_size", "1");
    cr_expect_eq(mr_settings_complete(&s), MR_OK);
    cr_expect_eq(mr_settings_check(&s), MR_ERR_USAGE);
    scratch_expect_message("actor_norm is batch_renorm (of the preset best), which takes mean");
}

Test(presets, one_that_is_for_another_agent_is_refused) {
    mr_settings s = settings_of("Hopper-v5", "td3");
    set(&s, "agent", "sac");
    cr_expect_eq(mr_settings_complete(&s), MR_ERR_USAGE);
    scratch_expect_message(
        "the preset td3 is for the agent td3, and this run's agent is sac; leave "
        "one of them out");
}
