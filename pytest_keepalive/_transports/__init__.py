"""Transports that record by themselves: client objects for those who want nothing patched."""
