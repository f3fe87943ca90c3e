"""The page around a mail's content: tables and inline styles, as mail clients want them, light and dark."""

from __future__ import annotations

from html import escape

FONT = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
ACCENT = "#3b5bdb"

# What the tags of the content look like; clients that drop <style> still show these.
STYLES: dict[str, str] = {
    "h1": "margin:0 0 16px;font-size:24px;line-height:1.25;font-weight:700;color:#111827",
    "h2": "margin:28px 0 10px;font-size:18px;line-height:1.3;font-weight:700;color:#111827",
    "h3": "margin:22px 0 8px;font-size:16px;line-height:1.3;font-weight:700;color:#111827",
    "h4": "margin:18px 0 6px;font-size:15px;line-height:1.3;font-weight:700;color:#111827",
    "p": "margin:0 0 12px;font-size:15px;line-height:1.55;color:#374151",
    "ul": "margin:0 0 14px;padding:0 0 0 22px",
    "ol": "margin:0 0 14px;padding:0 0 0 24px",
    "li": "margin:0 0 6px;font-size:15px;line-height:1.5;color:#374151",
    "a": f"color:{ACCENT};text-decoration:underline",
    "blockquote": "margin:0 0 14px;padding:2px 0 2px 14px;border-left:3px solid #d1d5db",
    "code": "font-family:Menlo,Consolas,monospace;font-size:13px;background-color:#f3f4f6;padding:1px 4px;border-radius:3px",
    "pre": "margin:0 0 14px;padding:12px;background-color:#f3f4f6;border-radius:6px;white-space:pre-wrap;word-break:break-word",
    "hr": "border:0;border-top:1px solid #e5e7eb;margin:24px 0",
    "table": "border-collapse:collapse;margin:0 0 14px",
    "th": "text-align:left;padding:6px 10px;border-bottom:2px solid #e5e7eb;font-size:14px;color:#374151",
    "td": "text-align:left;padding:6px 10px;border-bottom:1px solid #e5e7eb;font-size:14px;color:#374151",
}

_HEAD = """<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no,date=no,address=no,email=no">
<title>{subject}</title>
<style>
:root{{color-scheme:light dark;supported-color-schemes:light dark}}
@media (max-width:640px){{.card{{padding:22px 18px!important}}}}
@media (prefers-color-scheme:dark){{
.page{{background-color:#0f1216!important}}
.card{{background-color:#181c22!important;border-color:#2a3038!important}}
.content,.content p,.content li,.content td,.content th,.content blockquote{{color:#d3d7dd!important}}
.content h1,.content h2,.content h3,.content h4,.content strong{{color:#f3f4f6!important}}
.content a{{color:#91a7ff!important}}
.content .button{{color:#ffffff!important}}
.content code,.content pre{{background-color:#252b33!important}}
.content hr,.content td,.content th,.content blockquote{{border-color:#343b45!important}}
.foot{{color:#8b939e!important}}
}}
</style>"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
{head}
</head>
<body class="page" style="margin:0;padding:0;background-color:#f3f4f6;-webkit-text-size-adjust:100%">
{preheader}<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" border="0" style="background-color:#f3f4f6">
<tr><td align="center" style="padding:24px 12px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:640px">
<tr><td class="card" style="background-color:#ffffff;border:1px solid #e5e7eb;border-radius:10px;padding:32px 36px;font-family:{font}">
<div class="content" style="font-family:{font};font-size:15px;line-height:1.55;color:#374151">
{content}
</div>
</td></tr>
<tr><td class="foot" align="center" style="padding:16px 12px;font-family:{font};font-size:12px;line-height:1.5;color:#6b7280">{footer}</td></tr>
</table>
</td></tr>
</table>
{pixel}</body>
</html>
"""

# Fills the rest of the preview line, so that it does not run on into the page.
_FILLER = "&#847;&zwnj;&nbsp;" * 60


def page(*, subject: str, content: str, footer: str, preheader: str = "", pixel: str | None = None) -> str:
    """The whole HTML part. `content` is safe HTML; every other argument is text, and is escaped here."""
    hidden = ""
    if preheader:
        hidden = f'<div style="display:none;max-height:0;max-width:0;overflow:hidden;opacity:0;mso-hide:all">{escape(preheader)}{_FILLER}</div>\n'
    image = ""
    if pixel:
        image = f'<img src="{escape(pixel)}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">\n'
    return _PAGE.format(
        head=_HEAD.format(subject=escape(subject)),
        preheader=hidden,
        font=FONT,
        content=content,
        footer=escape(footer),
        pixel=image,
    )


def button(url: str, label: str) -> str:
    """A link that looks like a button, also in clients that know no padding on links."""
    return (
        '<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:20px 0 4px"><tr>'
        f'<td style="border-radius:6px;background-color:{ACCENT};padding:11px 20px">'
        f'<a class="button" href="{escape(url)}" style="color:#ffffff;font-size:15px;font-weight:600;text-decoration:none">{escape(label)}</a>'
        "</td></tr></table>"
    )
