"""Rules may call an issuer by its name in the file; identities carry its URL. Here the one becomes the other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from attrs import evolve

from hoopgate.config.model import Config, Example, Mask, Rule, Who


def with_issuer_urls(config: Config) -> Config:
    """``config`` with every issuer that ``who``, ``unless`` or an example names by name turned into its URL.

    What decides then compares URLs alone, and the policy's version changes when an issuer's URL does.
    """
    urls = {issuer.name: issuer.url for issuer in config.issuers}
    return evolve(
        config,
        rules=tuple(_rule(rule, urls) for rule in config.rules),
        masks=tuple(_mask(mask, urls) for mask in config.masks),
    )


def _rule(rule: Rule, urls: Mapping[str, str]) -> Rule:
    examples = tuple(_example(example, urls) for example in rule.examples)
    return evolve(rule, who=_who(rule.who, urls), examples=examples)


def _mask(mask: Mask, urls: Mapping[str, str]) -> Mask:
    return mask if mask.unless is None else evolve(mask, unless=_who(mask.unless, urls))


def _example(example: Example, urls: Mapping[str, str]) -> Example:
    issuer = str(example.who.get("issuer", ""))
    return evolve(example, who={**example.who, "issuer": urls[issuer]}) if issuer in urls else example


def _who(who: Who, urls: Mapping[str, str]) -> Who:
    globs: list[str] = []
    for glob in who.issuer:
        if any(fnmatchcase(url, glob) for url in urls.values()):
            globs.append(glob)
        globs += [
            re.sub(r"([*?[])", r"[\1]", url)
            for name, url in urls.items()
            if fnmatchcase(name, glob) and not fnmatchcase(url, glob)
        ]
    # never an empty list in place of one that was given: it would match anyone
    return evolve(who, issuer=tuple(dict.fromkeys(globs)) or who.issuer)
