"""Records what normflows makes of the layers of Glow and Real NVP on images: log-densities and their gradients, in
float64.

    python tests/oracle/flow_images.py tests/data/flows
        writes KIND.safetensors and KIND_context.safetensors, which tests/flows/exact_layers.c (float64) and
        tests/flows/test_layers.c (float32) compare with

Squeeze, split, actnorm, 1x1 convolution, affine coupling, masked coupling and Glow's convolutional net are normflows'
own, Real NVP's residual net is put together from PyTorch's convolutions; all with random weights under the names that millrace's files have for them. What is millrace's choice: log-scales are bounded by
2 tanh(s / 2), nets see 4 tanh(x / 4), a context is added to the first convolution's result, and what leaves at a level
is standardised by one convolution of what stays (as the learned prior of Glow's authors).

Arrays of a file are as in flow_layers.py. Needs torch, normflows and safetensors.
"""

import argparse
import math
import pathlib

import normflows
import torch
from normflows.flows import ActNorm, AffineCoupling, Invertible1x1Conv, MaskedAffineFlow, Split, Squeeze
from normflows.nets import ConvNet2d
from safetensors.torch import save_file
from torch.func import functional_call
from torch.nn.functional import conv2d, relu

torch.set_default_dtype(torch.float64)

SCALE_BOUND, REACH = 2.0, 4.0
N_ROWS, IMAGE, LEVELS, HIDDEN, CONTEXT_DIM = 5, (2, 4, 4), 2, 4, 3
STEPS = {"glow": 2, "real_nvp": 1}  # the kinds, and their steps at each level


class Interleaved(torch.nn.Module):
    """The map that normflows' coupling wants: shifts and scales in turn."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        s, t = self.net(x)
        return torch.stack([t, s], dim=2).flatten(1, 2)


class Chosen(torch.nn.Module):
    """One of a net's results."""

    def __init__(self, net, k):
        super().__init__()
        self.net, self.k = net, k

    def forward(self, x):
        return self.net(x)[self.k]


class Flow:
    """Draws weights under their names, and keeps them."""

    def __init__(self, seed, context):
        self.generator = torch.Generator().manual_seed(seed)
        self.weights, self.context = {}, context

    def draw(self, name, *shape, scale=0.3):
        weight = (scale * torch.randn(*shape, generator=self.generator)).requires_grad_()
        self.weights[f"flow.{name}"] = weight
        return weight

    def keep(self, name, values):
        self.weights[f"flow.{name}"] = values
        return values

    def net(self, name, n_in, hidden, n_out):
        """(s, t) of what is moved, as a function of what passes: normflows' net with our bounds."""
        widths = (n_in, *hidden, n_out)
        kernels = (3, *(len(hidden) - 1) * (1,), 3)[-len(widths) + 1 :]
        net = ConvNet2d(widths, kernels)
        convolutions = [i for i, layer in enumerate(net.net) if isinstance(layer, torch.nn.Conv2d)]
        given = {}
        for k, i in enumerate(convolutions):
            fan_in = widths[k] * kernels[k] ** 2
            weight = self.draw(f"{name}.{k}.weight", widths[k + 1], fan_in, scale=fan_in**-0.5)
            given[f"net.{i}.weight"] = weight.view(widths[k + 1], widths[k], kernels[k], kernels[k])
            given[f"net.{i}.bias"] = self.draw(f"{name}.{k}.bias", widths[k + 1])
        added = 0
        if self.context is not None:
            weight = self.draw(f"{name}.context.weight", widths[1], CONTEXT_DIM)
            added = (self.context @ weight.T)[:, :, None, None]

        def apply(x):
            with_context = lambda layer, inputs, result: result + added  # noqa: E731
            hook = net.net[0].register_forward_hook(with_context)
            raw = functional_call(net, given, (REACH * torch.tanh(x / REACH),))
            hook.remove()
            s, t = raw.chunk(2, dim=1)
            return SCALE_BOUND * torch.tanh(s / SCALE_BOUND), t

        return apply

    def residual_net(self, name, n_in, hidden, n_out):
        """The same with a convolution, a residual block for each further width, and a convolution."""

        def convolution(k, n_from, n_to):
            weight = self.draw(f"{name}.{k}.weight", n_to, 9 * n_from, scale=(9 * n_from) ** -0.5)
            bias = self.draw(f"{name}.{k}.bias", n_to)
            return lambda x: conv2d(x, weight.view(n_to, n_from, 3, 3), bias, padding=1)

        first, blocks = convolution(0, n_in, hidden[0]), []
        for i, width in enumerate(hidden[1:]):
            blocks.append((convolution(1 + 2 * i, hidden[0], width), convolution(2 + 2 * i, width, hidden[0])))
        last = convolution(1 + 2 * len(blocks), hidden[0], n_out)
        added = 0
        if self.context is not None:
            weight = self.draw(f"{name}.context.weight", hidden[0], CONTEXT_DIM)
            added = (self.context @ weight.T)[:, :, None, None]

        def apply(x):
            y = first(REACH * torch.tanh(x / REACH)) + added
            for inner, outer in blocks:
                y = y + outer(relu(inner(relu(y))))
            s, t = last(relu(y)).chunk(2, dim=1)
            return SCALE_BOUND * torch.tanh(s / SCALE_BOUND), t

        return apply

    def checkerboard(self, i, x, net):
        """normflows' masked coupling, towards the base."""
        y, x_ = torch.meshgrid(torch.arange(x.shape[2]), torch.arange(x.shape[3]), indexing="ij")
        mask = ((y + x_) % 2 == i % 2).double().expand(x.shape[1:])
        return MaskedAffineFlow(mask, Chosen(net, 1), Chosen(net, 0)).inverse(x)

    def by_channels(self, i, x, make_net):
        (first, second), _ = Split("channel").forward(x)
        passes, moved = (second, first) if i % 2 == 1 else (first, second)
        net = make_net(f"{i}.net", passes.shape[1], (HIDDEN, HIDDEN), 2 * moved.shape[1])
        passes, moved, log_det = self.coupling(passes, moved, net)
        return torch.cat([moved, passes] if i % 2 == 1 else [passes, moved], dim=1), log_det

    def factor_out(self, level, x):
        (stays, leaves), _ = Split("channel").forward(x)
        net = self.net(f"{level}.factor_out.net", stays.shape[1], (), 2 * leaves.shape[1])
        return self.coupling(stays, leaves, net)

    def coupling(self, z1, z2, net):
        (z1, z2), log_det = AffineCoupling(Interleaved(net), scale_map="exp").inverse([z1, z2])
        return z1, z2, log_det

    def actnorm(self, name, x):
        c = x.shape[1]
        log_scale, shift = self.draw(f"{name}.log_scale", c), self.draw(f"{name}.shift", c)
        self.keep(f"{name}.started", torch.ones(1))
        given = {"s": log_scale.view(1, c, 1, 1), "t": shift.view(1, c, 1, 1), "data_dep_init_done": torch.ones(())}
        return functional_call(ActNorm((c, 1, 1)), given, (x,))

    def linear(self, name, x):
        c = x.shape[1]
        lu, log_s = self.draw(f"{name}.lu", c, c), self.draw(f"{name}.log_s", c)
        sign = self.keep(f"{name}.sign", torch.randint(0, 2, (c,), generator=self.generator) * 2.0 - 1)
        order = self.keep(f"{name}.order", torch.randperm(c, generator=self.generator).double())
        module = Invertible1x1Conv(c, use_lu=True)
        module.P, module.sign_S = torch.eye(c)[order.long()], sign
        for part, value in {"L": lu, "U": lu, "log_S": log_s}.items():
            del module._parameters[part]
            setattr(module, part, value)
        return module.inverse(x)

    def glow(self, x, level):
        x, _ = Squeeze().inverse(x)
        log_dets = []
        n = STEPS["glow"]
        for i in reversed(range(level * n, (level + 1) * n)):
            x, log_det_a = self.actnorm(f"{i}.actnorm", x)
            x, log_det_l = self.linear(f"{i}.linear", x)
            x, log_det_c = self.by_channels(i, x, self.net)
            log_dets += [log_det_a, log_det_l, log_det_c]
        return x, sum(log_dets)

    def real_nvp(self, x, level):
        log_dets = []
        n = STEPS["real_nvp"]
        first = 2 * level * n
        for i in reversed(range(first, first + n)):
            x, log_det = self.actnorm(f"{i}.actnorm", x)
            net = self.residual_net(f"{i}.net", x.shape[1], (HIDDEN, HIDDEN), 2 * x.shape[1])
            x, log_det_c = self.checkerboard(i, x, net)
            log_dets += [log_det, log_det_c]
        x, _ = Squeeze().inverse(x)
        for i in reversed(range(first + n, first + 2 * n)):
            x, log_det = self.actnorm(f"{i}.actnorm", x)
            x, log_det_c = self.by_channels(i, x, self.residual_net)
            log_dets += [log_det, log_det_c]
        return x, sum(log_dets)

    def towards_base(self, kind, x):
        left, total = [], 0
        for level in reversed(range(LEVELS)):
            x, log_det = getattr(self, kind)(x, level)
            x, leaves, log_det_f = self.factor_out(level, x)
            left.append(leaves.flatten(1))
            total = total + log_det + log_det_f
        return torch.cat([x.flatten(1), *left], dim=1), total


def make_case(seed, kind, has_context):
    generator = torch.Generator().manual_seed(100 + seed)
    dim = math.prod(IMAGE)
    x = torch.randn(N_ROWS, dim, generator=generator).requires_grad_()
    context = torch.randn(N_ROWS, CONTEXT_DIM, generator=generator).requires_grad_() if has_context else None
    share = torch.randn(N_ROWS, generator=generator)
    flow = Flow(seed, context)
    z, log_det = flow.towards_base(kind, x.view(N_ROWS, *IMAGE))
    log_prob = log_det - 0.5 * (z**2).sum(1) - 0.5 * dim * math.log(2 * math.pi)
    inputs = {"x": x} | ({"context": context} if has_context else {}) | flow.weights
    learned = {name: array for name, array in inputs.items() if array.requires_grad}
    gradients = torch.autograd.grad((share * log_prob).mean(), list(learned.values()))
    arrays = inputs | {"share": share, "log_prob": log_prob}
    arrays |= {f"grad.{name}": torch.zeros_like(array) for name, array in flow.weights.items()}
    arrays |= {f"grad.{name}": gradient for name, gradient in zip(learned, gradients)}
    return {name: array.detach().contiguous() for name, array in arrays.items()}


def record(folder):
    for seed, (kind, n_steps) in enumerate(STEPS.items(), start=1):
        for ending in ("", "_context"):
            notes = {
                "flow": f"image_{kind}:levels={LEVELS},steps={n_steps},channels={HIDDEN}",
                "use": "score",
                "rows": str(N_ROWS),
                "dim": str(math.prod(IMAGE)),
                "image": "x".join(map(str, IMAGE)),
                "context_dim": str(CONTEXT_DIM if ending else 0),
                "torch": torch.__version__,
                "normflows": normflows.__version__,
            }
            path = folder / f"image_{kind}{ending}.safetensors"
            save_file(make_case(seed, kind, bool(ending)), path, metadata=notes)
            print(f"{path}: {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    record(parser.parse_args().folder)


if __name__ == "__main__":
    main()
