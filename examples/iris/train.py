"""Train the origin post's model on the iris data: is a flower with these measures a virginica?

Writes `model.pkl`, and the flowers as `iris.csv`, `iris.csv.gz` and `iris.parquet` (an `id` column,
then the four features), into the folder given; the default is `out/` beside this script.
"""

import argparse
from pathlib import Path

import joblib
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
VIRGINICA = 2


def load_flowers() -> tuple[pd.DataFrame, pd.Series]:
    """Return the flowers (id and features), and whether each flower is a virginica."""
    iris = load_iris(as_frame=True)
    flowers = iris.data.set_axis(FEATURES, axis="columns")
    # With leading zeros, as a kept column leaves exactly as it came.
    flowers.insert(0, "id", [f"{number:04}" for number in range(1, len(flowers) + 1)])
    return flowers, iris.target == VIRGINICA


def main() -> None:
    """Train, and write the model and its inputs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(__file__).parent / "out", help="where to write"
    )
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)

    flowers, is_virginica = load_flowers()
    model = LogisticRegression(max_iter=1000).fit(flowers[FEATURES], is_virginica)
    joblib.dump(model, folder / "model.pkl")
    flowers.to_csv(folder / "iris.csv", index=False)
    flowers.to_csv(folder / "iris.csv.gz", index=False)
    flowers.to_parquet(folder / "iris.parquet", index=False)

    accuracy = model.score(flowers[FEATURES], is_virginica)
    print(f"{accuracy:.0%} of {len(flowers)} flowers classified correctly; files are in {folder}")


if __name__ == "__main__":
    main()
