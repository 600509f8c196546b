"""Twenty training steps of an MLP, a CNN, an LSTM and a small GPT, written once for both libraries.

    python tests/golden/make_training.py       # with PyTorch 2.13: writes training.json

The test (tests/test_training.py) runs `losses(isograd, name)` and compares.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

NAMES = ("mlp", "cnn", "lstm", "gpt")
STEPS = 20


def losses(T: Any, name: str, device: str = "cpu") -> list[float]:
    """The losses of 20 steps with library ``T``, from seed 0."""
    T.manual_seed(0)
    model, optimizer, schedule, batch = globals()["_" + name](T, device)
    out = []
    for _ in range(STEPS):
        loss = batch(model)
        optimizer.zero_grad()
        loss.backward()
        T.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if schedule is not None:
            schedule.step()
        out.append(loss.item())
    return out


def _mlp(T: Any, device: str) -> Any:
    nn = T.nn
    model = nn.Sequential(
        nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 5)
    )
    model.to(device)
    x, y = T.randn(256, 20).to(device), T.randint(0, 5, (256,)).to(device)
    optimizer = T.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)

    def batch(net: Any) -> Any:
        pick = T.randperm(256)[:32].to(device)
        return nn.functional.cross_entropy(net(x[pick]), y[pick])

    return model, optimizer, T.optim.lr_scheduler.StepLR(optimizer, 5, 0.5), batch


def _cnn(T: Any, device: str) -> Any:
    nn = T.nn
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, stride=2), nn.GroupNorm(4, 16), nn.GELU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 4),
    )  # fmt: skip
    model.to(device)
    x, y = T.randn(16, 3, 12, 12).to(device), T.randint(0, 4, (16,)).to(device)
    optimizer = T.optim.Adam(model.parameters(), lr=3e-3)
    schedule = T.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    return model, optimizer, schedule, lambda net: nn.functional.cross_entropy(net(x), y)


def _lstm(T: Any, device: str) -> Any:
    nn = T.nn

    class Model(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(30, 16)
            self.lstm = nn.LSTM(16, 24, num_layers=2, batch_first=True)
            self.out = nn.Linear(24, 30)

        def forward(self, idx: Any) -> Any:
            hidden, _ = self.lstm(self.embed(idx))
            return self.out(hidden)

    model = Model().to(device)
    text = T.randint(0, 30, (8, 13)).to(device)
    optimizer = T.optim.RMSprop(model.parameters(), lr=1e-2)

    def batch(net: Any) -> Any:
        logits = net(text[:, :-1])
        return nn.functional.cross_entropy(logits.reshape(-1, 30), text[:, 1:].reshape(-1))

    return model, optimizer, None, batch


def _gpt(T: Any, device: str) -> Any:
    nn, F = T.nn, T.nn.functional

    class Block(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self, width: int) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.RMSNorm(width, eps=1e-6)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
            )

        def forward(self, x: Any) -> Any:
            b, t, c = x.shape
            q, k, v = self.qkv(self.norm1(x)).split(c, dim=2)
            q, k, v = (z.view(b, t, 4, c // 4).transpose(1, 2) for z in (q, k, v))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).contiguous().view(b, t, c))
            return x + self.mlp(self.norm2(x))

    class GPT(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.token, self.position = nn.Embedding(40, 32), nn.Embedding(16, 32)
            self.blocks = nn.ModuleList([Block(32) for _ in range(2)])
            self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 40, bias=False)
            self.head.weight = self.token.weight  # tied

        def forward(self, idx: Any) -> Any:
            x = self.token(idx) + self.position(T.arange(idx.size(1), device=idx.device))
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x))

    model = GPT().to(device)
    text = T.randint(0, 40, (8, 17)).to(device)
    optimizer = T.optim.AdamW(model.parameters(), lr=1e-2, betas=(0.9, 0.95), weight_decay=0.1)
    schedule = T.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: 0.5 * (1 + math.cos(math.pi * s / STEPS))
    )

    def batch(net: Any) -> Any:
        return F.cross_entropy(net(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten())

    return model, optimizer, schedule, batch


if __name__ == "__main__":
    import torch

    found = {name: losses(torch, name) for name in NAMES}
    path = Path(__file__).with_name("training.json")
    path.write_text(json.dumps({"torch": torch.__version__, "losses": found}, indent=1) + "\n")
