"""Three models trained by an unchanged script: what the tests of equal bits run.

isograd run -n 4 --shards 8 --digest tests/bits/train.py --model gpt
... --stop 77 --folder ckpt      # save at step 77 and end
... --folder ckpt                # go on from there, on any number of processes
"""

import argparse
import os

import torch
import torch.distributed.checkpoint as dcp
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset


class CNN(nn.Module):
    """Convolutions with BatchNorm and dropout, on 8x8 digits."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.drop, self.head = nn.Dropout(0.3), nn.Linear(16 * 2 * 2, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        return self.head(self.drop(x.flatten(1)))


class GPT(nn.Module):
    """Two causal Transformer blocks over 17 symbols."""

    def __init__(self, vocabulary=17, context=16, width=32, heads=2):
        super().__init__()
        self.token, self.place = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout=0.1, batch_first=True, norm_first=True
            )
            for _ in range(2)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary)

    def forward(self, x):
        T = x.size(1)
        mask = nn.Transformer.generate_square_subsequent_mask(T)
        h = self.token(x) + self.place(torch.arange(T))
        for block in self.blocks:
            h = block(h, src_mask=mask, is_causal=True)
        return self.head(self.norm(h)).transpose(1, 2)


class LSTM(nn.Module):
    """Rows of a digit as a sequence, states made by hand."""

    def __init__(self, hidden=32):
        super().__init__()
        self.hidden = hidden
        self.lstm = nn.LSTM(8, hidden, num_layers=2, batch_first=True, dropout=0.1)
        self.head = nn.Linear(hidden, 10)

    def forward(self, x):
        zeros = torch.zeros(2, x.size(0), self.hidden)
        out, _ = self.lstm(x.squeeze(1), (zeros, zeros))
        return self.head(out[:, -1])


def digits():
    data = load_digits()
    x = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16
    return TensorDataset(x, torch.tensor(data.target))


def text():
    """Windows of a line of symbols with a rule in it."""
    line = torch.arange(1500)
    line = (line * line // 7 + line // 3) % 17
    windows = line.unfold(0, 17, 3)
    return TensorDataset(windows[:, :-1], windows[:, 1:])


MODELS = {"cnn": (CNN, digits), "gpt": (GPT, text), "lstm": (LSTM, digits)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=MODELS, default="cnn")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--stop", type=int, default=None)
    parser.add_argument("--folder", default=None)
    args = parser.parse_args()
    torch.manual_seed(1)
    make, data = MODELS[args.model]
    model = make()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 50, 0.7)
    loader = DataLoader(data(), batch_size=52, shuffle=True)  # the last batch is smaller
    step, total = 0, 0.0
    if args.folder and os.path.exists(args.folder):
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(),
                 "schedule": schedule.state_dict(), "loader": loader.state_dict(),
                 "random": torch.get_rng_state(), "step": 0, "total": 0.0}  # fmt: skip
        dcp.load(state, checkpoint_id=args.folder, strict=False)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        loader.load_state_dict(state["loader"])
        torch.set_rng_state(state["random"])
        step, total = state["step"], state["total"]
    while step < args.steps:
        for x, y in loader:
            optimizer.zero_grad()
            out = model(x)
            loss = F.cross_entropy(out, y)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            total += loss.item()
            if step % 25 == 0:
                right = (out.argmax(1) == y).float().mean().item()
                print(f"step {step}: loss {total / 25!r} norm {norm.item()!r} right {right!r}")
                total = 0.0
            if step == args.stop or step == args.steps:
                break
        if step == args.stop:
            break
    if args.folder and step == args.stop:
        dcp.save(
            {"model": model.state_dict(), "optimizer": optimizer.state_dict(),
             "schedule": schedule.state_dict(), "loader": loader.state_dict(),
             "random": torch.get_rng_state(), "step": step, "total": total},
            checkpoint_id=args.folder,
        )  # fmt: skip


if __name__ == "__main__":
    main()
