"""Training of a learned distance with torch, on images drawn afresh for every step.

torch is imported inside: it is needed for training only (extra ``learned``). Each step is done in two halves side by
side, each on one core: torch's own threads wait for one another, which costs more than they gain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from emviewer.engine.errors import EmviewerError
from emviewer.engine.learned_cells import Cells, softmax
from emviewer.engine.learned_draw import Draws
from emviewer.engine.learned_network import Network, Shape, arrays_of, from_arrays, initial
from emviewer.engine.learned_rings import C64
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk, set_threads, threads
from emviewer.engine.types import F32

Tensor = Any
"""A torch tensor; torch may not be there to name it."""
Torch = Any
"""The module torch."""
PARTS = 2
"""Pieces of a step; fixed, so that the number of cores does not change the result."""
HELD_OUT = 256
"""Views that only judge."""


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Parameters
    ----------
    images : int
        Images drawn in all.
    batch : int
        Images of a step.
    channels, blocks, inner_orders : int
        Size of the network.
    width_rad : float
        How far the target is spread about the true view.
    rate : float
        Largest rate of AdamW, reached after ``warm_up`` steps and led to zero along a cosine.
    warm_up : int
        Steps.
    seed : int
        Of weights and images.
    """

    images: int
    batch: int = 128
    channels: int = 96
    blocks: int = 3
    inner_orders: int = 10
    width_rad: float = float(np.radians(9.0))
    rate: float = 2e-3
    warm_up: int = 80
    seed: int = 0

    @property
    def steps(self) -> int:
        """Steps of training."""
        return max(1, round(self.images / self.batch))


@dataclass(frozen=True)
class Progress:
    """How training stands.

    Parameters
    ----------
    step, steps : int
        Steps done, and in all.
    loss : float
        Cross entropy (nats) of the last steps' images.
    held_out : float or None
        The same of views that are not trained on, when it was just measured.
    """

    step: int
    steps: int
    loss: float
    held_out: float | None


def require_torch() -> Torch:
    """Return torch.

    Raises
    ------
    EmviewerError
        It is not installed.
    """
    try:
        import torch
    except ImportError as err:
        how = 'pip install "emviewer[learned]"'
        raise EmviewerError("training needs torch, which is not installed", "", how) from err
    return torch


class Trainer:
    """Trains one network; :attr:`network` is the best so far, also when training is stopped.

    Parameters
    ----------
    draws : Draws
        Where images come from.
    cells : Cells
        What is scored.
    settings : Settings
        How.
    """

    def __init__(self, draws: Draws, cells: Cells, settings: Settings) -> None:
        self.draws, self.cells, self.settings = draws, cells, settings
        self.shape = Shape(
            draws.rings.count, draws.rings.orders, cells.turns, settings.channels, settings.blocks,
            settings.inner_orders, cells.directions,
        )  # fmt: skip
        self.network: Network | None = None
        self.best = np.inf

    def run(self, check: Check = never) -> Iterator[Progress]:
        """Train, and tell how it stands every few steps."""
        torch = require_torch()
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield from self._run(torch, check)
        finally:
            torch.set_num_threads(before)

    def _run(self, torch: Torch, check: Check) -> Iterator[Progress]:
        given, steps = self.settings, self.settings.steps
        start = initial(self.shape, np.random.default_rng([given.seed, 1]))
        weights = {name: torch.nn.Parameter(torch.from_numpy(v.copy())) for name, v in arrays_of(start).items()}
        slow = {name: w.detach().clone() for name, w in weights.items()}
        optimiser = torch.optim.AdamW(list(weights.values()), lr=given.rate, betas=(0.9, 0.98), weight_decay=1e-4)
        orders, views, _ = self.draws.batch(HELD_OUT, np.random.default_rng([given.seed, 2]), check)
        wanted = self.cells.targets(views, given.width_rad)
        told, judged = max(1, min(10, steps // 40)), max(5, min(60, steps // 12))
        recent: list[float] = []
        unjudged = False
        try:
            for step in range(1, steps + 1):
                check()
                for group in optimiser.param_groups:
                    group["lr"] = given.rate * _schedule(step, steps, given.warm_up)
                recent.append(self._step(torch, weights, optimiser, step, check))
                keep, unjudged = min(0.98, step / (step + 9.0)), True
                with torch.no_grad():
                    for name, w in weights.items():
                        slow[name].mul_(keep).add_(w.detach(), alpha=1 - keep)
                judge = step % judged == 0 or step == steps
                if judge or step % told == 0:
                    held_out = self._judge(slow, orders, wanted, check) if judge else None
                    unjudged = not judge
                    yield Progress(step, steps, float(np.mean(recent)), held_out)
                    recent.clear()
        finally:
            if unjudged:  # stopped: the last steps may be the best
                self._judge(slow, orders, wanted, never)

    def _step(self, torch: Torch, weights: dict[str, Tensor], optimiser: Any, step: int, check: Check) -> float:
        """Take one step; return its loss."""
        size = max(1, self.settings.batch // PARTS)
        slopes: list[Any] = [None] * PARTS
        losses = [0.0] * PARTS

        def work(start: int, stop: int) -> None:
            for part in range(start, stop):
                rng = np.random.default_rng([self.settings.seed, 3, step, part])
                slopes[part], losses[part] = self._part(torch, weights, size, rng, check)

        each_chunk(work, PARTS, 1)
        for name, w in weights.items():
            w.grad = sum(slope[name] for slope in slopes) / PARTS
        torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        optimiser.step()
        return float(np.mean(losses))

    def _part(
        self, torch: Torch, weights: dict[str, Tensor], size: int, rng: np.random.Generator, check: Check
    ) -> tuple[dict[str, Tensor], float]:
        """Return the slopes and the loss of fresh images, on this core alone."""
        cores = threads()
        set_threads(1)
        torch.set_num_threads(1)
        try:
            orders, views, _ = self.draws.batch(size, rng, check)
            wanted = torch.from_numpy(self.cells.targets(views, self.settings.width_rad))
            scores = torch_score(torch, weights, torch.from_numpy(orders), self.shape)
            loss = -(wanted * torch.log_softmax(scores, 1)).sum(1).mean()
            slopes = torch.autograd.grad(loss, list(weights.values()))
            return dict(zip(weights, slopes, strict=True)), float(loss.detach())
        finally:
            set_threads(cores)

    def _judge(self, slow: dict[str, Tensor], orders: C64, wanted: F32, check: Check) -> float:
        """Return the loss of the held-out views under the running mean of the weights; keep it if it is the best."""
        network = from_arrays({name: w.numpy().copy() for name, w in slow.items()}, self.shape)
        loss = held_out_loss(network, orders, wanted, check)
        if loss < self.best:
            self.network, self.best = network, loss
        return loss


def held_out_loss(network: Network, orders: C64, wanted: F32, check: Check = never) -> float:
    """Return the mean cross entropy in nats of images under a network."""
    losses = np.empty(len(orders))

    def work(start: int, stop: int) -> None:
        check()
        probability = softmax(network.score(orders[start:stop]))
        losses[start:stop] = -(wanted[start:stop] * np.log(probability + 1e-30)).sum(axis=1)

    each_chunk(work, len(orders), 32)
    return float(losses.mean())


def torch_score(torch: Torch, weights: dict[str, Tensor], orders: Tensor, shape: Shape) -> Tensor:
    """Return what :meth:`Network.score` returns, with slopes."""
    m = np.arange(shape.orders + 1)[:, None]
    phase = 2 * np.pi * m * np.arange(shape.turns) / shape.turns
    real = torch.from_numpy((np.cos(phase) / np.sqrt(shape.turns)).astype(np.float32))
    imaginary = torch.from_numpy((np.sin(phase) / np.sqrt(shape.turns)).astype(np.float32))
    inner = shape.inner_orders + 1

    def around(spectrum: Tensor, weight: Tensor) -> Tensor:
        mixed = torch.bmm(spectrum, weight)
        many, n, channels = mixed.shape
        twice = torch.full((many, 1, 1), 2.0)
        twice[0] = 1.0
        parts = torch.cat([mixed.real * twice, -mixed.imag * twice]).reshape(2 * many, n * channels)
        values = torch.cat([real[:many], imaginary[:many]]).T @ parts
        return values.reshape(-1, n, channels).transpose(0, 1)

    hidden = around(orders.transpose(0, 1).contiguous(), weights["first"]) + weights["first_bias"]
    channels = shape.channels
    for k in range(shape.blocks):
        even = torch.nn.functional.layer_norm(
            hidden, (channels,), weights["norm_scale"][k], weights["norm_shift"][k], 1e-5
        )
        columns = even.transpose(0, 1).reshape(shape.turns, -1)
        spectrum = torch.complex(real[:inner] @ columns, -(imaginary[:inner] @ columns))
        mixed = around(spectrum.reshape(inner, len(hidden), channels), weights["around"][k])
        mixed = torch.nn.functional.silu(mixed + even @ weights["within"][k] + weights["within_bias"][k])
        hidden = hidden + mixed @ weights["out"][k] + weights["out_bias"][k]
    last = torch.nn.functional.layer_norm(hidden, (channels,), weights["last_scale"], weights["last_shift"], 1e-5)
    return (last @ weights["head"] + weights["head_bias"]).reshape(len(hidden), -1)


def _schedule(step: int, steps: int, warm_up: int) -> float:
    """Return the share of the largest rate: up along a line, down along a cosine."""
    rise = min(1.0, step / max(1, min(warm_up, steps // 4)))
    return float(rise * (0.5 + 0.5 * np.cos(np.pi * step / (steps + 1))) + 1e-3)
