"""Records what PyTorch makes of one update of SAC with batch norms: losses and gradients, in float64.

    python tests/oracle/crossq_torch.py tests/data/agents
        writes crossq.safetensors and xqc.safetensors, which tests/agents/exact_agents_torch.c
        compares with

crossq: critics without targets, batch renorm after the activation (Bhatt et al. 2024,
arXiv:1902.05605). xqc: targets, batch norm before it (Palenicek et al. 2025, arXiv:2509.25174), with
Q itself in place of that paper's categories. In both, a set of critics sees (s, a) and (s', a') as
one batch. The next action comes from the policy by its running statistics; the policy's loss takes
the policy by the batch's statistics and the critics by their running ones.

Arrays as in sac_torch.py, and the norms' running statistics among the weights.

Needs torch, numpy and safetensors.
"""

import json
import sys

import torch
from sac_torch import (ACT_DIM, HIDDEN, LOG_STD, N_ROWS, OBS_DIM, TARGET_ENTROPY, draw, draw_batch,
                       gradients, main, prefixed)
from safetensors.torch import save_file
from torch.distributions import Normal
from torch.nn.functional import linear, logsigmoid, relu

EPSILON, R_MAX, D_MAX = 1e-3, 3.0, 5.0
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")

# name of the file -> settings
CASES = {
    "crossq": {"norm": "batch_renorm", "norm_position": "after", "critic_targets": "none"},
    "xqc": {"norm": "batch", "norm_position": "before", "critic_targets": "polyak"},
}


def norm_weights(generator, prefix, n):
    return {
        f"{prefix}.weight": 1 + draw(generator, n, scale=0.3),
        f"{prefix}.bias": draw(generator, n, scale=0.3),
        f"{prefix}.running_mean": draw(generator, n, scale=0.5),
        f"{prefix}.running_var": 0.2 + draw(generator, n).abs(),
        # Beyond the warm-up of batch renorm, which is 100,000 batches.
        f"{prefix}.num_batches_tracked": torch.tensor([150000.0], dtype=torch.float64),
    }


def net_weights(generator, prefix, n_in, n_out, case):
    """Hidden layers with their norms, and a last, linear layer if n_out > 0."""
    weights = norm_weights(generator, f"{prefix}.input_norm", n_in)
    for i, width in enumerate(HIDDEN + ((n_out,) if n_out else ())):
        weights[f"{prefix}.{i}.weight"] = draw(generator, width, n_in, scale=n_in**-0.5)
        if i == len(HIDDEN) or case["norm_position"] == "after":
            weights[f"{prefix}.{i}.bias"] = draw(generator, width, scale=0.3)
        if i < len(HIDDEN):
            weights |= norm_weights(generator, f"{prefix}.{i}.norm", width)
        n_in = width
    return weights


def policy_weights(generator, case):
    weights = net_weights(generator, "trunk", OBS_DIM, 0, case)
    weights["base.weight"] = draw(generator, 2 * ACT_DIM, HIDDEN[-1], scale=HIDDEN[-1] ** -0.5)
    weights["base.bias"] = draw(generator, 2 * ACT_DIM, scale=0.3)
    return weights


def critic_weights(generator, case):
    return net_weights(generator, "q1", OBS_DIM + ACT_DIM, 1, case) | net_weights(
        generator, "q2", OBS_DIM + ACT_DIM, 1, case
    )


def normalise(weights, prefix, x, case, training):
    """Ioffe 2017 (arXiv:1702.03275), with r = 1 and d = 0 for plain batch norm."""
    gain, shift = weights[f"{prefix}.weight"], weights[f"{prefix}.bias"]
    running_mean = weights[f"{prefix}.running_mean"]
    running_std = (weights[f"{prefix}.running_var"] + EPSILON).sqrt()
    if not training:
        return (x - running_mean) / running_std * gain + shift
    mean = x.mean(0)
    std = (x.var(0, unbiased=False) + EPSILON).sqrt()
    xhat = (x - mean) / std
    if case["norm"] == "batch_renorm":
        r = (std / running_std).clamp(1 / R_MAX, R_MAX).detach()
        d = ((mean - running_mean) / running_std).clamp(-D_MAX, D_MAX).detach()
        xhat = r * xhat + d
    return xhat * gain + shift


def net(weights, prefix, x, case, training):
    x = normalise(weights, f"{prefix}.input_norm", x, case, training)
    for i in range(len(HIDDEN)):
        x = linear(x, weights[f"{prefix}.{i}.weight"], weights.get(f"{prefix}.{i}.bias"))
        if case["norm_position"] == "after":
            x = normalise(weights, f"{prefix}.{i}.norm", relu(x), case, training)
        else:
            x = relu(normalise(weights, f"{prefix}.{i}.norm", x, case, training))
    last = f"{prefix}.{len(HIDDEN)}"
    return linear(x, weights[f"{last}.weight"], weights[f"{last}.bias"])[:, 0] if f"{last}.weight" in weights else x


def sample(weights, obs, noise, case, training):
    embedding = net(weights, "trunk", obs, case, training)
    mean, raw = linear(embedding, weights["base.weight"], weights["base.bias"]).chunk(2, dim=1)
    low, high = LOG_STD
    base = Normal(mean, torch.exp(low + (high - low) * (torch.tanh(raw) + 1) / 2))
    x = mean + base.stddev * noise
    log_det = 2 * torch.log(torch.tensor(2.0, dtype=x.dtype)) + logsigmoid(2 * x) + logsigmoid(-2 * x)
    return torch.tanh(x), (base.log_prob(x) - log_det).sum(1)


def joint_values(weights, batch, next_action, case):
    """Both critics at (s, a) and at (s', a')."""
    x = torch.cat(
        [
            torch.cat([batch["obs"], batch["act"]], dim=1),
            torch.cat([batch["next_obs"], next_action], dim=1),
        ]
    )
    values = [net(weights, q, x, case, training=True) for q in ("q1", "q2")]
    return [q[:N_ROWS] for q in values], [q[N_ROWS:] for q in values]


def losses(policy, critic, target, log_alpha, batch, noise, next_noise, case):
    alpha = log_alpha.exp().detach()
    next_action, next_log_prob = sample(policy, batch["next_obs"], next_noise, case, training=False)
    next_action = next_action.detach()
    now, following = joint_values(critic, batch, next_action, case)
    if case["critic_targets"] == "polyak":
        following = joint_values(target, batch, next_action, case)[1]
    value = torch.minimum(*following) - alpha * next_log_prob
    y = (batch["reward"] + batch["discount"] * value).detach()
    critic_loss = sum(0.5 * ((q - y) ** 2).mean() for q in now)

    action, log_prob = sample(policy, batch["obs"], noise, case, training=True)
    frozen = {name: weight.detach() for name, weight in critic.items()}
    x = torch.cat([batch["obs"], action], dim=1)
    q = torch.minimum(*[net(frozen, q, x, case, training=False) for q in ("q1", "q2")])
    actor_loss = (alpha * log_prob - q).mean()
    alpha_loss = -(log_alpha * (log_prob.detach() + TARGET_ENTROPY)).mean()
    return critic_loss, actor_loss, alpha_loss, now[0]


def trained(weights):
    return {name: weight for name, weight in weights.items() if not name.endswith(BUFFERS)}


def make_case(seed, case):
    generator = torch.Generator().manual_seed(seed)
    policy = policy_weights(generator, case)
    critic, target = critic_weights(generator, case), critic_weights(generator, case)
    temperature = {"log_alpha": torch.tensor([-0.7], dtype=torch.float64)}
    batch = draw_batch(generator)
    noise, next_noise = draw(generator, N_ROWS, ACT_DIM), draw(generator, N_ROWS, ACT_DIM)
    for weights in (policy, critic, temperature):
        for weight in trained(weights).values():
            weight.requires_grad_()
    critic_loss, actor_loss, alpha_loss, q1 = losses(
        policy, critic, target, temperature["log_alpha"], batch, noise, next_noise, case
    )
    arrays = {
        **prefixed("policy", policy),
        **prefixed("critic", critic),
        **(prefixed("target", target) if case["critic_targets"] == "polyak" else {}),
        **prefixed("temperature", temperature),
        **prefixed("batch", batch),
        "noise": noise,
        "next_noise": next_noise,
        "loss.critic": critic_loss.reshape(1),
        "loss.actor": actor_loss.reshape(1),
        "loss.alpha": alpha_loss.reshape(1),
        "q_mean": q1.mean().reshape(1),
        **prefixed("grad.policy", gradients(actor_loss, trained(policy))),
        **prefixed("grad.critic", gradients(critic_loss, trained(critic))),
        **prefixed("grad.temperature", gradients(alpha_loss, temperature)),
    }
    return {name: array.detach().contiguous() for name, array in arrays.items()}


def record(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, case) in enumerate(CASES.items(), start=11):
        notes = {
            "flow": "gaussian",
            "hidden": "x".join(map(str, HIDDEN)),
            "actor_norm": case["norm"],
            "critic_norm": case["norm"],
            "norm_position": case["norm_position"],
            "critic_targets": case["critic_targets"],
            "target_entropy": json.dumps(TARGET_ENTROPY),
            "torch": torch.__version__,
        }
        path = folder / f"{name}.safetensors"
        save_file(make_case(seed, case), path, metadata=notes)
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main(record, __doc__))
