"""Fit the marks of RFM to last year's orders, made up here, and write this year's customers.

Writes `model.json` and `customers.csv` into the folder given, `out/` beside this script by default.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

FIFTHS = [0.2, 0.4, 0.6, 0.8]
GOOD, POOR = [4, 5], [1, 2]
# The first that fits a customer is theirs.
SEGMENTS = {
    "champion": {"recency_days": GOOD, "orders": GOOD, "spent": GOOD},
    "loyal": {"recency_days": GOOD, "orders": GOOD},
    "new": {"recency_days": GOOD, "orders": POOR},
    "at risk": {"recency_days": POOR, "orders": GOOD},
    "lost": {"recency_days": POOR, "orders": POOR},
}


def made_up(customers: int, seed: int) -> pd.DataFrame:
    """Return customers with the days since their last order, their orders and what they spent."""
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


def fitted(customers: pd.DataFrame) -> dict[str, object]:
    """Return a model whose marks part these customers in fifths."""
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
    model = fitted(made_up(customers=2000, seed=2024))
    (folder / "model.json").write_text(json.dumps(model, indent=2) + "\n")
    made_up(customers=500, seed=2025).to_csv(folder / "customers.csv", index=False)


def main() -> None:
    """Fit, and say where all is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(__file__).parent / "out", help="where to write"
    )
    folder = parser.parse_args().folder
    write(folder)
    print(f"model.json and customers.csv are in {folder}")


if __name__ == "__main__":
    main()
