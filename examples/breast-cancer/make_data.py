"""Writes scikit-learn's breast cancer data set as CSV: rows to train on, and rows that no training job sees.

    python make_data.py FOLDER
"""

import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split


def main(folder):
    frame = load_breast_cancer(as_frame=True).frame
    frame.columns = [name.replace(" ", "_") for name in frame.columns]
    train, held_out = train_test_split(frame, test_size=0.25, stratify=frame["target"], random_state=20)
    folder.mkdir(parents=True, exist_ok=True)
    train.to_csv(folder / "train.csv", index=False)
    held_out.to_csv(folder / "held_out.csv", index=False)
    print(f"{len(train)} rows in {folder / 'train.csv'}, {len(held_out)} in {folder / 'held_out.csv'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data"))
