"""Small pieces of HTML; everything that comes from a run is escaped here."""

from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
:root{--ink:#1d252e;--soft:#5b6672;--line:#e2e6ea;--wash:#f6f8fa;--accent:#0072b2;--warn:#b34700}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:#fff;color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
main{max-width:66rem;margin:0 auto;padding:1.6rem 1.1rem 3rem}
h1{font-size:1.85rem;line-height:1.2;margin:.1rem 0 .3rem;overflow-wrap:anywhere}
h2{font-size:1.22rem;margin:2.6rem 0 .7rem;padding-top:.9rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.3rem 0 .4rem}
p{margin:.4rem 0;max-width:46rem}
.eyebrow{color:var(--soft);font-size:.86rem;letter-spacing:.02em;margin:.15rem 0;max-width:none;
overflow-wrap:anywhere}
.kind{display:inline-block;border:1px solid currentColor;border-radius:1rem;padding:.12rem .75rem;
font-size:.86rem;font-weight:600;margin:.2rem .4rem .2rem 0;overflow-wrap:anywhere}
.kind.simulated{color:var(--accent)}.kind.hardware,.kind.bad{color:var(--warn)}.kind.good{color:#00704f}
.note{background:#fff6ec;border-left:3px solid var(--warn);padding:.55rem .8rem;margin:.9rem 0;max-width:none;
overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(6,1fr);gap:.7rem;margin:1.3rem 0}
.tile{background:var(--wash);border:1px solid var(--line);border-radius:.6rem;padding:.7rem .85rem}
.tile.first{grid-column:span 2;grid-row:span 2;background:#eef6fb;border-color:#cfe4f2}
.tile .name{color:var(--soft);font-size:.82rem}
.tile .value{font-size:1.42rem;font-weight:650;line-height:1.25;white-space:nowrap}
.tile.first .value{font-size:2.1rem}
.tile .more{color:var(--soft);font-size:.82rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1.1rem 1.6rem;
align-items:start}
figure{margin:0;break-inside:avoid;max-width:33rem}
figure img{width:100%;height:auto;display:block}
figcaption{color:var(--soft);font-size:.86rem;margin-top:.3rem}
figcaption b{color:var(--ink)}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:.9rem;margin:.5rem 0}
th,td{padding:.3rem .7rem .3rem 0;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--soft)}
th:first-child,td:first-child{text-align:left}
thead th{white-space:nowrap;vertical-align:bottom}td+td{white-space:nowrap}
table.facts th{white-space:nowrap;padding-right:1.4rem}
table.facts td{text-align:left;white-space:normal;overflow-wrap:anywhere}
table.confusion td,table.confusion th{padding:.32rem .55rem;text-align:center;border:1px solid #fff}
table.confusion tbody th{text-align:right}
table.confusion td.zero{color:#a9b1ba}
details{border:1px solid var(--line);border-radius:.5rem;margin:.6rem 0;padding:.45rem .8rem}
summary{cursor:pointer;font-weight:600;overflow-wrap:anywhere}
pre{overflow-x:auto;background:var(--wash);padding:.7rem .8rem;border-radius:.4rem;tab-size:4;
font:13px/1.45 ui-monospace,SFMono-Regular,Consolas,"Liberation Mono",monospace}
ul.messages{list-style:none;padding:0;margin:.4rem 0}
ul.messages li{padding:.25rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
ul.messages time{color:var(--soft);font-size:.84rem;margin-right:.6rem}
.level{font-weight:650;margin-right:.4rem}.level.warning,.level.error{color:var(--warn)}
footer{margin-top:2.8rem;border-top:1px solid var(--line);padding-top:.8rem;color:var(--soft)}
footer p{max-width:none;font-size:.86rem}
@media (max-width:56rem){.tiles{grid-template-columns:repeat(4,1fr)}}
@media (max-width:38rem){main{padding:1rem .85rem 2rem}h1{font-size:1.5rem}
.tiles{grid-template-columns:1fr 1fr}.tile .value{font-size:1.2rem}
th,td{padding-right:.5rem}table{font-size:.84rem}}
@media print{body{font-size:10.5pt}main{max-width:none;padding:0}h2,h3{break-after:avoid}
tr,.tile{break-inside:avoid}.figures{grid-template-columns:1fr 1fr}details:not([open]){display:none}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""


def page(title: str, body: str) -> str:
    """A whole document that asks for nothing from outside: its policy forbids it."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        "</body>\n</html>\n"
    )


def heading(text: str) -> str:
    """The title of a page."""
    return f"<h1>{escape(text)}</h1>"


def section(title: str, *parts: str) -> str:
    """A headed section, or nothing when it would be empty."""
    inside = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{escape(title)}</h2>\n{inside}\n</section>" if inside else ""


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    attribute = f' class="{escape(kind)}"' if kind else ""
    return f"<p{attribute}>{escape(text)}</p>"


def figure(uri: str, title: str, caption: str) -> str:
    """An image with a caption that begins with its title."""
    return (
        f'<figure><img src="{escape(uri)}" alt="{escape(title)}">'
        f"<figcaption><b>{escape(title)}.</b> {escape(caption)}</figcaption></figure>"
    )


def figures(items: Iterable[str]) -> str:
    """Figures beside each other where there is room."""
    inside = "\n".join(items)
    return f'<div class="figures">\n{inside}\n</div>' if inside else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a heading; the first column is text, the others are numbers."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values, one pair a line."""
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows
    )
    return f'<table class="facts"><tbody>{body}</tbody></table>'


def tile(name: str, value: str, more: Sequence[str] = (), first: bool = False) -> str:
    """A number worth a glance, with smaller lines below it."""
    below = "".join(f'<div class="more">{escape(line)}</div>' for line in more)
    return (
        f'<div class="tile{" first" if first else ""}"><div class="name">{escape(name)}</div>'
        f'<div class="value">{escape(value)}</div>{below}</div>'
    )


def fold(summary: str, inside: str) -> str:
    """Content behind a line to click."""
    return f"<details><summary>{escape(summary)}</summary>\n{inside}\n</details>"


def code(text: str) -> str:
    """Text as it was written."""
    return f"<pre>{escape(text)}</pre>"
