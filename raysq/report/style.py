"""The report's style sheet for wide and narrow screens, light and dark mode, and print.

Series differ in dashes and markers as well as in color. The colors are those of Okabe and Ito (2008), darkened on white
and lightened on black to a contrast of at least 3 to 1.
"""

from raysq.report.markup import Markup

# Light and dark value of each variable.
_COLORS = {
    "paper": ("#ffffff", "#14171c"),
    "sheet": ("#f5f6f8", "#1d2128"),
    "ink": ("#1b1f26", "#e8eaee"),
    "soft": ("#565e6b", "#a7afbb"),
    "rule": ("#dfe3e8", "#343a44"),
    "quiet": ("#9aa3af", "#6b7480"),
    "note": ("#fff5dc", "#3a2f12"),
    "note-ink": ("#5c4300", "#f3d98b"),
    "mark": ("#e7f1f9", "#16303f"),
    "k0": ("#0072b2", "#56b4e9"),
    "k1": ("#c24e00", "#f5924d"),
    "k2": ("#007d5c", "#2fc79a"),
    "k3": ("#a8447d", "#e695c2"),
    "k4": ("#8a6500", "#e3bd3d"),
    "k5": ("#4d4a9e", "#a9a6f0"),
}
PALETTE = 6

_RULES = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Helvetica Neue",Arial,sans-serif}
main{overflow-wrap:break-word;max-width:960px;margin:0 auto;padding:24px 20px 56px}
header h1{font-size:1.75rem;line-height:1.2;margin:0 0 2px;letter-spacing:-.01em;overflow-wrap:anywhere}
.about{color:var(--soft);margin:0 0 14px}
.verdict{font-size:1.125rem;line-height:1.5;margin:14px 0 18px;max-width:46em}
.banner,.remark{background:var(--note);color:var(--note-ink);border-radius:8px;padding:10px 14px;margin:12px 0}
.banner{font-weight:600}
nav{font-size:.9rem;border-top:1px solid var(--rule);border-bottom:1px solid var(--rule);padding:8px 0;margin:20px 0}
nav a{display:inline-block;margin:0 18px 0 0;padding:4px 0}
a{color:var(--k0);text-underline-offset:2px}
h2{font-size:1.25rem;line-height:1.3;margin:40px 0 6px;letter-spacing:-.005em}
h3{font-size:.95rem;margin:0 0 4px;font-weight:600}
section>p,.sub>p{max-width:46em;margin:6px 0 12px}
.note{color:var(--soft);font-size:.9rem}
figure .note{font-size:.8rem}
.grid{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:22px 26px;margin:14px 0}
.grid>*{min-width:0}
.grid>.wide{grid-column:1/-1}
.grid.many{grid-template-columns:repeat(3,minmax(0,1fr))}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:10px;margin:14px 0;padding:0}
.figures div{background:var(--sheet);border-radius:8px;padding:10px 14px}
.figures dt{font-size:.8rem;color:var(--soft)}
.figures dd{margin:0;font-size:1.35rem;font-weight:600;line-height:1.3;font-variant-numeric:tabular-nums}
.figures dd.note{font-size:.8rem;font-weight:400}
figure{margin:0}
figcaption{font-size:.95rem;font-weight:600;margin:0 0 2px}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 18px;margin:2px 0 4px;padding:0;font-size:.85rem}
.legend li{display:flex;align-items:center;gap:7px;min-width:0;overflow-wrap:anywhere}
.legend svg{flex:none}
svg{display:block;max-width:100%;height:auto}
svg text{font-family:Arial,"Liberation Sans",Helvetica,sans-serif;font-size:12px}
.chart text{paint-order:stroke}
.model text{fill:var(--soft)}
.model text.b{fill:var(--ink);font-weight:600}
.narrow,.help,.chart.drawn>:not(.live){display:none}
body:has(.chart.drawn) .help{display:inline}
.chart .live{width:100%}
.tip{position:absolute;z-index:9;max-width:min(28em,90vw);white-space:pre-line;overflow-wrap:anywhere;
pointer-events:none;background:var(--paper);color:var(--ink);border:1px solid var(--soft);border-radius:6px;
padding:4px 9px;font-size:.8rem;line-height:1.4;font-variant-numeric:tabular-nums}
.n{fill:var(--sheet);stroke:var(--soft);stroke-width:1}
.n.in{stroke:var(--k0);stroke-width:1.5}
.n.out{stroke:var(--k2);stroke-width:1.5}
.f{fill:none;stroke:var(--quiet);stroke-width:1;stroke-dasharray:5 4}
.e{fill:none;stroke:var(--soft);stroke-width:1.25}
.ah{fill:var(--soft)}
.pictures{display:flex;flex-wrap:wrap;gap:12px 16px;margin:10px 0;align-items:flex-end}
.pictures figure{max-width:100%}
.pictures figcaption{font-size:.8rem;font-weight:400;color:var(--soft);margin:2px 0 0;overflow-wrap:anywhere}
.pictures img{display:block;max-width:100%;height:auto}
.pictures img.small{image-rendering:pixelated}
.pictures.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(104px,1fr));align-items:start}
.pictures.rows{flex-direction:column;align-items:flex-start;gap:8px}
.quotes{margin:8px 0;font-size:.875rem;line-height:1.45}
.quotes div{border-bottom:1px solid var(--rule);padding:7px 0;break-inside:avoid}
.quotes dt{font-weight:600;overflow-wrap:anywhere}
.quotes dd{margin:1px 0 0;color:var(--soft);overflow-wrap:anywhere;max-width:60em}
.scroll{overflow-x:auto;margin:8px 0}
table{border-collapse:collapse;font-size:.875rem;line-height:1.4;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;font-size:.95rem;padding:0 0 4px}
th,td{padding:5px 14px 5px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}
th{font-weight:600;color:var(--soft)}
thead th{vertical-align:bottom}
tbody th{color:var(--ink)}
td.d,th.d{text-align:right}
td{white-space:nowrap}
td.w{white-space:normal;min-width:18em;overflow-wrap:anywhere}
tr.best td,tr.best th{background:var(--mark);font-weight:600}
tr.best>:first-child{box-shadow:inset 3px 0 0 var(--k0);padding-left:10px}
details{font-size:.875rem;margin:4px 0 0}
summary{cursor:pointer;color:var(--soft)}
ul.plain{margin:4px 0 0;padding:0 0 0 1.1em;font-size:.9rem}
code,pre{font:.85rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
pre{background:var(--sheet);border-radius:8px;padding:10px 14px;
white-space:pre-wrap;overflow-wrap:anywhere;margin:8px 0}
.sub{border-top:1px solid var(--rule);margin-top:26px;padding-top:16px}
footer{color:var(--soft);font-size:.85rem;border-top:1px solid var(--rule);margin-top:48px;padding-top:12px}
"""

_NARROW = """
main{padding:16px 14px 40px}
header h1{font-size:1.4rem}
.grid,.grid.many{grid-template-columns:minmax(0,1fr)}
.broad{display:none}
.narrow{display:block}
.figures{grid-template-columns:repeat(2,minmax(0,1fr))}
.figures div{padding:8px 10px}
td.w{min-width:13em}
.figures dd{font-size:1.15rem}
"""

_PRINT = """
body{font-size:10pt}
main{max-width:none;padding:0}
nav,details,.tip,.help,.chart .live{display:none!important}
h2,h3,figcaption,caption{break-after:avoid}
figure,tr,.figures,.banner,pre{break-inside:avoid}
h2{margin-top:20pt}
.grid{grid-template-columns:repeat(2,minmax(0,1fr))}
.grid.many{grid-template-columns:repeat(3,minmax(0,1fr))}
.broad,.chart.drawn>.broad,.chart.drawn>svg{display:block}
.narrow,.chart.drawn>.narrow{display:none}
.scroll{overflow:visible}
table{font-size:7.5pt}
th,td{padding-right:6pt}
td,td.d,td.w{white-space:normal;min-width:0}
td.w{overflow-wrap:anywhere}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
"""


def sheet() -> Markup:
    """Return the style sheet. Colors are CSS variables, so that charts follow the page's color scheme."""

    def variables(number: int) -> str:
        return "".join(f"--{name}:{pair[number]};" for name, pair in _COLORS.items())

    rules = (
        f":root{{color-scheme:light dark;{variables(0)}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{variables(1)}}}}}"
        f"{_RULES}"
        f"@media screen and (max-width:640px){{{_NARROW}}}"
        f"@page{{margin:14mm}}@media print{{:root{{color-scheme:light}}{_PRINT}}}"
    )
    return Markup(rules.replace("\n", ""))


LIGHT = {name: pair[0] for name, pair in _COLORS.items()}
