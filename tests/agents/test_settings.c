#include "agents/settings.h"

#include "agents/agent.h"
#include "agents/bonus.h"
#include "agents/peer_names.h"
#include "agents/td3.h"

#include <sys/stat.h>

#include "tests/agents/set.h"
#include "tests/scratch.h"

TestSuite(settings, .init = scratch_enter, .fini = scratch_leave);

static mr_settings defaults(void) {
    mr_settings settings;
    mr_settings_init(&settings);
    return settings;
}

static void expect_same(const mr_settings *a, const mr_settings *b) {
    for (size_t i = 0; i < mr_setting_count(); i++) {
        if (!mr_setting_is_used(mr_setting_at(i), a))
            continue;
        char text_a[MR_MAX_TEXT], text_b[MR_MAX_TEXT];
        mr_setting_format(mr_setting_at(i), a, text_a, sizeof text_a);
        mr_setting_format(mr_setting_at(i), b, text_b, sizeof text_b);
        cr_expect_str_eq(text_a, text_b, "%s", mr_setting_at(i)->name);
    }
}

Test(settings, defaults_are_of_their_type_and_in_range) {
    for (size_t i = 0; i < mr_setting_count(); i++) {
        const mr_setting *setting = mr_setting_at(i);
        mr_settings settings = {0};
        cr_expect_eq(mr_setting_store(setting, &settings, setting->initial, setting->name), MR_OK,
                     "%s", mr_error_message());
    }
}

Test(settings, every_row_has_a_name_of_its_own_and_a_help_text) {
    for (size_t i = 0; i < mr_setting_count(); i++) {
        const mr_setting *setting = mr_setting_at(i);
        const mr_setting *found = mr_setting_find(setting->name);
        cr_assert_not_null(found);
        cr_expect(found == setting || mr_setting_agent(found) != mr_setting_agent(setting), "%s",
                  setting->name);
        cr_expect_gt(strlen(setting->help), 0, "%s", setting->name);
        cr_expect_eq(setting->metavar == NULL, setting->type == MR_SETTING_SWITCH, "%s",
                     setting->name);
    }
}

Test(settings, defaults_are_the_published_ones_of_sac) {
    const mr_settings s = defaults();
    cr_expect_eq(s.batch_size, 256);
    cr_expect_eq(s.buffer_size, 1000000);
    cr_expect_eq(s.hidden.n, 2);
    cr_expect_eq(s.hidden.width[0], 256);
    cr_expect_eq(s.hidden.width[1], 256);
    cr_expect_eq(s.gamma, 0.99);
    cr_expect_eq(sac_options(&s)->tau, 0.005);
    cr_expect(sac_options(&s)->alpha.automatic && sac_options(&s)->target_entropy.automatic);
}

Test(settings, names_may_be_written_with_dashes) {
    mr_settings s = defaults();
    cr_assert_eq(mr_settings_set(&s, "batch-size", "17", "x"), MR_OK);
    cr_assert_eq(mr_settings_set(&s, "eval_every", "18", "x"), MR_OK);
    cr_expect_eq(s.batch_size, 17);
    cr_expect_eq(s.eval_every, 18);
}

Test(settings, a_former_name_stands_for_the_present_one) {
    mr_settings s = defaults();
    cr_assert_eq(mr_settings_set(&s, "bonus-hidden", "17", "x"), MR_OK, "%s", mr_error_message());
    cr_expect_eq(s.bonus_critic_hidden.width[0], 17);
    scratch_write("a.yaml", "bonus_hidden: [8, 9]\n");
    cr_assert_eq(mr_settings_read(&s, "a.yaml"), MR_OK, "%s", mr_error_message());
    cr_expect_eq(s.bonus_critic_hidden.width[1], 9);
    cr_assert_eq(mr_settings_write(&s, "", "b.yaml"), MR_OK);
    char *text = scratch_read("b.yaml");
    cr_expect_not_null(strstr(text, "bonus_critic_hidden: [8, 9]"));
    cr_expect_null(strstr(text, "bonus_hidden"));
    free(text);
}

Test(settings, critics_have_the_widths_of_the_actor_until_they_have_their_own) {
    mr_settings s = defaults();
    set(&s, "hidden", "7,8");
    cr_expect_eq(mr_settings_critic(&s).hidden.n, 2);
    cr_expect_eq(mr_settings_critic(&s).hidden.width[1], 8);
    cr_assert_eq(mr_settings_write(&s, "", "a.yaml"), MR_OK);
    set(&s, "critic_hidden", "9");
    cr_expect_eq(mr_settings_critic(&s).hidden.n, 1);
    cr_expect_eq(mr_settings_critic(&s).hidden.width[0], 9);
    cr_expect_eq(s.hidden.n, 2);
    cr_assert_eq(mr_settings_read(&s, "a.yaml"), MR_OK, "%s", mr_error_message());
    cr_expect_eq(mr_settings_critic(&s).hidden.n, 2);
    cr_expect_eq(mr_settings_set(&s, "hidden", "", "x"), MR_ERR_USAGE);
}

Test(settings, a_comment_without_a_final_newline_ends_where_it_ends) {
    const mr_settings s = defaults();
    cr_assert_eq(mr_settings_write(&s, "first\nlast\0beyond", "a.yaml"), MR_OK);
    char *text = scratch_read("a.yaml");
    cr_expect_not_null(strstr(text, "\n# first\n# last\n"));
    cr_expect_null(strstr(text, "beyond"));
    free(text);
}

Test(settings, counts_may_be_written_with_an_exponent) {
    mr_settings s = defaults();
    cr_assert_eq(mr_settings_set(&s, "steps", "2.5e5", "x"), MR_OK);
    cr_expect_eq(s.steps, 250000);
}

Test(settings, seeds_have_all_64_bits) {
    mr_settings s = defaults();
    cr_assert_eq(mr_settings_set(&s, "seed", "18446744073709551615", "x"), MR_OK);
    cr_expect_eq(s.seed, UINT64_MAX);
    cr_expect_eq(mr_settings_set(&s, "seed", "18446744073709551616", "x"), MR_ERR_USAGE);
}

Test(settings, auto_and_numbers_take_turns) {
    mr_settings s = defaults();
    cr_assert_eq(mr_settings_set(&s, "target_entropy", "-3.5", "x"), MR_OK);
    cr_expect(!sac_options(&s)->target_entropy.automatic);
    cr_expect_eq(sac_options(&s)->target_entropy.value, -3.5);
    cr_assert_eq(mr_settings_set(&s, "target_entropy", "auto", "x"), MR_OK);
    cr_expect(sac_options(&s)->target_entropy.automatic);
}

Test(settings, what_is_no_value_is_refused_and_changes_nothing) {
    static const struct {
        const char *name, *text;
    } cases[] = {
        {"steps", ""},
        {"steps", "0"},
        {"steps", "-5"},
        {"steps", "12abc"},
        {"steps", "1.5"},
        {"steps", "0x10"},
        {"steps", " 5"},
        {"steps", "1e400"},
        {"steps", "99999999999999999999"},
        {"batch_size", "65537"},
        {"gamma", "1.01"},
        {"gamma", "-0.1"},
        {"gamma", "nan"},
        {"gamma", "inf"},
        {"gamma", "0,99"},
        {"actor_lr", "0"},
        {"alpha", "-1"},
        {"alpha", "automatic"},
        {"hidden", ""},
        {"hidden", "256,"},
        {"hidden", "0"},
        {"hidden", "256;256"},
        {"hidden", "1,1,1,1,1,1,1,1,1"},
        {"policy", "two\nlines"},
        {"bonus", ""},
        {"bonus", "density|rnd"},
        {"bonus_decay", "expo"},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_settings s = defaults();
        const mr_settings before = s;
        cr_expect_eq(mr_settings_set(&s, cases[i].name, cases[i].text, "--some-option"),
                     MR_ERR_USAGE, "%s = '%s'", cases[i].name, cases[i].text);
        scratch_expect_message("--some-option must be ");
        expect_same(&s, &before);
    }
}

Test(settings, messages_name_the_range) {
    mr_settings s = defaults();
    mr_settings_set(&s, "batch_size", "0", "--batch-size");
    cr_expect_str_eq(mr_error_message(),
                     "--batch-size must be a whole number from 1 to 65536, not '0'");
}

Test(settings, a_choice_that_is_none_gets_the_nearest) {
    mr_settings s = defaults();
    mr_settings_set(&s, "bonus", "densty", "--bonus");
    cr_expect_str_eq(mr_error_message(), "--bonus must be one of none|density|rnd, not 'densty'; "
                                         "did you mean density?");
    mr_settings_set(&s, "bonus", "icm-with-more", "--bonus");
    cr_expect_str_eq(mr_error_message(),
                     "--bonus must be one of none|density|rnd, not 'icm-with-more'");
}

// Every word that the table lets through must mean something where it is used.
Test(settings, every_choice_of_a_bonus_is_understood) {
    static const char *const names[] = {"bonus", "bonus_decay", "bonus_normalize"};
    const mr_env_spec env = {.name = "Plane-v0", .obs_dim = 2};
    for (size_t k = 0; k < MR_COUNT(names); k++) {
        char words[MR_MAX_TEXT], *rest;
        snprintf(words, sizeof words, "%s", mr_setting_find(names[k])->metavar);
        for (char *word = strtok_r(words, "|", &rest); word; word = strtok_r(NULL, "|", &rest)) {
            mr_settings s = defaults();
            mr_bonus *bonus = NULL;
            cr_assert_eq(mr_settings_set(&s, "bonus", "density", "bonus"), MR_OK);
            cr_assert_eq(mr_settings_set(&s, names[k], word, names[k]), MR_OK, "%s", word);
            const mr_bonus_options options = {.kind = s.bonus,
                                              .flow = s.bonus_flow,
                                              .decay = s.bonus_decay,
                                              .features = s.bonus_features,
                                              .normalize = s.bonus_normalize,
                                              .batch_size = 4,
                                              .n_envs = 1,
                                              .n_threads = 1};
            if (strcmp(s.bonus, "none") != 0)
                cr_expect_eq(mr_bonus_new(&options, &env, &bonus), MR_OK, "%s", mr_error_message());
            mr_bonus_free(bonus);
        }
    }
}

Test(settings, the_steps_of_a_bonus_that_falls_to_their_end_change_the_run) {
    mr_settings s = defaults();
    const mr_setting *steps = mr_setting_find("steps");
    mr_settings_set(&s, "bonus_decay", "linear", "bonus_decay");
    cr_expect_eq(mr_setting_role_of(steps, &s), MR_ROLE_FREE);
    mr_settings_set(&s, "bonus", "rnd", "bonus");
    cr_expect_eq(mr_setting_role_of(steps, &s), MR_ROLE_TUNABLE);
    mr_settings_set(&s, "bonus_decay", "exponential", "bonus_decay");
    cr_expect_eq(mr_setting_role_of(steps, &s), MR_ROLE_TUNABLE);
    mr_settings_set(&s, "bonus_decay_rate", "1e-5", "bonus_decay_rate");
    cr_expect_eq(mr_setting_role_of(steps, &s), MR_ROLE_FREE);
    mr_settings_set(&s, "bonus_decay", "none", "bonus_decay");
    cr_expect_eq(mr_setting_role_of(steps, &s), MR_ROLE_FREE);
    cr_expect_eq(mr_setting_role_of(mr_setting_find("bonus"), &s), MR_ROLE_FIXED);
}

Test(settings, the_steps_of_a_learning_rate_that_falls_change_the_run) {
    mr_settings s = defaults();
    const mr_setting *steps = mr_setting_find("steps");
    cr_expect_eq(mr_setting_role_of(steps, &s), MR_ROLE_FREE);
    mr_settings_set(&s, "lr_schedule", "cosine", "lr_schedule");
    cr_expect_eq(mr_setting_role_of(steps, &s), MR_ROLE_TUNABLE);
}

Test(settings, a_learning_rate_falls_from_the_first_update_to_the_last) {
    mr_settings s = defaults();
    set(&s, "steps", "25000");
    set(&s, "updates_per_step", "2"); // 40,000 updates after learning_starts = 5,000
    set(&s, "lr_schedule", "linear");
    set(&s, "lr_final", "0.5");
    const mr_lr_schedule schedule = mr_settings_lr_schedule(&s);
    cr_expect_eq(mr_lr_factor(&schedule, 0), 1);
    cr_expect_eq(mr_lr_factor(&schedule, 20000), 0.75);
    cr_expect_eq(mr_lr_factor(&schedule, 40000), 0.5);
}

Test(settings, an_unknown_name_gets_the_nearest) {
    mr_settings s = defaults();
    cr_expect_eq(mr_settings_set(&s, "batchsize", "1", "--set batchsize"), MR_ERR_USAGE);
    cr_expect_str_eq(mr_error_message(),
                     "--set batchsize is not a setting; did you mean batch_size?");
}

Test(settings, names_of_other_programs_are_answered_by_ours) {
    static const struct {
        const char *name, *message;
    } cases[] = {
        {"learning_rate", "x is not a setting; Stable-Baselines3's learning_rate is actor_lr and "
                          "critic_lr here"},
        {"total-timesteps",
         "x is not a setting; Stable-Baselines3's total_timesteps is steps here"},
        {"q_lr", "x is not a setting; CleanRL's q_lr is critic_lr here"},
        {"track", "x is not a setting; CleanRL's track has no counterpart here: a run's directory "
                  "holds tables and events for TensorBoard"},
        {"autotune", "x is not a setting; CleanRL's autotune is alpha here: auto learns it, a "
                     "number fixes it"},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_settings s = defaults();
        cr_expect_eq(mr_settings_set(&s, cases[i].name, "1", "x"), MR_ERR_USAGE);
        cr_expect_str_eq(mr_error_message(), cases[i].message);
    }
}

Test(settings, names_of_other_programs_lead_to_settings_that_there_are) {
    for (size_t i = 0; i < mr_peer_name_count(); i++) {
        cr_expect_null(mr_setting_find(mr_peer_name_at(i)), "%s is ours", mr_peer_name_at(i));
        for (size_t k = 0; mr_peer_name_ours(i, k) != NULL; k++)
            cr_expect_not_null(mr_setting_find(mr_peer_name_ours(i, k)), "%s",
                               mr_peer_name_ours(i, k));
    }
}

Test(settings, text_forms_are_the_shortest_that_read_back_the_same) {
    static const struct {
        const char *given, *formatted;
    } cases[] = {{"0.1", "0.1"},
                 {"1e-05", "1.0e-05"},
                 {"0.30000000000000004", "0.30000000000000004"},
                 {"1", "1"},
                 {"2.5e-7", "2.5e-07"}};
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_settings s = defaults();
        char text[MR_MAX_TEXT];
        cr_assert_eq(mr_settings_set(&s, "tau", cases[i].given, "x"), MR_OK);
        mr_setting_format(mr_setting_find("tau"), &s, text, sizeof text);
        cr_expect_str_eq(text, cases[i].formatted);
    }
}

Test(settings, a_whole_number_is_written_without_an_exponent) {
    static const char *const texts[] = {"10", "0.001", "600", "1000000"};
    for (size_t i = 0; i < MR_COUNT(texts); i++) {
        mr_settings s = defaults();
        char text[MR_MAX_TEXT];
        cr_assert_eq(mr_settings_set(&s, "timeout", texts[i], "x"), MR_OK);
        mr_setting_format(mr_setting_find("timeout"), &s, text, sizeof text);
        cr_expect_str_eq(text, texts[i]);
    }
}

Test(settings, check_finds_what_does_not_go_together) {
    static const struct {
        const char *name, *text, *message;
    } cases[] = {
        {"env", "", "no task"},
        {"policy", "", "policy is empty"},
        {"buffer_size", "255", "buffer_size is 255, less than the batch_size of 256"},
        {"num_envs", "300", "less than the 300 copies"},
    };
    static const char *const norms[][2] = {{"actor_norm", "batch"},
                                           {"critic_norm", "batch_renorm"}};
    for (size_t i = 0; i < MR_COUNT(norms); i++) {
        mr_settings s = defaults();
        snprintf(s.env, sizeof s.env, "Some-v0");
        cr_assert_eq(mr_settings_set(&s, norms[i][0], norms[i][1], "x"), MR_OK);
        cr_assert_eq(mr_settings_check(&s), MR_OK, "%s", mr_error_message());
        s.batch_size = 1;
        cr_expect_eq(mr_settings_check(&s), MR_ERR_USAGE);
        scratch_expect_message("which takes mean and variance over a batch, and batch_size is 1");
        scratch_expect_message(norms[i][0]);
    }
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_settings s = defaults();
        snprintf(s.env, sizeof s.env, "Some-v0");
        s.steps = 299;
        cr_assert_eq(mr_settings_check(&s), MR_OK, "%s", mr_error_message());
        cr_assert_eq(mr_settings_set(&s, cases[i].name, cases[i].text, "x"), MR_OK);
        cr_expect_eq(mr_settings_check(&s), MR_ERR_USAGE);
        scratch_expect_message(cases[i].message);
    }
}

Test(settings, check_refuses_critics_that_make_no_sense) {
    static const struct {
        const char *changes[3][2];
        const char *message;
    } cases[] = {
        {{{"critic_head", "categorical"}}, "returns may be far beyond; add normalize_reward"},
        {{{"critic_head", "categorical"}, {"critic_value_max", "-5"}},
         "critic_value_min is -5, not less than the critic_value_max of -5"},
        {{{"critic_head", "categorical"}, {"reward_scale", "0.1"}},
         "initial_alpha is 1: entropy alone is then worth 69.3 for each actuator, more than"},
        {{{"critic_head", "categorical"}, {"normalize_reward", "true"}, {"alpha", "0.2"}},
         "alpha is 0.2: entropy alone is then worth 13.9"},
        {{{"critic_head", "quantile"}, {"critic_quantiles", "3"}, {"critic_drop", "3"}},
         "critic_drop is 3, and critics have 3 quantiles"},
        {{{"critics", "2"}, {"critic_target_subset", "3"}},
         "critic_target_subset is 3, more than the 2 critics"},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_settings s = defaults();
        snprintf(s.env, sizeof s.env, "Some-v0");
        for (size_t k = 0; k < MR_COUNT(cases[i].changes) && cases[i].changes[k][0]; k++)
            cr_assert_eq(mr_settings_set(&s, cases[i].changes[k][0], cases[i].changes[k][1], "x"),
                         MR_OK, "%s", mr_error_message());
        cr_expect_eq(mr_settings_check(&s), MR_ERR_USAGE, "case %zu", i);
        scratch_expect_message(cases[i].message);
    }
}

Test(settings, critics_with_a_support_of_their_own_need_no_normalised_rewards) {
    mr_settings s = defaults();
    static const char *const changes[][2] = {
        {"critic_head", "categorical"}, {"critic_value_min", "-100"}, {"critic_value_max", "0"}};
    snprintf(s.env, sizeof s.env, "Some-v0");
    for (size_t i = 0; i < MR_COUNT(changes); i++)
        cr_assert_eq(mr_settings_set(&s, changes[i][0], changes[i][1], "x"), MR_OK);
    cr_expect_eq(mr_settings_check(&s), MR_OK, "%s", mr_error_message());
}

// What means nothing beside the others is refused if it was set by name, when a run begins.
Test(settings, one_that_means_nothing_beside_the_others_is_refused) {
    static const struct {
        const char *changes[2][2];
        const char *message;
    } cases[] = {
        {{{"critic_atoms", "51"}},
         "critic_atoms is 51, which means nothing while critic_head is scalar; leave it out or set "
         "critic_head to categorical"},
        {{{"critic_head", "categorical"}, {"critic_drop", "1"}},
         "critic_drop is 1, which means nothing while critic_head is categorical"},
        {{{"critic_targets", "none"}, {"tau", "0.01"}},
         "tau is 0.01, which means nothing while critic_targets is none"},
        {{{"max_return", "5"}}, "while normalize_reward is false"},
        {{{"lr_final", "0.5"}}, "while lr_schedule is constant; leave it out or set lr_schedule"},
        {{{"priority_beta", "0.9"}}, "while priority_alpha is 0"},
        {{{"noise_repeat_exponent", "3"}}, "while noise_repeat is 1"},
        {{{"demonstration_ratio", "0.1"}}, "while demonstrations is not set"},
        {{{"alpha", "0.1"}, {"initial_alpha", "0.5"}}, "while alpha is 0.1"},
        {{{"target_entropy", "-1"}, {"target_sigma", "0.3"}}, "while target_entropy is -1"},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_settings s = defaults();
        for (size_t k = 0; k < 2 && cases[i].changes[k][0]; k++)
            set(&s, cases[i].changes[k][0], cases[i].changes[k][1]);
        cr_expect_eq(mr_settings_settle(&s), MR_ERR_USAGE, "case %zu", i);
        scratch_expect_message(cases[i].message);
    }
}

// Its config.yaml names all settings, those of other heads too.
Test(settings, the_file_of_a_run_with_any_head_is_accepted) {
    static const char *const heads[] = {"scalar", "quantile", "categorical"};
    for (size_t i = 0; i < MR_COUNT(heads); i++) {
        mr_settings written = defaults(), found = defaults();
        snprintf(written.env, sizeof written.env, "Some-v0");
        set(&written, "critic_head", heads[i]);
        set(&written, "normalize_reward", "true");
        set(&written, "initial_alpha", "0.01");
        cr_assert_eq(mr_settings_write(&written, "", "a.yaml"), MR_OK, "%s", mr_error_message());
        cr_assert_eq(mr_settings_read(&found, "a.yaml"), MR_OK, "%s", mr_error_message());
        cr_expect_eq(mr_settings_settle(&found), MR_OK, "%s: %s", heads[i], mr_error_message());
        cr_expect_eq(mr_settings_check(&found), MR_OK, "%s: %s", heads[i], mr_error_message());
    }
}

Test(settings, a_file_gives_back_what_was_written) {
    mr_settings written = defaults(), found = defaults();
    static const char *const changes[][2] = {
        {"env", "it's: a \"task\" #1"}, {"policy", "real_nvp:layers=2,hidden=64x64"},
        {"steps", "123456789012"},      {"seed", "18446744073709551615"},
        {"hidden", "400,300,200"},      {"gamma", "0.123456789012345678"},
        {"actor_lr", "1e-9"},           {"alpha", "0.2"},
        {"target_entropy", "-1e-3"},    {"critic_norm", "rms"},
        {"critic_residual", "true"},    {"actor_norm", "batch_renorm"},
        {"norm_position", "after"},     {"weight_norm", "true"},
        {"weight_decay", "1e-4"},       {"adam_beta1", "0.5"},
        {"critic_targets", "none"},     {"critics", "10"},
        {"critic_head", "quantile"},    {"critic_dropout", "0.01"},
    };
    for (size_t i = 0; i < MR_COUNT(changes); i++)
        cr_assert_eq(mr_settings_set(&written, changes[i][0], changes[i][1], "x"), MR_OK);
    cr_assert_eq(mr_settings_write(&written, "", "a.yaml"), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_settings_read(&found, "a.yaml"), MR_OK, "%s", mr_error_message());
    expect_same(&found, &written);
}

Test(settings, the_file_of_a_run_can_be_used_for_another) {
    mr_settings s = defaults();
    snprintf(s.out, sizeof s.out, "runs/first");
    cr_assert_eq(mr_settings_write(&s, "", "a.yaml"), MR_OK);
    char *text = scratch_read("a.yaml");
    cr_expect_null(strstr(text, "runs/first"));
    free(text);
}

Test(settings, a_file_changes_only_what_it_names) {
    mr_settings s = defaults();
    s.batch_size = 17;
    scratch_write("a.yaml",
                  "---\nhidden: [32, 16] # two layers\n\ngamma: '0.5'\nlearning-starts: 9\n");
    cr_assert_eq(mr_settings_read(&s, "a.yaml"), MR_OK, "%s", mr_error_message());
    cr_expect_eq(s.hidden.n, 2);
    cr_expect_eq(s.hidden.width[1], 16);
    cr_expect_eq(s.gamma, 0.5);
    cr_expect_eq(s.learning_starts, 9);
    cr_expect_eq(s.batch_size, 17);
}

Test(settings, an_empty_file_sets_nothing) {
    mr_settings s = defaults();
    const mr_settings before = s;
    scratch_write("a.yaml", "# nothing\n");
    cr_assert_eq(mr_settings_read(&s, "a.yaml"), MR_OK, "%s", mr_error_message());
    expect_same(&s, &before);
}

// Each fault with the line and column at which it is found, counted from 1.
Test(settings, a_fault_in_a_file_is_found_by_line_and_column) {
    static const struct {
        const char *text, *message;
        mr_status status;
    } cases[] = {
        {"steps: 10\nbatchsize: 3\n",
         "a.yaml:2:1: batchsize is not a setting; did you mean batch_size", MR_ERR_USAGE},
        {"steps: 10\ngamma:  2\n", "a.yaml:2:9: gamma must be a number from 0 to 1, not '2'",
         MR_ERR_USAGE},
        {"steps: 10\n\nsteps: 20\n", "a.yaml:3:1: steps is given twice", MR_ERR_INPUT},
        {"batch-size: 10\nbatch_size: 20\n", "a.yaml:2:1: batch_size is given twice", MR_ERR_INPUT},
        {"bonus_hidden: 8\nbonus_critic_hidden: 9\n",
         "a.yaml:2:1: bonus_critic_hidden is given twice (bonus_hidden is its former name); keep "
         "one",
         MR_ERR_INPUT},
        {"steps: [1, 2]\n", "a.yaml:1:8: expected one plain value", MR_ERR_INPUT},
        {"steps: {a: 1}\n", "a.yaml:1:8: expected one plain value", MR_ERR_INPUT},
        {"hidden: [[1]]\n", "a.yaml:1:10: expected a number in the list", MR_ERR_INPUT},
        {"steps:\n", "a.yaml:1:7: steps must be a whole number", MR_ERR_USAGE},
        {"- steps\n", "a.yaml:1:1: expected lines of the form", MR_ERR_INPUT},
        {"just words\n", "a.yaml:1:1: expected lines of the form", MR_ERR_INPUT},
        {"[a]: 1\n", "a.yaml:1:1: expected the name of a setting", MR_ERR_INPUT},
        {"a: 1\nb: {\n", "a.yaml:1:1: a is not a setting", MR_ERR_USAGE},
        {"steps: 'open\n", "a.yaml:2:1: ", MR_ERR_INPUT},
        {"steps: 1\n\tgamma: 1\n", "a.yaml:2:1: ", MR_ERR_INPUT},
        {"steps: *other\n", "a.yaml:1:8: expected one plain value", MR_ERR_INPUT},
        {"steps: 1\n---\nsteps: 2\n", "a.yaml:2:1: expected the end of the file", MR_ERR_INPUT},
        {"env: \"a\\0b\"\n", "a.yaml:1:6: a zero byte", MR_ERR_INPUT},
        {"env: \xff\xfe\n", "a.yaml:1:", MR_ERR_INPUT},
    };
    for (size_t i = 0; i < MR_COUNT(cases); i++) {
        mr_settings s = defaults();
        const mr_settings before = s;
        scratch_write("a.yaml", cases[i].text);
        cr_expect_eq(mr_settings_read(&s, "a.yaml"), cases[i].status, "%s", cases[i].text);
        scratch_expect_message(cases[i].message);
        cr_expect_null(strchr(mr_error_message(), '\n'), "more than one line");
        expect_same(&s, &before);
    }
}

Test(settings, a_file_that_cannot_be_read_is_named) {
    mr_settings s = defaults();
    cr_expect_eq(mr_settings_read(&s, "none.yaml"), MR_ERR_IO);
    scratch_expect_message("none.yaml: No such file");
    cr_expect_eq(mr_settings_read(&s, "."), MR_ERR_IO);
    scratch_expect_message("directory");
}

// ---- Agents

Test(settings, every_agent_is_a_choice_and_has_options_of_its_own) {
    for (size_t a = 0; a < mr_agent_count(); a++) {
        const mr_agent_ops *agent = mr_agent_at(a);
        mr_settings s = defaults();
        set(&s, "env", "Some-v0");
        set(&s, "agent", agent->name);
        cr_expect_eq(mr_settings_check(&s), MR_OK, "%s", mr_error_message());
        size_t n = 0;
        for (size_t i = 0; i < mr_setting_count(); i++)
            n += mr_setting_agent(mr_setting_at(i)) != NULL &&
                 mr_setting_is_used(mr_setting_at(i), &s);
        cr_expect_eq(n, agent->n_options);
    }
    mr_settings s = defaults();
    cr_expect_eq(mr_settings_set(&s, "agent", "sec", "--agent"), MR_ERR_USAGE);
    scratch_expect_message("--agent must be one of sac|td3|meow, not 'sec'; did you mean sac?");
}

// Whichever comes first, the choice of the agent or the option.
Test(settings, an_option_of_another_agent_is_refused) {
    static const char *const cases[][2] = {
        {"sac", "target_noise"}, {"td3", "alpha"}, {"td3", "target_entropy"}};
    for (size_t i = 0; i < MR_COUNT(cases); i++)
        for (int is_first = 0; is_first < 2; is_first++) {
            mr_settings s = defaults();
            set(&s, "env", "Some-v0");
            if (is_first)
                set(&s, cases[i][1], "0.5");
            set(&s, "agent", cases[i][0]);
            if (!is_first)
                set(&s, cases[i][1], "0.5");
            cr_expect_eq(mr_settings_check(&s), MR_ERR_USAGE);
            scratch_expect_message("is an option of the agent ");
            scratch_expect_message(cases[i][1]);
        }
}

// At its default it is in every saved config.yaml.
Test(settings, a_setting_that_means_nothing_to_the_agent_is_refused_unless_at_its_default) {
    static const char name[] = "bonus_critic_hidden";
    mr_settings s = defaults();
    set(&s, "env", "Some-v0");
    set(&s, "agent", "meow");
    set(&s, name, "128,128");
    cr_expect_eq(mr_settings_check(&s), MR_OK, "%s", mr_error_message());
    set(&s, name, "64");
    cr_expect_eq(mr_settings_check(&s), MR_ERR_USAGE);
    scratch_expect_message("bonus_critic_hidden is 64, which means nothing to the agent meow");
    for (size_t a = 0; a < mr_agent_count(); a++)
        for (const char *const *at = mr_agent_at(a)->unused; at && *at; at++)
            cr_expect_not_null(mr_setting_find(*at), "%s", *at);
}

Test(settings, an_option_that_agents_share_is_the_chosen_ones) {
    mr_settings s = defaults();
    set(&s, "env", "Some-v0");
    set(&s, "critic_lr", "0.25");
    set(&s, "agent", "td3");
    cr_expect_eq(mr_settings_check(&s), MR_OK, "%s", mr_error_message());
    const mr_td3_options *td3 = mr_settings_agent_options(&s);
    cr_expect_eq(td3->critic_lr, 0.25);
    cr_expect_eq(td3->actor_lr, 0.0003);
    cr_assert_eq(mr_settings_write(&s, "", "a.yaml"), MR_OK);
    mr_settings found = defaults();
    cr_assert_eq(mr_settings_read(&found, "a.yaml"), MR_OK, "%s", mr_error_message());
    cr_expect_eq(mr_settings_check(&found), MR_OK, "%s", mr_error_message());
    expect_same(&s, &found);
}
