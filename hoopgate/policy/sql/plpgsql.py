"""PL/pgSQL blocks taken apart into the SQL that they run (manual, chapter "PL/pgSQL"; PostgreSQL's pl_gram.y).

PL/pgSQL hands every statement and expression in a block to the SQL parser. So do we, and judge them; its own words only
say in what order they run, which nobody asks here. Tokens are those of SQL, and an expression ends where PL/pgSQL ends
it: at ``;``, ``THEN`` or ``LOOP`` outside of parentheses. EXECUTE, and whatever is not plain, is not read.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

from hoopgate.policy.sql.plpgsql_tokens import Token, Unread, tokens

_DEPTH: Final = 60  # blocks in blocks
_MOST: Final = 1000  # each takes some 50 microseconds to judge

_SPECIAL: Final = frozenset({
    "found", "new", "old", "sqlerrm", "sqlstate", "tg_argv", "tg_event", "tg_level", "tg_name", "tg_nargs", "tg_op",
    "tg_relid", "tg_relname", "tg_table_name", "tg_table_schema", "tg_tag", "tg_when",
})  # fmt: skip


@define
class Block:
    """``statements`` (expressions as ``SELECT ...``) run in it; ``names`` are those of its variables.

    ``labels`` are those of its blocks and loops, by which variables may be qualified.
    """

    statements: list[str] = field(factory=list)
    names: set[str] = field(factory=lambda: set(_SPECIAL))
    labels: set[str] = field(factory=set)


def read(text: str) -> Block:
    """Take a block apart. Raises :class:`Unread`."""
    reader = _Reader(text)
    reader.options()
    reader.block(0)
    reader.take_if(";")
    if reader.position < len(reader.tokens):
        raise Unread("there is more behind its end")
    return reader.found


_OPEN: Final = {"(": 1, "[": 1, ")": -1, "]": -1}
_QUERIES: Final = frozenset(
    {"select", "with", "values", "table", "insert", "update", "delete", "merge", "(", "explain"}
)
_ENDS: Final = frozenset({"end", "exception", "else", "elsif", "elseif", "when"})
_LEVELS: Final = frozenset({"debug", "log", "info", "notice", "warning", "exception"})
_BLOCKS: Final = frozenset({"begin", "declare", "<<"})
_OPTIONS: Final = {
    "option": ("dump",),
    "print_strict_params": ("on", "off"),
    "variable_conflict": ("error", "use_column", "use_variable"),
}
_NOTHING: Final = frozenset({"fetch", "move", "close", "get", "commit", "rollback"})


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.position = 0
        self.found = Block()

    # -- tokens

    def at(self, *words: str) -> bool:
        ahead = self.tokens[self.position : self.position + len(words)]
        return [token.word for token in ahead] == list(words)

    def take(self, *words: str) -> None:
        if not self.at(*words):
            raise Unread(f"{' '.join(words).upper()} is missing")
        self.position += len(words)

    def take_if(self, *words: str) -> bool:
        found = self.at(*words)
        self.position += len(words) if found else 0
        return found

    def peek(self) -> Token:
        if self.position >= len(self.tokens):
            raise Unread("it ends too early")
        return self.tokens[self.position]

    def next(self) -> Token:
        token = self.peek()
        self.position += 1
        return token

    def until(self, *ends: str) -> list[Token]:
        """The tokens up to one of ``ends`` outside of parentheses, which is taken too."""
        start, depth = self.position, 0
        while True:
            token = self.next()
            if not depth and token.word in ends:
                return self.tokens[start : self.position - 1]
            if token.word == ";":
                raise Unread("a semicolon stands where none should")
            depth += _OPEN.get(token.word, 0)

    # -- what it runs

    def expression(self, tokens: list[Token], prefix: str = "SELECT ") -> None:
        if tokens:
            self.runs(prefix + self.text[tokens[0].start : tokens[-1].end])

    def runs(self, sql: str) -> None:
        if len(self.found.statements) >= _MOST:
            raise Unread("it runs too many statements to be judged")
        self.found.statements.append(sql)

    def options(self) -> None:
        """``#variable_conflict use_column`` and the like. They need no line of their own: a block may stand behind."""
        while self.take_if("#"):
            values = _OPTIONS.get(self.next().word, ())
            if self.next().word not in values:
                raise Unread("an option is none that is known")

    def label(self) -> None:
        self.take("<<")
        self.found.labels.add(self.next().name)
        self.take(">>")

    def block(self, depth: int) -> None:
        if depth > _DEPTH:
            raise Unread("blocks are nested too deeply")
        if self.at("<<"):
            self.label()
        if self.take_if("declare"):
            while not self.at("begin"):
                if not self.take_if("declare"):
                    self.declaration()
        self.take("begin")
        self.statements(depth)
        if self.take_if("exception"):
            while self.take_if("when"):
                self.until("then")
                self.statements(depth)
        self.take("end")
        if not self.at(";") and self.position < len(self.tokens):
            self.next()  # the label again

    def statements(self, depth: int) -> None:
        while self.peek().word not in _ENDS:
            self.statement(depth)

    def declaration(self) -> None:
        self.found.names.add(self.next().name)
        tokens = self.until(";")
        words = [token.word for token in tokens]
        if words[:1] == ["alias"]:
            return
        if "cursor" in words[:1] or words[:2] == ["scroll", "cursor"] or words[:3] == ["no", "scroll", "cursor"]:
            places = [place for place, word in enumerate(words) if word in ("for", "is")]
            if not places:
                raise Unread("a cursor has no query")
            self.found.names.update(token.name for token in tokens[: places[0]])
            self.expression(tokens[places[0] + 1 :], "")
            return
        for place, word in enumerate(words):
            if word in (":=", "=", "default"):
                self.expression(tokens[place + 1 :])
                return

    def statement(self, depth: int) -> None:
        word = self.peek().word
        if word in _BLOCKS and not (word == "<<" and self._labels_loop()):
            self.block(depth + 1)
            self.take(";")
        elif word == "<<":
            self.label()
        elif self._is_assignment():
            self.expression(self.until(":=", "="))  # its subscripts are expressions too
            self.expression(self.until(";"))
        elif word in _STATEMENTS:
            self.next()
            _STATEMENTS[word](self, depth)
        elif word in _NOTHING:
            if any(token.word == "(" for token in self.until(";")):
                raise Unread("an expression stands where it is not plain to read")
        else:
            self.sql(self.until(";"))

    def _labels_loop(self) -> bool:
        ahead = [token.word for token in self.tokens[self.position : self.position + 4]]
        return ahead[3:] != [] and ahead[3] in ("loop", "while", "for", "foreach")

    def _is_assignment(self) -> bool:
        """``name := ...``, ``name.field = ...``, ``name[1] := ...``"""
        depth, named = 0, False
        for token in self.tokens[self.position :]:
            if depth or token.word in ("[", "]"):
                if not named or token.word == ";":
                    return False
                depth += {"[": 1, "]": -1}.get(token.word, 0)
            elif named and token.word in (":=", "="):
                return True
            elif named is (token.word != "."):
                return False
            else:
                named = not named
        return False

    def sql(self, tokens: list[Token]) -> None:
        """A statement of SQL, without the INTO that puts its row into variables."""
        if not tokens:
            return
        depth, previous, cut = 0, "", None
        for place, token in enumerate(tokens):
            depth += _OPEN.get(token.word, 0)
            if token.word == "into" and previous not in ("insert", "merge"):
                if depth or cut is not None:
                    raise Unread("an INTO stands where it is not plain to read")
                cut = place
            previous = token.word
        if cut is None:
            self.expression(tokens, "")
            return
        end = self._targets(tokens, cut)
        tail = self.text[tokens[end].start : tokens[-1].end] if end < len(tokens) else ""
        self.runs(f"{self.text[tokens[0].start : tokens[cut].start]} {tail}")

    def _targets(self, tokens: list[Token], place: int) -> int:
        """Where the list of variables behind INTO ends."""
        place += 1
        if place < len(tokens) and tokens[place].word == "strict":
            place += 1
        while True:
            if place >= len(tokens) or not tokens[place].name:
                raise Unread("an INTO names no variable")
            place += 1
            while place + 1 < len(tokens) and tokens[place].word == "." and tokens[place + 1].name:
                place += 2
            if place >= len(tokens) or tokens[place].word != ",":
                return place
            place += 1

    # -- PL/pgSQL's own statements

    def if_(self, depth: int) -> None:
        self.expression(self.until("then"))
        self.statements(depth + 1)
        while self.at("elsif") or self.at("elseif"):
            self.next()
            self.expression(self.until("then"))
            self.statements(depth + 1)
        if self.take_if("else"):
            self.statements(depth + 1)
        self.take("end", "if", ";")

    def case(self, depth: int) -> None:
        self.expression(self.until("when"))
        self.position -= 1
        while self.take_if("when"):
            self.expression(self.until("then"))
            self.statements(depth + 1)
        if self.take_if("else"):
            self.statements(depth + 1)
        self.take("end", "case", ";")

    def loop(self, depth: int) -> None:
        self.statements(depth + 1)
        self.take("end", "loop")
        self.until(";")

    def while_(self, depth: int) -> None:
        self.expression(self.until("loop"))
        self.loop(depth)

    def for_(self, depth: int) -> None:
        self.found.names.update(token.name for token in self.until("in"))
        tokens = self.until("loop")
        if tokens[:1] and tokens[0].word == "reverse":
            tokens = tokens[1:]
        places = [place for place, token in enumerate(tokens) if token.word == ".."]
        if places:
            self.expression(tokens[: places[0]])
            by = next((place for place, token in enumerate(tokens) if token.word == "by"), len(tokens))
            self.expression(tokens[places[0] + 1 : by])
            self.expression(tokens[by + 1 :])
        else:
            self._query(tokens)
        self.loop(depth)

    def foreach(self, depth: int) -> None:
        self.found.names.update(token.name for token in self.until("in"))
        self.take("array")
        self.expression(self.until("loop"))
        self.loop(depth)

    def _query(self, tokens: list[Token]) -> None:
        if tokens[:1] and tokens[0].word == "execute":
            raise Unread("it runs text as SQL")
        if tokens[:1] and tokens[0].word in _QUERIES:
            self.expression(tokens, "")
        else:
            self._cursor(tokens)

    def _cursor(self, tokens: list[Token]) -> None:
        """``cursor`` or ``cursor(1, name := 2)``: its query is judged where it is declared."""
        if len(tokens) > 1 and (tokens[1].word, tokens[-1].word) != ("(", ")"):
            raise Unread("a query is not plain to read")
        for argument in _split(tokens[2:-1]):
            words = [token.word for token in argument[1:3]]
            self.expression(argument[2 if words[:1] == [":="] else 3 if words == ["=", ">"] else 0 :])

    def leave(self, depth: int) -> None:
        tokens = self.until(";")
        place = next((place for place, token in enumerate(tokens) if token.word == "when"), len(tokens))
        self.expression(tokens[place + 1 :])

    def return_(self, depth: int) -> None:
        if self.take_if("query"):
            self._query(self.until(";"))
        else:
            self.take_if("next")
            self.expression(self.until(";"))

    def raise_(self, depth: int) -> None:
        if self.peek().word in _LEVELS:
            self.next()
        tokens = self.until(";")
        using = next((place for place, token in enumerate(tokens) if token.word == "using"), len(tokens))
        if tokens[:1] and tokens[0].kind in ("string", "escaped"):
            self.expression(tokens[:using])
        for option in _split(tokens[using + 1 :]):
            self.expression(option[2:])

    def perform(self, depth: int) -> None:
        self.expression(self.until(";"))

    def open(self, depth: int) -> None:
        tokens = self.until(";")
        place = next((place for place, token in enumerate(tokens) if token.word == "for"), None)
        if place is None:
            self._cursor(tokens)
        else:
            self._query(tokens[place + 1 :])

    def execute(self, depth: int) -> None:
        raise Unread("it runs text as SQL")

    def null(self, depth: int) -> None:
        self.take(";")


def _split(tokens: list[Token]) -> list[list[Token]]:
    """At commas outside of parentheses."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += _OPEN.get(token.word, 0)
        if token.word == "," and not depth:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


_STATEMENTS: Final = {
    "assert": _Reader.perform,
    "case": _Reader.case,
    "continue": _Reader.leave,
    "execute": _Reader.execute,
    "exit": _Reader.leave,
    "for": _Reader.for_,
    "foreach": _Reader.foreach,
    "if": _Reader.if_,
    "loop": _Reader.loop,
    "null": _Reader.null,
    "open": _Reader.open,
    "perform": _Reader.perform,
    "raise": _Reader.raise_,
    "return": _Reader.return_,
    "while": _Reader.while_,
}
