"""Transforms against numpy's, and a plan cache that threads share and that survives a bad cache folder."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

from emviewer.engine import fft


@pytest.mark.parametrize("shape", [(8,), (9,), (6, 7), (4, 5, 6), (3, 4, 9)])
def test_transforms_agree_with_numpy(shape):
    data = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = fft.rfftn(data)
    assert found.dtype == np.complex64
    np.testing.assert_allclose(found, np.fft.rfftn(data), atol=1e-4)
    back = fft.irfftn(found, shape)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, data, atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 8, 9), (2, 3, 7, 6), (8, 8)])
def test_images_are_transformed_one_by_one(shape):
    data = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = fft.rfft2(data)
    np.testing.assert_allclose(found, np.fft.rfft2(data), atol=1e-4)
    np.testing.assert_allclose(fft.irfft2(found, shape[-2:]), data, atol=1e-5)


def test_the_input_of_an_inverse_is_kept():
    half = fft.rfftn(np.random.default_rng(0).normal(size=(6, 6)).astype(np.float32))
    before = half.copy()
    fft.irfftn(half, (6, 6))
    np.testing.assert_array_equal(half, before)


def test_what_was_measured_is_kept_in_the_cache_folder(tmp_path):
    code = (
        "from emviewer.engine import fft\n"
        "with fft.lend('c2r', (2, 12, 12), (1, 2), measure=True): pass\n"
        "import pyfftw; print(len(pyfftw.export_wisdom()[1]))"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"EMVIEWER_CACHE": str(tmp_path)},
            check=True,
            capture_output=True,
            text=True,
        )
    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes().startswith(b"(fftw")
    assert len(kept.read_bytes()) == int(done.stdout)


def test_complex_plans_work_in_place_and_are_not_scaled():
    data = np.random.default_rng(0).normal(size=(6, 5)) + 1j
    with fft.lend("forward", (6, 5), (0,)) as plan:
        plan.input[:] = data
        plan.run()
        assert plan.output is plan.input
        np.testing.assert_allclose(plan.output, np.fft.fft(data, axis=0), atol=1e-5)
        there = plan.output.copy()
    with fft.lend("backward", (6, 5), (0,)) as plan:
        plan.input[:] = there
        plan.run()
        np.testing.assert_allclose(plan.output, 6 * data, atol=1e-4)


def test_two_borrowers_never_share_a_plan():
    with fft.lend("r2c", (4, 8), (1,)) as a, fft.lend("r2c", (4, 8), (1,)) as b:
        assert a is not b
        assert not np.shares_memory(a.input, b.input)
    with fft.lend("r2c", (4, 8), (1,)) as c:
        assert c is a or c is b


def test_threads_get_right_answers_together():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(8, 16, 16)).astype(np.float32)
    wrong = []

    def work(i: int) -> None:
        for _ in range(50):
            if np.abs(fft.rfft2(data[i], 1) - np.fft.rfft2(data[i])).max() > 1e-3:
                wrong.append(i)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_plans_of_a_thousand_shapes_do_not_pile_up():
    fft.forget()
    for n in range(2, 120):
        with fft.lend("r2c", (n,), (0,)):
            pass
    assert sum(map(len, fft._free.values())) <= fft.KEEP_PLANS


@pytest.mark.parametrize(
    ("n", "even", "size"), [(1, False, 1), (11, False, 12), (127, False, 128), (13, True, 14), (65, True, 70)]
)
def test_fast_sizes(n, even, size):
    assert fft.fast_size(n, even) == size


@pytest.mark.parametrize("content", [b"rubbish", b"(fftw-3.3.5 fftwf_wisdom #x1 #x2", b"\xff\x00" * 50, None])
def test_wisdom_that_is_damaged_or_cannot_be_kept_does_no_harm(tmp_path, content):
    place = tmp_path / "cache"
    if content is None:
        place.write_text("a file where the folder should be")
    else:
        place.mkdir()
        code = "import os, pyfftw; print(f'fftw-{pyfftw.__version__}-{os.cpu_count()}.wisdom')"
        name = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        (place / name).write_bytes(content)
    code = (
        "from emviewer.engine import fft\n"
        "with fft.lend('r2c', (2, 12, 12), (1, 2), measure=True) as plan:\n"
        "    plan.input[:] = 1; plan.run(); assert abs(plan.output[1, 0, 0] - 144) < 1e-3"
    )
    subprocess.run([sys.executable, "-c", code], env={"EMVIEWER_CACHE": str(place)}, check=True)
