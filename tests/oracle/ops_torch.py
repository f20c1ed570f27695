"""Records what PyTorch makes of the ops that are its own layers, in float64.

    python tests/oracle/ops_torch.py tests/data/nn
        writes ops.safetensors, which tests/nn/exact_ops_torch.c compares with

For each case NAME: NAME.x [rows x ...], the parameters NAME.weight and NAME.bias if it has them, NAME.dy
(the gradient that is sent back), and what is expected: NAME.y, NAME.dx, NAME.dweight, NAME.dbias. Batch
norms also have the running statistics before and after (NAME.running_mean, NAME.new_running_mean, ...).
The variance there is the batch's biased one, as in Flax; PyTorch's own takes the unbiased one.

Batch renorm is written anew from the paper (Ioffe 2017, arXiv:1702.03275) over autograd.

Needs torch, numpy and safetensors.
"""

import sys

import torch
from sac_torch import draw, main
from safetensors.torch import save_file
from torch.nn import functional as F

ROWS, COLS = 9, 5
IMAGE = (3, 6, 5)  # channels, height, width
RATE, EPSILON = 0.1, 1e-3
R_MAX, D_MAX = 1.4, 0.4  # so that some corrections reach their bounds and others don't
DROPOUT = 0.3


def layer_norm(case):
    return F.layer_norm(case["x"], case["x"].shape[1:], case["weight"], case["bias"], eps=1e-5)


def rms_norm(case):
    return F.rms_norm(case["x"], case["x"].shape[1:], case["weight"], eps=1e-6)


def statistics(case):
    axes = [0, *range(2, case["x"].dim())]
    shape = [1, -1] + [1] * (case["x"].dim() - 2)
    mean = case["x"].mean(axes)
    return mean, ((case["x"] - mean.reshape(shape)) ** 2).mean(axes), shape


def move_statistics(case):
    with torch.no_grad():
        mean, variance, _ = statistics(case)
        for name, now in (("running_mean", mean), ("running_var", variance)):
            case["new_" + name] = case[name] + RATE * (now - case[name])


def batch_norm(case):
    move_statistics(case)
    return F.batch_norm(case["x"], None, None, case["weight"], case["bias"], True, eps=EPSILON)


def batch_norm_running(case):
    return F.batch_norm(case["x"], case["running_mean"], case["running_var"], case["weight"],
                        case["bias"], False, eps=EPSILON)


def batch_renorm(case):
    move_statistics(case)
    mean, variance, shape = statistics(case)
    deviation, running = (variance + EPSILON).sqrt(), (case["running_var"] + EPSILON).sqrt()
    r = (deviation / running).detach().clamp(1 / R_MAX, R_MAX)
    d = ((mean - case["running_mean"]) / running).detach().clamp(-D_MAX, D_MAX)
    xhat = (case["x"] - mean.reshape(shape)) / deviation.reshape(shape)
    xhat = xhat * r.reshape(shape) + d.reshape(shape)
    return xhat * case["weight"].reshape(shape) + case["bias"].reshape(shape)


def dropout(case):
    return case["x"] * (case["u"] >= DROPOUT) / (1 - DROPOUT)


def conv2d(stride, padding):
    def convolve(case):
        return F.conv2d(case["x"], case["weight"], case["bias"], stride, padding)

    return convolve


def normed(generator, shape):
    """A layer over the channels of x [rows x shape], with statistics not far from the batch's."""
    n = shape[0]
    return {
        "x": 0.5 + draw(generator, ROWS, *shape),
        "weight": 1 + draw(generator, n, scale=0.3),
        "bias": draw(generator, n),
        "running_mean": 0.5 + draw(generator, n, scale=0.5),
        "running_var": torch.exp(draw(generator, n, scale=0.7)),
    }


def convolved(generator, out, kernel):
    return {
        "x": draw(generator, ROWS, *IMAGE),
        "weight": draw(generator, out, IMAGE[0], kernel, kernel, scale=0.3),
        "bias": draw(generator, out),
    }


def make_cases(generator):
    """(name, what computes y, its arrays)."""
    vector = (COLS,)
    return [
        ("layer_norm", layer_norm, normed(generator, vector)),
        ("rms_norm", rms_norm, normed(generator, vector)),
        ("batch_norm", batch_norm, normed(generator, vector)),
        ("batch_norm_running", batch_norm_running, normed(generator, vector)),
        ("batch_renorm", batch_renorm, normed(generator, vector)),
        ("batch_norm_image", batch_norm, normed(generator, IMAGE)),
        ("batch_norm_running_image", batch_norm_running, normed(generator, IMAGE)),
        ("batch_renorm_image", batch_renorm, normed(generator, IMAGE)),
        ("dropout", dropout, {"x": draw(generator, ROWS, COLS),
                              "u": torch.rand(ROWS, COLS, generator=generator, dtype=torch.float64)}),
        ("conv2d", conv2d(1, 1), convolved(generator, 4, 3)),
        ("conv2d_strided", conv2d(2, 1), convolved(generator, 4, 3)),
        ("conv2d_wide", conv2d(3, 2), convolved(generator, 2, 4)),
        ("conv2d_pointwise", conv2d(1, 0), convolved(generator, 4, 1)),
    ]


def compute(generator, function, case):
    trained = [name for name in ("x", "weight", "bias") if name in case]
    for name in trained:
        case[name].requires_grad_()
    y = function(case)
    dy = draw(generator, *y.shape)
    grads = torch.autograd.grad(y, [case[name] for name in trained], dy, allow_unused=True)
    for name, grad in zip(trained, grads):
        if grad is not None:
            case["d" + name] = grad
    return {**case, "y": y, "dy": dy}


def record(folder):
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(16)
    arrays = {}
    for name, function, case in make_cases(generator):
        for key, array in compute(generator, function, case).items():
            arrays[f"{name}.{key}"] = array.detach().contiguous()
    path = folder / "ops.safetensors"
    save_file(arrays, path, metadata={"torch": torch.__version__})
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main(record, __doc__))
