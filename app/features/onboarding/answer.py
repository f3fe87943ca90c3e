"""What a model answers about a new user: its shape, and what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from app.features.onboarding.models import FEATURES, Advice, Analysis, Question, Recommendation
from app.formats.plain import plain_line
from app.ports.structured import Answer

TITLE_LENGTH, TEXT_LENGTH, MOST = 160, 600, 10  # characters, characters, items of a list


def _named(key: str) -> BeforeValidator:
    """A bare string stands for an object with nothing but that key."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


class AdviceAnswer(BaseModel):
    title: str
    description: str | None = None


class FeatureAnswer(BaseModel):
    feature: str
    reason: str | None = None


class QuestionAnswer(BaseModel):
    question: str
    purpose: str | None = None


class AnalysisAnswer(BaseModel):
    summary: str | None = None
    insights: Annotated[list[str], Field(min_length=1)]
    workflow_suggestions: Annotated[list[Annotated[AdviceAnswer, _named("title")]], Field(min_length=1)]
    recommended_features: list[Annotated[FeatureAnswer, _named("feature")]]
    adhd_practices: Annotated[list[Annotated[AdviceAnswer, _named("title")]], Field(min_length=1)]
    questions: Annotated[list[Annotated[QuestionAnswer, _named("question")]], Field(min_length=1)]


def problems_of(answer: AnalysisAnswer) -> Sequence[str]:
    """Lists that must say something and do not."""
    kept = analysis_of(Answer(answer, "", False)).lists()
    return [f"{name}: says nothing" for name, items in kept.items() if not items and name != "recommended_features"]


def analysis_of(answer: Answer[AnalysisAnswer]) -> Analysis:
    """What is kept: plain text, the first MOST of each list, each thing once, features that exist."""
    said = answer.value
    unknown = [plain_line(each.feature, 60) for each in said.recommended_features if _feature(each) is None]
    notes: dict[str, Any] = {"unknown_features": unknown[:MOST], "repaired": answer.repaired}
    return Analysis(
        "model",
        answer.model,
        plain_line(said.summary, TEXT_LENGTH),
        tuple(_once([plain_line(text, TEXT_LENGTH) for text in said.insights])),
        _advice(said.workflow_suggestions),
        _features(said.recommended_features),
        _advice(said.adhd_practices),
        tuple(
            Question(text, plain_line(purpose, TEXT_LENGTH))
            for text, purpose in _pairs((each.question, each.purpose) for each in said.questions)
        ),
        {name: value for name, value in notes.items() if value},
    )


def _features(given: Sequence[FeatureAnswer]) -> tuple[Recommendation, ...]:
    found: dict[str, Recommendation] = {}
    for each in given:
        if name := _feature(each):
            found.setdefault(name, Recommendation(name, plain_line(each.reason, TEXT_LENGTH)))
    return tuple(found.values())


def _feature(said: FeatureAnswer) -> str | None:
    name = said.feature.strip().lower().replace("-", "_").replace(" ", "_")
    return name if name in FEATURES else None


def _advice(given: Sequence[AdviceAnswer]) -> tuple[Advice, ...]:
    pairs = _pairs((each.title, each.description) for each in given)
    return tuple(Advice(title, plain_line(text, TEXT_LENGTH)) for title, text in pairs)


def _pairs(given: Any) -> list[tuple[str, str | None]]:
    """(first line, text) of those whose first line says something, each once."""
    found: dict[str, str | None] = {}
    for first, text in given:
        if line := plain_line(first, TITLE_LENGTH):
            found.setdefault(line, text)
    return list(found.items())[:MOST]


def _once(lines: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(line for line in lines if line))[:MOST]
