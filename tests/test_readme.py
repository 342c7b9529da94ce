"""The README keeps its word: its program runs, its commands and figures are true."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from robmednas_tf.cli import search_flags, study_flags, study_settings
from robmednas_tf.models.architecture import NAMED
from robmednas_tf.models.cost import estimate_cost
from robmednas_tf.models.space import SearchSpace

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (.+)$", README, flags=re.MULTILINE)
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]


def test_the_program_runs_and_has_six_lines_of_work():
    program = re.search(r"```python\n(.*?)```", README, flags=re.DOTALL)[1]
    lines = [line for line in program.splitlines() if line and not line.startswith("import")]
    assert len(lines) == 6
    output = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert re.fullmatch(r"Dice of the untrained network's bone: 0\.\d\d\n", output)


def test_two_commands_set_everything_up():
    whole = [command for command in COMMANDS if command.startswith("python3 -m venv")]
    assert whole[0].endswith("&& python run_search.py --oracle bayesian")
    assert whole[1].endswith("&& python -m pytest -n 2 --dist=loadfile")


def flags_of(text):
    """The flags of the command that a line or a file's comment calls."""
    command = re.search(r"python run_(\w+)\.py", text)[1]
    return importlib.import_module(f"robmednas_tf.cli.{command}_flags")


@pytest.mark.parametrize(
    "script", ["run_check", "run_search", "run_train", "run_eval", "run_synthesize", "run_study"]
)
def test_every_flag_named_exists(script):
    text = subprocess.check_output([sys.executable, f"{script}.py", "--help"], text=True, cwd=ROOT)
    offered = set(re.findall(r"^ +--(?:\[no\])?(\w+):", text, flags=re.MULTILINE))
    calls = [
        call
        for page in PAGES
        for call in re.findall(
            rf"^    .*python {script}\.py (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    named = {name for call in calls for name in re.findall(r"--(\w+)", call)}
    assert named
    assert named <= offered | {"help", "flagfile"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_linked_exists(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("name", ["baseline", "robmednas_t"])
def test_parameter_counts_are_true(name):
    assert f"{estimate_cost(NAMED[name], (256, 256, 1)).parameters:,} parameters" in README or (
        f"`{name}` ({estimate_cost(NAMED[name], (256, 256, 1)).parameters:,})" in README
    )


@pytest.mark.parametrize("path", sorted(ROOT.glob("configs/*.cfg")), ids=lambda path: path.name)
def test_every_configuration_is_valid_and_says_what_it_is(path, parsed):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert f"--flagfile=configs/{path.name}" in text
    module = flags_of(text)
    # A study's settings ask every step's own command.
    settings = study_settings if module is study_flags else module
    with parsed(module.FLAGS, f"--flagfile={path}"):
        settings.settings_from_flags()


def test_the_quick_start_configuration_is_the_defaults(parsed):
    with parsed(search_flags.FLAGS, f"--flagfile={ROOT / 'configs' / 'quickstart.cfg'}") as flags:
        assert {name for name in flags if flags[name].value != flags[name].default} == set()


def test_the_paper_configuration_is_the_papers(parsed):
    with parsed(search_flags.FLAGS, f"--flagfile={ROOT / 'configs' / 'paper.cfg'}"):
        settings = search_flags.settings_from_flags()
    assert settings.space == SearchSpace()
    assert (settings.search.num_trials, settings.search.num_subjects) == (200, 6)
    assert settings.search.confirm_top == 0
    assert settings.pruner is None
    assert (str(settings.search.attack), settings.data.image_size) == ("fgsm:0.2", 256)
    training, final = settings.training, settings.final_training
    assert (training.epochs, training.batch_size, training.learning_rate) == (10, 6, 1e-4)
    assert (final.epochs, final.patience, final.learning_rate) == (150, 5, 1e-4)
    assert (training.start_at_mean, training.weight_averaging) == (False, 0.0)
