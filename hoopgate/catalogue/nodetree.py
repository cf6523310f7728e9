"""Reading a ``pg_node_tree``: PostgreSQL's own printed form of a Query, as in ``pg_rewrite.ev_action``.

Its form (PostgreSQL source, ``nodes/read.c`` and ``nodes/outfuncs.c``) is ``{KIND :field value ...}``, lists in
parentheses, ``\\`` before a literal character. It is plain data, read without a lock, which ``pg_get_viewdef`` is not;
and ``pg_depend`` does not tell of whole-row references. What the values mean is :mod:`hoopgate.catalogue.flows`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from attrs import define, field

_TOKEN: Final = re.compile(r"[(){}]|(?:\\.|[^\s(){}\\])+", re.DOTALL)

_IDLE: Final = re.compile(
    r""" [ ]:(?:
        \w+[ ]<>                                               # fields without a value
      | (?:alias|eref|join_using_alias|returningOldAlias)[ ]\{ALIAS[ ](?:\\.|[^{}\\])*\}
      | rteperminfos[ ]\((?:\\.|[^()\\]|\([^()]*\))*\)
      | vartype[ ]\d+[ ]:vartypmod[ ]-?\d+[ ]:varcollid[ ]\d+(?:[ ]:varnullingrels[ ]\(b[ 0-9]*\))?
      | varnosyn[ ]\d+[ ]:varattnosyn[ ]-?\d+
      | resorigtbl[ ]\d+[ ]:resorigcol[ ]\d+
      | const(?:type|typmod|collid|len|byval|isnull)[ ][-\w]+
      | constvalue[ ]\d+[ ]\[[-\ 0-9]*\]
      | (?:selectedCols|insertedCols|updatedCols|extraUpdatedCols)[ ]\(b[ 0-9]*\)
      | (?:location|varreturningtype|inputcollid|opcollid|funccollid|stmt_len|stmt_location)[ ]-?\d+
      | (?:hasAggs|hasWindowFuncs|hasSubLinks|hasDistinctOn|hasRecursive|hasModifyingCTE|hasForUpdate|hasRowSecurity
          |hasGroupRTE|isReturn|canSetTag|lateral|inh|inFromCl|security_barrier)[ ](?:true|false)
    )(?=[ }])""",
    re.VERBOSE | re.DOTALL,
)
"""What says nothing of where values come from: two thirds of a tree. It cannot begin inside a name or literal, where
each space has a backslash before it, and so none follows a word."""


class Malformed(Exception):  # noqa: N818 - what the tree is
    """The tree is not in the form we know."""


@define(eq=False)
class Node:
    """``{KIND :field value ...}``; a field's value is the list of its tokens, nodes and lists."""

    kind: str = ""
    fields: dict[str, list[Any]] = field(factory=dict)

    def integer(self, name: str) -> int:
        try:
            return int(self.fields[name][0])
        except (KeyError, IndexError, ValueError, TypeError):
            raise Malformed(f"{self.kind}: {name}") from None

    def word(self, name: str) -> str:
        values = self.fields.get(name)
        return values[0] if values and isinstance(values[0], str) else ""

    def node(self, name: str) -> Node | None:
        values = self.fields.get(name)
        return values[0] if values and isinstance(values[0], Node) else None

    def items(self, name: str) -> list[Any]:
        """The members of a list field; ``<>`` is the empty list."""
        values = self.fields.get(name, [])
        return values[0] if values and isinstance(values[0], list) else []


def parse(text: str) -> list[Any]:
    """The values of ``text``, in order. Raises Malformed. Iterative, so that depth is no danger."""
    root: list[Any] = []
    stack: list[tuple[str, Any, list[Any]]] = []  # closing bracket, node or list, where values went before
    into = root
    fresh: Node | None = None  # a node whose kind comes next
    node: Node | None = None
    blank: list[Any] = []  # before a node's first field
    for word in _TOKEN.findall(_IDLE.sub("", text)):
        if fresh is not None:
            fresh.kind, fresh = word, None
        elif word == "{":
            made = Node()
            into.append(made)
            stack.append(("}", node, into))
            node = fresh = made
            into = blank
        elif word == "(":
            inner: list[Any] = []
            into.append(inner)
            stack.append((")", node, into))
            node, into = None, inner
        elif word in ("}", ")"):
            if not stack or stack[-1][0] != word:
                raise Malformed("unbalanced brackets")
            _, node, into = stack.pop()
        elif word[0] == ":" and node is not None and (into or into is blank):
            # A field has at least one value, which may begin with a colon itself: names are not escaped for that.
            if word[1:] in node.fields:
                raise Malformed(f"{node.kind}: two of {word}")
            into = node.fields[word[1:]] = []
        elif into is blank:
            raise Malformed("a value of no field")
        else:
            into.append(word)
    if stack:
        raise Malformed("unbalanced brackets")
    return root
