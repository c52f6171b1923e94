"""Layout of raw files with sentence pairs: line-aligned files, tabbed lines, or tables with two text columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from raysq.config import nearest_name
from raysq.data.filetree import describe_ignored
from raysq.data.messages import Message
from raysq.data.parts import PART
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.table_files import TYPED
from raysq.data.readers.unpack import with_compressions
from raysq.errors import DataError
from raysq.problems.translation.lines import first_lines
from raysq.text.readers import DocumentFormat
from raysq.text.readers.columns import column_named, usual
from raysq.text.readers.sniff import head, sniffed

TABLES = (*with_compressions(".csv", ".tsv", ".jsonl", ".ndjson", ".json"), *TYPED)
# ISO 639-1 codes, and the usual file endings for source and target.
LANGUAGES = tuple(
    """
    aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en
    eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja
    jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb
    nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq
    sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu src tgt
    trg source target
    """.split()  # noqa: SIM905  a list of 190 strings would fill a page
)
_USUAL_NAMES = (
    ("source", "target"),
    ("src", "tgt"),
    ("src", "trg"),
    ("from", "to"),
    ("input", "output"),
    ("text", "translation"),
    ("sentence", "translation"),
    ("question", "answer"),
)
_NAMES = {name for pair in _USUAL_NAMES for name in pair} | set(LANGUAGES)
_NAMES |= {"english", "french", "german", "spanish", "italian", "japanese", "chinese", "russian", "portuguese", "id"}
_SHOWN = 8
_NUMBER = re.compile(r"[-+0-9.,e]*")
_QUOTED = re.compile(r'(^|\t)"[^"\t]*""[^\t]*"(\t|$)')  # a csv cell in quotes with doubled quotes


def source_column(path: Path, format: DocumentFormat, language: str | None) -> str:
    """Return the name of the column of source sentences in a table without targets.

    The column is found by its name, or as the only text column.

    Args:
        path: path of the table.
        format: settings for reading it; a missing delimiter is inferred.
        language: another name to accept, that of the run's source side.

    Raises:
        DataError: if no column has a known name and the table has no text column, or several.
    """
    columns = head(path, sniffed(path, format)[0])
    names = [*([language.lower()] if language else []), *(pair[0] for pair in _USUAL_NAMES)]
    if (name := usual(names, list(columns))) is not None:
        return name
    texts = [
        column
        for column, values in columns.items()
        if any(isinstance(value, str) and not _NUMBER.fullmatch(value.strip()) for value in values)
    ]
    if len(texts) == 1:
        return texts[0]
    contents = (
        f"several columns of text ({', '.join(texts)})" if texts else f"no column of text but {', '.join(columns)}"
    )
    raise DataError(f"{path.name} has {contents}: call that of the sentences to translate 'source'")


@dataclass(frozen=True)
class PairLayout:
    """How raw files hold sentence pairs.

    Attributes:
        kind: "aligned" for two line-aligned files, "tabbed" for lines with tabs, "table" for files with named columns.
        source: file ending of the source sentences, or number (from 1) or name of their column.
        target: the same for the target sentences.
        csv: format of csv files.
        header: whether the first line of a tabbed file names the columns.
        messages: messages about what was inferred.
    """

    kind: Literal["aligned", "tabbed", "table"]
    source: str
    target: str
    csv: CsvFormat = field(default_factory=CsvFormat)
    header: bool = False
    messages: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[int, int]:
        """Indices of source and target among the cells of a tabbed line, from 0."""
        return int(self.source) - 1, int(self.target) - 1


def infer_layout(files: Sequence[Path], source: str | None, target: str | None, format: DocumentFormat) -> PairLayout:
    """Infer the layout of raw files.

    Args:
        files: the raw files.
        source: the user's setting `source`, or None.
        target: the user's setting `target`, or None.
        format: encoding and delimiter.

    Raises:
        DataError: if the files have different layouts, or if a side is not given and cannot be inferred.
    """
    if source is not None and source == target:
        raise DataError(f"--from and --to are both {source!r}; a pair has two sides")
    kinds = {_kind(path, format): path.name for path in reversed(files)}
    if len(kinds) > 1:
        raise DataError(f"{' and '.join(sorted(kinds.values()))} are different sorts of files; give one of them")
    (kind,) = kinds
    if kind == "aligned":
        return _aligned(files, source, target)
    if kind == "tabbed":
        return _tabbed(files[0], source, target, format)
    return _table(files[0], source, target, format)


def pair_files(files: Sequence[Path], layout: PairLayout) -> dict[str, tuple[Path, Path]]:
    """Pair line-aligned files by their common stem, in the order of the files.

    Returns:
        Source and target file by stem.

    Raises:
        DataError: a file has no counterpart in the other language.
    """
    by_stem: dict[str, dict[str, Path]] = {}
    for path in files:
        stem, language = _stem_and_language(path)
        by_stem.setdefault(stem, {})[language.lower()] = path
    pairs = {}
    for stem, by_language in by_stem.items():
        sides = [(side, by_language.get(side.lower())) for side in (layout.source, layout.target)]
        given = [path for _, path in sides if path is not None]
        if len(given) == 2:
            pairs[stem] = (given[0], given[1])
        elif given:
            missing = next(side for side, path in sides if path is None)
            raise DataError(
                f"{given[0].name} has no {stem}.{missing} beside it",
                hint="give the folder that holds both sides (--source FOLDER)",
            )
    return pairs


def describe_other_languages(files: Sequence[Path], layout: PairLayout) -> list[str]:
    """Return a message about line-aligned files of other languages, which are ignored."""
    if layout.kind != "aligned":
        return []
    sides = (layout.source.lower(), layout.target.lower())
    names = [path.name for path in files if _language(path) not in sides]
    return describe_ignored(names, f"as they end neither in .{layout.source} nor in .{layout.target}")


def _stem_and_language(path: Path) -> tuple[str, str]:
    """Split a file's name into stem and language: "train.en.txt" gives ("train", "en")."""
    name = path.name[:-4] if path.name.lower().endswith(".txt") else path.name
    stem, _, language = name.rpartition(".")
    return stem, language


def _language(path: Path) -> str:
    return _stem_and_language(path)[1].lower()


def _kind(path: Path, format: DocumentFormat) -> Literal["aligned", "tabbed", "table"]:
    name = path.name.lower()
    if name.endswith(TABLES):
        without_names = name.endswith(".tsv") and not _has_header(first_lines(path, format.encoding, 1), "\t")
        return "tabbed" if without_names else "table"
    if name.endswith(".txt") and _language(path) not in LANGUAGES:
        lines = first_lines(path, format.encoding, 1)
        return "tabbed" if lines and "\t" in lines[0] else "aligned"
    return "aligned"


def _has_header(lines: Sequence[str], delimiter: str) -> bool:
    """Return whether the first line names columns: at least two of its cells are known names."""
    if not lines:
        return False
    cells = [cell.strip().strip('"').lower() for cell in lines[0].split(delimiter)]
    return sum(cell in _NAMES for cell in cells) >= 2


def _aligned(files: Sequence[Path], source: str | None, target: str | None) -> PairLayout:
    endings = sorted({_language(path) for path in files})
    for option, ending in (("--from", source), ("--to", target)):
        if ending is not None and ending.lower() not in endings:
            raise DataError(
                f"no file ends in .{ending} ({option} {ending}); there is {_listed([path.name for path in files])}"
            )
    if source is not None and target is not None:
        return PairLayout("aligned", source, target)
    if len(files) == 1:
        raise DataError(
            f"{files[0].name} is one side only",
            hint=f"give the folder that holds both files (--source FOLDER --from {endings[0]} --to LANGUAGE)",
        )
    if len(endings) != 2:
        raise DataError(
            f"the files end in {_listed(endings)}",
            hint=f"say which two are meant, such as --from {endings[0]} --to {endings[-1]}",
        )
    if source is None and target is None:
        source, target = next((pair for pair in _USUAL_NAMES if set(pair) == set(endings)), tuple(endings))
        message = Message(f"from {source} to {target}", f"--from {target} --to {source} turns it")
    else:
        other = next(ending for ending in endings if ending not in (source, target))
        source, target = source or other, target or other
        message = Message(f"from {source} to {target}")
    return PairLayout("aligned", source, target, messages=(message,))


def _tabbed(path: Path, source: str | None, target: str | None, format: DocumentFormat) -> PairLayout:
    lines = first_lines(path, format.encoding)
    cells = lines[0].split("\t") if lines else []
    if len(cells) < 2:
        raise DataError(f"{path.name}, line 1 has no tab: source and target are parted by one")
    if all(side is None or side.isdecimal() for side in (source, target)):
        return _numbered(path.name, lines, len(cells), source, target)
    names = [cell.strip() for cell in cells]
    numbers = []
    for option, side in (("--from", source), ("--to", target)):
        if side is None or side not in names:
            raise DataError(
                f"{path.name}: line 1 names no column {side!r} ({option}); it holds {_listed(names)}",
                hint="give the columns by number, such as --from 1 --to 2",
            )
        numbers.append(str(names.index(side) + 1))
    return PairLayout("tabbed", numbers[0], numbers[1], header=True)


def _numbered(file: str, lines: Sequence[str], columns: int, source: str | None, target: str | None) -> PairLayout:
    """Return the layout of a tabbed file whose columns are given by number, or not given."""
    if any(side is not None and not 1 <= int(side) <= columns for side in (source, target)):
        raise DataError(f"{file} has {columns} columns", hint=f"--from and --to are numbers from 1 to {columns}")
    source = source or next(number for number in ("1", "2") if number != target)
    target = target or next(number for number in ("1", "2") if number != source)
    messages: list[str] = [
        Message(
            f"lines of {columns} cells without names: column {source} to column {target}",
            f"--from {target} --to {source} turns it",
        )
    ]
    quoted = next((number for number, line in enumerate(lines, 1) if _QUOTED.search(line)), None)
    if quoted:
        messages.append(
            f"line {quoted} has a cell in quotes, which are taken for marks of the sentence; to have them read, name "
            "the columns in a first line of a .tsv file"
        )
    return PairLayout("tabbed", source, target, messages=tuple(messages))


def _table(path: Path, source: str | None, target: str | None, format: DocumentFormat) -> PairLayout:
    format, messages = sniffed(path, format)
    columns = head(path, format)
    source, target = (None if side is None else column_named(side, list(columns)) for side in (source, target))
    for option, side in (("--from", source), ("--to", target)):
        if side is not None and side not in columns:
            raise DataError(
                f"{path.name} has no column {side!r} ({nearest_name(side, columns)})", hint=f"{option} names another"
            )
    texts = [
        name
        for name, values in columns.items()
        if name.lower() not in PART and any(isinstance(value, (str, bytes)) for value in values)
    ]
    if source is None and target is None:
        by_lower = {name.lower().strip(): name for name in texts}
        usual_pair = next((pair for pair in _USUAL_NAMES if set(pair) <= set(by_lower)), None)
        if usual_pair is not None:
            source, target = (by_lower[name] for name in usual_pair)
        elif len(texts) == 2:
            source, target = texts
    else:
        others = [name for name in texts if name not in (source, target)]
        if len(others) == 1:
            source, target = source or others[0], target or others[0]
    if source is None or target is None:
        raise DataError(
            f"{path.name} has the columns {_listed(list(columns))}",
            hint="say which hold the sentences, with --from COLUMN --to COLUMN",
        )
    messages.append(Message(f"from column {source!r} to column {target!r}", "--from NAME --to NAME say otherwise"))
    return PairLayout("table", source, target, format.csv, messages=tuple(messages))


def _listed(names: Sequence[str]) -> str:
    shown = [name if len(name) <= 40 else name[:40] + "..." for name in names[:_SHOWN]]
    return ", ".join(shown) + (", ..." if len(names) > _SHOWN else "")
