"""Densities and images made by the program: atoms or phantoms into maps, noise onto images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import kernels_splat, threads
from emviewer.engine.errors import DataError, ParameterError
from emviewer.engine.model import Model
from emviewer.engine.simulate_phantom import PHANTOMS, GaussianPhantom, phantom, phantom_blobs
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64, Map3D

__all__ = ["PHANTOMS", "GaussianPhantom", "add_noise", "density_from_model", "phantom", "phantom_blobs"]

VOLT_A2 = 47.87801
"""h²/(2π m e) in V·Å²: turns electron scattering factors (Å) into electrostatic potential (V)."""

LARGEST_BOX = 1024
"""Edge of the largest map that is made from atoms (4 GiB)."""


def electron_factors(elements: Sequence[str]) -> tuple[F64, F64]:
    """Return the electron scattering factors ``f(s) = sum a exp(-b s²/4)`` of elements.

    Parameters
    ----------
    elements : sequence of str
        Chemical symbols; one that has no table counts as carbon.

    Returns
    -------
    a, b : ndarray of float64, shape (len(elements), 5)
        In Å and Å² (table 4.3.2.2 of International Tables C, through gemmi).
    """
    import gemmi

    found = [gemmi.Element(symbol) for symbol in elements]
    known = [e if e.atomic_number > 0 and sum(e.c4322.a) > 0 else gemmi.Element("C") for e in found]
    table = np.array([e.c4322.get_coefs() for e in known]).reshape(len(known), 2, 5)
    return table[:, 0], table[:, 1]


def density_from_model(
    model: Model,
    resolution_A: float,
    pixel_size_A: float | None = None,
    box: int | None = None,
    check: Check = never,
    *,
    frame: str = "centre",
) -> Map3D:
    """Turn atoms into the electrostatic potential that electrons see, at a resolution.

    Each atom is the sum of five Gaussians of its electron scattering factor, blurred by a Gaussian whose transform
    falls to 1/e at ``1 / resolution_A`` (sigma = resolution / (pi sqrt 2), the definition of ChimeraX's ``molmap``).
    Occupancies count; temperature factors do not, so that the resolution alone says how sharp the map is.

    Parameters
    ----------
    model : Model
        Atoms in Å.
    resolution_A : float
        Resolution in Å.
    pixel_size_A : float, optional
        Edge of a voxel; a third of the resolution unless given.
    box : int, optional
        Edge of the cubic map in voxels; unless given the least even product of small primes that holds the model
        in every orientation.
    check : callable
        Called now and then; raises to stop.
    frame : {"centre", "model"}
        What stands on voxel ``box // 2``: the centre of mass (of scattering), or the model's own zero.

    Returns
    -------
    Map3D
        In volts above vacuum; ``origin_A`` puts it over the model in ChimeraX.

    Raises
    ------
    ParameterError
        A resolution or pixel size that is not positive or too coarse, or a box beyond 1024.
    DataError
        No atoms, or coordinates that are not numbers.
    """
    pixel = resolution_A / 3 if pixel_size_A is None else float(pixel_size_A)
    _check_model(model, resolution_A, pixel)
    symbols, kinds = np.unique(np.asarray(model.elements, dtype=str), return_inverse=True)
    a, b = electron_factors([str(s) for s in symbols])
    weights = np.asarray(model.occupancy, float)
    positions = np.asarray(model.positions_A, float)
    mass = weights * a.sum(axis=1)[kinds]
    centre = np.average(positions, axis=0, weights=mass) if frame == "centre" and mass.sum() > 0 else np.zeros(3)

    spread = b + 4 * resolution_A**2
    reach = 4 * np.sqrt(spread.max(axis=1) / (8 * np.pi**2))
    extent = float(np.linalg.norm(positions - centre, axis=1).max() + reach.max())
    edge = box or _good_size(2 * extent / pixel + 2)
    if edge > LARGEST_BOX:
        raise ParameterError(
            f"the model at {pixel:.3g} Å a voxel needs a box of {edge}", model.source or "", "take a larger pixel size"
        )
    tables = VOLT_A2 * a * (4 * np.pi / spread) ** 1.5, (4 * np.pi**2 / spread) * pixel**2, reach / pixel
    data = _splat(edge, (positions - centre) / pixel + edge // 2, kinds, weights, tables, check)
    notes = () if box is None or 2 * extent <= edge * pixel else (f"the model reaches beyond a box of {edge} voxels",)
    x, y, z = (centre - pixel * (edge // 2)).tolist()
    return Map3D(data, pixel, (x, y, z), source=model.source, name=model.name, notes=(*model.notes, *notes))


def _splat(
    edge: int, places: F64, kinds: NDArray[np.integer], weights: F64, tables: tuple[F64, F64, F64], check: Check
) -> F32:
    """Return a cube with the Gaussians of atoms added: heights (volts), steepness (per voxel²), reach by kind."""
    data = np.zeros((edge, edge, edge), np.float32)
    order = np.argsort(places[:, 2])
    heights, steepness, reach = np.ascontiguousarray(tables[0]), np.ascontiguousarray(tables[1]), tables[2]
    places, kinds, weights = np.ascontiguousarray(places[order]), kinds[order].astype(np.int64), weights[order]

    def work(start: int, stop: int) -> None:
        check()
        near = slice(*np.searchsorted(places[:, 2], [start - reach.max(), stop + reach.max()]))
        kernels_splat.splat(data, start, stop, places[near], kinds[near], weights[near], heights, steepness, reach)

    threads.each_chunk(work, edge, 8)
    return data


def _check_model(model: Model, resolution_A: float, pixel: float) -> None:
    where = model.source or ""
    if not (np.isfinite(resolution_A) and resolution_A > 0):
        raise ParameterError(f"resolution {resolution_A} Å is not positive", where)
    if not (np.isfinite(pixel) and 0 < pixel <= resolution_A / 1.99):
        raise ParameterError(
            f"a pixel size of {pixel:.3g} Å cannot hold {resolution_A:.3g} Å", where, "take at most half the resolution"
        )
    if len(model.positions_A) == 0:
        raise DataError("the model has no atoms", where)
    if not np.isfinite(model.positions_A).all():
        raise DataError("coordinates that are not numbers", where, "mend the model")


def _good_size(least: float) -> int:
    """Return the least even number, at least ``least``, that transforms fast."""
    from scipy.fft import next_fast_len  # costs 0.2 s, which maps that are files need not spend

    return 2 * int(next_fast_len(int(np.ceil(max(least, 8) / 2)), real=True))


def add_noise(
    images: F32, snr: float, rng: np.random.Generator, *, radius_px: float | None = None, variance: float | None = None
) -> F32:
    """Return images with white Gaussian noise.

    Parameters
    ----------
    images : ndarray of float32, shape (n, h, w)
        Images without noise; not changed.
    snr : float
        Variance of the signal over variance of the noise.
    rng : numpy.random.Generator
        Where the noise comes from.
    radius_px : float, optional
        Take the signal's variance in the disc of this radius about ``n // 2`` only; the whole box unless given.
    variance : float, optional
        The signal's variance, where it is known beforehand (so that all batches of a set get the same noise);
        the mean over these images unless given.

    Raises
    ------
    ParameterError
        A ratio that is not positive.
    """
    if not (np.isfinite(snr) and snr > 0):
        raise ParameterError(f"a signal-to-noise ratio of {snr} is not positive", "--snr")
    if variance is None:
        variance = signal_variance(images, radius_px)
    noise = rng.standard_normal(images.shape, dtype=np.float32)
    noise *= np.float32(np.sqrt(variance / snr))
    noise += images
    return noise


def signal_variance(images: F32, radius_px: float | None = None) -> float:
    """Return the mean over images of the variance within the box, or within the disc of ``radius_px``."""
    n, h, w = images.shape
    inside: NDArray[np.bool_] = np.ones((h, w), bool)
    if radius_px is not None:
        y, x = np.ogrid[:h, :w]
        inside = (y - h // 2) ** 2 + (x - w // 2) ** 2 <= radius_px**2
    return float(images[:, inside].var(axis=1, dtype=np.float64).mean()) if n else 0.0
