"""Processor time of a program's threads."""
from pathlib import Path


def cpu_by_thread(pid):
    """Seconds on a processor so far."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return {t.name: int((t / "schedstat").read_text(encoding="ascii").split()[0]) / 1e9 for t in threads}


def busiest(first, last):
    """What the thread that was at work the most took between two of these."""
    return max(last[t] - first.get(t, 0) for t in last)
