#include "agents/fine_tuning.h"

#include <unistd.h>

#include "agents/evaluate.h"
#include "agents/train.h"
#include "tests/agents/set.h"
#include "tests/scratch.h"

TestSuite(fine_tuning, .init = scratch_enter, .fini = scratch_leave);

// ---- A source, and a run that begins with its nets

// The source has learned enough for its nets to be others than those of any new run.
static mr_settings source_of(const char *agent) {
    mr_settings s;
    mr_settings_init(&s);
    set(&s, "env", "InvertedPendulum-v5");
    set(&s, "agent", agent);
    set(&s, "hidden", "16,12");
    set(&s, "steps", "240");
    set(&s, "threads", "1");
    set(&s, "batch_size", "16");
    set(&s, "buffer_size", "1000");
    set(&s, "learning_starts", "60");
    set(&s, "eval_every", "120");
    set(&s, "eval_episodes", "2");
    set(&s, "out", "a");
    return s;
}

static mr_settings tuned_from(const char *from) {
    mr_settings s;
    mr_settings_init(&s);
    set(&s, "env", "InvertedPendulum-v5");
    set(&s, "from", from);
    set(&s, "steps", "200");
    set(&s, "threads", "1");
    set(&s, "batch_size", "16");
    set(&s, "learning_starts", "150");
    set(&s, "eval_every", "0");
    set(&s, "eval_episodes", "3");
    set(&s, "seed", "8");
    set(&s, "out", "b");
    return s;
}

static void run(const mr_settings *settings, const mr_train_watcher *watcher,
                const volatile sig_atomic_t *stop) {
    mr_trainer_result result;
    cr_assert_eq(mr_trainer_run(settings, NULL, watcher, stop, &result), MR_OK, "%s",
                 mr_error_message());
}

static void complete(mr_settings *settings) {
    cr_assert_eq(mr_settings_complete(settings), MR_OK, "%s", mr_error_message());
}

static mr_tensors *open_file(const char *path) {
    mr_tensors *file = NULL;
    cr_assert_eq(mr_tensors_open(path, &file), MR_OK, "%s", mr_error_message());
    return file;
}

// ---- What the first checkpoint has

static mr_tensors *first_checkpoint;

static void keep_checkpoint(void *self) {
    (void)self;
    first_checkpoint = open_file("b/checkpoint.safetensors");
}

static const mr_train_watcher keeper = {.begun = keep_checkpoint};

static bool begins_with(const char *text, const char *const *prefixes) {
    for (; *prefixes != NULL; prefixes++)
        if (strncmp(text, *prefixes, strlen(*prefixes)) == 0)
            return true;
    return false;
}

static void expect_same_array(const mr_tensor *from) {
    mr_tensor to = {0};
    cr_assert(mr_tensors_find(first_checkpoint, from->name, &to), "%s", from->name);
    cr_expect(to.n_bytes == from->n_bytes && memcmp(to.data, from->data, to.n_bytes) == 0, "%s",
              from->name);
}

// Returns how many arrays there are with such names, all of them the source's.
static size_t compare_arrays(const char *const *prefixes) {
    size_t n = 0;
    mr_tensors *source = open_file("a/checkpoint.safetensors");
    for (size_t i = 0; i < mr_tensors_count(source); i++) {
        const mr_tensor from = mr_tensors_at(source, i);
        if (!begins_with(from.name, prefixes))
            continue;
        expect_same_array(&from);
        n++;
    }
    mr_tensors_close(source);
    return n;
}

static void expect_zero(const char *const *prefixes) {
    for (size_t i = 0; i < mr_tensors_count(first_checkpoint); i++) {
        const mr_tensor array = mr_tensors_at(first_checkpoint, i);
        for (size_t k = 0; begins_with(array.name, prefixes) && k < array.n_bytes / 4; k++)
            cr_assert_eq(((const float *)array.data)[k], 0, "%s", array.name);
    }
}

static void begin_from_a_run(const char *agent) {
    mr_settings source = source_of(agent), s = tuned_from("a");
    cr_assert_eq(system("rm -rf a b"), 0);
    run(&source, NULL, NULL);
    complete(&s);
    cr_expect_str_eq(s.agent, agent);
    cr_expect_eq(s.hidden.width[1], 12);
    run(&s, &keeper, NULL);
}

Test(fine_tuning, begins_with_all_nets_of_a_run_and_new_optimizers) {
    static const char *const nets[] = {"policy.", "critic.",      "target.",
                                       "shift.",  "temperature.", NULL};
    for (size_t i = 0; i < mr_agent_count(); i++) {
        begin_from_a_run(mr_agent_at(i)->name);
        cr_expect_gt(compare_arrays(nets), 10);
        expect_zero((const char *const[]){"moment1.", "moment2.", NULL});
        cr_expect_str_eq(mr_tensors_note(first_checkpoint, "policy.n_steps"), "0");
        cr_expect_str_eq(mr_tensors_note(first_checkpoint, "n_updates"), "0");
        mr_tensors_close(first_checkpoint);
    }
}

Test(fine_tuning, takes_the_running_statistics_of_a_run) {
    static const char *const names[] = {"obs_norm.", "returns.n", "returns.mean", "returns.squares",
                                        NULL};
    mr_settings source = source_of("sac"), s = tuned_from("a");
    set(&source, "normalize_observation", "true");
    set(&source, "normalize_reward", "true");
    run(&source, NULL, NULL);
    set(&s, "num_envs", "2"); // the source has one
    complete(&s);
    run(&s, &keeper, NULL);
    cr_expect_eq(compare_arrays(names), 6);
    mr_tensors_close(first_checkpoint);
}

Test(fine_tuning, begins_with_a_replay_buffer_on_request) {
    mr_settings source = source_of("td3"), s = tuned_from("a");
    run(&source, NULL, NULL);
    set(&s, "from_replay", "true");
    complete(&s);
    cr_expect_eq(s.buffer_size, 1000); // the source's
    run(&s, NULL, NULL);
    mr_tensor kind[2];
    mr_tensors *a = open_file("a/checkpoint.safetensors"),
               *b = open_file("b/checkpoint.safetensors");
    cr_assert(mr_tensors_find(a, "replay.0.kind", &kind[0]));
    cr_assert(mr_tensors_find(b, "replay.0.kind", &kind[1]));
    cr_expect_geq(kind[0].shape[0], 240);
    cr_expect_geq(kind[1].shape[0], kind[0].shape[0] + 200);
    cr_expect_eq(memcmp(kind[0].data, kind[1].data, kind[0].shape[0] - 1), 0);
    mr_tensors_close(a);
    mr_tensors_close(b);
}

Test(fine_tuning, leaves_a_temperature_that_is_set) {
    mr_settings source = source_of("sac"), s = tuned_from("a");
    mr_tensor log_alpha;
    run(&source, NULL, NULL);
    set(&s, "alpha", "0.25");
    complete(&s);
    run(&s, &keeper, NULL);
    cr_assert(mr_tensors_find(first_checkpoint, "temperature.log_alpha", &log_alpha));
    cr_expect_float_eq(*(const float *)log_alpha.data, log(0.25), 1e-6);
    mr_tensors_close(first_checkpoint);
}

// ---- Returns

static double first_evaluation(void) {
    double step = -1, mean = 0;
    FILE *file = fopen("b/evaluations.csv", "r");
    cr_assert_not_null(file);
    cr_assert_eq(fscanf(file, "%*[^\n] %lf,%lf", &step, &mean), 2);
    cr_expect_eq(step, 0);
    fclose(file);
    return mean;
}

// The mean return of a policy file in the episodes of the run's evaluation at step 0.
static double return_of(const char *path, const mr_settings *settings) {
    mr_policy *policy = NULL;
    mr_vec_env *envs = NULL;
    mr_evaluation *evaluation = NULL;
    mr_random seeds = mr_random_stream(settings->seed, MR_STREAM_EVAL, 0);
    const mr_eval_options how = {.seed = mr_random_u32(&seeds), .deterministic = true};
    cr_assert_eq(mr_policy_load(path, &policy), MR_OK, "%s", mr_error_message());
    cr_assert_eq(mr_vec_env_open(settings->env, NULL, 1, 1, &envs), MR_OK);
    cr_assert_eq(mr_evaluation_new(settings->eval_episodes, &evaluation), MR_OK);
    cr_assert_eq(mr_evaluate(policy, envs, &how, evaluation), MR_OK, "%s", mr_error_message());
    const double mean = evaluation->mean_return;
    mr_evaluation_free(evaluation);
    mr_vec_env_close(envs);
    mr_policy_free(policy);
    return mean;
}

Test(fine_tuning, the_first_return_is_that_of_the_source) {
    mr_settings source = source_of("sac"), s = tuned_from("a");
    run(&source, NULL, NULL);
    complete(&s);
    run(&s, NULL, NULL);
    cr_expect_float_eq(first_evaluation(), return_of("a/policy.safetensors", &s), 1e-7);
}

// Of a run with an average of its policy, that is what it has evaluated and saved; td3 has a target
// of it besides.
Test(fine_tuning, begins_with_the_average_of_a_policy) {
    mr_settings source = source_of("td3"), s = tuned_from("a");
    set(&source, "policy_ema", "0.99");
    run(&source, NULL, NULL);
    complete(&s);
    run(&s, &keeper, NULL);
    mr_tensors *saved = open_file("a/policy.safetensors");
    cr_expect_gt(mr_tensors_count(saved), 2);
    for (size_t i = 0; i < mr_tensors_count(saved); i++) {
        static const char *const prefixes[] = {"policy.", "target.policy."};
        const mr_tensor from = mr_tensors_at(saved, i);
        for (size_t k = 0; k < MR_COUNT(prefixes); k++) {
            char name[256];
            mr_tensor to = {0};
            snprintf(name, sizeof name, "%s%s", prefixes[k], from.name);
            cr_assert(mr_tensors_find(first_checkpoint, name, &to), "%s", name);
            cr_expect_eq(memcmp(to.data, from.data, from.n_bytes), 0, "%s", name);
        }
    }
    mr_tensors_close(saved);
    mr_tensors_close(first_checkpoint);
    cr_expect_float_eq(first_evaluation(), return_of("a/policy.safetensors", &s), 1e-7);
}

// The file has no critics; those of the run are new. Its statistics are those of its steps.
Test(fine_tuning, begins_with_a_policy_file) {
    mr_settings source = source_of("sac"), s = tuned_from("a/policy.safetensors");
    set(&source, "policy", "real_nvp:layers=2,hidden=8");
    set(&source, "normalize_observation", "true");
    set(&source, "actor_norm", "layer");
    set(&source, "log_std_min", "-4");
    run(&source, NULL, NULL);
    complete(&s);
    cr_expect_str_eq(mr_settings_policy(&s), "real_nvp:layers=2,hidden=8");
    cr_expect_str_eq(s.actor_norm, "layer");
    cr_expect_eq(s.log_std_min, -4);
    run(&s, &keeper, NULL);
    cr_expect_gt(compare_arrays((const char *const[]){"policy.", NULL}), 10);
    mr_tensors_close(first_checkpoint);
    cr_expect_float_eq(first_evaluation(), return_of("a/policy.safetensors", &s), 1e-7);
}

Test(fine_tuning, begins_with_a_deterministic_policy_file) {
    mr_settings source = source_of("td3"), s = tuned_from("a/policy.safetensors");
    run(&source, NULL, NULL);
    complete(&s);
    cr_expect_str_eq(s.agent, "td3");
    run(&s, &keeper, NULL);
    cr_expect_gt(compare_arrays((const char *const[]){"policy.", NULL}), 3);
    cr_expect_float_eq(first_evaluation(), return_of("a/policy.safetensors", &s), 1e-7);
    mr_tensors_close(first_checkpoint);
}

// Nothing is learned before learning_starts, so that the episodes until then are the policy's.
Test(fine_tuning, acts_by_the_policy_from_the_first_step_on) {
    mr_settings source = source_of("sac"), s = tuned_from("a"), anew = tuned_from("");
    mr_tensor act[2];
    run(&source, NULL, NULL);
    complete(&s);
    set(&anew, "out", "c");
    run(&s, NULL, NULL);
    run(&anew, NULL, NULL);
    mr_tensors *b = open_file("b/checkpoint.safetensors"),
               *c = open_file("c/checkpoint.safetensors");
    cr_assert(mr_tensors_find(b, "replay.0.act", &act[0]));
    cr_assert(mr_tensors_find(c, "replay.0.act", &act[1]));
    cr_expect_neq(*(const float *)act[0].data, *(const float *)act[1].data);
    cr_expect_str_eq(mr_tensors_note(b, "n_updates"), "50"); // from step 151 to 200
    mr_tensors_close(b);
    mr_tensors_close(c);
}

// ---- Interruptions

static volatile sig_atomic_t stop;

static void stop_now(void *self) {
    (void)self;
    stop = 1;
}

Test(fine_tuning, a_run_that_is_stopped_before_its_first_evaluation_goes_on_with_it) {
    const mr_train_watcher stopper = {.begun = stop_now};
    mr_settings source = source_of("sac"), s = tuned_from("a"), whole = tuned_from("a");
    mr_trainer_result result;
    run(&source, NULL, NULL);
    complete(&s);
    complete(&whole);
    set(&whole, "out", "c");
    run(&whole, NULL, NULL);
    run(&s, &stopper, &stop);
    cr_assert_eq(system("rm -r a"), 0); // it's needed no longer
    cr_assert_eq(mr_trainer_resume(&s, NULL, NULL, NULL, &result), MR_OK, "%s", mr_error_message());
    cr_expect_eq(system("cmp b/evaluations.csv c/evaluations.csv"), 0);
    cr_expect_eq(system("cmp b/policy.safetensors c/policy.safetensors"), 0);
}

// ---- What does not fit

static void expect_refused(mr_settings *s, const char *part) {
    cr_expect_eq(mr_settings_complete(s), MR_ERR_USAGE);
    scratch_expect_part(mr_error_message(), part);
}

Test(fine_tuning, refuses_other_nets_than_the_source_has) {
    mr_settings source = source_of("sac"), s = tuned_from("a");
    run(&source, NULL, NULL);
    set(&s, "hidden", "32");
    expect_refused(&s, "hidden is 32, but a has 16,12, whose nets this run begins with; leave "
                       "hidden out or begin without from");
    s = tuned_from("a");
    set(&s, "agent", "td3");
    expect_refused(&s, "agent is td3, but a has sac");
    s = tuned_from("a/policy.safetensors");
    set(&s, "agent", "meow");
    set(&s, "hidden", "32");
    expect_refused(&s, "hidden is 32, but a/policy.safetensors has 16,12");
}

// The source's nets go before its preset: its critics are scalar, those of best are not.
Test(fine_tuning, goes_on_by_the_preset_of_the_source) {
    mr_settings source = source_of("sac"), s = tuned_from("a");
    set(&source, "preset", "best");
    set(&source, "critic_head", "scalar");
    complete(&source);
    run(&source, NULL, NULL);
    complete(&s);
    cr_expect_str_eq(s.preset, "best");
    cr_expect_str_eq(s.critic_head, "scalar");
    cr_expect_str_eq(s.critic_norm, "batch_renorm");
    cr_expect_eq(s.hidden.width[0], 16);
    cr_expect_eq(s.policy_ema, 0.999);
    cr_expect_eq(s.batch_size, 16); // set by name
    run(&s, NULL, NULL);
    s = tuned_from("a");
    set(&s, "agent", "sac");
    complete(&s);
    cr_expect_str_eq(s.preset, "none");
    cr_expect_str_eq(s.critic_norm, "batch_renorm");
    cr_expect_eq(s.policy_ema, 0);
    s = tuned_from("a/policy.safetensors"); // which says nothing of critics
    complete(&s);
    cr_expect_str_eq(s.preset, "best");
    cr_expect_str_eq(s.critic_head, "categorical");
    cr_expect_eq(s.hidden.width[0], 16);
    s = tuned_from("a");
    set(&s, "preset", "td3");
    expect_refused(&s, "the preset td3 has agent td3, but a has sac");
}

// Temperature and divisor of the rewards are those of the source, whatever the agent's defaults.
Test(fine_tuning, takes_an_agent_that_is_named_beside_the_nets_of_best) {
    mr_settings source = source_of("sac"), s = tuned_from("a");
    set(&source, "preset", "best");
    complete(&source);
    run(&source, NULL, NULL);
    set(&s, "agent", "sac");
    set(&s, "max_return", "5"); // beside normalize_reward, which is taken
    complete(&s);
    cr_expect_str_eq(s.preset, "none");
    cr_expect_str_eq(s.critic_head, "categorical");
    run(&s, NULL, NULL);
    s = tuned_from("a/policy.safetensors"); // which has no temperature
    set(&s, "initial_alpha", "1");
    complete(&s);
    cr_expect_eq(mr_settings_check(&s), MR_ERR_USAGE);
    scratch_expect_part(mr_error_message(), "initial_alpha is 1: entropy alone is then worth");
    s = tuned_from("a");
    set(&s, "preset", "best");
    set(&s, "hidden", "16,12");
    complete(&s);
    cr_expect_eq(mr_settings_critic(&s).hidden.width[1], 12);
    s = tuned_from("a"); // hyperparameters go with nets: by the source's task
    set(&s, "env", "Hopper-v5");
    complete(&s);
    cr_expect_str_eq(s.critic_head, "categorical");
    cr_expect_eq(((const mr_sac_options *)mr_settings_agent_options(&s))->initial_alpha, 0.01);
}

Test(fine_tuning, refuses_what_means_nothing_beside_the_nets_of_the_source) {
    mr_settings source = source_of("sac"), s = tuned_from("a");
    run(&source, NULL, NULL);
    set(&s, "max_return", "5");
    expect_refused(&s, "max_return is 5, which means nothing while normalize_reward is false");
    s = tuned_from("a");
    set(&s, "preset", "best");
    expect_refused(&s, "the preset best has policy gaussian, but a has real_nvp, whose nets this "
                       "run begins with; leave preset out or begin without from");
}

Test(fine_tuning, knows_the_widths_of_critics_that_are_those_of_the_actor) {
    const mr_settings source = source_of("sac");
    run(&source, NULL, NULL);
    mr_settings s = tuned_from("a");
    set(&s, "critic_hidden", "16,12");
    complete(&s);
    s = tuned_from("a");
    set(&s, "critic_hidden", "32");
    expect_refused(&s, "critic_hidden is 32, but a has 16,12, whose nets this run begins with");
}

Test(fine_tuning, refuses_a_task_of_other_sizes) {
    static const char *const sources[] = {"a", "a/policy.safetensors"};
    mr_settings source = source_of("sac");
    mr_trainer_result result;
    run(&source, NULL, NULL);
    for (size_t i = 0; i < MR_COUNT(sources); i++) {
        mr_settings s = tuned_from(sources[i]);
        set(&s, "env", "Hopper-v5");
        complete(&s);
        cr_expect_eq(mr_trainer_run(&s, NULL, NULL, NULL, &result), MR_ERR_USAGE);
        scratch_expect_part(mr_error_message(),
                            "was trained on InvertedPendulum-v5 with 4 observations and 1 actions, "
                            "and Hopper-v5 has 11 and 3");
        cr_expect_neq(access("b", F_OK), 0);
    }
}

Test(fine_tuning, refuses_a_source_that_lacks_what_is_asked_for) {
    mr_settings source = source_of("sac"), s = tuned_from("nowhere");
    mr_trainer_result result;
    run(&source, NULL, NULL);
    expect_refused(&s, "cannot begin with the nets of nowhere: No such file or directory");
    s = tuned_from("");
    set(&s, "from_replay", "true");
    expect_refused(&s, "from_replay without from");
    s = tuned_from("a/policy.safetensors");
    set(&s, "from_replay", "true");
    expect_refused(&s, "a/policy.safetensors is a policy file, which has no replay buffer");
    s = tuned_from("a");
    set(&s, "from_replay", "true");
    set(&s, "num_envs", "2");
    expect_refused(&s, "num_envs is 2, but a has 1, whose replay buffer this run begins with");
    s = tuned_from("a");
    complete(&s);
    cr_assert_eq(unlink("a/checkpoint.safetensors"), 0);
    cr_expect_eq(mr_trainer_run(&s, NULL, NULL, NULL, &result), MR_ERR_USAGE);
    scratch_expect_part(mr_error_message(), "give from a/policy.safetensors");
}
