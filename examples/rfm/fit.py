"""Fit an RFM model to random orders of last year, and write random customers of this year.

Writes `model.json` and `customers.csv` into the folder given; the default is `out/` beside this
script.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

FIFTHS = [0.2, 0.4, 0.6, 0.8]
GOOD, POOR = [4, 5], [1, 2]
# A customer belongs to the first segment whose rules fit.
SEGMENTS = {
    "champion": {"recency_days": GOOD, "orders": GOOD, "spent": GOOD},
    "loyal": {"recency_days": GOOD, "orders": GOOD},
    "new": {"recency_days": GOOD, "orders": POOR},
    "at risk": {"recency_days": POOR, "orders": GOOD},
    "lost": {"recency_days": POOR, "orders": POOR},
}


def random_customers(customers: int, seed: int) -> pd.DataFrame:
    """Return customers: days since the last order, count of orders, and money spent."""
    chance = np.random.default_rng(seed)
    orders = chance.geometric(0.25, customers)
    return pd.DataFrame(
        {
            "customer": [f"{number:05}" for number in range(1, customers + 1)],
            "country": chance.choice(["DE", "FR", "NA"], customers),
            "recency_days": chance.exponential(400 / orders).astype(int),
            "orders": orders,
            "spent": (orders * chance.lognormal(3.5, 0.6, customers)).round(2),
        }
    )


def fit(customers: pd.DataFrame) -> dict[str, object]:
    """Return a model whose marks divide these customers into fifths."""
    measures = customers[["recency_days", "orders", "spent"]]
    return {
        "edges": {name: values.quantile(FIFTHS).tolist() for name, values in measures.items()},
        "less_is_better": ["recency_days"],
        "segments": SEGMENTS,
        "otherwise": "regular",
    }


def write(folder: Path) -> None:
    """Write the model and its input."""
    folder.mkdir(parents=True, exist_ok=True)
    model = fit(random_customers(customers=2000, seed=2024))
    (folder / "model.json").write_text(json.dumps(model, indent=2) + "\n")
    random_customers(customers=500, seed=2025).to_csv(folder / "customers.csv", index=False)


def main() -> None:
    """Fit the model, write the files, and print where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(__file__).parent / "out", help="where to write"
    )
    folder = parser.parse_args().folder
    write(folder)
    print(f"model.json and customers.csv are in {folder}")


if __name__ == "__main__":
    main()
