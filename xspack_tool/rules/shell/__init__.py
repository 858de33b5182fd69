"""Reading shell scriptlets: which commands a script runs, in which order, and under which conditions."""
