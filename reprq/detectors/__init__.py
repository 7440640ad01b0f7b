"""One-class detectors: fit on benign embeddings, score the rest; higher is more anomalous.

They are made by name or by class, and imported on first use::

    detector = create("knn")                                        # or KNN(k=5)
    detector = create({"name": "mahalanobis", "covariance": "oas"})
    scores = detector.fit(benign).anomaly_score(rows)               # (m,) float64
"""

from typing import TYPE_CHECKING

from reprq.lazy import from_modules

if TYPE_CHECKING:
    from reprq.detectors.conformal import Threshold, p_values, threshold
    from reprq.detectors.deep.aae import AdversarialAutoencoder
    from reprq.detectors.deep.adib import ADIB, ADRA
    from reprq.detectors.deep.anogan import AnoGAN
    from reprq.detectors.deep.autoencoder import Autoencoder
    from reprq.detectors.deep.base import DeepDetector
    from reprq.detectors.deep.classifiers import BCE, Focal
    from reprq.detectors.deep.cvdd import CVDD
    from reprq.detectors.deep.dagmm import DAGMM
    from reprq.detectors.deep.distillation import Distillation
    from reprq.detectors.deep.doc import DOC
    from reprq.detectors.deep.fanogan import FAnoGAN
    from reprq.detectors.deep.fcdd import FCDD
    from reprq.detectors.deep.flow import Flow
    from reprq.detectors.deep.geometric import Geometric
    from reprq.detectors.deep.hsc import HSC
    from reprq.detectors.deep.rotnet import MSP, ODIN
    from reprq.detectors.deep.sad import DeepSAD
    from reprq.detectors.deep.ss_dgm import SSDGM
    from reprq.detectors.deep.supervised import SupervisedClassifier
    from reprq.detectors.deep.svdd import DeepSVDD
    from reprq.detectors.deep.transfer import Transfer
    from reprq.detectors.deep.vae import VAE
    from reprq.detectors.entries import DETECTORS
    from reprq.detectors.files import load, save
    from reprq.detectors.oracle import oracle_grid
    from reprq.detectors.patch.padim import PaDiM
    from reprq.detectors.patch.patchcore import PatchCore
    from reprq.detectors.patch.spade import SPADE
    from reprq.detectors.registry import Detector, create, describe, is_network, names
    from reprq.detectors.rows.base import ArrayDetector
    from reprq.detectors.rows.centroid import Centroid
    from reprq.detectors.rows.density import KDE, MVE, Gaussian
    from reprq.detectors.rows.ensemble import Ensemble
    from reprq.detectors.rows.knn import KNN
    from reprq.detectors.rows.lof import LOF
    from reprq.detectors.rows.mahalanobis import Mahalanobis
    from reprq.detectors.rows.pyod import PyOD
    from reprq.detectors.rows.radial import RadialMahalanobis
    from reprq.detectors.rows.reconstruction import KPCA, PCA
    from reprq.detectors.rows.shallow import GMM, OCSVM, IForest
    from reprq.detectors.rows.ssad import SSAD

_MODULES = {
    "Threshold": "reprq.detectors.conformal",
    "p_values": "reprq.detectors.conformal",
    "threshold": "reprq.detectors.conformal",
    "AdversarialAutoencoder": "reprq.detectors.deep.aae",
    "ADIB": "reprq.detectors.deep.adib",
    "ADRA": "reprq.detectors.deep.adib",
    "DOC": "reprq.detectors.deep.doc",
    "Transfer": "reprq.detectors.deep.transfer",
    "Autoencoder": "reprq.detectors.deep.autoencoder",
    "DeepDetector": "reprq.detectors.deep.base",
    "DeepSAD": "reprq.detectors.deep.sad",
    "DeepSVDD": "reprq.detectors.deep.svdd",
    "SSDGM": "reprq.detectors.deep.ss_dgm",
    "SupervisedClassifier": "reprq.detectors.deep.supervised",
    "BCE": "reprq.detectors.deep.classifiers",
    "CVDD": "reprq.detectors.deep.cvdd",
    "AnoGAN": "reprq.detectors.deep.anogan",
    "DAGMM": "reprq.detectors.deep.dagmm",
    "FAnoGAN": "reprq.detectors.deep.fanogan",
    "FCDD": "reprq.detectors.deep.fcdd",
    "VAE": "reprq.detectors.deep.vae",
    "Focal": "reprq.detectors.deep.classifiers",
    "Flow": "reprq.detectors.deep.flow",
    "Geometric": "reprq.detectors.deep.geometric",
    "HSC": "reprq.detectors.deep.hsc",
    "MSP": "reprq.detectors.deep.rotnet",
    "ODIN": "reprq.detectors.deep.rotnet",
    "Distillation": "reprq.detectors.deep.distillation",
    "Ensemble": "reprq.detectors.rows.ensemble",
    "load": "reprq.detectors.files",
    "save": "reprq.detectors.files",
    "oracle_grid": "reprq.detectors.oracle",
    "PaDiM": "reprq.detectors.patch.padim",
    "PatchCore": "reprq.detectors.patch.patchcore",
    "SPADE": "reprq.detectors.patch.spade",
    "DETECTORS": "reprq.detectors.entries",
    "Detector": "reprq.detectors.registry",
    "create": "reprq.detectors.registry",
    "describe": "reprq.detectors.registry",
    "is_network": "reprq.detectors.registry",
    "names": "reprq.detectors.registry",
    "ArrayDetector": "reprq.detectors.rows.base",
    "Centroid": "reprq.detectors.rows.centroid",
    "KDE": "reprq.detectors.rows.density",
    "MVE": "reprq.detectors.rows.density",
    "Gaussian": "reprq.detectors.rows.density",
    "KNN": "reprq.detectors.rows.knn",
    "LOF": "reprq.detectors.rows.lof",
    "Mahalanobis": "reprq.detectors.rows.mahalanobis",
    "PyOD": "reprq.detectors.rows.pyod",
    "RadialMahalanobis": "reprq.detectors.rows.radial",
    "KPCA": "reprq.detectors.rows.reconstruction",
    "PCA": "reprq.detectors.rows.reconstruction",
    "SSAD": "reprq.detectors.rows.ssad",
    "GMM": "reprq.detectors.rows.shallow",
    "OCSVM": "reprq.detectors.rows.shallow",
    "IForest": "reprq.detectors.rows.shallow",
}

__all__ = [
    "ADIB",
    "ADRA",
    "BCE",
    "CVDD",
    "DAGMM",
    "DETECTORS",
    "DOC",
    "FCDD",
    "GMM",
    "HSC",
    "KDE",
    "KNN",
    "KPCA",
    "LOF",
    "MSP",
    "MVE",
    "OCSVM",
    "ODIN",
    "PCA",
    "SPADE",
    "SSAD",
    "SSDGM",
    "VAE",
    "AdversarialAutoencoder",
    "AnoGAN",
    "ArrayDetector",
    "Autoencoder",
    "Centroid",
    "DeepDetector",
    "DeepSAD",
    "DeepSVDD",
    "Detector",
    "Distillation",
    "Ensemble",
    "FAnoGAN",
    "Flow",
    "Focal",
    "Gaussian",
    "Geometric",
    "IForest",
    "Mahalanobis",
    "PaDiM",
    "PatchCore",
    "PyOD",
    "RadialMahalanobis",
    "SupervisedClassifier",
    "Threshold",
    "Transfer",
    "create",
    "describe",
    "is_network",
    "load",
    "names",
    "oracle_grid",
    "p_values",
    "save",
    "threshold",
]

__getattr__ = from_modules(__name__, _MODULES)
