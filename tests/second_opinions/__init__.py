"""What other calculators say of the same answers: a grid of cases, their pinned figures, and where we differ."""
