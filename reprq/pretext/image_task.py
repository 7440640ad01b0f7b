"""What the pretext tasks of images share."""

from reprq.backbones import Preprocessing
from reprq.errors import InputError
from reprq.pretext.task import PretextTask, Shapes


class ImageTask(PretextTask):
    """A task that needs images.

    Raises:
        InputError: the network takes something else.
    """

    def __init__(self, shapes: Shapes) -> None:
        super().__init__(shapes)
        if not isinstance(shapes.transform, Preprocessing):
            raise InputError(f"the task must have images, got a network of {shapes.transform.modality}; choose another")
        self.preprocessing = shapes.transform
