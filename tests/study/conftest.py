"""What the tests of a study's costs and of its outlook share."""

import pytest

from robmednas_tf.study.arms import StudyConfig
from robmednas_tf.study.cost import StudyCosts
from robmednas_tf.study.plan import StepFlags, make_plan

from .studies import BASELINE, SIZES, SPACE


@pytest.fixture(scope="session")
def costs():
    return StudyCosts(SIZES, BASELINE, SPACE)


@pytest.fixture(scope="session")
def plan():
    return make_plan(StudyConfig(repeats=2, seeds=3, folds=2), StepFlags())
