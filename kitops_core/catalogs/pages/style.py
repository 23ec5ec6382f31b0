"""The style sheet of a catalogue: that of a lineage page, and what only a catalogue has."""

from __future__ import annotations

from kitops_core.lineages.style import STYLE

SHEET = (
    STYLE
    + """
.skip{position:absolute;left:-999px}
.skip:focus{left:16px;top:8px;background:var(--card);padding:6px 12px;border-radius:8px;z-index:1}
nav{background:var(--card);border-bottom:1px solid var(--line)}
nav ul{max-width:1120px;margin:0 auto;padding:0 24px;display:flex;gap:4px;list-style:none}
nav a{display:block;padding:12px 14px;text-decoration:none;color:var(--quiet);border-bottom:3px solid transparent}
nav a:hover{color:var(--text)}
nav a[aria-current]{color:var(--text);font-weight:600;border-bottom-color:var(--kit)}
main:focus{outline:none}
td a{font-weight:600;text-decoration:none}
td a:hover{text-decoration:underline}
td .badge{margin:0 4px 4px 0;white-space:nowrap}
td p{margin:0}
td .where{display:block;font-size:12px;color:var(--quiet);font-weight:400}
td a .badge{font-weight:400}
.waits{margin-top:18px;padding-top:16px;border-top:1px solid var(--line)}
h2+.waits{margin-top:0;padding-top:0;border:0}
.waits p{margin:4px 0}
.gates{list-style:none;margin:8px 0 0;padding:0;font-size:14px}
.gates li{padding:5px 0 5px 26px;text-indent:-26px;border-bottom:1px solid var(--line)}
.gates li:last-child{border-bottom:0}
.gates b{display:inline-block;width:26px;text-indent:0}
.gates .good b{color:var(--good)}.gates .bad b{color:var(--bad)}.gates .plain b{color:var(--quiet)}
.chart text{fill:var(--quiet);font-size:11px}
.chart rect{fill:var(--kit);opacity:.75}
.chart a:hover rect,.chart a:focus-visible rect{opacity:1}
.chart a:focus-visible{outline:3px solid var(--link);outline-offset:1px}
.chart .base{stroke:var(--line);stroke-width:1}
td details{margin:4px 0 0;border:0;background:none}
td summary{padding:2px 0;display:block}
td summary::before{content:"▸ ";color:var(--quiet)}
td details[open]>summary::before{content:"▾ "}
table+table{margin-top:14px}
td .inside{padding:4px 0 8px}
@media (max-width:640px){
td p{display:inline-block;margin-right:10px}
nav ul{padding:0 6px}
nav a{padding:12px 9px}
}
@media print{nav,.skip{display:none}}
"""
)
