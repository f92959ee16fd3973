"""Time and quality of the grids of directions: even, HEALPix and Xmipp's, as a markdown table.

Times are the least of three runs of one thread. The radius is the covering radius (promise: at most 0.75 steps), the
separation that of the closest pair (promise: at least 0.6 steps), both modulo the group and in steps.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from emviewer.engine import sampling
from emviewer.engine.symmetry import point_group

GROUPS = ("C1", "D2", "I2")
STEPS = (1.0, 2.0, 5.0)
EXTREMES = ("C1", "C7v", "C99", "S6", "D7", "D99h", "T", "Td", "O", "Oh", "I2", "I2h")


def least_time(work: Callable[[], object], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        sampling._KEPT.clear()
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times)


def main() -> None:
    print("| grid | group | step ° | views | radius / step | separation / step | make s | quality s |")
    print("|---|---|---|---|---|---|---|---|")
    for make in (sampling.even, sampling.healpix, sampling.xmipp):
        for name in GROUPS:
            group = point_group(name)
            for step in STEPS:
                angles = make(step, group)
                radius, separation = sampling.quality(angles, group)
                made = least_time(lambda make=make, step=step, group=group: make(step, group))
                judged = least_time(lambda angles=angles, group=group: sampling.quality(angles, group))
                print(
                    f"| {make.__name__} | {name} | {step:g} | {len(angles)} | {radius / step:.3f} | "
                    f"{separation / step:.3f} | {made:.3f} | {judged:.3f} |"
                )
    print("\n`even` over groups and steps, worst of each group:\n")
    print("| group | steps ° | radius / step | separation / step |")
    print("|---|---|---|---|")
    steps = (3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0)
    for name in EXTREMES:
        found = [(s, *sampling.quality(sampling.even(s, name), name)) for s in steps]
        radius, separation = max(r / s for s, r, _ in found), min(p / s for s, _, p in found)
        print(f"| {name} | 3…90 | {radius:.3f} | {separation:.3f} |")


if __name__ == "__main__":
    main()
