// Training steps a second of RLtools' SAC on its Pendulum-v1, as a yardstick for bench_train.
//
// Made from RLtools' own benchmark (src/rl/environments/pendulum/sac/cpu/training.h), with the sizes given when it is
// compiled: BENCH_HIDDEN units in each of two layers, BENCH_BATCH rows; then BENCH_STEPS steps with an update each are
// timed, after BENCH_WARM_UP without.

#ifdef RL_TOOLS_BACKEND_ENABLE_OPENBLAS
#define RL_TOOLS_NN_DISABLE_GENERIC_FORWARD_BACKWARD
#endif

#include <rl_tools/operations/cpu_mux.h>
#include <rl_tools/nn/optimizers/adam/instance/operations_generic.h>
#include <rl_tools/nn/operations_cpu_mux.h>
#include <rl_tools/nn/layers/sample_and_squash/operations_generic.h>
#include <rl_tools/rl/environments/pendulum/operations_cpu.h>
#include <rl_tools/nn_models/mlp/operations_generic.h>
#include <rl_tools/nn_models/sequential/operations_generic.h>
#include <rl_tools/nn_models/random_uniform/operations_generic.h>
#include <rl_tools/nn/optimizers/adam/operations_generic.h>

#include <rl_tools/rl/algorithms/sac/loop/core/config.h>
#include <rl_tools/rl/algorithms/sac/loop/core/operations_generic.h>

#include <chrono>
#include <cstdio>

namespace rlt = rl_tools;

using Policy = rlt::numeric_types::Policy<float>;
using Device = rlt::devices::DEVICE_FACTORY<>;
using Rng = Device::SPEC::RANDOM::ENGINE<>;
using Index = Device::index_t;
using Parameters = rlt::rl::environments::pendulum::DefaultParameters<float>;
using Environment = rlt::rl::environments::Pendulum<rlt::rl::environments::pendulum::Specification<float, Index, Parameters>>;

struct LoopParameters : rlt::rl::algorithms::sac::loop::core::DefaultParameters<Policy, Index, Environment> {
    struct SAC_PARAMETERS : rlt::rl::algorithms::sac::DefaultParameters<Policy, Index, Environment::ACTION_DIM> {
        static constexpr Index ACTOR_BATCH_SIZE = BENCH_BATCH;
        static constexpr Index CRITIC_BATCH_SIZE = BENCH_BATCH;
    };
    static constexpr Index N_WARMUP_STEPS = BENCH_WARM_UP;
    static constexpr Index N_WARMUP_STEPS_CRITIC = BENCH_WARM_UP;
    static constexpr Index N_WARMUP_STEPS_ACTOR = BENCH_WARM_UP;
    static constexpr Index STEP_LIMIT = BENCH_WARM_UP + BENCH_STEPS;
    static constexpr Index REPLAY_BUFFER_CAP = STEP_LIMIT;
    static constexpr Index ACTOR_HIDDEN_DIM = BENCH_HIDDEN;
    static constexpr Index CRITIC_HIDDEN_DIM = BENCH_HIDDEN;
};

using Config = rlt::rl::algorithms::sac::loop::core::Config<Policy, Index, Rng, Environment, LoopParameters>;

int main() {
    Device device;
    Config::State<Config> state;
    rlt::malloc(device, state);
    rlt::init(device, state, 1);
    for (Index i = 0; i < BENCH_WARM_UP; i++)
        rlt::step(device, state);
    const auto begun = std::chrono::steady_clock::now();
    while (!rlt::step(device, state)) {
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begun;
    std::printf("{\"steps_per_s\": %.1f}\n", BENCH_STEPS / taken.count());
}
