"""The pretext tasks by name; importing this costs nothing."""

from reprq.registry import Entry, Registry

TASKS = Registry(
    "pretext task",
    (
        Entry(name="random", target=None, inputs="image", about="the network as it was initialized: the floor"),
        Entry(
            name="classification",
            target="reprq.pretext.classification:Classification",
            inputs="image",
            about="tell the classes of the benign samples apart",
        ),
        Entry(
            name="rotation",
            target="reprq.pretext.rotation:Rotation",
            inputs="image",
            about="tell by how much an image was turned",
            citation="Gidaris, Singh & Komodakis 2018",
        ),
        Entry(
            name="simclr",
            target="reprq.pretext.two_views:SimCLR",
            inputs="image",
            about="find the other view of an image in the batch",
            citation="Chen et al. 2020",
        ),
        Entry(
            name="vicreg",
            target="reprq.pretext.two_views:VICReg",
            inputs="image",
            about="make two views alike while columns vary and do not covary",
            citation="Bardes, Ponce & LeCun 2022",
        ),
        Entry(
            name="autoencoder",
            target="reprq.pretext.autoencoder:Autoencoding",
            inputs="image",
            about="give the image back",
        ),
        Entry(
            name="denoising",
            target="reprq.pretext.autoencoder:Denoising",
            inputs="image",
            about="give the image back from a noisy one",
        ),
        Entry(
            name="supervised",
            target="reprq.pretext.supervised:Supervised",
            inputs="image",
            about="tell benign from anomalous: the ceiling",
        ),
    ),
    group="reprq.pretext",
)
"""What a teacher can be trained on. A target is a `PretextTask`, or None for no training; `inputs` are modalities."""


def names() -> tuple[str, ...]:
    """Return the names of the pretext tasks.

    Example:
        >>> names()
        ('random', 'classification', 'rotation', 'simclr', 'vicreg', 'autoencoder', 'denoising', 'supervised')
    """
    return TASKS.names()
