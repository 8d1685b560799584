"""Confusion matrices."""

import numpy as np

from bench.comparison.analysis.confusion import confusions


def test_rows_are_true_grades_and_every_label_counts_once(read) -> None:
    of = read({"mil": 50.0}, seeds=(0, 1))
    found = {each.condition: np.array(each.counts) for each in confusions(of)}
    for condition, targets in (("spinal", slice(0, 5)), ("foraminal", slice(5, 15)), ("subarticular", slice(15, 25))):
        counts = [(of.split.grades[:, targets] == grade).sum() for grade in range(3)]
        assert np.array_equal(found[condition], np.diag(counts))  # this sharp, every grade is right


def test_errors_stand_in_the_predicted_grades_column(read) -> None:
    of = read({"mil": 50.0})
    said = of.approaches[0].pooled.probabilities[0]
    study = int(np.flatnonzero(of.split.grades[:, 0] == 0)[0])
    said[study, 0] = [0.1, 0.1, 0.8]
    assert confusions(of)[0].counts[0][2] == 1
