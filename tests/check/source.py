"""C source as the checks see it: files, includes, functions. House style is assumed: the braces of a function stand in
column 0, and nothing else does."""
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SKIPPED_FOLDERS = ("build", ".git", "__pycache__", ".pytest_cache")
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def blank(match):
    """Comments and texts become spaces, so that line numbers stay."""
    return re.sub(r"[^\n]", " ", match.group())


@dataclass(frozen=True)
class Function:
    name: str
    line: int
    length: int
    parameters: int
    body: str
    body_line: int


@dataclass(frozen=True)
class Source:
    path: str  # relative to the root, with slashes
    text: str

    @cached_property
    def lines(self):
        return self.text.split("\n")[: self.text.count("\n")] or [self.text]

    @cached_property
    def code(self):
        return COMMENT_OR_TEXT.sub(blank, self.text)

    @property
    def includes(self):
        """(line, True for <...>, name) of each #include."""
        return [(self.text.count("\n", 0, m.start(2)) + 1, m.group(1) == "<", m.group(2))
                for m in INCLUDE.finditer(self.text)]

    @cached_property
    def functions(self):
        lines = self.code.split("\n")
        found = []
        for opening, line in enumerate(lines):
            if line != "{":
                continue
            start = opening
            while start and lines[start - 1].strip() and not re.match(r"[#}]|.*;\s*$", lines[start - 1]):
                start -= 1
            end = next((n for n in range(opening, len(lines)) if lines[n].startswith("}")), len(lines) - 1)
            head = " ".join(lines[start:opening])
            name = re.search(r"(\w+)\s*\(", head)
            if name:
                found.append(Function(name.group(1), start + 1, end - start + 1,
                                      count_parameters(head[name.end():]),
                                      "\n".join(lines[opening : end + 1]), opening + 1))
        return found


def count_parameters(text):
    """Of the text behind the opening parenthesis."""
    depth, commas = 0, 0
    for at, char in enumerate(text):
        if char == ")" and depth == 0:
            return 0 if text[:at].strip() in ("", "void") else commas + 1
        depth += (char in "([") - (char in ")]")
        commas += char == "," and depth == 0
    return commas + 1


def files(root):
    """Every text file of the tree, build folders left out."""
    for path in sorted(Path(root).rglob("*")):
        relative = path.relative_to(root)
        if any(part.startswith(SKIPPED_FOLDERS) for part in relative.parts[:-1]) or path.name == ".git" or not path.is_file():
            continue
        try:
            yield Source(relative.as_posix(), path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            continue
