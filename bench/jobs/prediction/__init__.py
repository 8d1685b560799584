"""Predicting new studies with trained jobs: from the store, or from a folder that `bench export` wrote."""
