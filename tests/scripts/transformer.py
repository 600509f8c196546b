"""A causal transformer learns to sort short sequences of digits (batches are padded)."""

import argparse
import logging
import math

import numpy as np
import torch
import torch.nn as nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, random_split

logging.basicConfig(level=logging.INFO, format="%(levelname)s:%(message)s")
logger = logging.getLogger("transformer")

PAD, SEP, EOS = 10, 11, 12
VOCAB = 13


class SortDataset(Dataset):
    """``3 1 2 SEP 1 2 3 EOS``; only what follows SEP counts in the loss."""

    def __init__(self, n, max_len=6, seed=0):
        rng = np.random.RandomState(seed)
        self.samples = []
        for _ in range(n):
            digits = rng.randint(0, 10, size=rng.randint(2, max_len + 1))
            self.samples.append(([*digits, SEP], [*np.sort(digits), EOS]))

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, idx):
        question, answer = self.samples[idx]
        tokens = torch.tensor(question + answer, dtype=torch.long)
        x, y = tokens[:-1], tokens[1:].clone()
        y[: len(question) - 1] = -100
        return x, y


def collate_fn(batch):
    xs, ys = zip(*batch)
    x = pad_sequence(xs, batch_first=True, padding_value=PAD)
    y = pad_sequence(ys, batch_first=True, padding_value=-100)
    return x, y


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.1, max_len=64):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(1, max_len, d_model)
        pe[0, :, 0::2] = torch.sin(position * div_term)
        pe[0, :, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        x = x + self.pe[:, : x.size(1)]
        return self.dropout(x)


class TransformerModel(nn.Module):
    def __init__(self, vocab, d_model=32, nhead=4, d_hid=64, nlayers=2, dropout=0.1):
        super().__init__()
        self.d_model = d_model
        self.embedding = nn.Embedding(vocab, d_model, padding_idx=PAD)
        self.pos_encoder = PositionalEncoding(d_model, dropout)
        layer = nn.TransformerEncoderLayer(d_model, nhead, d_hid, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, nlayers)
        self.linear = nn.Linear(d_model, vocab)
        self.init_weights()

    def init_weights(self):
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.xavier_uniform_(p)

    def forward(self, src):
        T = src.size(1)
        causal = torch.triu(torch.ones(T, T, dtype=torch.bool, device=src.device), diagonal=1)
        padding = src == PAD
        x = self.embedding(src) * math.sqrt(self.d_model)
        x = self.pos_encoder(x)
        x = self.encoder(x, mask=causal, src_key_padding_mask=padding)
        return self.linear(x)


def evaluate(model, loader, criterion, device):
    model.eval()
    total_loss, tokens, right, exact, count = 0.0, 0, 0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            x, y = x.to(device), y.to(device)
            logits = model(x)
            mask = y != -100
            n = mask.sum().item()
            total_loss += criterion(logits.view(-1, VOCAB), y.view(-1)).item() * n
            correct = (logits.argmax(-1) == y) & mask
            right += correct.sum().item()
            exact += (correct | ~mask).all(dim=1).sum().item()
            tokens += n
            count += x.size(0)
    return total_loss / tokens, right / tokens, exact / count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--n", type=int, default=700)
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    dataset = SortDataset(args.n)
    n_val = args.n // 7
    train_set, val_set = random_split(dataset, [args.n - n_val, n_val])
    train_loader = DataLoader(
        train_set, batch_size=args.batch_size, shuffle=True, collate_fn=collate_fn
    )
    val_loader = DataLoader(val_set, batch_size=64, collate_fn=collate_fn)

    model = TransformerModel(VOCAB, dropout=args.dropout).to(device)
    criterion = nn.CrossEntropyLoss(ignore_index=-100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.01)
    steps = args.epochs * len(train_loader)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=args.lr, total_steps=steps)
    n_params = sum(p.numel() for p in model.parameters() if p.requires_grad)
    print(f"{n_params} parameters, {len(train_set)} samples, {steps} steps")
    logger.info("training on %s", device)

    for epoch in range(args.epochs):
        model.train()
        for step, (x, y) in enumerate(train_loader):
            x, y = x.to(device), y.to(device)
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(x).view(-1, VOCAB), y.view(-1))
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            if step % 5 == 0:
                lr = scheduler.get_last_lr()[0]
                print(f"epoch {epoch} step {step:3d} loss {loss:.4f} norm {norm:.4f} lr {lr:.6f}")
        val_loss, accuracy, exact = evaluate(model, val_loader, criterion, device)
        print(f"epoch {epoch} valid loss {val_loss:.4f} tokens {accuracy:.4f} exact {exact:.4f}")
        logger.info("epoch %d done", epoch)


if __name__ == "__main__":
    main()
