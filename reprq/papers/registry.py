"""What can be regenerated, by name; `reprq figures` lists it and runs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reprq.errors import UnknownNameError
from reprq.registry import Entry, Registry


@dataclass(frozen=True)
class Reproduction:
    """The figures and tables of one paper.

    Attributes:
        name: What `reprq figures` calls it.
        paper: Whose it is.
        regenerates: Which figures and tables.
        data: What it reads, and from where.
        presets: The name of each preset, and what it does in how long; the quickest first.
        module: The module that declares it.
    """

    name: str
    paper: str
    regenerates: str
    data: str
    presets: Mapping[str, str]
    module: str


def _paper(name: str, paper: str, regenerates: str, data: str, presets: Mapping[str, str], module: str) -> Entry:
    return Entry(
        name=name,
        target=f"{module}:PAPER",
        about=regenerates,
        citation=paper,
        facts={"data": data, "presets": presets, "module": module},
    )


PAPERS = Registry(
    "reproduction",
    (
        _paper(
            "mai2021",
            'Mai, Davies & Griffin 2021, "Brittle Features May Help Anomaly Detection"',
            "Mahalanobis, probe accuracy and brittleness against distillation, one point a pretext task; the table of"
            " all detectors; the claims",
            "digits, CIFAR-10, or the folder of a named protocol; MNIST (cpu) or CIFAR-100 (the others) in $REPRQ_DATA",
            {
                "smoke": "digits 5 to 9, four tasks, one seed; 5 minutes on 2 cores",
                "cpu": "CIFAR-10 in --root (torchvision's files, or train/CLASS and test/CLASS), 400 benign images a"
                " task, twenty tasks, one seed; 1.5 to 2.5 hours on 2 cores",
                "full": "CIFAR-10 whole, twenty tasks, three seeds; for a GPU",
                "cats-vs-dogs": "Cats vs. Dogs in --root; for a GPU",
                "plant-pathology-2020": "Plant Pathology 2020 in --root; for a GPU",
                "xray-parcels": "X-ray parcels in --root; for a GPU",
            },
            "reprq.papers.mai2021",
        ),
        _paper(
            "ruff2021",
            'Ruff 2021, "Deep One-Class Learning"',
            "Table 2.1 with OC-SVM, KDE, isolation forest (MNIST), the autoencoder and Deep SVDD (MNIST and CIFAR-10),"
            " Tables 2.3 and C.1 on cardio, satellite and thyroid, beside the published values",
            "MNIST/raw or torchvision/MNIST/raw, ADBench's tabular/*.npz, and torchvision's CIFAR-10 or"
            " images/cifar10_jpeg/{train,test}/CLASS, in --root",
            {
                "quick": "200 training and 50 test images a digit, two seeds; networks on two digits; two minutes",
                "cpu": "all of MNIST; networks 12 epochs on ten digits and on all classes of CIFAR-10 (all 5,000"
                " images), one seed, and 150 on rows of numbers, two seeds; two hours of one core",
                "full": "all of it as published, ten seeds of networks; for a GPU",
            },
            "reprq.papers.ruff2021",
        ),
        _paper(
            "ruff2021-labels",
            'Ruff 2021, "Deep One-Class Learning"',
            "Deep SAD and a supervised classifier on MNIST over the share of known anomalies, against the known digit"
            " and against digits that nothing names (section 2.3)",
            "MNIST/raw or torchvision/MNIST/raw in --root",
            {
                "quick": "one case, 100 training images a digit, 3 epochs; half a minute",
                "cpu": "three cases, 500 training and 100 test images a digit, 30 epochs, one seed; four minutes of"
                " one core",
                "full": "90 cases, all images, 150 epochs; for a GPU",
            },
            "reprq.papers.ruff2021.labels",
        ),
        _paper(
            "ruff2021-exposure",
            'Ruff 2021, "Deep One-Class Learning"',
            "HSC (and BCE) with outlier exposure on CIFAR-10 over the size of the corpus, beside Table 2.4",
            "CIFAR-10 of torchvision or images/cifar10_jpeg/{train,test}/CLASS, and images/tiny_imagenet_32/SYNSET with"
            " classes.tsv, in --root",
            {
                "quick": "one class, 60 training images a class, two epochs; a minute",
                "cpu": "three classes, 300 training and 50 test images a class, 8 epochs, one seed, HSC; six minutes of"
                " one core",
                "full": "ten classes, all images, 200 epochs, three seeds; for a GPU",
            },
            "reprq.papers.ruff2021.exposure",
        ),
        _paper(
            "ruff2021-collapse",
            'Ruff 2021, "Deep One-Class Learning"',
            "Metrics of quality and AUROC along the training of sound and collapsing Deep SVDD (Propositions 1 to 3)",
            "MNIST/raw or torchvision/MNIST/raw in --root",
            {
                "quick": "one digit, 64 training images, four epochs; a quarter of a minute",
                "cpu": "one digit, 500 training and 100 test images a digit, 100 epochs without batch normalization,"
                " one seed; a minute of one core",
                "full": "ten digits, 5,000 training and 800 test images a digit, 250 epochs, three seeds; for a GPU",
            },
            "reprq.papers.ruff2021.collapse",
        ),
        _paper(
            "ruff2021-maps",
            'Ruff 2021, "Deep One-Class Learning"',
            "FCDD's maps of magnetic tiles, beside baselines, over receptive field and sigma (section 3.1), and of"
            " CIFAR-10 with outlier exposure, beside Table C.6",
            "images/magnetic_tile/{good,DEFECT} and ground_truth/DEFECT/NAME_mask.png there, in --root; for CIFAR-10"
            " what ruff2021-exposure reads",
            {
                "quick": "16 tiles at 32 pixels, one epoch, one class of CIFAR-10; half a minute",
                "cpu": "96 tiles at 48 pixels, FCDD by two networks and with confetti, two baselines, 24 epochs, and"
                " three classes of CIFAR-10, 8 epochs, one seed; ten minutes of one core",
                "full": "all tiles at 224 pixels, three networks, 200 epochs, ten classes of CIFAR-10, 600 epochs; for"
                " a GPU",
            },
            "reprq.papers.ruff2021.maps",
        ),
        _paper(
            "ruff2021-text",
            'Ruff 2021, "Deep One-Class Learning"',
            "Table 3.4 (CVDD and OC-SVM on six groups of 20 Newsgroups, beside the published values), the same on seven"
            " classes of Reuters-21578, and the words of contexts",
            "20_newsgroups/ or 20news-bydate-train/ and -test/, reut2-*.sgm and one glove*.txt of vectors, packed or"
            " not, in --root or its text/",
            {
                "quick": "20 Newsgroups, 60 training texts, 3 epochs, one setting; half a minute",
                "cpu": "both sets, 600 training texts of a class at most, 200 words of each, 100 epochs, one seed; half"
                " an hour of one core",
                "full": "all texts, five seeds; for a GPU",
            },
            "reprq.papers.ruff2021.text",
        ),
        _paper(
            "ruff2021-unifying",
            'Ruff 2021, "Deep One-Class Learning"',
            "Table 4.2: nine methods on MNIST-C or on a folder in MVTec's layout, and Table 4.4: whether their"
            " explanations point at what was corrupted or marked",
            "MNIST/raw or torchvision/MNIST/raw in --root; for the preset folder train/good, test/good, test/DEFECT and"
            " ground_truth/DEFECT/NAME_mask.png there",
            {
                "quick": "200 training digits, two corruptions; half a minute",
                "cpu": "5,000 training digits, 500 test digits, all corruptions, two seeds; AGAN 15 epochs, 20 steps of"
                " search from one start; half an hour of one core",
                "full": "all digits, five seeds; for a GPU",
                "folder": "one category of MVTec AD, or your own in its layout, as --root; images of 32 pixels, DSVDD"
                " on MobileNetV2 (weights/mobilenet_v2-imagenet_torchvision.safetensors there or in $REPRQ_DATA, else"
                " downloaded); minutes of one core",
            },
            "reprq.papers.ruff2021.unifying",
        ),
        _paper(
            "ruff2021-toy",
            'Ruff 2021, "Deep One-Class Learning"',
            "Figures 1.3 (level sets), 1.4, 2.2, 4.1 and 4.2 (Big Moon, Small Moon: nine detectors beside the published"
            " AUROC) and 2.5 (what labels add)",
            "none: rows are drawn by a seed",
            {
                "quick": "a tenth of the epochs; half a minute",
                "full": "all epochs; two minutes of one core",
            },
            "reprq.papers.ruff2021.toy",
        ),
        _paper(
            "deecke2021",
            'Deecke et al. 2021, "Transfer-Based Semantic Anomaly Detection"',
            "Tables 1, 2, 4, 5 and 6 beside the published, Figure 5 (small modes), networks to start from, claims with"
            " verdicts",
            "CIFAR-10 of torchvision or images/cifar10_jpeg/{train,test}/CLASS, images/tiny_imagenet_32/SYNSET with"
            " classes.tsv, MNIST and weights/, in --root",
            {
                "smoke": "one class, 8 training images, one epoch of small networks; a minute",
                "cpu": "ten classes, 80 training images, 5 epochs of MobileNetV2 at 48 pixels, ResNet26 pre-trained"
                " on 12,180 images at 16 pixels; an hour of one core",
                "full": "ten classes, 100 epochs of ResNet26 pre-trained on tiny ImageNet, five seeds; for a GPU",
            },
            "reprq.papers.deecke2021.study",
        ),
        _paper(
            "deecke2021-drift",
            'Deecke et al. 2021, "Transfer-Based Semantic Anomaly Detection"',
            "CKA of each layer with its pretrained self and metrics of quality along fine-tuning, against the AUROC on"
            " seen and unseen anomalies; what stopping by each signal loses",
            "CIFAR-10 of torchvision or images/cifar10_jpeg/{train,test}/CLASS, images/tiny_imagenet_32/SYNSET with"
            " classes.tsv, and weights/mobilenet_v2-imagenet_torchvision.safetensors (else downloaded), in --root",
            {
                "quick": "one class, 24 training images, two epochs of a small random network; a quarter of a minute",
                "cpu": "three classes, four ways of fine-tuning MobileNetV2 at 64 pixels, 200 training images, 12"
                " epochs, one seed; a quarter of an hour of one core",
                "sample-wise": "DSVDD of the same, by its last network and by PANDA's sample-wise stop; eight minutes",
                "full": "ten classes, 224 pixels, 4,000 training images, 100 epochs, three seeds; for a GPU",
            },
            "reprq.papers.deecke2021.drift",
        ),
        _paper(
            "robledo2023",
            "Robledo Díaz 2023, on multi-task features for anomaly detection",
            "Tables 5.1 to 5.3 beside the published, f-AnoGAN digit by digit and by epochs, the extractors under simple"
            " detectors, whether a metric says beforehand which helps, claims with verdicts",
            "torchvision's MNIST and USPS, SVHN (digits drawn from fonts without it), and"
            " weights/mobilenet_v2-imagenet_torchvision.safetensors (else downloaded), in --root",
            {
                "quick": "two digits, 20 training images a digit, four small extractors; half a minute",
                "cpu": "ten digits, 60 training images a digit, eighteen extractors, two seeds; half an hour",
                "imagenet": "cpu, and ResNet18 and ResNet50 from ImageNet's weights, which are downloaded",
                "full": "ten digits, all images, epochs and seeds as published; for a GPU",
            },
            "reprq.papers.robledo2023.study",
        ),
        _paper(
            "adbench",
            'Han et al. 2022, "ADBench" (its embeddings, in a one-class protocol)',
            "AUROC and time of every array detector on image and text embeddings",
            "ADBench's CV_by_ResNet18, NLP_by_BERT and NLP_by_RoBERTa, in --root",
            {
                "quick": "three small sets, one seed; a few seconds",
                "full": "every set that is there, three seeds; three minutes of one core for 20 sets",
            },
            "reprq.papers.adbench",
        ),
    ),
    group="reprq.papers",
)


def names() -> tuple[str, ...]:
    """Return the names of all reproductions."""
    return PAPERS.names()


def available() -> tuple[Reproduction, ...]:
    """Return what is known of every reproduction."""
    return tuple(find(name) for name in names())


def find(name: str) -> Reproduction:
    """Return the reproduction of that name.

    Raises:
        UnknownNameError: There is none.
    """
    entry = PAPERS.find(name)
    facts = entry.facts
    presets = facts.get("presets", {"default": entry.about})
    module = facts.get("module", str(entry.target).partition(":")[0])
    return Reproduction(entry.name, entry.citation, entry.about, facts.get("data", "nothing"), presets, module)


def reproduce(
    name: str,
    preset: str | None = None,
    out: Path | str | None = None,
    *,
    root: Path | str | None = None,
    seed: int = 0,
    device: str = "cpu",
    force: bool = False,
    progress: bool = True,
) -> list[Path]:
    """Regenerate the figures and tables of a paper; what was interrupted goes on.

    Args:
        name: One of `names()`.
        preset: How large; the quickest by default.
        out: The folder; `runs/NAME-PRESET` by default.
        root: The folder of the data, where the reproduction reads any; also as "folder:PATH".
        seed: The first of its seeds.
        device: A torch device.
        force: Replace the results of another configuration that stand in `out`.
        progress: Whether to show progress on stderr.

    Returns:
        The paths of the figures and tables.

    Raises:
        UnknownNameError: No such reproduction or preset.
        ReprqError: Whatever its data cannot do.
    """
    from reprq.data.image.named import data_root  # here: the list of papers costs no data set

    found = find(name)
    preset = next(iter(found.presets)) if preset is None else preset
    if preset not in found.presets:
        raise UnknownNameError(f"preset of {name}", preset, found.presets)
    folder = Path("runs") / f"{name}-{preset}" if out is None else Path(out)
    paths: list[Path] = PAPERS.find(name).call(
        preset,
        folder,
        root=None if root is None else data_root(root),
        seed=seed,
        device=device,
        force=force,
        progress=progress,
    )
    return paths
