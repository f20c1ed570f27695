"""Records three steps of PyTorch's AdamW with rows that are scaled to norm 1 after each, in float64.

    python tests/oracle/optim_torch.py tests/data/nn
        writes optim.safetensors, which tests/nn/exact_optim_torch.c compares with

As CrossQ with weight normalisation (Palenicek et al. 2025, arXiv:2502.07523): each row of a hidden
layer's weight and its bias together, a row of the last layer without.

Arrays of a file: start.* (parameters before the first step), grad.K.* (gradient of step K) and
after.K.* (parameters after it). The metadata has the optimizer's settings.

Needs torch, numpy and safetensors.
"""

import sys

import torch
from safetensors.torch import save_file
from sac_torch import draw, main, prefixed

LR, BETA1, BETA2, EPSILON, WEIGHT_DECAY = 1e-2, 0.5, 0.999, 1e-8, 0.3
N_STEPS, IN, HIDDEN, OUT = 3, 5, 4, 2


def scale_rows(weights):
    with torch.no_grad():
        rows = torch.cat([weights["hidden.weight"], weights["hidden.bias"][:, None]], dim=1)
        norm = torch.linalg.vector_norm(rows, dim=1)
        weights["hidden.weight"] /= norm[:, None]
        weights["hidden.bias"] /= norm
        weights["output.weight"] /= torch.linalg.vector_norm(weights["output.weight"], dim=1)[:, None]


def record(folder):
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(7)
    weights = {
        "hidden.weight": draw(generator, HIDDEN, IN),
        "hidden.bias": draw(generator, HIDDEN),
        "output.weight": draw(generator, OUT, HIDDEN),
        "output.bias": draw(generator, OUT),
    }
    arrays = prefixed("start", {name: weight.clone() for name, weight in weights.items()})
    scale_rows(weights)
    optimizer = torch.optim.AdamW(
        weights.values(), lr=LR, betas=(BETA1, BETA2), eps=EPSILON, weight_decay=WEIGHT_DECAY
    )
    for step in range(N_STEPS):
        for weight in weights.values():
            weight.grad = draw(generator, *weight.shape)
        arrays |= prefixed(f"grad.{step}", {name: weight.grad.clone() for name, weight in weights.items()})
        optimizer.step()
        scale_rows(weights)
        arrays |= prefixed(f"after.{step}", {name: weight.clone() for name, weight in weights.items()})
    notes = {"lr": str(LR), "beta1": str(BETA1), "weight_decay": str(WEIGHT_DECAY), "torch": torch.__version__}
    path = folder / "optim.safetensors"
    save_file({name: array.contiguous() for name, array in arrays.items()}, path, metadata=notes)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main(record, __doc__))
