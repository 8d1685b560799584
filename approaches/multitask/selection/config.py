"""The numbers of slice selection."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from bench.approach import Config

FeatureKind = Literal["hog", "lbp", "glcm", "entropy", "edges", "quantiles", "bright shape", "thumbnail"]
ALL_KINDS: tuple[FeatureKind, ...] = get_args(FeatureKind)


class FeatureConfig(Config):
    """What the features are computed on.

    Attributes:
        kinds: which are computed; README.md says why these three.
        size: side of the square to which a slice is averaged, in pixels.
        thumbnail: side of the coarser square whose pixels are features themselves.
    """

    kinds: tuple[FeatureKind, ...] = Field(default=("hog", "bright shape", "thumbnail"), min_length=1)
    size: int = Field(default=64, ge=32)
    thumbnail: int = Field(default=8, ge=4)


class ForestConfig(Config):
    """The random forest.

    Attributes:
        trees: how many.
        min_samples_leaf: slices in a leaf.
        sample_share: of the slices that each tree learns from.
    """

    trees: int = Field(default=80, ge=1)
    min_samples_leaf: int = Field(default=4, ge=1)
    sample_share: float = Field(default=0.5, gt=0, le=1)


class SupportVectorConfig(Config):
    """The support vector machine, with an RBF kernel.

    Attributes:
        penalty: of the margin's violations (scikit-learn's C).
        components: principal components that it sees.
        most_slices: it learns from at most so many, as many marked ones among them as there are up to one half.
    """

    penalty: float = Field(default=1.0, gt=0)
    components: int = Field(default=40, ge=1)
    most_slices: int = Field(default=4000, ge=10)


class PerceptronConfig(Config):
    """The multilayer perceptron; it learns for all its epochs, converged or not."""

    hidden: tuple[int, ...] = (32,)
    components: int = Field(default=40, ge=1)
    weight_decay: float = Field(default=1.0, ge=0)
    epochs: int = Field(default=60, ge=1)


class BoostingConfig(Config):
    """XGBoost."""

    trees: int = Field(default=120, ge=1)
    depth: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=0.1, gt=0)
    feature_share: float = Field(default=0.3, gt=0, le=1)


class SelectionConfig(Config):
    """Slice selection.

    Attributes:
        features: of a slice.
        forest, svm, mlp, xgboost: the members.
        calibration_folds: grouped by study, for the sigmoid that turns a member's scores into probabilities.
        inner_folds: one of them is held out to see by how many slices the ensemble errs.
        reach_mm: axial slices this near to a located level are candidates.
        position_noise_mm: standard deviation by which a level's place is moved in training, as located ones err.
        joint: the slices of the canal, the right and the left foramen are chosen together, by their distances.
    """

    features: FeatureConfig = FeatureConfig()
    forest: ForestConfig = ForestConfig()
    svm: SupportVectorConfig = SupportVectorConfig()
    mlp: PerceptronConfig = PerceptronConfig()
    xgboost: BoostingConfig = BoostingConfig()
    calibration_folds: int = Field(default=3, ge=2)
    inner_folds: int = Field(default=5, ge=2)
    reach_mm: float = Field(default=12.0, gt=0)
    position_noise_mm: float = Field(default=2.0, ge=0)
    joint: bool = True
