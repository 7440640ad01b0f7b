import sys

import numpy as np
import pytest
from sklearn.base import clone

from reprq.detectors import KNN, PyOD, create, describe, load, save
from reprq.errors import InputError, UnknownNameError


@pytest.fixture
def installed():
    pytest.importorskip("pyod", reason="needs PyOD: pip install 'reprq[pyod]'")


@pytest.mark.usefixtures("installed")
class TestWithPyOD:
    def test_scores_are_its_own(self, benign, rows):
        from pyod.models.lof import LOF

        expected = LOF().fit(benign).decision_function(rows)
        np.testing.assert_array_equal(create("pyod:LOF").fit(benign).anomaly_score(rows), expected)

    def test_its_knn_agrees_with_ours(self, benign, rows):
        theirs = create({"name": "pyod:KNN", "n_neighbors": 3}).fit(benign).anomaly_score(rows)
        np.testing.assert_allclose(theirs, KNN(3).fit(benign).anomaly_score(rows), rtol=1e-9)

    def test_names_in_any_case_and_identifiers(self):
        assert describe(create("pyod:ecod")) == "pyod:ECOD"
        assert describe(create({"name": "pyod:knn", "n_neighbors": 2})) == "pyod:KNN[n_neighbors=2]"

    def test_forests_repeat(self, benign, rows):
        scores = [create("pyod:IForest").fit(benign).anomaly_score(rows) for _ in range(2)]
        np.testing.assert_array_equal(*scores)
        other = create({"name": "pyod:IForest", "random_state": 1}).fit(benign).anomaly_score(rows)
        assert not np.array_equal(scores[0], other)

    def test_it_keeps_the_contract_of_array_detectors(self, benign, rows, tmp_path):
        detector = create({"name": "pyod:KNN", "n_neighbors": 2}).fit(benign)
        assert clone(detector).get_params() == {"model": "KNN", "n_neighbors": 2}
        assert clone(detector).set_params(n_neighbors=4).get_params()["n_neighbors"] == 4
        save(detector, tmp_path / "knn.safetensors")
        again = load(tmp_path / "knn.safetensors")
        np.testing.assert_array_equal(again.anomaly_score(rows), detector.anomaly_score(rows))
        assert len(detector.training_scores()) == len(benign)
        assert detector.predict(-100 * benign[:1]).tolist() == [-1]
        with pytest.raises(InputError, match="X must be finite"):
            detector.anomaly_score(np.full((2, 7), np.nan))
        with pytest.raises(InputError, match="X has 3 features, but PyOD is expecting 7"):
            detector.anomaly_score(np.ones((2, 3)))

    def test_mistakes_are_one_sentence(self, benign):
        with pytest.raises(UnknownNameError, match="unknown detector of PyOD 'ECOG': did you mean 'ecod'"):
            create("pyod:ECOG")
        with pytest.raises(UnknownNameError, match="unknown detector of PyOD 'NOPE'. Valid: "):
            create("pyod:NOPE")
        with pytest.raises(InputError, match="pyod:KNN (has no parameter 'k'; valid: |does not take these parameters)"):
            create({"name": "pyod:KNN", "k": 2})
        with pytest.raises(InputError, match="pyod:KNN does not take these parameters: contamination"):
            create({"name": "pyod:KNN", "contamination": 3.0})
        with pytest.raises(InputError, match=r"pyod:KNN\[n_neighbors=99\] could not fit 60 rows: "):
            create({"name": "pyod:KNN", "n_neighbors": 99}).fit(benign)

    def test_what_it_prints_and_whatever_it_raises_stays_off_stdout(self, monkeypatch, capsys, benign):
        from pyod.models.lof import LOF

        def chatty(self, X):
            sys.stdout.write("Training...")
            if len(X) < 3:
                raise IndexError("index 3 is out of bounds")
            return np.full(len(X), np.nan) if len(X) == 3 else np.zeros(len(X) + 1)

        detector = create("pyod:LOF").fit(benign)
        monkeypatch.setattr(LOF, "decision_function", chatty)
        for rows, said in (
            (2, "pyod:LOF could not score 2 rows: index 3 is out of bounds"),
            (3, "pyod:LOF gives 3 of 3 rows a nan"),
            (4, "pyod:LOF must give 4 scores, one a row, got 5"),
        ):
            with pytest.raises(InputError, match=said):
                detector.anomaly_score(benign[:rows])
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "Training..." in captured.err

    @pytest.mark.parametrize("name", ["COF", "LOCI", "LMDD", "SOD", "SOS"])
    def test_those_that_know_no_benign_rows_are_refused(self, name):
        with pytest.raises(InputError, match=f"pyod:{name} ranks the rows it is given among themselves"):
            create(f"pyod:{name}")

    @pytest.mark.parametrize("name", ["so_gaal_new", "audio_ae"])
    def test_helpers_are_no_detectors(self, name):
        with pytest.raises(UnknownNameError, match="unknown detector of PyOD"):
            create(f"pyod:{name}")

    @pytest.mark.parametrize("name", ["KDE", "GMM", "OCSVM"])
    def test_rows_too_small_for_it_are_refused(self, name, benign):
        with pytest.raises(InputError, match=f"pyod:{name} gives all benign rows one score at their spread of 4e-12"):
            create(f"pyod:{name}").fit(benign * 1e-12)


def test_without_pyod_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyod", None)
    monkeypatch.delitem(sys.modules, "pyod.models", raising=False)
    with pytest.raises(InputError, match=r"pyod:ECOD needs PyOD, which is not installed; run pip install 'reprq\[pyod"):
        create("pyod:ECOD")


def test_pyod_alone_is_no_detector():
    with pytest.raises(UnknownNameError, match="unknown detector 'pyod'.*pyod:NAME"):
        create("pyod")
    assert PyOD("ECOD").get_params() == {"model": "ECOD"}
