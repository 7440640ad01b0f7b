import copy
import functools
import os
import re
import subprocess
import sys
import types
from argparse import Namespace
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from reprq.backbones import as_backbone
from reprq.backbones.fingerprint import network_digest


class Apply(nn.Module):
    """Multiplies by what it holds, or calls it."""

    def __init__(self, held: Any) -> None:
        super().__init__()
        self.held = held

    def forward(self, x: torch.Tensor) -> Any:
        return self.held(x) if callable(self.held) else x * self.held


class Buffered(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.register_buffer("value", torch.tensor([value]), persistent=False)


class Times:
    def __init__(self, k: float) -> None:
        self.k = k

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.k


class Slotted:
    __slots__ = ("k",)

    def __init__(self, k: float) -> None:
        self.k = k


class Mode(Enum):
    LOW, HIGH = 1.0, 9.0


FACTOR = 1.0


def by_global(x: torch.Tensor) -> torch.Tensor:
    return x * FACTOR


def closure(k: float) -> Callable[..., Any]:
    return lambda x: x * k


def without_grad(k: float) -> Callable[..., Any]:
    return torch.no_grad()(closure(k))


def _patched(k: float) -> nn.Module:
    network = nn.Sequential(nn.ReLU())
    network[0].forward = types.MethodType(lambda self, x: x * k, network[0])
    return network


def _hooked(k: float, kind: str = "register_forward_hook") -> nn.Module:
    network = nn.Sequential(nn.ReLU())
    getattr(network[0], kind)(lambda module, inputs, output=None: inputs[0] * k)
    return network


def _class_attribute(k: float) -> nn.Module:
    return type("Net", (nn.Module,), {"k": k})()


def _executed(k: float) -> nn.Module:
    """A class as one types it at a prompt: there is no source to read."""
    made: dict[str, Any] = {"nn": nn}
    exec(f"class Net(nn.Module):\n    def forward(self, x):\n        return x * {k}", made)
    network = made["Net"]()
    assert isinstance(network, nn.Module)
    return network


def _in_a_list(k: float) -> nn.Module:
    linear = nn.Linear(1, 1)
    nn.init.constant_(linear.weight, k)
    nn.init.zeros_(linear.bias)
    return Apply([linear])


def _mode(k: float) -> nn.Module:
    return nn.Dropout().train(k > 1)


KINDS: dict[str, Callable[[float], nn.Module]] = {
    "number": Apply,
    "text": lambda k: Apply(str(k)),
    "nested dict": lambda k: Apply({"a": [1, {"k": k}]}),
    "tensor": lambda k: Apply(torch.tensor(k)),
    "half": lambda k: Apply(torch.tensor(k, dtype=torch.bfloat16)),
    "sparse": lambda k: Apply((torch.eye(2) * k).to_sparse()),
    "array": lambda k: Apply(np.float32([k])),
    "objects": lambda k: Apply(np.array([None, k], dtype=object)),
    "set": lambda k: Apply({0.5, k}),
    "range": lambda k: Apply(range(int(k))),
    "path": lambda k: Apply(Path(str(k))),
    "enum": lambda k: Apply(Mode(k)),
    "namespace": lambda k: Apply(Namespace(k=k)),
    "object": lambda k: Apply(Times(k)),
    "slots": lambda k: Apply(Slotted(k)),
    "bound method": lambda k: Apply(Times(k).__call__),
    "generator": lambda k: Apply(torch.Generator().manual_seed(int(k))),
    "numpy generator": lambda k: Apply(np.random.default_rng(int(k))),
    "module in a list": _in_a_list,
    "buffer": Buffered,
    "built-in": lambda k: Apply(torch.relu if k > 1 else torch.tanh),
    "functions of one line": lambda k: Apply((lambda x: x, lambda x: x * 9)[k > 1]),
    "closure": lambda k: Apply(closure(k)),
    "default": lambda k: Apply(lambda x, k=k: x * k),
    "partial": lambda k: Apply(functools.partial(torch.mul, other=k)),
    "wrapped": lambda k: Apply(without_grad(k)),
    "cached": lambda k: Apply(functools.lru_cache(closure(k))),
    "hook": _hooked,
    "pre-hook": lambda k: _hooked(k, "register_forward_pre_hook"),
    "forward": _patched,
    "class attribute": _class_attribute,
    "prompt": _executed,
    "mode": _mode,
    "trace": lambda k: torch.fx.symbolic_trace(Apply(k)),
    "compiled": lambda k: nn.Sequential(torch.compile(Apply(k))),
    "parametrization": lambda k: nn.utils.parametrizations.weight_norm(_in_a_list(1).held[0], dim=int(k > 1)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_changes_the_output_changes_the_digest_and_a_copy_does_not(kind: str) -> None:
    one, nine = (network_digest(KINDS[kind](k)) for k in (1.0, 9.0))
    assert one != nine
    assert network_digest(KINDS[kind](1.0)) == one


@pytest.mark.parametrize("kind", ["number", "tensor", "closure", "hook", "forward", "buffer", "module in a list"])
def test_the_copy_that_a_backbone_takes_has_the_digest_of_the_network(kind: str) -> None:
    network = KINDS[kind](9.0).eval()
    assert network_digest(copy.deepcopy(network)) == network_digest(network)


def test_globals_helpers_and_environment_variables_that_the_code_names_count(monkeypatch: pytest.MonkeyPatch) -> None:
    by_environment = Apply(lambda x: x * float(os.environ["FACTOR_OF_A_TEST"]))
    before = network_digest(Apply(by_global)), network_digest(by_environment)
    monkeypatch.setitem(globals(), "FACTOR", 9.0)
    monkeypatch.setenv("FACTOR_OF_A_TEST", "9")
    after = network_digest(Apply(by_global)), network_digest(by_environment)
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_a_patched_class_of_a_library_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = network_digest(nn.ReLU())
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, x: x * 9)
    assert network_digest(nn.ReLU()) != before


def test_what_a_hook_collected_and_how_many_batches_were_seen_do_not_count() -> None:
    seen: list[torch.Tensor] = []
    network = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU())
    network[1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    before = network_digest(network.eval())
    network(torch.ones(2, 3, 4, 4))
    network[0].num_batches_tracked += 1
    assert seen
    assert network_digest(network) == before


def test_where_a_function_stands_in_its_file_does_not_count() -> None:
    first, second = (
        compile("\n" * lines + "def f(x):\n    return x + 1", f"file{lines}.py", "exec") for lines in (0, 7)
    )
    made: list[dict[str, Any]] = [{}, {}]
    exec(first, made[0])
    exec(second, made[1])
    assert network_digest(Apply(made[0]["f"])) == network_digest(Apply(made[1]["f"]))


def test_a_module_that_holds_itself_has_a_digest() -> None:
    network = Apply([])
    network.held += [network, {"me": network.held}]
    assert network_digest(network) == network_digest(network) != network_digest(Apply([]))


def test_another_process_finds_the_same_digest(tmp_path: Path) -> None:
    (tmp_path / "net_of_a_test.py").write_text(
        "import re, functools, logging, torch\n"
        "from torch import nn\n"
        "LOG, NAMES = logging.getLogger('x'), frozenset('abcdef')\n"
        "class Net(nn.Module):\n"
        "    options = {'b': 1, 'a': {3, 4}}\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.thing, self.pattern, self.names = object(), re.compile('x'), {'r', 's', 't'}\n"
        "        self.handle = self.register_forward_hook(lambda m, i, o: LOG.debug(NAMES) or o)\n"
        "        self.act = functools.partial(torch.clamp, min=0)\n"
        "    def forward(self, x):\n"
        "        return self.act(x)\n"
    )
    command = "import net_of_a_test as n; from reprq.backbones.fingerprint import *; print(network_digest(n.Net()))"
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    found = set()
    for seed in ("3", "4"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        ran = subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True, text=True)
        found.add(ran.stdout.strip())
    assert len(found) == 1
    assert re.fullmatch(r"[0-9a-f]{64}", found.pop())


def test_a_backbone_of_ones_own_is_known_by_the_digest() -> None:
    first, second = (
        as_backbone(nn.Sequential(nn.Conv2d(3, 4, 3), Apply(k)).requires_grad_(False), preprocessing={"size": 8})
        for k in (1.0, 9.0)
    )
    second.network[0].load_state_dict(first.network[0].state_dict())
    assert first.weights_digest != second.weights_digest
    assert network_digest(second.network) != first.weights_digest
