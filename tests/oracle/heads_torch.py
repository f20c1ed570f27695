"""Records what PyTorch makes of one SAC update with other critics: losses and gradients, in float64.

    python tests/oracle/heads_torch.py tests/data/agents
        writes sac_quantile.safetensors, sac_categorical.safetensors and sac_ensemble.safetensors, which
        tests/agents/exact_agents_torch.c (float64) and tests/agents/test_sac.c (float32) compare with

The losses are written anew from the papers over autograd, with the policy and the batch of sac_torch.py:

    quantile     Kuznetsov et al. 2020 (arXiv:2005.04269): the pooled quantiles without the largest, the
                 quantile Huber loss, and the mean of all quantiles of all critics for the actor
    categorical  Bellemare et al. 2017 (arXiv:1707.06887), algorithm 1; the distribution of the critic
                 with the smaller mean is the target of both (Palenicek et al. 2025)
    ensemble     Chen et al. 2021 (arXiv:2101.05982): the least of two of three critics in the target,
                 the mean of all for the actor

Losses are means over a batch and sums over critics. Arrays of a file: those of sac_torch.py.

Needs torch, numpy and safetensors.
"""

import json
import sys

import torch
from sac_torch import (ACT_DIM, HIDDEN, N_ROWS, OBS_DIM, TARGET_ENTROPY, draw, draw_batch, gradients,
                       layer_weights, main, net, policy_weights, prefixed, sample)
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy, huber_loss, softmax

N_QUANTILES, N_DROPPED = 7, 2
N_ATOMS, LOW, HIGH = 11, -2.0, 3.0  # narrow: some of the targets lie beyond


class Quantile:
    n_critics, n_outputs = 2, N_QUANTILES
    notes = {"critic_head": "quantile", "critic_quantiles": N_QUANTILES, "critic_drop": N_DROPPED}

    @staticmethod
    def target(outputs, backup):
        pooled = torch.cat(outputs, dim=1).sort(dim=1).values
        return backup(pooled[:, : 2 * (N_QUANTILES - N_DROPPED)])

    @staticmethod
    def loss(outputs, y):
        tau = (torch.arange(N_QUANTILES, dtype=torch.float64) + 0.5) / N_QUANTILES
        q, y = torch.broadcast_tensors(outputs[:, :, None], y[:, None, :])
        weight = (tau[None, :, None] - (y < q).to(torch.float64)).abs()
        return (weight * huber_loss(q, y, reduction="none")).mean()

    @staticmethod
    def value(outputs):
        return outputs.mean(1)

    @staticmethod
    def for_actor(values):
        return torch.stack(values).mean(0)


class Categorical:
    n_critics, n_outputs = 2, N_ATOMS
    notes = {"critic_head": "categorical", "critic_atoms": N_ATOMS, "critic_value_min": LOW,
             "critic_value_max": HIGH}
    atoms = torch.linspace(LOW, HIGH, N_ATOMS, dtype=torch.float64)

    @classmethod
    def target(cls, outputs, backup):
        means = torch.stack([cls.value(o) for o in outputs])
        p = softmax(torch.stack(outputs)[means.argmin(0), torch.arange(N_ROWS)], dim=1)
        moved = backup(cls.atoms.expand(N_ROWS, -1)).clamp(LOW, HIGH)
        b = (moved - LOW) / (HIGH - LOW) * (N_ATOMS - 1)
        # Hat functions of width 1 around each atom: the same as the paper's floor and ceiling.
        hats = (1 - (b[:, :, None] - torch.arange(N_ATOMS)).abs()).clamp(min=0)
        return (p[:, :, None] * hats).sum(1)

    @staticmethod
    def loss(outputs, y):
        return cross_entropy(outputs, y)

    @classmethod
    def value(cls, outputs):
        return softmax(outputs, dim=1) @ cls.atoms

    @staticmethod
    def for_actor(values):
        return torch.stack(values).amin(0)


class Ensemble:
    n_critics, n_outputs = 3, 1
    notes = {"critics": 3, "critic_target_subset": 2, "actor_value": "mean"}

    @staticmethod
    def target(outputs, backup):
        return backup(torch.minimum(outputs[0], outputs[1]))  # before a draw: the first two

    @staticmethod
    def loss(outputs, y):
        return 0.5 * ((outputs - y) ** 2).mean()

    @staticmethod
    def value(outputs):
        return outputs[:, 0]

    @staticmethod
    def for_actor(values):
        return torch.stack(values).mean(0)


def critic_weights(generator, head):
    weights = {}
    for i in range(head.n_critics):
        weights |= layer_weights(generator, f"q{i + 1}", OBS_DIM + ACT_DIM, (*HIDDEN, head.n_outputs))
    return weights


def outputs_of(head, weights, obs, action):
    inputs = torch.cat([obs, action], dim=1)
    return [net(weights, f"q{i + 1}", inputs, len(HIDDEN) + 1, ends_linear=True)
            for i in range(head.n_critics)]


def losses(head, policy, critic, target, log_alpha, batch, noise, next_noise):
    alpha = log_alpha.exp().detach()
    with torch.no_grad():
        next_action, next_log_prob = sample(policy, 0, batch["next_obs"], next_noise)

        def backup(z):
            return (batch["reward"][:, None]
                    + batch["discount"][:, None] * (z - alpha * next_log_prob[:, None]))

        y = head.target(outputs_of(head, target, batch["next_obs"], next_action), backup)
    now = outputs_of(head, critic, batch["obs"], batch["act"])
    critic_loss = sum(head.loss(outputs, y) for outputs in now)

    action, log_prob = sample(policy, 0, batch["obs"], noise)
    frozen = {name: weight.detach() for name, weight in critic.items()}
    values = [head.value(outputs) for outputs in outputs_of(head, frozen, batch["obs"], action)]
    actor_loss = (alpha * log_prob - head.for_actor(values)).mean()
    alpha_loss = -(log_alpha * (log_prob.detach() + TARGET_ENTROPY)).mean()
    return critic_loss, actor_loss, alpha_loss, head.value(now[0]).mean()


def make_case(seed, head):
    generator = torch.Generator().manual_seed(seed)
    policy = policy_weights(generator, 0, 0)
    critic, target = critic_weights(generator, head), critic_weights(generator, head)
    temperature = {"log_alpha": torch.tensor([-0.7], dtype=torch.float64)}
    batch = draw_batch(generator)
    noise, next_noise = draw(generator, N_ROWS, ACT_DIM), draw(generator, N_ROWS, ACT_DIM)
    for weights in (policy, critic, temperature):
        for weight in weights.values():
            weight.requires_grad_()
    critic_loss, actor_loss, alpha_loss, q_mean = losses(
        head, policy, critic, target, temperature["log_alpha"], batch, noise, next_noise)
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
        "q_mean": q_mean.reshape(1),
        **prefixed("grad.policy", gradients(actor_loss, policy)),
        **prefixed("grad.critic", gradients(critic_loss, critic)),
        **prefixed("grad.temperature", gradients(alpha_loss, temperature)),
    }
    return {name: array.detach().contiguous() for name, array in arrays.items()}


def record(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, head in enumerate((Quantile, Categorical, Ensemble), start=5):
        notes = {
            "flow": "gaussian",
            "hidden": "x".join(map(str, HIDDEN)),
            "target_entropy": json.dumps(TARGET_ENTROPY),
            **{name: str(value) for name, value in head.notes.items()},
            "torch": torch.__version__,
        }
        path = folder / f"sac_{head.__name__.lower()}.safetensors"
        save_file(make_case(seed, head), path, metadata=notes)
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main(record, __doc__))
