"""A search's sub-dataset, small enough to train on in seconds."""

import pytest

from robmednas_tf.attacks.notation import Perturbation
from robmednas_tf.config import TrainingConfig
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.search.hypermodel import SearchData, UNetHyperModel


@pytest.fixture(scope="session")
def hypermodel(prepared_heads):
    data = SearchData(
        tuple(prepared_heads[:2]), tuple(prepared_heads[2:3]), tuple(prepared_heads[3:])
    )
    space = SearchSpace(max_depth=2, patterns=("0001", "1000"), filters=(8,), reduction_ratios=(2,))
    return UNetHyperModel(space, data, TrainingConfig(epochs=2), Perturbation("fgsm", 0.2))
