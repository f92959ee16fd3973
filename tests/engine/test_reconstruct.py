"""Direct Fourier inversion: known views of a phantom give the phantom back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emviewer.engine.reconstruct import Reconstructor
from emviewer.engine.simulate_phantom import GaussianPhantom
from emviewer.engine.symmetry import point_group


@pytest.mark.parametrize(("box", "group"), [(40, "C1"), (41, "D2")])
def test_known_views_give_the_map_back(box, group):
    rng = np.random.default_rng(0)
    g = point_group(group).rotations
    phantom = GaussianPhantom(rng.uniform(-0.2, 0.2, (20, 3)) * box, rng.uniform(2, 3, 20), rng.uniform(0.5, 1.5, 20))
    phantom = phantom.replicated(g)
    views, shifts = Rotation.random(700 // len(g), random_state=1).as_matrix(), rng.uniform(-3, 3, (700 // len(g), 2))
    images = phantom.project(views, box, shifts).astype(np.float32)
    work = Reconstructor(box, group=g)
    work.add(images, views, shifts)
    found, truth = work.map(), phantom.density(box)
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.999
    assert (found * truth).sum() / (truth * truth).sum() == pytest.approx(1, abs=0.01)
    wrong = Reconstructor(box, group=g)
    wrong.add(images, views, -shifts)
    assert np.corrcoef(wrong.map().ravel(), truth.ravel())[0, 1] < 0.98


def test_weights_and_halves_add_up():
    box = 32
    phantom = GaussianPhantom(np.array([[3.0, -2, 4], [-4, 1, -3]]), np.array([2.0, 2.5]), np.array([1.0, 0.7]))
    views = Rotation.random(200, random_state=2).as_matrix()
    images = phantom.project(views, box).astype(np.float32)
    images[100:] += np.random.default_rng(0).normal(size=images[100:].shape).astype(np.float32) * 20
    work = Reconstructor(box)
    work.add(images, views, weights=np.r_[np.ones(100), np.full(100, 1e-6)])
    clean = Reconstructor(box)
    clean.add(images[:100], views[:100])
    np.testing.assert_allclose(work.map(), clean.map(), atol=2e-2 * np.abs(clean.map()).max())
