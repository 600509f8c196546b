"""Philox 4x32-10: the known answers of Random123, slabs against the whole, and the CUDA kernel.

Reference: kat_vectors of Random123 (Salmon et al., SC'11). The kernel is compiled wherever CuPy
can be imported and run where there is a device.
Run: pytest tests/tensor/test_philox.py
"""

import math

import numpy as np
import pytest

from isograd.tensor import philox
from isograd.tensor.philox import philox4x32, philox_bits, philox_normal, philox_uniform

KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip
WHOLE = (5, 7, 9)
SLABS = [
    (),
    (slice(2, 4),),
    (slice(None), slice(1, 6)),
    (slice(1, 5), slice(3, 4), slice(2, 8)),
    (slice(0, 5), slice(0, 7), slice(5, 9)),
    (slice(4, 5), slice(6, 7), slice(8, 9)),
    (slice(-2, None), slice(None, -1)),
    (slice(3, 3),),
    (slice(None), slice(4, 2)),
]


def words(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "want"), KNOWN)
def test_known_answers(counter, key, want):
    counter = [np.array([word], np.uint32) for word in words(counter)]
    got = philox4x32(np, counter, tuple(words(key)))
    assert [int(word[0]) for word in got] == words(want)


def test_seed_draw_and_index_make_key_and_counter():
    counter, key, want = (words(part) for part in KNOWN[2])
    seed, draw, block = key[0] | key[1] << 32, counter[2] | counter[3] << 32, counter[0]
    block |= counter[1] << 32
    got = philox._words(np, seed, draw, np.array([block], np.uint64))
    assert got.tolist() == want
    whole = philox_bits(np, 0, 0, (9,))
    assert whole[:4].tolist() == words(KNOWN[0][2])


@pytest.mark.parametrize("slices", SLABS, ids=str)
@pytest.mark.parametrize("function", [philox_bits, philox_uniform, philox_normal])
def test_a_slab_has_the_values_of_the_whole(function, slices):
    whole = function(np, 2**40 + 3, 17, WHOLE)
    slab = function(np, 2**40 + 3, 17, WHOLE, slices)
    assert slab.dtype == whole.dtype
    np.testing.assert_array_equal(slab, whole[slices])


def test_a_slab_far_into_a_huge_tensor():
    shape = (2**20, 2**20)  # never held
    row = 2**19 + 1
    wide = philox_bits(np, 5, 0, shape, (slice(row, row + 1), slice(0, 64)))
    part = philox_bits(np, 5, 0, shape, (slice(row - 1, row + 1), slice(3, 10)))
    np.testing.assert_array_equal(part[1], wide[0, 3:10])
    block = row * 2**20 // 4
    want = philox._words(np, 5, 0, np.array([block], np.uint64))
    np.testing.assert_array_equal(wide[0, :4], want)


def test_longer_than_a_chunk():
    size = 4 * philox._CHUNK + 11
    whole = philox_bits(np, 1, 2, (size,))
    np.testing.assert_array_equal(whole[-20:], philox_bits(np, 1, 2, (size,), (slice(-20, None),)))
    assert len(np.unique(whole)) > size - 10


def test_seeds_and_draws_differ():
    base = philox_bits(np, 1, 1, (100,))
    for seed, draw in ((2, 1), (1, 2), (1 + 2**32, 1), (1, 1 + 2**32)):
        assert (philox_bits(np, seed, draw, (100,)) != base).mean() > 0.9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distributions(dtype):
    n = 200_000
    u = philox_uniform(np, 3, 0, (n,), dtype=dtype)
    z = philox_normal(np, 3, 1, (n,), dtype=dtype)
    assert u.dtype == z.dtype == dtype
    assert 0 <= u.min() < 1e-3 and 1 - 1e-3 < u.max() < 1
    histogram = np.histogram(u, 100, (0, 1))[0]
    expected = n / 100
    assert np.sum((histogram - expected) ** 2 / expected) < 160  # chi-square of 99, p = 1e-4
    deviation = 1 / math.sqrt(n)
    assert abs(z.mean()) < 4 * deviation
    assert abs(z.var() - 1) < 4 * math.sqrt(2) * deviation
    assert abs((z**4).mean() - 3) < 4 * math.sqrt(96) * deviation
    assert abs(np.mean(z[1:] * z[:-1])) < 4 * deviation


def test_uniform_is_the_top_bits():
    bits = philox_bits(np, 8, 9, (50,))
    np.testing.assert_array_equal(philox_uniform(np, 8, 9, (50,)), (bits >> 8) * 2.0**-24)


def test_scalar_shape():
    assert philox_uniform(np, 0, 0, ()).shape == ()
    assert philox_normal(np, 0, 0, ()).shape == ()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: philox_bits(np, 0, 0, (4,), (slice(0, 4, 2),)), "step 1"),
        (lambda: philox_bits(np, 0, 0, (4,), (slice(0, 1), slice(0, 1))), "2 slices"),
        (lambda: philox_uniform(np, 0, 0, (4,), dtype=np.float16), "float16"),
        (lambda: philox_normal(np, 0, 0, (4,), dtype=np.int32), "int32"),
        (lambda: philox.cuda_fill_uniform(np.zeros(4), 0, None), "float64"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(RuntimeError, match=message):
        call()


def test_kernel_compiles_for_sm_90():
    pytest.importorskip("cupy")
    from cupy_backends.cuda.libs import nvrtc

    program = nvrtc.createProgram(philox.CUDA_SOURCE, "philox.cu", [], [])
    try:
        nvrtc.compileProgram(program, ["--gpu-architecture=sm_90"])
    except nvrtc.NVRTCError:
        pytest.fail(nvrtc.getProgramLog(program))
    binary = nvrtc.getCUBIN(program)
    assert b"philox_uniform" in binary and b"philox_advance" in binary


@pytest.mark.gpu
def test_kernel_and_cupy_give_the_cpus_bits():
    cupy = pytest.importorskip("cupy")
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        pytest.skip("no device")
    whole = philox_uniform(np, 2**40 + 3, 17, (1003,))
    on_gpu = philox_uniform(cupy, 2**40 + 3, 17, (1003,))
    np.testing.assert_array_equal(on_gpu.get(), whole)
    draw = cupy.array([16], np.uint64)
    philox.cuda_kernel("philox_advance")((1,), (1,), (draw, np.uint64(1)))
    for offset in (0, 1, 6, 400):
        out = cupy.empty(1003 - offset, np.float32)
        philox.cuda_fill_uniform(out, 2**40 + 3, draw, offset)
        np.testing.assert_array_equal(out.get(), whole[offset:])
