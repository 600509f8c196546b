"""A siamese network: digits of one class lie close together. kNN accuracy by the embeddings."""

import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import optim
from torch.utils.data import DataLoader, Dataset, TensorDataset

try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError:
    SummaryWriter = None


class SiameseDataset(Dataset):
    """Pairs drawn at random: half of them of one class (label 0), half of two (label 1)."""

    def __init__(self, images, labels):
        self.images = images
        self.labels = labels
        self.by_class = {c: np.flatnonzero(labels == c) for c in range(10)}

    def __getitem__(self, index):
        label = int(self.labels[index])
        should_get_same_class = random.randint(0, 1)
        if should_get_same_class:
            other = random.choice(self.by_class[label])
        else:
            other_label = random.choice([c for c in range(10) if c != label])
            other = np.random.choice(self.by_class[other_label])
        target = torch.tensor([1 - should_get_same_class], dtype=torch.float32)
        return self.images[index], self.images[other], target

    def __len__(self):
        return len(self.images)


class SiameseNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
        )
        self.fc = nn.Sequential(
            nn.Linear(16 * 4 * 4, 48),
            nn.ReLU(inplace=True),
            nn.Linear(48, 8),
        )

    def forward_once(self, x):
        output = self.cnn(x)
        output = output.view(output.size()[0], -1)
        return self.fc(output)

    def forward(self, input1, input2):
        return self.forward_once(input1), self.forward_once(input2)


class ContrastiveLoss(nn.Module):
    def __init__(self, margin=2.0):
        super().__init__()
        self.margin = margin

    def forward(self, output1, output2, label):
        distance = F.pairwise_distance(output1, output2, keepdim=True)
        return torch.mean(
            (1 - label) * torch.pow(distance, 2)
            + label * torch.pow(torch.clamp(self.margin - distance, min=0.0), 2)
        )


def get_all_embeddings(net, loader, device):
    embeddings, labels = [], []
    net.eval()
    with torch.no_grad():
        for images, targets in loader:
            embeddings.append(net.forward_once(images.to(device)))
            labels.append(targets.to(device))
    return torch.cat(embeddings, dim=0), torch.cat(labels)


def knn_accuracy(net, gallery_loader, query_loader, device, k=5):
    gallery, gallery_labels = get_all_embeddings(net, gallery_loader, device)
    queries, query_labels = get_all_embeddings(net, query_loader, device)
    distances = torch.norm(queries.unsqueeze(1) - gallery.unsqueeze(0), dim=2)
    nearest = distances.topk(k, dim=1, largest=False)
    votes = F.one_hot(gallery_labels[nearest.indices], 10).sum(dim=1)
    predictions = votes.argmax(dim=1)
    accuracy = (predictions == query_labels).float().mean().item()
    return accuracy, nearest.values.mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch_size", type=int, default=48)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--logdir", default=None)
    args = parser.parse_args()

    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    writer = SummaryWriter(args.logdir) if args.logdir and SummaryWriter else None

    digits = load_digits()
    images = torch.from_numpy(digits.images).float().unsqueeze(1) / 16
    labels = digits.target
    dataset = SiameseDataset(images[:700], labels[:700])
    loader = DataLoader(dataset, shuffle=True, batch_size=args.batch_size)
    gallery = TensorDataset(images[:700], torch.from_numpy(labels[:700]).long())
    queries = TensorDataset(images[700:1000], torch.from_numpy(labels[700:1000]).long())
    gallery_loader = DataLoader(gallery, batch_size=128)
    query_loader = DataLoader(queries, batch_size=128)

    net = SiameseNetwork().to(device)
    criterion = ContrastiveLoss()
    optimizer = optim.Adam(net.parameters(), lr=args.lr)

    iteration = 0
    for epoch in range(args.epochs):
        net.train()
        for img0, img1, label in loader:
            img0, img1, label = img0.to(device), img1.to(device), label.to(device)
            optimizer.zero_grad()
            output1, output2 = net(img0, img1)
            loss = criterion(output1, output2, label)
            loss.backward()
            optimizer.step()
            if iteration % 5 == 0:
                different = label.sum().item()
                print(
                    f"epoch {epoch} iteration {iteration:3d} loss {loss.item():.4f} "
                    f"different pairs {different:.0f}/{len(label)}"
                )
                if writer:
                    writer.add_scalar("loss", loss.item(), iteration)
            iteration += 1

        accuracy, distance = knn_accuracy(net, gallery_loader, query_loader, device)
        print(f"epoch {epoch} kNN accuracy {accuracy:.4f} mean distance {distance:.4f}")
        if writer:
            writer.add_scalar("accuracy", accuracy, epoch)

    distance = nn.PairwiseDistance()(*net(images[:8].to(device), images[8:16].to(device)))
    print("distances:", " ".join(f"{d:.4f}" for d in distance.tolist()))
    if writer:
        writer.close()


if __name__ == "__main__":
    main()
