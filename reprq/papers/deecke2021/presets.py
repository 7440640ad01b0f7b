"""How much of Deecke et al. 2021 to run, and the methods with their parts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from reprq.detectors.entries import DETECTORS
from reprq.papers.ruff2021.deep import CLASSES

FROZEN = "kNN"
STILL = "DSVDD, frozen statistics"
_PLAIN = {"name": "transfer", "regularizer": "none"}
METHODS: dict[str, dict[str, Any]] = {
    "DSVDD": {**_PLAIN, "loss": "dsvdd"},
    STILL: {**_PLAIN, "loss": "dsvdd", "statistics": "frozen"},
    "HSC": {**_PLAIN, "loss": "hsc"},
    "ADRA": {"name": "adra"},
    "ADIB": {"name": "adib"},
    "a2": {**_PLAIN, "loss": "bce"},
    "a3": {"name": "transfer", "loss": "hsc", "regularizer": "l2_sp"},
    "a4": {"name": "doc"},
    "a5": {"name": "transfer", "loss": "bce", "regularizer": "ewc"},
    "MSP": {"name": "msp"},
    "ODIN": {"name": "odin"},
    "GT": {"name": "geometric"},
}
OWN_NETWORK = ("MSP", "ODIN", "GT")  # learn from benign images alone, from scratch
# The rows of Table 4: the method, and whether the network starts pretrained
ABLATION = {"a1": ("a2", False), **{row: (row, True) for row in ("a2", "a3", "a4", "a5")}}
ABLATION |= {"a6": ("ADRA", True), "a7": ("ADIB", True)}
SAID = {
    "a1": "BCE, no regularizer, random start",
    "a2": "BCE, no regularizer",
    "a3": "HSC, L2",
    "a4": "DOC",
    "a5": "BCE, EWC",
    "a6": "BCE, adapters (ADRA)",
    "a7": "BCE, L2 (ADIB)",
}


@dataclass(frozen=True)
class Start:
    """A network that fine-tuning starts from.

    Attributes:
        network: A backbone.
        file: Of its weights in `weights/` of the root; "random"; or "pretrain", as `Pretraining` says.
        size: Side of the images that it sees.
        saw_labels: Whether it was trained with labels of the task's classes: a ceiling.
        precision: In which it is fine-tuned.
    """

    network: str
    file: str
    size: int
    saw_labels: bool = False
    precision: str = "float32"

    @property
    def title(self) -> str:
        """What tables call it."""
        return f"{self.network} at {self.size} pixels" + (" (ceiling: saw the task's labels)" * self.saw_labels)


@dataclass(frozen=True)
class Pretraining:
    """How a network is trained on tiny ImageNet.

    Attributes:
        samples: How many images; None is all that are not held out.
        epochs: At most.
        batch_size: Images a step.
        size: Their side.
        architecture: The network.
        training: Further arguments of `reprq.pretext.train_teacher`.
    """

    samples: int | None
    epochs: int
    batch_size: int
    size: int
    architecture: str = "resnet26"
    training: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return what decides the network, in types of JSON."""
        said = asdict(self)
        return said if self.training else {name: value for name, value in said.items() if name != "training"}


@dataclass(frozen=True)
class DeeckePreset:
    """How much to run.

    Attributes:
        starts: Of which the first is that of every table, and all that of the table of starts.
        pretraining: Of ResNet26, where a start asks for it.
        classes: One against the rest.
        semantic: The anomalous classes, one at a time.
        images: Training images of a benign class, of each of nine benign classes, of the corpus, and test images a
            class.
        epochs: And after how many the rate falls to a tenth.
        batch_size: Benign images a step, and as many of the corpus.
        lr: By method; "" is that of all others.
        pairs: Large and small mode of Figure 5.
        shares: Its r.
        seeds: How many.
        augmentations: Of training images.
        turning: Epochs and milestones of the methods that learn from benign images alone.
        paradigms: How LeNet is pre-trained for Table 1.
        paradigm_epochs: Epochs and milestones of Table 1.
        few: Of the classes, those of Tables 1 and 6, of the table of starts and of methods that learn from benign
            images alone; all by default.
    """

    starts: tuple[Start, ...]
    pretraining: Pretraining
    classes: tuple[str, ...]
    semantic: tuple[str, ...]
    images: tuple[int | None, int | None, int | None, int | None]
    epochs: tuple[int, tuple[int, ...]]
    batch_size: int
    lr: Mapping[str, float]
    pairs: tuple[tuple[str, str], ...] = (("ship", "truck"), ("truck", "ship"))
    shares: tuple[float, ...] = (1.0, 0.1, 0.0)
    seeds: int = 1
    augmentations: tuple[str, ...] = ("flip", "crop")
    turning: tuple[int, tuple[int, ...]] = (200, (100, 150))
    paradigms: Pretraining = Pretraining(None, 100, 128, 32, "lenet")
    paradigm_epochs: tuple[int, tuple[int, ...]] = (200, (100, 150))
    few: tuple[str, ...] = ()

    def limited(self, classes: Sequence[str]) -> tuple[str, ...]:
        """Return those of some classes that are among the few."""
        return tuple(name for name in classes if not self.few or name in self.few)

    def detector(self, method: str, precision: str = "float32") -> dict[str, Any]:
        """Return a detector, without its network."""
        epochs, milestones = self.turning if method in OWN_NETWORK else self.epochs
        given = {"epochs": epochs, "milestones": list(milestones), "batch_size": self.batch_size, "held_out": 0.0}
        if method in OWN_NETWORK:
            return {**METHODS[method], **given}
        given |= {} if precision == "float32" else {"precision": precision}
        rate = self.lr.get(method, self.lr[""])
        return {**METHODS[method], **given, "lr": rate, "augmentations": list(self.augmentations)}


def registered(method: str) -> bool:
    """Whether there is a detector for a method."""
    return METHODS[method]["name"] in DETECTORS


_MOBILE = ("mobilenet_v2", "mobilenet_v2-imagenet_torchvision.safetensors")
_RESNET = Start("resnet26", "pretrain", 32)
# A cosine and changed images for few epochs; bfloat16 is 2.5 times as fast where a processor has it
_SHORT: dict[str, Any] = {"augmentations": ["flip", "crop"], "cosine": True, "warm_up": 200, "weight_decay": 1e-4}
_SHORT |= {"patience": 10, "precision": "bfloat16"}
# DOC has the rate of its authors (Perera & Patel 2019); at 1e-4 and above the training loss of EWC with the paper's
# weight soon is infinite
_OWN_RATES = {"a4": 5e-5, "a5": 1e-5}
_RATES = {"": 1e-3, "DSVDD": 3e-6, STILL: 3e-6, "HSC": 3e-4, "a3": 3e-4, "ADRA": 1e-2, **_OWN_RATES}
PRESETS = {
    "smoke": DeeckePreset(
        starts=(Start("lenet", "random", 32), Start("resnet26", "pretrain", 8)),
        pretraining=Pretraining(40, 1, 8, 8),
        classes=("ship",),
        semantic=("ship",),
        images=(8, 2, 16, 4),
        epochs=(1, ()),
        batch_size=4,
        lr={"": 1e-3},
        pairs=(("ship", "truck"),),
        shares=(1.0, 0.0),
        turning=(1, ()),
        paradigms=Pretraining(40, 1, 8, 32, "lenet"),
        paradigm_epochs=(1, ()),
    ),
    "cpu": DeeckePreset(
        starts=(
            Start(*_MOBILE, 48),
            Start("resnet26", "pretrain", 16, precision="bfloat16"),
            Start("timm:tf_efficientnet_lite0", "tf_efficientnet_lite0-imagenet.safetensors", 48),
            Start("cifar_resnet20", "cifar_resnet20-cifar10.safetensors", 32, saw_labels=True),
        ),
        pretraining=Pretraining(None, 10, 64, 16, training=_SHORT),
        classes=CLASSES["cifar10"],
        semantic=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "ship"),
        images=(80, 9, 400, 40),
        epochs=(5, (4,)),
        batch_size=16,
        lr=_RATES,
        turning=(40, (20, 30)),
        paradigms=Pretraining(10000, 6, 64, 32, "lenet"),
        paradigm_epochs=(30, (20, 25)),
        few=("airplane", "frog", "ship"),
    ),
    "full": DeeckePreset(
        starts=(
            _RESNET,
            Start(*_MOBILE, 64),
            Start("timm:tf_efficientnet_lite0", "tf_efficientnet_lite0-imagenet.safetensors", 64),
        ),
        pretraining=Pretraining(None, 100, 128, 32),
        classes=CLASSES["cifar10"],
        semantic=CLASSES["cifar10"],
        images=(None, None, None, None),
        epochs=(100, (60, 80)),
        batch_size=64,
        lr={"": 0.1, "DSVDD": 1e-5, STILL: 1e-5, "HSC": 1e-3, "a3": 1e-3, **_OWN_RATES},
        shares=(1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.0),
        seeds=5,
    ),
}
