"""Layout of raw files with sentence pairs: line-aligned files, tabbed lines, or tables with two text columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from raysq.config import nearest_name
from raysq.data.filetree import describe_ignored
from raysq.data.messages import Message
from raysq.data.readers.csv.format import CsvFormat
from raysq.errors import DataError
from raysq.problems.translation.lines import named, some
from raysq.text.readers import DocumentFormat
from raysq.text.readers.columns import PART, column_named, usual
from raysq.text.readers.sniff import head, sniffed

TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".json", ".parquet")
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
_USUAL = (
    ("source", "target"),
    ("src", "tgt"),
    ("src", "trg"),
    ("from", "to"),
    ("input", "output"),
    ("text", "translation"),
    ("sentence", "translation"),
    ("question", "answer"),
)
_NAMES = {name for pair in _USUAL for name in pair} | set(LANGUAGES)
_NAMES |= {"english", "french", "german", "spanish", "italian", "japanese", "chinese", "russian", "portuguese", "id"}
_SHOWN = 8
_NUMBER = re.compile(r"[-+0-9.,e]*")
_QUOTED = re.compile(r'(^|\t)"[^"\t]*""[^\t]*"(\t|$)')  # a csv cell in quotes with doubled quotes


def source_column(path: Path, form: DocumentFormat, language: str | None) -> str:
    """Return the name of the column of source sentences in a table without targets.

    The column is found by its name, or as the only text column.

    Args:
        path: path of the table.
        form: settings for reading it; a missing delimiter is inferred.
        language: another name to accept, that of the run's source side.

    Raises:
        DataError: if no column has a known name and the table has no text column, or several.
    """
    few = head(path, sniffed(path, form)[0])
    named = usual([*([language.lower()] if language else []), *(pair[0] for pair in _USUAL)], list(few))
    if named is not None:
        return named
    texts = [
        column
        for column, values in few.items()
        if any(isinstance(value, str) and not _NUMBER.fullmatch(value.strip()) for value in values)
    ]
    if len(texts) != 1:
        there = f"several columns of text ({', '.join(texts)})" if texts else f"no column of text but {', '.join(few)}"
        raise DataError(f"{path.name} has {there}: call that of the sentences to translate 'source'")
    return texts[0]


@dataclass(frozen=True)
class Layout:
    """How raw files hold sentence pairs.

    Attributes:
        sort: "aligned" for two line-aligned files, "tabbed" for lines with tabs, "table" for files with named columns.
        source: file ending of the source sentences, or number (from 1) or name of their column.
        target: the same for the target sentences.
        csv: format of csv files.
        header: whether the first line of a tabbed file names the columns.
        told: messages about what was inferred.
    """

    sort: Literal["aligned", "tabbed", "table"]
    source: str
    target: str
    csv: CsvFormat = field(default_factory=CsvFormat)
    header: bool = False
    told: tuple[str, ...] = ()

    @property
    def places(self) -> tuple[int, int]:
        """Indices of source and target among the cells of a tabbed line, from 0."""
        return int(self.source) - 1, int(self.target) - 1


def find(files: Sequence[Path], source: str | None, target: str | None, form: DocumentFormat) -> Layout:
    """Infer the layout of raw files.

    Args:
        files: the raw files.
        source: the user's setting `source`, or None.
        target: the user's setting `target`, or None.
        form: encoding and delimiter.

    Raises:
        DataError: if the files have different layouts, or if a side is not given and cannot be inferred.
    """
    if source is not None and source == target:
        raise DataError(f"--from and --to are both {source!r}; a pair has two sides")
    sorts = {_sort(path, form): path.name for path in reversed(files)}
    if len(sorts) > 1:
        raise DataError(f"{' and '.join(sorted(sorts.values()))} are different sorts of files; give one of them")
    (sort,) = sorts
    if sort == "aligned":
        return _aligned(files, source, target)
    if sort == "lines":
        return _tabbed(files[0], source, target, form)
    return _table(files[0], source, target, form)


def groups(files: Sequence[Path], layout: Layout) -> dict[str, tuple[Path, Path]]:
    """Group line-aligned files into pairs by their common stem, in the order of the files.

    Returns:
        Mapping from stem to source and target file.

    Raises:
        DataError: if a file has no counterpart in the other language.
    """
    by_stem: dict[str, dict[str, Path]] = {}
    for path in files:
        stem, language = named(path)
        by_stem.setdefault(stem, {})[language.lower()] = path
    found = {}
    for stem, sides in by_stem.items():
        ours, theirs = sides.get(layout.source.lower()), sides.get(layout.target.lower())
        if ours is None and theirs is None:
            continue
        if ours is None or theirs is None:
            there, lacks = (ours, layout.target) if theirs is None else (theirs, layout.source)
            assert there is not None
            raise DataError(
                f"{there.name} has no {stem}.{lacks} beside it",
                hint="give the folder that holds both sides (--source FOLDER)",
            )
        found[stem] = (ours, theirs)
    return found


def others(files: Sequence[Path], layout: Layout) -> list[str]:
    """Return a message about line-aligned files of other languages, which are ignored."""
    if layout.sort != "aligned":
        return []
    sides = (layout.source.lower(), layout.target.lower())
    names = [path.name for path in files if named(path)[1].lower() not in sides]
    return describe_ignored(names, f"as they end neither in .{layout.source} nor in .{layout.target}")


def _sort(path: Path, form: DocumentFormat) -> str:
    name = path.name.lower()
    if name.endswith(TABLES):
        plain = name.endswith(".tsv") and not _has_header(some(path, form.encoding, 1), "\t")
        return "lines" if plain else "table"
    if name.endswith(".txt") and named(path)[1].lower() not in LANGUAGES:
        first = some(path, form.encoding, 1)
        return "lines" if first and "\t" in first[0] else "aligned"
    return "aligned"


def _has_header(lines: Sequence[str], delimiter: str) -> bool:
    """Return whether the first line names columns: at least two of its cells are known names."""
    if not lines:
        return False
    cells = [cell.strip().strip('"').lower() for cell in lines[0].split(delimiter)]
    return sum(cell in _NAMES for cell in cells) >= 2


def _aligned(files: Sequence[Path], source: str | None, target: str | None) -> Layout:
    endings = sorted({named(path)[1].lower() for path in files})
    for option, said in (("--from", source), ("--to", target)):
        if said is not None and said.lower() not in endings:
            raise DataError(
                f"no file ends in .{said} ({option} {said}); there is {_listed([path.name for path in files])}"
            )
    if source is not None and target is not None:
        return Layout("aligned", source, target)
    known = [ending for ending in endings if ending not in (source, target)]
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
        usual = next((pair for pair in _USUAL if set(pair) == set(endings)), None)
        source, target = usual or (endings[0], endings[1])
        told = Message(f"from {source} to {target}", f"--from {target} --to {source} turns it")
    else:
        source, target = source or known[0], target or known[0]
        told = Message(f"from {source} to {target}")
    return Layout("aligned", source, target, told=(told,))


def _tabbed(path: Path, source: str | None, target: str | None, form: DocumentFormat) -> Layout:
    first = some(path, form.encoding)
    cells = first[0].split("\t") if first else []
    if len(cells) < 2:
        raise DataError(f"{path.name}, line 1 has no tab: source and target are parted by one")
    if (source is None or source.isdecimal()) and (target is None or target.isdecimal()):
        given = [int(said) for said in (source, target) if said is not None]
        if any(not 1 <= number <= len(cells) for number in given):
            raise DataError(
                f"{path.name} has {len(cells)} columns", hint=f"--from and --to are numbers from 1 to {len(cells)}"
            )
        ours = source or next(str(n) for n in (1, 2) if str(n) != target)
        theirs = target or next(str(n) for n in (1, 2) if str(n) != ours)
        told = Message(
            f"lines of {len(cells)} cells without names: column {ours} to column {theirs}",
            f"--from {theirs} --to {ours} turns it",
        )
        quoted = next((number for number, line in enumerate(first, 1) if _QUOTED.search(line)), None)
        quotes = (
            f"line {quoted} has a cell in quotes, which are taken for marks of the sentence; to have them read, name "
            "the columns in a first line of a .tsv file"
        )
        return Layout("tabbed", ours, theirs, told=(told, quotes) if quoted else (told,))
    names = [cell.strip() for cell in cells]
    for option, said in (("--from", source), ("--to", target)):
        if said is None or said not in names:
            raise DataError(
                f"{path.name}: line 1 names no column {said!r} ({option}); it holds {_listed(names)}",
                hint="give the columns by number, such as --from 1 --to 2",
            )
    assert source is not None
    assert target is not None
    return Layout("tabbed", str(names.index(source) + 1), str(names.index(target) + 1), header=True)


def _table(path: Path, source: str | None, target: str | None, form: DocumentFormat) -> Layout:
    form, told = sniffed(path, form)
    few = head(path, form)
    source, target = (None if one is None else column_named(one, list(few)) for one in (source, target))
    for option, said in (("--from", source), ("--to", target)):
        if said is not None and said not in few:
            raise DataError(
                f"{path.name} has no column {said!r} ({nearest_name(said, few)})", hint=f"{option} names another"
            )
    texts = [
        name
        for name, values in few.items()
        if name.lower() not in PART and any(isinstance(value, (str, bytes)) for value in values)
    ]
    if source is None and target is None:
        lower = {name.lower().strip(): name for name in texts}
        usual = next((pair for pair in _USUAL if set(pair) <= set(lower)), None)
        if usual is not None:
            source, target = lower[usual[0]], lower[usual[1]]
        elif len(texts) == 2:
            source, target = texts
    else:
        left = [name for name in texts if name not in (source, target)]
        if len(left) == 1:
            source, target = source or left[0], target or left[0]
    if source is None or target is None:
        raise DataError(
            f"{path.name} has the columns {_listed(list(few))}",
            hint="say which hold the sentences, with --from COLUMN --to COLUMN",
        )
    told.append(Message(f"from column {source!r} to column {target!r}", "--from NAME --to NAME say otherwise"))
    return Layout("table", source, target, form.csv, told=tuple(told))


def _listed(names: Sequence[str]) -> str:
    shown = [name if len(name) <= 40 else name[:40] + "..." for name in names[:_SHOWN]]
    return ", ".join(shown) + (", ..." if len(names) > _SHOWN else "")
