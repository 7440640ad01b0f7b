"""The names in a study, before torch is loaded: a slip of the pen is said at once."""

from pathlib import Path

from reprq.data.registry import DATASETS
from reprq.detectors.registry import check_name
from reprq.metrics.selection import select
from reprq.study.config import StudyConfig
from reprq.study.measures import plain_and_measures
from reprq.study.sections import EMBEDDINGS


def check_names(config: StudyConfig) -> None:
    """Look up the metrics, detectors and data sets of a study; those of backbones take torch, and `Plan` finds them.

    Raises:
        UnknownNameError: one does not exist.
    """
    select(plain_and_measures(config.metrics)[0])
    for spec in config.detectors:
        name = spec if isinstance(spec, str) else spec.get("name")
        if isinstance(name, str):  # what is no name at all is explained where the detector is made
            check_name(name)
    others = [data for section in config.splits for data in (section.external, section.auxiliary) if data is not None]
    for data in (*config.datasets, *others):
        known = data.name == EMBEDDINGS or data.is_protocol
        if not known and not Path(data.name).is_dir():  # a bare folder is explained where it is read
            DATASETS.find(data.name)
