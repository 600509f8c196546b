"""Gradient accumulation, schedulers, checkpoints, resuming, early stopping, a log file."""

import argparse
import copy
import csv
import os

import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset


class MLP(nn.Module):
    def __init__(self, n_features, n_classes, hidden=48, dropout=0.2):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.LayerNorm(hidden),
            nn.GELU(),
            nn.Linear(hidden, n_classes),
        )

    def forward(self, x):
        return self.layers(x)


class EarlyStopping:
    def __init__(self, patience=4, delta=0.0):
        self.patience = patience
        self.delta = delta
        self.counter = 0
        self.best_score = float("inf")
        self.best_model = None

    def __call__(self, val_loss, model):
        if val_loss < self.best_score - self.delta:
            self.best_score = val_loss
            self.best_model = copy.deepcopy(model.state_dict())
            self.counter = 0
        else:
            self.counter += 1
            print(f"EarlyStopping counter: {self.counter} out of {self.patience}")
        return self.counter >= self.patience


def save_checkpoint(path, epoch, model, optimizer, scheduler, stopper):
    torch.save(
        {
            "epoch": epoch,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "best_score": stopper.best_score,
            "counter": stopper.counter,
            "best_model": stopper.best_model,
            "rng": torch.get_rng_state(),
        },
        path,
    )


@torch.no_grad()
def evaluate(model, loader, criterion, device):
    model.eval()
    losses, correct, total = 0.0, 0, 0
    confusion = torch.zeros(4, 4, dtype=torch.long)
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        logits = model(x)
        losses += criterion(logits, y).item() * len(y)
        pred = logits.argmax(1)
        correct += (pred == y).sum().item()
        total += len(y)
        for t, p in zip(y.tolist(), pred.tolist()):
            confusion[t, p] += 1
    return losses / total, correct / total, confusion


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch-size", type=int, default=24)
    parser.add_argument("--accumulation-steps", type=int, default=4)
    parser.add_argument("--max-epochs", type=int, default=12)
    parser.add_argument("--lr", type=float, default=0.02)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--patience", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint-dir", default="checkpoints")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    X, y = make_classification(
        n_samples=900, n_features=20, n_informative=8, n_classes=4, flip_y=0.05, random_state=0
    )
    X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.25, random_state=0)
    train_ds = TensorDataset(torch.FloatTensor(X_train), torch.LongTensor(y_train))
    val_ds = TensorDataset(torch.FloatTensor(X_val), torch.LongTensor(y_val))
    train_loader = DataLoader(train_ds, batch_size=args.batch_size, shuffle=True)
    val_loader = DataLoader(val_ds, batch_size=100)

    model = MLP(20, 4, dropout=args.dropout).to(device)
    weights = torch.tensor([1.0, 1.2, 0.8, 1.0], device=device)
    criterion = nn.CrossEntropyLoss(weight=weights, label_smoothing=0.05)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, nesterov=True)
    scheduler = ReduceLROnPlateau(optimizer, mode="min", factor=0.5, patience=1)
    stopper = EarlyStopping(patience=args.patience, delta=1e-3)

    os.makedirs(args.checkpoint_dir, exist_ok=True)
    last_path = os.path.join(args.checkpoint_dir, "last.pt")
    best_path = os.path.join(args.checkpoint_dir, "best.pt")
    start_epoch = 0
    if os.path.exists(last_path):
        checkpoint = torch.load(last_path, map_location=device)
        model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        scheduler.load_state_dict(checkpoint["scheduler"])
        stopper.best_score = checkpoint["best_score"]
        stopper.counter = checkpoint["counter"]
        stopper.best_model = checkpoint["best_model"]
        torch.set_rng_state(checkpoint["rng"])
        start_epoch = checkpoint["epoch"] + 1
        print(f"=> resumed from {last_path} at epoch {start_epoch}")
    else:
        print("=> no checkpoint found, starting from scratch")

    log_file = open("log.csv", "w", newline="")
    log = csv.writer(log_file)
    log.writerow(["epoch", "train_loss", "val_loss", "val_acc"])

    for epoch in range(start_epoch, args.max_epochs):
        model.train()
        running_loss = 0.0
        optimizer.zero_grad()
        for i, (inputs, targets) in enumerate(train_loader):
            inputs, targets = inputs.to(device), targets.to(device)
            loss = criterion(model(inputs), targets)
            running_loss += loss.item()
            loss = loss / args.accumulation_steps
            loss.backward()
            if (i + 1) % args.accumulation_steps == 0 or i + 1 == len(train_loader):
                torch.nn.utils.clip_grad_value_(model.parameters(), 0.5)
                optimizer.step()
                optimizer.zero_grad()

        train_loss = running_loss / len(train_loader)
        val_loss, val_acc, _ = evaluate(model, val_loader, criterion, device)
        scheduler.step(val_loss)
        lr = optimizer.param_groups[0]["lr"]
        print(
            f"Epoch {epoch + 1:02d}/{args.max_epochs} | train {train_loss:.4f} | "
            f"val {val_loss:.4f} | acc {val_acc:.4f} | lr {lr:.5f}"
        )
        log.writerow([epoch, f"{train_loss:.4f}", f"{val_loss:.4f}", f"{val_acc:.4f}"])
        log_file.flush()

        stop = stopper(val_loss, model)
        save_checkpoint(last_path, epoch, model, optimizer, scheduler, stopper)
        if stopper.counter == 0:
            torch.save(model.state_dict(), best_path)
        if stop:
            print("Early stopping")
            break
    log_file.close()

    model.load_state_dict(torch.load(best_path, map_location=device))
    val_loss, val_acc, confusion = evaluate(model, val_loader, criterion, device)
    print(f"Best model: val loss {val_loss:.4f}, accuracy {val_acc:.4f}")
    for row in confusion.tolist():
        print(" ".join(f"{v:4d}" for v in row))
    norm = sum(p.norm().item() ** 2 for p in model.parameters()) ** 0.5
    print(f"Norm of the parameters: {norm:.4f}")


if __name__ == "__main__":
    main()
