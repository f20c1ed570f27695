"""Times the convolutions and the training step of bench_conv with PyTorch and normflows.

    python tests/bench/conv_torch.py --threads 2
        one line for each convolution, forward and backward, batch 64; then images a second of a training step (gradients
        and Adam) of normflows' Glow of 3 levels x 16 steps, 128 channels, on images of 3 x 32 x 32

    python tests/bench/conv_torch.py --threads 2 --image 1x28x28 --levels 2 --steps 16 --channels 64
        that step alone

Needs torch and normflows.
"""

import argparse
import statistics
import time

import torch

CONVOLUTIONS = [
    (6, 128, 3, 16), (128, 128, 1, 16), (128, 12, 3, 16), (12, 128, 3, 8), (128, 128, 1, 8), (128, 24, 3, 8),
    (24, 128, 3, 4), (128, 128, 1, 4), (128, 48, 3, 4),
]  # fmt: skip
ROUNDS = 9


def median_seconds(work, rounds=ROUNDS):
    """Of one thread the time that it has had a processor, which others on the machine hardly change."""
    now = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    work()
    seconds = []
    for _ in range(rounds):
        begun = now()
        work()
        seconds.append(now() - begun)
    return statistics.median(seconds)


def time_convolution(n_in, n_out, kernel, size, batch):
    x = torch.randn(batch, n_in, size, size, requires_grad=True)
    module = torch.nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2)

    def step():
        x.grad = None
        y = module(x)
        (torch.relu(y) if n_out == 128 else y).sum().backward()

    seconds = median_seconds(step)
    flops = 3 * 2 * batch * n_in * n_out * kernel**2 * size**2
    print(f"{n_in:3d} to {n_out:3d}, {kernel} x {kernel} on {size:2d} x {size:<2d}  {1e3 * seconds:7.3f} ms  "
          f"{1e-9 * flops / seconds:6.1f} GFLOP/s", flush=True)  # fmt: skip


def glow(channels, height, width, levels, steps, hidden):
    import normflows as nf

    bases, merges, flows = [], [], []
    for i in range(levels):
        n = channels * 2 ** (levels + 1 - i)
        flows.append([nf.flows.GlowBlock(n, hidden) for _ in range(steps)] + [nf.flows.Squeeze()])
        factor = 2 ** (levels - i)
        kept = n if i == 0 else n // 2
        bases.append(nf.distributions.DiagGaussian((kept, height // factor, width // factor)))
        if i > 0:
            merges.append(nf.flows.Merge())
    return nf.MultiscaleFlow(bases, flows, merges, class_cond=False)


def time_step(o):
    channels, height, width = map(int, o.image.split("x"))
    model = glow(channels, height, width, o.levels, o.steps, o.channels)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    x = torch.randn(o.batch, channels, height, width)

    def step():
        optimizer.zero_grad()
        model.forward_kld(x).backward()
        optimizer.step()

    seconds = median_seconds(step, rounds=5)
    print(f"normflows, {o.levels} levels of {o.steps} steps, {o.channels} channels, on {o.image}, batch {o.batch}: "
          f"{1e3 * seconds:.1f} ms a step, {o.batch / seconds:.1f} images/s")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--image", help="time the training step alone")
    parser.add_argument("--levels", type=int, default=3)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--channels", type=int, default=128)
    o = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(o.threads)
    for convolution in CONVOLUTIONS if o.image is None else []:
        time_convolution(*convolution, o.batch)
    o.image = o.image or "3x32x32"
    time_step(o)


if __name__ == "__main__":
    main()
