"""The suite from Python and notebooks: what `bench.open_dataset`, `bench.run` and their like are."""
