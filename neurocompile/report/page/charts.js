"use strict";
// The charts of a page: a function per kind returns what ECharts draws. Texts of a user's files reach
// only the canvas, never HTML: tooltips are drawn as rich text.

const CHARTS = (() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  // Okabe and Ito's colours, which people with any colour vision tell apart; stripes go with them.
  const colours = () => ["blue", "orange", "green", "yellow", "sky", "pink", "gray"].map(css);
  const ink = () => css("ink");
  const quiet = () => css("quiet");
  const narrow = (width) => width < 560;

  const bitsOf = (text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return (at) => (bytes[at >> 3] >> (7 - (at & 7))) & 1;
  };

  const prefixed = (value, unit) => {
    if (!value) return `0 ${unit}`;
    for (const [factor, prefix] of [[1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"], [1e-12, "p"]]) {
      if (Math.abs(value) >= factor) return `${+(value / factor).toPrecision(4)} ${prefix}${unit}`;
    }
    return `${value.toPrecision(4)} ${unit}`;
  };
  // Rows that a legend takes: ECharts breaks it where the next name would not fit.
  const legendRows = (names, width) => {
    let rows = 1, left = width;
    for (const name of names) {
      const wide = 38 + 6.8 * name.length;
      if (wide > left && left < width) { rows += 1; left = width; }
      left -= wide;
    }
    return rows;
  };
  const short = (name, most) => (name.length > most ? `${name.slice(0, most - 1)}…` : name);

  const base = () => ({
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: ink() },
    color: colours(),
    tooltip: {
      renderMode: "richText",
      confine: true,
      backgroundColor: css("raised"),
      borderColor: css("line"),
      textStyle: { color: ink(), fontSize: 13 },
    },
  });
  const axis = (more = {}) => ({
    axisLine: { lineStyle: { color: css("line") } },
    axisTick: { lineStyle: { color: css("line") } },
    splitLine: { lineStyle: { color: css("grid") } },
    nameTextStyle: { color: quiet() },
    ...more,
    axisLabel: { color: quiet(), ...(more.axisLabel || {}) },
  });
  const legend = (more = {}) => ({ textStyle: { color: ink() }, itemWidth: 18, itemHeight: 11, ...more });

  // Stripes and dots over a colour, so that colour alone never tells.
  const PATTERNS = [
    null,
    { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 5], rotation: -Math.PI / 4, color: "rgba(0,0,0,.28)" },
    { symbol: "circle", dashArrayX: [[4, 4], [0, 4, 4, 0]], dashArrayY: [4, 0], symbolSize: 0.6, color: "rgba(0,0,0,.28)" },
    { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [3, 3], rotation: Math.PI / 4, color: "rgba(255,255,255,.35)" },
    { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [4, 3], color: "rgba(0,0,0,.22)" },
    { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 6], rotation: Math.PI / 2, color: "rgba(255,255,255,.4)" },
  ];
  const pattern = (at) => (PATTERNS[at % PATTERNS.length] ? { decal: PATTERNS[at % PATTERNS.length] } : {});

  // A bracket from low to high around a bar's end, along x.
  const whisker = (colour) => (params, api) => {
    const [row, low, high] = [api.value(0), api.value(1), api.value(2)];
    const [x1, y] = api.coord([low, row]);
    const [x2] = api.coord([high, row]);
    const style = { stroke: colour, lineWidth: 1.75, fill: null };
    const line = (a, b, c, d) => ({ type: "line", shape: { x1: a, y1: b, x2: c, y2: d }, style });
    return { type: "group", children: [line(x1, y, x2, y), line(x1, y - 6, x1, y + 6), line(x2, y - 6, x2, y + 6)] };
  };
  const whiskers = (rows) => ({
    type: "custom",
    name: "stated error",
    renderItem: whisker(ink()),
    encode: { x: [1, 2], y: 0 },
    data: rows,
    silent: true,
    z: 5,
  });

  function totals(data, { width }) {
    const bars = data.bars;
    const rows = bars.map((b, at) => [at, b.low, b.high]).filter((row) => row[1] !== null);
    return {
      ...base(),
      grid: { left: 8, right: 90, top: 8, bottom: 28, containLabel: true },
      xAxis: axis({ type: "value", axisLabel: { formatter: (v) => prefixed(v, "J"), hideOverlap: true }, splitNumber: narrow(width) ? 3 : 5 }),
      yAxis: axis({
        type: "category", inverse: true, data: bars.map((b) => b.name),
        axisLabel: { color: ink(), width: narrow(width) ? 105 : 220, overflow: "break", lineHeight: 14, formatter: (name) => short(name, 48) },
      }),
      series: [
        {
          type: "bar", barMaxWidth: 24,
          data: bars.map((b, at) => ({ value: b.value, itemStyle: { color: at ? css("gray") : css("blue"), ...pattern(at) } })),
        },
        {
          type: "scatter", symbolSize: 0, silent: true, data: bars.map((b, at) => [b.high === null ? b.value : b.high, at]),
          label: { show: true, position: "right", distance: 8, color: ink(), formatter: (p) => bars[p.dataIndex].text },
        },
        whiskers(rows),
      ],
      tooltip: {
        ...base().tooltip,
        formatter: (p) => {
          const b = bars[p.dataIndex];
          return b.low === null ? `${b.name}\n${b.text}` : `${b.name}\n${b.text}, ${prefixed(b.low, "J")} to ${prefixed(b.high, "J")}`;
        },
      },
    };
  }

  function stacked(data, { width, state }) {
    const model = data.models[state.model || 0];
    const most = narrow(width) ? 12 : 30;
    const sums = model.layers.map((_, at) => model.terms.reduce((sum, term) => sum + term.values[at], 0));
    const rows = model.error ? sums.map((sum, at) => [at, sum * (1 - model.error), sum * (1 + model.error)]) : [];
    const lines = legendRows(model.terms.map((t) => t.name), width - 10);
    return {
      ...base(), height: 52 + 24 * lines + 40 * Math.max(...data.models.map((m) => m.layers.length)),
      legend: legend({ top: 0, left: 0, right: 0, data: model.terms.map((t) => t.name) }),
      grid: { left: 8, right: 28, top: 16 + 24 * lines, bottom: 28, containLabel: true },
      xAxis: axis({ type: "value", axisLabel: { formatter: (v) => prefixed(v, "J"), hideOverlap: true }, splitNumber: narrow(width) ? 3 : 6 }),
      yAxis: axis({
        type: "category", inverse: true, data: model.layers,
        axisLabel: { color: ink(), formatter: (name) => short(name, most) },
      }),
      series: [
        ...model.terms.map((term, at) => ({
          type: "bar", stack: "all", name: term.name, data: term.values, barMaxWidth: 26,
          itemStyle: { borderColor: css("paper"), borderWidth: 0.5, ...pattern(at) },
        })),
        whiskers(rows),
      ],
      tooltip: {
        ...base().tooltip,
        trigger: "axis",
        axisPointer: { type: "shadow" },
        formatter: (all) => {
          const at = all[0].dataIndex;
          const terms = model.terms.filter((t) => t.values[at]).sort((a, b) => b.values[at] - a.values[at]);
          return [`${model.layers[at]}: ${prefixed(sums[at], "J")} per sample`, ...terms.map((t) => `${t.name} ${prefixed(t.values[at], "J")}`)].join("\n");
        },
      },
    };
  }

  const SCALE = ["#00204d", "#2c3e70", "#575d6d", "#7c7b78", "#a59c74", "#d2c060", "#ffea46"]; // cividis

  function heat(data, { width }) {
    const cells = [];
    let most = 0;
    data.values.forEach((row, y) => row.forEach((value, x) => { cells.push([x, y, value]); most = Math.max(most, value); }));
    const few = data.columns.length <= 20 && width > 700;
    return {
      ...base(),
      grid: { left: 8, right: 12, top: 8, bottom: 74, containLabel: true },
      xAxis: axis({ type: "category", data: data.columns, name: data.across, nameLocation: "middle", nameGap: 26, splitLine: { show: false } }),
      yAxis: axis({ type: "category", inverse: true, data: data.rows, axisLabel: { color: ink(), formatter: (name) => short(name, narrow(width) ? 12 : 30) } }),
      visualMap: {
        type: "continuous", min: 0, max: most || 1, orient: "horizontal", left: "center", bottom: 0, itemHeight: Math.min(180, width / 3), itemWidth: 12,
        text: [`${+(most || 1).toPrecision(3)} ${data.unit}`, "0"], textStyle: { color: quiet() }, inRange: { color: SCALE }, calculable: false,
      },
      series: [{
        type: "heatmap", data: cells, itemStyle: { borderColor: css("paper"), borderWidth: 1 },
        label: { show: few, fontSize: 11, formatter: (p) => (p.value[2] ? `${+p.value[2].toPrecision(2)}` : "") },
        emphasis: { itemStyle: { borderColor: ink(), borderWidth: 1.5 } },
      }],
      tooltip: { ...base().tooltip, formatter: (p) => `${data.rows[p.value[1]]}, ${data.across} ${data.columns[p.value[0]]}\n${p.value[2]} ${data.unit}` },
    };
  }

  function confusion(data, { width }) {
    const beside = !narrow(width) && data.networks.length > 1;
    const each = Math.max(200, 22 * Math.min(20, data.networks[0].counts.length)); // pixels of a matrix
    const apart = each + 90;
    const grids = [], xs = [], ys = [], series = [], titles = [];
    let most = 0;
    data.networks.forEach((n) => n.counts.forEach((row) => row.forEach((c) => { most = Math.max(most, c); })));
    data.networks.forEach((network, at) => {
      const names = network.counts.map((_, k) => String(k));
      const size = beside ? "42%" : "84%";
      grids.push(beside ? { left: `${6 + at * 50}%`, top: 34, width: size, height: each } : { left: "10%", top: 34 + at * apart, width: size, height: each });
      titles.push(network.name);
      xs.push(axis({ type: "category", gridIndex: at, data: names, name: `${network.name}: class chosen`, nameLocation: "middle", nameGap: 26 }));
      ys.push(axis({ type: "category", gridIndex: at, data: names, inverse: true, name: "label", nameLocation: "start" }));
      const cells = [];
      network.counts.forEach((row, y) => row.forEach((c, x) => cells.push([x, y, c])));
      series.push({
        type: "heatmap", xAxisIndex: at, yAxisIndex: at, name: network.name, data: cells,
        itemStyle: { borderColor: css("paper"), borderWidth: 1 },
        label: { show: names.length <= 12, fontSize: 11, formatter: (p) => p.value[2] || "" },
      });
    });
    return {
      ...base(), grid: grids, xAxis: xs, yAxis: ys, series, height: beside ? apart : apart * data.networks.length,
      visualMap: { type: "continuous", show: false, min: 0, max: most || 1, inRange: { color: SCALE } },
      tooltip: { ...base().tooltip, formatter: (p) => `${p.seriesName}: label ${p.value[1]}, chosen ${p.value[0]}\n${p.value[2]} samples` },
    };
  }

  function rates(data, { width }) {
    const columns = narrow(width) ? 1 : 2;
    const rowsOf = Math.ceil(data.layers.length / columns);
    const high = 230, grids = [], xs = [], ys = [], series = [];
    const names = ["never", ...data.edges.slice(1).map((e) => `${Math.round(100 * e)} %`)];
    const title = [];
    data.layers.forEach((layer, at) => {
      const [column, row] = [at % columns, Math.floor(at / columns)];
      const left = columns === 1 ? 48 : 48 + column * (width / 2);
      const wide = width / columns - 66;
      grids.push({ left, top: row * high + 44, width: wide, height: high - 92 });
      xs.push(axis({ type: "category", gridIndex: at, data: names, axisLabel: { fontSize: 11, interval: (k) => k % 5 === 0, color: quiet() }, axisTick: { show: false } }));
      ys.push(axis({ type: "value", gridIndex: at, splitNumber: 3, minInterval: 1, axisLabel: { fontSize: 11, color: quiet() }, name: `${short(layer.name, 26)} · ${layer.dead.toLocaleString("en")} never, ${layer.bursting.toLocaleString("en")} burst`, nameLocation: "end", nameGap: 12, nameTextStyle: { align: "left", color: ink(), fontSize: 13, padding: [0, 0, 0, -36] } }));
      series.push({
        type: "bar", name: "fixed", xAxisIndex: at, yAxisIndex: at, barCategoryGap: "12%",
        data: layer.fixed.map((value, k) => ({
          value,
          itemStyle: k === 0 ? { color: css("orange"), decal: PATTERNS[1] } : k > data.edges.length / 2 ? { color: css("yellow"), decal: PATTERNS[3] } : { color: css("blue") },
        })),
      });
      if (layer.float) series.push({ type: "scatter", name: "float", xAxisIndex: at, yAxisIndex: at, data: layer.float, symbolSize: 5, itemStyle: { color: ink() }, z: 4 });
    });
    return {
      ...base(), title, grid: grids, xAxis: xs, yAxis: ys, series, height: rowsOf * high,
      tooltip: { ...base().tooltip, trigger: "axis", formatter: (all) => [`rate ${all[0].dataIndex ? `over ${names[all[0].dataIndex - 1] === "never" ? "0" : names[all[0].dataIndex - 1]} to ${names[all[0].dataIndex]}` : "0: never spike"}`, ...all.map((p) => `${p.seriesName} ${p.value.toLocaleString("en")} neurons`)].join("\n") },
    };
  }

  function lines(data, { width }) {
    const series = [];
    data.lines.forEach((line, at) => {
      const colour = colours()[at];
      const dash = ["solid", "dashed", "dotted"][at % 3];
      series.push({ type: "line", name: line.name, data: line.mean, symbol: ["circle", "triangle", "diamond"][at % 3], symbolSize: 7, lineStyle: { width: 2.5, type: dash }, itemStyle: { color: colour } });
      for (const key of ["low", "high"]) {
        if (line[key]) series.push({ type: "line", name: `${line.name} ${key}`, data: line[key], symbol: "none", lineStyle: { width: 1, opacity: 0.6, type: dash }, itemStyle: { color: colour }, tooltip: { show: false } });
      }
    });
    const count = data.lines[0].mean.length;
    return {
      ...base(),
      legend: legend({ top: 0, left: 0, data: data.lines.map((l) => l.name) }),
      grid: { left: 8, right: 16, top: 36, bottom: 34, containLabel: true },
      xAxis: axis({ type: "category", data: Array.from({ length: count }, (_, t) => String(t + 1)), name: data.across, nameLocation: "middle", nameGap: 28 }),
      yAxis: axis({ type: "value", axisLabel: { formatter: (v) => prefixed(v, data.unit) } }),
      series,
      tooltip: {
        ...base().tooltip, trigger: "axis",
        formatter: (all) => [`${data.across} ${all[0].dataIndex + 1}`, ...data.lines.map((l) => `${l.name} ${prefixed(l.mean[all[0].dataIndex], data.unit)}`)].join("\n"),
      },
    };
  }

  function graph(data, { width, height }) {
    const wide = (beside) => Math.max(60, Math.min(300, width / beside - 14));
    const levels = Math.max(...data.nodes.map((n) => n.level)) + 1;
    const down = height / levels;
    const at = (n) => [width / 2 + (n.across * width) / 2, down / 2 + n.level * down];
    const place = Object.fromEntries(data.nodes.map((n) => [n.name, n]));
    const straight = (e) => !e.back && place[e.to].level - place[e.from].level === 1;
    const plain = (text) => text.replace(/[{}|]/g, " ");
    const named = data.edges.filter((e) => e.name && straight(e) && place[e.from].beside < 4 && place[e.to].beside < 4);
    return {
      ...base(),
      xAxis: { show: false, type: "value", min: 0, max: width },
      yAxis: { show: false, type: "value", inverse: true, min: 0, max: height },
      grid: { left: 0, right: 0, top: 0, bottom: 0 },
      tooltip: {
        ...base().tooltip,
        formatter: (p) => {
          if (p.dataType === "edge") return `${p.data.named || "input"}: ${p.data.source} to ${p.data.target}`;
          return p.data.kind ? `${p.name}\n${p.data.kind}, ${p.data.size}` : p.data.text;
        },
      },
      series: [{
        type: "graph", layout: "none", roam: false, coordinateSystem: "cartesian2d",
        edgeSymbol: ["none", "arrow"], edgeSymbolSize: 9, symbol: "rect",
        lineStyle: { color: quiet(), width: 1.5, opacity: 1 },
        itemStyle: { color: "transparent" },
        data: [
          ...data.nodes.map((n) => ({
            name: n.name, kind: n.kind, size: n.size, value: at(n), symbolSize: [46, 46],
            label: {
              show: true, width: wide(n.beside) - 20, overflow: "truncate", color: ink(), lineHeight: 17,
              backgroundColor: css("raised"), borderColor: css("blue"), borderWidth: 1.25, borderRadius: 7, padding: [4, 10],
              formatter: `{n|${plain(n.name)}}\n{k|${plain(n.kind)} ${n.size}}`,
              rich: { n: { fontWeight: 600, fontSize: 13, color: ink() }, k: { fontSize: 11.5, color: quiet() } },
            },
          })),
          ...named.map((e, k) => {
            const [a, b] = [at(place[e.from]), at(place[e.to])];
            return {
              name: `synapse ${k}: ${e.name}`, text: `${e.name}: ${e.from} to ${e.to}`, value: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], symbolSize: 1,
              label: { show: true, position: "right", distance: 8, formatter: () => short(e.name, narrow(width) ? 20 : 40), color: quiet(), fontSize: 12 },
            };
          }),
        ],
        links: data.edges.map((e) => ({
          source: e.from, target: e.to, named: e.name,
          lineStyle: { curveness: straight(e) ? 0 : 0.45, type: e.back ? "dashed" : "solid" },
        })),
      }],
    };
  }

  function cores(data, { width, state }) {
    const measure = data.measures[state.measure || 0];
    const chip = state.chip || 0;
    const here = data.cores.map((_, at) => at).filter((at) => data.chips[at] === chip);
    const taken = new Set(here.map((at) => data.places[at].join()));
    const free = [];
    for (let x = 0; x < data.wide; x += 1) for (let y = 0; y < data.high; y += 1) if (!taken.has([x, y].join())) free.push([x, y, 0]);
    const most = Math.max(...measure.values, 0) || 1;
    const labelled = width / data.wide > 30;
    const numbers = (n) => Array.from({ length: n }, (_, k) => String(k));
    const hidden = { axisLabel: { show: false }, axisTick: { show: false }, axisLine: { show: false }, splitLine: { show: false } };
    return {
      ...base(),
      grid: { left: 4, right: 4, top: 4, bottom: 44 },
      xAxis: { type: "category", data: numbers(data.wide), ...hidden },
      yAxis: { type: "category", data: numbers(data.high), inverse: true, ...hidden },
      visualMap: {
        type: "continuous", seriesIndex: 1, dimension: 2, min: 0, max: most, orient: "horizontal", left: "center", bottom: 0, itemHeight: Math.min(180, width / 3), itemWidth: 12,
        text: [`${+most.toPrecision(4)} ${measure.unit}`, "0"], textStyle: { color: quiet() }, inRange: { color: SCALE },
      },
      series: [
        { type: "heatmap", data: free, itemStyle: { color: css("free"), borderColor: css("paper"), borderWidth: 2 }, silent: true },
        {
          type: "heatmap", data: here.map((at) => [...data.places[at], measure.values[at], at]),
          itemStyle: { borderColor: css("paper"), borderWidth: 2 },
          label: { show: labelled, fontSize: 11, formatter: (p) => `${data.cores[p.value[3]]}` },
          emphasis: { itemStyle: { borderColor: ink(), borderWidth: 2 } },
        },
      ],
      tooltip: { ...base().tooltip, formatter: (p) => `core ${data.cores[p.value[3]]}: ${data.layers[p.value[3]]}\n${measure.name} ${+p.value[2].toPrecision(5)} ${measure.unit}` },
    };
  }

  const HIGH = 132; // of a layer in the raster, pixels

  function raster(data, { width, state }) {
    const { sample, step } = state;
    const high = HIGH, grids = [], xs = [], ys = [], series = [];
    const left = 20;
    const steps = Array.from({ length: data.steps }, (_, t) => String(t + 1));
    const size = Math.max(2, Math.min(24, (0.6 * (width - left - 20)) / data.steps));
    data.layers.forEach((layer, at) => {
      const fixed = layer.fixedBits || (layer.fixedBits = bitsOf(layer.fixed));
      const ideal = layer.float ? layer.floatBits || (layer.floatBits = bitsOf(layer.float)) : null;
      const marks = { both: [], fixed: [], float: [] };
      const from = sample * data.steps * layer.rows;
      for (let t = 0; t < data.steps; t += 1) {
        for (let n = 0; n < layer.rows; n += 1) {
          const k = from + t * layer.rows + n;
          const [a, b] = [fixed(k), ideal ? ideal(k) : fixed(k)];
          if (a && b) marks.both.push([t, n]);
          else if (a) marks.fixed.push([t, n]);
          else if (b) marks.float.push([t, n]);
        }
      }
      const said = `${short(layer.name, narrow(width) ? 16 : 34)} · ${layer.neurons.toLocaleString("en")} neurons`;
      grids.push({ left, right: 16, top: 48 + at * high, height: high - 34 });
      xs.push(axis({ type: "category", gridIndex: at, data: steps, position: "bottom", name: at === data.layers.length - 1 ? "step" : "", nameLocation: "middle", nameGap: 24, axisLabel: { show: at === data.layers.length - 1, hideOverlap: true }, splitLine: { show: false }, axisTick: { show: false }, axisLine: { onZero: false, lineStyle: { color: css("line") } } }));
      ys.push(axis({ type: "value", gridIndex: at, inverse: true, min: -1, max: layer.rows, axisLabel: { show: false }, axisTick: { show: false }, splitLine: { show: false }, name: said, nameLocation: "start", nameGap: 8, nameTextStyle: { align: "left", color: ink(), fontSize: 12.5, padding: [0, 0, 0, -left + 8] } }));
      const common = { type: "scatter", xAxisIndex: at, yAxisIndex: at, silent: true };
      series.push({
        ...common, name: ideal ? "float and fixed" : "fixed", data: marks.both, symbol: "rect", symbolSize: [size, Math.max(1, Math.min(6, (0.8 * (high - 34)) / layer.rows))], itemStyle: { color: css("gray") },
        markLine: { silent: true, symbol: "none", animation: false, label: { show: false }, lineStyle: { color: css("blue"), width: 2, type: "solid", opacity: 0.75 }, data: [{ xAxis: step }] },
      });
      if (ideal) {
        series.push({ ...common, name: "only fixed", data: marks.fixed, symbol: "triangle", symbolSize: 7, itemStyle: { color: css("orange") }, z: 4 });
        series.push({ ...common, name: "only float", data: marks.float, symbol: "diamond", symbolSize: 8, itemStyle: { color: css("blue") }, z: 4 });
      }
    });
    const named = data.layers.some((l) => l.float) ? ["float and fixed", "only fixed", "only float"] : ["fixed"];
    return { ...base(), legend: legend({ top: 0, left: 0, data: named, selectedMode: false }), grid: grids, xAxis: xs, yAxis: ys, series, tooltip: { show: false } };
  }

  function pairs(data, { width }) {
    const most = narrow(width) ? 12 : 30;
    return {
      ...base(),
      legend: legend({ top: 0, left: 0, data: data.pairs.map((p) => p.name) }),
      grid: { left: 8, right: 28, top: 34, bottom: 28, containLabel: true },
      xAxis: axis({ type: "value", splitNumber: narrow(width) ? 3 : 6, axisLabel: { hideOverlap: true } }),
      yAxis: axis({ type: "category", inverse: true, data: data.rows, axisLabel: { color: ink(), formatter: (name) => short(name, most) } }),
      series: data.pairs.map((p, at) => ({ type: "bar", name: p.name, data: p.values, barMaxWidth: 14, itemStyle: pattern(at) })),
      tooltip: {
        ...base().tooltip, trigger: "axis", axisPointer: { type: "shadow" },
        formatter: (all) => [data.rows[all[0].dataIndex], ...all.map((p) => `${p.seriesName} ${p.value === null || p.value === undefined ? "-" : (+p.value).toLocaleString("en")} ${data.unit}`)].join("\n"),
      },
    };
  }

  // Points by two numbers; those of the front are joined, and their mark is another one.
  function points(data, { width }) {
    const { x, y } = data;
    const said = (of, v) => (of.unit ? prefixed(v, of.unit) : String(+v.toPrecision(6)));
    const scale = (of) => axis({
      type: "value", scale: true, name: of.name, nameLocation: "middle", splitNumber: narrow(width) ? 3 : 6,
      axisLabel: { formatter: (v) => (of.unit ? prefixed(v, of.unit) : String(+v.toPrecision(4))), hideOverlap: true },
    });
    return {
      ...base(),
      legend: legend({ top: 0, left: 0, data: data.groups.map((g) => g.name) }),
      grid: { left: 28, right: 24, top: 36, bottom: 34, containLabel: true },
      xAxis: { ...scale(x), nameGap: 28 },
      yAxis: { ...scale(y), nameGap: 56 },
      series: data.groups.flatMap((g) => {
        const at = g.points.map((p) => [p.x, p.y]);
        const colour = g.front ? css("orange") : css("blue");
        const dots = {
          type: "scatter", name: g.name, data: at, symbol: g.front ? "diamond" : "circle",
          symbolSize: g.front ? 11 : 6, itemStyle: { color: colour, opacity: g.front ? 1 : 0.6 }, z: g.front ? 4 : 2,
        };
        if (!g.front) return [dots];
        return [dots, { type: "line", name: g.name, data: at, symbol: "none", step: "end", silent: true, lineStyle: { color: colour, width: 1.5 }, z: 3 }];
      }),
      tooltip: {
        ...base().tooltip,
        formatter: (p) => {
          const found = data.groups.find((g) => g.name === p.seriesName).points[p.dataIndex];
          return [found.name, `${x.name} ${said(x, found.x)}`, `${y.name} ${said(y, found.y)}`].join("\n");
        },
      },
    };
  }

  return { totals, points, pairs, stacked, heat, confusion, rates, lines, graph, cores, raster, short, bytes: (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)) };
})();
