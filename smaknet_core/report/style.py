"""The page's stylesheet: light and plain, from a phone to a sheet of paper."""

STYLE = """
:root { --ink: #1b1f24; --faint: #57606a; --line: #e1e5ea; --ours: #0072b2; --gutter: 52px;
  --at: 50%; color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f6f7f9; color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1280px; margin: 0 auto; padding: 24px 24px 56px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; letter-spacing: -.01em; }
h2 { font-size: 19px; line-height: 1.3; margin: 0 0 2px; }
p { margin: 2px 0 0; } .faint { color: var(--faint); }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px;
  padding: 18px 20px; margin-top: 18px; }
b { font-weight: 650; }

.tiles { display: flex; flex-wrap: wrap; gap: 10px; margin: 14px 0 18px; }
.tile { flex: 1 1 170px; border: 1px solid var(--line); border-radius: 8px; padding: 8px 14px; }
.tile b { display: block; font-size: 22px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile span { display: block; color: var(--faint); font-size: 12.5px; line-height: 1.35; }

.stage { display: grid; grid-template-columns: repeat(var(--across), 1fr); gap: 8px; }
figure { margin: 0; min-width: 0; } figure.live { grid-column-start: 1; }
figcaption { font-size: 12.5px; line-height: 1.3; color: var(--faint); padding-bottom: 3px;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
figcaption b { color: var(--ink); }
.stage img, .film img { display: block; width: 100%; border-radius: 5px; }
.taught img { border: 3px solid; } .stage .live img { border: 3px solid var(--line); }
.withheld { opacity: .35; }
.none { display: block; color: var(--faint); font-size: 12px; overflow-wrap: anywhere; }
.readout { display: flex; flex-wrap: wrap; gap: 2px 22px; margin: 10px 0 14px; min-height: 24px;
  font-variant-numeric: tabular-nums; }
.badge { display: inline-block; padding: 0 8px; border-radius: 9px; color: #fff; font-size: 11px;
  line-height: 18px; font-weight: 650; }

.control, .chart { display: grid; grid-template-columns: var(--gutter) 1fr; align-items: center; }
.control { display: none; } .js .control { display: grid; }
.play { width: 36px; height: 28px; padding: 0; border: 1px solid var(--line); border-radius: 6px;
  background: #fff; color: var(--ours); font-size: 12px; cursor: pointer; }
.slider { width: calc(100% + 16px); margin: 0 -8px; accent-color: var(--ours); cursor: pointer; }
.chart .head { grid-column: 2; font-size: 13px; line-height: 1.5; padding: 10px 0 4px;
  display: flex; flex-wrap: wrap; gap: 0 16px; }
.key { color: var(--faint); font-size: 12.5px; white-space: nowrap; }
.key i { display: inline-block; width: 14px; height: 10px; margin-right: 5px;
  background: currentColor; }
.key .band { opacity: .85; } .track .key .band { opacity: .25; }
.key .line { height: 2px; vertical-align: 4px; }
.key .dash { height: 0; vertical-align: 4px; background: none; border-top: 2px dashed; }
.key .dot { width: 7px; height: 7px; border-radius: 4px; vertical-align: 1px; }
.area { position: relative; border: solid #8b949e; border-width: 0 0 1px 1px; overflow: hidden; }
.area svg { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
.area svg * { vector-effect: non-scaling-stroke; }
.states rect { shape-rendering: crispEdges; } .grid line { stroke: #e4e7eb; stroke-width: 1; }
.ys, .xs { position: relative; font-size: 11.5px; color: var(--faint);
  font-variant-numeric: tabular-nums; }
.ys { align-self: stretch; } .xs { grid-column: 2; height: 20px; }
.ys span { position: absolute; right: 8px; transform: translateY(-50%); line-height: 1;
  white-space: nowrap; }
.xs span { position: absolute; top: 2px; transform: translateX(-50%); white-space: nowrap; }
.track .area { height: 260px; } .confidence .area { height: 74px; } .states .area { height: 16px; }
.track .xs, .confidence .xs { display: none; }
.errors .area, .latency .area { height: 190px; }
.timeline .area { cursor: crosshair; touch-action: pan-y; }
.states .area { border: 0; }
.cursor { display: none; position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px;
  margin-left: -1px; background: #d1242f; pointer-events: none; }
.js .timeline .cursor { display: block; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr));
  gap: 0 28px; margin-top: 6px; }

.scroll { overflow-x: auto; }
.film { border-collapse: collapse; width: 100%; min-width: 860px; table-layout: fixed;
  margin-top: 16px; }
.film td { padding: 2px; text-align: center; font-size: 12px; line-height: 1.4; cursor: pointer;
  font-variant-numeric: tabular-nums; vertical-align: top; }
.film th { width: 82px; text-align: right; padding: 0 8px 0 0; font-size: 12px; line-height: 1.35;
  font-weight: 400; color: var(--faint); overflow-wrap: anywhere; }
.film .more, .readouts { display: none; }
.js .film .level { display: none; }
.js .times .now { color: #d1242f; font-weight: 650; }

.numbers { border-collapse: collapse; width: 100%; min-width: 760px; font-size: 14px;
  font-variant-numeric: tabular-nums; }
.numbers th, .numbers td { padding: 6px 10px; border-bottom: 1px solid var(--line);
  text-align: right; vertical-align: top; }
.numbers th { font-size: 12px; font-weight: 400; color: var(--faint); }
.numbers td:first-child, .numbers th:first-child { text-align: left; padding-left: 0; }
.numbers .other td { color: var(--faint); border-bottom-style: dashed; }
.numbers .other td:first-child { padding-left: 18px; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 3px 20px; margin: 8px 0 0;
  font-size: 14px; }
.facts dt { color: var(--faint); } .facts dd { margin: 0; overflow-wrap: anywhere; }

@media screen and (max-width: 760px) {
  :root { --gutter: 40px; }
  body { font-size: 14px; } main { padding: 14px 10px 40px; } h1 { font-size: 21px; }
  section { padding: 14px 12px; }
  .stage { grid-template-columns: repeat(6, 1fr); gap: 6px; }
  figure.live { grid-column: 1 / span 3; } figure.taught { grid-column: span 3; }
  figure.level { grid-column: span 2; } figcaption { white-space: normal; }
  .tiles { gap: 8px; } .tile { flex-basis: 44%; padding: 6px 10px; } .tile b { font-size: 18px; }
  .readout { gap: 0 14px; font-size: 13px; }
  .track .area { height: 220px; }
  .facts { grid-template-columns: 1fr; gap: 0; } .facts dd { margin-bottom: 6px; }
}
@media print {
  @page { size: A4 portrait; margin: 10mm; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { background: #fff; font-size: 12px; } main { padding: 0; max-width: none; }
  h1 { font-size: 20px; } h2 { font-size: 16px; } .tile b { font-size: 16px; }
  section { border: 0; padding: 0; margin-top: 10px; } .run + section { break-before: page; }
  section:not(.run) + section { break-before: auto; }
  .tiles { margin: 8px 0; } .tile { flex-basis: 120px; padding: 4px 8px; }
  .stage { gap: 5px; } .readout { margin: 6px 0 2px; gap: 0 14px; }
  .control, .js .control { display: none; }
  .js .film .level { display: table-row; }
  .film { min-width: 0; margin-top: 8px; } .film td { font-size: 9px; line-height: 1.3; }
  .numbers { min-width: 0; font-size: 11px; } .numbers th, .numbers td { padding: 4px 6px; }
  figure, .chart, .tiles, .film { break-inside: avoid; } figcaption { white-space: normal; }
  main { zoom: .85; }
  .track .area { height: 180px; } .confidence .area { height: 54px; }
  .errors .area, .latency .area { height: 120px; }
}
"""
