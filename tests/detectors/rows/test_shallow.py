import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, spearmanr
from sklearn import ensemble, mixture, neighbors, svm
from sklearn.decomposition import KernelPCA
from sklearn.neighbors import KernelDensity

from reprq.detectors import GMM, KDE, KPCA, LOF, MVE, OCSVM, PCA, Gaussian, IForest, Mahalanobis, create
from reprq.errors import InputError


@pytest.fixture
def mixed():
    rng = np.random.default_rng(0)
    change = rng.normal(size=(6, 6))
    return (rng.normal(size=(120, 6)) @ change) * 3 + 50, (rng.normal(size=(30, 6)) * 2 @ change) * 3 + 50


def scaled(benign, rows):
    mean = benign.mean(axis=0)
    scale = np.sqrt(np.mean((benign - mean) ** 2))
    return (benign - mean) / scale, (rows - mean) / scale, scale


def test_the_gaussian_is_scipys(mixed):
    benign, rows = mixed
    expected = -multivariate_normal(benign.mean(axis=0), np.cov(benign.T, bias=True)).logpdf(rows)
    np.testing.assert_allclose(Gaussian().fit(benign).anomaly_score(rows), expected, rtol=1e-9)
    variances = np.diag(benign.var(axis=0))
    expected = -multivariate_normal(benign.mean(axis=0), variances).logpdf(rows)
    np.testing.assert_allclose(Gaussian("diagonal").fit(benign).anomaly_score(rows), expected, rtol=1e-9)
    ranked = Mahalanobis("ledoit_wolf").fit(benign).anomaly_score(rows)
    assert spearmanr(Gaussian("ledoit_wolf").fit(benign).anomaly_score(rows), ranked).statistic == pytest.approx(1.0)


@pytest.mark.parametrize("bandwidth", [0.1, 1.0, None])
def test_kde_is_the_oracles_in_the_units_of_the_data(mixed, bandwidth):
    benign, rows = mixed
    detector = KDE(bandwidth).fit(benign)
    scale = scaled(benign, rows)[2]
    width = detector.bandwidth_ * scale
    squares = ((rows[:, None] - benign) ** 2).sum(axis=2)
    expected = -logsumexp(-squares / 2 / width**2, axis=1) + np.log(120 * (2 * np.pi * width**2) ** 3)
    np.testing.assert_allclose(detector.anomaly_score(rows), expected, rtol=1e-9)
    peer = KernelDensity(bandwidth=width).fit(benign)  # its trees lose digits in the tails
    np.testing.assert_allclose(detector.anomaly_score(benign), -peer.score_samples(benign), rtol=1e-8)


def test_the_bandwidth_has_the_highest_leave_one_out_likelihood(mixed):
    benign, _ = mixed
    unit, _, _ = scaled(benign, benign)
    grid = 2.0 ** np.arange(-5.0, 3.5, 0.5)

    def likelihood(h):
        left = [KernelDensity(bandwidth=h).fit(np.delete(unit, i, axis=0)).score(unit[i : i + 1]) for i in range(120)]
        return np.sum(left)

    chosen = KDE().fit(benign).bandwidth_
    near = [h for h in grid if chosen / 2.1 < h < chosen * 2.1]
    assert chosen == max(near, key=likelihood)


def test_a_far_row_still_has_a_density():
    scores = KDE(0.5).fit(np.eye(4)).anomaly_score(np.array([[1e3] * 4, [1e4] * 4]))
    assert np.isfinite(scores).all()
    assert scores[1] > 50 * scores[0]


def test_the_forest_svm_lof_and_mixture_are_scikit_learns(mixed):
    benign, rows = mixed
    x, z, _ = scaled(benign, rows)
    forest = ensemble.IsolationForest(n_estimators=20, max_samples=120, random_state=3).fit(x)
    np.testing.assert_allclose(IForest(20, seed=3).fit(benign).anomaly_score(rows), -forest.score_samples(z), rtol=1e-9)
    machine = svm.OneClassSVM(nu=0.2, gamma="scale", tol=1e-6).fit(x)
    expected = -machine.score_samples(z) / (0.2 * len(x))
    np.testing.assert_allclose(OCSVM(0.2).fit(benign).anomaly_score(rows), expected, rtol=1e-6)
    factor = neighbors.LocalOutlierFactor(n_neighbors=7, novelty=True).fit(x)
    np.testing.assert_allclose(LOF(7).fit(benign).anomaly_score(rows), -factor.score_samples(z), rtol=1e-8)
    mixed_model = mixture.GaussianMixture(2, covariance_type="diag", random_state=0).fit(x)
    np.testing.assert_allclose(GMM(2).fit(benign).anomaly_score(rows), -mixed_model.score_samples(z), rtol=1e-4)


@pytest.mark.parametrize("nu", [0.05, 0.2, 0.5])
def test_a_cosine_kernel_solves_the_dual_of_unit_rows(mixed, nu):
    benign, rows = mixed
    benign, rows = benign - 45, rows - 45
    x, z = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (benign, rows))
    most = 1 / (nu * len(x))
    weights = minimize(  # of weights in [0, most] that add to 1, the shortest sum of rows
        lambda a: 0.5 * a @ x @ x.T @ a,
        np.full(len(x), 1 / len(x)),
        jac=lambda a: x @ x.T @ a,
        bounds=[(0, most)] * len(x),
        constraints={"type": "eq", "fun": lambda a: a.sum() - 1, "jac": lambda a: np.ones(len(a))},
        options={"ftol": 1e-14, "maxiter": 500},
    ).x
    detector = OCSVM(nu, kernel="cosine").fit(benign)
    assert detector.describe() == f"ocsvm[nu={nu:g},cosine]"
    scores = detector.anomaly_score(rows)
    np.testing.assert_allclose(scores, -z @ x.T @ weights, atol=2e-5)
    np.testing.assert_allclose(detector.anomaly_score(7 * rows), scores, rtol=1e-12)  # lengths do not count


def test_a_zero_row_has_no_cosine_and_zeros_alone_are_refused(mixed):
    benign, _ = mixed
    detector = OCSVM(kernel="cosine").fit(np.vstack([benign, np.zeros((2, 6))]))
    assert detector.anomaly_score(np.zeros((1, 6))).tolist() == [0.0]
    with pytest.raises(InputError, match="X must have a row that is not zero for a cosine kernel"):
        OCSVM(kernel="cosine").fit(np.zeros((5, 2)))


def test_nu_bounds_the_share_of_benign_rows_outside(mixed):
    benign, _ = mixed
    for nu in (0.02, 0.1, 0.5):
        model = OCSVM(nu).fit(benign).model_
        assert np.mean(model.decision_function(scaled(benign, benign)[0]) < -1e-6) <= nu + 1e-9


def test_the_criterion_finds_the_number_of_clusters():
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(4, 5)) * 20
    assert GMM().fit(np.repeat(centres, 50, axis=0) + rng.normal(size=(200, 5))).components_ == 4
    assert GMM().fit(rng.normal(size=(200, 5))).components_ == 1


@pytest.mark.parametrize("variance", [0.5, 0.95])
def test_pca_leaves_what_the_components_do_not_hold(mixed, variance):
    benign, rows = mixed
    x, z, _ = scaled(benign, rows)
    _, sigma, vt = np.linalg.svd(x, full_matrices=False)
    kept = 1 + int(np.argmax(np.cumsum(sigma**2) / np.sum(sigma**2) >= variance))
    detector = PCA(variance).fit(benign)
    assert len(detector.components_) == kept
    np.testing.assert_allclose(detector.anomaly_score(rows), np.sum((z @ vt[kept:].T) ** 2, axis=1), rtol=1e-8)


def test_kernel_pca_leaves_what_the_components_do_not_hold(mixed):
    benign, rows = mixed
    x, z, _ = scaled(benign, rows)
    detector = KPCA(0.8).fit(benign)
    peer = KernelPCA(detector.projection_.shape[1], kernel="rbf", gamma=1 / 6, eigen_solver="dense").fit(x)
    kernel = np.exp(-((z[:, None] - x) ** 2).sum(axis=2) / 6)
    total = np.exp(-((x[:, None] - x) ** 2).sum(axis=2) / 6).mean()
    length = 1 - 2 * kernel.mean(axis=1) + total
    expected = length - (peer.transform(z) ** 2).sum(axis=1)
    np.testing.assert_allclose(detector.anomaly_score(rows), expected, rtol=1e-7, atol=1e-10)
    share = peer.eigenvalues_.sum() / (len(x) * (1 - total))
    assert share >= 0.8 > share - peer.eigenvalues_[-1] / (len(x) * (1 - total))


def test_the_ellipsoid_holds_the_rows_and_no_more():
    angles = np.linspace(0, 2 * np.pi, 100)
    circle = np.c_[np.cos(angles) * 5 + 1, np.sin(angles) * 2 - 3]
    rng = np.random.default_rng(2)
    inside = np.vstack([circle, circle.mean(axis=0) + rng.normal(size=(30, 2)) * 0.2])
    detector = MVE().fit(inside)
    scores = detector.anomaly_score(np.array([[6.0, -3.0], [1.0, -1.0], [1.0, -3.0], [11.0, -3.0]]))
    np.testing.assert_allclose(scores, [1.0, 1.0, 0.0, 4.0], atol=0.05)
    assert detector.anomaly_score(inside).max() <= 1.03


@pytest.mark.parametrize("name", ["iforest", "gmm", "kde", "kpca"])
def test_seeds_repeat(name, mixed):
    benign, rows = mixed
    one, two, other = (create({"name": name, "seed": seed}).fit(benign).anomaly_score(rows) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    if name == "iforest":
        assert not np.array_equal(one, other)


def test_scale_and_offset_do_not_change_a_ranking(mixed):
    benign, rows = mixed
    for name in ("ocsvm", "kde", "gmm", "lof", "pca", "kpca", "mve"):
        plain = create(name).fit(benign).anomaly_score(rows)
        moved = create(name).fit(benign * 1e6 + 1e7).anomaly_score(rows * 1e6 + 1e7)
        assert spearmanr(plain, moved).statistic > 0.999, name


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"name": "ocsvm", "nu": 0.0}, r"nu must be in \(0, 1\], got 0.0"),
        ({"name": "ocsvm", "gamma": -1.0}, "gamma must be positive, got -1.0"),
        ({"name": "ocsvm", "kernel": "linear"}, "kernel must be one of gaussian, cosine, got 'linear'"),
        ({"name": "ocsvm", "kernel": "cosine", "gamma": 1.0}, "gamma is of a gaussian kernel, got 1.0"),
        ({"name": "kpca", "gamma": 0.0}, "gamma must be positive, got 0.0"),
        ({"name": "kde", "bandwidth": 0.0}, "bandwidth must be positive, got 0.0"),
        ({"name": "pca", "variance": 1.5}, "variance must be between 0 and 1, got 1.5"),
        ({"name": "iforest", "trees": 0}, "trees must be a positive integer, got 0"),
        ({"name": "gmm", "components": -1}, "components must be a positive integer, got -1"),
        ({"name": "gmm", "components": 9}, "components must be at most the number of rows, got 9 and n_samples=6"),
    ],
)
def test_wrong_parameters_are_one_sentence(spec, said):
    with pytest.raises(InputError, match=said):
        create(spec).fit(np.random.default_rng(0).normal(size=(6, 2)))
