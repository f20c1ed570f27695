"""How far default fits stay behind the exact density, on smooth targets that nobody tuned for.

    python tests/oracle/flow_gaps.py build/release/bin/millrace [--flows nsf,maf] [--seeds 3]

Each target is a chain: a feature is drawn given those before it, so that the density is known. Fits
10,000 rows with no option but the kind, scores 20,000 fresh ones, and prints the exact mean log-density of
these less the model's, in nats. Fails where a gap is above its bound. Needs numpy.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy

N_FIT, N_TEST = 10_000, 20_000
BOUNDS = {"nsf": 0.12, "nsf_ar": 0.12, "real_nvp": 0.3, "glow": 0.3, "maf": 0.3, "iaf": 0.3}


class Chain:
    """Draws features one after the other and adds up their log-densities."""

    def __init__(self, generator, n):
        self.generator, self.n = generator, n
        self.log_prob = numpy.zeros(n)

    def normal(self, mean=0.0, deviation=1.0):
        noise = self.generator.standard_normal(self.n)
        self.log_prob -= 0.5 * noise**2 + 0.5 * numpy.log(2 * numpy.pi) + numpy.log(deviation)
        return mean + deviation * noise

    def logistic(self, mean=0.0, scale=1.0):
        noise = self.generator.logistic(size=self.n)
        self.log_prob -= noise + 2 * numpy.log1p(numpy.exp(-noise)) + numpy.log(scale)
        return mean + scale * noise


def banana(chain):
    x = chain.normal()
    return [x, chain.normal(x**2 - 1, 0.5)]


def wave(chain):
    x = chain.normal(0, 1.5)
    return [chain.normal(2 * numpy.sin(2 * x), 0.3), x]


def valley(chain):
    x = chain.normal()
    y = chain.normal(numpy.sin(2 * x), 0.4)
    return [x, y, chain.normal(x * y, numpy.exp(0.5 * y))]


def spiral_stairs(chain):
    x = chain.logistic(0, 0.6)
    y = chain.normal(numpy.cos(1.5 * x), 0.3)
    z = chain.logistic(numpy.sin(1.5 * x) + y, 0.2)
    return [y, x, z, chain.normal(z**2 / 2 - x, 0.5)]


def series(chain):
    x = [chain.normal()]
    for _ in range(4):
        x.append(chain.normal(1.5 * numpy.sin(1.5 * x[-1]), 0.4))
    return x


def rotated(chain):
    x = [chain.normal()]
    x.append(chain.normal(x[0] ** 2 / 2 - 0.5, 0.6 * numpy.exp(0.4 * x[0])))
    x.append(chain.normal(numpy.tanh(2 * x[1]), 0.3))
    x.append(chain.normal(x[0] * x[2], 0.5))
    rotation, _ = numpy.linalg.qr(numpy.random.default_rng(7).standard_normal((4, 4)))
    return list(rotation @ numpy.stack(x))


TARGETS = [banana, wave, valley, spiral_stairs, series, rotated]


def draw(target, seed, n):
    chain = Chain(numpy.random.default_rng(seed), n)
    columns = target(chain)
    return numpy.stack(columns, axis=1), chain.log_prob


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stderr}")
    return json.loads(result.stdout)


def gap(millrace, flow, target, seed, folder):
    data, _ = draw(target, 1000 + seed, N_FIT)
    test, exact = draw(target, 2000 + seed, N_TEST)
    numpy.save(folder / "data.npy", data)
    numpy.save(folder / "test.npy", test)
    model = folder / "model.safetensors"
    fit = run(millrace, "flow", "fit", folder / "data.npy", "--flow", flow, "--out", model,
              "--seed", str(seed), "--json")  # fmt: skip
    score = run(millrace, "flow", "score", model, folder / "test.npy", "--json")
    return exact.mean() - score["mean_log_likelihood"], fit


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("millrace", type=pathlib.Path)
    parser.add_argument("--flows", default=",".join(BOUNDS))
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    n_above = 0
    with tempfile.TemporaryDirectory() as name:
        for flow in arguments.flows.split(","):
            for target in TARGETS:
                for seed in range(1, arguments.seeds + 1):
                    nats, fit = gap(arguments.millrace, flow, target, seed, pathlib.Path(name))
                    bound = BOUNDS.get(flow.split(":")[0], numpy.inf)
                    n_above += nats > bound
                    print(f"{flow:10} {target.__name__:14} seed {seed}  gap {nats:7.4f}"
                          f"  epochs {fit['epochs']:4}  {fit['seconds']:6.1f} s"
                          f"{'  ABOVE ' + str(bound) if nats > bound else ''}", flush=True)  # fmt: skip
    return int(n_above > 0)


if __name__ == "__main__":
    sys.exit(main())
