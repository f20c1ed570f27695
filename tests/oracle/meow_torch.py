"""Records what PyTorch makes of one MEow update: the loss and its gradients, in float64.

    python tests/oracle/meow_torch.py tests/data/agents
        writes meow.safetensors and meow_gaussian.safetensors, which tests/agents/exact_agents_torch.c
        (float64) and tests/agents/test_meow.c (float32, the first) compare with

The loss is written anew from the paper (Chao et al. 2024, arXiv:2405.13629) over autograd, in the
paper's own terms: Q(s, a) = alpha (log of the base density at u, up to its constant, plus the log-dets
of the maps that aren't linear), V(s) = -alpha (the sum of the log-dets of the linear ones), where the
flow takes actions to u, and the reward-shifting net b adds alpha b(s) to both. Only the tanh changes
volumes among the former; the deviation of the state's Gaussian is the linear map. The constant of the
base density, -d/2 log(2 pi), is in V, as in the paper's implementation. The nets are those of
sac_torch.py.

Arrays of a file: policy.*, shift.* (weights, under the names that mr_params_load expects),
policy_target.* and target.* (their slow copies), batch.*, and what is expected: loss, q_mean, v_mean,
grad.policy.*, grad.shift.*.

Needs torch, numpy and safetensors.
"""

import json
import math
import sys

import torch
from sac_torch import (ACT_DIM, HIDDEN, N_ROWS, OBS_DIM, REACH, coupling_split, draw, draw_batch,
                       gradients, layer_weights, main, net, prefixed)
from safetensors.torch import save_file
from torch.nn.functional import linear

ALPHA, MAX_STD = 0.4, 0.8
LOG_STD = (-5.0, math.log(MAX_STD))  # bounds of the base's log-deviation, reached through tanh
LARGEST_ACTION = 1 - 1e-5
WIDTH = 6  # of a coupling's net

# name of the file -> text of the flow and its number of couplings
CASES = {
    "meow": (f"[coupling(shift, hidden={WIDTH})]*4", 4),
    "meow_gaussian": ("gaussian", 0),
}


def policy_weights(generator, n_layers):
    weights = layer_weights(generator, "trunk", OBS_DIM, HIDDEN)
    weights["base.weight"] = draw(generator, 2 * ACT_DIM, HIDDEN[-1], scale=HIDDEN[-1] ** -0.5)
    weights["base.bias"] = draw(generator, 2 * ACT_DIM, scale=0.3)
    for layer in range(n_layers):
        passing, moving = coupling_split(layer)
        n_in = len(passing) + HIDDEN[-1]
        weights |= layer_weights(generator, f"flow.{layer}.net", n_in, (WIDTH, len(moving)))
    return weights


def shift_weights(generator):
    widths = (*HIDDEN, 1)
    return layer_weights(generator, "b1", OBS_DIM, widths) | layer_weights(
        generator, "b2", OBS_DIM, widths
    )


def shifts(weights, obs):
    return [net(weights, b, obs, len(HIDDEN) + 1, ends_linear=True)[:, 0] for b in ("b1", "b2")]


def embed(weights, obs):
    """The embedding, and mean and log-deviation of the state's Gaussian."""
    context = net(weights, "trunk", obs, len(HIDDEN), ends_linear=False)
    mean, raw = linear(context, weights["base.weight"], weights["base.bias"]).chunk(2, dim=1)
    low, high = LOG_STD
    return context, mean, low + (high - low) * (torch.tanh(raw) + 1) / 2


def v_values(policy, shift, obs):
    _, _, log_std = embed(policy, obs)
    constant = ACT_DIM / 2 * math.log(2 * math.pi)
    log_det = -log_std.sum(1)
    return [ALPHA * (b - log_det + constant) for b in shifts(shift, obs)]


def q_values(policy, n_layers, shift, obs, action):
    context, mean, log_std = embed(policy, obs)
    a = action.clamp(-LARGEST_ACTION, LARGEST_ACTION)
    x = torch.atanh(a)
    log_det = -torch.log((1 - a) * (1 + a)).sum(1)
    for layer in reversed(range(n_layers)):
        passing, moving = coupling_split(layer)
        inputs = torch.cat([REACH * torch.tanh(x[:, passing] / REACH), context], dim=1)
        before = x.clone()
        before[:, moving] = x[:, moving] - net(policy, f"flow.{layer}.net", inputs, 2, ends_linear=True)
        x = before
    u = (x - mean) * torch.exp(-log_std)
    return [ALPHA * (b - 0.5 * (u**2).sum(1) + log_det) for b in shifts(shift, obs)]


def make_case(seed, n_layers):
    generator = torch.Generator().manual_seed(seed)
    policy, policy_target = policy_weights(generator, n_layers), policy_weights(generator, n_layers)
    shift, target = shift_weights(generator), shift_weights(generator)
    batch = draw_batch(generator)
    if n_layers == 0:
        batch["act"][0, 0], batch["act"][1, 2] = 1, -1  # as rounding leaves them
    trained = {f"policy.{name}": weight for name, weight in policy.items()}
    trained |= {f"shift.{name}": weight for name, weight in shift.items()}
    for weight in trained.values():
        weight.requires_grad_()
    with torch.no_grad():
        next_v = torch.minimum(*v_values(policy_target, target, batch["next_obs"]))
        y = batch["reward"] + batch["discount"] * next_v
    q1, q2 = q_values(policy, n_layers, shift, batch["obs"], batch["act"])
    loss = 0.5 * ((q1 - y) ** 2 + (q2 - y) ** 2).mean()
    arrays = {
        **prefixed("policy", policy),
        **prefixed("policy_target", policy_target),
        **prefixed("shift", shift),
        **prefixed("target", target),
        **prefixed("batch", batch),
        "noise": torch.zeros(N_ROWS, ACT_DIM, dtype=torch.float64),  # the loss has none
        "next_noise": torch.zeros(N_ROWS, ACT_DIM, dtype=torch.float64),
        "loss": loss.reshape(1),
        "q_mean": q1.mean().reshape(1),
        "v_mean": v_values(policy, shift, batch["obs"])[0].mean().reshape(1),
        **prefixed("grad", gradients(loss, trained)),
    }
    return {name: array.detach().contiguous() for name, array in arrays.items()}


def record(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, (text, n_layers)) in enumerate(CASES.items(), start=4):
        notes = {
            "agent": "meow",
            "flow": text,
            "hidden": "x".join(map(str, HIDDEN)),
            "alpha": json.dumps(ALPHA),
            "max_std": json.dumps(MAX_STD),
            "torch": torch.__version__,
        }
        path = folder / f"{name}.safetensors"
        save_file(make_case(seed, n_layers), path, metadata=notes)
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main(record, __doc__))
