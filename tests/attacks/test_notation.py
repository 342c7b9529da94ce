"""The short notation: there and back, and each mistake in it told."""

import pytest

from robmednas_tf.attacks.notation import CURVES, Perturbation, parse_perturbations


@pytest.mark.parametrize(
    "text",
    [
        *("fgsm:0.06", "gaussian:0.1", "fgsm:0", "fgsm:1e-05", "pgd:0.06", "worst:0.1"),
        *("pgd:0.06:steps=40:restarts=3", "pgd:1.5:step_size=0.3:norm=2", "mifgsm:0.1:decay=0.5"),
        *("square:0.06:queries=100", "transfer:0.06:from=plain", "apgd:0.06:steps=17:mask=body"),
        "fgsm:0.06:target=no_bone",
    ],
)
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
        ("tgv:0.1", "must be one of fgsm, pgd"),
        ("pgd:0.1:steps=0", "must be a whole number >= 1"),
        ("pgd:0.1:steps=2.5", "must be a whole number >= 1"),
        ("pgd:0.1:step=2", "Did you mean 'steps'"),
        ("pgd:0.1:norm=3", "must be one of inf, 2"),
        ("pgd:0.1:step_size=0", "must be a number > 0"),
        ("pgd:0.1:steps=3:steps=3", "An option must be given once"),
        ("gaussian:0.1:steps=3", "must be none: it takes none"),
        ("fgsm:0.1:steps=3", "must be among norm, target, mask"),
        ("apgd:0.1:steps=5", "must be a whole number >= 17. Received: '5'. Take pgd for fewer"),
        ("square:0.1:share=2", "must be a number > 0, at most 1"),
        ("square:0.1:norm=2", "must be among queries, share"),
        ("transfer:0.1", "must have the option 'from'"),
        ("sqare:0.1", "Did you mean 'square'"),
        ("suite:0.1", "A single attack must be given here"),
        ("fgsm", "such as fgsm:0.06 or pgd:0.06:steps=20"),
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
    with pytest.raises(ValueError, match="must") as refusal:
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


def test_an_option_at_its_default_is_not_written():
    one, other = Perturbation.parse("pgd:0.1:norm=inf:steps=20"), Perturbation.parse("pgd:0.1")
    assert one == other
    assert str(Perturbation.parse("pgd:0.1:restarts=2:steps=3")) == "pgd:0.1:steps=3:restarts=2"
    assert (other["steps"], other["target"]) == (20, None)


def test_a_suite_stands_for_its_attacks():
    found = [str(each) for each in parse_perturbations(["suite:0.1", "fgsm:0.2"])]
    assert found == [
        *("fgsm:0.1", "pgd:0.1:steps=40", "apgd:0.1", "square:0.1", "worst:0.1", "fgsm:0.2")
    ]
    with pytest.raises(ValueError, match="name:size"):
        parse_perturbations(["suite"])


def test_the_worst_has_something_to_be_the_worst_of():
    with pytest.raises(ValueError, match=r"worst:0\.1 must have two attacks of its size"):
        parse_perturbations(["fgsm:0.1", "fgsm:0.2", "pgd:0.1:norm=2", "worst:0.1"])


def test_what_an_attack_costs():
    texts = ["fgsm:1", "pgd:1", "pgd:1:restarts=3", "apgd:1", "square:1", "gaussian:1"]
    costs = [Perturbation.parse(text).num_gradients for text in texts]
    assert costs == [1, 20, 60, 40, 200, 0]
