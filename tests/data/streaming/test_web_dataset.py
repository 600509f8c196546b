"""The stream of tar shards: each sample once, in one order, however many read. In one process;
readers are pretended by asking for their shares. Run: pytest tests/data/streaming
"""

import pickle

import pytest

import isograd
from isograd.data import DataLoader
from isograd.data.shard_aware import ShardAware, Share
from isograd.data.streaming import ShardError, WebDataset
from tests.data.streaming.readers import SAMPLES, batches, write


def numbers(stream):
    return [number for (number,) in stream]


def shuffled(folder, **options):
    return WebDataset(folder, **options).shuffle(40).decode().to_tuple("cls")


def test_without_a_buffer_the_order_is_the_files(folder):
    stream = WebDataset(folder).decode().to_tuple("cls")
    assert numbers(stream) == list(range(SAMPLES))
    assert len(stream) == SAMPLES


@pytest.mark.parametrize("lanes", [None, 1, 4, 5, 200])
@pytest.mark.parametrize("options", [{}, {"shardshuffle": False}, {"shardshuffle": True}])
def test_each_sample_once_and_the_same_batches_for_all_readers(folder, lanes, options):
    stream = shuffled(folder, lanes=lanes, **options)
    assert isinstance(stream, ShardAware)
    alone = batches(stream, 1, 1, 1)
    assert sorted(sum(alone.values(), [])) == list(range(SAMPLES))
    for positions, ranks, workers in [(2, 2, 1), (3, 3, 2), (4, 4, 1), (8, 8, 1), (8, 3, 3)]:
        assert batches(stream, positions, ranks, workers) == alone


def test_a_batch_smaller_than_the_positions(folder):
    stream = shuffled(folder)
    assert batches(stream, 8, 4, 1, batch_size=3) == batches(stream, 1, 1, 1, batch_size=3)


def test_compressed_shards_give_the_same(tmp_path, folder):
    (tmp_path / "gz").mkdir()
    write(tmp_path / "gz" / "s-%03d.tar.gz")
    packed = shuffled(tmp_path / "gz", lanes=4)
    assert batches(packed, 3, 3, 2) == batches(shuffled(folder, lanes=4), 1, 1, 1)


def test_orders_differ_by_epoch_and_seed(folder):
    stream = shuffled(folder)
    first, second = numbers(stream), numbers(stream)
    assert first != second != list(range(SAMPLES)) != first
    assert numbers(shuffled(folder, seed=1)) not in (first, second)
    again = shuffled(folder)
    again.set_epoch(1)
    assert numbers(again) == second
    assert batches(again, 4, 4, 1, epoch=1) == batches(again, 1, 1, 1, epoch=1)


def test_the_buffer_mixes_without_shuffled_shards(folder):
    order = numbers(shuffled(folder, shardshuffle=False, lanes=1))
    late = [place - number for place, number in enumerate(order)]
    assert -39 <= min(late) < -20  # no sample comes out before it is in the buffer of 40
    assert sum(abs(x) for x in late) > 10 * SAMPLES


def test_resume_at_another_number_of_ranks(folder):
    stream = shuffled(folder)
    whole = batches(stream, 4, 4, 1)
    rest = batches(stream, 3, 3, 2, start=5)
    assert rest == {batch: rows for batch, rows in whole.items() if batch >= 5}


def test_state_of_plain_iteration(folder):
    stream = shuffled(folder)
    whole = [numbers(stream), numbers(stream)]
    stream = shuffled(folder)
    numbers(stream)
    samples = iter(stream)
    begun = [next(samples)[0] for _ in range(60)]
    state = pickle.loads(pickle.dumps(stream.state_dict()))
    other = shuffled(folder)
    other.load_state_dict(state)
    assert begun + numbers(other) == whole[1]
    assert numbers(other) == numbers(shuffled_at(folder, 2))


def shuffled_at(folder, epoch):
    stream = shuffled(folder)
    stream.set_epoch(epoch)
    return stream


def test_a_state_of_other_shards_is_refused(folder, tmp_path):
    state = shuffled(folder).state_dict()
    with pytest.raises(ValueError, match=r"other lanes.*expected 4, got 2"):
        shuffled(folder, lanes=4).load_state_dict(state)
    with pytest.raises(ValueError, match="other counts"):
        shuffled(sorted(folder.glob("*.tar"))[:3]).load_state_dict(state)


@pytest.mark.parametrize("replicas", [1, 2, 3, 4, 8])
def test_replicas_of_an_explicit_script(folder, replicas):
    parts = [shuffled(folder).split_by_rank(replicas, rank) for rank in range(replicas)]
    got = [numbers(part) for part in parts]
    assert sorted(sum(got, [])) == list(range(SAMPLES))
    assert [len(part) for part in parts] == [len(some) for some in got]
    assert max(map(len, got)) - min(map(len, got)) <= 1
    for part, some in zip(parts, got):
        shared = [number for _, rows in part.read_share(Share(4)) for (number,) in rows]
        assert len(shared) == len(some)


def test_replicas_resume_at_another_number(folder):
    parts = [shuffled(folder).split_by_rank(4, rank) for rank in range(4)]
    begun = []
    for part in parts:
        samples = iter(part)
        begun += [next(samples)[0] for _ in range(10)]
    states = [part.state_dict() for part in parts]
    assert states[0] == states[3]
    rest = []
    for rank in range(3):
        part = shuffled(folder).split_by_rank(3, rank)
        part.load_state_dict(states[rank])
        rest += numbers(part)
    assert sorted(begun + rest) == list(range(SAMPLES))


def test_split_by_rank_refuses(folder):
    with pytest.raises(ValueError, match="rank"):
        WebDataset(folder).split_by_rank(2, 2)
    part = WebDataset(folder).split_by_rank(2, 0)
    with pytest.raises(RuntimeError, match="global view"):
        next(part.read_share(Share(4, positions=2)))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_each_sample_once(folder, workers):
    stream = WebDataset(folder).shuffle(40).decode().to_tuple("cls", "txt")
    loader = DataLoader(stream, batch_size=8, num_workers=workers)
    got = [(int(i), text) for ids, texts in loader for i, text in zip(ids, texts)]
    assert sorted(got) == [(i, f"text {i}") for i in range(SAMPLES)]


@pytest.mark.parametrize(("workers", "later"), [(0, 0), (0, 2), (2, 0)])
def test_a_loader_resumes_with_other_workers(folder, workers, later):
    def loader(workers):
        return DataLoader(shuffled(folder), batch_size=8, num_workers=workers)

    def listed(batches):
        return [ids.tolist() for (ids,) in batches]

    whole = loader(workers)
    epochs = [listed(whole), listed(whole)]
    assert epochs[0] != epochs[1]
    begun = loader(workers)
    listed(begun)
    batches = iter(begun)
    first = listed([next(batches) for _ in range(5)])
    other = loader(later)
    other.load_state_dict(begun.state_dict())
    assert first + listed(other) == epochs[1]


def test_random_augmentation_does_not_depend_on_the_workers(folder):
    def noisy(sample):
        return sample[0] + isograd.rand(1).item() / 2

    got = []
    for workers in (0, 2):
        isograd.manual_seed(5)
        stream = shuffled(folder).map(noisy)
        loader = DataLoader(stream, batch_size=8, num_workers=workers)
        got.append([x.tolist() for x in loader])
    assert got[0] == got[1]
    assert any(x % 1 for x in got[0][0])


def test_steps(folder):
    stream = WebDataset(folder).decode().to_tuple("label;cls", "txt", "__key__")
    stream = stream.map_tuple(lambda i: i + 1, str.upper).map(list)
    assert next(iter(stream)) == [1, "TEXT 0", "000000"]
    some = WebDataset(folder).to_tuple("png", "cls", missing_is_error=False)
    assert next(iter(some)) == (None, b"0")
    sample = next(iter(WebDataset(folder)))
    assert sample["__url__"] == str(folder / "s-000.tar")
    assert sample["txt"] == b"text 0"


def test_bad_steps(folder):
    with pytest.raises(ValueError, match=r"expected png in sample '000000' of .*has cls, txt"):
        next(iter(WebDataset(folder).to_tuple("png")))
    with pytest.raises(TypeError, match="map_tuple"):
        next(iter(WebDataset(folder).map_tuple(str)))
    with pytest.raises(TypeError, match="decode comes before"):
        next(iter(WebDataset(folder).to_tuple("cls").decode()))
    with pytest.raises(ValueError, match="has a shuffle buffer"):
        WebDataset(folder).shuffle(3).shuffle(3)
    with pytest.raises(ValueError, match="on_error"):
        WebDataset(folder, on_error="ignore")
    with pytest.raises(ValueError, match="lanes"):
        WebDataset(folder, lanes=0)


def test_configuring_leaves_the_original(folder):
    plain = WebDataset(folder)
    plain.shuffle(40).map(len)
    assert isinstance(next(iter(plain)), dict)
    assert plain.lanes == 1


def test_no_shards(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file in it ends in"):
        WebDataset(tmp_path)


def test_a_shard_that_changes_after_it_was_counted(folder):
    stream = WebDataset(folder).decode().to_tuple("cls")
    shard = folder / "s-003.tar"
    shard.write_bytes(shard.read_bytes()[:2000])
    with pytest.raises(ShardError, match=r"s-003\.tar.*changed since it was counted"):
        numbers(stream)


@pytest.mark.parametrize("damage", ["truncated", "foreign", "header"])
def test_a_broken_shard_is_raised_or_skipped(folder, damage):
    shard = folder / "s-003.tar"  # samples 21 to 27, each 4 blocks of 512 bytes
    whole = shard.read_bytes()
    kept = 2
    if damage == "truncated":
        shard.write_bytes(whole[: 4 * 512 * 3 - 700])
    elif damage == "header":
        at = 4 * 512 * 3 - 1024
        shard.write_bytes(whole[:at] + b"x" * 512 + whole[at + 512 :])
    else:
        shard.write_bytes(b"not a tar" * 1000)
        kept = 0
    with pytest.raises(ShardError, match=r"s-003\.tar") as info:
        WebDataset(folder)
    assert info.value.shard == str(shard)
    if kept:
        assert info.value.sample == "000023"
        assert 4 * 512 * 2 <= info.value.offset <= 4 * 512 * 3
    with pytest.warns(UserWarning, match=rf"s-003\.tar.*the {kept} samples before") as caught:
        stream = WebDataset(folder, on_error="skip").shuffle(40).decode().to_tuple("cls")
    assert len(caught) == 1 and caught[0].filename == __file__
    expected = [i for i in range(SAMPLES) if not 21 + kept <= i < 28]
    assert sorted(sum(batches(stream, 4, 4, 1).values(), [])) == expected
    assert len(stream) == len(expected)


def test_manual_seed_is_not_drawn_from(folder):
    isograd.manual_seed(3)
    expected = isograd.rand(1).item()
    isograd.manual_seed(3)
    numbers(shuffled(folder))
    assert isograd.rand(1).item() == expected
