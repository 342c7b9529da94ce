"""The house's order, read from the imports: each room uses only those below it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "robmednas_tf"

# From the ground up; a name covers every module below it unless a longer one does.
LEVELS = {
    "version": 0,
    "files": 0,
    "folder_lock": 0,
    "machine": 0,
    "standard_error": 0,
    "config": 0,
    "objectives": 0,
    "data": 0,
    "examination": 0,
    "models": 1,
    "models.architecture": 0,
    "models.space": 0,
    "models.cost": 0,
    "evaluation": 0,
    "data.prepared": 1,
    "data.slices": 1,
    "attacks": 1,
    "adversarial": 0,
    "checks": 3,
    "corruptions": 1,
    "checks.table": 0,
    "attacks.notation": 0,
    "attacks.kinds": 0,
    "attacks.noise": 0,
    "differences": 0,
    "study": 0,
    "tf_files": 1,
    "training": 2,
    "evaluation.given": 3,
    "evaluation.inference": 3,
    "evaluation.models": 3,
    "evaluation.volumes": 3,
    "synthesis": 3,
    "volume_model": 3,
    "export": 2,
    "onnx_export": 2,
    # Two floors of one storey: the report draws what evaluation and search have left.
    "search": 3.1,
    "search.seeding": 0,
    "report": 3.2,
    "cli": 4,
}
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if path != PACKAGE / "__init__.py"
)


def level(module):
    names = [name for name in LEVELS if module == name or module.startswith(f"{name}.")]
    return LEVELS[max(names, key=len)]


def imports(module):
    path = PACKAGE.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def own(name):
    module = name.removeprefix("robmednas_tf.")
    return module if name != module and module in MODULES else None


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_its_own_floor_and_below(module):
    above = {name for name in map(own, imports(module)) if name and level(name) > level(module)}
    assert not above


@pytest.mark.parametrize("module", [name for name in MODULES if level(name) == 0])
def test_the_ground_floor_knows_no_tensorflow(module):
    roots = {name.split(".")[0] for name in imports(module)}
    assert not roots & {"tensorflow", "keras", "keras_tuner", "absl"}


@pytest.mark.parametrize("module", [name for name in MODULES if level(name) < 4])
def test_only_commands_know_flags(module):
    assert "absl" not in {name.split(".")[0] for name in imports(module)}


def test_only_its_own_modules_know_ray():
    rooms = {
        module for module in MODULES if "ray" in {name.split(".")[0] for name in imports(module)}
    }
    assert rooms == {"search.ray_cluster", "search.ray_executor", "search.ray_worker"}


def test_no_room_is_without_a_subject():
    parts = {part for module in MODULES for part in module.split(".")}
    assert not parts & {"util", "utils", "helper", "helpers", "common", "misc"}


def test_importing_the_package_and_its_flags_does_not_start_tensorflow():
    script = (
        "import sys, robmednas_tf, robmednas_tf.cli.search\n"
        "import robmednas_tf.cli.train, robmednas_tf.cli.eval, robmednas_tf.cli.check\n"
        "robmednas_tf.Architecture, robmednas_tf.open_phantom, robmednas_tf.estimate_cost\n"
        "print(sorted({'tensorflow', 'keras', 'optuna', 'matplotlib', 'ray'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_examining_a_cohort_needs_no_tensorflow(tmp_path):
    script = (
        "import sys\n"
        "from robmednas_tf.cli import check, check_flags, command\n"
        f"flags = ['', '--data=phantom', '--num_phantoms=1', '--output_dir={tmp_path}']\n"
        "command.parse_flags(flags, check_flags.FLAGS)\n"
        "check.main()\n"
        "print(sorted({'tensorflow', 'keras', 'keras_tuner', 'optuna'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
