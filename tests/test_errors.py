"""What an unknown name says."""

from reprq.errors import UnknownNameError


def test_a_short_list_is_whole_and_a_long_one_gives_the_nearest() -> None:
    assert str(UnknownNameError("detector", "x", ["a", "b"])) == "unknown detector 'x': Valid: a, b"
    many = [f"resnet{i}" for i in range(40)]
    text = str(UnknownNameError("backbone", "resnet7x", many))
    assert "did you mean 'resnet7'? Valid: resnet7, " in text
    assert text.endswith(", 30 more")
    assert str(UnknownNameError("backbone", "x", many, ["timm:NAME"])).endswith(", 30 more, timm:NAME")
    assert str(UnknownNameError("detector", "x", ["a"], ["pyod:NAME"])) == "unknown detector 'x': Valid: a, pyod:NAME"
    assert UnknownNameError("backbone", "x", many).valid == tuple(many)
