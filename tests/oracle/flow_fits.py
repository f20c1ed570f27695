"""Fits of well-known shapes, beside zuko's with the same layers, nets, data, epochs and learning rate.

    python tests/oracle/flow_fits.py build/release/bin/millrace [--epochs 60] [--pictures DIR]

10,000 rows are fitted (9,000 trained on, 1,000 to judge by), 10,000 fresh ones scored; nats, higher is better. The entropy of
the shape, where it is known, bounds both. With --pictures the densities are drawn, and samples of a fit to scikit-learn's
digits. Needs numpy, torch, zuko and scikit-learn.
"""

import argparse
import copy
import json
import pathlib
import subprocess
import tempfile
import time

import numpy
import torch
import zuko
from safetensors import safe_open

N_FIT, N_TEST, BATCH, LR, LR_FALL, FALLS_AFTER = 10_000, 10_000, 256, 4e-3, 0.3, 10


def two_moons(g, n):
    t, upper = g.uniform(0, numpy.pi, n), g.integers(0, 2, n) == 0
    x = numpy.where(upper, numpy.cos(t), 1 - numpy.cos(t))
    y = numpy.where(upper, numpy.sin(t), 0.5 - numpy.sin(t))
    return numpy.stack([x, y], 1) + 0.1 * g.standard_normal((n, 2))


def eight_gaussians(g, n):
    angle = numpy.pi / 4 * g.integers(0, 8, n)
    return 3 * numpy.stack([numpy.cos(angle), numpy.sin(angle)], 1) + 0.3 * g.standard_normal((n, 2))


def pinwheel(g, n):
    arm = g.integers(0, 5, n)
    radial, tangential = 1 + 0.3 * g.standard_normal(n), 0.1 * g.standard_normal(n)
    angle = 2 * numpy.pi / 5 * arm + 0.25 * numpy.exp(radial)
    x = radial * numpy.cos(angle) - tangential * numpy.sin(angle)
    y = radial * numpy.sin(angle) + tangential * numpy.cos(angle)
    return 2 * numpy.stack([x, y], 1)


def checkerboard(g, n):
    x = g.uniform(-4, 4, n)
    y = g.uniform(0, 2, n) + 4 * g.integers(0, 2, n) - 4 + 2 * (numpy.floor(x / 2) % 2)
    return numpy.stack([x, y], 1)


def rings(g, n):
    radius = numpy.array([0.6, 1.3, 2.0, 2.7])[g.integers(0, 4, n)] + 0.08 * g.standard_normal(n)
    angle = g.uniform(0, 2 * numpy.pi, n)
    return radius[:, None] * numpy.stack([numpy.cos(angle), numpy.sin(angle)], 1)


SHAPES = [two_moons, eight_gaussians, pinwheel, checkerboard, rings]

FLOWS = {
    "nsf:layers=4,hidden=64x64,bound=5": lambda d: zuko.flows.NSF(d, bins=8, transforms=4, hidden_features=[64, 64], passes=2),
    "maf:layers=5,hidden=64x64": lambda d: zuko.flows.MAF(d, transforms=5, hidden_features=[64, 64]),
    "real_nvp:layers=4,hidden=64x64": lambda d: zuko.flows.NICE(d, transforms=4, hidden_features=[64, 64]),
}


def run(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def fit_ours(millrace, flow, epochs, folder):
    begun = time.perf_counter()
    model = folder / "model.safetensors"
    run([millrace, "flow", "fit", folder / "fit.npy", "--flow", flow, "--out", model, "--epochs", str(epochs),
         "--patience", "30", "--json"])  # fmt: skip
    score = run([millrace, "flow", "score", model, folder / "test.npy", "--json"])
    with safe_open(model, "numpy") as arrays:
        n_parameters = sum(arrays.get_tensor(name).size for name in arrays.keys() if name.startswith("flow."))
    return score["mean_log_likelihood"], time.perf_counter() - begun, n_parameters


def fit_zuko(make, epochs, x, test):
    begun = time.perf_counter()
    torch.manual_seed(1)
    torch.set_num_threads(1)
    shift, scale = x.mean(0), x.std(0)
    u = torch.as_tensor((x - shift) / scale, dtype=torch.float32)
    held_out, u = u[: len(u) // 10], u[len(u) // 10 :]
    flow = make(x.shape[1])
    adam = torch.optim.Adam(flow.parameters(), lr=LR)
    best, best_state, resting = -numpy.inf, None, 0
    for _ in range(epochs):
        for rows in torch.randperm(len(u)).split(BATCH):
            adam.zero_grad()
            (-flow().log_prob(u[rows]).mean()).backward()
            torch.nn.utils.clip_grad_norm_(flow.parameters(), 10)
            adam.step()
        with torch.no_grad():
            judged = flow().log_prob(held_out).mean().item()
        resting += 1
        if judged > best:
            best, best_state, resting = judged, copy.deepcopy(flow.state_dict()), 0
        if resting == 30:
            break
        if resting and resting % FALLS_AFTER == 0:
            adam.param_groups[0]["lr"] *= LR_FALL
    flow.load_state_dict(best_state)
    with torch.no_grad():
        scored = flow().log_prob(torch.as_tensor((test - shift) / scale, dtype=torch.float32)).mean().item()
    n_parameters = sum(weight.numel() for weight in flow.parameters())
    return scored - numpy.log(scale).sum(), time.perf_counter() - begun, n_parameters


def report(shape, flow, ours, theirs):
    nats, seconds, n_parameters = zip(ours, theirs)
    print(f"{shape:16} {flow:30} {nats[0]:9.4f} {nats[1]:9.4f}   {seconds[0]:5.1f} / {seconds[1]:5.1f}"
          f"  {n_parameters[0]:6} / {n_parameters[1]:6}", flush=True)  # fmt: skip


def compare(options, folder):
    print(f"{'shape':16} {'flow':30} {'millrace':>9} {'zuko':>9}   seconds        parameters")
    for shape in SHAPES:
        g = numpy.random.default_rng(1)
        x, test = shape(g, N_FIT), shape(g, N_TEST)
        numpy.save(folder / "fit.npy", x)
        numpy.save(folder / "test.npy", test)
        for flow, make in FLOWS.items():
            report(shape.__name__, flow, fit_ours(options.millrace, flow, options.epochs, folder),
                   fit_zuko(make, options.epochs, x, test))  # fmt: skip
            if options.pictures and flow.startswith("nsf"):
                picture = pathlib.Path(options.pictures) / f"fit_{shape.__name__}.png"
                subprocess.run([options.millrace, "flow", "plot", folder / "model.safetensors", "--out", picture,
                                "--title", shape.__name__.replace("_", " ")], check=True,
                               stdout=subprocess.DEVNULL)  # fmt: skip


def digits(options, folder):
    """8 x 8 grey values 0..16 made continuous by uniform noise, without the pixels that are always 0."""
    from sklearn.datasets import load_digits

    g = numpy.random.default_rng(1)
    images = load_digits().data
    kept = images.std(0) > 0.5
    x = (images[:, kept] + g.uniform(0, 1, (len(images), kept.sum()))) / 17
    order = g.permutation(len(x))
    x = numpy.log(x / (1 - x))[order]  # to the whole line; the scores below are of this
    numpy.save(folder / "fit.npy", x[:1500])
    numpy.save(folder / "test.npy", x[1500:])
    flow = "maf:layers=5,hidden=128"
    theirs = fit_zuko(
        lambda d: zuko.flows.MAF(d, transforms=5, hidden_features=[128]), options.epochs, x[:1500], x[1500:]
    )
    report(f"digits, d = {kept.sum()}", flow, fit_ours(options.millrace, flow, options.epochs, folder), theirs)
    subprocess.run([options.millrace, "flow", "sample", folder / "model.safetensors", "-n", "40", "--out",
                    folder / "s.npy"], check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    if options.pictures:
        draw_digits(numpy.load(folder / "s.npy"), kept, x[:40], pathlib.Path(options.pictures) / "digits.png")


def draw_sheet(folder):
    """The pictures that millrace drew of the shapes, on one sheet."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 3, figsize=(15, 6.4))
    for axis, shape in zip(axes.flat, SHAPES):
        axis.imshow(pyplot.imread(folder / f"fit_{shape.__name__}.png"))
    for axis in axes.flat:
        axis.axis("off")
    figure.tight_layout(pad=0)
    figure.savefig(folder / "flow_fits.png", dpi=80)


def draw_digits(samples, kept, real, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    def sheet(rows):
        pixels = numpy.zeros((40, 64))
        pixels[:, kept] = 1 / (1 + numpy.exp(-rows))
        return numpy.block([[numpy.pad(pixels[10 * i + j].reshape(8, 8), 1) for j in range(10)] for i in range(4)])

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 2.5))
    for axis, rows, title in zip(axes, (real, samples), ("scikit-learn's digits", "samples of a MAF")):
        axis.imshow(sheet(rows), cmap="gray_r")
        axis.set_title(title)
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("millrace")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--pictures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        compare(options, pathlib.Path(name))
        if options.pictures:
            draw_sheet(pathlib.Path(options.pictures))
        digits(options, pathlib.Path(name))


if __name__ == "__main__":
    main()
