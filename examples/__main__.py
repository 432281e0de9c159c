"""Runs the stories, and holds each to what must come of it.

``python -m examples`` runs them all, ``python -m examples NAME ...`` some, and ``--update``
keeps what was printed: in the folders, and in the README, which shows some of it.
"""

from __future__ import annotations

import argparse
import re
from textwrap import indent

from examples._story import HERE, Outcome, Story, stories

README = HERE.parent / "README.md"
_SHOWN = re.compile(r"(<!-- examples/(\S+) -->\n```text\n).*?(```\n)", re.DOTALL)


def main() -> int:
    """Run the stories that the command line names; gives the exit code."""
    known = {story.name: story for story in stories()}
    parser = argparse.ArgumentParser(prog="python -m examples", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument("--update", action="store_true", help="keep what was printed")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in known]
    if unknown:
        parser.error(f"no story is called {', '.join(unknown)}")
    chosen = [known[name] for name in given.names or known]
    wrong = [story for story in chosen if not _tell(story, given.update)]
    if given.update:
        README.write_text(with_reports(README.read_text("utf-8")), "utf-8")
    verdict = f"{len(wrong)} of them wrong" if wrong else "each ended as it must"
    print(f"{len(chosen)} stories, {verdict}")
    return 1 if wrong else 0


def with_reports(readme: str) -> str:
    """Give the text of the README with the kept reports that it shows."""

    def shown(match: re.Match[str]) -> str:
        return match[1] + (HERE / match[2]).read_text("utf-8") + match[3]

    return _SHOWN.sub(shown, readme)


def _tell(story: Story, update: bool) -> bool:
    print(f"{story.name}: {story.title}", flush=True)
    outcome = story.run()
    if update and story.wrong_ending(outcome) is None:
        story.keep(outcome)
    complaint = story.complaint(outcome)
    print(indent(_told(story, outcome, complaint), "    ") + "\n", flush=True)
    return complaint is None


def _told(story: Story, outcome: Outcome, complaint: str | None) -> str:
    if complaint is not None:
        return f"{outcome.text}WRONG: {story.name} {complaint}"
    if story.kept is None:
        return outcome.closing
    where = f"examples/{story.name}/{story.kept.name}"
    what = "caught, with the report" if story.tells_of_a_defect else "the output is that"
    return f"{outcome.text}{what} of {where}"


if __name__ == "__main__":
    raise SystemExit(main())
