"""The images of the example: micrographs with particles at known places, particles cut out of them, class averages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from emviewer.engine import conventions, ctf, fft, mrc
from emviewer.engine.project import Projector
from emviewer.engine.task import Check
from emviewer.engine.types import F32, F64

KINDS = {"target": 28, "off-centre": 4, "monomer": 3, "other": 2, "junk": 2, "empty": 1}
"""How many class averages show what."""

N_MICROGRAPHS = 2
EDGE = 1536
APART_PX = 80.0
"""Least distance of two particles: neighbours show in the corners of a box, but do not touch."""
PER_MICROGRAPH = 160
DEFOCUS_A = ((12000.0, 11600.0, 30.0), (19000.0, 18700.0, 75.0))
VOLTAGE_KV, CS_MM, AMPLITUDE_CONTRAST = 300.0, 2.7, 0.1
SNR = 0.06
"""Signal (as the CTF leaves it) over noise variance in the box of a particle: just seen by eye."""
OFFSET_PX = 9.0
JITTER_DEG = 2.0
PICKING_PX = 1.5
GREY, GREY_SD = 120.0, 12.0
"""Mean and noise of the micrographs, in counts."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Which particle stands where, and what the classes show.

    Parameters
    ----------
    kinds : list of str
        What each class shows, one of :data:`KINDS`.
    class_angles : ndarray, shape (classes, 3)
        rot, tilt, psi in degrees.
    class_offsets_px : ndarray, shape (classes, 2)
        ``(x, y)`` at which the particle stands in the class average, from its centre.
    member_of : ndarray of int64, shape (n,)
        Class of each particle, from 0.
    turns_deg : ndarray, shape (n,)
        psi of each particle towards its class average.
    angles : ndarray, shape (n, 3)
        rot, tilt, psi of each particle in degrees.
    micrograph : ndarray of int64, shape (n,)
        Micrograph of each particle, from 0.
    centres_px : ndarray, shape (n, 2)
        ``(x, y)`` where each particle truly stands.
    picks_px : ndarray, shape (n, 2)
        ``(x, y)`` where it was picked, whole pixels.
    """

    kinds: list[str]
    class_angles: F64
    class_offsets_px: F64
    member_of: NDArray[np.int64]
    turns_deg: F64
    angles: F64
    micrograph: NDArray[np.int64]
    centres_px: F64
    picks_px: F64
    box: int
    pixel_size_A: float

    @property
    def origins_px(self) -> F64:
        """What is to be added to each cut-out particle to centre it, shape (n, 2)."""
        return np.asarray(self.picks_px - self.centres_px)

    @property
    def class_origins_px(self) -> F64:
        """The same towards the class average, which may itself show the particle off its centre."""
        psi = np.radians(self.turns_deg)
        x, y = self.class_offsets_px[self.member_of].T
        turned = np.stack([np.cos(psi) * x + np.sin(psi) * y, -np.sin(psi) * x + np.cos(psi) * y], axis=1)
        return np.asarray(self.origins_px + turned)

    def of_kind(self, kind: str) -> NDArray[np.int64]:
        """Return the particles whose class shows ``kind``."""
        return np.flatnonzero(np.array(self.kinds)[self.member_of] == kind)


def volume_of(kind: str) -> str:
    """Return the name of the map that a kind of class shows; empty if it shows none."""
    return {"target": "target", "off-centre": "target", "monomer": "monomer", "other": "other"}.get(kind, "")


def plan_particles(rng: np.random.Generator, projectors: Mapping[str, Projector]) -> Plan:
    """Choose views, classes and places."""
    box, pixel = projectors["target"].box, projectors["target"].pixel_size_A
    kinds = [kind for kind, count in KINDS.items() for _ in range(count)]
    order = rng.permutation(len(kinds))
    kinds = [kinds[i] for i in order]
    n_classes, n = len(kinds), N_MICROGRAPHS * PER_MICROGRAPH
    class_angles = _spread_views(n_classes, rng)
    heading = rng.uniform(0, 2 * np.pi, n_classes)
    offsets = OFFSET_PX * np.stack([np.cos(heading), np.sin(heading)], axis=1)
    offsets[[kind != "off-centre" for kind in kinds]] = 0

    popularity = rng.gamma(4.0, size=n_classes)
    chosen = rng.choice(n_classes, n - n_classes, p=popularity / popularity.sum())
    member_of = rng.permutation(np.concatenate([np.arange(n_classes), chosen]))
    angles = class_angles[member_of] + rng.normal(0, JITTER_DEG, (n, 3)) * [1, 1, 0]
    turns = rng.uniform(-180, 180, n)
    angles[:, 2] = conventions.wrap_degrees(angles[:, 2] + turns)
    centres = np.concatenate([_places(rng, box) for _ in range(N_MICROGRAPHS)])
    return Plan(
        kinds=kinds,
        class_angles=class_angles,
        class_offsets_px=offsets,
        member_of=member_of,
        turns_deg=turns,
        angles=angles,
        micrograph=np.repeat(np.arange(N_MICROGRAPHS), PER_MICROGRAPH),
        centres_px=centres,
        picks_px=np.round(centres + rng.normal(0, PICKING_PX, centres.shape)),
        box=box,
        pixel_size_A=pixel,
    )


def _spread_views(n: int, rng: np.random.Generator) -> F64:
    """Return angles of ``n`` directions on a golden spiral, in random order."""
    i = rng.permutation(n) + 0.5
    tilt = np.degrees(np.arccos(1 - 2 * i / n))
    rot = np.degrees(np.pi * (1 + 5**0.5) * i)
    return np.stack([conventions.wrap_degrees(rot), tilt, rng.uniform(-180, 180, n)], axis=1)


def _places(rng: np.random.Generator, box: int) -> F64:
    """Return the places of a micrograph's particles, thrown at random and kept where there is room."""
    places: list[F64] = []
    margin = box // 2 + 8
    while len(places) < PER_MICROGRAPH:
        place = rng.uniform(margin, EDGE - margin, 2)
        if not places or np.hypot(*(np.array(places) - place).T).min() >= APART_PX:
            places.append(place)
    return np.array(places)


class Micrographs:
    """The micrographs, and the particles cut out of them.

    Parameters
    ----------
    plan : Plan
        Which particle stands where.
    projectors : mapping of str to Projector
        By the names that :func:`volume_of` returns.
    rng : numpy.random.Generator
        For the noise.
    check : callable
        Raises to stop.
    """

    def __init__(self, plan: Plan, projectors: Mapping[str, Projector], rng: np.random.Generator, check: Check) -> None:
        self.plan, self.rng, self.check = plan, rng, check
        u, v, angle = np.array(DEFOCUS_A).T
        self.contrast = ctf.CTF(
            defocus_u_A=u,
            defocus_v_A=v,
            defocus_angle_deg=angle,
            voltage_kV=VOLTAGE_KV,
            cs_mm=CS_MM,
            amplitude_contrast=AMPLITUDE_CONTRAST,
        )
        self.tiles, self.corners = self._tiles(projectors)
        seen = np.isin(np.array(plan.kinds)[plan.member_of], ["target", "off-centre"])
        first = ctf.transfer(self.contrast.take([0]), plan.box, plan.pixel_size_A)
        sample = fft.irfft2(fft.rfft2(self.tiles[seen]) * first, (plan.box, plan.box))
        self.noise_sd = float(np.sqrt(sample.var(axis=(1, 2)).mean() / SNR))

    def _tiles(self, projectors: Mapping[str, Projector]) -> tuple[F32, NDArray[np.int64]]:
        """Return the particles without CTF or noise, moved by the fraction of a pixel, and their corners ``(x, y)``."""
        plan = self.plan
        whole = np.round(plan.centres_px).astype(np.int64)
        tiles = np.zeros((len(whole), plan.box, plan.box), np.float32)
        matrices = conventions.euler_to_matrix(*plan.angles.T)
        for kind in KINDS:
            rows = plan.of_kind(kind)
            if volume_of(kind) and len(rows):
                shifts = whole[rows] - plan.centres_px[rows]
                tiles[rows] = projectors[volume_of(kind)].project(matrices[rows], shifts)
        strength = float(tiles.max())
        for row in plan.of_kind("junk"):
            tiles[row] = 2 * strength * _dirt(plan.box, self.rng)
        return tiles, whole - plan.box // 2

    def write(self, folder: Path) -> None:
        """Write ``micrograph_1.mrc`` … and ``particles.mrcs``."""
        plan, half = self.plan, self.plan.box // 2
        with mrc.StackWriter(folder / "particles.mrcs", (plan.box, plan.box), plan.pixel_size_A) as stack:
            for number in range(N_MICROGRAPHS):
                self.check()
                image = self._micrograph(number)
                with mrc.StackWriter(folder / f"micrograph_{number + 1}.mrc", image.shape, plan.pixel_size_A) as writer:
                    writer.append(image)
                corners = plan.picks_px[plan.micrograph == number].astype(int) - half
                cut = np.stack([image[y : y + plan.box, x : x + plan.box] for x, y in corners])
                stack.append(normalised(-cut))

    def _micrograph(self, number: int) -> F32:
        """Return a micrograph in counts: dark particles on a light, slightly uneven ground."""
        signal = np.zeros((EDGE, EDGE), np.float32)
        box = self.plan.box
        for row in np.flatnonzero(self.plan.micrograph == number):
            x, y = self.corners[row]
            signal[y : y + box, x : x + box] += self.tiles[row]
        one = self.contrast.take([number])
        seen = fft.irfft2(fft.rfft2(signal[None]) * ctf.transfer(one, EDGE, self.plan.pixel_size_A), (EDGE, EDGE))[0]
        noise = self.rng.standard_normal((EDGE, EDGE), dtype=np.float32)
        thickness = ndimage.zoom(self.rng.normal(0, 0.15, (5, 5)), EDGE / 5, order=3)
        counts: F32 = (GREY - GREY_SD * (seen / self.noise_sd + noise + thickness)).astype(np.float32)
        return counts


def _dirt(box: int, rng: np.random.Generator) -> F32:
    """Return a picture of contamination between 0 and 1: a few large lumps."""
    y, x = np.mgrid[:box, :box] - box // 2
    lumps = rng.normal(0, box / 7, (7, 2))
    sizes = rng.uniform(box / 26, box / 11, 7)
    heights = [np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * s * s)) for (a, b), s in zip(lumps, sizes, strict=True)]
    image = np.sum(heights, axis=0) * _disc(box, box * 0.40, box * 0.05)
    return np.asarray(image / image.max(), np.float32)


def _disc(box: int, radius: float, edge: float) -> F64:
    """Return a disc about ``box // 2``, 1 inside and falling to 0 over ``edge`` pixels."""
    y, x = np.ogrid[:box, :box]
    distance = np.hypot(x - box // 2, y - box // 2)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * np.clip((distance - radius) / edge, 0, 1)))


def normalised(images: F32) -> F32:
    """Return images with mean 0 and standard deviation 1 outside the inscribed disc, as RELION prepares them."""
    _, h, w = images.shape
    y, x = np.ogrid[:h, :w]
    outside = np.hypot(x - w // 2, y - h // 2) > min(h, w) // 2
    ground = images[:, outside]
    mean, sd = ground.mean(axis=1, dtype=np.float64), ground.std(axis=1, dtype=np.float64)
    return np.asarray((images - mean[:, None, None]) / sd[:, None, None], np.float32)


class ClassAverages:
    """The class averages: views of a little spread, blurred as by imperfect alignment, with what noise is left."""

    def __init__(self, plan: Plan, projectors: Mapping[str, Projector], rng: np.random.Generator, check: Check) -> None:
        self.plan, self.projectors, self.rng, self.check = plan, projectors, rng, check

    def write(self, folder: Path) -> None:
        """Write ``classes.mrcs``."""
        plan = self.plan
        clean = np.stack([self._clean(k) for k in range(len(plan.kinds))])
        strength = float(clean[[kind == "target" for kind in plan.kinds]].std(axis=(1, 2)).mean())
        members = np.bincount(plan.member_of, minlength=len(plan.kinds))
        noise = self.rng.standard_normal(clean.shape) / np.sqrt(members)[:, None, None]
        noise = ndimage.gaussian_filter(noise, (0, 1.6, 1.6)) * 6
        mask = _disc(plan.box, plan.box * 0.44, plan.box * 0.05)
        images = (clean / strength + 0.25 * noise) * mask
        with mrc.StackWriter(folder / "classes.mrcs", (plan.box, plan.box), plan.pixel_size_A) as stack:
            stack.append(images.astype(np.float32))

    def _clean(self, number: int, views: int = 12) -> F64:
        self.check()
        plan, kind = self.plan, self.plan.kinds[number]
        if kind == "junk":
            return np.asarray(ndimage.gaussian_filter(_dirt(plan.box, self.rng) * self._strength(), 4.0))
        if not volume_of(kind):
            return np.zeros((plan.box, plan.box))
        angles = plan.class_angles[number] + self.rng.normal(0, 1.5 * JITTER_DEG, (views, 3))
        shifts = self.rng.normal(0, 0.6, (views, 2)) - plan.class_offsets_px[number]
        images = self.projectors[volume_of(kind)].project(conventions.euler_to_matrix(*angles.T), shifts)
        average = np.asarray(ndimage.gaussian_filter(images.mean(axis=0, dtype=np.float64), 1.0))
        return np.asarray(average - average[_disc(plan.box, plan.box * 0.44, 1) < 0.5].mean())

    def _strength(self) -> float:
        top = self.projectors["target"].project(np.eye(3)[None])
        return float(top.max())
