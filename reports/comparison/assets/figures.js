// Draws the figures with Plotly from plain descriptions; colours come from the style sheet, so that dark mode holds.
"use strict";
(() => {
  const PALETTE = 10;
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (name) => (typeof name === "number" ? css(`--c${name % PALETTE}`) : css(`--${name}`));
  // Plotly reads a few tags in texts: names from a store must not be taken for them.
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const wrapped = (text, width) => {
    const lines = [""];
    for (const word of String(text).split(/(?<=[\s\-_,−])/)) {
      for (let rest = word; rest; rest = rest.slice(width)) {
        const piece = rest.slice(0, width);
        if (lines.at(-1) && (lines.at(-1) + piece).trimEnd().length > width) lines.push("");
        lines[lines.length - 1] += piece;
      }
    }
    return lines.map((line) => plain(line.trim())).join("<br>");
  };
  const faded = (hex, share) => `${hex}${Math.round(share * 255).toString(16).padStart(2, "0")}`;

  function traces(panel, names) {
    const found = [];
    const placed = panel.categories.length ? panel.series.filter((s) => s.kind === "points") : [];
    const crowded = new Set(placed.flatMap((s) => [...new Set(s.y)])).size < placed.flatMap((s) => [...new Set(s.y)]).length;
    const spread = crowded ? placed.length : 1;
    let place = 0;
    for (const s of panel.series) {
      const tone = colour(s.colour);
      const common = { name: plain(s.name), legendgroup: s.name, showlegend: Boolean(s.name), hoverlabel: { namelength: -1 } };
      const text = s.text.map(plain);
      const hover = text.length ? { text, hovertemplate: "%{text}<extra>" + plain(s.name) + "</extra>" } : {};
      if (s.kind === "band") {
        const edge = { x: s.x, mode: "lines", line: { width: 0 }, hoverinfo: "skip", type: "scatter" };
        found.push({ ...common, ...edge, y: s.low, showlegend: false });
        found.push({ ...common, ...edge, y: s.high, fill: "tonexty", fillcolor: faded(tone, 0.22) });
      } else if (s.kind === "rule") {
        const line = { color: tone, width: 2, dash: s.dashed ? "dash" : "solid" };
        const [low, high] = panel.categories.length ? [-0.6, panel.categories.length - 0.4] : [0, 1];
        found.push({ ...common, type: "scatter", mode: "lines", x: [s.x[0], s.x[0]], y: [low, high], line, hoverinfo: "x+name" });
      } else if (s.kind === "bars") {
        const at = s.y.map((name) => names.get(name));
        found.push({ ...common, type: "bar", orientation: "h", x: s.x, y: at, marker: { color: tone }, width: 0.6, hoverinfo: "x+name" });
      } else {
        const lines = s.kind !== "points";
        // Points of several series on one category lie above each other, not on top.
        const shift = spread > 1 ? 0.24 * (place++ - (spread - 1) / 2) : 0;
        const y = panel.categories.length ? s.y.map((name) => names.get(name) - shift) : s.y;
        const trace = { ...common, ...hover, type: "scatter", mode: lines ? "lines" : "markers", x: s.x, y };
        if (lines) trace.line = { color: tone, width: s.thin ? 1 : 2.2, dash: s.dashed ? "dash" : "solid", shape: s.kind === "steps" ? "hv" : "linear" };
        if (s.thin) Object.assign(trace, { opacity: 0.3, hoverinfo: "skip", showlegend: false });
        if (lines && (s.x.length === 1 || s.low.length || text.length)) trace.mode = "lines+markers";
        trace.marker = { color: s.hollow ? "rgba(0,0,0,0)" : tone, size: s.hollow && s.name === "folds" ? 7 : lines ? 6 : 9, line: { color: tone, width: 1.6 } };
        if (s.low.length) {
          const values = s.error === "x" ? s.x : s.y;
          const arm = (ends) => ends.map((end, i) => (end === null ? 0 : Math.abs(end - values[i])));
          trace[`error_${s.error}`] = { type: "data", symmetric: false, array: arm(s.high), arrayminus: arm(s.low), color: tone, thickness: 2, width: 0 };
        }
        found.push(trace);
      }
    }
    if (panel.diagonal) {
      found.unshift({ type: "scatter", mode: "lines", x: [0, 1], y: [0, 1], line: { color: css("--soft"), width: 1, dash: "dot" }, hoverinfo: "skip", showlegend: false });
    }
    return found;
  }

  function layout(panel, box, names, shown) {
    const narrow = box.clientWidth < 520;
    const grid = { gridcolor: css("--grid"), zeroline: false, linecolor: css("--soft"), tickcolor: css("--soft"), automargin: true, showline: true, fixedrange: true };
    const title = (text) => ({ text: plain(text), font: { size: 12, color: css("--soft") }, standoff: 8 });
    const x = { ...grid, title: title(panel.x), nticks: narrow ? 4 : 7 };
    const y = { ...grid, title: title(panel.y), nticks: 6 };
    if (panel.x_log) Object.assign(x, { type: "log" });
    if (panel.x_ticks.length) Object.assign(x, { tickvals: panel.x_ticks.map((t) => t[0]), ticktext: panel.x_ticks.map((t) => t[1]) });
    const pad = (range) => [range[0] - 0.02 * (range[1] - range[0]), range[1] + 0.02 * (range[1] - range[0])];
    const values = panel.series.flatMap((s) => [...s.x, ...(s.error === "x" ? [...s.low, ...s.high] : [])]).filter((v) => typeof v === "number");
    if (panel.categories.length && values.length && !panel.series.some((s) => s.kind === "bars")) {
      const low = Math.min(...values), high = Math.max(...values), margin = 0.05 * (high - low || Math.abs(high) || 1);
      x.range = [low - margin, high + margin];
    }
    if (panel.x_range) x.range = pad(panel.x_range);
    if (panel.y_range) y.range = pad(panel.y_range);
    const entries = [...new Set(shown.filter((t) => t.showlegend).map((t) => t.name))];
    // Plotly sets entries side by side, each as wide as the longest, as long as they fit.
    const longest = 48 + 6.6 * Math.max(0, ...entries.map((name) => name.length));
    const columns = Math.max(1, Math.floor((box.clientWidth - 60) / longest));
    const legend = entries.length > 1 || (entries.length && !panel.categories.length) ? Math.ceil(entries.length / columns) * 19 + 14 : 0;
    let height = 300 + legend;
    if (panel.categories.length) {
      const width = narrow ? 14 : box.clientWidth > 700 ? 38 : 26;
      const labels = panel.categories.map((name) => wrapped(name, width));
      const lines = Math.max(...labels.map((label) => label.split("<br>").length));
      const bars = panel.series.some((s) => s.kind === "bars") ? 30 : 38;
      height = panel.categories.length * Math.max(bars, lines * 16 + 8) + 70 + legend;
      Object.assign(y, { tickvals: panel.categories.map((name) => names.get(name)), ticktext: labels, showgrid: false, showline: false });
      y.range = [-0.6, panel.categories.length - 0.4];
    }
    return {
      height, barmode: "stack", paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", xaxis: x, yaxis: y,
      font: { family: css("--font"), size: 12, color: css("--ink") }, margin: { l: 8, r: 14, t: 8, b: 8 },
      showlegend: legend > 0, legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", font: { size: 12 }, tracegroupgap: 2, itemwidth: 30 },
      hoverlabel: { bgcolor: css("--panel"), font: { color: css("--ink") }, bordercolor: css("--soft") }, hovermode: "closest", dragmode: false,
    };
  }

  function draw(box) {
    const panel = JSON.parse(box.querySelector("script").textContent);
    const names = new Map(panel.categories.map((name, i) => [name, panel.categories.length - 1 - i]));
    const shown = traces(panel, names);
    const config = { displayModeBar: false, responsive: true, scrollZoom: false };
    Plotly.react(box.querySelector(".plot"), shown, layout(panel, box, names, shown), config);
    box.dataset.drawn = "yes";
  }

  const boxes = [...document.querySelectorAll(".chart")];
  const seen = new IntersectionObserver(
    (entries) => entries.forEach((entry) => entry.isIntersecting && !entry.target.dataset.drawn && draw(entry.target)),
    { rootMargin: "400px" },
  );
  boxes.forEach((box) => seen.observe(box));
  const again = () => boxes.filter((box) => box.dataset.drawn).forEach(draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; again(); } });
  // Nothing that is folded or not yet reached is missing on paper.
  const drawAll = () => boxes.filter((box) => !box.dataset.drawn && box.offsetParent).forEach(draw);
  addEventListener("beforeprint", () => { document.querySelectorAll("details").forEach((d) => (d.open = true)); drawAll(); });
})();
