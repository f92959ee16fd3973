"""The contrast transfer function of the microscope, with RELION's sign.

``CTF(k) = -sin(chi(k))``, ``chi = pi/2 Cs lambda³ k⁴ - pi lambda dz(angle) k² - phase_shift - atan(q0/sqrt(1-q0²))``,
underfocus ``dz`` positive. It starts at ``+q0`` and rises: it is meant for white-on-dark particles, as
projections of a map are. A micrograph as recorded, dark on bright, is the negative of that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emviewer.engine.errors import ParameterError
from emviewer.engine.kernels_ctf import fill_transfer
from emviewer.engine.types import F32, F64


@dataclass(frozen=True, eq=False)
class CTF:
    """Parameters of ``n`` contrast transfer functions; scalars stand for all of them.

    Parameters
    ----------
    defocus_u_A, defocus_v_A : array_like, shape (n,)
        Underfocus in Å along the axis at ``defocus_angle_deg`` and across it (``rlnDefocusU``, ``rlnDefocusV``).
    defocus_angle_deg : array_like
        Angle of the first axis from the image's x axis towards its y axis, in degrees.
    voltage_kV, cs_mm, amplitude_contrast : array_like
        Acceleration voltage, spherical aberration, and fraction of amplitude contrast (0…1).
    phase_shift_deg : array_like
        Phase shift of a phase plate in degrees.
    b_factor_A2 : array_like
        B factor in Å² of the envelope ``exp(-B k² / 4)``.

    Raises
    ------
    ParameterError
        A parameter outside its bounds, not finite, or lengths that do not agree.
    """

    defocus_u_A: ArrayLike
    defocus_v_A: ArrayLike
    defocus_angle_deg: ArrayLike = 0.0
    voltage_kV: ArrayLike = 300.0
    cs_mm: ArrayLike = 2.7
    amplitude_contrast: ArrayLike = 0.1
    phase_shift_deg: ArrayLike = 0.0
    b_factor_A2: ArrayLike = 0.0

    def __post_init__(self) -> None:
        try:
            table = self.table()
        except ValueError as err:
            raise ParameterError("CTF parameters of different lengths", "CTF", "give one value or one a view") from err
        if not np.isfinite(table).all():
            raise ParameterError("a CTF parameter is not a number", "CTF")
        if (table[:, 3] <= 0).any():
            raise ParameterError("the voltage is not positive", "--kv", "give it in kV, as 200 or 300")
        if ((table[:, 5] < 0) | (table[:, 5] > 1)).any():
            raise ParameterError("the amplitude contrast is outside 0…1", "--q0", "give a fraction such as 0.1")

    def table(self) -> F64:
        """Return the parameters as (n, 8), columns in the order of the class."""
        columns = np.broadcast_arrays(
            *(
                np.atleast_1d(np.asarray(value, np.float64))
                for value in (
                    self.defocus_u_A,
                    self.defocus_v_A,
                    self.defocus_angle_deg,
                    self.voltage_kV,
                    self.cs_mm,
                    self.amplitude_contrast,
                    self.phase_shift_deg,
                    self.b_factor_A2,
                )
            )
        )
        return np.stack(columns, axis=1)

    def __len__(self) -> int:
        return len(self.table())

    def take(self, ids: ArrayLike | slice) -> CTF:
        """Return the CTFs of the given rows."""
        rows = self.table()[ids if isinstance(ids, slice) else np.asarray(ids)]
        return CTF(*rows.T)


def wavelength_A(voltage_kV: ArrayLike) -> F64:
    """Return the relativistic wavelength of electrons in Å (0.0197 at 300 kV)."""
    volts = np.asarray(voltage_kV, np.float64) * 1e3
    return np.asarray(12.2643247 / np.sqrt(volts * (1 + volts * 0.978466e-6)))


def transfer(ctf: CTF, box: int, pixel_size_A: float) -> F32:
    """Return contrast transfer functions over the half plane of frequencies.

    Parameters
    ----------
    ctf : CTF
        Parameters of n functions.
    box : int
        Edge of the images in pixels.
    pixel_size_A : float
        Pixel size in Å.

    Returns
    -------
    ndarray of float32, shape (n, box, box // 2 + 1)
        Frequencies in FFT order along y, from 0 along x. Equal CTFs are one array shown n times (read only).
    """
    table = ctf.table()
    alike = bool((table == table[0]).all())
    rows = table[:1] if alike else table
    out = np.empty((len(rows), box, box // 2 + 1), np.float32)
    fill_transfer(_physics(rows), box, float(pixel_size_A), out)
    return np.broadcast_to(out, (len(table), *out.shape[1:])) if alike else out


def _physics(table: F64) -> NDArray[np.float64]:
    u, v, angle, voltage, cs, q0, shift, b_factor = table.T
    phase = np.arcsin(q0) + np.deg2rad(shift)
    columns = [(u + v) / 2, (u - v) / 2, np.deg2rad(angle), wavelength_A(voltage), cs * 1e7, phase, b_factor]
    return np.ascontiguousarray(np.stack(columns, axis=1))
