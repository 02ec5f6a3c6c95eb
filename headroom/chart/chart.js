"use strict";
// Draws demand, capacity and throttling over one time axis. The backtest's page and the console share
// it: a page has a <div class="chart">, and calls `new Chart(div, data)`.
//
// data.start        the first minute, in ISO format; null for a trace without dates
// data.span         the minutes of the time axis; else those of the demand
// data.demand       units per second, a value a minute; null where none is known
// data.series       step functions: {name, colour, at, units, throttled, shown, ours, dash}, the last
//                   one on top. `at` are the minutes of new units. `throttled` are pairs of a minute and
//                   units. `ours`: its throttled minutes are striped, and it has the marks of the changes
// data.changes      [minute, units before, units after, reason, note], in order of time
// data.reasons      what each reason means

const RANGES = [["1 h", 60], ["6 h", 360], ["1 day", 1440], ["3 days", 4320], ["7 days", 10080]];
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 4320, 10080];
const LEFT = 56, RIGHT = 10, TOP = 20, GAP = 26, LOWER = 70, BOTTOM = 24;
const SHORTEST = 20;      // minutes in the closest view
const MARKED = 250;       // with more changes in view, only the one under the pointer has a mark
const NEAR = 8;           // pixels

class Chart {
  constructor(box, data) {
    this.box = box;
    this.canvas = element("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", "Demand, capacity and throttling over time");
    this.tip = element("div", "", "tip");
    this.tip.setAttribute("aria-live", "polite");
    this.ranges = element("div", "", "ranges");
    this.legend = element("div", "", "legend");
    const plot = element("div", "", "plot");
    plot.append(this.canvas, this.tip);
    box.append(this.ranges, plot, this.legend);
    this.context = this.canvas.getContext("2d");
    this.cursor = null;
    this.hidden = null;
    this.pointers = new Map();
    this.view = { from: 0, to: 0 };
    this.update(data, true);
    this.listen();
  }

  // Takes new data. The view stays, and follows the newest minute if that was in it.
  update(data, isOther = false) {
    const before = this.end, { from, to } = this.view;
    this.data = data;
    this.end = Math.max(1, data.span || data.demand.length);
    this.hidden ??= new Set(data.series.filter((one) => !one.shown).map((one) => one.name));
    if (isOther || before !== this.end) {
      this.addButtons();
      this.addLegend();
    }
    if (isOther || (from === 0 && to === before)) this.show(0, this.end);
    else this.show(to === before ? this.end - (to - from) : from, to - from);
  }

  // the view

  get size() {
    return this.view.to - this.view.from;
  }

  show(from, length) {
    const { end, view } = this;
    const size = Math.min(end, Math.max(Math.min(SHORTEST, end), length));
    view.from = Math.min(Math.max(0, from), end - size);
    view.to = view.from + size;
    this.ranges.querySelectorAll("button[data-minutes]").forEach((button) => {
      const minutes = Number(button.dataset.minutes) || end;
      button.setAttribute("aria-pressed", Math.abs(size - Math.min(minutes, end)) < 1);
    });
    this.draw();
  }

  zoom(length, around = (this.view.from + this.view.to) / 2) {
    this.show(around - ((around - this.view.from) / this.size) * length, length);
  }

  pan(share) {
    this.show(this.view.from + share * this.size, this.size);
  }

  // Points at the next or an earlier change, and moves the view there.
  step(by) {
    const { changes } = this.data;
    if (!changes.length) return;
    const now = this.cursor === null ? this.view.from : this.minuteAt(this.cursor);
    const later = changes.filter(([minute]) => minute > now + 0.5);
    const earlier = changes.filter(([minute]) => minute < now - 0.5);
    const [minute] = (by > 0 ? later[0] : earlier.at(-1)) || (by > 0 ? changes.at(-1) : changes[0]);
    if (minute < this.view.from || minute >= this.view.to) this.show(minute - this.size / 2, this.size);
    this.cursor = this.x(minute);
    this.draw();
  }

  get visible() {
    return this.data.series.filter((one) => !this.hidden.has(one.name));
  }

  get width() {
    return Math.max(1, this.canvas.clientWidth - LEFT - RIGHT);
  }

  x(minute) {
    return LEFT + ((minute - this.view.from) / this.size) * this.width;
  }

  minuteAt(pixel) {
    return this.view.from + ((pixel - LEFT) / this.width) * this.size;
  }

  colour(name) {
    return getComputedStyle(this.box).getPropertyValue(`--${name}`).trim();
  }

  // drawing

  draw() {
    const { canvas, context } = this, ratio = window.devicePixelRatio || 1;
    const height = canvas.clientHeight;
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = height * ratio;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = "12px system-ui, sans-serif";
    const lower = { top: height - BOTTOM - LOWER, bottom: height - BOTTOM };
    const upper = { top: TOP, bottom: lower.top - GAP };
    const most = Math.max(1, this.peak(), ...this.visible.map((one) => this.highest(one)));
    const worst = Math.max(1, ...this.visible.flatMap((one) => this.lost(one).map((pair) => pair[1])));
    upper.y = scale(upper, most);
    lower.y = scale(lower, worst);
    this.grid(upper, most, "units per second");
    this.grid(lower, worst, "throttled");
    this.times(upper, lower);
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, this.width, height);
    context.clip();
    this.stripes(upper);
    this.demand(upper);
    this.visible.forEach((one) => { this.steps(one, upper); this.bars(one, lower); });
    this.marks(upper);
    this.pointer(upper, lower);
    context.restore();
    this.box.dataset.drawn = "true";
  }

  // The highest demand in view.
  peak() {
    const { demand } = this.data;
    let result = 0;
    for (let i = Math.floor(this.view.from); i < Math.min(demand.length, this.view.to); i++) {
      result = Math.max(result, demand[i]);
    }
    return result;
  }

  highest({ at, units }) {
    let result = 0;
    for (let i = index(at, this.view.from); i < at.length && at[i] < this.view.to; i++) {
      result = Math.max(result, units[i]);
    }
    return result;
  }

  // The throttled minutes of a series in view.
  lost(one) {
    return one.throttled.filter(([minute]) => minute >= this.view.from - 1 && minute < this.view.to);
  }

  grid(pane, most, label) {
    const raw = most / (pane.bottom - pane.top > 120 ? 5 : 2), power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((n) => n * power).find((size) => size >= raw);
    const { context } = this;
    context.textAlign = "right";
    for (let value = 0; value <= most * 1.05; value += step) {
      this.line(LEFT, pane.y(value), LEFT + this.width, pane.y(value), "grid");
      context.fillStyle = this.colour("muted");
      context.fillText(value.toLocaleString("en"), LEFT - 6, pane.y(value) + 4);
    }
    context.textAlign = "left";
    context.fillText(label, LEFT + 4, pane.top - 5);
  }

  times(upper, lower) {
    const { context, view, width } = this;
    const step = STEPS.find((size) => (this.size / size) * 60 < width) || 10080;
    const first = this.firstMinute() % step;
    context.textAlign = "center";
    for (let m = Math.ceil((view.from + first) / step) * step - first; m <= view.to; m += step) {
      this.line(this.x(m), upper.top, this.x(m), lower.bottom, "grid");
      context.fillStyle = this.colour("muted");
      const text = step >= 1440 || this.clock(m) === "00:00" ? this.day(m) : this.clock(m);
      const x = this.x(m);
      if (x > LEFT + 14 && x < LEFT + width - 14) context.fillText(text, x, lower.bottom + 16);
    }
  }

  // The minute of the day at which the data starts: full hours have a line.
  firstMinute() {
    return this.data.start ? Math.floor(Date.parse(this.data.start) / 60000) % 1440 : 0;
  }

  date(minute) {
    return new Date(Date.parse(this.data.start) + Math.floor(minute) * 60000).toISOString();
  }

  clock(m) {
    if (this.data.start) return this.date(m).slice(11, 16);
    return [Math.floor(m / 60) % 24, Math.floor(m) % 60].map((n) => String(n).padStart(2, "0")).join(":");
  }

  day(m) {
    return this.data.start ? this.date(m).slice(5, 10) : `day ${Math.floor(m / 1440) + 1}`;
  }

  line(x1, y1, x2, y2, colour) {
    const { context } = this;
    context.strokeStyle = this.colour(colour);
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
    context.stroke();
  }

  // A column of the picture may stand for many minutes: its lowest and highest are drawn.
  demand(pane) {
    const { context, data, view } = this, last = Math.min(data.demand.length, view.to);
    const size = Math.max(1, Math.floor(this.size / this.width));
    context.beginPath();
    let isOpen = false;
    for (let i = Math.floor(view.from / size) * size; i < last + size; i += size) {
      const part = data.demand.slice(i, i + size).filter((rate) => rate !== null);
      if (part.length) {
        context[isOpen ? "lineTo" : "moveTo"](this.x(i), pane.y(Math.max(...part)));
        if (size > 1) context.lineTo(this.x(i), pane.y(Math.min(...part)));
      }
      isOpen = part.length > 0;
    }
    context.strokeStyle = this.colour("demand");
    context.lineWidth = 1.2;
    context.stroke();
  }

  steps(one, pane) {
    const { at, units } = one, { context, view } = this;
    if (!at.length) return;
    const first = index(at, view.from), end = this.data.demand.length;
    context.beginPath();
    context.moveTo(this.x(at[first]), pane.y(units[first]));
    for (let i = first + 1; i < at.length && at[i - 1] < view.to; i++) {
      context.lineTo(this.x(at[i]), pane.y(units[i - 1]));
      context.lineTo(this.x(at[i]), pane.y(units[i]));
    }
    context.lineTo(this.x(end), pane.y(units[units.length - 1]));
    context.strokeStyle = this.colour(one.colour);
    context.lineWidth = one.ours ? (this.size < 20 * this.width ? 2.4 : 1.6) : 1.2;
    context.setLineDash(one.dash);
    context.stroke();
    context.setLineDash([]);
  }

  bars(one, pane) {
    this.context.fillStyle = this.colour(one.colour);
    for (const [minute, units] of this.lost(one)) {
      this.context.fillRect(this.x(minute), pane.y(units), this.minuteWidth, pane.bottom - pane.y(units));
    }
  }

  get minuteWidth() {
    return Math.max(1.5, this.width / this.size);
  }

  // The minutes in which requests were throttled.
  stripes(pane) {
    this.context.fillStyle = this.colour("throttled");
    for (const one of this.visible.filter((series) => series.ours)) {
      for (const [minute] of this.lost(one)) {
        this.context.fillRect(this.x(minute), pane.top, this.minuteWidth, pane.bottom - pane.top);
      }
    }
  }

  marks(pane) {
    if (!this.visible.some((one) => one.ours)) return;
    const within = this.data.changes.filter(([m]) => m >= this.view.from && m < this.view.to);
    if (within.length <= MARKED) within.forEach((change) => this.triangle(change, pane, 4));
  }

  triangle([minute, from, to], pane, size) {
    const { context } = this, x = this.x(minute);
    const up = to > from ? -1 : 1, y = pane.y(to) + up * 7;
    context.fillStyle = this.colour(to > from ? "raised" : "lowered");
    context.beginPath();
    context.moveTo(x - size, y - up * size);
    context.lineTo(x + size, y - up * size);
    context.lineTo(x, y + up * size);
    context.fill();
  }

  // what is under the pointer

  pointer(upper, lower) {
    const { cursor, tip } = this, last = this.data.demand.length - 1;
    tip.hidden = cursor === null || last < 0;
    if (tip.hidden) return;
    const minute = Math.min(last, Math.max(0, Math.floor(this.minuteAt(cursor))));
    const x = this.x(minute + 0.5);
    this.line(x, upper.top, x, lower.bottom, "muted");
    const near = this.nearest();
    if (near) this.triangle(near, upper, 7);
    tip.replaceChildren(...this.text(minute, near));
    const right = cursor > this.canvas.clientWidth / 2;
    tip.style.left = right ? "auto" : `${cursor + 14}px`;
    tip.style.right = right ? `${this.canvas.clientWidth - cursor + 14}px` : "auto";
  }

  nearest() {
    const distance = ([minute]) => Math.abs(this.x(minute) - this.cursor);
    const found = this.data.changes.reduce((a, b) => (a && distance(a) < distance(b) ? a : b), null);
    return found && distance(found) <= NEAR ? found : null;
  }

  text(minute, change) {
    const { data } = this, rate = data.demand[minute];
    const lines = [`${this.day(minute)} ${this.clock(minute)}${data.start ? " UTC" : ""}`];
    lines.push(`demand ${rate === null ? "unknown" : rate.toLocaleString("en")}`);
    for (const one of [...this.visible].reverse()) {
      if (!one.at.length || one.at[0] > minute) continue;
      const units = one.units[index(one.at, minute)].toLocaleString("en");
      const gone = one.throttled.find((entry) => entry[0] === minute);
      lines.push(`${one.name} ${units}${gone ? `, throttled ${gone[1].toLocaleString("en")}` : ""}`);
    }
    const parts = lines.map((content, n) => element(n ? "div" : "strong", content));
    return change ? [...parts, element("div", this.why(change), "why")] : parts;
  }

  why([at, from, to, reason, note]) {
    const move = `${this.clock(at)} ${from.toLocaleString("en")} → ${to.toLocaleString("en")} units`;
    return `${move}${note ? `, ${note}` : ""}: ${this.data.reasons[reason]} (${reason})`;
  }

  // the buttons around it

  addButtons() {
    const add = (label, action, title) => {
      const button = element("button", label);
      button.type = "button";
      button.title = title || label;
      button.addEventListener("click", action);
      this.ranges.append(button);
      return button;
    };
    this.ranges.replaceChildren();
    for (const [label, minutes] of RANGES.filter((range) => range[1] < this.end)) {
      add(label, () => this.zoom(minutes)).dataset.minutes = minutes;
    }
    add("all", () => this.show(0, this.end)).dataset.minutes = 0;
    add("‹", () => this.pan(-0.5), "earlier");
    add("›", () => this.pan(0.5), "later");
    add("+", () => this.zoom(this.size / 2), "closer");
    add("−", () => this.zoom(this.size * 2), "wider");
  }

  addLegend() {
    const demand = element("span");
    demand.append(swatch("demand"), "demand");
    this.legend.replaceChildren(demand, ...[...this.data.series].reverse().map((one) => {
      const label = element("label"), input = element("input");
      input.type = "checkbox";
      input.checked = !this.hidden.has(one.name);
      input.addEventListener("change", () => {
        this.hidden[input.checked ? "delete" : "add"](one.name);
        this.draw();
      });
      label.append(input, swatch(one.colour, one.dash), one.name);
      return label;
    }));
  }

  // pointer and keys

  listen() {
    const { canvas, pointers } = this;
    const end = (event) => pointers.delete(event.pointerId);
    canvas.addEventListener("pointerdown", (event) => {
      pointers.set(event.pointerId, this.place(event));
      this.cursor = this.place(event);
      this.draw();
    });
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("pointerleave", (event) => { end(event); this.cursor = null; this.draw(); });
    canvas.addEventListener("dblclick", (e) => this.zoom(this.size / 4, this.minuteAt(this.place(e))));
    canvas.addEventListener("keydown", (event) => this.press(event));
    canvas.addEventListener("blur", () => { this.cursor = null; this.draw(); });
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  place(event) {
    return event.clientX - this.canvas.getBoundingClientRect().left;
  }

  // One pointer moves the view, two of them zoom it.
  move(event) {
    const { pointers } = this, at = this.place(event), before = pointers.get(event.pointerId);
    this.cursor = at;
    if (before === undefined || !event.buttons) {
      this.draw();
      return;
    }
    const spread = () => Math.max(NEAR, Math.abs([...pointers.values()].reduce((a, b) => a - b)));
    const apart = pointers.size > 1 ? spread() : 0;
    pointers.set(event.pointerId, at);
    if (apart) this.zoom((this.size * apart) / spread());
    else this.show(this.view.from - ((at - before) / this.width) * this.size, this.size);
  }

  press(event) {
    const actions = {
      ArrowLeft: () => this.pan(-0.2), ArrowRight: () => this.pan(0.2),
      Home: () => this.show(0, this.end), n: () => this.step(1), b: () => this.step(-1),
      "+": () => this.zoom(this.size / 2), "-": () => this.zoom(this.size * 2),
    };
    if (!actions[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
  }
}

function scale(pane, most) {
  return (value) => pane.bottom - (value / (most * 1.06)) * (pane.bottom - pane.top);
}

function element(tag, content = "", name = "") {
  const made = document.createElement(tag);
  made.textContent = content;
  made.className = name;
  return made;
}

function swatch(colour, [dash, gap] = []) {
  const made = element("span", "", dash ? "swatch dashed" : "swatch");
  made.style.setProperty("--swatch", `var(--${colour})`);
  if (dash) {
    made.style.setProperty("--dash", `${dash}px`);
    made.style.setProperty("--gap", `${dash + gap}px`);
  }
  return made;
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
