"""What is made of the figures of peers: `python3 -m unittest` in this folder."""

from __future__ import annotations

import unittest
from pathlib import Path

import machine
import table


def line(peer: str, figure: str, value: float) -> dict:
    return {"peer": peer, "figure": figure, "value": value}


def row(what: str, text: str) -> list[str]:
    (found,) = [each for each in text.splitlines() if each.startswith(f"| {what}")]
    return [cell.strip() for cell in found.strip("|").split("|")]


LINES = [
    line("dbos-sqlite", "j2_rate", 100),
    line("dbos-sqlite", "j2_rate", 300),
    line("langgraph", "j2_rate", 400),
    line("langgraph", "j6_repeated", 0),
    line("langgraph", "j6_repeated", 3),
    line("kitaru-host", "j2_rate", 1_000),
    line("kitaru-host-pure", "j2_rate", 4_000),
]


class Table(unittest.TestCase):
    def test_medians_and_the_worst_of_what_must_not_happen(self) -> None:
        found = table.medians(LINES)
        self.assertEqual(found["dbos-sqlite", "j2_rate"], 200)
        self.assertEqual(found["langgraph", "j6_repeated"], 3)

    def test_whoever_repeats_steps_is_marked_and_not_the_best(self) -> None:
        text = table.markdown(LINES, [], "About.")
        self.assertEqual(row("J2: sequential", text)[-4:], ["5 x", "20 x", "≥ 10 x", "nothing granted"])
        self.assertIn("| LangGraph, functional † |", text)
        self.assertIn("† LangGraph, functional ran 3 steps twice in J6", text)
        self.assertIn("J2: sequential durable steps 2.50 x and 10 x.", text)

    def test_less_is_better_where_it_is_time_and_absurd_has_a_row(self) -> None:
        lines = [
            line("restate", "j3_time", 30),
            line("absurd", "j3_time", 15),
            line("kitaru-host", "j3_time", 6),
            line("kitaru-host-pure", "j3_time", 3),
        ]
        text = table.markdown(lines, [], "About.")
        self.assertEqual(row("J3: 1,000", text)[-4:], ["5 x", "10 x", "≥ 10 x", "nothing granted"])
        beside_absurd = row("J3: the same", text)
        self.assertEqual(beside_absurd[-4:], ["2.50 x", "5 x", "≥ 1 x", "both"])
        self.assertEqual(beside_absurd[2], "–", "only Absurd and this host have a value there")

    def test_own_values_whole_processes_and_what_is_missing(self) -> None:
        lines = [
            line("absurd", "j5_p50", 16),
            line("kitaru-host", "j5_p50", 2.4),
            line("kitaru-host-pure", "j5_p50", 1.1),
            line("absurd", "j1_process", 90),
            line("kitaru-host-cli", "j1_process", 45),
            line("absurd", "j4_time", 90),
        ]
        text = table.markdown(lines, [("obelisk", "", "why"), ("kitaru", "j4", "late"), ("kitaru", "j4", "late")], "About.")
        self.assertEqual(row("J5: answer", text)[-2:], ["< 2 ms", "nothing granted"])
        self.assertEqual(row("J1: whole", text)[-4:], ["2 x", "–", "≥ 3 x", "no"])
        self.assertEqual(row("J4", text)[-4:], ["–", "–", "≥ 10 x", "–"])
        self.assertIn("- obelisk: why\n- kitaru, j4: late (2 times)\n", text)
        self.assertNotIn("J2", text.partition("In the columns")[0])

    def test_its_place_on_the_page(self) -> None:
        page = f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n"
        once = table.placed(page, "new\n")
        self.assertEqual(once, f"before\n{table.BEGIN}\nnew\n\n{table.END}\nafter\n")
        self.assertEqual(table.placed(once, "new\n"), once)
        with self.assertRaises(SystemExit):
            table.placed("no place", "new\n")

    def test_the_page_has_a_place(self) -> None:
        page = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
        self.assertIn("new\n", table.placed(page.read_text(), "new\n"))


class Machine(unittest.TestCase):
    def test_the_file_system_is_that_of_the_nearest_mount(self) -> None:
        mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:26 / /tmp rw shared:1 - tmpfs tmpfs rw\n"
        self.assertEqual(machine.file_system(mounts, Path("/home")), "ext4")
        self.assertEqual(machine.file_system(mounts, Path("/tmp/a")), "tmpfs")
        self.assertEqual(machine.file_system("", Path("/")), "unknown")

    def test_the_commit_is_the_one_that_the_version_names(self) -> None:
        self.assertEqual(machine.commit("0.1.0\ncommit          0123456789ab-dirty\n"), "0123456789ab-dirty")
        self.assertEqual(machine.commit("0.1.0\n"), "unknown")


if __name__ == "__main__":
    unittest.main()
