import pytest

from distill.config import StudentConfig, TrainConfig
from distill.errors import TrainingError


def test_a_config_survives_json():
    config = TrainConfig(student=StudentConfig(hidden=8), steps=3, bfloat16=True)
    assert TrainConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"stepz": 3}', "unknown setting stepz"),
        ('{"student": {"width": 3}}', "student: unknown setting width"),
        ('{"steps": "3"}', "steps is of type int"),
        ('{"bfloat16": 1}', "bfloat16 is of type bool"),
        ("{", "not JSON"),
        ("[]", "expected an object"),
    ],
)
def test_a_wrong_setting_is_named(text, message):
    with pytest.raises(TrainingError, match=message):
        TrainConfig.from_json(text)
