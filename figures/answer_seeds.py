"""Whether the verdict hangs on the seed: what metrics and dull rules lose with other samples, weights and teachers.

    REPRQ_ANSWER=DATA python figures/answer_seeds.py --runs runs/answer --out figures/answer

RUNS holds what `answer.py` ran, of seed 0; the studies of seed 1 go to RUNS/seed-1, without what `answer.py` asks
beside them. `seeds.csv` has a row a rule and level, and a column a seed: the mean regret over data sets and the same
detectors.
"""

import argparse
from pathlib import Path

import pandas as pd
from answer import HERE, SCORED, STUDIES, regrets_of

from reprq.analysis import with_targets
from reprq.analysis.regret_over_datasets import regret_summary
from reprq.analysis.runs import joined
from reprq.study import StudyResults, run_study
from reprq.study.loading import load_config
from reprq.study.tables import write_table

SEED = 1


def main() -> None:
    """Run what is not finished, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    asked = parser.parse_args()
    folders = {0: asked.runs, SEED: asked.runs / f"seed-{SEED}"}
    for name in STUDIES:
        config = load_config(HERE / f"{name}.toml").model_copy(update={"seeds": [SEED]})
        run_study(config, folders[SEED] / name, cache_dir=asked.cache, force=True)
    columns = [lost(folder).rename(f"seed_{seed}") for seed, folder in folders.items()]
    asked.out.mkdir(parents=True, exist_ok=True)
    write_table(pd.concat(columns, axis=1).reset_index().round(4), asked.out / "seeds.csv")


def lost(folder: Path) -> "pd.Series[float]":
    """Return the mean regret of every rule at either level, of the runs in a folder."""
    runs = joined([StudyResults.load(folder / name) for name in STUDIES])
    results = with_targets(runs, {"alpha_req": 1.0, "alpha_all_ranks": 1.0})
    names = [name for name in results.detectors["definition"].unique() if name.partition("[")[0] in SCORED]
    nothing = pd.DataFrame(columns=["dataset", "detector"])
    regrets = pd.concat([regrets_of(results, nothing, nothing, name) for name in names])
    return regret_summary(regrets).set_index(["level", "rule"])["regret"]


if __name__ == "__main__":
    main()
