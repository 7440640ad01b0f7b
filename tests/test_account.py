"""The account of the answer says what its tables say, and goes stale nowhere."""

import sys
from pathlib import Path

import pandas as pd
import pytest

FIGURES = Path(__file__).parent.parent / "figures"


@pytest.fixture
def answer_account(monkeypatch):
    monkeypatch.syspath_prepend(str(FIGURES))
    sys.modules.pop("answer_account", None)
    import answer_account

    return answer_account


@pytest.mark.parametrize("name", ["account", "README"])
def test_the_pages_are_those_of_the_tables(answer_account, name):
    written = (FIGURES / "answer" / f"{name}.md").read_text(encoding="utf-8")
    assert written == answer_account.page(FIGURES / "answer", name), "run: python figures/answer_account.py"
    assert "{{" not in written


def test_other_tables_are_another_verdict(answer_account):
    names = ("fixed ranking", "trace", "last layer", "random layer")
    lost = {"fixed ranking": 0.1, "trace": 0.05, "last layer": 0.2, "random layer": 0.15}
    rows = [
        {"level": level, "rule": rule, **{f"d{i}": lost[rule] + 0.001 * (i * k % 3) for i in range(12)}}
        for level in (answer_account.BOTH, answer_account.LAYER)
        for k, rule in enumerate(names)
    ]
    wide = pd.DataFrame(rows)
    long = wide.melt(id_vars=["level", "rule"], var_name="dataset", value_name="regret")
    said = answer_account.verdict(answer_account.regret_summary(long), answer_account.over(answer_account.FIXED, wide))
    assert said.count("is shown to lose less than the fixed ranking (trace)") == 2
    assert "(trace) 0.051" in said
    worst = wide.assign(d0=wide["d0"] + (wide["rule"] == "last layer"))
    with_combination = pd.concat([worst, worst[worst["rule"] == "trace"].assign(rule="combination")])
    assert answer_account.largest(with_combination).startswith("d0 makes 3")
