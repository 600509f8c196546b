"""Not tests: shards of numbered samples, and what many readers of them get."""

from collections import defaultdict

from isograd.data.shard_aware import Share
from isograd.data.streaming import ShardWriter
from isograd.data.view import shares

SAMPLES = 101


def write(pattern, samples=SAMPLES, maxcount=7):
    with ShardWriter(pattern, maxcount=maxcount) as out:
        for i in range(samples):
            out.write({"__key__": f"{i:06}", "cls": i, "txt": f"text {i}"})
    return out.shards


def batches(stream, positions, ranks, workers, batch_size=8, start=0, epoch=0):
    """What all workers of all ranks read, put together: batch -> its samples in order.

    Also checks that all agree on the length of each batch.
    """
    out, lengths, first = defaultdict(list), {}, 0
    for count in shares(positions, ranks):
        for worker in range(workers):
            share = Share(batch_size, positions, first, count, worker, workers, start, epoch)
            wanted = (b for b in range(start, 1 << 30) if share.wants(b))
            for batch, (length, samples) in zip(wanted, stream.read_share(share)):
                rows = [number for (number,) in samples]
                assert len(rows) == len(share.rows(length))
                assert lengths.setdefault(batch, length) == length
                own = shares(length, positions)[first : first + count]
                out[batch] += rows if any(own) else []
        first += count
    assert {batch: len(rows) for batch, rows in out.items()} == lengths
    return dict(out)
