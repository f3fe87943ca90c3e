"""What is to be said → the parts of a mail.

Whatever people wrote is escaped or sanitised here, and nowhere else (CONTRACT 8.2, 10).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

import nh3

from app.features.email import template
from app.features.email.plain import text_of_html, text_of_markdown
from app.features.email.rules import PREHEADER_LENGTH, Tracking, is_wrappable, one_line, subject_line
from app.formats.markdown import SCHEMES, WORDS, reader

# Other people's HTML may be laid out and show pictures; it may not run, ask for input, or cover what is not its own.
_LAYOUT = {"div", "span", "center", "small", "sub", "sup", "img", "h5", "h6", "caption", "dl", "dt", "dd", "font"}
_LAYOUT_ATTRIBUTES = {
    "*": {"style", "align", "dir", "lang"},
    "a": {"href", "title", "target"},
    "img": {"src", "alt", "width", "height", "border"},
    "table": {"width", "cellpadding", "cellspacing", "border", "bgcolor", "role"},
    "td": {"width", "height", "valign", "bgcolor", "colspan", "rowspan"},
    "th": {"width", "height", "valign", "bgcolor", "colspan", "rowspan"},
    "font": {"color", "face", "size"},
}
_LAYOUT_STYLES = {
    "background-color", "border", "border-bottom", "border-collapse", "border-color", "border-left", "border-radius", "border-right",
    "border-spacing", "border-style", "border-top", "border-width", "color", "direction", "font-family", "font-size", "font-style",
    "font-weight", "height", "letter-spacing", "line-height", "margin", "margin-bottom", "margin-left", "margin-right", "margin-top",
    "max-width", "padding", "padding-bottom", "padding-left", "padding-right", "padding-top", "text-align", "text-decoration",
    "text-transform", "vertical-align", "white-space", "width", "word-break",
}  # fmt: skip
_UNSEEN = {
    "script",
    "style",
    "title",
    "template",
    "noscript",
    "iframe",
    "object",
    "textarea",
    "select",
}  # gone with all that is in them


@dataclass(frozen=True, slots=True)
class Content:
    """A mail's subject and parts, ready to leave."""

    subject: str
    text: str | None
    html: str | None


def brief(subject: str, markdown: str, tracking: Tracking) -> Content:
    """The mail of a daily brief, from its Markdown."""
    tokens = reader().parse(markdown)
    text = text_of_markdown(tokens)
    subject = subject_line(subject)
    footer = "BuildOS sends you this brief because emails are switched on in your brief preferences."
    html = template.page(
        subject=subject,
        content=_from_markdown(markdown, tracking),
        preheader=_preheader(markdown),
        footer=footer,
        pixel=tracking.pixel,
    )
    return Content(subject, f"{text}\n-- \n{footer}\n", html)


def notification(subject: str, title: str, body: str, url: str | None, label: str, tracking: Tracking) -> Content:
    """The mail of a notification.

    A title (text), a body (Markdown), and a button that leads to `url` where that is http(s).
    """
    subject = subject_line(subject)
    footer = "BuildOS sends you this because of your notification preferences."
    html, text = f'<h1 style="{template.STYLES["h1"]}">{escape(title)}</h1>', f"{title}\n\n"
    html += _from_markdown(body, tracking)
    text += text_of_markdown(reader().parse(body))
    if url and is_wrappable(url):
        html += template.button(tracking.link(url), label)
        text += f"\n{label}: {url}\n"
    page = template.page(
        subject=subject, content=html, preheader=one_line(body, PREHEADER_LENGTH), footer=footer, pixel=tracking.pixel
    )
    return Content(subject, f"{text}\n-- \n{footer}\n", page)


def message(subject: str, html: str | None, text: str | None, tracking: Tracking) -> Content:
    """A mail whose parts somebody else wrote. Its HTML is sanitised; a missing text part is made from it."""
    subject = subject_line(subject)
    if not html:
        return Content(subject, text or "", None)
    safe = nh3.clean(
        html,
        tags=WORDS | _LAYOUT,
        attributes=_LAYOUT_ATTRIBUTES,
        attribute_filter=_wrapping(tracking),
        filter_style_properties=_LAYOUT_STYLES,
        clean_content_tags=_UNSEEN,
        url_schemes=SCHEMES,
        link_rel=None,
    )
    pixel = f'<img src="{escape(tracking.pixel)}" width="1" height="1" alt="">' if tracking.pixel else ""
    page = f'<!doctype html>\n<html>\n<head><meta charset="utf-8"><title>{escape(subject)}</title></head>\n<body>\n{safe}\n{pixel}</body>\n</html>\n'
    return Content(subject, text or text_of_html(html), page)


def _from_markdown(markdown: str, tracking: Tracking) -> str:
    """Markdown as safe HTML with styles of its own.

    Pictures are left out: one in a task's title would be somebody's pixel.
    """
    return nh3.clean(
        reader().render(markdown),
        tags=WORDS,
        attributes={"a": {"href"}, "ol": {"start"}},
        attribute_filter=_wrapping(tracking),
        set_tag_attribute_values={tag: {"style": style} for tag, style in template.STYLES.items()},
        url_schemes=SCHEMES,
        link_rel=None,
    )


def _wrapping(tracking: Tracking):
    def change(tag: str, attribute: str, value: str) -> str | None:
        if attribute == "href":
            return tracking.link(value)
        if tag == "img" and attribute == "src" and not value.lower().startswith(("http://", "https://")):
            return None
        return value

    return change


def _preheader(markdown: str) -> str:
    """What a list of mails shows beside the subject: the first words that are neither heading nor greeting."""
    tokens = reader().parse(markdown)
    paragraphs = [
        text_of_markdown(tokens[index : index + 3])
        for index, token in enumerate(tokens)
        if token.type == "paragraph_open" and token.level == 0
    ]
    told = paragraphs[1:] or paragraphs
    return one_line(re.sub(r"\s+", " ", told[0]), PREHEADER_LENGTH) if told else ""
