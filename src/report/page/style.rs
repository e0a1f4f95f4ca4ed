//! How the page looks. Colours are told apart by people who see red and green alike, in both themes; text has a contrast
//! of 4.5 to 1 or more. Charts are drawn without text in them, so that they may be stretched to any width.

/// The style sheet.
pub(super) const STYLE: &str = "
:root { color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f24; --muted: #545d68; --line: #d4dae0; --lane: #eef1f4;
  --busy: #0b6bb5; --input: #a9b2bc; --room: #d9730d; --flow: #5b7f9e; --good: #17663a; --bad: #a8271b; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171a; --ink: #e7eaed; --muted: #a3adb8; --line: #353c44; --lane: #20262c;
  --busy: #4aa3e8; --input: #5d6873; --room: #f0a04b; --flow: #7f9fbc; --good: #6fd39a; --bad: #ff9a8d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.375rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.125rem; margin: 0 0 .5rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
section { border-top: 1px solid var(--line); padding: 1.25rem 0; }
p { margin: .25rem 0 .75rem; }
code, pre { font: .875rem/1.5 ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; }
pre { white-space: pre-wrap; background: var(--lane); padding: .75rem; border-radius: .25rem; margin: 0 0 1rem; }
.good strong { color: var(--good); } .bad strong { color: var(--bad); }
small, .scale, .axis, .count, .more, dt, thead th { color: var(--muted); }
small { display: block; font-size: .8125rem; font-weight: 400; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 1rem .75rem; margin: 0; }
.figures dt { font-size: .875rem; }
.figures dd { margin: 0; font-size: 1.375rem; line-height: 1.3; font-weight: 600; font-variant-numeric: tabular-nums; }
.facts { display: grid; grid-template-columns: minmax(6rem, auto) 1fr; gap: .375rem 1rem; margin: 0; }
.facts dd { margin: 0; }
.word { display: inline-block; max-width: 100%; white-space: pre-wrap; }
svg { display: block; width: 100%; height: 1rem; border-radius: 2px; }
svg.chart { height: 9rem; } svg.low { height: 4rem; } svg.strip { height: 1rem; margin-top: 2px; }
rect { shape-rendering: crispEdges; }
rect.lane { fill: var(--lane); }
rect.busy { fill: var(--busy); } rect.input { fill: var(--input); } rect.room { fill: var(--room); } rect.flow { fill: var(--flow); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0; margin: .5rem 0 .75rem; font-size: .875rem; }
.legend li { display: flex; align-items: center; gap: .5rem; }
.legend li::before { content: ''; width: .75rem; height: .75rem; border-radius: 2px; background: currentColor; }
.legend .busy::before { background: var(--busy); } .legend .input::before { background: var(--input); }
.legend .room::before { background: var(--room); }
.axis { display: flex; justify-content: space-between; font-size: .8125rem; margin: .25rem 0 .75rem; font-variant-numeric: tabular-nums; }
.scale { font-size: .8125rem; margin: 0 0 .25rem; }
.stage { margin-top: 1rem; } .stage h3 { display: inline-block; margin: 0 .5rem 0 0; } .stage .scale { display: inline-block; }
.rows { list-style: none; padding: 0; margin: 0; display: grid; gap: 3px; }
.rows li { display: grid; grid-template-columns: 5rem minmax(0, 1fr) 5rem; align-items: center; gap: .625rem; font-size: .8125rem;
  font-variant-numeric: tabular-nums; }
.rows .name { text-align: right; color: var(--muted); white-space: nowrap; }
.rows.wide li { grid-template-columns: 10rem minmax(0, 1fr) 6rem; } .rows.rates li { grid-template-columns: 3rem minmax(0, 1fr) 6rem; }
.rows + .axis { padding: 0 5.625rem; } .rows .value { white-space: nowrap; }
.places { margin: 0 0 .5rem; padding-left: 1.125rem; font-size: .9375rem; }
.help { font-size: .9375rem; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem 0 .25rem .5rem; border-bottom: 1px solid var(--line); font-weight: 400; }
th:first-child { text-align: left; padding-left: 0; } tbody th { font-weight: 600; }
thead th, td { white-space: nowrap; overflow-wrap: normal; }
.rows + table { margin-top: .75rem; } .figures + .scale, table + .scale { margin-top: .5rem; }
details { margin-top: .75rem; } summary { cursor: pointer; padding: .25rem 0; }
@media (max-width: 30rem) { body { padding: .75rem; } .rows li { grid-template-columns: 4.25rem minmax(0, 1fr) 4.25rem; gap: .5rem; }
  .rows.wide li { grid-template-columns: 5.5rem minmax(0, 1fr) 5.5rem; } .rows.rates li { grid-template-columns: 2rem minmax(0, 1fr) 5.5rem; } .rows.wide .name { white-space: normal; line-height: 1.2; }
  .rows + .axis { padding: 0 4.75rem; }
  table { font-size: .8125rem; } .facts { grid-template-columns: 1fr; gap: 0; } .facts dd { margin-bottom: .5rem; } }
";
