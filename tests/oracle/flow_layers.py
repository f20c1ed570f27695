"""Records what zuko and normflows make of the flows' layers: log-densities and their gradients, in float64.

    python tests/oracle/flow_layers.py tests/data/flows
        writes KIND.safetensors and KIND_context.safetensors, which tests/flows/exact_layers.c (float64)
        and tests/flows/test_layers.c (float32) compare with

Every layer is put together from these libraries' own transforms (planar, radial, actnorm and the spline are
normflows'; couplings, LU maps, autoregressive passes and masked linear layers zuko's), with random weights
under the names that millrace's files have for them. What is millrace's own choice and not the papers' is
listed under CHOICES.

Arrays of a file: flow.* (weights), x [rows x dim], context [rows x context_dim], share [rows], and what is
expected: log_prob [rows] of x under the flow with a standard normal base, and the gradients of
mean(share log_prob), grad.flow.*, grad.x, grad.context.

Needs torch, zuko, normflows and safetensors.
"""

import argparse
import math
import pathlib

import normflows
import torch
import zuko
from normflows.utils.splines import unconstrained_rational_quadratic_spline
from safetensors.torch import save_file
from torch.distributions.transforms import (
    AffineTransform,
    ExpTransform,
    SigmoidTransform,
    SoftplusTransform,
    TanhTransform,
)
from torch.func import functional_call
from torch.nn.functional import linear, relu, softplus
from zuko.nn import MaskedLinear
from zuko.transforms import (
    AutoregressiveTransform,
    CircularShiftTransform,
    CouplingTransform,
    DependentTransform,
    LULinearTransform,
    PermutationTransform,
)

torch.set_default_dtype(torch.float64)

# CHOICES
SCALE_BOUND = 2.0  # of log-scales, by SCALE_BOUND tanh(s / SCALE_BOUND)
REACH = 4.0  # nets see REACH tanh(feature / REACH)
PLANAR_MIN = 1e-4  # 1 + w.u is PLANAR_MIN + (1 - PLANAR_MIN) softplus(w.u_raw + log(e - 1))
RADIAL_MIN = 1e-4  # alpha is softplus(alpha_raw) + RADIAL_MIN
SLOPE_MIN = 1e-3  # of a spline; raw slopes of 0 stand for slope 1
# Glow's fixed permutations and signs by (features, layer): (P x)[i] = x[order[i]].
GLOW = {
    (3, 0): ((0, 1, 2), (1, 1, 1)),
    (3, 1): ((2, 1, 0), (1, -1, 1)),
    (4, 0): ((2, 0, 3, 1), (1, 1, -1, 1)),
    (4, 1): ((0, 1, 3, 2), (-1, -1, 1, -1)),
}

N_ROWS = 12
HIDDEN = (8, 7)
BINS, BOUND = 5, 4.0
SIZES = {"": (3, 0), "_context": (4, 2)}  # features, context


class Layer:
    """One layer in the making: draws weights under their names, and keeps them."""

    def __init__(self, generator, weights, index, dim, context_dim):
        self.generator, self.weights, self.index = generator, weights, index
        self.dim, self.context_dim = dim, context_dim

    def draw(self, name, *shape, scale=1.0, shift=0.0, mask=None):
        weight = shift + scale * torch.randn(*shape, generator=self.generator)
        if mask is not None:
            weight = weight * mask
        self.weights[f"flow.{self.index}.{name}"] = weight.requires_grad_()
        return weight

    def emitted(self, n, context):
        """n parameters for each row: free, or linear in the context."""
        bias = self.draw("bias", n, scale=0.7)
        if context is None:
            return bias.expand(N_ROWS, n)
        return linear(context, self.draw("weight", n, self.context_dim, scale=0.5), bias)

    def net(self, n_in, n_out):
        """A function of inputs: hidden layers with ReLU, then a linear one."""
        pairs, n = [], n_in
        for i, width in enumerate((*HIDDEN, n_out)):
            weight = self.draw(f"net.{i}.weight", width, n, scale=n**-0.5)
            pairs.append((weight, self.draw(f"net.{i}.bias", width, scale=0.3)))
            n = width

        def apply(x):
            for weight, bias in pairs[:-1]:
                x = relu(linear(x, weight, bias))
            return linear(x, *pairs[-1])

        return apply

    def made(self, n_outputs):
        """A function of features and context whose outputs for a feature see the features before it."""
        order = range(self.dim) if self.index % 2 == 0 else reversed(range(self.dim))
        place = {feature: t for t, feature in enumerate(order)}
        features = [place[j] + 1 for j in range(self.dim)]
        least = 0 if self.context_dim > 0 else 1
        n = self.dim - least
        sees = features + [0] * self.context_dim
        layers = []
        for i, width in enumerate((*HIDDEN, n_outputs * self.dim)):
            last = i == len(HIDDEN)
            if last:
                degrees = [place[j] for _ in range(n_outputs) for j in range(self.dim)]
                sees = sees + features  # the direct connections
            else:
                degrees = [least + (j % n if width >= n else j * n // width) for j in range(width)]
            mask = torch.tensor([[a <= b for a in sees] for b in degrees])
            weight = self.draw(f"net.{i}.weight", width, len(sees), scale=len(sees) ** -0.5, mask=mask)
            bias = self.draw(f"net.{i}.bias", width, scale=0.3)
            layers.append((MaskedLinear(mask), {"weight": weight, "bias": bias}))
            sees = degrees

        def apply(x, context):
            seen = seen_by_nets(x)
            hidden = seen if context is None else torch.cat([seen, context], 1)
            for i, (module, weights) in enumerate(layers):
                if i == len(HIDDEN):
                    return functional_call(module, weights, (torch.cat([hidden, seen], 1),))
                hidden = relu(functional_call(module, weights, (hidden,)))

        return apply


def seen_by_nets(x):
    return REACH * torch.tanh(x / REACH)


def softplus_inverse(y):
    return torch.log(torch.expm1(y))


def affine(raw):
    """x exp(s) + t, of raw = (s before it is bounded, t)."""
    s_hat, t = raw.chunk(2, dim=1)
    return DependentTransform(AffineTransform(t, torch.exp(SCALE_BOUND * torch.tanh(s_hat / SCALE_BOUND))), 1)


class Spline(zuko.transforms.Transform):
    """normflows' spline as a transform."""

    domain = codomain = torch.distributions.constraints.real_vector
    bijective = True

    def __init__(self, raw, bound=BOUND):
        super().__init__()
        self.bound = bound
        d = raw.shape[1] // (3 * BINS - 1)
        raw = raw.unflatten(1, (3 * BINS - 1, d)).transpose(1, 2)
        factor = HIDDEN[-1] ** -0.5
        self.widths, self.heights = factor * raw[..., :BINS], factor * raw[..., BINS : 2 * BINS]
        self.slopes = raw[..., 2 * BINS :] + math.log(math.exp(1 - SLOPE_MIN) - 1)

    def move(self, x, inverse):
        y, log_det = unconstrained_rational_quadratic_spline(
            x, self.widths, self.heights, self.slopes, inverse=inverse, tails="linear", tail_bound=self.bound,
            min_bin_width=1e-3, min_bin_height=1e-3, min_derivative=SLOPE_MIN)  # fmt: skip
        return y, log_det.sum(1)

    def _call(self, x):
        return self.move(x, False)[0]

    def _inverse(self, y):
        return self.move(y, True)[0]

    def log_abs_det_jacobian(self, x, y):
        return self.move(x, False)[1]

    def call_and_ladj(self, x):
        return self.move(x, False)


# ---- The kinds: from data to base, with log |det|


def planar(layer, x, context):
    raw = layer.emitted(2 * layer.dim + 1, context)
    w, u_raw, b = raw.split((layer.dim, layer.dim, 1), dim=1)
    y, log_det = [], []
    for i in range(N_ROWS):
        dot = w[i] @ u_raw[i]
        k = PLANAR_MIN - 1 + (1 - PLANAR_MIN) * softplus(dot + math.log(math.e - 1))
        u_hat = u_raw[i] + (k - dot) * w[i] / (w[i] @ w[i])
        # normflows makes its own u of this one, with another constraint; this is the u that gives u_hat.
        inner = softplus_inverse(k + 1)
        u = u_hat + (inner - k) * w[i] / (w[i] @ w[i])
        module = normflows.flows.Planar((layer.dim,))
        moved = functional_call(module, {"w": w[i][None], "u": u[None], "b": b[i]}, (x[i][None],))
        y.append(moved[0])
        log_det.append(moved[1])
    return torch.cat(y), torch.cat(log_det)


def radial(layer, x, context):
    raw = layer.emitted(layer.dim + 2, context)
    centre, alpha_raw, beta_raw = raw.split((layer.dim, 1, 1), dim=1)
    alpha = softplus(alpha_raw) + RADIAL_MIN
    sum_of_both = softplus(beta_raw + softplus_inverse(alpha))  # alpha + beta
    y, log_det = [], []
    for i in range(N_ROWS):
        given = {"z_0": centre[i][None], "alpha": alpha[i], "beta": softplus_inverse(sum_of_both[i])}
        moved = functional_call(normflows.flows.Radial((layer.dim,)), given, (x[i][None],))
        y.append(moved[0])
        log_det.append(moved[1])
    return torch.cat(y), torch.cat(log_det)


def coupling(layer, univariate, n_outputs, context):
    swapped, by_halves = layer.index % 2 == 1, layer.index // 2 % 2 == 0
    mask = torch.tensor([((j < layer.dim // 2) if by_halves else (j % 2 == 0)) != swapped for j in range(layer.dim)])
    n_a = int(mask.sum())
    net = layer.net(n_a + layer.context_dim, n_outputs * (layer.dim - n_a))

    def meta(x_a):
        return univariate(net(seen_by_nets(x_a) if context is None else torch.cat([seen_by_nets(x_a), context], 1)))

    return CouplingTransform(meta, mask)


def real_nvp(layer, x, context):
    return coupling(layer, affine, 2, context).inv.call_and_ladj(x)


def nsf(layer, x, context):
    return coupling(layer, Spline, 3 * BINS - 1, context).inv.call_and_ladj(x)


def glow(layer, x, context):
    d = layer.dim
    order, sign = GLOW[d, layer.index]
    scale, shift = layer.draw("actnorm.log_scale", d, scale=0.3), layer.draw("actnorm.shift", d, scale=0.3)
    layer.weights[f"flow.{layer.index}.actnorm.started"] = torch.ones(1)
    lu, log_s = layer.draw("linear.lu", d, d, scale=0.4), layer.draw("linear.log_s", d, scale=0.3)
    y, log_det = functional_call(normflows.flows.AffineConstFlow((d,)), {"s": scale[None], "t": shift[None]}, (x,))
    s = torch.tensor(sign) * log_s.exp()
    # L (U + S) as zuko has it, with the diagonal in the lower factor: (L S) (1 + S^-1 U).
    factors = (lu.tril(-1) + torch.eye(d)) * s + lu.triu(1) / s[:, None]
    y, log_det_lu = LULinearTransform(factors).call_and_ladj(y)
    y = PermutationTransform(torch.tensor(order))(y)
    z, log_det_c = coupling(layer, affine, 2, context).inv.call_and_ladj(y)
    return z, log_det + log_det_lu + log_det_c


def autoregressive(layer, univariate, n_outputs, context):
    net = layer.made(n_outputs)
    return AutoregressiveTransform(lambda x: univariate(net(x, context)), layer.dim)


def maf(layer, x, context):
    return autoregressive(layer, lambda raw: affine(raw).inv, 2, context).call_and_ladj(x)


def iaf(layer, x, context):
    return autoregressive(layer, affine, 2, context).inv.call_and_ladj(x)


def nsf_ar(layer, x, context):
    return autoregressive(layer, Spline, 3 * BINS - 1, context).call_and_ladj(x)


def circular_nsf(layer, x, context):
    """Couplings of angles: a spline on [-pi, pi], then a turn. Nets see cosines and sines."""
    mask = torch.tensor([(j < layer.dim // 2) != (layer.index % 2 == 1) for j in range(layer.dim)])
    n_a = int(mask.sum())
    n_b = layer.dim - n_a
    net = layer.net(2 * n_a + layer.context_dim, 3 * BINS * n_b)

    def meta(x_a):
        seen = [torch.cos(x_a), torch.sin(x_a)] + ([] if context is None else [context])
        raw = net(torch.cat(seen, 1))
        turn = AffineTransform(raw[:, -n_b:] + math.pi, torch.ones(1))  # CircularShift takes pi off
        moves = [Spline(raw[:, :-n_b], math.pi), turn, CircularShiftTransform(math.pi)]
        return zuko.transforms.ComposedTransform(
            moves[0], *(DependentTransform(move, 1) for move in moves[1:]))

    return CouplingTransform(meta, mask).call_and_ladj(x)


def scaled(transform, before, low, after):
    """low + after transform(before x), of each feature."""
    return [AffineTransform(0, before), transform, AffineTransform(low, after)]


def inverse(transforms):
    return [transform.inv for transform in reversed(transforms)]


FIXED = ("[affine, tanh(bound=3), logit(low=-3, high=3), softplus(beta=0.5), inverse(softplus), exp, log(low=-1), log, "
         "sigmoid(low=-2, high=2), inverse(tanh(bound=2))]")  # fmt: skip


def fixed(layer, x, context):
    """The fixed maps, all by torch's own transforms, behind an affine part that gives them parameters."""
    moves = [
        *scaled(TanhTransform(), 1 / 3, 0, 3),
        *inverse(scaled(SigmoidTransform(), 1, -3, 6)),
        *scaled(SoftplusTransform(), 0.5, 0, 2),
        *inverse(scaled(SoftplusTransform(), 1, 0, 1)),
        *scaled(ExpTransform(), 1, 0, 1),
        *inverse(scaled(ExpTransform(), 1, -1, 1)),
        *inverse(scaled(ExpTransform(), 1, 0, 1)),
        *scaled(SigmoidTransform(), 1, -2, 4),
        *inverse(scaled(TanhTransform(), 1 / 2, 0, 2)),
    ]
    first = affine(layer.emitted(2 * layer.dim, context))
    return zuko.transforms.ComposedTransform(
        first, *(DependentTransform(move, 1) for move in moves)).call_and_ladj(x)  # fmt: skip


NETS = "hidden=" + "x".join(map(str, HIDDEN))
SPLINES = f"{NETS},bins={BINS},bound={BOUND:g}"

# name -> its function, its number of layers, its other options (of a preset) or its text, and the use that it is
# built for
KINDS = {
    "planar": (planar, 3, "", "score"),
    "radial": (radial, 3, "", "score"),
    "real_nvp": (real_nvp, 4, NETS, "score"),
    "glow": (glow, 2, NETS, "score"),
    "maf": (maf, 2, NETS, "score"),
    "iaf": (iaf, 2, NETS, "sample"),
    "nsf": (nsf, 4, SPLINES, "score"),
    "nsf_ar": (nsf_ar, 2, SPLINES, "score"),
    "circular": (circular_nsf, 2, f"[coupling(spline(bins={BINS}), {NETS})]*2", "score"),
    "fixed": (fixed, 1, FIXED, "score"),
}


def make_case(seed, kind, dim, context_dim):
    move, n_layers, _, _ = KINDS[kind]
    generator = torch.Generator().manual_seed(seed)
    x = 1.5 * torch.randn(N_ROWS, dim, generator=generator)
    if kind == "circular":
        x = torch.remainder(x + math.pi, 2 * math.pi) - math.pi
    x.requires_grad_()
    context = torch.randn(N_ROWS, context_dim, generator=generator).requires_grad_() if context_dim else None
    share = torch.randn(N_ROWS, generator=generator)
    weights, z, log_prob = {}, x, torch.zeros(N_ROWS)
    for index in reversed(range(n_layers)):  # layer 0 is next to the base
        z, log_det = move(Layer(generator, weights, index, dim, context_dim), z, context)
        log_prob = log_prob + log_det
    log_prob = log_prob - 0.5 * (z**2).sum(1) - 0.5 * dim * math.log(2 * math.pi)
    inputs = {"x": x} | ({"context": context} if context_dim else {}) | weights
    learned = {name: array for name, array in inputs.items() if array.requires_grad}
    gradients = torch.autograd.grad((share * log_prob).mean(), list(learned.values()))
    arrays = inputs | {"share": share, "log_prob": log_prob}
    arrays |= {f"grad.{name}": torch.zeros_like(array) for name, array in weights.items()}
    arrays |= {f"grad.{name}": gradient for name, gradient in zip(learned, gradients)}
    return {name: array.detach().contiguous() for name, array in arrays.items()}


def record(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (kind, (_, n_layers, rest, use)) in enumerate(KINDS.items(), start=1):
        for ending, (dim, context_dim) in SIZES.items():
            text = rest if rest.startswith("[") else f"{kind}:layers={n_layers}" + (f",{rest}" if rest else "")
            notes = {"flow": text, "use": use, "rows": str(N_ROWS)}
            notes |= {"circular": "all"} if kind == "circular" else {}
            notes |= {"dim": str(dim), "context_dim": str(context_dim)}
            notes |= {"torch": torch.__version__, "zuko": zuko.__version__, "normflows": normflows.__version__}
            path = folder / f"{kind}{ending}.safetensors"
            save_file(make_case(seed, kind, dim, context_dim), path, metadata=notes)
            print(f"{path}: {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    record(parser.parse_args().folder)


if __name__ == "__main__":
    main()
