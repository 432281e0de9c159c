"""The helper process: what keeps a watch, and what runs a program under one.

Rules
1. The watch of a whole process is nobody's child: the process that is started leaves at once,
   so that no wait() of the watched process ever meets the helper.
2. Two processes keep a watch, an active one and a standby. When the active one is killed the
   standby takes over, with a new standby; when the standby is killed the active one makes a
   new one. No connect fails in between, since the standby holds the listener too.
3. The standby is an ancestor of the active one, and that of the program; both adopt orphans.
   So the program's status survives, and so does the right to look into its processes, which
   Yama (ptrace_scope 1) gives to ancestors alone.
4. This module imports little: the helper process has to start quickly.
"""

from __future__ import annotations

import gc
import marshal
import os

from pytest_keepalive._watch._control import (
    END,
    EXITED,
    KILL,
    LISTENER,
    READY,
    REFUSED,
    STARTED,
    Control,
    make_pair,
)
from pytest_keepalive._watch._launch import Job, launch
from pytest_keepalive._watch._ring import Ring
from pytest_keepalive._watch._supervisor import Supervisor, ignore_signals
from pytest_keepalive._watch._system_calls import (
    PR_SET_CHILD_SUBREAPER,
    name_this_process,
    prctl,
)
from pytest_keepalive._watch._task import RUNNER_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

WATCH, RUN, RUN_BARE = "watch", "run", "run-bare"
_NAMES = {WATCH: "keepalive-watch", RUN: "keepalive-watch", RUN_BARE: RUNNER_NAME}


def main(purpose: str, control: str, memory: str, job: str) -> None:
    """Be the helper.

    Args:
        purpose: ``WATCH`` for who started this, ``RUN`` for a program, ``RUN_BARE`` for a
            program that is under a watch already.
        control: The descriptor of the conversation.
        memory: The descriptor of the ring.
        job: The descriptor of a file with the job, -1 without one.
    """
    if purpose == WATCH and os.fork():
        os._exit(0)
    gc.disable()
    ring = Ring(int(memory))
    os.close(int(memory))
    os.set_inheritable(int(control), False)
    Helper(purpose, Control(int(control)), ring).keep(_read_job(int(job)))


def _read_job(descriptor: int) -> Job | None:
    if descriptor < 0:
        return None
    with os.fdopen(descriptor, "rb") as file:
        job: Job = marshal.load(file)
        return job


class Helper:
    """One of the processes that keep a watch.

    Args:
        purpose: See ``main``.
        starter: The conversation with who wants the watch.
        ring: Where records are written.
    """

    def __init__(self, purpose: str, starter: Control, ring: Ring) -> None:
        self._purpose = purpose
        self._starter = starter
        self._ring = ring
        self._listener: int | None = None
        self._link: Control | None = None
        self._supervisor: Supervisor | None = None
        self._own_children: set[int] = set()

    def keep(self, job: Job | None) -> NoReturn:
        """Keep the watch until nobody needs it."""
        try:
            name_this_process(_NAMES[self._purpose])
            _adopt_orphans()
            if self._purpose != RUN_BARE:
                self._leave_standby()
            self._begin(job)
            self._supervise()
        except BaseException as error:
            self._ring.mishap = f"{type(error).__name__}: {error}"
        finally:
            os._exit(0)

    def _begin(self, job: Job | None) -> None:
        """Get hold of the listener, and of the program if there is one."""
        if job is None:
            source = self._starter
            # The standby's number: who may be traced by that one may be traced by this too.
            source.send(READY, os.getppid())
        else:
            source = self._start(job)
        _stand_apart()
        ignore_signals()
        if self._purpose != RUN_BARE:
            message, self._listener = source.receive()
            if message and message[0] == REFUSED:
                self._starter.send(*message)
            self._share_listener()
            self._ring.supervisor = os.getpid()
            source.send(READY)
        if job is not None:
            self._starter.send(STARTED, self._ring.program, os.getpid())

    def _start(self, job: Job) -> Control:
        ours, theirs = make_pair()
        pid = os.fork()
        if pid == 0:
            launch(job, theirs if self._purpose == RUN else None, self._starter)
        theirs.close()
        self._ring.program = pid
        return ours

    def _share_listener(self) -> None:
        if self._link is not None and self._listener is not None:
            self._link.send(LISTENER, descriptor=self._listener)

    # Taking turns.

    def _leave_standby(self) -> None:
        """Go on in a child; this process becomes the standby, and returns when it takes over."""
        ours, theirs = make_pair()
        active = os.fork()
        if active == 0:
            _adopt_orphans()
            theirs.close()
            self._link = ours
            return
        ours.close()
        _stand_apart()
        ignore_signals()
        self._stand_by(theirs, active)
        self._supervise()
        os._exit(0)

    def _make_standby(self) -> None:
        """Have a new child stand by; it returns from here when it takes over."""
        ours, theirs = make_pair()
        pid = os.fork()
        if pid == 0:
            _adopt_orphans()
            ours.close()
            self._stand_by(theirs)
            self._supervise()
            os._exit(0)
        self._own_children.add(pid)
        theirs.close()
        self._link = ours
        self._share_listener()

    def _stand_by(self, link: Control, child: int = 0) -> None:
        """Wait for the end of the active one, and leave with it when it leaves in peace.

        Args:
            link: The conversation with it.
            child: Its number, if it is a child of this process.
        """
        while True:
            message, descriptor = link.receive()
            if not message or message[0] == END:
                break
            self._listener = descriptor
        link.close()
        if message or self._listener is None:
            if child:
                os.waitpid(child, 0)
            os._exit(0)
        self._make_standby()

    # Working.

    def _supervise(self) -> None:
        supervisor = Supervisor(
            self._ring,
            self._listener,
            self._purpose == WATCH,
            self._program_ended,
            self._own_children,
        )
        self._supervisor = supervisor
        supervisor.watch(self._starter.fileno(), self._spoken_to)
        self._heed_standby()
        supervisor.run()
        if self._link is not None:
            self._link.send(END)
        _bury_the_dead()

    def _heed_standby(self) -> None:
        if self._link is not None and self._supervisor is not None:
            self._supervisor.watch(self._link.fileno(), self._standby_gone)

    def _standby_gone(self, _: int) -> None:
        assert self._supervisor is not None
        assert self._link is not None
        self._supervisor.unwatch(self._link.fileno())
        self._link.close()
        self._make_standby()
        self._heed_standby()

    def _spoken_to(self, _: int) -> None:
        assert self._supervisor is not None
        message, _descriptor = self._starter.receive()
        if not message:
            self._supervisor.unwatch(self._starter.fileno())
        elif message[0] == KILL:
            self._supervisor.kill_program()

    def _program_ended(self, status: int | None, others_left: bool) -> None:
        self._starter.send(EXITED, status, others_left)


def _adopt_orphans() -> None:
    # A child does not inherit it.
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def _bury_the_dead() -> None:
    """Wait for the last children, which are about to end; not every init would."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def _stand_apart() -> None:
    """Let go of the standard descriptors, which are the program's, and of the directory."""
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    if nothing > 2:
        os.close(nothing)
