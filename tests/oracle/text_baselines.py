#!/usr/bin/env python3
"""What other models of characters make of a text, in bits a character of a held-out part.

    text_baselines.py TRAIN TEST [--lines] [--lstm-seconds S]

- xz -9 and PPMd (7-Zip's, order 32, 192 MB): of TEST by itself, and of TEST after TRAIN, which is
  what TRAIN and TEST together take more than TRAIN alone;
- an interpolated Kneser-Ney 4-gram (Kneser and Ney 1995; one discount, of Ney, Essen and Kneser
  1994, for each order), fitted to TRAIN;
- an LSTM of PyTorch (Hochreiter and Schmidhuber 1997), trained on TRAIN for S seconds of processor
  time on one thread: 256 units, Adam, a learning rate that falls as a cosine.

With --lines each line is a string by itself, as `millrace flow fit --flow text` takes it, and its
end counts as a character; otherwise the text is one sequence, as with text:length=128. Compressors
always see the whole text.
"""

import argparse
import collections
import math
import subprocess
import tempfile
import time


def read(path, lines):
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read().replace("\r\n", "\n")
    return [line + "\n" for line in text.split("\n") if line] if lines else [text]


def compressed(command, data):
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/in", "wb") as file:
            file.write(data)
        subprocess.run([part.format(folder) for part in command], check=True,
                       stdout=subprocess.DEVNULL)
        with open(f"{folder}/out.7z", "rb") as file:
            return 8 * len(file.read())


XZ = ["sh", "-c", "xz -9 -k -c {0}/in > {0}/out.7z"]
PPMD = ["7zz", "a", "-t7z", "-m0=PPMd:o=32:mem=192m", "-mhc=off", "{0}/out.7z", "{0}/in"]


def print_compressors(train, test):
    n = sum(map(len, test))
    train, test = ("".join(part).encode() for part in (train, test))
    for name, command in (("xz -9", XZ), ("PPMd", PPMD)):
        alone = compressed(command, test) / n
        after = (compressed(command, train + test) - compressed(command, train)) / n
        print(f"{name:12} {alone:.3f} alone, {after:.3f} after the training text")


class KneserNey:
    """Interpolated Kneser-Ney over characters."""

    def __init__(self, sequences, order, alphabet):
        self.order, self.alphabet = order, alphabet
        counts = [collections.defaultdict(collections.Counter) for _ in range(order)]
        for s in sequences:
            s = "\0" * (order - 1) + s
            for t in range(order - 1, len(s)):
                counts[-1][s[t - order + 1:t]][s[t]] += 1
        for n in range(order - 2, -1, -1):  # lower orders count the contexts of a continuation
            for context, row in counts[n + 1].items():
                for c in row:
                    counts[n][context[1:]][c] += 1
        self.rows, self.discount = [], []
        for table in counts:
            values = collections.Counter(v for row in table.values() for v in row.values())
            one, two = values[1], values[2]
            self.discount.append(one / (one + 2 * two) if one else 0.5)
            self.rows.append({context: (row, sum(row.values())) for context, row in table.items()})

    def probability(self, context, c):
        p = 1 / self.alphabet
        for n in range(self.order):
            found = self.rows[n].get(context[len(context) - n:])
            if found is None:
                break
            row, total = found
            d = self.discount[n]
            p = max(row.get(c, 0) - d, 0) / total + d * len(row) / total * p
        return p

    def bits(self, sequences):
        total = 0
        for s in sequences:
            s = "\0" * (self.order - 1) + s
            for t in range(self.order - 1, len(s)):
                total -= math.log2(self.probability(s[t - self.order + 1:t], s[t]))
        return total / sum(map(len, sequences))


def print_lstm(train, test, lines, seconds):
    import torch
    from torch import nn

    torch.manual_seed(1)
    torch.set_num_threads(1)
    alphabet = sorted(set("".join(train) + "".join(test)))
    code = {c: i + 1 for i, c in enumerate(alphabet)}
    n_codes, width, length, rows = len(alphabet) + 1, 256, 64, 16

    def encode(sequences):
        return [torch.tensor([code[c] for c in s]) for s in sequences]

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(n_codes, 64)
            self.lstm = nn.LSTM(64, width, batch_first=True)
            self.out = nn.Linear(width, n_codes)

        def forward(self, x, state=None):
            h, state = self.lstm(self.embed(x), state)
            return self.out(h), state

    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
    loss_of = nn.CrossEntropyLoss(ignore_index=0, reduction="sum")
    train, test = encode(train), encode(test)
    begun, n_seen = time.process_time(), 0

    def step(x, y, state):
        nonlocal n_seen
        share = (time.process_time() - begun) / seconds
        if share >= 1:
            return None, True
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * (1 + math.cos(math.pi * share)) / 2
        logits, state = net(x, state)
        n = int((y > 0).sum())
        loss = loss_of(logits.reshape(-1, n_codes), y.reshape(-1)) / n
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        n_seen += n
        return state, False

    def padded(batch):
        y = nn.utils.rnn.pad_sequence(batch, batch_first=True)
        return torch.cat([torch.zeros(len(batch), 1, dtype=torch.long), y[:, :-1]], 1), y

    done = False
    while not done:
        if lines:
            order = torch.randperm(len(train)).tolist()
            for first in range(0, len(order), 100):
                x, y = padded([train[i] for i in order[first:first + 100]])
                _, done = step(x, y, None)
                if done:
                    break
        else:
            n = (len(train[0]) - 1) // rows
            x, y = (train[0][k:k + n * rows].reshape(rows, n) for k in (0, 1))
            state = None
            for first in range(0, n, length):
                state, done = step(x[:, first:first + length], y[:, first:first + length], state)
                if done:
                    break
                state = tuple(s.detach() for s in state)
    total = 0
    with torch.no_grad():
        if lines:
            for first in range(0, len(test), 1000):
                x, y = padded(test[first:first + 1000])
                total += float(loss_of(net(x)[0].reshape(-1, n_codes), y.reshape(-1)))
        else:  # the state comes from the end of the training text
            state = net(train[0][None, -10000:-1])[1]
            x = torch.cat([train[0][-1:], test[0][:-1]])
            for first in range(0, len(x), 10000):
                logits, state = net(x[None, first:first + 10000], state)
                total += float(loss_of(logits[0], test[0][first:first + 10000]))
    bits = total / math.log(2) / sum(map(len, test))
    n_params = sum(p.numel() for p in net.parameters())
    print(f"{'LSTM':12} {bits:.3f} after {seconds:.0f} CPU seconds, {n_seen} characters seen, "
          f"{n_params} parameters")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("--lstm-seconds", type=float, default=0)
    chosen = parser.parse_args()
    train, test = read(chosen.train, chosen.lines), read(chosen.test, chosen.lines)
    print_compressors(train, test)
    alphabet = len(set("".join(train) + "".join(test)))
    print(f"{'Kneser-Ney':12} {KneserNey(train, 4, alphabet).bits(test):.3f}, a 4-gram")
    if chosen.lstm_seconds > 0:
        print_lstm(train, test, chosen.lines, chosen.lstm_seconds)


if __name__ == "__main__":
    main()
