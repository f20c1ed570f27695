"""Records what PyTorch makes of one update with other critics: losses and gradients, in float64.

    python tests/oracle/heads_torch.py tests/data/agents
        writes sac_quantile, sac_categorical, sac_ensemble, td3_quantile and td3_categorical.safetensors,
        which tests/agents/exact_agents_torch.c (float64) and test_sac.c and test_td3.c (float32) compare with

The losses are written anew from the papers over autograd, with the policies and the batch of sac_torch.py
and td3_torch.py:

    quantile     Kuznetsov et al. 2020 (arXiv:2005.04269): the pooled quantiles without the largest, the
                 quantile Huber loss, and the mean of all quantiles of all critics for the actor
    categorical  Bellemare et al. 2017 (arXiv:1707.06887), algorithm 1; the distribution of the critic
                 with the smaller mean is the target of both (Palenicek et al. 2025)
    ensemble     Chen et al. 2021 (arXiv:2101.05982): the least of two of three critics in the target,
                 the mean of all for the actor

Losses are means over a batch and sums over critics. Arrays of a file: those of sac_torch.py and
td3_torch.py.

Needs torch, numpy and safetensors.
"""

import json
import sys

import td3_torch
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


def make_backup(batch, cost):
    return lambda z: batch["reward"][:, None] + batch["discount"][:, None] * (z - cost[:, None])


def critic_losses(head, critic, target, batch, next_action, cost):
    """The critics' loss and the first one's mean value."""
    next_outputs = outputs_of(head, target, batch["next_obs"], next_action)
    y = head.target(next_outputs, make_backup(batch, cost)).detach()
    now = outputs_of(head, critic, batch["obs"], batch["act"])
    return sum(head.loss(outputs, y) for outputs in now), head.value(now[0]).mean()


def values_of(head, critic, obs, action):
    frozen = {name: weight.detach() for name, weight in critic.items()}
    return [head.value(outputs) for outputs in outputs_of(head, frozen, obs, action)]


class Sac:
    name = "sac"
    notes = {"flow": "gaussian", "target_entropy": json.dumps(TARGET_ENTROPY)}

    @staticmethod
    def weights(generator):
        return {"policy": policy_weights(generator, 0, 0),
                "temperature": {"log_alpha": torch.tensor([-0.7], dtype=torch.float64)}}

    @staticmethod
    def losses(head, weights, batch, noise, next_noise):
        log_alpha = weights["temperature"]["log_alpha"]
        alpha = log_alpha.exp().detach()
        next_action, next_log_prob = sample(weights["policy"], 0, batch["next_obs"], next_noise)
        critic, q_mean = critic_losses(head, weights["critic"], weights["target"], batch, next_action,
                                       alpha * next_log_prob)
        action, log_prob = sample(weights["policy"], 0, batch["obs"], noise)
        values = values_of(head, weights["critic"], batch["obs"], action)
        return {"critic": critic,
                "policy": (alpha * log_prob - head.for_actor(values)).mean(),
                "temperature": -(log_alpha * (log_prob.detach() + TARGET_ENTROPY)).mean()}, q_mean


class Td3:
    name = "td3"
    notes = {"agent": "td3", "target_noise": json.dumps(td3_torch.TARGET_NOISE),
             "target_noise_clip": json.dumps(td3_torch.TARGET_NOISE_CLIP)}

    @staticmethod
    def weights(generator):
        return {name: td3_torch.policy_weights(generator) for name in ("policy", "policy_target")}

    @staticmethod
    def losses(head, weights, batch, noise, next_noise):
        bound = td3_torch.TARGET_NOISE_CLIP
        smoothing = (td3_torch.TARGET_NOISE * next_noise).clamp(-bound, bound)
        next_action = td3_torch.act(weights["policy_target"], batch["next_obs"]) + smoothing
        critic, q_mean = critic_losses(head, weights["critic"], weights["target"], batch,
                                       next_action.clamp(-1, 1), torch.zeros(N_ROWS, dtype=torch.float64))
        action = td3_torch.act(weights["policy"], batch["obs"])
        first = values_of(head, weights["critic"], batch["obs"], action)[0]
        return {"critic": critic, "policy": -first.mean()}, q_mean


LOSS_NAMES = {"critic": "critic", "policy": "actor", "temperature": "alpha"}


def make_case(seed, agent, head):
    generator = torch.Generator().manual_seed(seed)
    weights = agent.weights(generator)
    weights["critic"], weights["target"] = critic_weights(generator, head), critic_weights(generator, head)
    batch = draw_batch(generator)
    noise, next_noise = draw(generator, N_ROWS, ACT_DIM), draw(generator, N_ROWS, ACT_DIM)
    for learner in LOSS_NAMES:
        for weight in weights.get(learner, {}).values():
            weight.requires_grad_()
    losses, q_mean = agent.losses(head, weights, batch, noise, next_noise)
    arrays = {"noise": noise, "next_noise": next_noise, "q_mean": q_mean.reshape(1),
              **prefixed("batch", batch)}
    for name, of_learner in weights.items():
        arrays |= prefixed(name, of_learner)
    for learner, loss in losses.items():
        arrays[f"loss.{LOSS_NAMES[learner]}"] = loss.reshape(1)
        arrays |= prefixed(f"grad.{learner}", gradients(loss, weights[learner]))
    return {name: array.detach().contiguous() for name, array in arrays.items()}


CASES = [(Sac, Quantile), (Sac, Categorical), (Sac, Ensemble), (Td3, Quantile), (Td3, Categorical)]


def record(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (agent, head) in enumerate(CASES, start=5):
        notes = {
            **agent.notes,
            "hidden": "x".join(map(str, HIDDEN)),
            **{name: str(value) for name, value in head.notes.items()},
            "torch": torch.__version__,
        }
        path = folder / f"{agent.name}_{head.__name__.lower()}.safetensors"
        save_file(make_case(seed, agent, head), path, metadata=notes)
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main(record, __doc__))
