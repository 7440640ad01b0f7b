"""The pretext tasks by name; importing this costs nothing."""

from reprq.registry import Entry, Registry

TASKS = Registry(
    "pretext task",
    (
        Entry(
            name="random",
            target=None,
            inputs="image, text, table",
            about="the network as it was initialized: the floor",
        ),
        Entry(
            name="classification",
            target="reprq.pretext.classification:Classification",
            inputs="image, table",
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
            name="jigsaw",
            target="reprq.pretext.jigsaw:Jigsaw",
            inputs="image",
            about="tell in which order the tiles of an image stand",
            citation="Noroozi & Favaro 2016",
        ),
        Entry(
            name="colorization",
            target="reprq.pretext.colorization:Colorization",
            inputs="image",
            about="guess the colors of an image from its lightness",
            citation="Zhang, Isola & Efros 2016",
        ),
        Entry(
            name="masked",
            target="reprq.pretext.masked:MaskedPatches",
            inputs="image",
            about="fill in what is masked of an image",
            citation="Xie et al. 2022",
        ),
        Entry(
            name="byol",
            target="reprq.pretext.siamese:BYOL",
            inputs="image",
            about="guess what a slower copy of the network makes of another view",
            citation="Grill et al. 2020",
        ),
        Entry(
            name="simsiam",
            target="reprq.pretext.siamese:SimSiam",
            inputs="image",
            about="guess what the network itself makes of another view",
            citation="Chen & He 2021",
        ),
        Entry(
            name="central-exemplar",
            target="reprq.pretext.exemplar:CentralExemplar",
            inputs="image, text, table",
            about="bring all embeddings to that of the most central sample",
            citation="Mai 2021",
        ),
        Entry(
            name="masked-word",
            target="reprq.pretext.words:MaskedWord",
            inputs="text",
            about="guess the tokens of a text that are masked",
            citation="Devlin et al. 2019",
        ),
        Entry(
            name="next-word",
            target="reprq.pretext.words:NextWord",
            inputs="text",
            about="guess each token of a text from those before it",
            citation="Radford et al. 2018",
        ),
        Entry(
            name="vime",
            target="reprq.pretext.rows:VIME",
            inputs="table",
            about="tell which columns of a row were corrupted, and give the row back",
            citation="Yoon et al. 2020",
        ),
        Entry(
            name="scarf",
            target="reprq.pretext.rows:SCARF",
            inputs="table",
            about="find the corrupted copy of a row in the batch",
            citation="Bahri et al. 2022",
        ),
        Entry(
            name="supervised",
            target="reprq.pretext.supervised:Supervised",
            inputs="image, table",
            about="tell benign from anomalous: the ceiling",
        ),
    ),
    group="reprq.pretext",
)
"""What a teacher can be trained on. A target is a `PretextTask`, or None for no training; `inputs` are modalities."""


def names() -> tuple[str, ...]:
    """Return the names of the pretext tasks.

    Example:
        >>> names()[:3]
        ('random', 'classification', 'rotation')
    """
    return TASKS.names()
