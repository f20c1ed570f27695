"""Records what PyTorch makes of one TD3 update: losses and gradients, in float64.

    python tests/oracle/td3_torch.py tests/data/agents
        writes td3.safetensors, which tests/agents/exact_agents_torch.c (float64) and
        tests/agents/test_td3.c (float32) compare with

The losses are written anew from the paper (Fujimoto et al. 2018, arXiv:1802.09477, algorithm 1) over
autograd, with the nets of sac_torch.py. As in sac_torch.py, the critics' loss is half the sum of both
mean squared errors.

Arrays of a file: policy.*, critic.* (weights, under the names that mr_params_load expects), target.*
and policy_target.* (the slow copies), batch.*, next_noise (standard normals), and what is expected:
loss.critic, loss.actor, q_mean, grad.policy.*, grad.critic.*.

Needs torch, numpy and safetensors.
"""

import json
import sys

import torch
from sac_torch import (ACT_DIM, HIDDEN, N_ROWS, OBS_DIM, critic_weights, draw, draw_batch, gradients,
                       layer_weights, main, net, prefixed, values)
from safetensors.torch import save_file
from torch.nn.functional import linear

TARGET_NOISE, TARGET_NOISE_CLIP = 0.3, 0.4  # large enough that some noise is clipped


def policy_weights(generator):
    weights = layer_weights(generator, "trunk", OBS_DIM, HIDDEN)
    weights["output.weight"] = draw(generator, ACT_DIM, HIDDEN[-1], scale=HIDDEN[-1] ** -0.5)
    weights["output.bias"] = draw(generator, ACT_DIM, scale=0.3)
    return weights


def act(weights, obs):
    embedding = net(weights, "trunk", obs, len(HIDDEN), ends_linear=False)
    return torch.tanh(linear(embedding, weights["output.weight"], weights["output.bias"]))


def losses(policy, critic, policy_target, target, batch, next_noise):
    with torch.no_grad():
        noise = (TARGET_NOISE * next_noise).clamp(-TARGET_NOISE_CLIP, TARGET_NOISE_CLIP)
        next_action = (act(policy_target, batch["next_obs"]) + noise).clamp(-1, 1)
        y = batch["reward"] + batch["discount"] * torch.minimum(
            *values(target, batch["next_obs"], next_action)
        )
    q1, q2 = values(critic, batch["obs"], batch["act"])
    critic_loss = 0.5 * ((q1 - y) ** 2 + (q2 - y) ** 2).mean()
    frozen = {name: weight.detach() for name, weight in critic.items()}
    actor_loss = -values(frozen, batch["obs"], act(policy, batch["obs"]))[0].mean()
    return critic_loss, actor_loss, q1


def make_case(seed):
    generator = torch.Generator().manual_seed(seed)
    policy, policy_target = policy_weights(generator), policy_weights(generator)
    critic, target = critic_weights(generator), critic_weights(generator)
    batch = draw_batch(generator)
    next_noise = draw(generator, N_ROWS, ACT_DIM)
    for weights in (policy, critic):
        for weight in weights.values():
            weight.requires_grad_()
    critic_loss, actor_loss, q1 = losses(policy, critic, policy_target, target, batch, next_noise)
    arrays = {
        **prefixed("policy", policy),
        **prefixed("policy_target", policy_target),
        **prefixed("critic", critic),
        **prefixed("target", target),
        **prefixed("batch", batch),
        "next_noise": next_noise,
        "noise": torch.zeros(N_ROWS, ACT_DIM, dtype=torch.float64),  # the policy has none
        "loss.critic": critic_loss.reshape(1),
        "loss.actor": actor_loss.reshape(1),
        "q_mean": q1.mean().reshape(1),
        **prefixed("grad.policy", gradients(actor_loss, policy)),
        **prefixed("grad.critic", gradients(critic_loss, critic)),
    }
    return {name: array.detach().contiguous() for name, array in arrays.items()}


def record(folder):
    folder.mkdir(parents=True, exist_ok=True)
    notes = {
        "agent": "td3",
        "hidden": "x".join(map(str, HIDDEN)),
        "target_noise": json.dumps(TARGET_NOISE),
        "target_noise_clip": json.dumps(TARGET_NOISE_CLIP),
        "torch": torch.__version__,
    }
    path = folder / "td3.safetensors"
    save_file(make_case(3), path, metadata=notes)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main(record, __doc__))
