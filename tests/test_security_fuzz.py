"""A few cases of each part of benchmarks/fuzz.py, every time; the many are in its result file."""

import json

import pytest

import fuzz

FEW = {"api": 45, "uploads": 12, "pages": 40, "wire": 25, "bodies": 40}


@pytest.mark.parametrize("name", fuzz.PARTS)
def test_nothing_falls_over(name):
    part, cases = fuzz.PARTS[name]
    outcomes = []
    part(FEW.get(name, 40), 1, outcomes.append)
    assert len(outcomes) >= FEW.get(name, 40) * 0.5


def test_the_many_cases_were_run():
    result = json.loads(fuzz.RESULT.read_text(encoding="utf-8"))
    assert result["failures"] == 0 and result["cases"] >= 20_000
    assert list(result["parts"]) == list(fuzz.PARTS)
