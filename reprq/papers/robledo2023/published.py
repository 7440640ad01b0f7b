"""What Robledo Díaz 2023 prints, in per cent: AUC, precision, recall of each set."""

from typing import NamedTuple

SETS = ("mnist", "svhn", "usps")


class Printed(NamedTuple):
    """One triple."""

    auroc: float
    precision: float
    recall: float


def _triples(*values: float) -> dict[str, Printed]:
    return {name: Printed(*values[3 * i : 3 * i + 3]) for i, name in enumerate(SETS)}


IMAGES = {
    "f-AnoGAN": _triples(79.67, 98.04, 51.07, 55.73, 89.98, 50.32, 90.24, 96.05, 51.69),
    "VAE": _triples(78.82, 94.72, 55.51, 48.75, 96.78, 37.42, 79.53, 96.79, 57.35),
    "Deep SVDD": _triples(66.30, 95.40, 50.38, 48.91, 91.05, 40.82, 71.43, 96.19, 55.34),
    "DAGMM": _triples(60.44, 94.05, 64.94, 51.02, 92.06, 61.04, 51.58, 93.11, 51.13),
}
TOGETHER = {"f-AnoGAN": 77.59, "VAE": 49.28, "Deep SVDD": 46.14, "DAGMM": 54.35}  # AUC of the three sets as one
EXTRACTORS = {  # AUC of f-AnoGAN on features
    "ResNet18": dict(zip(SETS, (76.74, 84.63, 86.58), strict=True)),
    "ResNet18, from ImageNet": dict(zip(SETS, (78.94, 79.10, 69.99), strict=True)),
    "ResNet50": dict(zip(SETS, (69.67, 74.99, 66.22), strict=True)),
    "LeNet-5": dict(zip(SETS, (50.67, 48.46, 50.64), strict=True)),
    "PCA": {"mnist": 74.19},
}
ACCURACY = {  # validation, test
    "LeNet-5": (96.15, 90.20),
    "ResNet18": (97.49, 94.10),
    "ResNet18, from ImageNet": (97.38, 94.30),
    "ResNet50": (97.55, 94.67),
}
