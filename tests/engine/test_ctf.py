"""The contrast transfer function against its formula, RELION's sign and known wavelengths."""

from __future__ import annotations

import numpy as np
import pytest

from emviewer.engine.ctf import CTF, transfer, wavelength_A
from emviewer.engine.errors import ParameterError


def formula(u, v, angle, kv, cs, q0, shift, b, box, pixel):
    ky, kx = np.meshgrid(np.fft.fftfreq(box, pixel), np.fft.rfftfreq(box, pixel), indexing="ij")
    k2, theta = kx**2 + ky**2, np.arctan2(ky, kx) - np.deg2rad(angle)
    defocus = u * np.cos(theta) ** 2 + v * np.sin(theta) ** 2
    wave = wavelength_A(kv)
    chi = np.pi / 2 * cs * 1e7 * wave**3 * k2**2 - np.pi * wave * defocus * k2
    chi -= np.deg2rad(shift) + np.arctan(q0 / np.sqrt(1 - q0**2))
    return -np.sin(chi) * np.exp(-b * k2 / 4)


@pytest.mark.parametrize("box", [64, 65])
def test_agrees_with_the_formula(box):
    rows = [
        (8000, 7000, 30, 300, 2.7, 0.1, 0, 0),
        (25000, 25000, 0, 200, 2.0, 0.07, 90, 80),
        (-3e3, 0, 100, 120, 0, 0, 5, 1),
    ]
    found = transfer(CTF(*np.array(rows, float).T), box, 1.4)
    assert found.dtype == np.float32
    for row, image in zip(rows, found, strict=True):
        np.testing.assert_allclose(image, formula(*row, box, 1.4), atol=2e-5)


def test_starts_at_the_amplitude_contrast_and_rises_for_white_particles():
    found = transfer(CTF(10000, 10000, amplitude_contrast=0.1), 256, 1.0)[0]
    assert found[0, 0] == pytest.approx(0.1, abs=1e-6)
    first = np.flatnonzero(found[0] < 0)[0]
    assert (np.diff(found[0, : first // 2]) > 0).all()
    assert found[0, :first].max() == pytest.approx(1, abs=1e-2)


def test_first_zero_is_where_the_defocus_puts_it():
    found = transfer(CTF(15000, 15000, amplitude_contrast=0.0, cs_mm=0.0), 1024, 1.0)[0, 0]
    zero = np.flatnonzero(found[1:] < 0)[0] + 1
    expected = 1 / np.sqrt(wavelength_A(300) * 15000)
    assert zero / 1024 == pytest.approx(float(expected), abs=1.5 / 1024)


def test_astigmatism_turns_from_x_towards_y():
    found = transfer(CTF(12000, 9000, 0), 128, 1.5)[0]
    turned = transfer(CTF(12000, 9000, 90), 128, 1.5)[0]
    np.testing.assert_allclose(found[0, :64], turned[:64, 0], atol=1e-5)
    assert np.abs(found[0, :64] - found[:64, 0]).max() > 0.1


@pytest.mark.parametrize(("kv", "wavelength"), [(300, 0.019687), (200, 0.025079), (120, 0.033492), (100, 0.037014)])
def test_wavelengths(kv, wavelength):
    assert float(wavelength_A(kv)) == pytest.approx(wavelength, rel=1e-4)


def test_equal_functions_are_made_once():
    found = transfer(CTF([9000] * 5, [8000] * 5), 32, 1.0)
    assert found.shape == (5, 32, 17)
    assert found.strides[0] == 0


def test_take_keeps_the_rows_asked_for():
    ctf = CTF(defocus_u_A=[1.0, 2, 3], defocus_v_A=[4.0, 5, 6], voltage_kV=200)
    np.testing.assert_array_equal(ctf.take([2, 0]).table()[:, :2], [[3, 6], [1, 4]])
    assert len(ctf.take(slice(1, 3))) == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"voltage_kV": 0}, "voltage"),
        ({"amplitude_contrast": 1.5}, "amplitude contrast"),
        ({"cs_mm": np.nan}, "not a number"),
        ({"defocus_angle_deg": [1.0, 2, 3]}, "different lengths"),
    ],
)
def test_wrong_parameters_are_refused_in_words(wrong, said):
    with pytest.raises(ParameterError, match=said):
        CTF(**({"defocus_u_A": [1e4, 1e4], "defocus_v_A": [1e4, 1e4]} | wrong))
