"""Workers: the same results as in one process, whatever happens to them; and none that outlives its parent."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from quantlab.errors import StrategyError, WorkerError
from quantlab.executor import processes, serial

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Task:
    """Square a number; `fate` befalls the worker, once if there is a `note` that it leaves."""

    number: int
    fate: str = ""
    note: Path | None = None

    def __str__(self) -> str:
        """The name that an error uses."""
        return f"the square of {self.number}"


def square(task: Task) -> int:
    """Return the square, or die."""
    logging.getLogger("quantlab.squares").warning("squaring %d", task.number)
    if task.fate and not (task.note and task.note.exists()):
        if task.note:
            task.note.touch()
        if task.fate == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif task.fate == "leaves":
            os._exit(3)
        elif task.fate == "memory":
            raise MemoryError
        raise StrategyError("no such number")
    return task.number**2


def test_results_come_in_order() -> None:
    """As in one process; more tasks than workers, fewer, and none."""
    for n in (0, 1, 9):
        tasks = [Task(number) for number in range(n)]
        assert list(processes(2)(square, tasks)) == list(serial(square, tasks)) == [number**2 for number in range(n)]


def test_tasks_are_taken_when_their_turn_comes() -> None:
    """Not all at once: each holds a part of the panel."""
    taken: list[int] = []

    def tasks() -> Iterator[Task]:
        for number in range(20):
            taken.append(number)
            yield Task(number)

    results = processes(2)(square, tasks())
    assert next(results) == 0
    assert len(taken) <= 5
    assert list(results) == [number**2 for number in range(1, 20)]


def test_a_lost_worker_is_made_good(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Some die, once each, in each way: the results are those of a quiet day, and a warning says what happened."""
    fates = {0: "killed", 4: "leaves", 12: "memory"}
    tasks = [Task(number, fates.get(number, ""), tmp_path / str(number)) for number in range(14)]
    with caplog.at_level(logging.WARNING):
        assert list(processes(2)(square, tasks)) == [number**2 for number in range(14)]
    lost = [record.message for record in caplog.records if "was lost" in record.message]
    for said in ("SIGKILL", "EXIT(3)", "out of memory): doing the square of 12 again, alone"):
        assert any(said in line for line in lost)


@pytest.mark.parametrize("fate", ["killed", "memory"])
def test_one_that_dies_again_and_again_is_named(fate: str) -> None:
    """After three attempts; those before it were done."""
    results = processes(2)(square, [Task(0), Task(1), Task(2, fate), Task(3)])
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(WorkerError, match=r"the worker process of the square of 2 was lost 3 times .*fewer --jobs") as raised:
        next(results)
    assert raised.value.exit_code == 5
    assert list(processes(2)(square, [Task(4)])) == [16]  # and the next ones find workers


def test_an_error_of_the_task_is_not_tried_again(tmp_path: Path) -> None:
    """It is the task's answer, with its type and words."""
    with pytest.raises(StrategyError, match="no such number"):
        list(processes(2)(square, [Task(0), Task(1, "raises", tmp_path / "note"), Task(2)]))


def test_what_workers_log_is_said_by_the_parent(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """Once, in the order of the tasks, and not on the terminal behind its back."""
    with caplog.at_level(logging.WARNING):
        list(processes(2)(square, [Task(number) for number in range(4)]))
    assert [record.message for record in caplog.records] == [f"squaring {number}" for number in range(4)]
    assert capfd.readouterr().err == ""


LOUD = """
import os, sys
sys.path.insert(0, sys.argv[1])
from quantlab.executor import processes
def loud(number):
    print("by Python")
    os.write(1, b"by a library\\n")
    return number
print(list(processes(2)(loud, range(2))))
"""


def test_what_workers_print_goes_to_stderr() -> None:
    """stdout is for the result, whatever a strategy prints while it is fitted."""
    done = subprocess.run([sys.executable, "-c", LOUD, str(ROOT)], capture_output=True, text=True, check=True)
    assert done.stdout == "[0, 1]\n"
    assert done.stderr.count("by Python\n") == done.stderr.count("by a library\n") == 2


PARENT = """
import os, signal, sys, time
sys.path.insert(0, sys.argv[1])
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
from quantlab.executor import processes
def slow(number):
    with open(f"{sys.argv[2]}/{os.getpid()}", "w"):
        pass
    for _ in range(3000):
        time.sleep(0.01)
from quantlab.entry import answer
import typer
app = typer.Typer(add_completion=False)
@app.command()
def work():
    list(processes(2)(slow, range(4)))
sys.exit(answer(app, [], "work"))
"""


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_no_worker_outlives_its_parent(sent: signal.Signals, code: int, tmp_path: Path) -> None:
    """Ended by SIGTERM or Ctrl-C it says so, once, and kills them; killed itself, they leave on their own."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(ROOT), str(tmp_path)], stderr=subprocess.PIPE, text=True, process_group=0)
    wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    parent.send_signal(sent)
    said = parent.communicate(timeout=20)[1]
    assert parent.returncode == code, said
    assert said.count("interrupted; nothing half-written is left") == (code > 0)
    assert "Traceback" not in said
    wait_for(lambda: not any(map(alive, workers)))


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so, for 20 seconds at most."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Return True if there is such a process, and not only its remains."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
