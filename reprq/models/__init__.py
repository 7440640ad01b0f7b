"""A detector at work: fitted once on benign samples, written to a folder, and asked for scores by another process."""

from typing import TYPE_CHECKING

from reprq.lazy import from_modules

if TYPE_CHECKING:
    from reprq.models.drift import Drift
    from reprq.models.export import Exported
    from reprq.models.files import load_model
    from reprq.models.fitting import fit
    from reprq.models.model import Model
    from reprq.models.transformer import Embed

_MODULES = {
    "Drift": "reprq.models.drift",
    "Embed": "reprq.models.transformer",
    "Model": "reprq.models.model",
    "Exported": "reprq.models.export",
    "fit": "reprq.models.fitting",
    "load_model": "reprq.models.files",
}

__all__ = ["Drift", "Embed", "Exported", "Model", "fit", "load_model"]

__getattr__ = from_modules(__name__, _MODULES)
