"""Which flow fits separated modes best: ours at the same number of epochs, and zuko's NSF.

    python tests/oracle/flow_modes.py build/release/bin/millrace [--epochs 60] [--seeds 2] [--flows FLOW ...]

The shapes, rows and epochs are those of flow_fits.py. Prints a table of the mean log-likelihood of 10,000 fresh rows (nats,
mean over the seeds) and of the CPU time of a fit, one thread. Needs what flow_fits.py needs.
"""

import argparse
import pathlib
import resource
import tempfile
import time

import numpy
import zuko
from flow_fits import N_FIT, N_TEST, SHAPES, fit_zuko, run

OURS = ["nsf", "nsf_ar:bins=16", "nsf_lu"]

ZUKO = {"zuko's NSF": lambda d: zuko.flows.NSF(d, bins=8, transforms=4, hidden_features=[64, 64], passes=2)}

def truth_of_rings():
    """The integral of p log p over the radius: p(x, y) = p(radius) / (2 pi radius)."""
    r, step = numpy.linspace(0.01, 4, 100_000, retstep=True)
    means = numpy.array([0.6, 1.3, 2.0, 2.7])[:, None]
    p = (numpy.exp(-0.5 * ((r - means) / 0.08) ** 2) / (0.08 * numpy.sqrt(2 * numpy.pi))).mean(0) + 1e-300
    return (p * numpy.log(p / (2 * numpy.pi * r))).sum() * step


# Mean log-densities, where there is a formula.
TRUTH = {
    "eight_gaussians": -numpy.log(8) - numpy.log(2 * numpy.pi * numpy.e * 0.3**2),
    "checkerboard": -numpy.log(32),
    "rings": truth_of_rings(),
}


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def fit_ours(millrace, flow, seed, epochs, folder):
    before = cpu_of_children()
    run([millrace, "flow", "fit", folder / "fit.npy", "--flow", flow, "--out", folder / "model", "--epochs", str(epochs),
         "--seed", str(seed), "--json"])  # fmt: skip
    seconds = cpu_of_children() - before
    return run([millrace, "flow", "score", folder / "model", folder / "test.npy", "--json"])["mean_log_likelihood"], seconds


def fit_theirs(make, epochs, folder):
    before = time.process_time()
    nats, _, _ = fit_zuko(make, epochs, numpy.load(folder / "fit.npy"), numpy.load(folder / "test.npy"))
    return nats, time.process_time() - before


def fit_all(name, fit, options, folder):
    """A row of the table: the fits of one flow to all shapes."""
    cells, seconds = [], []
    for shape in SHAPES:
        nats = []
        for seed in range(1, options.seeds + 1):
            g = numpy.random.default_rng(seed)
            numpy.save(folder / "fit.npy", shape(g, N_FIT))
            numpy.save(folder / "test.npy", shape(g, N_TEST))
            likelihood, used = fit(seed)
            nats.append(likelihood)
            seconds.append(used)
        cells.append(f"{numpy.mean(nats):.3f}")
    print("|", " | ".join([name, *cells, f"{numpy.mean(seconds):.1f}"]), "|", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("millrace")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--flows", nargs="+", help="these of ours, and none of zuko's")
    options = parser.parse_args()
    print("|", " | ".join(["flow", *(shape.__name__.replace("_", " ") for shape in SHAPES), "CPU seconds"]), "|")
    print("|", " | ".join(["---"] * (len(SHAPES) + 2)), "|")
    truths = [f"{TRUTH[shape.__name__]:.3f}" if shape.__name__ in TRUTH else "" for shape in SHAPES]
    print("|", " | ".join(["the truth", *truths, ""]), "|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for flow in options.flows or OURS:
            fit_all(f"`{flow}`", lambda seed, flow=flow: fit_ours(options.millrace, flow, seed, options.epochs, folder),
                    options, folder)  # fmt: skip
        for flow, make in ({} if options.flows else ZUKO).items():
            fit_all(flow, lambda _, make=make: fit_theirs(make, options.epochs, folder), options, folder)


if __name__ == "__main__":
    main()
