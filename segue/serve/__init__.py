"""Segue over HTTP, and the console in the browser. Only this room knows HTTP."""
