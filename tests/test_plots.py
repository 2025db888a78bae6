"""The plots draw what the result files say."""

import plots


def rows(*values):
    return [{"step": str(step), "dev": str(dev)} for step, dev in values]


def test_runs_are_joined_at_the_best_step_of_the_one_before():
    first, second = rows((100, 40), (200, 50), (300, 45)), rows((50, 51), (100, 49))
    joined = [(row["run"], row["step"]) for row in plots.join([first, second])]
    assert joined == [("1", "100"), ("1", "200"), ("2", "250"), ("2", "300")]


def test_one_run_is_kept_whole():
    only = rows((100, 40), (200, 30))
    assert plots.join([only]) == [{"run": "1", **row} for row in only]


def test_the_plots_are_small_enough_for_a_page():
    for path in plots.DOCS.glob("*.png"):
        if path.stem in ("training", "quality-speed"):
            assert path.stat().st_size < 150_000, path.name
