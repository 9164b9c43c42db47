"""Position families, all behind `Positions.at`."""
