"""The same flows in PyTorch, beside bench_flows: rows a second of both, and their ratio.

Each flow has the layers and nets that bench_flows reports. zuko provides MAF, IAF (MAF turned round), neural splines and affine
couplings; normflows provides planar, radial and Glow's steps (actnorm, LU linear map, affine coupling). Peers and
bench_flows take turns flow by flow. Needs torch, zuko and normflows.

    python3 tests/bench/peers/flows.py build/release/bin/bench_flows [--threads 2] [--flow maf]
"""

import argparse
import json
import subprocess
import time

import normflows
import torch
import zuko

ROUNDS, ROUND_SECONDS = 3, 0.15


def hidden_of(row):
    return [int(width) for width in row["hidden"].split("x")] if row["hidden"] else []


def affine_couplings(dim, layers, hidden):
    return zuko.flows.NICE(dim, transforms=layers, hidden_features=hidden)


def maf(dim, layers, hidden):
    return zuko.flows.MAF(dim, transforms=layers, hidden_features=hidden)


def nsf(dim, layers, hidden):
    return zuko.flows.NSF(dim, bins=8, transforms=layers, hidden_features=hidden, passes=2)


def nsf_ar(dim, layers, hidden):
    return zuko.flows.NSF(dim, bins=8, transforms=layers, hidden_features=hidden)


ZUKO = {"real_nvp": affine_couplings, "maf": maf, "iaf": maf, "nsf": nsf, "nsf_ar": nsf_ar}


def glow_steps(dim, hidden):
    net = normflows.nets.MLP([(dim + 1) // 2, *hidden, 2 * (dim // 2)], init_zeros=True)
    return [
        normflows.flows.ActNorm(dim),
        normflows.flows.LULinearPermute(dim),
        normflows.flows.AffineCouplingBlock(net),
    ]


def normflow(name, dim, layers, hidden):
    flows = []
    for _ in range(layers):
        if name == "planar":
            flows.append(normflows.flows.Planar((dim,)))
        elif name == "radial":
            flows.append(normflows.flows.Radial((dim,)))
        else:
            flows += glow_steps(dim, hidden)
    return normflows.NormalizingFlow(normflows.distributions.DiagGaussian(dim), flows)


class Zuko:
    """A zuko flow. An IAF is zuko's MAF with sampling and scoring changing places."""

    def __init__(self, name, dim, layers, hidden):
        flow = ZUKO[name](dim, layers, hidden)
        self.flow, self.turned = flow, name == "iaf"
        self.base = torch.distributions.Independent(
            torch.distributions.Normal(torch.zeros(dim), torch.ones(dim)), 1
        )
        self.parameters = list(flow.parameters())

    def sample(self, n, x):
        distribution = self.flow()
        if self.turned:
            z = self.base.sample((n,))
            y, log_det = distribution.transform.call_and_ladj(z)
            return y, self.base.log_prob(z) - log_det
        return distribution.rsample_and_log_prob((n,))

    def log_prob(self, x):
        return self.flow().log_prob(x)


class Normflow:
    """A normflows flow. Planar and radial are scored by their one closed-form direction, from data to base."""

    def __init__(self, name, dim, layers, hidden):
        self.model = normflow(name, dim, layers, hidden)
        self.one_way = name in ("planar", "radial")
        self.parameters = list(self.model.parameters())

    def sample(self, n, x):
        return self.model.sample(n)

    def log_prob(self, x):
        if not self.one_way:
            return self.model.log_prob(x)
        log_det = torch.zeros(len(x))
        for flow in self.model.flows:
            x, part = flow(x)
            log_det = log_det + part
        return self.model.q0.log_prob(x) + log_det


def make(row):
    kind = Zuko if row["flow"] in ZUKO else Normflow
    # Turned the way that bench_flows turns it: MAF samples in one pass (as an IAF), IAF scores in one pass (as a MAF).
    name = row["flow"]
    if name == "maf" and row["what"] == "sample":
        name = "iaf"
    return kind(name, row["dim"], int(row["layers"]), hidden_of(row))


def work_of(row, model):
    n, dim = row["batch"], row["dim"]
    x = torch.randn(n, dim)
    if row["what"] == "train":
        optimizer = torch.optim.Adam(model.parameters, lr=1e-4)

        def train():
            optimizer.zero_grad()
            (-model.log_prob(x).mean()).backward()
            optimizer.step()

        return train

    def evaluate():
        with torch.no_grad():
            model.sample(n, x) if row["what"] == "sample" else model.log_prob(x)

    return evaluate


def rate_of(row):
    work = work_of(row, make(row))
    work()
    best = 0.0
    for _ in range(ROUNDS):
        begun, n = time.perf_counter(), 0
        while time.perf_counter() - begun < ROUND_SECONDS:
            work()
            n += 1
        best = max(best, n * row["batch"] / (time.perf_counter() - begun))
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench_flows")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--flow", action="append")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for flow in options.flow or ["planar", "radial", "real_nvp", "glow", "maf", "iaf", "nsf", "nsf_ar"]:
        command = [options.bench_flows, "--json", "--flow", flow, "--threads", str(options.threads)]
        ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for row in ours["rows"]:
            row["peer_rows_per_s"] = rate_of(row)
            row["ratio"] = row["rows_per_s"] / row["peer_rows_per_s"]
            rows.append(row)
            if not options.json:
                print(
                    f"{row['flow']:9} d={row['dim']:<3} batch {row['batch']:<5} {row['what']:9}"
                    f" {row['rows_per_s']:12,.0f} {row['peer_rows_per_s']:12,.0f}  {row['ratio']:8.1f}x",
                    flush=True,
                )
    if options.json:
        print(json.dumps({"threads": options.threads, "rows": rows}))


if __name__ == "__main__":
    main()
