"""How large a run is."""

from dataclasses import dataclass

PRETEXTS = (
    *("random", "classification", "rotation", "simclr", "vicreg", "autoencoder", "denoising"),
    *("jigsaw", "colorization", "masked", "byol", "simsiam", "supervised"),
)


@dataclass(frozen=True)
class Training:
    """Of a teacher or a student; see `reprq.training.Schedule`."""

    epochs: int
    batch_size: int
    lr: float = 1e-3
    patience: int = 5
    precision: str = "float32"


@dataclass(frozen=True)
class Mai2021Preset:
    """What a run does.

    Attributes:
        data: "digits", "cifar10", or one of `reprq.data.PROTOCOLS.names()`.
        architecture: Of teachers and students.
        size: Side of the input in pixels.
        other: The labelled data set of the classification teacher, none of whose classes is in `data`.
        other_classes: Only these of its classes.
        other_per_class: Images a class; all by default.
        tasks: The one-class tasks, as in `reprq.data.select_tasks`, where the data set has classes.
        classes: Only these classes of the data set.
        benign_images: A sample of so many benign training images; all by default. The supervised teacher sees as many
            anomalies.
        test_per_class: A sample of so many test images a class; all by default.
        probe_per_class: Training images a class for the linear probe over all classes; all by default.
        seeds: How many.
        teacher: How teachers are trained.
        student: How students are trained.
    """

    data: str
    architecture: str
    size: int
    other: str
    teacher: Training
    student: Training
    other_classes: tuple[str, ...] | None = None
    other_per_class: int | None = None
    tasks: str | tuple[str, ...] = "all"
    classes: tuple[str, ...] | None = None
    benign_images: int | None = None
    test_per_class: int | None = None
    probe_per_class: int | None = None
    seeds: int = 3


_FULL = Mai2021Preset(
    data="cifar10",
    architecture="lenet",
    size=32,
    other="cifar100",
    teacher=Training(epochs=200, batch_size=128, patience=20),
    student=Training(epochs=200, batch_size=128, patience=20),
)
_LARGE = {"architecture": "resnet18", "size": 224, "other": "cifar100"}
_LONG = Training(epochs=100, batch_size=64, patience=10)

PRESETS: dict[str, Mai2021Preset] = {
    "smoke": Mai2021Preset(
        data="digits",
        architecture="lenet",
        size=32,
        other="digits",
        other_classes=("0", "1", "2", "3", "4"),
        classes=("5", "6", "7", "8", "9"),
        tasks=("unimodal:6", "unimodal:7", "multimodal:8", "multimodal:9"),
        benign_images=100,
        teacher=Training(epochs=6, batch_size=16),
        student=Training(epochs=8, batch_size=16),
        seeds=1,
    ),
    "cpu": Mai2021Preset(
        data="cifar10",
        architecture="lenet",
        size=32,
        other="mnist",
        other_per_class=100,
        benign_images=400,
        test_per_class=60,
        probe_per_class=100,
        teacher=Training(epochs=10, batch_size=16, patience=4, precision="bfloat16"),
        student=Training(epochs=10, batch_size=16, patience=4),
        seeds=1,
    ),
    "full": _FULL,
    "cats-vs-dogs": Mai2021Preset(
        data="cats-vs-dogs",
        architecture="lenet",
        size=32,
        other="cifar100",
        teacher=_FULL.teacher,
        student=_FULL.student,
    ),
    "plant-pathology-2020": Mai2021Preset(data="plant-pathology-2020", teacher=_LONG, student=_LONG, **_LARGE),  # type: ignore[arg-type]
    "xray-parcels": Mai2021Preset(data="xray-parcels", teacher=_LONG, student=_LONG, **_LARGE),  # type: ignore[arg-type]
}
