"""Training curves out of history.csv."""

from bench.comparison import compare
from bench.comparison.analysis.history import training_history
from bench.jobs.folder import JobFolder
from bench.jobs.store import stored_jobs


def test_curves_of_runs_their_mean_and_what_cannot_be_read(make_store) -> None:
    store = make_store({"mil": 2.0})
    folders = sorted(folder for folder in store.rglob("fold?") if folder.is_dir())
    for number, folder in enumerate(folders):
        lines = ["stage,epoch,step,losses,learning_rate,images_per_second"]
        lines += [f'severity,{epoch},9,"{{""grade"": {number + epoch}, ""bad"": null}}",0.001,120' for epoch in (1, 2)]
        (folder / "history.csv").write_text("\n".join(lines) + "\n")
    (folders[2] / "history.csv").write_text("stage,epoch\nseverity,1\n")
    for folder in folders:
        JobFolder(folder).finish()
    (stage,), unreadable = training_history(compare(stored_jobs(store), resamples=100).approaches)
    assert (stage.label, stage.stage, stage.images_per_second) == ("mil-quick", "severity", 120)
    (loss,) = stage.losses
    assert loss.runs == (((1, 1), (2, 2)), ((1, 2), (2, 3)), ((1, 4), (2, 5)))
    assert loss.mean == ((1, 7 / 3), (2, 10 / 3))
    assert len(unreadable) == 1
    assert "history.csv cannot be read" in unreadable[0]
