"""What a study may say; `reprq.study.loading` reads it from a file."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from reprq.detectors.entries import DETECTORS
from reprq.detectors.registry import stands_alone
from reprq.study.sections import EMBEDDINGS, BackboneConfig, DataConfig, Section, SplitsConfig, Tasks


def _one_or_several(value: Any) -> str:
    several = isinstance(value, list | tuple) and value and isinstance(value[0], Mapping | DataConfig)
    return "[several]" if several else "[one]"


class StudyConfig(Section):
    """A whole study.

    Attributes:
        title: What the study is; stands over the figure.
        data: The samples, or a list of several data sets; may be left out where every backbone is embedding files.
        splits: What deviates from the plain tasks, once or several times; nothing by default.
        backbones: The networks; none where every detector needs none.
        tasks: "all", "unimodal", "multimodal", or task names such as "unimodal:cat".
        metrics: Names of metrics; all of `reprq.metrics.names()` by default. "linear_probe" is the test accuracy of a
            linear head on all classes; "brittleness" trains a student to each layer, as the detector `distillation`,
            with the parameters that this has among `detectors`.
        detectors: Names, or tables of a name and its parameters.
        pixels: Whether figures of anomaly maps by pixel are insisted on: some detector must have maps and every split
            masks. By default they are given where they can be.
        seeds: From 0 to 2^32 - 1; each draws its own sample of samples and its own random weights.
        dtype: "float32" or "float16" in the caches.
        batch_size: Samples a forward pass.
        workers: How many processes compute cells, each on one thread; no result depends on it.
    """

    title: str = ""
    data: Annotated[
        Annotated[DataConfig, Tag("[one]")] | Annotated[list[DataConfig], Tag("[several]")],
        Discriminator(_one_or_several),
    ]
    splits: list[SplitsConfig] = Field(default_factory=list)
    backbones: list[BackboneConfig] = Field(default_factory=list)
    tasks: Tasks = "all"
    metrics: list[str] | None = Field(default=None, min_length=1)
    detectors: list[str | dict[str, Any]] = Field(default=["knn", "mahalanobis", "centroid"], min_length=1)
    pixels: bool = False
    seeds: list[Annotated[int, Field(ge=0, le=2**32 - 1)]] = Field(default=[0], min_length=1)
    dtype: Literal["float32", "float16"] = "float32"
    batch_size: int = Field(default=64, ge=1)
    workers: int = Field(default=1, ge=1)

    @field_validator("splits", mode="before")
    @classmethod
    def _one_section(cls, value: Any) -> Any:
        return [value] if isinstance(value, Mapping | SplitsConfig) else value

    @model_validator(mode="before")
    @classmethod
    def _rows_of_files(cls, values: Any) -> Any:
        sections = values.get("backbones") if isinstance(values, dict) and "data" not in values else None
        if (
            isinstance(sections, list)
            and sections
            and all(isinstance(b, dict) and b.get("embeddings") for b in sections)
        ):
            return {**values, "data": {"name": EMBEDDINGS}}
        return values

    @model_validator(mode="after")
    def _needs_no_backbone(self) -> "StudyConfig":
        if self.backbones:
            return self
        if self.metrics is not None:
            raise ValueError(
                "metrics measure the layers of [[backbones]], and there is none; add one or remove metrics"
            )
        for spec in self.detectors:
            name = spec if isinstance(spec, str) else str(spec.get("name"))
            if name in DETECTORS and not stands_alone(name):  # a name that no detector has is explained later
                raise ValueError(f"detector {name!r} needs one of [[backbones]], and there is none; add one")
        if files := [data.dataset for data in self.datasets if data.name == EMBEDDINGS]:
            raise ValueError(f"no backbone is the embedding files of {files[0]!r}; add one to [[backbones]]")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> "StudyConfig":
        labels = [backbone.label for backbone in self.backbones]
        if twice := sorted({label for label in labels if labels.count(label) > 1}):
            raise ValueError(f"two backbones are called {twice[0]!r}; give each its own label")
        datasets = [data.dataset for data in self.datasets]
        if same := sorted({name for name in datasets if datasets.count(name) > 1}):
            raise ValueError(f"two data sets are called {same[0]!r}; give each its own label")
        for data in self.datasets:
            if data.benign is not None and (data.tasks or (self.tasks != "all" and len(datasets) == 1)):
                raise ValueError("data.benign and tasks both say what is benign; remove one of them")
            if self.backbones and not any(backbone.runs_on(data) for backbone in self.backbones):
                raise ValueError(f"no backbone runs on the data set {data.dataset!r}; give it one, or remove it")
        for backbone in self.backbones:
            if unknown := sorted(set(backbone.datasets or ()) - set(datasets)):
                raise ValueError(f"backbone {backbone.label!r} names the data set {unknown[0]!r}; there is {datasets}")
            split = [data.dataset for data in self.datasets if backbone.runs_on(data) and data.name != EMBEDDINGS]
            if backbone.groups is not None and split:
                raise ValueError(
                    f"backbone {backbone.label!r} has groups, and {split[0]!r} has its own split; remove groups"
                )
            if not any(backbone.runs_on(data) for data in self.datasets):
                raise ValueError(f"backbone {backbone.label!r} is a network and needs samples; name them in [data]")
        for section in self.splits:
            if unknown := sorted(set(section.datasets or ()) - set(datasets)):
                raise ValueError(f"splits names the data set {unknown[0]!r}; there is {datasets}")
        if again := sorted({seed for seed in self.seeds if self.seeds.count(seed) > 1}):
            raise ValueError(f"seeds holds {again[0]} more than once; give each seed once")
        return self

    def splits_of(self, data: DataConfig) -> list[SplitsConfig]:
        """Return what deviates from the plain tasks on a data set."""
        return [section for section in self.splits if section.datasets is None or data.dataset in section.datasets]

    @property
    def datasets(self) -> list[DataConfig]:
        """The data sets, one or several."""
        return [self.data] if isinstance(self.data, DataConfig) else self.data

    def record(self) -> dict[str, Any]:
        """Return what decides the results, as JSON values: everything but the number of workers."""
        record = self.model_dump(mode="json", exclude={"workers"})
        sections = [record["data"]] if isinstance(record["data"], dict) else record["data"]
        for section in sections:
            for name in ("label", "benign", "tasks"):  # records of older studies lack them
                if section[name] is None:
                    del section[name]
        for name in ("splits", "pixels"):
            if not record[name]:
                del record[name]
        for section in record["backbones"]:
            for name in ("datasets", "embeddings", "keys", "columns", "labels", "groups"):
                if section[name] is None:
                    del section[name]
        return record
