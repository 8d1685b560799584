// The case viewer: scrolls the series of a study, with points, predictions and attention.
"use strict";
(() => {
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const GRADES = ["Normal/Mild", "Moderate", "Severe"];

  function start(box) {
    const { cases, approaches } = JSON.parse(box.querySelector("script").textContent);
    const state = { study: 0, series: 0, slice: 0, target: 0, approach: 0 };
    const part = (name) => box.querySelector(`.${name}`);
    const one = () => cases[state.study], series = () => one().series[state.series];

    // The slice on which a target is seen best: that of its annotated point, of a located one, or the middle.
    function goTo(target) {
      const places = one().series.flatMap((s, number) => s.marks.flatMap((marks, slice) =>
        marks.filter((mark) => mark.target === target).map((mark) => [mark.who === "annotator" ? -1 : mark.who, number, slice])));
      places.sort((a, b) => a[0] - b[0]);
      if (places.length) [, state.series, state.slice] = places[0];
    }

    function chooseStudy(number) {
      Object.assign(state, { study: number, series: 0, target: 0 });
      state.slice = Math.floor(series().images.length / 2);
      const graded = one().targets.findIndex((t) => t.label === "Severe");
      if (graded >= 0) state.target = graded;
      goTo(state.target);
      render();
    }

    function step(amount) {
      state.slice = Math.max(0, Math.min(series().images.length - 1, state.slice + amount));
      render();
    }

    function renderControls() {
      part("studies").value = state.study;
      part("why").textContent = one().why;
      part("kinds").replaceChildren(...one().series.map((s, number) => {
        const button = make("button", { type: "button", "aria-pressed": number === state.series }, `${s.description} (${s.images.length})`);
        button.addEventListener("click", () => { Object.assign(state, { series: number, slice: Math.floor(s.images.length / 2) }); render(); });
        return button;
      }));
      const slider = part("slider");
      slider.max = series().images.length - 1;
      slider.value = state.slice;
      slider.setAttribute("aria-valuetext", `slice ${state.slice + 1} of ${series().images.length}`);
      part("where").textContent = `slice ${state.slice + 1} of ${series().images.length}, instance ${series().instances[state.slice]}, series ${series().id}`;
    }

    function renderImage() {
      const image = part("image");
      image.src = series().images[state.slice];
      image.alt = `${series().description}, slice ${state.slice + 1}`;
      part("marks").replaceChildren(...series().marks[state.slice].map((mark) => {
        const own = mark.who === "annotator";
        const name = `${one().targets[mark.target].name}: ${own ? "annotated" : approaches[mark.who]}`;
        const place = `left:${100 * mark.x}%;top:${100 * mark.y}%`;
        const chosen = mark.target === state.target ? " chosen" : "";
        const dot = make("i", { class: `mark ${own ? "annotated" : `c${mark.who % 10}`}${chosen}`, title: name });
        dot.style.cssText = place;
        return dot;
      }));
    }

    function renderAttention() {
      const weights = series().attention[`${state.approach}/${state.target}`] ?? [];
      const at = new Map(weights), most = Math.max(...weights.map((pair) => pair[1]), 1e-9);
      part("strip").replaceChildren(...series().images.map((_, slice) => {
        const bar = make("button", { type: "button", tabindex: "-1", title: `slice ${slice + 1}: ${at.get(slice) ?? 0}`, class: slice === state.slice ? "here" : "" }, make("i"));
        bar.firstChild.style.height = `${(100 * (at.get(slice) ?? 0)) / most}%`;
        bar.addEventListener("click", () => { state.slice = slice; render(); });
        return bar;
      }));
      const words = weights.length ? "attention weight per slice" : "no attention on this series";
      part("attention").textContent = `${approaches[state.approach] ?? ""}, ${one().targets[state.target].name}: ${words}`;
    }

    function renderGrades() {
      let last = "";
      part("grades").replaceChildren(...one().targets.flatMap((target, number) => {
        const [condition, level] = target.name.split(/ (?=\S+$)/);
        const heading = condition === last ? [] : [make("tr", { class: "condition" }, make("th", { colspan: 2 + approaches.length, scope: "rowgroup" }, (last = condition)))];
        const go = make("button", { type: "button", "aria-pressed": number === state.target, "aria-label": target.name }, level);
        go.addEventListener("click", () => { state.target = number; goTo(number); render(); });
        const said = target.said.map((values) => {
          if (!values) return make("td", {}, "–");
          const cell = make("td", {}, values.map((v) => v.toFixed(2)).join(" "));
          if (GRADES[values.indexOf(Math.max(...values))] !== target.label && target.label !== "–") cell.className = "off";
          return cell;
        });
        return [...heading, make("tr", number === state.target ? { class: "chosen" } : {}, make("td", {}, go), make("td", { class: target.label.toLowerCase().replace(/\W/g, "-") }, target.label), ...said)];
      }));
    }

    function render() { renderControls(); renderImage(); renderAttention(); renderGrades(); }

    cases.forEach((c, number) => part("studies").append(make("option", { value: number }, c.study)));
    approaches.forEach((name, number) => part("approach").append(make("option", { value: number }, name)));
    part("studies").addEventListener("change", (event) => chooseStudy(Number(event.target.value)));
    part("approach").addEventListener("change", (event) => { state.approach = Number(event.target.value); render(); });
    part("slider").addEventListener("input", (event) => { state.slice = Number(event.target.value); render(); });
    part("stack").addEventListener("wheel", (event) => { event.preventDefault(); step(Math.sign(event.deltaY)); }, { passive: false });
    part("stack").addEventListener("keydown", (event) => {
      const steps = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1 };
      if (event.key in steps) { event.preventDefault(); step(steps[event.key]); }
    });
    chooseStudy(0);
    return (study) => { const number = cases.findIndex((c) => c.study === study); if (number >= 0) chooseStudy(number); return number >= 0; };
  }

  for (const box of document.querySelectorAll(".viewer")) {
    const show = start(box);
    box.closest("section.document").addEventListener("click", (event) => {
      const link = event.target.closest("a[data-study]");
      if (link && show(link.dataset.study)) { event.preventDefault(); box.scrollIntoView({ behavior: "smooth" }); box.querySelector(".studies").focus({ preventScroll: true }); }
    });
  }
})();
