"""The plugin's entry point.

Every run of pytest comes through here, also those that do not use us: these hooks look at what
was collected, and nothing else is imported, patched or hooked in before a test needs it.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_keepalive._own_modules import as_compiled, import_as_compiled

with as_compiled():
    from pytest_keepalive import _hooks
    from pytest_keepalive._fixtures import (
        connection_counter,
        keepalive_server,
        make_keepalive_server,
        run_client,
    )
    from pytest_keepalive._markers import DOCUMENTATION, check_markers, has_markers, wants_counter
    from pytest_keepalive._options import (
        Settings,
        add_options,
        hand_back,
        handed_back,
        is_worker,
        measures_everything,
        runs_no_test,
        settings_key,
    )

__all__ = ["connection_counter", "keepalive_server", "make_keepalive_server", "run_client"]


_COMPLAINT = "keepalive_complaint"


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make our own hooks known."""
    pluginmanager.add_hookspecs(_hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Make the options known."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known, and read the options."""
    for signature, promise in DOCUMENTATION.items():
        config.addinivalue_line("markers", f"{signature}: {promise}")
    config.stash[settings_key] = Settings(config)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Make sure of all files."""
    config = session.config
    settings = config.stash[settings_key]
    if measures_everything(config) and not settings.off and not runs_no_test(config):
        import_as_compiled(config.add_cleanup)
        from pytest_keepalive._run import prepare

        prepare(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Have what workers see collected, and give them what they need for it."""
    if not node.config.stash[settings_key].off:
        import_as_compiled(node.config.add_cleanup)
        from pytest_keepalive._run_report import report_of
        from pytest_keepalive._workers import admit

        report_of(node.config).equip(node.workerinput)
        admit(node)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the markers."""
    try:
        check_markers(items)
    except pytest.UsageError as error:
        if not is_worker(config):
            raise
        # A worker that ends for it looks like a crash: it runs nothing, and has itself be told on.
        items.clear()
        hand_back(config, _COMPLAINT, str(error))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Complain of the markers for a worker."""
    complaint = handed_back(node, _COMPLAINT)
    if complaint is not None:
        raise pytest.UsageError(complaint)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install the observers when a test needs them."""
    config = session.config
    settings = config.stash[settings_key]
    if settings.off or runs_no_test(config):
        return
    used = any(has_markers(item) or wants_counter(item) for item in session.items)
    if used or settings.at_most_per_origin is not None or measures_everything(config):
        import_as_compiled(config.add_cleanup)
        from pytest_keepalive._run import begin

        begin(session, settings)
    elif session.items:
        with as_compiled():
            from pytest_keepalive._latecomers import Latecomers

        config.pluginmanager.register(Latecomers(session, settings), "keepalive-latecomers")
