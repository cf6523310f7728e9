"""Reference pages out of the code itself: ``hoopgate-configuration``, ``hoopgate-commands``, ``hoopgate-metrics``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from docutils import nodes
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from hoopgate.cli.main import main
from hoopgate.config.reference import reference
from hoopgate.detectors.kinds import KINDS
from hoopgate.metrics import DIRECTIONS, ENDS, LOGIN_FAILURES, OTHER, VERDICTS, Metrics
from hoopgate.policy.operations import EFFECTS

VALUES = {
    "direction": DIRECTIONS,
    "effect": tuple(EFFECTS),
    "end": ENDS,
    "outcome": ("ok", "failed"),
    "reason": LOGIN_FAILURES,
    "verdict": (*VERDICTS, OTHER),
}


class ConfigurationReference(SphinxDirective):
    """The configuration's tables and keys, out of the model."""

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        return self.parse_text_to_nodes(reference(), allow_section_headings=True)


class CommandReference(SphinxDirective):
    """Every command with its arguments and options, as click knows them."""

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        return self.parse_text_to_nodes("\n".join(lines(main, "hoopgate", None)), allow_section_headings=True)


class MetricsReference(SphinxDirective):
    """Every metric with its type, its labels and what it counts; and the values of labels that come from lists."""

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        return self.parse_text_to_nodes("\n".join(metric_lines(Metrics().registry)))


class DetectorReference(SphinxDirective):
    """The kinds that detectors know, by family."""

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        return self.parse_text_to_nodes("\n".join(detector_lines()))


def detector_lines() -> Iterator[str]:
    """reStructuredText of the kinds."""
    for kind in KINDS.values():
        yield f"``{kind.name}`` (``{kind.family}``)"
        yield f"    {escape(kind.says)}."
    yield ""


def metric_lines(registry: CollectorRegistry) -> Iterator[str]:
    """reStructuredText of a registry's metrics, by the names under which Prometheus finds them."""
    labels = {}
    for collector in list(registry._collector_to_names):  # no public way leads to a metric's labels
        for family in collector.collect():
            own = isinstance(collector, MetricWrapperBase)
            found = collector._labelnames if own else {name for sample in family.samples for name in sample.labels}
            labels[family.name] = sorted(set(found) - {"le"})
            name = family.name + ("_total" if family.type == "counter" else "")
            yield f"``{name}``"
            given = ", ".join(f"``{label}``" for label in labels[family.name])
            yield f"    {escape(family.documentation)}. A {family.type}{f', by {given}' if given else ''}."
    yield ""
    for label in sorted({label for each in labels.values() for label in each}):
        if label in VALUES:
            yield f"``{label}``"
            yield "    One of " + ", ".join(f"``{value}``" for value in VALUES[label]) + "."
    yield ""


def lines(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    """reStructuredText of a command and those below it, all on one level of headings."""
    context = click.Context(command, info_name=name.rpartition(" ")[2], parent=parent)
    if parent is not None:
        yield from (f"``{name}``", "-" * (len(name) + 4), "")
    yield from ("::", "", *("    " + line for line in usage(command, context, name)), "")
    if command.help:
        yield from (clean(command.help), "")
    yield from options(command, context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None and not found.hidden:
                yield from lines(found, f"{name} {below}", context)


def usage(command: click.Command, context: click.Context, name: str) -> Iterator[str]:
    yield " ".join([name, *command.collect_usage_pieces(context)])


def options(command: click.Command, context: click.Context) -> Iterator[str]:
    rows = [record for parameter in command.get_params(context) if (record := parameter.get_help_record(context))]
    for names, text in rows:
        yield f"``{names}``"
        yield "    " + (escape(" ".join(text.split())) or "(no more to say)")
    yield ""


def clean(text: str) -> str:
    """Help texts are plain text: paragraphs stay, nothing in them is markup."""
    paragraphs = text.replace("\b\n", "").split("\n\n")
    return "\n\n".join(escape(" ".join(paragraph.split())) for paragraph in paragraphs)


def escape(text: str) -> str:
    for sign in ("\\", "*", "`", "|", "_"):
        text = text.replace(sign, "\\" + sign)
    return text


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("hoopgate-configuration", ConfigurationReference)
    app.add_directive("hoopgate-commands", CommandReference)
    app.add_directive("hoopgate-detectors", DetectorReference)
    app.add_directive("hoopgate-metrics", MetricsReference)
    return {"parallel_read_safe": True}
