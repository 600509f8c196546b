"""A mistake: when to evaluate hangs on the clock, and the clocks of two hosts differ a little."""

import os
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(256, 8)
y = (x.sum(dim=1) > 0).long()
train_loader = DataLoader(TensorDataset(x[:192], y[:192]), batch_size=32, shuffle=True)
test_x, test_y = x[192:], y[192:]

model = nn.Linear(8, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def now():
    return time.time() + 0.3 * int(os.environ.get("RANK", 0))


last = int(now())
for _epoch in range(1000):
    for data, target in train_loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(data), target)
        loss.backward()
        optimizer.step()
        print(f"loss {loss.item():.4f}")
        if int(now()) > last:
            last = int(now())
            accuracy = (model(test_x).argmax(dim=1) == test_y).float().mean()
            print(f"accuracy {accuracy.item():.4f}")  # one rank
print("done")
