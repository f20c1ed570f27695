// Once built, an update, a sample and a step allocate nothing.
//
// malloc and its kin are defined here, for the whole runner: they hand on to the C library's own
// and count while a test has armed them. OpenMP's calls come here too. A sanitizer brings its own,
// so the tests are skipped there.

#include "envs/vec_env.h"
#include "tests/agents/small.h"

#include <errno.h>
#include <stdatomic.h>

#include "tests/sanitized.h"

static atomic_bool armed;
static atomic_size_t n_calls;

#if !defined SANITIZED && defined __GLIBC__
void *__libc_malloc(size_t n_bytes);
void *__libc_calloc(size_t n, size_t n_bytes);
void *__libc_realloc(void *memory, size_t n_bytes);
void *__libc_memalign(size_t alignment, size_t n_bytes);

static void count(void) {
    if (atomic_load_explicit(&armed, memory_order_relaxed))
        atomic_fetch_add(&n_calls, 1);
}

void *malloc(size_t n_bytes) {
    count();
    return __libc_malloc(n_bytes);
}

void *calloc(size_t n, size_t n_bytes) {
    count();
    return __libc_calloc(n, n_bytes);
}

void *realloc(void *memory, size_t n_bytes) {
    count();
    return __libc_realloc(memory, n_bytes);
}

void *aligned_alloc(size_t alignment, size_t n_bytes) {
    count();
    return __libc_memalign(alignment, n_bytes);
}

void *memalign(size_t alignment, size_t n_bytes) {
    count();
    return __libc_memalign(alignment, n_bytes);
}

int posix_memalign(void **out, size_t alignment, size_t n_bytes) {
    count();
    void *memory = __libc_memalign(alignment, n_bytes);
    if (!memory)
        return ENOMEM;
    *out = memory;
    return 0;
}
#endif

static void skip_where_sanitized(void) {
#if defined SANITIZED || !defined __GLIBC__
    cr_skip("a sanitizer has taken malloc's place");
#endif
}

TestSuite(allocations, .init = skip_where_sanitized);

static void arm(void) {
    atomic_store(&n_calls, 0);
    atomic_store(&armed, true);
}

static size_t disarm(void) {
    atomic_store(&armed, false);
    return atomic_load(&n_calls);
}

// What a compiler cannot see through, so that no call below is optimised away.
static void *volatile kept;

Test(allocations, are_counted) {
    arm();
    kept = malloc(1);
    free(kept);
    kept = calloc(1, 1);
    kept = realloc(kept, 1000);
    free(kept);
    kept = aligned_alloc(64, 64);
    free(kept);
    cr_expect_eq(disarm(), 4);
    kept = malloc(1); // no longer armed
    free(kept);
    cr_expect_eq(atomic_load(&n_calls), 4);
}

enum { OBS_DIM = 4, ACT_DIM = 1, N_ROUNDS = 6 };

static const char env_name[] = "InvertedPendulum-v5"; // of these sizes

static mr_status update(mr_agent *agent, mr_batch_maker *batches, const mr_replay *replay,
                        mr_bonus *bonus) {
    const mr_status status = small_update(agent, batches, replay);
    if (bonus)
        mr_bonus_train(bonus);
    return status;
}

// The first update starts the threads; none after it may allocate. `bonus`: may be NULL.
static void check_updates(const char *flow, int n_threads, mr_bonus *bonus) {
    small_options options = small_defaults(n_threads);
    options.sac.policy_delay = 2; // both kinds of update
    options.setup.has_intrinsic = bonus != NULL;
    const mr_batch_options batch_options = small_batch_options(bonus);
    mr_agent *agent = small_agent(flow, OBS_DIM, ACT_DIM, &options);
    const mr_policy *policy = mr_agent_policy(agent);
    mr_batch_maker *batches = small_batches(policy, &batch_options);
    mr_replay *replay = small_replay(policy, 100, 1);
    mr_status status = update(agent, batches, replay, bonus);
    arm();
    for (int i = 0; i < N_ROUNDS && status == MR_OK; i++)
        status = update(agent, batches, replay, bonus);
    const size_t n = disarm();
    cr_expect_eq(status, MR_OK, "%s", mr_error_message());
    cr_expect_eq(n, 0, "%s, %d threads: %zu allocations in %d updates", flow, n_threads, n,
                 N_ROUNDS);
    mr_replay_free(replay);
    mr_batch_maker_free(batches);
    mr_agent_free(agent);
}

Test(allocations, none_in_an_update_for_any_flow) {
    for (size_t i = 0; i < mr_flow_count(); i++)
        for (int n_threads = 1; n_threads <= 2; n_threads++)
            check_updates(mr_flow_at(i).name, n_threads, NULL);
}

Test(allocations, none_in_an_update_with_a_bonus) {
    static const char *const kinds[] = {"density", "rnd"};
    const mr_env_spec env = {.name = "Small-v0", .obs_dim = OBS_DIM};
    for (size_t k = 0; k < MR_COUNT(kinds); k++) {
        mr_bonus *bonus = small_bonus(kinds[k], &env);
        small_visit(bonus, OBS_DIM, 20);
        check_updates("gaussian", 1, bonus);
        arm();
        small_visit(bonus, OBS_DIM, 20);
        cr_expect_eq(disarm(), 0, "%s", kinds[k]);
        mr_bonus_free(bonus);
    }
}

Test(allocations, none_in_remembering_a_step) {
    const double obs[OBS_DIM] = {0};
    mr_replay *replay = NULL;
    cr_assert_eq(mr_replay_new(10, 1, OBS_DIM, ACT_DIM, &replay), MR_OK);
    arm();
    for (int i = 0; i < 100; i++) {
        if (i % 7 == 0)
            mr_replay_begin(replay, 0, obs);
        mr_replay_push(replay, 0, &(mr_transition){.act = (mr_real[ACT_DIM]){0}, .next_obs = obs});
    }
    cr_expect_eq(disarm(), 0);
    mr_replay_free(replay);
}

enum { MAX_ENVS = 3 };

/// Environments under way.
typedef struct {
    mr_vec_env *envs;
    size_t n;
    double obs[MAX_ENVS * OBS_DIM], action[MAX_ENVS * ACT_DIM];
    mr_real act[MAX_ENVS * ACT_DIM], noise[MAX_ENVS * ACT_DIM];
    mr_step step[MAX_ENVS];
} world;

static world world_open(size_t n, int n_threads) {
    world w = {.n = n};
    cr_assert_eq(mr_vec_env_open(env_name, NULL, n, n_threads, &w.envs), MR_OK, "%s",
                 mr_error_message());
    for (uint64_t i = 0; i < n; i++)
        cr_assert_eq(mr_vec_env_reset(w.envs, i, &i, w.obs + i * OBS_DIM), MR_OK);
    return w;
}

static mr_status world_step(world *w, mr_policy *policy) {
    mr_status status;
    MR_TRY(mr_policy_act(policy, w->obs, w->noise, w->action));
    MR_TRY(mr_policy_act(policy, w->obs, NULL, w->action));
    MR_TRY(mr_policy_sample(policy, w->n, w->obs, w->noise, w->action, NULL));
    MR_TRY(mr_policy_sample_units(policy, w->n, w->obs, w->noise, w->act, NULL));
    MR_TRY(mr_policy_act_units(policy, w->obs, w->noise, w->act));
    mr_policy_scale(policy, w->n, w->act, w->action);
    MR_TRY(mr_vec_env_step(w->envs, NULL, w->action, w->obs, w->step));
    for (size_t i = 0; i < w->n; i++)
        if (w->step[i].terminated)
            MR_TRY(mr_vec_env_reset(w->envs, i, NULL, w->obs + i * OBS_DIM));
done:
    return status;
}

Test(allocations, none_in_sampling_and_stepping) {
    for (size_t n = 1; n <= MAX_ENVS; n += 2)
        for (int n_threads = 1; n_threads <= 2; n_threads++) {
            mr_policy *policy = small_policy("real_nvp", OBS_DIM, ACT_DIM);
            world w = world_open(n, n_threads);
            cr_assert_eq(mr_policy_set_deterministic(policy, "mode"), MR_OK);
            cr_assert_eq(mr_policy_prepare(policy, n), MR_OK);
            mr_status status = world_step(&w, policy);
            arm();
            for (int i = 0; i < N_ROUNDS && status == MR_OK; i++)
                status = world_step(&w, policy);
            const size_t n_allocations = disarm();
            cr_expect_eq(status, MR_OK, "%s", mr_error_message());
            cr_expect_eq(n_allocations, 0, "%zu environments, %d threads: %zu allocations", n,
                         n_threads, n_allocations);
            mr_vec_env_close(w.envs);
            mr_policy_free(policy);
        }
}

// OpenMP keeps the team of its last parallel region. Where regions of different sizes take turns,
// each would make a new one.
Test(allocations, none_where_steps_and_updates_take_turns) {
    for (size_t n = 1; n <= MAX_ENVS; n += 2)
        for (int n_threads = 1; n_threads <= 2; n_threads++) {
            const small_options options = small_defaults(n_threads);
            mr_agent *agent = small_agent("real_nvp", OBS_DIM, ACT_DIM, &options);
            mr_policy *policy = mr_agent_policy(agent);
            const mr_batch_options batch_options = small_batch_options(NULL);
            mr_batch_maker *batches = small_batches(policy, &batch_options);
            mr_replay *replay = small_replay(policy, 100, 1);
            world w = world_open(n, n_threads);
            cr_assert_eq(mr_policy_prepare(policy, n), MR_OK);
            mr_status status = world_step(&w, policy);
            if (status == MR_OK)
                status = small_update(agent, batches, replay);
            arm();
            for (int i = 0; i < N_ROUNDS && status == MR_OK; i++) {
                status = world_step(&w, policy);
                if (status == MR_OK)
                    status = small_update(agent, batches, replay);
            }
            const size_t n_allocations = disarm();
            cr_expect_eq(status, MR_OK, "%s", mr_error_message());
            cr_expect_eq(n_allocations, 0, "%zu environments, %d threads: %zu allocations", n,
                         n_threads, n_allocations);
            mr_vec_env_close(w.envs);
            mr_replay_free(replay);
            mr_batch_maker_free(batches);
            mr_agent_free(agent);
        }
}
