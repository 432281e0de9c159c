import pytest

for _module in ("agreement", "aiohttp_sessions", "view", "ways_to_connect"):
    pytest.register_assert_rewrite(f"tests.probes.{_module}")
