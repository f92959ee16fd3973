"""What the orientation lab says: what a step is waiting for, and in a few words what a result holds."""

from __future__ import annotations

import numpy as np

from emviewer.ui.orientation_read import ERROR, of
from emviewer.ui.workspace import Document

UNSURE = 0.5
"""Confidence below which an image is called unsure."""
EMPTY = {
    "simulate": "Nothing is simulated yet.\n\nRun the form on the left as it stands to make 200 noisy images of a "
    "built-in phantom: their true orientations are kept, so that every later step can be judged by them.\n\n"
    "Own images? Open them, and go to Recover.",
    "distances": "No orientations yet: simulate a set, or recover orientations.",
    "train": "No distance is trained yet.\n\nA small network learns, from projections of your map, how far apart the "
    "views of two images are. It takes some minutes, needs torch, and holds for this one structure.\n\nIt helps where "
    "images are too noisy for Recover alone and a first map is at hand.",
    "recover": "No orientations yet.\n\nChoose class averages or particles on the left and press Run. You will see the "
    "orientations settle, and how sure each image is.",
    "report": "No orientations to judge yet: recover those of a simulated set, or give the true ones to Recover.",
    "reconstruct": "No map yet.\n\nIt comes with recovered orientations; or choose particles whose orientations are "
    "known on the left and press Run.",
}
COMING = "The job has begun; what it finds shows here as soon as there is something to see."
SO_FAR = "A coarse map of the orientations so far; it follows them while they settle"
NO_FORM = {
    "distances": "Nothing to set here: the distances follow from the orientations.",
    "report": "Nothing to set here: errors are told where the truth is known.",
}


def error_words(document: Document) -> str:
    """Return the median error of recovered orientations in words; empty if the truth is not known."""
    table = document.table
    return "" if table is None or ERROR not in table else f"median error {table[ERROR].median():.2f}°"


def summary_words(document: Document) -> str:
    """Return in a few words what a result holds."""
    orient = of(document)
    if orient is None:
        return ""
    s, words = orient.summary, []
    if orient.job == "train-distance":
        badge = s.get("trained_on") or {}
        error = s.get("mae_rad")
        told = [f"trained on {badge['map']}"] if badge.get("map") else []
        return ", ".join(told + ([f"mean error {np.degrees(error):.1f}°"] if isinstance(error, float) else []))
    if document.n_rows:
        words.append(f"{document.n_rows} images")
    sure = s.get("confidence_median")
    if isinstance(sure, float):
        words.append(f"median confidence {sure:.2f}")
    if error_words(document):
        words.append(error_words(document))
    badge = s.get("trained_on")
    if isinstance(badge, dict) and badge.get("map"):
        words.append(f"distances learned on {badge['map']}")
    if isinstance(s.get("snr"), (int, float)):
        words.append(f"SNR {s['snr']:g} in the {s.get('snr_region', 'box')}")
    if isinstance(s.get("fsc_0.143_A"), float):
        words.append(f"halves agree to {s['fsc_0.143_A']:.1f} Å")
    return ", ".join(words)


def doubt_words(document: Document) -> str:
    """Return in sentences what the job doubted, where half of its orientations or more are unsure; else nothing."""
    orient = of(document)
    if orient is None or not orient.summary.get("confidence_median", 1.0) < UNSURE:
        return ""
    doubts = orient.warnings or ("these orientations are not to be relied on",)
    return " ".join(f"{doubt[:1].upper()}{doubt[1:]}." for doubt in doubts)
