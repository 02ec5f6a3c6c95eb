"use strict";
// Draws the charts of a backtest's page: demand, capacity and throttling over one time axis.

const RANGES = [["1 h", 60], ["6 h", 360], ["1 day", 1440], ["3 days", 4320], ["7 days", 10080]];
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 4320, 10080];
const LEFT = 56, RIGHT = 10, TOP = 14, GAP = 26, LOWER = 70, BOTTOM = 24;
const SHORTEST = 20;      // minutes in the closest view
const MARKED = 250;       // with more changes in view, only the one under the pointer has a mark
const NEAR = 8;           // pixels

document.querySelectorAll(".chart").forEach(chart);

function chart(box) {
  const data = JSON.parse(box.querySelector("script").textContent);
  const canvas = box.querySelector("canvas"), tip = box.querySelector(".tip");
  const context = canvas.getContext("2d"), end = data.demand.length;
  const shown = new Set(data.policies.filter((policy) => policy.shown).map((p) => p.name));
  const view = { from: 0, to: end };
  let cursor = null, dragged = null;

  function colour(name) {
    return getComputedStyle(box).getPropertyValue(`--${name}`).trim();
  }

  function show(from, length) {
    const size = Math.min(end, Math.max(Math.min(SHORTEST, end), length));
    view.from = Math.min(Math.max(0, from), end - size);
    view.to = view.from + size;
    box.querySelectorAll(".ranges button[data-minutes]").forEach((button) => {
      const minutes = Number(button.dataset.minutes) || end;
      button.setAttribute("aria-pressed", Math.abs(size - Math.min(minutes, end)) < 1);
    });
    draw();
  }

  function zoom(length, around = (view.from + view.to) / 2) {
    const share = (around - view.from) / (view.to - view.from);
    show(around - share * length, length);
  }

  const visible = () => data.policies.filter((policy) => shown.has(policy.name));
  const width = () => canvas.clientWidth - LEFT - RIGHT;
  const x = (minute) => LEFT + ((minute - view.from) / (view.to - view.from)) * width();
  const minuteAt = (pixel) => view.from + ((pixel - LEFT) / width()) * (view.to - view.from);

  function draw() {
    const ratio = window.devicePixelRatio || 1, height = canvas.clientHeight;
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = height * ratio;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = "12px system-ui, sans-serif";
    const lower = { top: height - BOTTOM - LOWER, bottom: height - BOTTOM };
    const upper = { top: TOP, bottom: lower.top - GAP };
    const most = Math.max(1, peak(data.demand), ...visible().map((p) => highest(p)));
    const worst = Math.max(1, ...visible().map((p) => Math.max(0, ...lost(p).map((l) => l[1]))));
    upper.y = scale(upper, most);
    lower.y = scale(lower, worst);
    grid(upper, most, "units per second");
    grid(lower, worst, "throttled");
    times(upper, lower);
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, width(), height);
    context.clip();
    throttling(upper);
    demand(upper);
    visible().forEach((policy) => { steps(policy, upper); bars(policy, lower); });
    marks(upper);
    pointer(upper, lower);
    context.restore();
    box.dataset.drawn = "true";
  }

  function scale(pane, most) {
    return (value) => pane.bottom - (value / (most * 1.06)) * (pane.bottom - pane.top);
  }

  function peak(values) {
    let result = 0;
    for (let i = Math.floor(view.from); i < Math.min(end, view.to); i++) {
      result = Math.max(result, values[i]);
    }
    return result;
  }

  function highest(policy) {
    let result = 0;
    for (let i = index(policy.at, view.from); i < policy.at.length && policy.at[i] < view.to; i++) {
      result = Math.max(result, policy.units[i]);
    }
    return result;
  }

  const lost = (p) => p.throttled.filter(([minute]) => minute >= view.from - 1 && minute < view.to);

  function grid(pane, most, label) {
    const raw = most / (pane.bottom - pane.top > 120 ? 5 : 2), power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((n) => n * power).find((size) => size >= raw);
    context.textAlign = "right";
    for (let value = 0; value <= most * 1.05; value += step) {
      line(LEFT, pane.y(value), LEFT + width(), pane.y(value), colour("grid"));
      context.fillStyle = colour("muted");
      context.fillText(value.toLocaleString("en"), LEFT - 6, pane.y(value) + 4);
    }
    context.textAlign = "left";
    context.fillStyle = colour("muted");
    context.fillText(label, LEFT + 4, pane.top - 3);
  }

  function times(upper, lower) {
    const step = STEPS.find((size) => ((view.to - view.from) / size) * 60 < width()) || 10080;
    context.textAlign = "center";
    for (let m = Math.ceil(view.from / step) * step; m <= view.to; m += step) {
      line(x(m), upper.top, x(m), lower.bottom, colour("grid"));
      context.fillStyle = colour("muted");
      const text = step >= 1440 || clock(m) === "00:00" ? day(m) : clock(m);
      if (x(m) < LEFT + width() - 14) context.fillText(text, x(m), lower.bottom + 16);
    }
  }

  const date = (minute) => new Date(Date.parse(data.start) + Math.floor(minute) * 60000).toISOString();
  const clock = (m) => data.start ? date(m).slice(11, 16)
    : [Math.floor(m / 60) % 24, Math.floor(m) % 60].map((n) => String(n).padStart(2, "0")).join(":");
  const day = (m) => data.start ? date(m).slice(5, 10) : `day ${Math.floor(m / 1440) + 1}`;

  function line(x1, y1, x2, y2, style) {
    context.strokeStyle = style;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
    context.stroke();
  }

  // A column of the picture may stand for many minutes: its lowest and highest are drawn.
  function demand(pane) {
    const size = Math.max(1, Math.floor((view.to - view.from) / width()));
    context.beginPath();
    for (let i = Math.floor(view.from / size) * size; i < Math.min(end, view.to + size); i += size) {
      const part = data.demand.slice(i, i + size);
      context.lineTo(x(i), pane.y(Math.max(...part)));
      if (size > 1) context.lineTo(x(i), pane.y(Math.min(...part)));
    }
    context.strokeStyle = colour("demand");
    context.lineWidth = 1.2;
    context.stroke();
  }

  function steps(policy, pane) {
    const first = index(policy.at, view.from);
    context.beginPath();
    context.moveTo(x(policy.at[first]), pane.y(policy.units[first]));
    for (let i = first + 1; i < policy.at.length && policy.at[i - 1] < view.to; i++) {
      context.lineTo(x(policy.at[i]), pane.y(policy.units[i - 1]));
      context.lineTo(x(policy.at[i]), pane.y(policy.units[i]));
    }
    context.lineTo(x(end), pane.y(policy.units[policy.units.length - 1]));
    context.strokeStyle = colour(policy.colour);
    context.lineWidth = policy.ours ? (view.to - view.from < 20 * width() ? 2.4 : 1.6) : 1.2;
    context.stroke();
  }

  function bars(policy, pane) {
    context.fillStyle = colour(policy.colour);
    for (const [minute, units] of lost(policy)) {
      context.fillRect(x(minute), pane.y(units), minuteWidth(), pane.bottom - pane.y(units));
    }
  }

  const minuteWidth = () => Math.max(1.5, width() / (view.to - view.from));

  function throttling(pane) {
    context.fillStyle = colour("throttled");
    for (const policy of visible().filter((p) => p.ours)) {
      for (const [minute] of lost(policy)) {
        context.fillRect(x(minute), pane.top, minuteWidth(), pane.bottom - pane.top);
      }
    }
  }

  function marks(pane) {
    if (!visible().some((policy) => policy.ours)) return;
    const within = data.changes.filter(([minute]) => minute >= view.from && minute < view.to);
    if (within.length > MARKED) return;
    within.forEach((change) => triangle(change, pane, 4));
  }

  function triangle([minute, from, to], pane, size) {
    const up = to > from ? -1 : 1, y = pane.y(to) + up * 7;
    context.fillStyle = colour(to > from ? "raised" : "lowered");
    context.beginPath();
    context.moveTo(x(minute) - size, y - up * size);
    context.lineTo(x(minute) + size, y - up * size);
    context.lineTo(x(minute), y + up * size);
    context.fill();
  }

  function pointer(upper, lower) {
    tip.hidden = cursor === null;
    if (cursor === null) return;
    const minute = Math.min(end - 1, Math.max(0, Math.floor(minuteAt(cursor))));
    line(x(minute + 0.5), upper.top, x(minute + 0.5), lower.bottom, colour("muted"));
    const near = nearest();
    if (near) triangle(near, upper, 7);
    tip.replaceChildren(...text(minute, near));
    const right = cursor > canvas.clientWidth / 2;
    tip.style.left = right ? "auto" : `${cursor + 14}px`;
    tip.style.right = right ? `${canvas.clientWidth - cursor + 14}px` : "auto";
  }

  function nearest() {
    const distance = ([minute]) => Math.abs(x(minute) - cursor);
    const found = data.changes.reduce((a, b) => (a && distance(a) <= distance(b) ? a : b), null);
    return found && distance(found) <= NEAR ? found : null;
  }

  function text(minute, change) {
    const lines = [`${day(minute)} ${clock(minute)}${data.start ? " UTC" : ""}`];
    lines.push(`demand ${data.demand[minute].toLocaleString("en")}`);
    for (const policy of [...visible()].reverse()) {
      const units = policy.units[index(policy.at, minute)].toLocaleString("en");
      const gone = policy.throttled.find((entry) => entry[0] === minute);
      lines.push(`${policy.name} ${units}${gone ? `, throttled ${gone[1]}` : ""}`);
    }
    const parts = lines.map((content, n) => element(n ? "div" : "strong", content));
    if (change) {
      const [at, from, to, reason] = change;
      const why = `${clock(at)} ${from.toLocaleString("en")} → ${to.toLocaleString("en")} units`;
      parts.push(element("div", `${why}: ${data.reasons[reason]} (${reason})`, "why"));
    }
    return parts;
  }

  function element(tag, content, name = "") {
    const made = document.createElement(tag);
    made.textContent = content;
    made.className = name;
    return made;
  }

  function buttons() {
    const ranges = box.querySelector(".ranges");
    const add = (label, action, title) => {
      const button = element("button", label);
      button.type = "button";
      button.title = title || label;
      button.addEventListener("click", action);
      ranges.append(button);
      return button;
    };
    for (const [label, minutes] of RANGES.filter((range) => range[1] < end)) {
      add(label, () => zoom(minutes)).dataset.minutes = minutes;
    }
    add("all", () => show(0, end)).dataset.minutes = 0;
    add("‹", () => pan(-0.5), "earlier");
    add("›", () => pan(0.5), "later");
    add("+", () => zoom((view.to - view.from) / 2), "closer");
    add("−", () => zoom((view.to - view.from) * 2), "wider");
  }

  function pan(share) {
    const size = view.to - view.from;
    show(view.from + share * size, size);
  }

  function legend() {
    for (const policy of [...data.policies].reverse()) {
      const label = document.createElement("label"), input = document.createElement("input");
      input.type = "checkbox";
      input.checked = shown.has(policy.name);
      input.addEventListener("change", () => {
        if (input.checked) shown.add(policy.name); else shown.delete(policy.name);
        draw();
      });
      const swatch = element("span", "", "swatch");
      swatch.style.background = `var(--${policy.colour})`;
      label.append(input, swatch, policy.name);
      box.querySelector(".legend").append(label);
    }
  }

  const place = (event) => event.clientX - canvas.getBoundingClientRect().left;
  canvas.addEventListener("pointerdown", (event) => {
    dragged = { at: place(event), from: view.from };
    cursor = place(event);
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    cursor = place(event);
    if (dragged && event.buttons) {
      const size = view.to - view.from;
      show(dragged.from - ((cursor - dragged.at) / width()) * size, size);
    } else draw();
  });
  canvas.addEventListener("pointerup", () => { dragged = null; });
  canvas.addEventListener("pointerleave", () => { cursor = dragged = null; draw(); });
  canvas.addEventListener("dblclick", (event) => zoom((view.to - view.from) / 4, minuteAt(place(event))));
  canvas.addEventListener("keydown", (event) => {
    const actions = {
      ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2), Home: () => show(0, end),
      "+": () => zoom((view.to - view.from) / 2), "-": () => zoom((view.to - view.from) * 2),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  });
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  buttons();
  legend();
  show(0, end);
}

// Returns the last place whose value is not above the limit.
function index(values, limit) {
  let low = 0, high = values.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (values[middle] <= limit) low = middle; else high = middle - 1;
  }
  return low;
}
