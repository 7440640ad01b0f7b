"""The parts of a study: one backbone on one data set under one seed."""

from dataclasses import dataclass

from reprq.study.sections import EMBEDDINGS, BackboneConfig, DataConfig


@dataclass(frozen=True)
class StudyPart:
    """One backbone on one data set under one seed, which is extracted at once; or no backbone, for what needs none.

    Attributes:
        seed: Of its random weights and its samples.
        data: The section of the data set.
        backbone: The section of the backbone, or None.
        split: The number of the one split whose training rows the backbone learns from; None where it learns from none,
            and all splits share its rows.
    """

    seed: int
    data: DataConfig
    backbone: BackboneConfig | None
    split: int | None = None

    @property
    def key(self) -> tuple[int, str, str | None, int | None]:
        """What tells it from the other parts of the study."""
        return *self.place, self.split

    @property
    def place(self) -> tuple[int, str, str | None]:
        """Its seed, and what its data set and its backbone are called."""
        return self.seed, self.data.dataset, None if self.backbone is None else self.backbone.label

    @property
    def network_config(self) -> BackboneConfig | None:
        """The section of a backbone that is a network, not files."""
        return None if self.backbone is None or self.backbone.embeddings is not None else self.backbone

    @property
    def is_files(self) -> bool:
        """Whether its backbone is embedding files."""
        return self.backbone is not None and self.backbone.embeddings is not None

    @property
    def samples_are_rows(self) -> bool:
        """Whether its data set has no samples but the rows of embedding files."""
        return self.data.name == EMBEDDINGS
