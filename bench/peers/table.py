"""The figures of all rounds as a Markdown table of medians, with what they are to be."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass

from sides import COMMANDS, LIBRARY, PEERS, PURE, Side

# Where the page has the table.
BEGIN = "<!-- peers: written by `bench/peers/run.py` -->\n"
END = "<!-- end of peers -->"


@dataclass(frozen=True)
class Row:
    figure: str
    what: str
    unit: str
    # Whether more is better.
    more: bool = False
    # Which of our sides stand beside the peers.
    ours: tuple[Side, ...] = (LIBRARY, PURE)
    # What is to come of the best peer and us at least; or what our own value is to be below.
    at_least: float | None = None
    below: float | None = None
    # Peers that are not compared, or the only ones that are.
    without: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    # Whoever repeats more than one step after a kill did not have each of them on the disk, and is not compared.
    is_durable: bool = False

    def compares(self, side: Side) -> bool:
        return not side.ours and side.name not in self.without and (not self.only or side.name in self.only)

    def target(self) -> str:
        if self.at_least is not None:
            return f"≥ {number(self.at_least)} x"
        return f"< {number(self.below)} {self.unit}" if self.below is not None else ""


ROWS = (
    Row("j1_p50", "J1: one trivial step, start to result, p50", "ms", at_least=3),
    Row("j1_rate", "J1: one at a time", "flows/s", more=True, at_least=3),
    Row("j1_rate_16", "J1: 16 at a time", "flows/s", more=True, at_least=3),
    Row("j1_process", "J1: whole process, from its start to its end", "ms", ours=(COMMANDS,), at_least=3),
    Row("j2_rate", "J2: sequential durable steps", "steps/s", more=True, at_least=10, is_durable=True),
    Row("j2_store", "J2: what the store takes for a step, with its log", "B", is_durable=True),
    Row("j3_time", "J3: 1,000 cached steps again, all but Absurd", "ms", at_least=10, without=("absurd",)),
    Row("j3_time", "J3: the same beside Absurd", "ms", at_least=1, only=("absurd",)),
    Row("j4_time", "J4: 100 parallel steps", "ms", at_least=10),
    Row("j5_p50", "J5: answer to completed, p50", "ms", below=2),
    Row("j5_process", "J5: whole process that answers, to completed", "ms", ours=(COMMANDS,)),
    Row("j6_time", "J6: after `kill -9`, restart to completed", "ms", ours=(COMMANDS,), is_durable=True),
    Row("j6_repeated", "J6: steps that ran twice (more than one: fails)", "", ours=()),
)

Found = dict[tuple[str, str], float]


def medians(lines: list[dict]) -> Found:
    """By side and figure."""
    values: dict[tuple[str, str], list[float]] = {}
    for line in lines:
        values.setdefault((line["peer"], line["figure"]), []).append(line["value"])
    # What must not happen counts if it happened once.
    worst = {key: max(each) for key, each in values.items() if key[1] == "j6_repeated"}
    return {key: statistics.median(each) for key, each in values.items()} | worst


def number(value: float | None) -> str:
    if value is None:
        return "–"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def times(value: float | None) -> str:
    return "–" if value is None else f"{number(value)} x"


def has_failed(found: Found, side: Side) -> bool:
    """Whether it ran more steps twice than the one that was under way."""
    return found.get((side.name, "j6_repeated"), 0) > 1


def ratio(row: Row, found: Found, ours: Side, peers: list[Side]) -> float | None:
    """Of the best peer and ours, turned so that above 1 this host is the better one."""
    value = found.get((ours.name, row.figure))
    theirs = [found[peer.name, row.figure] for peer in peers if (peer.name, row.figure) in found]
    if value is None or not theirs:
        return None
    return value / max(theirs) if row.more else min(theirs) / value


def compared(row: Row, found: Found, with_failed: bool = False) -> list[Side]:
    return [side for side in PEERS if row.compares(side) and (with_failed or not row.is_durable or not has_failed(found, side))]


def met(row: Row, found: Found) -> str:
    """Whether the row is what it is to be: of both of our sides, or of which."""
    if row.at_least is None and row.below is None:
        return ""
    are_met = []
    for side in row.ours:
        value = found.get((side.name, row.figure)) if row.below is not None else ratio(row, found, side, compared(row, found))
        if value is None:
            return "–"
        are_met.append(value < row.below if row.below is not None else value >= row.at_least)
    if all(are_met):
        return "yes" if len(are_met) == 1 else "both"
    if not any(are_met):
        return "no"
    return "capability" if are_met[0] else "nothing granted"


def line_of(row: Row, found: Found, columns: list[Side]) -> str:
    shown = [side.ours or not row.only or row.compares(side) for side in columns]
    values = [number(found.get((side.name, row.figure)) if is_shown else None) for side, is_shown in zip(columns, shown)]
    ratios = [times(ratio(row, found, side, compared(row, found))) for side in row.ours]
    ratios += ["–"] * (2 - len(ratios))
    return f"| {' | '.join([row.what, row.unit, *values, *ratios, row.target(), met(row, found)])} |\n"


def notes(found: Found, columns: list[Side]) -> str:
    text = "\nIn the columns of ratios above 1 means that kitaru-host is the better one. The first of them is of steps that hold a capability, each of which waits\n"
    text += "for the disk as in the peers, and for whole processes of its commands. The second is of steps that were granted nothing, as trivial ones are. `met`\n"
    text += "says by which of them.\n"
    for side in columns:
        if side.ours or not has_failed(found, side):
            continue
        text += f"\n† {side.title} ran {number(found[side.name, 'j6_repeated'])} steps twice in J6: not each of its steps was on the disk before the next one\n"
        text += "began, so it is no part of the best of J2 and J6."
        others = []
        for row in ROWS:
            if row.is_durable and row.compares(side) and (side.name, row.figure) in found:
                ratios = [ratio(row, found, ours, compared(row, found, with_failed=True)) for ours in row.ours]
                others.append(f"{row.what.split(',')[0]} {' and '.join(map(times, ratios))}")
        text += f" With it the ratios are: {'; '.join(others)}.\n" if others else "\n"
    return text


def markdown(lines: list[dict], skipped: list[tuple[str, str, str]], about: str) -> str:
    """`about` says of what run they are."""
    found = medians(lines)
    seen = {side for side, _ in found}
    columns = [side for side in (*PEERS, LIBRARY, PURE, COMMANDS) if side.name in seen]
    titles = [f"{side.title} †" if not side.ours and has_failed(found, side) else side.title for side in columns]
    head = ["figure", "unit", *titles, "best peer / kitaru-host", "best peer / nothing granted", "target", "met"]
    text = f"{about}\n\n| {' | '.join(head)} |\n|---|---|{'---:|' * (len(columns) + 2)}---|---|\n"
    for row in ROWS:
        if any((side.name, row.figure) in found for side in columns):
            text += line_of(row, found, columns)
    text += notes(found, columns)
    text += "\nSettings:\n\n" + "".join(f"- {side.title}: {side.settings}\n" for side in columns)
    if skipped:
        text += "\nSkipped:\n\n"
        for (name, job, why), count in Counter(skipped).items():
            text += f"- {name}{f', {job}' if job else ''}: {why}{f' ({count} times)' if count > 1 else ''}\n"
    return text


def placed(page: str, table: str) -> str:
    """The page with the table in its place."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit("the page has no place for the figures of peers")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"
