"""Ensembles on disk: scikit-learn's classifiers by skops, XGBoost's trees by its own JSON. Nothing loaded runs code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from bench.errors import BenchError
from bench.files.atomic import DamagedError, read_json, write_json, written_whole

from .ensemble import Ensemble
from .members import MEMBERS, XGBOOST, BoostedMember, Member, SklearnMember

TRUSTED = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
)
"""Types beside those that skops trusts by itself. A file with any other is refused."""
_CURE = "It was not written by this approach. Delete it and run the same `bench run` again: it is trained anew."


def save_ensemble(folder: Path, name: str, ensemble: Ensemble) -> None:
    """Write the members of an ensemble, and ``NAME.json``, which lists them."""
    import skops.io  # here, since its import visits all of scikit-learn for seconds

    sigmoid = None
    for member_name, member in ensemble.members.items():
        if isinstance(member, SklearnMember):
            with written_whole(folder / _file(name, member_name)) as temporary:
                temporary.write_bytes(skops.io.dumps(member.classifier))
        elif isinstance(member, BoostedMember):
            with written_whole(folder / _file(name, member_name)) as temporary:
                temporary.write_bytes(bytes(member.booster.save_raw("json")))
            sigmoid = {"slope": member.slope, "intercept": member.intercept}
    write_json(folder / f"{name}.json", {"members": list(ensemble.members), "xgboost": sigmoid})


def load_ensemble(folder: Path, name: str) -> Ensemble:
    """What `save_ensemble` wrote.

    Raises:
        DamagedError: a file is missing, or holds something else, a type that is not trusted included.
    """
    path = folder / f"{name}.json"
    document = read_json(path)
    if not isinstance(document, Mapping) or not set(document.get("members", ["?"])) <= set(MEMBERS):
        raise DamagedError(f"{path} does not list the members of an ensemble. {_CURE}", path)
    members: dict[str, Member] = {}
    for member in document["members"]:
        file = folder / _file(name, member)
        members[member] = _load_boosting(file, document["xgboost"]) if member == XGBOOST else _load_sklearn(file)
    return Ensemble(members)


def _load_sklearn(path: Path) -> SklearnMember:
    import skops.io

    try:
        data = path.read_bytes()
        foreign = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED))
        if foreign:
            raise DamagedError(
                f"{path} holds {', '.join(foreign)}, which is not trusted and was not loaded. {_CURE}", path
            )
        classifier = skops.io.loads(data, trusted=list(TRUSTED))
    except FileNotFoundError:
        raise DamagedError(f"{path} is missing. {_CURE}", path) from None
    except BenchError:
        raise
    except Exception as error:  # whatever a damaged archive makes skops raise
        raise DamagedError(f"{path} is damaged ({type(error).__name__}: {error}). {_CURE}", path) from error
    if not hasattr(classifier, "predict_proba"):
        raise DamagedError(f"{path} holds a {type(classifier).__name__}, not a classifier. {_CURE}", path)
    return SklearnMember(classifier)


def _load_boosting(path: Path, sigmoid: Mapping[str, float]) -> BoostedMember:
    import xgboost

    try:
        data = path.read_bytes()
        if "gradient_booster" not in json.loads(data)["learner"]:  # XGBoost ends the process where that is missing
            raise ValueError("no trees in it")
        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(bytearray(data))
        return BoostedMember(booster, float(sigmoid["slope"]), float(sigmoid["intercept"]))
    except FileNotFoundError:
        raise DamagedError(f"{path} is missing. {_CURE}", path) from None
    except (xgboost.core.XGBoostError, TypeError, KeyError, ValueError) as error:
        raise DamagedError(f"{path} is damaged ({str(error).splitlines()[0]}). {_CURE}", path) from error


def _file(name: str, member: str) -> str:
    return f"{name}-{member.lower().replace(' ', '-')}.{'json' if member == XGBOOST else 'skops'}"
