"""Records what PyTorch makes of one SAC update: losses and gradients, in float64.

    python tests/oracle/sac_torch.py tests/data/agents
        writes sac_gaussian.safetensors and sac_real_nvp.safetensors, which
        tests/agents/exact_agents_torch.c (float64) and tests/agents/test_sac.c (float32) compare with

Policy, critics and losses are written anew from the papers (Haarnoja et al. 2018, arXiv:1812.05905;
Dinh et al. 2017, arXiv:1605.08803) over torch.distributions and autograd. What is millrace's own
choice and not the papers' is listed under CHOICES.

Arrays of a file: policy.*, critic.*, target.*, temperature.log_alpha (weights, under the names that
mr_params_load expects), batch.*, noise, next_noise, and what is expected: loss.critic, loss.actor,
loss.alpha, q_mean, log_prob, grad.policy.*, grad.critic.*, grad.temperature.log_alpha.

Needs torch, numpy and safetensors.
"""

import argparse
import json
import math
import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch.distributions import Normal
from torch.nn.functional import linear, logsigmoid, relu

# CHOICES
LOG_STD = (-5.0, 2.0)  # bounds of the base's log-deviation, reached through tanh
SCALE_BOUND = 2.0  # of a coupling's log-scale, the same way
REACH = 4.0  # a coupling's net sees REACH tanh(x / REACH)

OBS_DIM, ACT_DIM, N_ROWS = 4, 3, 16
HIDDEN = (8, 7)
GAMMA = 0.97
TARGET_ENTROPY = -2.5

# name of the file -> text of the flow, its number of couplings and their hidden width
CASES = {
    "sac_gaussian": ("gaussian", 0, 0),
    "sac_real_nvp": ("real_nvp:layers=4,hidden=6", 4, 6),
}


def draw(generator, *shape, scale=1.0):
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def layer_weights(generator, prefix, n_in, widths):
    """Weights of linear layers PREFIX.0, PREFIX.1, ... of these widths."""
    weights = {}
    for i, width in enumerate(widths):
        weights[f"{prefix}.{i}.weight"] = draw(generator, width, n_in, scale=n_in**-0.5)
        weights[f"{prefix}.{i}.bias"] = draw(generator, width, scale=0.3)
        n_in = width
    return weights


def coupling_split(layer):
    """Columns that pass and columns that move: layers 2k and 2k + 1 swap them; even pairs split into
    halves, odd ones into every other column."""
    in_first = [j < ACT_DIM // 2 if layer // 2 % 2 == 0 else j % 2 == 0 for j in range(ACT_DIM)]
    passing = [j for j in range(ACT_DIM) if in_first[j] == (layer % 2 == 0)]
    return passing, [j for j in range(ACT_DIM) if j not in passing]


def policy_weights(generator, n_layers, width):
    weights = layer_weights(generator, "trunk", OBS_DIM, HIDDEN)
    weights["base.weight"] = draw(generator, 2 * ACT_DIM, HIDDEN[-1], scale=HIDDEN[-1] ** -0.5)
    weights["base.bias"] = draw(generator, 2 * ACT_DIM, scale=0.3)
    for layer in range(n_layers):
        passing, moving = coupling_split(layer)
        n_in = len(passing) + HIDDEN[-1]
        weights |= layer_weights(generator, f"flow.{layer}.net", n_in, (width, 2 * len(moving)))
    return weights


def critic_weights(generator):
    widths = (*HIDDEN, 1)
    return layer_weights(generator, "q1", OBS_DIM + ACT_DIM, widths) | layer_weights(
        generator, "q2", OBS_DIM + ACT_DIM, widths
    )


def net(weights, prefix, x, n_layers, ends_linear):
    for i in range(n_layers):
        x = linear(x, weights[f"{prefix}.{i}.weight"], weights[f"{prefix}.{i}.bias"])
        if i + 1 < n_layers or not ends_linear:
            x = relu(x)
    return x


def sample(weights, n_layers, obs, noise):
    """The squashed action and its log-density."""
    context = net(weights, "trunk", obs, len(HIDDEN), ends_linear=False)
    mean, raw = linear(context, weights["base.weight"], weights["base.bias"]).chunk(2, dim=1)
    low, high = LOG_STD
    base = Normal(mean, torch.exp(low + (high - low) * (torch.tanh(raw) + 1) / 2))
    x = mean + base.stddev * noise
    log_prob = base.log_prob(x).sum(1)
    for layer in range(n_layers):
        passing, moving = coupling_split(layer)
        inputs = torch.cat([REACH * torch.tanh(x[:, passing] / REACH), context], dim=1)
        s_hat, t = net(weights, f"flow.{layer}.net", inputs, 2, ends_linear=True).chunk(2, dim=1)
        s = SCALE_BOUND * torch.tanh(s_hat / SCALE_BOUND)
        moved = torch.empty_like(x)
        moved[:, passing] = x[:, passing]
        moved[:, moving] = x[:, moving] * torch.exp(s) + t
        x = moved
        log_prob = log_prob - s.sum(1)
    # log(1 - tanh(x)^2), exact for all x; TanhTransform's softplus is cut off from 20 on (to 2e-9).
    log_det = math.log(4) + logsigmoid(2 * x) + logsigmoid(-2 * x)
    return torch.tanh(x), log_prob - log_det.sum(1)


def values(weights, obs, action):
    inputs = torch.cat([obs, action], dim=1)
    return [net(weights, q, inputs, len(HIDDEN) + 1, ends_linear=True)[:, 0] for q in ("q1", "q2")]


def losses(policy, critic, target, log_alpha, batch, noise, next_noise, n_layers):
    alpha = log_alpha.exp().detach()
    with torch.no_grad():
        next_action, next_log_prob = sample(policy, n_layers, batch["next_obs"], next_noise)
        value = torch.minimum(*values(target, batch["next_obs"], next_action)) - alpha * next_log_prob
        y = batch["reward"] + batch["discount"] * value
    q1, q2 = values(critic, batch["obs"], batch["act"])
    critic_loss = 0.5 * ((q1 - y) ** 2 + (q2 - y) ** 2).mean()

    action, log_prob = sample(policy, n_layers, batch["obs"], noise)
    frozen = {name: weight.detach() for name, weight in critic.items()}
    q = torch.minimum(*values(frozen, batch["obs"], action))
    actor_loss = (alpha * log_prob - q).mean()
    alpha_loss = -(log_alpha * (log_prob.detach() + TARGET_ENTROPY)).mean()
    return critic_loss, actor_loss, alpha_loss, q1, log_prob


def prefixed(prefix, arrays):
    """Arrays as millrace's files have them: those of one row as vectors."""
    return {f"{prefix}.{name}": a[0] if a.dim() == 2 and len(a) == 1 else a for name, a in arrays.items()}


def gradients(loss, weights):
    found = torch.autograd.grad(loss, list(weights.values()))
    return dict(zip(weights, found))


def draw_batch(generator):
    alive = torch.arange(N_ROWS) % 4 != 3  # every fourth transition ends in termination
    return {
        "obs": draw(generator, N_ROWS, OBS_DIM),
        "act": torch.tanh(draw(generator, N_ROWS, ACT_DIM)),
        "reward": draw(generator, N_ROWS),
        "discount": GAMMA * alive.to(torch.float64),
        "next_obs": draw(generator, N_ROWS, OBS_DIM),
    }


def make_case(seed, n_layers, width):
    generator = torch.Generator().manual_seed(seed)
    policy = policy_weights(generator, n_layers, width)
    critic, target = critic_weights(generator), critic_weights(generator)
    temperature = {"log_alpha": torch.tensor([-0.7], dtype=torch.float64)}
    batch = draw_batch(generator)
    noise, next_noise = draw(generator, N_ROWS, ACT_DIM), draw(generator, N_ROWS, ACT_DIM)
    for weights in (policy, critic, temperature):
        for weight in weights.values():
            weight.requires_grad_()
    critic_loss, actor_loss, alpha_loss, q1, log_prob = losses(
        policy, critic, target, temperature["log_alpha"], batch, noise, next_noise, n_layers
    )
    arrays = {
        **prefixed("policy", policy),
        **prefixed("critic", critic),
        **prefixed("target", target),
        **prefixed("temperature", temperature),
        **prefixed("batch", batch),
        "noise": noise,
        "next_noise": next_noise,
        "loss.critic": critic_loss.reshape(1),
        "loss.actor": actor_loss.reshape(1),
        "loss.alpha": alpha_loss.reshape(1),
        "q_mean": q1.mean().reshape(1),
        "log_prob": log_prob,
        **prefixed("grad.policy", gradients(actor_loss, policy)),
        **prefixed("grad.critic", gradients(critic_loss, critic)),
        **prefixed("grad.temperature", gradients(alpha_loss, temperature)),
    }
    return {name: array.detach().contiguous() for name, array in arrays.items()}


def record(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, (text, n_layers, width)) in enumerate(CASES.items(), start=1):
        notes = {
            "flow": text,
            "hidden": "x".join(map(str, HIDDEN)),
            "target_entropy": json.dumps(TARGET_ENTROPY),
            "torch": torch.__version__,
        }
        path = folder / f"{name}.safetensors"
        save_file(make_case(seed, n_layers, width), path, metadata=notes)
        print(f"{path}: {path.stat().st_size} bytes")


def main(record_into, doc):
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    record_into(parser.parse_args().folder)


if __name__ == "__main__":
    sys.exit(main(record, __doc__))
