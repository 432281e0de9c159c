"""The kernel's view of connect(2), for any process."""
