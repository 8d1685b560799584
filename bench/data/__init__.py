"""Tables, cohorts, folds, points; loading a data set and checking one."""
