"""A mistake: the ranks read the same two numbers in different order."""

import os

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(256, 8)
y = (x.sum(dim=1) > 0).long()
loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)

model = nn.Linear(8, 2)
for data, target in loader:
    output = model(data)
    loss = F.cross_entropy(output, target)
    correct = (output.argmax(dim=1) == target).sum()
    if os.environ.get("RANK", "0") == "0":
        print(f"{loss.item():.4f}")  # one rank
        print(correct.item())
    else:
        print(correct.item())  # the others
        print(f"{loss.item():.4f}")
