"""A small study: its networks, sizes and machine."""

from robmednas_tf.models.architecture import Architecture, Block
from robmednas_tf.models.space import SearchSpace
from robmednas_tf.study.cost import Rate, Sizes

BASELINE = Architecture((Block("1111", 16),), (Block("1111", 16),))
SPACE = SearchSpace(2, ("1000", "0110"), (8, 16), ())
# 12 slices make two batches: 5, 1 and 3 subjects of four slices make 4, 1 and 2.
SIZES = Sizes(
    *(9, 4, 5, 1, 3, 2, 1, 1),
    *(16, 6, 10, 4, 3, 7, 2, 20),
)
RATE = Rate("here", "CPU", build_s=0.5, batch_s=0.01, gflop_s=2.0)
