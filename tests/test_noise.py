import pytest

pytest.importorskip("pypinyin")

from distill.noise import corrupt  # noqa: E402


def test_the_same_seed_makes_the_same_slips():
    text = "我买的东西什么时候能发货"
    assert corrupt(text, 1) == corrupt(text, 1)
    assert len({corrupt(text, seed) for seed in range(20)}) > 10


def test_most_characters_stay():
    text = "我买的东西什么时候能发货啊怎么还没有动静"
    for seed in range(50):
        assert abs(len(corrupt(text, seed)) - len(text)) <= 3
        assert len(set(text) & set(corrupt(text, seed))) >= len(set(text)) - 5


@pytest.mark.parametrize("text", ["", "退", "发票"])
def test_short_texts_stay_as_they_are(text):
    assert corrupt(text, 3) == text
