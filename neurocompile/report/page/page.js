"use strict";
// Draws each chart when it comes into view, or before the page is printed; sliders and choices.
// Everything that is written into the page is set as text.

(() => {
  // ECharts keeps texts as keys of plain objects: "__proto__" would change every object of the page.
  // A space of no width in it looks the same and is a key like any other.
  const harmless = (_, value) => (typeof value === "string" ? value.replace(/__proto__/g, "__proto\u200b__") : value);
  const all = JSON.parse(document.getElementById("data").textContent, harmless);
  const drawn = new Map();

  const element = (name, more = {}, inside = []) => {
    const made = document.createElement(name);
    Object.entries(more).forEach(([key, value]) => (key in made && key !== "list" ? (made[key] = value) : made.setAttribute(key, value)));
    made.append(...inside);
    return made;
  };
  const labelled = (text, control, ...after) => element("label", {}, [text, control, ...after]);
  const choice = (text, names, chosen) => {
    const select = element("select", {}, names.map((name, at) => element("option", { value: String(at), textContent: name })));
    select.addEventListener("change", () => chosen(Number(select.value)));
    return labelled(text, select);
  };
  const slider = (text, count, start, shown, moved) => {
    const range = element("input", { type: "range", min: "0", max: String(count - 1), step: "1" });
    range.value = String(start);
    const said = element("output", { textContent: shown(start) });
    range.setAttribute("aria-valuetext", shown(start));
    range.addEventListener("input", () => {
      const at = Number(range.value);
      said.textContent = shown(at);
      range.setAttribute("aria-valuetext", shown(at));
      moved(at);
    });
    return { label: labelled(text, range, said), range };
  };

  const CONTROLS = {
    stacked(chart, box) {
      if (chart.data.models.length > 1) box.append(choice("Energy model", chart.data.models.map((m) => m.name), (at) => redraw(chart, { model: at })));
    },
    cores(chart, box) {
      box.append(choice("Colour by", chart.data.measures.map((m) => m.name), (at) => redraw(chart, { measure: at })));
      const chips = [...new Set(chart.data.chips)];
      if (chips.length > 1) box.append(choice("Chip", chips.map((n) => `chip ${n}`), (at) => redraw(chart, { chip: chips[at] })));
    },
    raster(chart, box) {
      const { steps, samples, layers } = chart.data;
      const said = element("p", { className: "said", "aria-live": "polite" });
      const tell = () => {
        const { sample, step } = chart.state;
        const total = (key, of = layers) => of.reduce((sum, l) => sum + (l[key] ? l[key][sample][step] : 0), 0).toLocaleString("en");
        const pairs = layers.filter((l) => l.float);
        const compared = pairs.length === layers.length ? "" : `; ${total("fixed_counts", pairs)} in ${pairs.map((l) => CHARTS.short(l.name, 20)).slice(0, 4).join(", ")}${pairs.length > 4 ? " and others" : ""}`;
        said.textContent = `Step ${step + 1} of sample ${sample}: ${total("fixed_counts")} spikes` + (pairs.length ? `${compared}, ${total("float_counts")} in float; ${total("differ")} differ.` : ".");
      };
      const move = (state) => { redraw(chart, state); tell(); };
      const one = slider("Sample", samples, chart.state.sample, (at) => `${at} (0 to ${samples - 1})`, (at) => move({ sample: at }));
      const time = slider("Step", steps, chart.state.step, (at) => `${at + 1} of ${steps}`, (at) => move({ step: at }));
      const play = element("button", { type: "button", textContent: "Play" });
      let clock = 0;
      const stop = () => { clearInterval(clock); clock = 0; play.textContent = "Play"; };
      play.addEventListener("click", () => {
        if (clock) { stop(); return; }
        play.textContent = "Stop";
        clock = setInterval(() => {
          time.range.value = String((Number(time.range.value) + 1) % steps);
          time.range.dispatchEvent(new Event("input"));
        }, 350);
      });
      if (samples > 1) box.append(one.label);
      box.append(time.label, play, said);
      tell();
    },
  };

  // Pictures are not charts: pixels are put on canvases as they are.
  const BLUE = [0, 114, 178], ORANGE = [213, 94, 0];
  function paint(kind, at) {
    const bytes = kind.bytes || (kind.bytes = CHARTS.bytes(kind.data));
    const size = kind.wide * kind.high;
    const canvas = element("canvas", { width: kind.wide, height: kind.high });
    canvas.setAttribute("aria-hidden", "true");
    const context = canvas.getContext("2d");
    const image = context.createImageData(kind.wide, kind.high);
    for (let k = 0; k < size; k += 1) {
      const value = bytes[at * size + k];
      let colour = [value, value, value];
      if (kind.kind === "error") {
        const part = (value - 127.5) / 127.5;
        const end = part < 0 ? BLUE : ORANGE;
        const much = Math.abs(part) < 0.01 ? 0 : Math.abs(part) ** 0.6;
        colour = end.map((c) => 255 + (c - 255) * much);
      }
      image.data.set([...colour, 255], 4 * k);
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }
  function pictures(chart, node) {
    const { kinds, samples, names, notes } = chart.data;
    const first = 6;
    const make = (at) => {
      const row = element("div", { className: "row" }, kinds.map((kind) => element("div", {}, [paint(kind, at), kind.title])));
      const note = notes[at] ? [element("p", { textContent: notes[at] })] : [];
      return element("div", { className: kinds.length > 1 ? "sample" : "sample one" }, [element("h3", { textContent: names[at] || `sample ${at}` }), row, ...note]);
    };
    const grid = element("div", { className: "samples" });
    const more = () => { while (grid.children.length < samples) grid.append(make(grid.children.length)); };
    while (grid.children.length < Math.min(first, samples)) grid.append(make(grid.children.length));
    node.style.minHeight = "0";
    node.append(grid);
    if (samples > first) {
      const button = element("button", { type: "button", textContent: `Show all ${samples} samples` });
      button.addEventListener("click", () => { more(); button.remove(); });
      chart.all = () => { more(); button.remove(); };
      const box = document.getElementById(`${chart.id}-controls`);
      box.append(button);
    }
  }

  function options(chart) {
    const node = chart.node;
    const size = { width: node.clientWidth, height: chart.height, state: chart.state };
    const option = CHARTS[chart.kind](chart.data, size);
    if (option.height) { chart.height = option.height; node.style.height = `${option.height}px`; }
    delete option.height;
    return option;
  }

  function draw(id) {
    if (drawn.has(id)) return;
    const node = document.getElementById(id);
    const chart = { id, node, ...all[id], state: { ...(all[id].data.start || {}) }, height: Number(node.dataset.height) };
    drawn.set(id, chart);
    const box = document.getElementById(`${id}-controls`);
    node.replaceChildren();
    if (chart.kind === "pictures") { pictures(chart, node); node.dataset.drawn = "yes"; return; }
    node.style.height = `${chart.height}px`;
    const inner = element("div", {});
    inner.style.cssText = "width:100%;height:100%";
    node.append(inner);
    const option = options(chart);
    chart.picture = echarts.init(inner, null, { renderer: "canvas", width: node.clientWidth, height: chart.height });
    chart.picture.setOption(option);
    if (CONTROLS[chart.kind]) CONTROLS[chart.kind](chart, box);
    node.dataset.drawn = "yes";
  }

  function redraw(chart, state = {}) {
    Object.assign(chart.state, state);
    if (!chart.picture) return;
    const option = options(chart);
    chart.picture.resize({ width: chart.node.clientWidth, height: chart.height });
    chart.picture.setOption(option, true);
  }

  const ids = Object.keys(all);
  const everything = () => ids.forEach(draw);
  const again = () => drawn.forEach((chart) => redraw(chart));
  if ("IntersectionObserver" in window) {
    const seen = new IntersectionObserver((entries) => entries.forEach((entry) => {
      if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target.id); }
    }), { rootMargin: "300px" });
    ids.forEach((id) => seen.observe(document.getElementById(id)));
  } else everything();

  let wide = document.documentElement.clientWidth;
  window.addEventListener("resize", () => {
    if (document.documentElement.clientWidth === wide) return;
    wide = document.documentElement.clientWidth;
    again();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  window.addEventListener("beforeprint", () => { everything(); drawn.forEach((chart) => { if (chart.all) chart.all(); }); again(); });
  window.addEventListener("afterprint", again);
})();
