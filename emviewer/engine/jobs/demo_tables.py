"""The tables of the example, as RELION writes them: particles, class averages with members, micrographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from emviewer.engine import star
from emviewer.engine.ctf import CTF
from emviewer.engine.jobs.demo_images import AMPLITUDE_CONTRAST, CS_MM, VOLTAGE_KV, Plan
from emviewer.engine.types import F64


def write(folder: Path, plan: Plan, contrast: CTF) -> None:
    """Write all tables of the example."""
    star.write_particles(folder / "particles.star", _particles(plan, contrast), _optics(plan))
    star.write_particles(folder / "classes_data.star", _members(plan, contrast), _optics(plan))
    star.write_star(folder / "classes_model.star", _model(plan))
    star.write_star(folder / "micrographs.star", _micrographs(plan, contrast))
    truth = pd.DataFrame({"class": np.arange(len(plan.kinds)) + 1, "kind": plan.kinds})
    truth[["rot_deg", "tilt_deg", "psi_deg"]] = plan.class_angles
    truth[["offset_x_px", "offset_y_px"]] = plan.class_offsets_px
    truth.to_csv(folder / "classes_truth.csv", index=False, float_format="%.4f")


def _optics(plan: Plan, images: bool = True) -> pd.DataFrame:
    columns: dict[str, list[object]] = {
        "rlnOpticsGroupName": ["opticsGroup1"],
        "rlnOpticsGroup": [1],
        "rlnMicrographOriginalPixelSize": [plan.pixel_size_A],
        "rlnVoltage": [VOLTAGE_KV],
        "rlnSphericalAberration": [CS_MM],
        "rlnAmplitudeContrast": [AMPLITUDE_CONTRAST],
    }
    if images:
        columns |= {
            "rlnImagePixelSize": [plan.pixel_size_A],
            "rlnImageSize": [plan.box],
            "rlnImageDimensionality": [2],
            "rlnCtfDataAreCtfPremultiplied": [0],
        }
    else:
        columns |= {"rlnMicrographPixelSize": [plan.pixel_size_A]}
    return pd.DataFrame(columns)


def _common(plan: Plan, contrast: CTF) -> pd.DataFrame:
    n = len(plan.member_of)
    at = plan.micrograph
    return pd.DataFrame(
        {
            "rlnCoordinateX": plan.picks_px[:, 0],
            "rlnCoordinateY": plan.picks_px[:, 1],
            "rlnImageName": [f"{i + 1:06d}@particles.mrcs" for i in range(n)],
            "rlnMicrographName": [f"micrograph_{m + 1}.mrc" for m in at],
            "rlnOpticsGroup": np.ones(n, int),
            "rlnDefocusU": np.asarray(contrast.defocus_u_A)[at],
            "rlnDefocusV": np.asarray(contrast.defocus_v_A)[at],
            "rlnDefocusAngle": np.asarray(contrast.defocus_angle_deg)[at],
            "rlnClassNumber": plan.member_of + 1,
        }
    )


def _with_shift(table: pd.DataFrame, origins_px: F64, pixel_size_A: float) -> pd.DataFrame:
    return table.assign(
        rlnOriginXAngst=origins_px[:, 0] * pixel_size_A, rlnOriginYAngst=origins_px[:, 1] * pixel_size_A
    )


def _particles(plan: Plan, contrast: CTF) -> pd.DataFrame:
    """Return the particles with their true 3D poses."""
    rot, tilt, psi = plan.angles.T
    table = _common(plan, contrast).assign(rlnAngleRot=rot, rlnAngleTilt=tilt, rlnAnglePsi=psi)
    return _with_shift(table, plan.origins_px, plan.pixel_size_A)


def _members(plan: Plan, contrast: CTF) -> pd.DataFrame:
    """Return the particles as members of their classes: in-plane angle and shift towards the class average."""
    table = _common(plan, contrast).assign(rlnAnglePsi=plan.turns_deg)
    return _with_shift(table, plan.class_origins_px, plan.pixel_size_A)


def _model(plan: Plan) -> dict[str, pd.DataFrame]:
    n = len(plan.kinds)
    general = pd.DataFrame(
        {
            "rlnReferenceDimensionality": [2],
            "rlnDataDimensionality": [2],
            "rlnOriginalImageSize": [plan.box],
            "rlnPixelSize": [plan.pixel_size_A],
            "rlnNrClasses": [n],
        }
    )
    general.attrs["loop"] = False
    share = np.bincount(plan.member_of, minlength=n) / len(plan.member_of)
    classes = pd.DataFrame(
        {
            "rlnReferenceImage": [f"{k + 1:06d}@classes.mrcs" for k in range(n)],
            "rlnClassDistribution": share,
            "rlnEstimatedResolution": np.where(share > 0, 9.0, 999.0),
        }
    )
    return {"model_general": general, "model_classes": classes}


def _micrographs(plan: Plan, contrast: CTF) -> dict[str, pd.DataFrame]:
    u, v, angle = (np.asarray(a) for a in (contrast.defocus_u_A, contrast.defocus_v_A, contrast.defocus_angle_deg))
    micrographs = pd.DataFrame(
        {
            "rlnMicrographName": [f"micrograph_{m + 1}.mrc" for m in range(len(u))],
            "rlnOpticsGroup": np.ones(len(u), int),
            "rlnDefocusU": u,
            "rlnDefocusV": v,
            "rlnDefocusAngle": angle,
        }
    )
    return {"optics": _optics(plan, images=False), "micrographs": micrographs}
