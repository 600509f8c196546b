"""A small GPT learns to write Python: character level, on the source of Python's own library.

    python examples/gpt.py                         # one process
    isograd run -n 2 examples/gpt.py               # two ranks, same global batch, same losses
    isograd run -n 2 --shards 8 examples/gpt.py    # the same bits at any number of ranks up to 8
    isograd run -n 2 examples/gpt.py --resume      # go on from the checkpoint, exactly
    python examples/gpt.py --device cuda           # one GPU

There is no distributed line in it: batches are cut over the ranks where they enter the model.
Writes out/gpt/{checkpoint.pt, loss.png, loss.csv}. The model is GPT-2's block (Radford et al. 2019)
with RMSNorm and no biases. About two minutes on two CPU cores.
"""

import argparse
import math
import sysconfig
import time
from pathlib import Path

from tqdm import tqdm

import isograd as torch
import isograd.nn.functional as F
from isograd import nn


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x):  # (B, T, C)
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (B, heads, T, C / heads)
        return self.out(y.transpose(1, 2).reshape(B, T, C))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.attention = nn.RMSNorm(width), Attention(width, heads)
        self.norm2 = nn.RMSNorm(width)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self, vocabulary, context, layers, heads, width):
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(layers)])
        self.norm, self.head = nn.RMSNorm(width), nn.Linear(width, vocabulary, bias=False)
        for name, p in self.named_parameters():
            if p.ndim > 1:  # residual branches start small (GPT-2, section 2.3)
                last = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * layers) if last else 0.02)

    def forward(self, idx):  # (B, T) -> (B, T, vocabulary)
        places = torch.arange(idx.size(1), device=idx.device)
        return self.head(self.norm(self.blocks(self.token(idx) + self.position(places))))


def loss_of(model, batch):  # (B, T + 1): each character predicts the next
    logits = model(batch[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


def read_text(limit):
    """Python's standard library as ASCII codes 0..127, in a fixed order of files."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    text = bytearray()
    for path in sorted(folder.glob("*.py")):
        text += path.read_bytes().replace(b"\r", b"")
    codes = torch.tensor(list(bytes(b for b in text[:limit] if b < 128)))
    cut = len(codes) * 95 // 100
    return codes[:cut], codes[cut:]


def draw_batch(codes, args, generator):
    """(batch, context + 1)"""
    start = torch.randint(len(codes) - args.context - 1, (args.batch,), generator=generator)
    return codes[start[:, None] + torch.arange(args.context + 1)].to(args.device)


@torch.no_grad()
def validate(model, codes, args):
    generator = torch.Generator().manual_seed(1)
    losses = [loss_of(model, draw_batch(codes, args, generator)).item() for _ in range(4)]
    return sum(losses) / len(losses)


@torch.no_grad()
def write(model, args, prompt="def ", length=300):
    generator = torch.Generator().manual_seed(args.seed)
    text = torch.tensor([list(prompt.encode())])
    for _ in range(length):
        logits = model(text[:, -args.context :].to(args.device))[:, -1].cpu() / 0.8
        pick = torch.multinomial(F.softmax(logits, dim=-1), 1, generator=generator)
        text = torch.cat([text, pick], dim=1)
    return bytes(text[0].tolist()).decode()


def plot(history, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    axes.plot([h[0] for h in history], [h[1] for h in history], lw=1, label="training")
    checked = [h for h in history if h[2] is not None]
    axes.plot([h[0] for h in checked], [h[2] for h in checked], "o-", label="validation")
    axes.set(xlabel="step", ylabel="loss (nats per character)", title="GPT on Python's library")
    axes.legend()
    figure.savefig(path, dpi=120, bbox_inches="tight")


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    numbers = {"steps": 600, "batch": 32, "context": 64, "layers": 4, "heads": 4, "width": 144,
               "lr": 4e-3, "seed": 42, "every": 100, "text": 4 << 20, "stop": 1 << 30}  # fmt: skip
    for name, value in numbers.items():  # every: steps per checkpoint
        p.add_argument(f"--{name}", type=type(value), default=value)
    p.add_argument("--device", default="cpu")
    p.add_argument("--out", type=Path, default=Path("out/gpt"))
    p.add_argument("--resume", action="store_true")
    return p.parse_args()


def main():
    args = arguments()
    torch.manual_seed(args.seed)
    train, held_out = read_text(args.text)
    model = GPT(128, args.context, args.layers, args.heads, args.width).to(args.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.9, 0.95))
    warm = max(1, min(50, args.steps // 10))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min((s + 1) / warm, 0.55 + 0.45 * math.cos(math.pi * s / args.steps))
    )
    generator, step, history = torch.Generator().manual_seed(args.seed), 0, []
    args.out.mkdir(parents=True, exist_ok=True)
    if args.resume:
        saved = torch.load(args.out / "checkpoint.pt")
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        schedule.load_state_dict(saved["schedule"])
        generator.set_state(saved["generator"])
        step, history = saved["step"], saved["history"]

    count = sum(p.numel() for p in model.parameters())
    print(f"{count / 1e6:.2f} M parameters, {len(train) / 1e6:.1f} M characters")
    bar = tqdm(total=args.steps, initial=step)
    while step < min(args.steps, args.stop):
        began = time.perf_counter()
        loss = loss_of(model, draw_batch(train, args, generator))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        step += 1
        speed = args.batch * args.context / (time.perf_counter() - began)
        history.append([step, loss.item(), None])
        bar.set_postfix_str(f"loss {loss.item():.4f}, {speed:,.0f} tokens/s")
        bar.update()
        if step % args.every == 0 or step == args.steps:
            history[-1][2] = validate(model, held_out, args)
            bar.write(f"step {step}: loss {loss.item():.4f}, validation {history[-1][2]:.4f}")
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(),
                     "schedule": schedule.state_dict(), "generator": generator.get_state(),
                     "step": step, "history": history}  # fmt: skip
            torch.save(state, args.out / "checkpoint.pt")
    bar.close()
    rows = "\n".join(f"{s},{a},{'' if b is None else b}" for s, a, b in history)
    (args.out / "loss.csv").write_text("step,training,validation\n" + rows + "\n")
    plot(history, args.out / "loss.png")
    print("-" * 80 + "\n" + write(model, args) + "\n" + "-" * 80)
    print(f"{args.out}: checkpoint.pt, loss.png, loss.csv")


if __name__ == "__main__":
    main()
