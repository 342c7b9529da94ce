"""What a cluster has room for, and how it is refused before anything is lost."""

import pytest

from robmednas_tf.config import WorkersConfig
from robmednas_tf.search import ray_cluster


@pytest.mark.parametrize(
    ("cpus", "gpus", "room"),
    [
        (1, 0.0, 2 + 8 + 16),
        (4, 0.0, 0 + 2 + 4),
        (1, 1.0, 0 + 0 + 4),
        (8, 1.0, 0 + 0 + 2),
        # A share lies on one GPU.
        (1, 0.5, 0 + 0 + 8),
        (1, 0.4, 0 + 0 + 8),
        (1, 0.1, 0 + 0 + 16),
        (1, 3.0, 0 + 0 + 1),
    ],
)
def test_room_is_counted_machine_by_machine(cpus, gpus, room):
    machines = [{"CPU": 2.0}, {"CPU": 8.0, "memory": 1.0}, {"CPU": 16.0, "GPU": 4.0}, {}]
    assert ray_cluster.capacity(machines, cpus, gpus) == room


@pytest.mark.parametrize("gpus", [0.0, 2.0])
def test_a_worker_gets_a_gpu_where_there_are_any(monkeypatch, gpus):
    monkeypatch.setattr(ray_cluster, "nodes", lambda: [{"CPU": 4.0, "GPU": gpus}])
    assert ray_cluster.fitted(WorkersConfig()).gpus_per_trial == (1.0 if gpus else 0.0)
    assert ray_cluster.fitted(WorkersConfig(gpus_per_trial=0.0)).gpus_per_trial == 0.0


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (WorkersConfig(5), r"room for 4 trials.*: 4 and 0\. Received: --num_workers=5\."),
        (WorkersConfig(cpus_per_trial=5), r"Received: --cpus_per_trial=5 .*: 4 and 0\."),
        (WorkersConfig(gpus_per_trial=0.5), r"Received: .*--gpus_per_trial=0\.5,.*: 4 and 0\."),
    ],
)
def test_more_than_there_is_room_for_is_refused(monkeypatch, config, said):
    monkeypatch.setattr(ray_cluster, "nodes", lambda: [{"CPU": 4.0}])
    with pytest.raises(ValueError, match=said):
        ray_cluster.fitted(config)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", "nowhere.invalid:6379"])
def test_a_cluster_that_does_not_answer_is_refused_at_once(address):
    with (
        pytest.raises(ValueError, match=f"must answer at --ray_address.*Received: '{address}'"),
        ray_cluster.opened_cluster(address),
    ):
        pass


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"num_workers": 0}, "num_workers must be at least 1"),
        ({"cpus_per_trial": 0}, "cpus_per_trial must be at least 1"),
        ({"gpus_per_trial": 1.5}, "a whole number or a share below 1"),
        ({"gpus_per_trial": -1.0}, "a whole number or a share below 1"),
        ({"address": "ray://head:10001"}, "ray_address must be host:port"),
        ({"address": "127.0.0.1"}, "ray_address must be host:port.*Received: '127"),
    ],
)
def test_settings_outside_their_domain_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        WorkersConfig(**wrong)
