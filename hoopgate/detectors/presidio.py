"""Microsoft Presidio as a detector: names, places and other personal data that no pattern tells.

Optional: ``pip install hoopgate[presidio]``. With ``model`` it needs that spaCy model installed; without, only
Presidio's patterns and checksums work, and nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

import spacy
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine, NlpEngineProvider
from zope.interface import implementer

from hoopgate.errors import HoopgateError
from hoopgate.interfaces import IDetector

OPTIONS = ("entities", "language", "model", "score")


@implementer(IDetector)
class Presidio:
    """``entities`` (none: all that Presidio knows), ``language``, ``model``, and the least ``score`` of a finding."""

    def __init__(self, options: dict[str, Any]) -> None:
        for name in options:
            if name not in OPTIONS:
                raise HoopgateError(f"presidio has no option {name!r}; it has {', '.join(OPTIONS)}")
        self._language = str(options.get("language", "en"))
        self._entities = [str(entity) for entity in options.get("entities", ())] or None
        self._score = float(options.get("score", 0.5))
        self._engine = AnalyzerEngine(
            nlp_engine=_engine(self._language, str(options.get("model", ""))), supported_languages=[self._language]
        )

    def find(self, text: str) -> Iterable[tuple[int, int, str]]:
        """What Presidio recognises with enough certainty."""
        results = self._engine.analyze(
            text, language=self._language, entities=self._entities, score_threshold=self._score
        )
        return [(result.start, result.end, result.entity_type.lower()) for result in results]


def _engine(language: str, model: str) -> NlpEngine:
    if not model:
        return Words(language)
    if not spacy.util.is_package(model):  # or Presidio would fetch it
        raise HoopgateError(f"the spaCy model {model!r} is not installed")
    models = [{"lang_code": language, "model_name": model}]
    return NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models}).create_engine()


class Words(NlpEngine):  # type: ignore[misc]
    """Cuts text into words and knows no entities, so that it needs no model."""

    engine_name = "words"
    is_available = True

    def __init__(self, language: str) -> None:
        self._language = language
        self._words = spacy.blank(language)

    def load(self) -> None:
        """Nothing is left to load."""

    def is_loaded(self) -> bool:
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        words = self._words(text)
        return NlpArtifacts(
            entities=[],
            tokens=words,
            tokens_indices=[word.idx for word in words],
            lemmas=[word.text for word in words],
            nlp_engine=self,
            language=language,
        )

    def process_batch(self, texts: Iterable[str], language: str, **_: Any) -> Generator[tuple[str, NlpArtifacts]]:
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word: str, language: str) -> bool:
        return False

    def is_punct(self, word: str, language: str) -> bool:
        return False

    def get_supported_entities(self) -> list[str]:
        return []

    def get_supported_languages(self) -> list[str]:
        return [self._language]


factory = Presidio
