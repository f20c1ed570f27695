// Plays one episode with a saved policy, from C++.
//
//     c++ -std=c++17 example.cpp $(pkg-config --cflags --libs millrace) -o example
//     ./example runs/a/policy.safetensors

#include <millrace/millrace.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

static void check(mr_status status) {
    if (status != MR_OK)
        throw std::runtime_error(mr_error_message());
}

// What a function of the library makes, with the function that frees it.
using policy_ptr = std::unique_ptr<mr_policy, decltype(&mr_policy_free)>;
using env_ptr = std::unique_ptr<mr_env, decltype(&mr_env_close)>;

static policy_ptr load(const char *path) {
    mr_policy *policy = nullptr;
    check(mr_policy_load(path, &policy));
    return {policy, mr_policy_free};
}

// Opens the task that a policy was trained on.
static env_ptr open_task(const mr_policy *policy) {
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    mr_env_options options = {};
    options.set = spec->env_set;
    options.task = spec->task;
    mr_env *env = nullptr;
    check(mr_env_open(spec->env, &options, &env));
    env_ptr owned(env, mr_env_close);
    check(mr_policy_check_env(policy, mr_env_get_spec(env)));
    return owned;
}

static double play(const mr_policy *policy, mr_env *env) {
    const mr_policy_spec *spec = mr_policy_get_spec(policy);
    std::vector<double> obs(spec->obs_dim), action(spec->act_dim);
    const uint64_t seed = 1;
    double episode_return = 0;
    mr_step step = {};
    check(mr_env_reset(env, &seed, obs.data()));
    while (!step.terminated && !step.truncated) {
        check(mr_policy_act(policy, obs.data(), nullptr, action.data())); // no noise: deterministic
        check(mr_env_step(env, action.data(), obs.data(), &step));
        episode_return += step.reward;
    }
    return episode_return;
}

int main(int argc, char **argv) try {
    if (argc != 2) {
        std::fprintf(stderr, "usage: example POLICY_FILE\n");
        return 2;
    }
    check(mr_init(MR_INIT_ALL));
    const policy_ptr policy = load(argv[1]);
    const env_ptr env = open_task(policy.get());
    const double episode_return = play(policy.get(), env.get());
    std::printf("%s: return %.2f\n", mr_policy_get_spec(policy.get())->env, episode_return);
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "example: %s\n", error.what());
    return 1;
}
