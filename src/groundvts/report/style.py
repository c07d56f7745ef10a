"""The page's own style: no outside font, script or sheet."""

STYLE = """
:root { color-scheme: light; --ink: #1b1b1b; --soft: #5c5c5c; --line: #dcdcdc; --ours: #fdf0e6; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 78rem; margin: 0 auto; padding: 1rem 1.2rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 1rem 0; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; border-bottom: 2px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
dl { display: grid; grid-template-columns: 10rem 1fr; gap: .2rem 1rem; margin: 0; }
dl { font-size: .92rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
li { margin: .35rem 0; overflow-wrap: anywhere; }
a { color: #00558a; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
th { text-align: left; vertical-align: bottom; border-bottom: 2px solid var(--ink); }
th, td { padding: .35rem .7rem .35rem 0; }
th:last-child, td:last-child { padding-right: .4rem; }
th:first-child, td:first-child { min-width: 8.5rem; padding-left: .4rem; }
td:not(:first-child) { white-space: nowrap; }
td { border-bottom: 1px solid var(--line); vertical-align: top; }
tr.ours td { background: var(--ours); }
.value { font-weight: 600; }
.bounds { display: block; color: var(--soft); font-size: .92em; white-space: nowrap; }
.one-seed { font-style: italic; }
.note, figcaption { color: var(--soft); font-size: .88rem; }
figure { margin: 1.2rem 0 1.8rem; }
img { max-width: 100%; height: auto; display: block; }
details { margin: .5rem 0; }
nav.links { margin: 1rem 0; }
code { overflow-wrap: anywhere; }
summary { cursor: pointer; padding: .3rem 0; font-weight: 600; }
.links { margin: .3rem 0; font-size: .92rem; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
  main { padding: .6rem .8rem 3rem; }
}
@page { size: A4 landscape; margin: 12mm; }
@media print {
  body { font-size: 10pt; }
  nav { display: none; }
  .wide { overflow: visible; }
  table { font-size: 7pt; }
  th, td { padding-right: .3rem; }
  tr, figure { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
"""
