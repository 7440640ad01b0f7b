"""What an unknown name says."""

import pytest

from reprq.errors import CacheError, ConfigError, DataError, InputError, ReprqError, UnknownNameError, WeightsError


def test_a_short_list_is_whole_and_a_long_one_gives_the_nearest() -> None:
    assert str(UnknownNameError("detector", "x", ["a", "b"])) == "unknown detector 'x'. Valid: a, b"
    many = [f"resnet{i}" for i in range(40)]
    text = str(UnknownNameError("backbone", "resnet7x", many))
    assert "did you mean 'resnet7'? Valid: resnet7, " in text
    assert text.endswith(", 30 more")
    assert str(UnknownNameError("backbone", "x", many, ["timm:NAME"])).endswith(", 30 more, timm:NAME")
    assert str(UnknownNameError("detector", "x", ["a"], ["pyod:NAME"])) == "unknown detector 'x'. Valid: a, pyod:NAME"
    assert str(UnknownNameError("kind", "nope", ["inne", "ok"])) == "unknown kind 'nope'. Valid: inne, ok"
    assert "'KNM' among these: did you mean 'knn'?" in str(UnknownNameError("x", "KNM", ["knn"], among="these"))
    near = UnknownNameError("backbone", "resnet20", ["resnet18", "resnet50", "cifar_resnet20"])
    assert "did you mean 'cifar_resnet20'?" in str(near)  # the whole word, before what is spelled alike
    assert "did you mean 'cats-vs-dogs'?" in str(UnknownNameError("protocol", "Cats", ["cats-vs-dogs", "inne"]))
    assert UnknownNameError("backbone", "x", many).valid == tuple(many)


@pytest.mark.parametrize("error", [ReprqError, InputError, DataError, WeightsError, CacheError, ConfigError])
def test_no_message_is_longer_than_a_person_reads(error: type[ReprqError]) -> None:
    text = str(error(f"x must be short, got {'very ' * 1000}long; shorten it"))
    assert len(text) == 900
    assert text.startswith("x must be short, got very")
    assert text.endswith("long; shorten it")
    assert len(str(UnknownNameError("backbone", "x" * 9000, [f"{i}{'y' * 900}" for i in range(99)]))) == 900


def test_a_message_of_usual_length_is_left_alone() -> None:
    assert str(InputError("n must be 1, got 2")) == "n must be 1, got 2"
    assert isinstance(InputError("n"), ValueError)
