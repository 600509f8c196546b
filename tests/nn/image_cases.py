"""Layers and functions of images whose results must be torch's: `tests/golden/make_images.py` runs
them with torch, `test_images_golden.py` with isograd.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# name, class, positional and keyword arguments, shape of the input
LAYERS: list[tuple[str, str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("conv1d", "Conv1d", (3, 4, 3), {}, (2, 3, 8)),
    ("conv2d_same_reflect", "Conv2d", (4, 8, 3),
     {"padding": "same", "bias": False, "padding_mode": "reflect", "groups": 2, "dilation": 2},
     (1, 4, 5, 6)),
    ("conv2d_same_even", "Conv2d", (2, 4, (2, 4)), {"padding": "same"}, (1, 2, 5, 4)),
    ("conv2d_circular", "Conv2d", (2, 3, (2, 4)), {"padding": "same", "padding_mode": "circular"},
     (1, 2, 5, 4)),
    ("conv2d_strided_unbatched", "Conv2d", (2, 3, 3), {"stride": 2, "padding": 1}, (2, 7, 6)),
    ("conv2d_depthwise", "Conv2d", (3, 6, 3), {"groups": 3, "padding": 1}, (2, 3, 6, 6)),
    ("conv3d", "Conv3d", (2, 3, 2), {"padding": 1, "padding_mode": "replicate"}, (1, 2, 3, 3, 3)),
    ("deconv1d", "ConvTranspose1d", (3, 4, 3), {"stride": 2, "output_padding": 1}, (2, 3, 5)),
    ("deconv1d_dilated", "ConvTranspose1d", (2, 2, 2),
     {"padding": 1, "output_padding": 1, "dilation": 2}, (1, 2, 4)),
    ("deconv2d", "ConvTranspose2d", (4, 6, 3, 2, 1, 1), {"groups": 2}, (1, 4, 3, 4)),
    ("deconv2d_wide", "ConvTranspose2d", (4, 2, 3), {"padding": 1, "bias": False}, (1, 4, 3, 4)),
    ("deconv3d", "ConvTranspose3d", (2, 2, 2), {"stride": 2}, (1, 2, 2, 2, 2)),
    ("max1d", "MaxPool1d", (3,), {"padding": 1}, (2, 3, 9)),
    ("max2d", "MaxPool2d", (3, 2, 1), {"ceil_mode": True}, (2, 2, 6, 7)),
    ("max3d", "MaxPool3d", (2,), {}, (1, 2, 4, 4, 4)),
    ("avg1d", "AvgPool1d", (3,), {}, (2, 3, 9)),
    ("avg2d", "AvgPool2d", (3, 2, 1), {"count_include_pad": False, "ceil_mode": True},
     (2, 2, 6, 7)),
    ("avg3d", "AvgPool3d", (2,), {"divisor_override": 3}, (1, 2, 4, 4, 4)),
    ("lp1d", "LPPool1d", (2, 3), {}, (2, 3, 9)),
    ("lp2d", "LPPool2d", (3, 2), {}, (1, 2, 4, 6)),
    ("adaptive_avg1d", "AdaptiveAvgPool1d", (5,), {}, (2, 3, 8)),
    ("adaptive_avg2d", "AdaptiveAvgPool2d", ((3, None),), {}, (1, 2, 8, 5)),
    ("adaptive_avg2d_one", "AdaptiveAvgPool2d", (1,), {}, (1, 2, 5, 4)),
    ("adaptive_avg2d_even", "AdaptiveAvgPool2d", (2,), {}, (1, 2, 4, 6)),
    ("adaptive_avg3d", "AdaptiveAvgPool3d", ((2, 3, 2),), {}, (1, 1, 3, 4, 5)),
    ("adaptive_max1d", "AdaptiveMaxPool1d", (5,), {}, (2, 3, 8)),
    ("adaptive_max2d", "AdaptiveMaxPool2d", (3,), {}, (1, 2, 8, 5)),
    ("adaptive_max2d_one", "AdaptiveMaxPool2d", (1,), {}, (1, 2, 5, 4)),
    ("adaptive_max3d", "AdaptiveMaxPool3d", (2,), {}, (1, 1, 4, 4, 4)),
    ("batch1d", "BatchNorm1d", (4,), {}, (6, 4)),
    ("batch1d_mean", "BatchNorm1d", (4,), {"momentum": None}, (3, 4, 3)),
    ("batch2d", "BatchNorm2d", (3,), {"affine": False}, (2, 3, 3, 3)),
    ("batch2d_untracked", "BatchNorm2d", (3,), {"track_running_stats": False}, (2, 3, 3, 3)),
    ("batch3d", "BatchNorm3d", (2,), {"bias": False}, (2, 2, 2, 2, 2)),
    ("layer", "LayerNorm", ((3, 4),), {"bias": False}, (2, 3, 4)),
    ("rms", "RMSNorm", (4,), {}, (2, 3, 4)),
    ("group", "GroupNorm", (2, 4), {}, (2, 4, 5)),
    ("instance1d_unbatched", "InstanceNorm1d", (4,), {}, (4, 6)),
    ("instance2d", "InstanceNorm2d", (3,), {"affine": True, "track_running_stats": True},
     (2, 3, 3, 4)),
    ("instance3d", "InstanceNorm3d", (2,), {}, (2, 2, 2, 2, 2)),
    ("response", "LocalResponseNorm", (3,), {}, (2, 5, 3, 2)),
    ("constant1d", "ConstantPad1d", (1, 2.5), {}, (1, 2, 3)),
    ("constant2d", "ConstantPad2d", ((1, -1, 0, 2), 1.0), {}, (1, 2, 3, 4)),
    ("constant3d", "ConstantPad3d", (1, 1.0), {}, (1, 1, 2, 2, 2)),
    ("zero1d", "ZeroPad1d", (1,), {}, (1, 2, 3)),
    ("zero2d", "ZeroPad2d", (1,), {}, (1, 2, 3, 2)),
    ("zero3d", "ZeroPad3d", (1,), {}, (1, 1, 2, 2, 2)),
    ("reflection1d", "ReflectionPad1d", (2,), {}, (1, 2, 4)),
    ("reflection2d", "ReflectionPad2d", ((1, 2, 0, 3),), {}, (1, 2, 4, 4)),
    ("reflection3d", "ReflectionPad3d", (1,), {}, (1, 1, 3, 2, 2)),
    ("replication1d", "ReplicationPad1d", (5,), {}, (1, 2, 3)),
    ("replication2d", "ReplicationPad2d", ((1, -2, 0, 3),), {}, (1, 2, 4, 4)),
    ("replication3d", "ReplicationPad3d", (1,), {}, (1, 1, 3, 2, 2)),
    ("circular1d", "CircularPad1d", (2,), {}, (1, 2, 3)),
    ("circular2d", "CircularPad2d", ((-1, 2, 0, 3),), {}, (1, 2, 4, 4)),
    ("circular3d", "CircularPad3d", (1,), {}, (1, 1, 3, 2, 2)),
    ("up_nearest", "Upsample", (), {"scale_factor": 2.5}, (1, 2, 3)),
    ("up_corners", "Upsample", ((7, 5),), {"mode": "bilinear", "align_corners": True},
     (1, 2, 3, 4)),
    ("up_bicubic", "Upsample", (), {"scale_factor": 1.7, "mode": "bicubic"}, (1, 1, 5, 4)),
    ("up_trilinear", "Upsample", (), {"scale_factor": (1.5, 2.0, 0.7), "mode": "trilinear"},
     (1, 1, 2, 3, 4)),
    ("up_area", "Upsample", (), {"size": 3, "mode": "area"}, (1, 2, 5, 4)),
    ("up_nearest2d", "UpsamplingNearest2d", (5,), {}, (1, 2, 3, 3)),
    ("up_bilinear2d", "UpsamplingBilinear2d", (), {"scale_factor": 2}, (1, 2, 3, 2)),
    ("pixel_shuffle", "PixelShuffle", (2,), {}, (2, 8, 2, 3)),
    ("pixel_unshuffle", "PixelUnshuffle", (2,), {}, (1, 3, 4, 2)),
    ("channel_shuffle", "ChannelShuffle", (2,), {}, (1, 6, 2, 3)),
    ("fold", "Fold", ((3, 4), (2, 3)), {"padding": 1}, (1, 6, 16)),
    ("unfold", "Unfold", ((2, 3),), {"padding": 1, "stride": 2, "dilation": 2}, (1, 2, 6, 7)),
]  # fmt: skip


def functions(torch: Any) -> dict[str, tuple[Any, list[tuple[int, ...]]]]:
    """``(fn, shapes)`` by name: functions of float64 tensors, all differentiable."""
    F = torch.nn.functional
    image = (1, 2, 4, 5)
    out: dict[str, tuple[Any, list[tuple[int, ...]]]] = {
        "normalize": (lambda x: F.normalize(x, 3.0, 2), [image]),
        "conv_tbc": (lambda x, w, b: torch.conv_tbc(x, w, b, 1), [(5, 2, 3), (3, 3, 4), (4,)]),
        "affine_grid": (lambda t: F.affine_grid(t, (2, 1, 3, 2), False), [(2, 2, 3)]),
        "affine_grid_3d": (lambda t: F.affine_grid(t, (1, 1, 2, 3, 1), True), [(1, 3, 4)]),
        "nearest_exact": (lambda x: F.interpolate(x, (7, 3), mode="nearest-exact"), [image]),
        "smooth_bilinear": (
            lambda x: F.interpolate(x, (2, 7), mode="bilinear", antialias=True), [image]),
        "smooth_bicubic": (
            lambda x: F.interpolate(x, (3, 2), mode="bicubic", antialias=True), [image]),
        "unpool": (
            lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2,
                                     output_size=(4, 5)), [image]),
    }  # fmt: skip
    for mode in ("bilinear", "nearest", "bicubic"):
        for padding in ("zeros", "border", "reflection"):
            for corners in (False, True):
                out[f"sample_{mode}_{padding}_{corners}"] = (
                    lambda x, g, mode=mode, padding=padding, corners=corners: F.grid_sample(
                        x, g, mode, padding, corners
                    ),
                    [image, (1, 3, 2, 2)],
                )
    out["sample_3d"] = (
        lambda x, g: F.grid_sample(x, g, align_corners=False), [(1, 1, 2, 3, 2), (1, 2, 1, 2, 3)],
    )  # fmt: skip
    return out


def run_layer(torch: Any, case: tuple[Any, ...]) -> list[Any]:
    """Weights, then output, gradients and buffers in training and in evaluation mode."""
    name, cls, args, kwargs, shape = case
    torch.manual_seed(5)
    layer = getattr(torch.nn, cls)(*args, **kwargs)
    draw = np.random.default_rng(sum(name.encode()))
    arrays = [p.detach().numpy().copy() for p in layer.parameters()]
    for training in (True, False):
        layer.train(training)
        layer.zero_grad()
        x = torch.from_numpy(draw.standard_normal(shape).astype(np.float32)).requires_grad_(True)
        out = layer(x)
        (out * _weight(torch, out).to(out.dtype)).sum().backward()
        arrays += [out.detach().numpy(), x.grad.numpy()]
        arrays += [p.grad.numpy() for p in layer.parameters()]
        arrays += [b.numpy().astype(np.float32) for b in layer.buffers()]
    return arrays


def run_function(torch: Any, name: str, fn: Any, shapes: list[tuple[int, ...]]) -> list[Any]:
    """The output and the gradients of all inputs."""
    draw = np.random.default_rng(sum(name.encode()))
    xs = [torch.from_numpy(draw.uniform(-1.5, 1.5, s)).requires_grad_(True) for s in shapes]
    out = fn(*xs)
    (out * _weight(torch, out)).sum().backward()
    return [out.detach().numpy(), *[x.grad.numpy() for x in xs]]


def _weight(torch: Any, out: Any) -> Any:
    return torch.from_numpy(np.cos(np.arange(out.numel()))).reshape(out.shape)
