"""Wiring only: one short file a job."""
