"""What the scripts of this folder share: a network of a study file, by its label, and its embeddings."""

import argparse
from pathlib import Path

import reprq
from reprq.study import load_config


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which images."""
    study = Path(__file__).with_name("jpeg_cifar10.toml")
    parser.add_argument("--study", type=Path, default=study, help="the study file that describes images and networks")
    parser.add_argument("--samples", type=int, default=2000, help="training images, a seeded stratified sample")
    parser.add_argument("--seed", type=int, default=0, help="seeds the sample")


def embeddings(options: argparse.Namespace, label: str) -> reprq.EmbeddingCache:
    """Return the embeddings of every layer of the network with this label, on a sample of the training images."""
    config = load_config(options.study)
    networks = {network.label: network for network in config.backbones}
    if label not in networks:
        raise reprq.errors.UnknownNameError("backbone of the study", label, networks)
    network = networks[label]
    images = reprq.load_dataset(config.data.name, "train", root=config.data.root, download=config.data.download)
    return reprq.extract(
        network.name,
        images.sample(options.samples, seed=options.seed),
        weights=network.weights,
        preprocessing=network.preprocessing,
        seed=options.seed,
    )
