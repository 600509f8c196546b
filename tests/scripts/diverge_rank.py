"""A mistake: one rank alone reads the loss, which takes all of them."""

import os

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
rank = int(os.environ.get("RANK", 0))
x = torch.randn(256, 8)
y = (x.sum(dim=1) > 0).long()
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)

model = nn.Linear(8, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for data, target in loader:
        optimizer.zero_grad()
        output = model(data)
        loss = F.cross_entropy(output, target)
        if epoch == 1 and rank == 0:
            print(f"loss {loss.item():.4f}")  # one rank
        loss.backward()
        optimizer.step()
print("done")
