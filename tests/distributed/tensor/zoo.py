"""Training scripts in small, as users write them; none knows that its batches may be cut.

Each takes ``cut``, which stands for a loader: it gives the batch, cut or not. It returns what the
script would print, and the weights.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import isograd as torch
import isograd.nn.functional as F
from isograd import nn
from isograd.utils.checkpoint import checkpoint

__all__ = ["ZOO"]

Cut = Callable[..., Any]
Script = Callable[[Cut], tuple[list[Any], list[Any]]]
ZOO: list[Script] = []
B = 7


def zoo(script: Script) -> Script:
    ZOO.append(script)
    return script


def normal(seed: int, *shape: int) -> Any:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def whole(seed: int, high: int, *shape: int) -> Any:
    return torch.randint(0, high, shape, generator=torch.Generator().manual_seed(seed + 99))


def mlp(inputs: int, outputs: int) -> Any:
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs))


def train(
    weights: Any, loss_of: Callable[[int, list[Any]], Any], steps: int = 3, lr: float = 0.05
) -> tuple[list[Any], list[Any]]:
    """SGD with momentum and clipping; ``loss_of(step, log)``."""
    weights = list(weights)
    optimizer = torch.optim.SGD(weights, lr, momentum=0.9, weight_decay=1e-4)
    log: list[Any] = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = loss_of(step, log)
        loss.backward()
        log.append(nn.utils.clip_grad_norm_(weights, 5.0))
        optimizer.step()
        log.append(loss.item())
    return log, weights


# -- images


@zoo
def residual_network(cut: Cut) -> Any:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
            self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4)

        def forward(self, x: Any) -> Any:
            y = F.relu(self.norm(self.conv(x)), inplace=True)
            y = self.depthwise(y)
            y += x
            return torch.cat([y, x.mean((2, 3), keepdim=True).expand_as(x)], 1)

    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2), Block(), nn.GroupNorm(2, 8), nn.SiLU(), nn.Dropout2d(0.2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip

    def loss_of(step: int, log: list[Any]) -> Any:
        x, y = cut(normal(step, B, 3, 8, 8)), cut(whole(step, 4, B))
        share, order = 0.3, torch.randperm(x.size(0))
        scores = model(share * x + (1 - share) * x[order])
        _, best = scores.topk(2, 1, True, True)
        hits = best.t().eq(y.view(1, -1).expand_as(best.t()))
        log += [hits[:1].reshape(-1).float().sum(0), (scores.argmax(1) == y).float().mean()]
        smooth = F.cross_entropy(scores, y, label_smoothing=0.1)
        return share * smooth + (1 - share) * F.cross_entropy(scores, y[order])

    return train(model.parameters(), loss_of)


@zoo
def segmentation(cut: Cut) -> Any:
    down, up = nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ConvTranspose2d(4, 3, 2, stride=2)
    norm = nn.InstanceNorm2d(4, affine=True)

    def dice(p: Any, t: Any) -> Any:
        p, t = p.contiguous().view(-1), t.contiguous().view(-1)
        return 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)

    def loss_of(step: int, log: list[Any]) -> Any:
        x, y = cut(normal(step, B, 1, 6, 6)), cut(whole(step, 3, B, 6, 6))
        scores = up(F.relu(norm(down(x)))) + F.interpolate(x, scale_factor=1.0)
        hot = F.one_hot(y, 3).permute(0, 3, 1, 2).float()
        counts = torch.bincount(3 * y.view(-1) + scores.argmax(1).view(-1), minlength=9)
        log += [counts.reshape(3, 3), counts.reshape(3, 3).diag() / counts.sum()]
        return F.cross_entropy(scores, y, ignore_index=2) + dice(scores.softmax(1), hot)

    return train([*down.parameters(), *up.parameters(), *norm.parameters()], loss_of)


@zoo
def vision_transformer(cut: Cut) -> Any:
    patch, head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 4)
    first = nn.Parameter(torch.zeros(1, 1, 8))
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.1, batch_first=True, norm_first=True)

    def loss_of(step: int, log: list[Any]) -> Any:
        x, y = cut(normal(step, B, 3, 8, 8)), cut(whole(step, 4, B))
        tokens = patch(x).flatten(2).transpose(1, 2)
        tokens = torch.cat((first.expand(x.shape[0], -1, -1), tokens), dim=1)
        return F.cross_entropy(head(layer(tokens)[:, 0]), y)

    weights = [*patch.parameters(), *head.parameters(), first, *layer.parameters()]
    return train(weights, loss_of)


@zoo
def autoencoders(cut: Cut) -> Any:
    encode, decode, book = mlp(6, 4), mlp(2, 6), nn.Embedding(5, 2)

    def loss_of(step: int, log: list[Any]) -> Any:
        x = cut(normal(step, B, 6))
        mean, spread = encode(x).chunk(2, dim=1)
        z = mean + torch.randn_like(spread) * torch.exp(0.5 * spread)
        away = z.pow(2).sum(1, keepdim=True) + book.weight.pow(2).sum(1) - 2 * z @ book.weight.t()
        chosen = torch.zeros(x.shape[0], 5)
        chosen.scatter_(1, away.argmin(1, keepdim=True), 1)
        code = chosen @ book.weight
        log.append(torch.exp(-(chosen.mean(0) * torch.log(chosen.mean(0) + 1e-10)).sum()))
        straight = z + (code - z).detach()
        divergence = -0.5 * torch.sum(1 + spread - mean.pow(2) - spread.exp())
        return F.mse_loss(decode(straight), x) + 0.1 * divergence + F.mse_loss(code, z.detach())

    return train([*encode.parameters(), *decode.parameters(), *book.parameters()], loss_of)


# -- sequences


@zoo
def language_model(cut: Cut) -> Any:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(11, 8), nn.Embedding(6, 8)
            self.qkv, self.norm = nn.Linear(8, 24), nn.RMSNorm(8)
            self.head = nn.Linear(8, 11, bias=False)
            self.head.weight = self.tokens.weight
            self.register_buffer("mask", torch.tril(torch.ones(6, 6)).view(1, 1, 6, 6))

        def forward(self, x: Any) -> Any:
            n, steps = x.size()
            h = self.norm(self.tokens(x) + self.places(torch.arange(steps)))
            q, k, v = (p.view(n, steps, 2, 4).transpose(1, 2) for p in self.qkv(h).split(8, dim=2))
            scores = torch.einsum("bhid,bhjd->bhij", q, k) / math.sqrt(4)
            scores = scores.masked_fill(self.mask[:, :, :steps, :steps] == 0, float("-inf"))
            h = h + (F.softmax(scores, -1) @ v).transpose(1, 2).contiguous().view(n, steps, 8)
            return self.head(h)

    model = Model()

    def loss_of(step: int, log: list[Any]) -> Any:
        text = whole(step, 11, B, 6)
        scores = model(cut(text[:, :-1]))
        return F.cross_entropy(scores.view(-1, scores.size(-1)), cut(text[:, 1:]).reshape(-1))

    return train(model.parameters(), loss_of)


@zoo
def attention_with_time_first(cut: Cut) -> Any:
    attend, norm, head = nn.MultiheadAttention(8, 2), nn.LayerNorm(8), nn.Linear(8, 3)
    lengths = torch.tensor([5, 2, 4, 1, 3, 5, 2])

    def loss_of(step: int, log: list[Any]) -> Any:
        x, y = cut(normal(step, 5, B, 8), 1), cut(whole(step, 3, B))
        missing = cut(torch.arange(5)[None] >= lengths[:, None])
        h, weights = attend(norm(x), x, x, key_padding_mask=missing, need_weights=True)
        log.append(weights.mean((0, 1)))
        return F.cross_entropy(head(h[-1]), y) + weights.std()

    return train([*attend.parameters(), *norm.parameters(), *head.parameters()], loss_of)


@zoo
def last_steps(cut: Cut) -> Any:
    rnn, head = nn.GRU(4, 6, batch_first=True), nn.Linear(6, 3)
    cell = nn.LSTMCell(4, 6)
    lengths = torch.tensor([5, 2, 4, 1, 3, 5, 2])

    def loss_of(step: int, log: list[Any]) -> Any:
        x, y, last = cut(normal(step, B, 5, 4)), cut(whole(step, 3, B)), cut(lengths) - 1
        out, _ = rnn(x)
        h, c = torch.zeros(B, 6), x.new_zeros(B, 6)
        steps = []
        for t in range(x.size(1)):
            h, c = cell(x[:, t], (h, c))
            steps.append(h)
        picked = out[torch.arange(B), last] + torch.stack(steps, dim=1)[range(B), last]
        wide = last.view(-1, 1, 1).expand(-1, 1, 6)
        log_p = F.log_softmax(head(picked + out.gather(1, wide).squeeze(1)), -1)
        log.append(log_p.exp()[torch.arange(len(y)), y].mean())
        return -log_p[torch.arange(len(y)), y].mean()

    return train([*rnn.parameters(), *head.parameters(), *cell.parameters()], loss_of)


@zoo
def packed_sequences(cut: Cut) -> Any:
    read = nn.LSTM(4, 6, 2, batch_first=True, dropout=0.2, bidirectional=True)
    head, lengths = nn.Linear(24, 3), torch.tensor([5, 2, 4, 1, 3, 5, 2])

    def loss_of(step: int, log: list[Any]) -> Any:
        x, y = cut(normal(step, B, 5, 4)), cut(whole(step, 3, B))
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, True, enforce_sorted=False)
        out, (h, _) = read(packed)
        out, sizes = nn.utils.rnn.pad_packed_sequence(out, batch_first=True)
        log += [sizes, out.sum((0, 2))]
        last = out[torch.arange(B), sizes - 1]
        return F.cross_entropy(head(torch.cat([h[-2], h[-1], last], 1)), y)

    return train([*read.parameters(), *head.parameters()], loss_of)


@zoo
def translation(cut: Cut) -> Any:
    embed, read = nn.Embedding(9, 6), nn.GRU(6, 8, batch_first=True)
    write, head = nn.GRUCell(14, 8), nn.Linear(8, 9)

    def loss_of(step: int, log: list[Any]) -> Any:
        x, y = cut(whole(step, 9, B, 5)), cut(whole(step + 5, 9, B, 4))
        seen, h = read(embed(x))
        h, token = h[0], y[:, 0]
        out = torch.zeros(B, 4, 9)
        for t in range(1, 4):
            share = F.softmax(torch.bmm(seen, h.unsqueeze(2)).squeeze(2), 1)
            context = torch.bmm(share.unsqueeze(1), seen).squeeze(1)
            h = write(torch.cat((embed(token), context), 1), h)
            out[:, t] = head(h)
            token = y[:, t] if random.random() < 0.5 else out[:, t].argmax(1)
        return F.cross_entropy(out[:, 1:].reshape(-1, 9), y[:, 1:].reshape(-1))

    modules = (embed, read, write, head)
    return train([p for m in modules for p in m.parameters()], loss_of)


@zoo
def conditional_random_field(cut: Cut) -> Any:
    emit, moves = nn.Linear(3, 4), nn.Parameter(normal(1, 4, 4))

    def loss_of(step: int, log: list[Any]) -> Any:
        x, tags = cut(normal(step, B, 5, 3)), cut(whole(step, 4, B, 5))
        mask = cut(torch.arange(5)[None] < torch.tensor([5, 2, 4, 1, 3, 5, 2])[:, None])
        scores, rows = emit(x), torch.arange(B)
        total, path = scores[:, 0], scores[rows, 0, tags[:, 0]]
        for t in range(1, 5):
            wider = total.unsqueeze(2) + moves + scores[:, t].unsqueeze(1)
            total = torch.where(mask[:, t].unsqueeze(1), wider.logsumexp(1), total)
            link = moves[tags[:, t - 1], tags[:, t]] + scores[rows, t, tags[:, t]]
            path = path + link * mask[:, t]
        log += [scores[mask].pow(2).mean(), tags.gather(1, mask.long().sum(1, keepdim=True) - 1)]
        return (total.logsumexp(1) - path).mean()

    return train([*emit.parameters(), moves], loss_of)


# -- samples among each other


@zoo
def all_with_all(cut: Cut) -> Any:
    """SimCLR, CLIP and triplets: similarities of all samples with all others."""
    left, right, scale = mlp(6, 4), mlp(5, 4), nn.Parameter(torch.ones([]))

    def loss_of(step: int, log: list[Any]) -> Any:
        x, y = cut(normal(step, B, 6)), cut(whole(step, 3, B))
        a, b = F.normalize(left(x), dim=1), F.normalize(right(x[:, :5]), dim=1)
        scores, own = scale.exp() * a @ b.t(), torch.arange(len(a))
        log.append((scores.argmax(dim=-1) == own).float().mean())
        clip = (F.cross_entropy(scores, own) + F.cross_entropy(scores.t(), own)) / 2
        z = torch.cat([a, b], 0)
        every = (z @ z.t()).masked_fill(torch.eye(2 * B, dtype=torch.bool), -1e9)
        pairs = torch.cat([torch.arange(B, 2 * B), torch.arange(B)])
        far, alike = torch.cdist(a, a), y.unsqueeze(0) == y.unsqueeze(1)
        hard = (far * alike).max(1)[0] - (far + 9.0 * alike).min(1).values
        margin = nn.TripletMarginLoss(0.5)(a, a.flip(0), b.roll(1, 0))
        return clip + F.cross_entropy(every, pairs) + F.relu(hard + 0.3).mean() + margin

    return train([*left.parameters(), *right.parameters(), scale], loss_of)


@zoo
def statistics_of_features(cut: Cut) -> Any:
    """Barlow twins, a queue of keys, prototypes of classes."""
    model = mlp(6, 4)
    queue, at = F.normalize(normal(3, 4, 14), dim=0), torch.zeros(1, dtype=torch.long)

    def loss_of(step: int, log: list[Any]) -> Any:
        x, y = cut(normal(step, B, 6)), cut(whole(step, 3, B))
        a, b = model(x), model(x + 0.1 * torch.randn_like(x))
        one, two = (a - a.mean(0)) / a.std(0), (b - b.mean(0)) / b.std(0)
        cross = torch.mm(one.T, two) / B
        twins = torch.diagonal(cross).add_(-1).pow_(2).sum() + cross.triu(1).pow(2).sum()
        with torch.no_grad():
            order = torch.randperm(B)
            keys = F.normalize(model(x[order]), dim=1)[torch.argsort(order)]
        past = torch.einsum("nc,ck->nk", [a, queue.clone().detach()])
        place = int(at)
        queue[:, place : place + B] = keys.T
        at[0] = (place + B) % 14
        means = torch.zeros(3, 4).index_add(0, y, a)
        means = means / torch.bincount(y, minlength=3).clamp(min=1).unsqueeze(1)
        log.append(means)
        contrast = torch.cat([(a * keys).sum(1, keepdim=True), past], 1)
        nothing = torch.zeros(B, dtype=torch.long)
        return 0.1 * twins + F.cross_entropy(contrast, nothing) - torch.cdist(a, means).mean()

    return train(model.parameters(), loss_of, lr=0.01)


@zoo
def weights_and_masks_in_losses(cut: Cut) -> Any:
    model = mlp(6, 4)

    def loss_of(step: int, log: list[Any]) -> Any:
        x, y, weight = cut(normal(step, B, 6)), cut(whole(step, 4, B)), cut(torch.rand(B))
        scores = model(x)
        each = F.cross_entropy(scores, y, reduction="none")
        mask = y != 0
        focal = ((1 - torch.exp(-each)) ** 2 * each).mean()
        soft = torch.full((B, 4), 0.1 / 3).scatter_(1, y.unsqueeze(1), 0.9)
        kept = (each * mask).sum() / mask.sum() + each[mask].mean()
        margin = scores.clone()
        margin[torch.arange(B), y] -= 0.3
        log += [each.topk(3)[0].mean(), each.argmax(), mask.sum(), each.quantile(0.5)]
        for label in range(4):
            log.append((scores.argmax(1)[y == label] == label).sum())
        given = torch.sum(-soft * scores.log_softmax(1), 1).mean()
        return (
            (each * weight).sum() / weight.sum() + focal + kept + given + margin.logsumexp(1).sum()
        )

    return train(model.parameters(), loss_of)


@zoo
def experts(cut: Cut) -> Any:
    gate, parts = nn.Linear(6, 3), nn.ModuleList([nn.Linear(6, 4) for _ in range(3)])

    def loss_of(step: int, log: list[Any]) -> Any:
        x, y = cut(normal(step, B, 6)), cut(whole(step, 4, B))
        shares = gate(x).softmax(-1)
        best = shares.argmax(-1)
        out = torch.zeros(B, 4)
        for i, expert in enumerate(parts):
            mine = best == i
            if mine.any():
                out[mine] = expert(x[mine]) * shares[mine, i].unsqueeze(1)
        two, chosen = shares.topk(2, dim=-1)
        every = torch.stack([expert(x) for expert in parts], 1)
        picked = every.gather(1, chosen.unsqueeze(-1).expand(-1, -1, 4))
        balance = (shares.mean(0) * F.one_hot(best, 3).float().mean(0)).sum()
        return F.cross_entropy(out + (picked * two.unsqueeze(-1)).sum(1), y) + balance

    return train([*gate.parameters(), *parts.parameters()], loss_of)


@zoo
def own_functions_and_hooks(cut: Cut) -> Any:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, factor: float) -> Any:
            ctx.save_for_backward(x)
            ctx.factor = factor
            return x.clamp(min=0) ** 2 * factor, x > 1

        @staticmethod
        def backward(ctx: Any, g: Any, _: Any) -> Any:
            (x,) = ctx.saved_tensors
            own = g.clone()
            own[x < 0] = 0
            return own * 2 * x * ctx.factor, None

    first, second, both = nn.Linear(6, 8), nn.Linear(8, 4), nn.Bilinear(8, 8, 4)
    seen: dict[str, Any] = {}
    first.register_forward_hook(lambda module, given, out: seen.update(out=out))

    def loss_of(step: int, log: list[Any]) -> Any:
        x, y = cut(normal(step, B, 6)), cut(whole(step, 4, B))
        h = checkpoint(lambda t: torch.tanh(first(t)), x, use_reentrant=False)
        h, large = Square.apply(2 * h, 0.5)
        h.retain_grad()
        h.register_hook(lambda g: g * 0.9)
        scores = second(F.dropout(h, 0.3)) + both(h, h)
        loss = F.cross_entropy(scores, y) + seen["out"].pow(2).mean()
        loss.backward(retain_graph=True)
        log += [h.grad.norm(), large.sum()]
        return 0.5 * loss

    return train([*first.parameters(), *second.parameters(), *both.parameters()], loss_of)


# -- gradients of gradients, and several models


@zoo
def adversaries(cut: Cut) -> Any:
    generator, critic = mlp(3, 6), mlp(6, 1)

    def loss_of(step: int, log: list[Any]) -> Any:
        real = cut(normal(step, B, 6))
        fake, share = generator(torch.randn(B, 3)), torch.rand(B, 1)
        between = (share * real + (1 - share) * fake.detach()).requires_grad_(True)
        score = critic(between)
        (slope,) = torch.autograd.grad(
            outputs=score, inputs=between, grad_outputs=torch.ones_like(score),
            create_graph=True, retain_graph=True, only_inputs=True,
        )  # fmt: skip
        penalty = ((slope.view(B, -1).norm(2, dim=1) - 1) ** 2).mean()
        log.append(penalty)
        ones = torch.full((B,), 1.0)
        fooled = F.binary_cross_entropy_with_logits(critic(fake).view(-1), ones)
        return critic(fake.detach()).mean() - critic(real).mean() + 10 * penalty + fooled

    return train([*generator.parameters(), *critic.parameters()], loss_of, lr=0.01)


@zoo
def learning_to_learn(cut: Cut) -> Any:
    model = mlp(3, 1)

    def output(weights: Any, x: Any) -> Any:
        return F.linear(torch.tanh(F.linear(x, *weights[:2])), *weights[2:])

    def loss_of(step: int, log: list[Any]) -> Any:
        x = cut(normal(step, B, 3))
        y = x.sum(1, keepdim=True)
        fast = list(model.parameters())
        for _ in range(2):
            inner = F.mse_loss(output(fast, x[:4]), y[:4])
            slopes = torch.autograd.grad(inner, fast, create_graph=True)
            fast = [p - 0.1 * g for p, g in zip(fast, slopes, strict=True)]
        return F.mse_loss(output(fast, x[4:]), y[4:])

    return train(model.parameters(), loss_of)


@zoo
def values_of_actions(cut: Cut) -> Any:
    """DQN with a target network, and a policy gradient."""
    value, target, policy = mlp(4, 3), mlp(4, 3), mlp(4, 3)
    target.load_state_dict(value.state_dict())

    def loss_of(step: int, log: list[Any]) -> Any:
        state, after = cut(normal(step, B, 4)), cut(normal(step + 5, B, 4))
        action, reward = cut(whole(step, 3, B)), cut(normal(step + 9, B))
        done = cut(torch.rand(B)) < 0.3
        later = torch.zeros(B)
        with torch.no_grad():
            later[~done] = target(after[~done]).max(1).values
            old, new = target.state_dict(), value.state_dict()
            target.load_state_dict({k: 0.9 * old[k] + 0.1 * new[k] for k in old})
        found = value(state).gather(1, action.unsqueeze(1)).squeeze(1)
        taken = torch.distributions.Categorical(logits=policy(state))
        gain = reward - found.detach()
        gain = (gain - gain.mean()) / (gain.std() + 1e-8)
        log.append(taken.entropy().mean())
        actor = -(taken.log_prob(action) * gain).mean() - 0.01 * taken.entropy().mean()
        return F.smooth_l1_loss(found, reward + 0.9 * later) + actor

    return train([*value.parameters(), *policy.parameters()], loss_of)


@zoo
def teacher_and_recommender(cut: Cut) -> Any:
    student, teacher = mlp(6, 4), mlp(6, 4)
    people, things = nn.Embedding(9, 4), nn.Embedding(8, 4)
    bag = nn.EmbeddingBag(8, 4, mode="mean")

    def loss_of(step: int, log: list[Any]) -> Any:
        x, who, what = cut(normal(step, B, 6)), cut(whole(step, 9, B)), cut(whole(step, 8, B, 3))
        with torch.no_grad():
            guess = teacher(x + 0.1 * torch.randn_like(x)).softmax(1)
            for p, q in zip(teacher.parameters(), student.parameters(), strict=True):
                p.mul_(0.9).add_(q, alpha=0.1)
        sure = guess.max(1).values.ge(0.25).float()
        distance = F.kl_div(F.log_softmax(student(x) / 2, 1), guess, reduction="batchmean")
        scores = torch.bmm(things(what), people(who).unsqueeze(2)).squeeze(2)
        words = (bag(what) * people(who)).sum(1)
        log += [sure.mean(), torch.sqrt((scores**2).mean())]
        return distance - F.logsigmoid(scores).sum(1).mean() + (words * sure).pow(2).mean()

    modules = (student, people, things, bag)
    return train([p for m in modules for p in m.parameters()], loss_of)
