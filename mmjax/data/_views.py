"""Data, views: the data sets inside scikit-learn that fall into several views of the same objects."""

import numpy as np
from numpy.typing import NDArray

from mmjax.data._npz import MultimodalData


def digits_halves() -> MultimodalData:
    """Return 1797 handwritten digits as halves of their images, ten classes.

    Both cuts of the 8 x 8 images (intensities 0 to 16) are modalities: `top` and `bottom` (n, 4, 8), `left` and `right`
    (n, 8, 4). Either pair holds the whole image, so a model takes one of them.

    Returns:
      the samples, all labelled and complete, without a split.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = digits.images
    return _complete(
        {"top": images[:, :4], "bottom": images[:, 4:], "left": images[:, :, :4], "right": images[:, :, 4:]},
        digits.target,
    )


def breast_cancer_views() -> MultimodalData:
    """Return 569 breast tumours by three statistics of the same ten measures of cell nuclei, two classes.

    The modalities are `mean`, `se` (standard error) and `worst` (mean of the three largest), each (n, 10); class 0 is
    malignant, 1 benign.

    Returns:
      the samples, all labelled and complete, without a split.
    """
    from sklearn.datasets import load_breast_cancer

    x, label = load_breast_cancer(return_X_y=True)
    return _complete({"mean": x[:, :10], "se": x[:, 10:20], "worst": x[:, 20:]}, label)


def _complete(modalities: dict[str, NDArray[np.generic]], label: NDArray[np.integer]) -> MultimodalData:
    present = {name: np.ones(len(label), bool) for name in modalities}
    return MultimodalData(modalities, label.astype(np.int64), None, present)
