"""What Deecke et al. 2021 printed, in per cent."""

from reprq.papers.ruff2021.deep import CLASSES


def _by_class(*values: float) -> dict[str, float]:
    return dict(zip(CLASSES["cifar10"], values, strict=True))


# Table 5, AUROC of one class against the rest; of HSC the mean alone was read
ONE_VS_REST = {
    "kNN": _by_class(93.9, 97.7, 85.5, 85.5, 93.6, 91.3, 94.3, 93.6, 95.1, 95.3),
    "GT": _by_class(74.7, 95.7, 78.1, 72.4, 87.8, 87.8, 83.4, 95.5, 93.3, 91.3),
    "ADRA": _by_class(99.0, 99.7, 97.5, 96.3, 98.9, 97.7, 99.6, 99.6, 99.5, 99.4),
    "ADIB": _by_class(99.2, 99.8, 98.6, 97.0, 99.3, 98.2, 99.6, 99.8, 99.6, 99.5),
}
MEAN_ONE_VS_REST = {"kNN": 92.5, "GT": 86.0, "HSC": 96.3, "ADRA": 98.7, "ADIB": 99.1}

# Table 2, mean AUROC and mean AP on CIFAR-10; nan was not printed
_NAN = float("nan")
SEMANTIC = {"ODIN": (_NAN, 41.6), "GT": (61.7, _NAN), "kNN": (71.7, _NAN), "ADRA": (95.0, 72.9), "ADIB": (95.1, 74.6)}

# Table 4, mean AP on CIFAR-10: loss, regularizer, whether the network starts pretrained
ABLATION = {"a1": 60.3, "a2": 64.9, "a3": 68.5, "a4": 65.8, "a5": 66.4, "a6": 72.9, "a7": 74.6}

# Table 6, mean AUROC of one class against the rest by corpus: none, one that fits less, one that fits
CORPUS = {
    ("none", "DSVDD"): 64.8,
    **{("SVHN", name): value for name, value in {"HSC": 70.2, "ADRA": 75.3, "ADIB": 79.8}.items()},
    **{("CIFAR-100", name): value for name, value in {"HSC": 96.3, "ADRA": 98.7, "ADIB": 99.1}.items()},
}

# Table 1, improvement over chance of OC-SVM on conv1, conv2 and conv3 of LeNet
PARADIGMS = {
    "self-supervision": (1.44, 1.58, 2.02),
    "outlier exposure": (4.60, 3.83, 5.48),
    "transfer, then outlier exposure": (4.63, 5.12, 6.72),
}
