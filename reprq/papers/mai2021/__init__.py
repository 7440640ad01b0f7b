"""Mai, Davies & Griffin 2021, "Brittle Features May Help Anomaly Detection", and chapter 3 of Mai's thesis.

Which pretext task gives a representation that detects, is the detector or the representation what matters, and does
the gradient norm tell? `presets.py` says what is run, `cases.py` on which images, `cells.py` computes one teacher on
one case, `claims.py` holds the poster's claims against the numbers, `figures.py` draws them.
"""

from reprq.papers.mai2021.study import PAPER

__all__ = ["PAPER"]
