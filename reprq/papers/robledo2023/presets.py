"""How much of Robledo Díaz 2023 to run, and its extractors."""

from dataclasses import dataclass, replace
from typing import Any

PIXELS, F_ANOGAN = "pixels", "f-AnoGAN"
TEACHES_LABELS, NOTHING = "classification", "none"


_VAE = {"dim": 100, "gamma": 0.8, "capacity": 0.2, "batch_size": 64}


@dataclass(frozen=True)
class DigitExtractor:
    """A network, or components, whose features of digits the detectors get.

    Attributes:
        title: What tables call it.
        network: A backbone; "" for the pixels themselves.
        task: The pretext task that it learns on all sets; "none" where it stays as it comes, or has no network.
        weights: What it starts from: "random", or a file in `weights/` of the root.
        layer: Which layer gives the features.
        epochs: Of the training, at most.
        batch_size: Images a step.
        leaves_out: Whether the set that is judged does not teach it: then there is one of it for each set.
        published: The row of the report that it is beside; "" where there is none.
    """

    title: str
    network: str = ""
    task: str = NOTHING
    weights: str = "random"
    layer: str | int = -1
    epochs: int = 0
    batch_size: int = 64
    leaves_out: bool = False
    published: str = ""

    @property
    def learns(self) -> bool:
        """Whether it is fitted or trained on digits."""
        return self.task != NOTHING or self.network.startswith("pca:")

    def saw(self, reading: str) -> str:
        """Return what it saw of the images that are tested: a few words, "" for nothing."""
        if self.leaves_out or not self.learns:
            return ""
        with_labels = self.task == TEACHES_LABELS
        if reading == "report":
            return "CEILING: saw these images' labels" if with_labels else "saw these images"
        return "saw the labels of others of the set" if with_labels else "saw others of the set"


@dataclass(frozen=True)
class RobledoPreset:
    """How much to run.

    Attributes:
        extractors: The rows of the table of extractors.
        digits: Benign in turn.
        images: Training and test images a digit of each set; None is all.
        together: The digits that are benign in turn where all sets are one; None is all of `digits`.
        grid: Epochs of f-AnoGAN on features; tables are means over it.
        image_grid: The same of the detectors on images.
        network: Of the detectors on images.
        lr: Of f-AnoGAN and of its encoder.
        distilled: Epochs of distillation.
        image_seeds: How many seeds on images.
        seeds: How many on features.
    """

    extractors: tuple[DigitExtractor, ...]
    digits: tuple[int, ...]
    images: tuple[int | None, int | None]
    together: tuple[int, ...] | None = None
    grid: tuple[int, ...] = (20, 100, 150, 200)
    image_grid: tuple[int, ...] = (20, 100, 150, 200)
    network: str = "fashion_mnist"
    lr: float = 1e-4
    distilled: int = 30
    image_seeds: int = 3
    seeds: int = 5

    def f_anogan(self, epochs: int, network: str | None = None) -> dict[str, Any]:
        """Return f-AnoGAN, of rows where no network is named."""
        given = {"name": "fanogan", "epochs": epochs, "lr": self.lr, "encoder_lr": self.lr, "held_out": 0.0}
        return given if network is None else {**given, "network": network}

    def on_images(self, epochs: int) -> dict[str, dict[str, Any]]:
        """Return the detectors of images, by their names in the report, with its settings."""
        common = {"epochs": epochs, "network": self.network, "held_out": 0.0}
        return {
            F_ANOGAN: self.f_anogan(epochs, self.network),
            "VAE": {"name": "vae", "score": "reconstruction", **_VAE, **common},
            "Deep SVDD": {"name": "deep_svdd", "lr": self.lr, **common},
            "DAGMM": {"name": "dagmm", "dim": 1, "components": 10, **common},
        }


MOBILE = "mobilenet_v2-imagenet_torchvision.safetensors"
FROM_IMAGENET, NEVER_SAW = "{}, from ImageNet", ", never saw the set"


def never_saw(extractor: DigitExtractor) -> DigitExtractor:
    """Return one that is taught by the other sets alone, for each set that is judged."""
    return replace(extractor, title=extractor.title + NEVER_SAW, leaves_out=True, published="")


def _lenet5(task: str, epochs: int, **more: Any) -> DigitExtractor:
    title = "LeNet-5" if task == TEACHES_LABELS else f"LeNet-5, {task}"
    return DigitExtractor(title, "lenet5", task, layer="conv3", epochs=epochs, **more)


def _network(title: str, network: str, weights: str = "random", *, epochs: int, **more: Any) -> DigitExtractor:
    return DigitExtractor(title, network, TEACHES_LABELS, weights, epochs=epochs, **{"batch_size": 32, **more})


_PCA = DigitExtractor("PCA", "pca:150", published="PCA")
_RANDOM = DigitExtractor("LeNet-5, random", "lenet5", layer="conv3")
_MOBILE_ALONE = DigitExtractor("MobileNetV2, ImageNet alone", "mobilenet_v2", weights=MOBILE)


def _of_cpu() -> tuple[DigitExtractor, ...]:
    lenet5 = _lenet5(TEACHES_LABELS, 20, published="LeNet-5")
    resnet18 = _network("ResNet18", "resnet18", epochs=3, published="ResNet18")
    mobile = _network(FROM_IMAGENET.format("MobileNetV2"), "mobilenet_v2", MOBILE, epochs=2)
    rotation, *others = (_lenet5(task, 10) for task in ("rotation", "autoencoder", "simclr", "vicreg"))
    return (
        DigitExtractor(PIXELS),
        _PCA,
        never_saw(_PCA),
        _RANDOM,
        rotation,
        never_saw(rotation),
        *others,
        lenet5,
        never_saw(lenet5),
        resnet18,
        never_saw(resnet18),
        _network("ResNet50", "resnet50", epochs=3, published="ResNet50"),
        _network("MobileNetV2", "mobilenet_v2", epochs=2),
        mobile,
        never_saw(mobile),
        _MOBILE_ALONE,
    )


def _from_imagenet(resnet18: int, resnet50: int) -> tuple[DigitExtractor, ...]:
    """Those whose weights have to be downloaded, or lie in `weights/` of the root."""
    given = [f"{name}-imagenet.safetensors" for name in ("resnet18", "resnet50")]
    titles = [FROM_IMAGENET.format(name) for name in ("ResNet18", "ResNet50")]
    return (
        _network(titles[0], "resnet18", given[0], epochs=resnet18, published=titles[0]),
        _network(titles[1], "resnet50", given[1], epochs=resnet50, batch_size=64),
        DigitExtractor("ResNet18, ImageNet alone", "resnet18", weights=given[0]),
        DigitExtractor("ResNet50, ImageNet alone", "resnet50", weights=given[1]),
    )


def _of_full() -> tuple[DigitExtractor, ...]:
    """Every extractor, and every one that learns from digits without the set too."""
    tasks = ("rotation", "autoencoder", "denoising", "simclr", "vicreg", "central-exemplar")
    learning = (
        _PCA,
        *(_lenet5(task, 20) for task in tasks),
        _lenet5(TEACHES_LABELS, 20, published="LeNet-5"),
        _network("ResNet18", "resnet18", epochs=9, published="ResNet18"),
        _network("ResNet50", "resnet50", epochs=30, batch_size=64, published="ResNet50"),
        _network("MobileNetV2", "mobilenet_v2", epochs=9),
        _network(FROM_IMAGENET.format("MobileNetV2"), "mobilenet_v2", MOBILE, epochs=9),
        *_from_imagenet(6, 30),
    )
    blind = tuple(never_saw(each) for each in learning if each.learns)
    return (DigitExtractor(PIXELS), _RANDOM, *learning, _MOBILE_ALONE, *blind)


_CPU = RobledoPreset(
    extractors=_of_cpu(),
    digits=tuple(range(10)),
    together=(1, 3, 8),
    images=(60, 25),
    grid=(20, 80),
    image_grid=(20, 80),
    network="mnist",
    lr=1e-3,
    distilled=10,
    image_seeds=1,
    seeds=2,
)
PRESETS = {
    "quick": RobledoPreset(
        extractors=(
            DigitExtractor(PIXELS),
            DigitExtractor("PCA", "pca:10", published="PCA"),
            DigitExtractor("LeNet-5", "lenet5", TEACHES_LABELS, layer="conv3", epochs=2, published="LeNet-5"),
            DigitExtractor(
                "LeNet-5, never saw the set", "lenet5", TEACHES_LABELS, layer="conv3", epochs=2, leaves_out=True
            ),
        ),
        digits=(1, 3),
        images=(20, 5),
        grid=(2, 4),
        image_grid=(2,),
        network="mnist",
        lr=1e-3,
        distilled=1,
        image_seeds=1,
        seeds=1,
    ),
    "cpu": _CPU,
    "imagenet": replace(_CPU, extractors=(*_CPU.extractors, *_from_imagenet(3, 3))),
    "full": RobledoPreset(extractors=_of_full(), digits=tuple(range(10)), images=(None, None)),
}
