"""Experiment files: what ships is accepted; keys without effect and contradictions are refused by name."""

from pathlib import Path

import pytest
import yaml

from mtjloop.app.experiment_file import ExperimentFile, read_experiment_file
from mtjloop.app.init_command import template
from mtjloop.app.rbm_file import RbmFile
from mtjloop.drivers.yaml_file import parse_yaml
from mtjloop.errors import ConfigurationError
from mtjloop.protocols.training.settings import TrainingSettings

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/experiment.yaml"))
HEAD = "name: t\ndata: {source: iris}\nnetwork: {hidden: [4]}\n"


def experiment(training: str, head: str = HEAD) -> ExperimentFile:
    return parse_yaml(f"{head}training: {{{training}}}\n", "e.yaml", ExperimentFile)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_examples_are_accepted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if "rbm:" in text:
        parse_yaml(text, str(path), RbmFile)
    else:
        wanted = yaml.safe_load(text)["training"]
        settings = read_experiment_file(path).training_settings()
        assert (settings.epochs, settings.rate) == (wanted["epochs"], wanted["rate"])
        assert settings.epochs >= 60


def test_the_template_says_every_key_that_it_may() -> None:
    content = parse_yaml(template("experiment.yaml"), "e.yaml", ExperimentFile)
    assert content.training.model_fields_set | {"feedback"} == set(type(content.training).model_fields)


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ("schedule: per-sample, rank: 2", "rank is 2, which has no effect with schedule: per-sample"),
        ("schedule: per-sample, memory: 0.9", "write schedule: momentum, or leave memory out"),
        ("schedule: mini-batch, period: 4", "period is 4, which has no effect with schedule: mini-batch"),
        ("period: -3", "e.yaml: training.period: found -3; input should be greater than or equal to 1"),
        ("power: 2", "power is 2.0, which has no effect with schedule: momentum; write schedule: column-mom"),
        ("batch: 8", "batch is 8, which has no effect with schedule: momentum; write schedule: mini-batch"),
        ("rate_schedule: cosine, annealing: 2", "write rate_schedule: annealing, or leave annealing out"),
        ("rate_schedule: constant, annealing: 0", "annealing is 0.0, which has no effect"),
        (
            "digital_biases: false, digital_rate: 0.1",
            "write digital_biases: true, or leave digital_rate",
        ),
        ("encoding: {kind: log-amplitude, slots: 3}", "training.encoding: slots is 3, which has no effect"),
        ("balance: true, audit_every: 0", "training.balance is true and training.audit_every is 0"),
        ("period: auto, memory: 0.87", "write a memory of 0.875 or more, or the period as a number"),
        (
            "digital_alone: true, digital_biases: false, normalisers: false",
            "training.digital_alone is true and nothing is learned in the controller",
        ),
        (
            "digital_alone: true, digital_rate: 0, normalisers: false",
            "training.digital_alone is true and nothing is learned in the controller",
        ),
    ],
)
def test_keys_without_effect_are_refused(training: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^e\.yaml: ") as caught:
        experiment(training)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "training",
    [
        "schedule: per-sample, rank: 1, memory: 0.97, period: 1, batch: 32",  # defaults, as the template
        "schedule: mini-batch, batch: 8",
        "rate_schedule: cosine, annealing: 1",
        "balance: true, audit_every: 5",
        "period: auto, memory: 0.875",
        "digital_alone: true, digital_biases: false",
        "encoding: {slots: 3}",
    ],
)
def test_what_has_an_effect_or_keeps_its_default_is_accepted(training: str) -> None:
    assert experiment(training).settings(None).hidden == (4,)


def test_without_hidden_units_normalisers_leave_nothing_digital() -> None:
    head = HEAD.replace("[4]", "[]")
    assert experiment("digital_alone: true", head).training.digital_alone
    with pytest.raises(ConfigurationError, match="nothing is learned in the controller"):
        experiment("digital_alone: true, digital_biases: false", head)


def test_a_level_of_no_constants_is_refused() -> None:
    head = HEAD.replace("hidden: [4]", "hidden: [4], constants: 0, constant_level: 0.5")
    with pytest.raises(
        ConfigurationError, match=r"constant_level is 0.5, .* with constants: 0; write constants: 1"
    ):
        experiment("", head)
    settings = experiment("", head.replace("constants: 0", "constants: 7")).settings(None)
    assert (settings.constants, settings.constant_level) == (7, 0.5)


def test_contradictions_are_refused_without_a_file_too() -> None:
    with pytest.raises(ConfigurationError, match=r"training\.audit_every is 0"):
        TrainingSettings(hidden=(4,), balance=True, audit_every=0)


def test_a_machine_refuses_the_same() -> None:
    text = "name: t\ndata: {source: digits}\nrbm: {hidden: 8, schedule: per-sample, rank: 2}\n"
    with pytest.raises(ConfigurationError, match="rank is 2, which has no effect with schedule: per-sample"):
        parse_yaml(text, "e.yaml", RbmFile)
