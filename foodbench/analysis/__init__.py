"""Figures, statistics, validity, advice: pure functions over records."""
