"""The page's style sheet: system fonts, light and dark, narrow and wide, screen and paper.

The graph scrolls from its right end (``direction:rtl``), where the kit is: on a narrow screen that is seen first.
"""

from __future__ import annotations

_LIGHT = """\
--page:#f6f7fb;--card:#ffffff;--line:#dcdfea;--text:#1a1d29;--quiet:#565d73;--link:#3546c8;--mark:#eceef8;
--good:#12603a;--good-back:#e2f4e9;--warn:#7a4a00;--warn-back:#fdf0d3;--bad:#a11818;--bad-back:#fde7e7;
--plain:#4b5268;--plain-back:#eceef4;--kit:#4457e6;--data:#0f8a86;--commit:#8a4fc4;--pipeline:#b3650a;--edge:#8b92a9;--shade:#1a1d2933"""
_DARK = """\
--page:#0f1118;--card:#181b25;--line:#2f3444;--text:#e8eaf3;--quiet:#a6adc3;--link:#a3b3ff;--mark:#232736;
--good:#8be0ae;--good-back:#12321f;--warn:#f4cd80;--warn-back:#382907;--bad:#ffb4ae;--bad-back:#451717;
--plain:#b8bed1;--plain-back:#272b39;--kit:#8496ff;--data:#4cc9c3;--commit:#c196f2;--pipeline:#f0ad5a;--edge:#6f7790;--shade:#000000b0"""

STYLE = (
    ":root{color-scheme:light dark;"
    + _LIGHT
    + "}\n@media (prefers-color-scheme:dark){:root{"
    + _DARK
    + """}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;overflow-wrap:anywhere;background:var(--page);color:var(--text);
font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif}
header,main,footer{max-width:1120px;margin:0 auto;padding:0 24px}
header{padding-top:40px;padding-bottom:8px}
h1{font-size:32px;line-height:1.2;margin:2px 0 6px;letter-spacing:-.01em}
h1 .version{font-weight:400;color:var(--quiet)}
h2{font-size:17px;margin:0 0 12px}
h3,h4{font-size:15px;margin:0}
h4{margin-bottom:8px}
p{margin:6px 0}
.over,.kind{font-size:11px;letter-spacing:.08em;text-transform:uppercase;color:var(--quiet)}
.quiet{color:var(--quiet)}
code,pre,.digest{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:13px}
a{color:var(--link)}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:3px solid var(--link);outline-offset:2px;
border-radius:6px}
section,details{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:20px;margin:16px 0}
section section,details section{border:0;padding:0;margin:20px 0 0;background:none}
details:has(:target){border-color:var(--link)}
.badges{display:flex;flex-wrap:wrap;gap:8px;list-style:none;margin:14px 0 0;padding:0}
.badge{display:inline-block;border-radius:13px;padding:2px 11px;font-size:13px;background:var(--plain-back);
color:var(--plain)}
.badge.good{background:var(--good-back);color:var(--good)}
.badge.warn{background:var(--warn-back);color:var(--warn)}
.badge.bad{background:var(--bad-back);color:var(--bad)}
.scroll{overflow-x:auto;margin:0 -8px;padding:4px 8px;direction:rtl;
background:linear-gradient(to right,var(--card) 40%,transparent) left/44px 100% local no-repeat,
linear-gradient(to left,var(--card) 40%,transparent) right/44px 100% local no-repeat,
linear-gradient(to right,var(--shade),transparent) left/14px 100% no-repeat,
linear-gradient(to left,var(--shade),transparent) right/14px 100% no-repeat}
.scroll>svg{display:block;margin:0 auto;max-width:none;direction:ltr}
.legend{display:flex;flex-wrap:wrap;gap:4px 20px;margin:14px 0 0;padding:0;list-style:none;font-size:13px;
color:var(--quiet)}
.legend svg{vertical-align:middle;margin-right:7px}
.edge{fill:none;stroke:var(--edge);stroke-width:1.75}
.edge.unsure{stroke-dasharray:5 5}
.tip{fill:var(--edge)}
.card{fill:var(--card);stroke:var(--line);stroke-width:1.5}
.root .card{stroke:var(--kit);stroke-width:2}
.node{text-decoration:none;outline:none}
.node:hover .card{fill:var(--mark)}
.node:focus-visible .card{stroke:var(--link);stroke-width:3}
.bar.kit{fill:var(--kit)}.bar.data{fill:var(--data)}.bar.commit{fill:var(--commit)}
.bar.pipeline{fill:var(--pipeline)}
.node text{fill:var(--text)}
.node .kind,.node .digest{fill:var(--quiet)}
.node .kind{font-size:10px}
.node .name{font-size:14px;font-weight:600}
.node .digest{font-size:11px}
.node .state{font-size:12px}
.node .state.good{fill:var(--good)}.node .state.warn{fill:var(--warn)}
.node .state.bad{fill:var(--bad)}.node .state.plain{fill:var(--plain)}
table{width:100%;border-collapse:collapse;font-size:14px}
th{white-space:nowrap;text-align:left;font-weight:600;font-size:12px;color:var(--quiet)}
th,td{min-width:6em;padding:7px 12px 7px 0;vertical-align:top;border-bottom:1px solid var(--line)}
tr:last-child td{border-bottom:0}
.number,.whole{white-space:nowrap;font-variant-numeric:tabular-nums}
td .who{display:inline-block;min-width:10em}
td .digest{font-size:12px;color:var(--quiet)}
dl{display:grid;grid-template-columns:fit-content(34%) 1fr;gap:5px 18px;margin:0;font-size:14px}
dt{color:var(--quiet);min-width:7em}
dd{margin:0}
.metrics{display:flex;flex-wrap:wrap;gap:12px;list-style:none;margin:0;padding:0}
.metrics li{background:var(--mark);border-radius:10px;padding:9px 16px;min-width:120px}
.metrics b{display:block;font-size:21px;font-variant-numeric:tabular-nums}
.metrics span{font-size:13px;color:var(--quiet)}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;background:var(--mark);border-radius:10px;padding:14px}
details{padding:0;margin:10px 0}
summary{cursor:pointer;padding:14px 20px;display:flex;flex-wrap:wrap;gap:4px 12px;align-items:baseline}
summary h3::before{content:"▸";display:inline-block;width:1.1em;color:var(--quiet)}
details[open]>summary h3::before{content:"▾"}
.inside{padding:0 20px 20px}
footer{padding-top:8px;padding-bottom:40px;font-size:13px;color:var(--quiet)}
@media (max-width:640px){
header,main,footer{padding-left:14px;padding-right:14px}
section{padding:16px 14px}
.inside,summary{padding-left:14px;padding-right:14px}
h1{font-size:26px}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table,tbody,tr,td{display:block}
tr{padding:8px 0;border-bottom:1px solid var(--line)}
tr:last-child{border-bottom:0}
td{border:0;padding:1px 0;min-width:0}
td:empty{display:none}
td::before{content:attr(data-label) " ";color:var(--quiet);font-size:12px}
dl{grid-template-columns:minmax(0,1fr);gap:0}
dd{margin-bottom:8px}
}
@media print{
:root{"""
    + _LIGHT
    + """;--page:#ffffff}
body{font-size:11pt}
section,details{break-inside:avoid-page;border-radius:0;padding:12px 0;border-width:1px 0 0}
details::details-content{content-visibility:visible;display:block;block-size:auto}
.scroll{overflow:visible}
.scroll>svg{max-width:100%;height:auto}
pre{padding:0;background:none}
}
"""
)
