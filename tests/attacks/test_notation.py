"""The short notation: there and back, and each mistake in it told."""

import pytest

from robmednas_tf.attacks.notation import CURVES, Perturbation, parse_perturbations


@pytest.mark.parametrize("text", ["fgsm:0.06", "gaussian:0.1", "fgsm:0", "fgsm:1e-05"])
def test_there_and_back(text):
    assert str(Perturbation.parse(text)) == text


def test_numbers_have_one_form():
    assert str(Perturbation.parse(" fgsm:0.060 ")) == "fgsm:0.06"
    texts = ["fgsm:0.06", "fgsm:0.15", "gaussian:0.1"]
    assert [str(each) for each in parse_perturbations(texts)] == texts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fgms:0.06", "Did you mean 'fgsm'"),
        ("gausian", "Did you mean 'gaussian'"),
        ("pgd:0.1", "must be one of fgsm, gaussian"),
        ("fgsm", "name:size, such as fgsm:0.06"),
        ("fgsm:", "name:size"),
        ("fgsm:strong", "name:size"),
        ("fgsm=0.06", "Did you mean 'fgsm'"),
        ("fgsm:-0.1", "must be a number >= 0"),
        ("fgsm:nan", "must be a number >= 0"),
        ("fgsm:inf", "must be a number >= 0"),
        ("", "must be one of"),
    ],
)
def test_mistakes_are_told(text, words):
    with pytest.raises(ValueError, match="must be") as refusal:
        Perturbation.parse(text)
    assert words in str(refusal.value)


def test_none_stands_twice():
    close = parse_perturbations(["fgsm:0.1234561", "fgsm:0.1234562"])
    assert len({str(each) for each in close}) == 2
    with pytest.raises(ValueError, match=r"Received twice: fgsm:0\.06"):
        parse_perturbations(["fgsm:0.06", "gaussian:0.1", "fgsm:0.060"])


def test_the_papers_curves():
    sizes = {kind: [each.size for each in levels] for kind, levels in CURVES.items()}
    assert sizes["fgsm"] == pytest.approx([0.02 * n for n in range(1, 11)])
    assert sizes["gaussian"] == pytest.approx([0.025 * n for n in range(1, 11)])
    assert [str(each) for each in CURVES["fgsm"][2:5]] == ["fgsm:0.06", "fgsm:0.08", "fgsm:0.1"]
