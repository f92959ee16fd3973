"""The network of a trained distance, run with numpy: convolutions around the circle, exact under turns of the image.

An image enters as angular orders on rings (:mod:`emviewer.engine.learned_rings`). Every layer is a convolution over
the angle, done order by order, with as many channels as there are; so the answer for an image turned in its plane is
the answer for the image, turned. The last layer scores, for each angle, each direction of view.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.errors import DataError
from emviewer.engine.types import F32

C64 = NDArray[np.complex64]
NORM_EPS = 1e-5


@dataclass(frozen=True)
class Shape:
    """Sizes of a network.

    Parameters
    ----------
    rings, orders : int
        Of the input: rings, and angular orders 0 … ``orders``.
    turns : int
        Points around the circle.
    channels, blocks, inner_orders : int
        Channels, blocks, and orders 0 … ``inner_orders`` that the convolutions of the blocks mix.
    directions : int
        Directions of view that are scored.
    """

    rings: int
    orders: int
    turns: int
    channels: int
    blocks: int
    inner_orders: int
    directions: int


@dataclass(frozen=True, eq=False)
class Network:
    """Weights, in the layout of :func:`layout`; arrays are float32 or complex64."""

    first: C64
    first_bias: F32
    norm_scale: F32
    norm_shift: F32
    around: C64
    within: F32
    within_bias: F32
    out: F32
    out_bias: F32
    last_scale: F32
    last_shift: F32
    head: F32
    head_bias: F32
    turns: int

    @property
    def shape(self) -> Shape:
        """The sizes of this network."""
        orders, rings, channels = self.first.shape
        blocks, inner = self.around.shape[:2]
        return Shape(rings, orders - 1, self.turns, channels, blocks, inner - 1, self.head.shape[1])

    def score(self, orders: C64) -> F32:
        """Return the scores (n, turns · directions) of images given as orders (n, orders + 1, rings).

        Directions run fastest; a softmax makes them probabilities.
        """
        shape = self.shape
        waves = circle(shape.turns, shape.orders)
        inner = waves[: shape.inner_orders + 1]
        hidden = around_circle(orders.transpose(1, 0, 2), self.first, waves) + self.first_bias
        for k in range(shape.blocks):
            even = normalised(hidden, self.norm_scale[k], self.norm_shift[k])
            mixed = around_circle(spectrum(even, inner), self.around[k], inner)
            mixed += even @ self.within[k] + self.within_bias[k]
            mixed *= 1 / (1 + np.exp(-np.maximum(mixed, -80)))
            hidden = hidden + mixed @ self.out[k] + self.out_bias[k]
        last = normalised(hidden, self.last_scale, self.last_shift)
        return np.asarray((last @ self.head + self.head_bias).reshape(len(hidden), -1), np.float32)


def circle(turns: int, orders: int) -> C64:
    """Return ``exp(i m θ) / sqrt(turns)``, shape (orders + 1, turns)."""
    phase = np.exp(2j * np.pi * np.arange(orders + 1)[:, None] * np.arange(turns) / turns)
    return np.asarray(phase / np.sqrt(turns), np.complex64)


def spectrum(values: F32, waves: C64) -> C64:
    """Return the orders (m, n, channels) of real values (n, turns, channels)."""
    n, turns, channels = values.shape
    columns = np.ascontiguousarray(values.transpose(1, 0, 2)).reshape(turns, n * channels)
    found = waves.real @ columns - 1j * (waves.imag @ columns)
    return np.asarray(found.reshape(len(waves), n, channels), np.complex64)


def around_circle(orders: C64, weight: C64, waves: C64) -> F32:
    """Return the real signal (n, turns, out) of orders (m, n, in), each through its own weights (m, in, out)."""
    mixed = orders @ weight
    mixed[1:] *= 2  # the orders below zero are the conjugates
    m, n, channels = mixed.shape
    # the real part of a product of complex numbers, without the imaginary one
    parts = np.concatenate([mixed.real, -mixed.imag]).reshape(2 * m, n * channels)
    values = np.concatenate([waves.real, waves.imag]).T @ parts
    return np.ascontiguousarray(values.reshape(-1, n, channels).transpose(1, 0, 2))


def normalised(values: F32, scale: F32, shift: F32) -> F32:
    """Return values (…, channels) of zero mean and unit variance over the channels, scaled and shifted."""
    centred = values - values.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + np.float32(NORM_EPS)) * scale + shift, np.float32)


def layout(shape: Shape) -> dict[str, tuple[tuple[int, ...], type]]:
    """Return the shape and kind (float32 or complex64) of every weight."""
    c, b, f, z = shape.channels, shape.blocks, np.float32, np.complex64
    return {
        "first": ((shape.orders + 1, shape.rings, c), z),
        "first_bias": ((c,), f),
        "norm_scale": ((b, c), f),
        "norm_shift": ((b, c), f),
        "around": ((b, shape.inner_orders + 1, c, c), z),
        "within": ((b, c, c), f),
        "within_bias": ((b, c), f),
        "out": ((b, c, c), f),
        "out_bias": ((b, c), f),
        "last_scale": ((c,), f),
        "last_shift": ((c,), f),
        "head": ((c, shape.directions), f),
        "head_bias": ((shape.directions,), f),
    }


def initial(shape: Shape, rng: np.random.Generator) -> Network:
    """Return a network of random weights, as training begins with."""
    made: dict[str, NDArray[np.generic]] = {}
    scale = {
        "first": 0.7 / np.sqrt(shape.rings),
        "around": 0.5 / np.sqrt(shape.channels),
        "within": 0.6 / np.sqrt(shape.channels),
        "out": 0.3 / np.sqrt(shape.channels),
        "head": 0.6 / np.sqrt(shape.channels),
    }
    for name, (size, kind) in layout(shape).items():
        if name in ("norm_scale", "last_scale"):
            made[name] = np.ones(size, np.float32)
        elif name not in scale:
            made[name] = np.zeros(size, np.float32)
        elif kind is np.complex64:
            pair = rng.standard_normal((2, *size)) * scale[name]
            made[name] = (pair[0] + 1j * pair[1]).astype(np.complex64)
        else:
            made[name] = (rng.standard_normal(size) * scale[name]).astype(np.float32)
    return from_arrays(made, shape)


def from_arrays(arrays: Mapping[str, NDArray[np.generic]], shape: Shape) -> Network:
    """Return the network of these weights.

    Raises
    ------
    DataError
        One is missing, of another shape, or has values that are not numbers.
    """
    checked: dict[str, Any] = {}
    for name, (size, kind) in layout(shape).items():
        value = arrays.get(name)
        if value is None or value.shape != size or value.dtype.kind not in "fc":
            found = "missing" if value is None else f"of shape {value.shape}"
            raise DataError(f"its weights {name!r} are {found} instead of {size}")
        if not np.isfinite(value).all():
            raise DataError(f"its weights {name!r} have values that are not numbers")
        checked[name] = np.ascontiguousarray(value, kind)
    return Network(**checked, turns=shape.turns)


def arrays_of(network: Network) -> dict[str, NDArray[np.generic]]:
    """Return the weights by name."""
    return {f.name: getattr(network, f.name) for f in fields(network) if f.name != "turns"}
