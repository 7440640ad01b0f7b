"""What of the clips a network hears, and what a person should know of how they were brought to one length."""

import numpy as np

from reprq.data.audio.lengths import Lengths
from reprq.data.audio.sources import header_of
from reprq.data.dataset import Dataset
from reprq.data.failures import of_each
from reprq.data.modality import Seen
from reprq.errors import counted

_SAME = 0.01  # of a window: encoders of lossy formats add some milliseconds
_KEPT = {"center": "the middle", "start": "the start"}


def coverage(data: Dataset, lengths: Lengths) -> Seen:
    """Return what of some clips reaches a network; only their headers are read.

    The record's "clips" holds the numbers of those that were `resampled`, that are `short` or `long`er than a window by
    more than a hundredth, and `dropped`, the share of all sound that is cut off.

    Raises:
        DataError: Files that are no sounds; all are named.
    """
    headers = of_each(data, lambda i: header_of(data.source, int(data.rows[i])))
    seconds = np.array([header.seconds for header in headers])
    wanted, slack = lengths.seconds, _SAME * lengths.seconds
    resampled = sum(header.rate != lengths.sample_rate for header in headers)
    channels = sum(header.channels > 1 for header in headers)
    short, longer = int((seconds < wanted - slack).sum()), int((seconds > wanted + slack).sum())
    whole = lengths.long == "windows"
    dropped = 0.0 if whole else round(float(np.maximum(seconds - wanted, 0).sum() / seconds.sum()), 4)
    of = f"of {counted(len(data), 'clip')} of {data.name} {data.split}"
    notes = list(data.notes)
    if channels:
        notes.append(f"{channels} {of} have several channels, of which the mean is taken")
    if resampled:
        notes.append(f"{resampled} {of} are resampled to {lengths.sample_rate} Hz")
    if short:
        done = "silence is put after them" if lengths.short == "pad" else "they are repeated"
        notes.append(f"{short} {of} last less than {wanted:g} s: {done}")
    if longer:
        done = f"{_KEPT.get(lengths.long, '')} counts, and {100 * dropped:.0f} % of all sound is cut off"
        more = "; --sound seconds=N or long=windows keeps more"
        done = "their windows are averaged" if whole else done + more
        notes.append(f"{longer} {of} last more than {wanted:g} s: {done}")
    record = {"resampled": resampled, "short": short, "long": longer, "dropped": dropped}
    return Seen({"clips": record}, notes)
