"""How much of Robledo Díaz 2023 to run, and its extractors."""

from dataclasses import dataclass
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


def _extractors(resnet18: int, mobile: int, lenet: int, rotation: int) -> tuple[DigitExtractor, ...]:
    label = TEACHES_LABELS
    return (
        DigitExtractor(PIXELS),
        DigitExtractor("PCA", "pca:150", published="PCA"),
        DigitExtractor("LeNet-5, random", "lenet5", layer="conv3"),
        DigitExtractor("LeNet-5, rotation", "lenet5", "rotation", layer="conv3", epochs=rotation),
        DigitExtractor("LeNet-5", "lenet5", label, layer="conv3", epochs=lenet, published="LeNet-5"),
        DigitExtractor("ResNet18", "resnet18", label, epochs=resnet18, batch_size=32, published="ResNet18"),
        DigitExtractor(
            "ResNet18, never saw the set", "resnet18", label, epochs=resnet18, batch_size=32, leaves_out=True
        ),
        DigitExtractor("MobileNetV2", "mobilenet_v2", label, epochs=mobile, batch_size=32),
        DigitExtractor("MobileNetV2, from ImageNet", "mobilenet_v2", label, MOBILE, epochs=mobile, batch_size=32),
        DigitExtractor("MobileNetV2, ImageNet alone", "mobilenet_v2", weights=MOBILE),
    )


_RESNET50 = DigitExtractor("ResNet50", "resnet50", TEACHES_LABELS, epochs=30, published="ResNet50")
_FROM_IMAGENET = DigitExtractor(
    "ResNet18, from ImageNet",
    "resnet18",
    TEACHES_LABELS,
    "resnet18-imagenet.safetensors",
    epochs=6,
    batch_size=32,
    published="ResNet18, from ImageNet",
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
    "cpu": RobledoPreset(
        extractors=_extractors(resnet18=3, mobile=2, lenet=20, rotation=10),
        digits=(1, 3, 8),
        images=(60, 25),
        grid=(20, 80),
        image_grid=(10, 30),
        network="mnist",
        lr=1e-3,
        distilled=10,
        image_seeds=1,
        seeds=2,
    ),
    "full": RobledoPreset(
        extractors=(*_extractors(resnet18=9, mobile=9, lenet=20, rotation=20), _RESNET50, _FROM_IMAGENET),
        digits=tuple(range(10)),
        images=(None, None),
    ),
}
