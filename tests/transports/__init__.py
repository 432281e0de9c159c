import pytest

pytest.register_assert_rewrite("tests.transports.side_by_side")
