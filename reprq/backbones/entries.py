"""The sources of backbones, and how a name says which one is meant; importing this costs nothing."""

from reprq.registry import Entry, Registry

_PLAIN = "reprq.backbones.registry:load_named"
_UNLISTED = {"listed": False}
_BRINGS_WEIGHTS = {**_UNLISTED, "brings_weights": True}
BACKBONES = Registry(
    "source of backbones",
    (
        Entry(name="reprq", target=_PLAIN, inputs="image", about="LeNet and ResNets for 32 x 32 pixels, by name"),
        Entry(name="torchvision", target=_PLAIN, inputs="image", about="torchvision's classification models, by name"),
        Entry(
            name="timm:NAME",
            target="reprq.backbones.sources.timm:load_timm",
            inputs="image",
            extra="timm",
            about="a model of timm",
        ),
        Entry(
            name="hf:NAME_OR_PATH",
            target="reprq.backbones.sources.huggingface:load_huggingface",
            inputs="image, text",
            extra="hf",
            about="a model of Hugging Face that takes images or texts",
            facts=_UNLISTED,
        ),
        Entry(
            name="words:PATH",
            target="reprq.backbones.sources.word_vectors:load_words",
            inputs="text",
            about="vectors of words in the text format of GloVe, word2vec or fastText",
            facts=_BRINGS_WEIGHTS,
        ),
        *(
            Entry(
                name=name,
                target="reprq.backbones.sources.terms:load_terms",
                inputs="text",
                about=about,
                facts={"names": (name,), "learns": True, "weightless": True},
            )
            for name, about in (
                ("bow", "counts of the terms of a text, those of benign training texts"),
                ("tfidf", "tf-idf of these"),
                ("lsa", "tf-idf projected on its first singular vectors: latent semantic analysis"),
            )
        ),
        *(
            Entry(
                name=name,
                target="reprq.backbones.sources.rows:load_rows",
                inputs="table",
                about=about,
                facts={"names": (name,), "learns": True, "weightless": name == "identity"},
            )
            for name, about in (
                ("identity", "the rows of a table as they are, or scaled by benign training rows"),
                ("mlp", "a multilayer perceptron on rows of a table, for `reprq train`"),
            )
        ),
        *(
            Entry(
                name=name,
                target="reprq.backbones.sources.sound:load_statistics",
                inputs="audio",
                about=about,
                facts={"names": (name,), "weightless": True},
            )
            for name, about in (
                ("mfcc", "Mel-frequency cepstral coefficients of a sound, and their mean and deviation over time"),
                ("logmel", "the same of its log-Mel bands"),
            )
        ),
        Entry(
            name="pca:K",
            target="reprq.backbones.sources.components:load_components",
            inputs="image",
            about="the first K principal components of the pixels of benign training images",
            facts={**_UNLISTED, "learns": True, "example": "pca:2"},
        ),
        Entry(
            name="teacher:PATH",
            target="reprq.backbones.registry:load_teacher",
            inputs="image, text, table",
            about="a teacher that reprq trained",
            facts=_BRINGS_WEIGHTS,
        ),
        Entry(
            name="package.module:callable",
            target="reprq.backbones.sources.python:load_callable",
            inputs="any",
            about="a network of your own",
            facts=_UNLISTED,
        ),
    ),
    group="reprq.backbones",
)


def source_names() -> tuple[str, ...]:
    """Return the sources whose networks can be listed.

    Example:
        >>> source_names()[:3]
        ('reprq', 'torchvision', 'timm')
    """
    return tuple(entry.name.partition(":")[0] for entry in BACKBONES if entry.facts.get("listed", True))


def learns(name: str, weights: str = "default") -> bool:
    """Whether a backbone has to learn from benign training samples before it embeds any.

    Args:
        name: The backbone.
        weights: Its weights; a file holds what it learned.

    Example:
        >>> learns("tfidf"), learns("tfidf", "learned.safetensors"), learns("resnet18")
        (True, False, False)
    """
    return weights in ("default", "random") and name in BACKBONES and bool(BACKBONES.find(name).facts.get("learns"))


def modalities_of(source: str) -> tuple[str, ...]:
    """Return the modalities of the data that the networks of a source go with; of images also what is drawn for them.

    Example:
        >>> modalities_of("torchvision"), modalities_of("words")
        (('image', 'audio'), ('text',))
    """
    from reprq.data.modality import MODALITIES  # here: it costs NumPy

    entry = next(entry for entry in BACKBONES if entry.name.partition(":")[0] == source)
    drawn = (modality.name for modality in MODALITIES.values() if modality.drawing)
    return (*entry.inputs.split(", "), *(drawn if entry.takes("image") else ()))


def brings_weights(name: str) -> bool:
    """Whether a backbone's name is that of a file with its weights.

    Example:
        >>> brings_weights("teacher:t.safetensors"), brings_weights("timm:resnet18"), brings_weights("resnet18")
        (True, False, False)
    """
    return ":" in name and name in BACKBONES and bool(BACKBONES.find(name).facts.get("brings_weights"))
