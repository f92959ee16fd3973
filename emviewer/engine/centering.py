"""Find the centre of the object in class averages.

Four estimators: the centre of gravity of the object's silhouette (``mass``), the point of its half turn (``mirror``),
Xmipp's own procedure (``xmipp``, an oracle), and the registration to a map, which a job adds (``reprojection``).
``auto`` takes the half turn as far as the image is its own half turn, and the centre of gravity otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from emviewer.engine.centering_mirror import half_turn
from emviewer.engine.centering_move import fourier_cropped, shifted
from emviewer.engine.centering_support import Frame, Mask, Support, support
from emviewer.engine.centering_xmipp import ten_iterations
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64

Method = Literal["auto", "mass", "mirror", "xmipp"]

LEFT_ALONE = 0.3
"""Classes of lower confidence are better not moved."""
LARGE, WORKING_BOX = 100, 64
"""Images larger than the first are Fourier-cropped to about the second: the silhouette is not finer."""
SYMMETRIC = (0.55, 0.65)
"""Score of the half turn from which it counts, and from which it alone counts."""
SETTLED_PX = 0.08
"""The centre is found again in the moved image until it moves by less: a second run then moves nothing."""
UNSETTLED = 0.004
"""Distance in boxes (a quarter pixel of 64) that a centre found again may be off after all rounds, or it is unsure."""
ROUNDS = 7
ENOUGH = 40
"""Images that tell how much detail is usual when only some are asked for."""
ELONGATED = 1.05
"""Ratio of the axes from which an object has a direction to be turned by."""


@dataclass(frozen=True, eq=False)
class Centres:
    """Where the objects stand.

    Parameters
    ----------
    offset_px : ndarray of float64, shape (k, 2)
        ``(x, y)`` of the centre from ``n // 2``; the shift that centres the image is its negative.
    psi_deg : ndarray of float64, shape (k,)
        In-plane angle in RELION's sense; 0 unless turning was asked for.
    confidence : ndarray of float64, shape (k,)
        0 to 1: contrast over background, detail compared with the other images, and how little reaches the rim; 0 if
        the centre is another one each time it is sought in the moved image.
    method : list of str
        The estimator that counted most.
    """

    offset_px: F64
    psi_deg: F64
    confidence: F64
    method: list[str]


@dataclass(frozen=True, eq=False)
class _Found:
    """One image: its centre, what told it, and what its confidence is made of."""

    centre: F64
    psi_deg: float = 0.0
    method: str = "none"
    trust: float = 0.0
    detail: float = 0.0
    seen: tuple[Support, Mask] | None = None


def find_centres(
    images: F32,
    *,
    method: Method = "auto",
    rotate: bool = False,
    sign: int = 0,
    rows: NDArray[np.int64] | None = None,
    check: Check = never,
) -> Centres:
    """Find the centre of the object in every image.

    Parameters
    ----------
    images : ndarray of float32, shape (k, n, n)
        Class averages; values that are not finite count as 0.
    method : {"auto", "mass", "mirror", "xmipp"}
        Estimator.
    rotate : bool
        Whether to find the turn that makes the long axis vertical, too.
    sign : {0, 1, -1}
        1 for white on dark, -1 for dark on light, 0 to be told from all images together.
    rows : ndarray of int64, shape (m,), optional
        Only these are returned, in this order; of the others at most :data:`ENOUGH` are looked at, for what is usual.

    Notes
    -----
    Medians with ``auto`` on simulated classes of 80 px: T20S 0.28 px, off-centre 0.45 px, with a neighbour 0.18 px;
    without symmetry 0.42 to 0.55 px alone and 0.49 to 0.80 px with a neighbour.
    """
    k, n = len(images), images.shape[1]
    if not np.isfinite(images).all():
        images = np.nan_to_num(images, nan=0.0, posinf=0.0, neginf=0.0)
    if (sign or contrast_sign(images)) < 0:
        images = -images
    small = working_box(n)
    frame = Frame(small)
    scale = n / small
    wanted = np.arange(k) if rows is None else np.asarray(rows, np.int64)
    others = np.setdiff1d(np.arange(k), wanted)
    others = others[:: max(1, -(-len(others) // ENOUGH))]
    seen = np.concatenate([wanted, others])
    found: list[_Found] = [_Found(np.zeros(2))] * len(seen)

    def work(lo: int, hi: int) -> None:
        for i in range(lo, hi):
            check()
            cropped = fourier_cropped(images[seen[i] : seen[i] + 1], small)
            found[i] = _settled(cropped, frame, method, rotate, SETTLED_PX / scale)

    each_chunk(work, len(seen), 2)
    confidence = np.array([f.trust for f in found])
    detail = np.array([f.detail for f in found])
    usual = float(np.median(detail[confidence > 0.5])) if (confidence > 0.5).any() else 0.0
    if usual > 0:
        confidence = confidence * np.clip((detail / usual - 0.3) / 0.15, 0, 1)
    found = found[: len(wanted)]
    return Centres(
        np.array([f.centre for f in found]).reshape(-1, 2) * scale,
        np.array([f.psi_deg for f in found]),
        confidence[: len(wanted)],
        [f.method for f in found],
    )


def working_box(n: int) -> int:
    """Return the box in which centres are sought: even, about :data:`WORKING_BOX`; a small box itself."""
    return n if n <= LARGE else WORKING_BOX


def contrast_sign(images: F32) -> int:
    """Return 1 if the objects are brighter than their surroundings in most images, -1 if darker."""
    step = max(1, images.shape[1] // LARGE)
    images = images[:, ::step, ::step]
    n = images.shape[1]
    y, x = np.indices((n, n)) - n // 2
    r = np.hypot(y, x)
    inside, rim = r < 0.2 * n, (r > 0.38 * n) & (r < 0.48 * n)
    spread = images[:, rim].std(axis=1) + images[:, inside].std(axis=1)
    height = images[:, inside].mean(axis=1) - images[:, rim].mean(axis=1)
    votes = np.divide(height, spread, out=np.zeros_like(height), where=spread > 0)
    return 1 if votes.sum() >= 0 else -1


def _settled(image: F32, frame: Frame, method: Method, rotate: bool, settled: float) -> _Found:
    """Find the centre, move the image, and find it again until it stays; a procedure of its own rounds is run once."""
    if method == "xmipp":
        if not np.ptp(image[0]) > 0:
            return _Found(np.zeros(2), method=method)
        centre, psi = ten_iterations(image[0], frame)
        return _Found(centre, psi if rotate else 0.0, method, 1.0, 0.0)
    offset = np.zeros(2)
    best: tuple[float, F64, _Found, F32] | None = None
    for round_number in range(ROUNDS):
        moved = image if not offset.any() else shifted(image, -offset[None])
        now = _once(moved[0], frame, method)
        left = float(np.hypot(*now.centre))
        if best is None or left < best[0]:
            best = (left, offset, now, moved[0])
        if left < settled:
            break
        # from the fourth round on half steps: two centres may point at each other
        offset = offset + now.centre * (1.0 if round_number < 3 else 0.5)
    assert best is not None
    left, offset, now, final = best
    if now.seen is None:
        return now
    trust = now.trust if left <= UNSETTLED * frame.n else 0.0
    detail = _detail(final, *now.seen, frame)
    psi = _long_axis(*now.seen, frame) if rotate else 0.0
    return _Found(offset, psi, now.method, trust, detail)


def _once(image: F32, frame: Frame, method: Method) -> _Found:
    """Find the centre in an image as it stands; turn and detail are left for the last round."""
    seen = support(image, frame)
    if seen is None:
        return _Found(np.zeros(2))
    mask = seen.masks[0]
    turn: tuple[F64, float] = np.zeros(2), 0.0
    if method != "mass":
        turns = [half_turn(image, m, frame.centroid(m.astype(np.float64)), frame) for m in seen.masks]
        best = int(np.argmax([score for _, score in turns]))
        best = best if turns[best][1] > SYMMETRIC[1] else 0
        mask, turn = seen.masks[best], turns[best]
    centre = frame.centroid(np.where(mask, seen.weight, 0.0))
    low, high = SYMMETRIC
    share = {"mass": 0.0, "mirror": 1.0}.get(method, float(np.clip((turn[1] - low) / (high - low), 0, 1)))
    centre = (1 - share) * centre + share * turn[0]
    trust = _trust(seen, mask, frame) * (min(1.0, turn[1] / low) if method == "mirror" else 1.0)
    return _Found(centre, 0.0, "mirror" if share > 0.5 else "mass", trust, 0.0, (seen, mask))


def _trust(seen: Support, mask: Mask, frame: Frame) -> float:
    """Return 0 to 1: height over the background's noise (2 to 3.6), and the share of the rim covered (40 to 12 %)."""
    height = float(seen.density[mask].mean()) / max(seen.noise, 1e-12)
    rim = (frame.r > 0.38 * frame.n) & (frame.r < 0.46 * frame.n)
    covered = float(mask[rim].mean())
    return float(np.clip((height - 2) / 1.6, 0, 1) * np.clip((0.4 - covered) / 0.28, 0, 1))


def _detail(image: F32, seen: Support, mask: Mask, frame: Frame) -> float:
    """Return how much fine structure the object has over its height; ice and dirt have little."""
    inner = ndimage.binary_erosion(mask, iterations=max(1, round(0.025 * frame.n)))
    if inner.sum() < 10:
        return 0.0
    fine, coarse = (frame.blurred(image, s * frame.n) for s in (0.0125, 0.06))
    return float((fine - coarse)[inner].std() / seen.density[mask].mean())


def _long_axis(seen: Support, mask: Mask, frame: Frame) -> float:
    """Return psi in (-90, 90] that makes the long axis of the silhouette vertical; 0 for a round one."""
    weight: F64 = np.where(mask, seen.weight, 0.0)
    x, y = (a - c for a, c in zip((frame.x, frame.y), frame.centroid(weight), strict=True))
    xx, xy, yy = (float((weight * p).sum()) for p in (x * x, x * y, y * y))
    values, vectors = np.linalg.eigh(np.array([[xx, xy], [xy, yy]]))
    if not values[0] > 0 or np.sqrt(values[1] / values[0]) < ELONGATED:
        return 0.0
    # output y = A(psi)^T x: the axis (ax, ay) must land on (0, 1) up to its sign
    ax, ay = vectors[:, 1]
    psi = float(np.degrees(np.arctan2(ax, ay)))
    return psi if -90 < psi <= 90 else psi - 180 * np.sign(psi)


def left_alone(centres: Centres, max_shift_px: float) -> NDArray[np.bool_]:
    """Return which images are better not moved, shape (k,): low confidence, or further off than allowed."""
    far = np.hypot(*centres.offset_px.T) > max_shift_px
    return np.asarray((centres.confidence < LEFT_ALONE) | far | ~np.isfinite(centres.offset_px).all(axis=1))
