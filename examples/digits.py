"""A convolutional network reads handwritten digits: 97 % and more in under a minute on a CPU.

    python examples/digits.py
    isograd run -n 2 examples/digits.py

The data are scikit-learn's 1,797 scanned 8x8 digits (UCI "Optical Recognition of Handwritten
Digits"), carried by the package: nothing is downloaded.
"""

import argparse

from sklearn.datasets import load_digits
from tqdm import tqdm

import isograd as torch
import isograd.nn.functional as F
from isograd import nn
from isograd.utils.data import DataLoader, TensorDataset, random_split


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 4 * 4, 10))

    def forward(self, x):  # (B, 1, 8, 8) -> (B, 10)
        return self.head(self.features(x))


def data():
    digits = load_digits()
    images = torch.from_numpy(digits.images).float().unsqueeze(1) / 16  # (1797, 1, 8, 8)
    labels = torch.from_numpy(digits.target).long()
    halves = torch.Generator().manual_seed(0)
    return random_split(TensorDataset(images, labels), [1500, 297], generator=halves)


@torch.no_grad()
def accuracy(model, dataset):
    model.eval()
    hits = sum((model(x).argmax(1) == y).sum().item() for x, y in DataLoader(dataset, 100))
    model.train()
    return hits / len(dataset)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=64, help="images per step")
    parser.add_argument("--lr", type=float, default=2e-3)
    args = parser.parse_args()

    torch.manual_seed(0)
    train, test = data()
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    loader = DataLoader(train, batch_size=args.batch, shuffle=True)
    for epoch in range(args.epochs):
        for x, y in tqdm(loader, desc=f"epoch {epoch}", leave=False):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss.item():.4f}, test accuracy {accuracy(model, test):.2%}")


if __name__ == "__main__":
    main()
