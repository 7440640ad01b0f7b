"""One array in every form that people hold: the same number from every function that takes rows, or one sentence."""

from collections import UserDict
from decimal import Decimal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
import torch
import zarr

import reprq
from reprq import Embeddings, detectors, evaluation, metrics, plots
from reprq.embeddings import load_embeddings
from reprq.errors import InputError
from reprq.validation import as_classes, as_labels, as_scores

ROWS = np.random.default_rng(0).integers(-30, 30, size=(24, 4)).astype(np.float32)  # exact in every form
ROWS[0] = [1, 2, 3, 4]
LABELS = np.arange(24) % 2


def masked(share):
    rows = np.ma.masked_array(ROWS.copy(), mask=False)
    rows.data[:share] = 1e4
    rows[:share, 1] = np.ma.masked
    return rows


def memory_map(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    return np.load(tmp_path / "rows.npy", mmap_mode="r")


class Subclass(np.ndarray):
    pass


FORMS = {
    "mask-none": lambda: np.ma.masked_array(ROWS),
    "mask-false": lambda: masked(0),
    "tensor": lambda: torch.tensor(ROWS),
    "tensor-grad": lambda: torch.tensor(ROWS, requires_grad=True),
    "tensor-bfloat16": lambda: torch.tensor(ROWS).bfloat16(),
    "tensor-negated-view": lambda: torch.complex(torch.tensor(ROWS), -torch.tensor(ROWS)).conj().imag,
    "tensors": lambda: [torch.tensor(row) for row in ROWS],
    "tensors-grad": lambda: [torch.tensor(row, requires_grad=True) for row in ROWS],
    "numbers-grad": lambda: [[torch.tensor(float(v), requires_grad=True) for v in row] for row in ROWS],
    "tuples": lambda: tuple(tuple(row) for row in ROWS.tolist()),
    "masked-rows": lambda: list(masked(0)),
    "big-endian": lambda: ROWS.astype(">f4"),
    "big-endian-integers": lambda: ROWS.astype(">i2"),
    "float16": lambda: ROWS.astype(np.float16),
    "float128": lambda: ROWS.astype(np.longdouble),
    "fortran": lambda: np.asfortranarray(ROWS),
    "view": lambda: np.repeat(ROWS, 2, axis=1)[::-1, ::2][::-1],
    "matrix": lambda: np.asmatrix(ROWS),
    "subclass": lambda: ROWS.view(Subclass),
    "object": lambda: ROWS.astype(object),
    "decimals": lambda: [[Decimal(int(v)) for v in row] for row in ROWS],
    "frame": lambda: pd.DataFrame(ROWS, columns=list("abcd")),
    "frame-nullable": lambda: pd.DataFrame(ROWS).astype("Float64"),
    "frame-nullable-integers": lambda: pd.DataFrame(ROWS.astype(int)).astype("Int32"),
    "frame-arrow": lambda: pd.DataFrame(ROWS).astype("float32[pyarrow]"),
    "frame-object": lambda: pd.DataFrame(ROWS.astype(object)),
    "frame-sparse": lambda: pd.DataFrame.sparse.from_spmatrix(scipy.sparse.csr_matrix(ROWS)),
    "column-of-vectors": lambda: pd.Series(list(ROWS)),
    "objects-of-vectors": lambda: pd.Series(list(ROWS)).to_numpy(),
    "arrow-table": lambda: pa.table({name: ROWS[:, i] for i, name in enumerate("abcd")}),
    "arrow-lists": lambda: pa.array(list(ROWS)),
    "arrow-fixed-lists": lambda: pa.FixedSizeListArray.from_arrays(pa.array(ROWS.ravel()), 4),
    "zarr": lambda: zarr.array(ROWS),
    "embeddings": lambda: Embeddings(ROWS, layer="a"),
}

REFUSED = {
    "masked": (lambda: masked(3), "must have a value everywhere, got 3 masked; drop those rows or fill them"),
    "masked-row": (lambda: list(masked(1)), r"\[0\] must have a value everywhere, got 1 masked"),
    "masked-number": (lambda: [[1.0, np.ma.masked]], "must have a value everywhere, got 1 masked"),
    "csr": (lambda: scipy.sparse.csr_matrix(ROWS), r"must be a dense array, got a sparse one; convert it with toarray"),
    "coo": (lambda: scipy.sparse.coo_array(ROWS), "must be a dense array, got a sparse one"),
    "tensor-coo": (lambda: torch.tensor(ROWS).to_sparse(), "must be a dense tensor, got a sparse one"),
    "tensor-csr": (lambda: torch.tensor(ROWS).to_sparse_csr(), "must be a dense tensor, got a sparse one"),
    "tensor-meta": (lambda: torch.empty(24, 4, device="meta"), "got a tensor on the meta device, which has none"),
    "tensor-quantized": (
        lambda: torch.quantize_per_tensor(torch.tensor(ROWS), 1.0, 0, torch.qint8),
        "must not be quantized, got torch.qint8",
    ),
    "tensor-nested": (lambda: torch.nested.nested_tensor([torch.ones(3), torch.ones(4)]), "got a nested tensor"),
    "tensor-complex": (lambda: torch.tensor(ROWS).to(torch.complex64), "must be real numbers, got dtype complex64"),
    "complex": (lambda: ROWS.astype(complex), "must be real numbers, got dtype complex128; give its real part"),
    "text": (lambda: ROWS.astype(str), "must be real numbers, got dtype <U32"),
    "text-objects": (
        lambda: ROWS.astype(str).astype(object),
        r"must be real numbers, got '1.0' at row 0, column 0 \(96",
    ),
    "complex-objects": (lambda: ROWS.astype(complex).astype(object), r"must be real numbers, got \(1\+0j\) at row 0"),
    "bytes": (lambda: ROWS.astype("S4"), r"must be real numbers, got dtype \|S4"),
    "datetime": (lambda: np.zeros((24, 4), "M8[s]"), "must be real numbers, got dtype datetime64"),
    "structured": (lambda: np.zeros((24, 4), [("a", "f4"), ("b", "f4")]), "got a structured one with the fields a, b"),
    "missing": (
        lambda: pd.DataFrame(ROWS).astype("Float64").mask(pd.DataFrame(ROWS) == 4),
        r"must be real numbers, got <NA> at row 0, column 3 \(\d+ such values\)",
    ),
    "none": (lambda: [[1.0, None], [2.0, 3.0]], r"must be real numbers, got None at row 0, column 1 \(1 such values\)"),
    "mixed-frame": (lambda: pd.DataFrame(ROWS).assign(name="a"), "must be real numbers, got 'a' at row 0, column 4"),
    "(n, 1, d)": (lambda: ROWS[:, None], r"got shape \(24, 1, 4\); drop the axes of length 1 with reshape\(24, 4\)"),
    "(n, d, 1, 1)": (lambda: ROWS[:, :, None, None], r"got shape \(24, 4, 1, 1\); drop the axes of length 1"),
    "(n, t, d)": (lambda: np.ones((3, 2, 4)), r"got shape \(3, 2, 4\); pool or flatten every sample to one row"),
    "(n,)": (lambda: pd.Series(ROWS[:, 0]), r"got shape \(24,\); reshape one row to \(1, d\)"),
    "number": (lambda: 3.0, "must be an .* array, got one float"),
    "nothing": (lambda: None, "must be an array, got None"),
    "set": (lambda: {1.0, 2.0}, "must be an array, got a set"),
    "path": (lambda: "rows.npy", "must be an array, got 'rows.npy'; load the file first"),
    "mapping": (lambda: UserDict(a=ROWS), "must be an array, got a mapping with the keys a; give one of its values"),
    "ragged": (lambda: [[1, 2], [3]], "got a ragged sequence; give rows of one length"),
    "ragged-tensors": (lambda: [torch.ones(2), torch.ones(3)], "got a ragged sequence; give rows of one length"),
}


class _Fixed:
    """A detector of an oracle search that need not fit."""

    def fit(self, benign):
        return self

    def anomaly_score(self, rows):
        return np.asarray(rows)[:, 0]

    def describe(self):
        return "fixed"


def spectrum_line(rows):
    axes = plots.spectrum_plot(rows, metrics.AlphaFit(1.0, 1.0, 1, 3, 1.0, 1.0))
    plt.close(axes.figure)
    return axes.lines[0].get_ydata()


ONE_NUMBER = [
    *("aucev", "condition_number", "coherence", "cosine_compactness", "effective_rank", "isoscore"),
    *("mean_knn_distance", "nesum", "participation_ratio", "rankme", "self_cluster", "spectrum", "stable_rank"),
    *("trace", "twonn", "uniformity", "local_dimension", "hubness", "score_stability", "alpha_all_ranks"),
]
# Every public function that takes (n, d) rows, as a number or numbers of them.
TAKES_ROWS = {
    **{name: getattr(metrics, name) for name in ONE_NUMBER},
    "measure": lambda rows: reprq.measure(rows)["rankme"].value,
    "measure-rows": lambda rows: reprq.measure(rows, ["twonn"])["twonn"].value,
    "measure-intervals": lambda rows: reprq.measure(rows, ["rankme"], intervals=True)["rankme"].low,
    "moments": lambda rows: metrics.Moments.of(rows).scatter,
    "moments-update": lambda rows: metrics.Moments(4).update(rows).scatter,
    "curve": lambda rows: metrics.curve(rows, ["rankme"], sizes=[12, 24], repeats=1)["value"],
    "alpha_req": lambda rows: metrics.alpha_req(rows, fit_range=(1, 4)),
    "alignment": lambda rows: metrics.alignment(rows, ROWS[::-1]),
    "lidar": lambda rows: metrics.lidar([ROWS, rows, ROWS**2]),
    "cka": lambda rows: metrics.cka(rows, ROWS**2),
    "cka_matrix": lambda rows: metrics.cka_matrix({"a": rows, "b": ROWS**2})[0, 1],
    "layer_similarity": lambda rows: metrics.layer_similarity({"a": rows, "b": ROWS**2}, measure="mutual_knn", k=3),
    "mutual_knn": lambda rows: metrics.mutual_knn(ROWS**2, rows, k=3),
    "procrustes_distance": lambda rows: metrics.procrustes_distance(rows, ROWS**2),
    "svcca": lambda rows: metrics.svcca(rows, ROWS**2),
    "pwcca": lambda rows: metrics.pwcca(rows, ROWS**2),
    "brittleness": lambda rows: metrics.brittleness(lambda x: x.flatten(1).sum(1), torch.zeros(2, 1, 1, 2), rows),
    "detector.fit": lambda rows: detectors.KNN().fit(rows).anomaly_score(ROWS),
    "detector.anomaly_score": lambda rows: detectors.Mahalanobis().fit(ROWS).anomaly_score(rows),
    "detector.score_samples": lambda rows: detectors.PCA(0.5).fit(ROWS).score_samples(rows),
    "detector.decision_function": lambda rows: detectors.Centroid().fit(ROWS).decision_function(rows),
    "detector.predict": lambda rows: detectors.KNN(1).fit(ROWS).predict(rows, threshold=1.0),
    "linear_probe-train": lambda rows: evaluation.linear_probe(rows, LABELS, ROWS, LABELS).value,
    "linear_probe-test": lambda rows: evaluation.linear_probe(ROWS, LABELS, rows, LABELS).value,
    "oracle_search-test": lambda rows: evaluation.oracle_search([_Fixed()], ROWS, rows, LABELS).candidates[0][1],
    "oracle_search-benign": lambda rows: evaluation.oracle_search(
        [detectors.Centroid()], rows, ROWS, LABELS
    ).candidates[0][1],
    "project": plots.project,
    "spectrum_plot": spectrum_line,
    "Embeddings": lambda rows: Embeddings(rows).array,
}
FEW = ["rankme", "twonn", "cka", "detector.fit", "detector.anomaly_score", "linear_probe-train", "Embeddings"]


pytestmark = [
    pytest.mark.filterwarnings("ignore:X (has|does not have) .*feature names:UserWarning"),  # of a table, then an array
    pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning"),
]


@pytest.mark.parametrize("name", TAKES_ROWS)
@pytest.mark.parametrize("form", ["embeddings", "frame", "tensors-grad"])
def test_every_function_of_rows_takes_embeddings_tables_and_lists_of_tensors(name, form):
    take = TAKES_ROWS[name]
    np.testing.assert_allclose(take(FORMS[form]()), take(ROWS), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_rows_gives_the_same_numbers(name, form):
    take = TAKES_ROWS[name]
    np.testing.assert_allclose(take(FORMS[form]()), take(ROWS), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", TAKES_ROWS)
@pytest.mark.parametrize("form", ["masked", "csr", "complex"])
def test_every_function_of_rows_refuses_what_has_no_meaning(name, form):
    make, sentence = REFUSED[form]
    with pytest.raises(InputError, match=sentence):
        TAKES_ROWS[name](make())


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.filterwarnings("ignore:.*quantize.*")
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support:UserWarning")
@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("form", REFUSED)
def test_what_is_no_matrix_is_one_sentence(name, form):
    make, sentence = REFUSED[form]
    with pytest.raises(InputError, match=sentence) as caught:
        TAKES_ROWS[name](make())
    assert "\n" not in str(caught.value)


def test_a_memory_map_is_read_where_it_lies(tmp_path):
    mapped = memory_map(tmp_path)
    for name in FEW:
        np.testing.assert_allclose(TAKES_ROWS[name](mapped), TAKES_ROWS[name](ROWS), rtol=1e-5)


def test_a_generator_of_blocks_is_for_one_pass_and_refused_elsewhere():
    assert reprq.measure(iter([ROWS[:10], ROWS[10:]]))["rankme"].value == pytest.approx(metrics.rankme(ROWS))
    for name in ("twonn", "detector.fit", "linear_probe-test"):
        with pytest.raises(InputError, match="got a generator; join its blocks with numpy.concatenate"):
            TAKES_ROWS[name](block for block in [ROWS])


@pytest.mark.parametrize("form", ["big-endian", "big-endian-integers", "float16", "float128", "fortran"])
def test_files_give_the_numbers_of_the_array(tmp_path, form):
    np.save(tmp_path / "rows.npy", FORMS[form]())
    np.testing.assert_array_equal(load_embeddings(tmp_path / "rows.npy").array, ROWS)


@pytest.mark.parametrize("form", ["complex", "structured", "(n, 1, d)", "datetime", "text"])
def test_files_are_refused_in_the_words_of_the_array(tmp_path, form):
    make, sentence = REFUSED[form]
    np.save(tmp_path / "rows.npy", make())
    with pytest.raises(InputError, match=sentence):
        load_embeddings(tmp_path / "rows.npy")


COLUMNS = {
    "tensor": torch.tensor(LABELS),
    "tensor-grad": torch.tensor(LABELS.astype(float), requires_grad=True),
    "tensors": [torch.tensor(float(v), requires_grad=True) for v in LABELS],
    "big-endian": LABELS.astype(">i4"),
    "nullable": pd.Series(LABELS).astype("Int64"),
    "nullable-boolean": pd.Series(LABELS).astype("boolean"),
    "objects": LABELS.astype(object),
    "categories": pd.Series(LABELS).astype("category"),
    "arrow": pa.array(LABELS),
    "mask-false": np.ma.masked_array(LABELS),
    "list": LABELS.tolist(),
}
SCORES = np.linspace(0, 1, 24) ** 2


@pytest.mark.parametrize("form", COLUMNS)
def test_labels_and_scores_in_every_form(form):
    given = COLUMNS[form]
    np.testing.assert_array_equal(as_labels(given, 24), LABELS)
    np.testing.assert_array_equal(as_classes(given, 24), LABELS)
    np.testing.assert_array_equal(as_scores(given), LABELS)
    assert evaluation.auroc(given, SCORES) == evaluation.auroc(LABELS, SCORES)
    assert evaluation.correlation(given, SCORES).coefficient == evaluation.correlation(LABELS, SCORES).coefficient
    assert evaluation.linear_probe(ROWS, given, ROWS, given) == evaluation.linear_probe(ROWS, LABELS, ROWS, LABELS)
    np.testing.assert_array_equal(Embeddings(ROWS, labels=given).labels, LABELS)
    scored = detectors.Mahalanobis(form="class").fit(ROWS, given).anomaly_score(ROWS)
    np.testing.assert_array_equal(scored, detectors.Mahalanobis(form="class").fit(ROWS, LABELS).anomaly_score(ROWS))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (np.ma.masked_array(LABELS, mask=LABELS == 1), "must have a value everywhere, got 12 masked"),
        (pd.Series(LABELS).astype("Int64").replace(1, pd.NA), r"got \[0.0, nan\]|got dtype float64"),
        (LABELS[:, None], r"got \(24, 1\); flatten them with ravel\(\)"),
        (LABELS.astype(complex), r"complex|\(1\+0j\)"),
        (np.where(LABELS == 1, np.nan, 0.0), "nan|float64"),
        (scipy.sparse.csr_array(LABELS[None]), "must be a dense array"),
        (LABELS[1:], r"must have shape \(24,\), .* got \(23,\)"),
        ({"a": LABELS}, "got a mapping"),
    ],
)
def test_labels_that_mean_nothing_are_one_sentence(given, sentence):
    for use in (
        lambda: evaluation.auroc(given, SCORES),
        lambda: evaluation.linear_probe(ROWS, given, ROWS, LABELS),
        lambda: Embeddings(ROWS, labels=given),
        lambda: detectors.Mahalanobis(form="class").fit(ROWS, given),
    ):
        with pytest.raises(InputError, match=sentence):
            use()


def test_scores_that_mean_nothing_are_one_sentence():
    for given, sentence in (
        (np.ma.masked_array(SCORES, mask=SCORES > 0.5), "scores must have a value everywhere, got 7 masked"),
        (
            SCORES[:, None],
            r"scores must be a non-empty \(n,\) array of numbers, got float64 of shape .*; flatten",
        ),
        (SCORES.astype(str), "scores must be real numbers, got dtype <U"),
        ([0.1, None], "scores must be real numbers, got None at row 1"),
    ):
        with pytest.raises(InputError, match=sentence):
            evaluation.auroc(LABELS, given)


def test_text_and_numbers_are_classes_fractions_are_not():
    assert as_classes(np.array(["b", "a"], dtype=object), 2).tolist() == ["b", "a"]
    assert as_classes(pd.Series(["b", "a"], dtype="string"), 2).tolist() == ["b", "a"]
    with pytest.raises(InputError, match="must be class labels, whole numbers or text, got dtype float64"):
        as_classes([0.5, 1.0], 2)
