"""Writes made-up heads as NIfTI files, as a cohort to try the commands on, and one head more.

Run from the repository's root: `python docs/make_example_heads.py FOLDER`. Leaves
`FOLDER/cohort/<subject>/{mr,ct,mask}.nii.gz` of 16 heads, and `FOLDER/new/{mr,ct,mask}.nii.gz` of
another one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel as nib

from robmednas_tf.data.phantom import Phantom, make_head

NUM_HEADS, SHAPE = 16, (64, 64, 24)


def write(head: Phantom, folder: Path) -> None:
    """Writes a head's volumes into a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for role in ("mr", "ct", "mask"):
        nib.save(nib.Nifti1Image(getattr(head, role), head.affine), folder / f"{role}.nii.gz")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="Where to write.")
    folder = parser.parse_args().folder
    places = [folder / "cohort" / f"head_{number:02d}" for number in range(NUM_HEADS)]
    for number, place in enumerate([*places, folder / "new"]):
        write(make_head(SHAPE, seed=1, subject=number), place)
    print(f"{NUM_HEADS} heads in {folder / 'cohort'}, another one in {folder / 'new'}.")
