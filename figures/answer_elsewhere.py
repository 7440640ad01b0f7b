"""What `reprq recommend --data` expects of rules and layers, from the study of studies that `answer.py` ran.

    python figures/answer_elsewhere.py --runs runs/answer

It reads the four studies and `answer/regret_by_dataset_and_detector.csv`, and writes `reprq/analysis/elsewhere.json`
and `answer/calibration.csv`: how often what that says without a data set holds on it.
"""

import argparse
from pathlib import Path

import pandas as pd

from reprq.analysis.elsewhere import PACKAGED, Elsewhere
from reprq.analysis.expectation import calibration
from reprq.analysis.runs import joined
from reprq.study import StudyResults
from reprq.study.tables import write_table

HERE = Path(__file__).parent
STUDIES = ("tables", "texts", "images", "sounds")


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE.parent / "reprq" / "analysis" / PACKAGED)
    asked = parser.parse_args()
    results = joined([StudyResults.load(asked.runs / name) for name in STUDIES])
    wide = pd.read_csv(HERE / "answer" / "regret_by_dataset_and_detector.csv")
    lost = wide.melt(["level", "rule", "dataset"], var_name="detector", value_name="regret").dropna(subset="regret")
    known = Elsewhere.of_study(results, regrets=lost)
    known.save(asked.out)
    write_table(calibration(known.regrets).round(4), HERE / "answer" / "calibration.csv")


if __name__ == "__main__":
    main()
