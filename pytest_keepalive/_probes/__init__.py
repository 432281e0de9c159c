"""Probes: they watch clients from inside the process, and state what they see as events."""
