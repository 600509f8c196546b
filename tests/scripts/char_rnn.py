"""A character-level GRU, with batches cut by hand out of one long text."""

import argparse
import random

import torch
import torch.nn as nn

TEXT = """the little boat went down the river and the river went down to the sea.
the sea was wide and the boat was small, but the wind was kind and the sail was white.
on the first day it met a gull, and the gull asked, where do you go, little boat?
i go where the water goes, said the boat, and the water goes where it must.
on the second day it met a whale, and the whale asked, where do you go, little boat?
i go where the wind goes, said the boat, and the wind goes where it will.
on the third day it met a ship of iron, and the ship asked nothing at all.
then the night came down, and the stars came up, and the boat went home again.
"""


class CharRNN(nn.Module):
    def __init__(self, n_chars, hidden_size, n_layers=2):
        super().__init__()
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.encoder = nn.Embedding(n_chars, hidden_size)
        self.rnn = nn.GRU(hidden_size, hidden_size, n_layers, batch_first=True)
        self.decoder = nn.Linear(hidden_size, n_chars)

    def forward(self, x, hidden=None):
        if hidden is None:
            hidden = self.init_hidden(x.size(0)).to(x.device)
        out, hidden = self.rnn(self.encoder(x), hidden)
        return self.decoder(out), hidden

    def init_hidden(self, batch_size):
        return torch.zeros(self.n_layers, batch_size, self.hidden_size)


def random_batch(data, chunk_len, batch_size, device):
    inputs, targets = [], []
    for _ in range(batch_size):
        start = random.randint(0, len(data) - chunk_len - 1)
        chunk = data[start : start + chunk_len + 1]
        inputs.append(chunk[:-1])
        targets.append(chunk[1:])
    return torch.stack(inputs).to(device), torch.stack(targets).to(device)


def generate(model, chars, device, prime="the ", length=60, temperature=0.8):
    model.eval()
    index = {c: i for i, c in enumerate(chars)}
    x = torch.tensor([[index[c] for c in prime]], device=device)
    hidden = model.init_hidden(1).to(device)
    result = prime
    with torch.no_grad():
        for _ in range(length):
            logits, hidden = model(x, hidden)
            probs = torch.softmax(logits[0, -1] / temperature, dim=0)
            top = torch.multinomial(probs, 1).item()
            result += chars[top]
            x = torch.tensor([[top]], device=device)
    model.train()
    return result.replace("\n", " ")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n_steps", type=int, default=50)
    parser.add_argument("--print_every", type=int, default=5)
    parser.add_argument("--sample_every", type=int, default=25)
    parser.add_argument("--hidden_size", type=int, default=40)
    parser.add_argument("--chunk_len", type=int, default=20)
    parser.add_argument("--batch_size", type=int, default=24)
    parser.add_argument("--learning_rate", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=3)
    args = parser.parse_args()

    random.seed(args.seed)
    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    chars = sorted(set(TEXT))
    data = torch.tensor([chars.index(c) for c in TEXT], dtype=torch.long)
    print(f"{len(data)} characters, {len(chars)} different")

    model = CharRNN(len(chars), args.hidden_size).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.learning_rate)
    criterion = nn.CrossEntropyLoss()
    print(f"{sum(p.numel() for p in model.parameters())} parameters")

    loss_avg = 0.0
    for step in range(1, args.n_steps + 1):
        inputs, targets = random_batch(data, args.chunk_len, args.batch_size, device)
        logits, _ = model(inputs)
        loss = criterion(logits.reshape(-1, len(chars)), targets.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()

        loss_avg += loss.item()
        if step % args.print_every == 0:
            print(f"step {step:4d} | loss {loss_avg / args.print_every:.4f}")
            loss_avg = 0.0
        if step % args.sample_every == 0:
            print(f"sample: {generate(model, chars, device)!r}")

    with torch.no_grad():
        logits, _ = model(data[:-1].unsqueeze(0).to(device))
        pred = logits[0].argmax(dim=-1)
        accuracy = (pred == data[1:].to(device)).float().mean()
    print(f"accuracy on the whole text: {accuracy.item():.4f}")


if __name__ == "__main__":
    main()
