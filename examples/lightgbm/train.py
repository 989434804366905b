"""Train a LightGBM classifier to random customers: who leaves?

Writes `model.pkl`, and other customers as `customers.csv`, into the folder given; the default is
`out/` beside this script.
"""

import argparse
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier

PLANS = ["basic", "family", "premium"]
FEATURES = ["plan", "months", "monthly_fee", "support_calls"]
USUAL_FEE, UNKNOWN_FEES = 30, 0.1
ENOUGH = 3  # of the reasons to leave


def random_customers(customers: int, seed: int) -> pd.DataFrame:
    """Return customers; some do not say what they pay."""
    chance = np.random.default_rng(seed)
    fee = chance.normal(USUAL_FEE, 8, customers).round(2)
    is_unknown = chance.random(customers) < UNKNOWN_FEES
    return pd.DataFrame(
        {
            "customer": [f"{number:05}" for number in range(1, customers + 1)],
            "plan": chance.choice(PLANS, customers),
            "months": chance.geometric(0.05, customers),
            "monthly_fee": np.where(is_unknown, np.nan, fee),
            "support_calls": chance.poisson(1.2, customers),
        }
    )


def has_left(customers: pd.DataFrame, seed: int) -> pd.Series:
    """Return who left: those who call often, pay much and have not been customers for long."""
    chance = np.random.default_rng(seed)
    fee = customers["monthly_fee"].fillna(USUAL_FEE)
    score = customers["support_calls"] + 0.1 * fee - 0.1 * customers["months"]
    return score + chance.normal(0, 1, len(customers)) > ENOUGH


def train(customers: pd.DataFrame, left: pd.Series) -> LGBMClassifier:
    """Return a fitted classifier; `plan` is a category, as LightGBM takes it."""
    features = customers[FEATURES].astype({"plan": "category"})
    return LGBMClassifier(n_estimators=50, verbose=-1).fit(features, left)


def write(folder: Path) -> None:
    """Write the model and its input."""
    folder.mkdir(parents=True, exist_ok=True)
    past = random_customers(customers=2000, seed=2024)
    joblib.dump(train(past, has_left(past, seed=1)), folder / "model.pkl")
    random_customers(customers=500, seed=2025).to_csv(folder / "customers.csv", index=False)


def main() -> None:
    """Train, write the files, and print where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(__file__).parent / "out", help="where to write"
    )
    folder = parser.parse_args().folder
    write(folder)
    print(f"model.pkl and customers.csv are in {folder}")


if __name__ == "__main__":
    main()
