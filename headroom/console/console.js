"use strict";
// The console's page. It asks its own server, and keeps nothing.

const STEP = 15;          // minutes played by one request
const FEW = 8;            // decisions shown at first
const MANY = 15;          // with more targets they can be filtered
const byId = (id) => document.getElementById(id);
const text = (amount) => amount.toLocaleString("en", { maximumFractionDigits: amount < 10 ? 2 : 0 });
const dollars = (amount) => (amount < 10 ? amount.toFixed(2) : text(amount));
const name = (one) => `${one.table}${one.index ? `/${one.index}` : ""}:${one.dimension}`;

const page = { overview: null, chosen: null, events: [], isPlaying: false, shows: FEW, chart: null, work: 0 };

// requests

async function ask(path, given) {
  const options = given && {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(given),
  };
  const response = await fetch(`api/${path}`, options).catch(() => null);
  if (!response) throw new Error("The console's server does not answer. Is `headroom console` running?");
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

// Does something, and shows what went wrong with it.
async function attempt(work) {
  busy(1);
  byId("error").hidden = true; // at the start: other work that ends well later must not hide an error
  try {
    await work();
  } catch (error) {
    page.isPlaying = false;
    showPlay();
    byId("error").textContent = error.message;
    byId("error").hidden = false;
  } finally {
    busy(-1);
  }
}

// A large account takes some seconds: the page says that it reads.
function busy(by) {
  page.work += by;
  document.body.ariaBusy = page.work > 0;
  byId("refresh").disabled = page.work > 0;
}

async function refresh() {
  page.overview = await ask("overview");
  const { decisions } = page.overview.status;
  const names = decisions.map(name);
  page.chosen = [page.chosen, page.overview.first, names[0]].find((key) => names.includes(key)) ?? null;
  showPlace();
  showFigures();
  showTables();
  showPlan();
  await showTarget();
  document.body.dataset.ready = "true";
}

const chosen = () => page.overview.status.decisions.find((one) => name(one) === page.chosen);

function ofChosen() {
  const { table, index, dimension } = chosen();
  return { table, index, dimension };
}

// what is shown

function showPlace() {
  const { kind, status, writes } = page.overview;
  const at = `${status.at.slice(0, 10)} ${status.at.slice(11, 16)} UTC`;
  const place = kind === "embedded" ? "A demo day in the embedded region"
    : `Account ${status.account}, ${status.region}${writes ? "" : ", read only"}`;
  byId("place").textContent = `${place} · ${at}`;
  for (const id of ["play", "hour", "sample", "surge"]) byId(id).hidden = kind !== "embedded";
  byId("refresh").hidden = kind === "embedded";
  byId("since").hidden = kind === "embedded";
  const dry = byId("dry-run");
  if (!writes) dry.checked = dry.disabled = true;
  const names = [...new Set(status.decisions.filter((one) => one.dry_run).map((one) => one.table))];
  byId("dry").hidden = !names.length;
  byId("dry").textContent = `DRY RUN: ${names.join(", ")}. There Headroom decides and logs, and changes nothing.`;
}

function showFigures() {
  const { status, plan } = page.overview;
  const cost = status.decisions.reduce((sum, one) => sum + one.usd_a_month, 0);
  const figures = [
    ["USD a month, provisioned", dollars(cost)],
    ["targets", status.decisions.length],
    ["in ALARM", status.in_alarm.length],
    ["changes in the plan", plan.changes.filter((one) => !one.dry_run).length],
    ["failures", status.failures.length],
  ];
  byId("figures").replaceChildren(...figures.map(([label, value]) => {
    const box = element("div");
    box.append(element("dt", label), element("dd", String(value)));
    return box;
  }));
}

function showTables() {
  const { status, note } = page.overview;
  const focused = document.activeElement?.closest("tbody tr")?.dataset.name;
  const filter = byId("filter"), wanted = filter.value.trim().toLowerCase();
  filter.hidden = status.decisions.length <= MANY;
  const rows = status.decisions.filter((one) => filter.hidden || name(one).toLowerCase().includes(wanted))
    .sort((a, b) => (name(a) < name(b) ? -1 : 1)).map(row);
  const failed = status.failures.map((one) => {
    const made = element("tr", "", "failed"), cell = element("td", `${one.subject}: ${one.doing} failed: ${one.error}`);
    cell.colSpan = 6;
    made.append(cell);
    return made;
  });
  byId("tables").querySelector("tbody").replaceChildren(...rows, ...failed);
  byId("hint").textContent = note || "Choose a target: click, or Tab and ↑ ↓.";
  const { skipped } = status, details = byId("skipped");
  details.hidden = !skipped.length;
  details.querySelector("summary").textContent = `${skipped.length} passed over`;
  details.querySelector("ul").replaceChildren(...skipped.map(
    (one) => element("li", `${one.subject}: ${one.detail} (${one.reason})`),
  ));
  if (focused) document.querySelector(`tr[data-name="${CSS.escape(focused)}"] button`)?.focus();
}

function row(one) {
  const { status } = page.overview, key = name(one), made = element("tr");
  const button = element("button");
  button.append(...breakable(key, /(?<=[/:])/));
  button.type = "button";
  made.dataset.name = key;
  if (key === page.chosen) made.setAttribute("aria-current", "true");
  made.addEventListener("click", () => choose(key));
  made.append(
    cell(button, "target"), cell(bar(status.used[key]), "used"),
    cell(units(one), "units"), cell(budget(one), "left"),
    cell(dollars(one.usd_a_month), "usd"), cell(state(one, status.in_alarm.includes(key)), "state"),
  );
  return made;
}

// The parts of a name, between which a line may break.
function breakable(name, where) {
  return name.split(where).flatMap((part) => [part, element("wbr")]);
}

function cell(content, kind) {
  const made = element("td", "", kind);
  made.append(content);
  return made;
}

function bar(share) {
  const made = element("span", "", "bar");
  if (share === null || share === undefined) return element("span", "–");
  made.style.setProperty("--used", `${Math.min(100, share)}%`);
  made.classList.toggle("hot", share >= 100);
  made.append(element("span", `${Math.round(share)} %`));
  return made;
}

function units(one) {
  const move = one.desired === one.current ? "" : ` → ${text(one.desired)}`;
  return `${text(one.current)}${move}`;
}

// What is left of the day's decreases, and when the next one is allowed, if not now.
function budget(one) {
  const { decreases_left: left } = one.numbers, at = nextDecrease(one);
  if (typeof left !== "number") return "–";
  const made = element("span", String(left));
  if (at) made.append(element("span", ` from ${at}`, "note"));
  return made;
}

function nextDecrease({ numbers }) {
  const next = numbers.next_decrease_at ?? "";
  return next > page.overview.status.at ? next.slice(11, 16) : "";
}

function state(one, isInAlarm) {
  const made = element("span");
  if (isInAlarm) made.append(element("strong", "in ALARM", "alarm"), " ");
  if (one.dry_run) made.append(element("strong", "DRY RUN", "tag"), " ");
  made.append(...breakable(one.reason, /(?<=[a-z])(?=[A-Z])/));
  made.title = `${one.why} (${one.reason})`;
  return made;
}

function showPlan() {
  const { plan, writes, kind, plan_number: number } = page.overview;
  byId("changes").replaceChildren(...plan.changes.map((change) => {
    const made = element("li", change.text);
    made.append(element("div", change.why, "note"));
    return made;
  }));
  byId("sum").textContent = [plan.sum, plan.alarms && `Alarms: ${plan.alarms}.`].filter(Boolean).join(" ");
  byId("apply").hidden = !writes || !plan.actions;
  byId("apply").dataset.number = number;
  byId("apply").dataset.asks = kind !== "embedded";
}

async function showTarget() {
  const title = byId("target-title"), box = document.querySelector("#target .chart");
  if (!page.chosen) {
    title.textContent = "No target";
    byId("now").textContent = "";
    return;
  }
  const one = chosen(), move = one.desired === one.current ? "stays" : `→ ${text(one.desired)} units`;
  const next = nextDecrease(one), later = next && ` The next decrease is allowed from ${next} UTC on.`;
  byId("now").textContent = `Now ${text(one.current)} units; ${move}: ${one.why} (${one.reason}).${later}`;
  const key = page.chosen, wanted = new URLSearchParams({ ...ofChosen(), hours: byId("hours").value });
  const data = await ask(`target?${wanted}`);
  if (key !== page.chosen) return; // another one was chosen meanwhile
  title.textContent = key;
  page.events = data.has_logs ? data.events : null;
  if (page.chart) page.chart.update(data.chart, page.drawn !== key);
  else page.chart = new Chart(box, data.chart);
  page.drawn = key;
  showEvents();
}

function showEvents() {
  const body = byId("events").querySelector("tbody");
  if (page.events === null) {
    body.replaceChildren(line(["", "", "The decisions are in the logs of a stage: start with --stage NAME."]));
  } else if (!page.events.length) {
    body.replaceChildren(line(["", "", "Nothing was changed yet."]));
  } else {
    body.replaceChildren(...page.events.slice(0, page.shows).map(decision));
  }
  byId("more").hidden = page.events === null || page.events.length <= page.shows;
  byId("more").textContent = `Show all ${page.events?.length}`;
}

function decision(event) {
  const isToday = event.at.slice(0, 10) === page.overview.status.at.slice(0, 10);
  const at = isToday ? event.at.slice(11, 16) : event.at.slice(5, 16).replace("T", " ");
  if (event.kind === "failure") return line([at, event.function, event.message], "failed");
  const isRaise = event.desired > event.current, mode = event.dry_run ? "DRY RUN: " : "";
  if (event.kind === "mode") return line([at, event.to, `${mode}${event.why} (${event.reason}, ${event.function})`]);
  const move = `${isRaise ? "▲" : "▼"} ${text(event.current)} → ${text(event.desired)}`;
  const made = line([at, move, `${mode}${event.why} (${event.reason}, ${event.function})`]);
  made.children[1].className = isRaise ? "raised" : "lowered";
  return made;
}

function line(cells, kind = "") {
  const made = element("tr", "", kind);
  made.append(...cells.map((content) => element("td", content)));
  return made;
}

// Colours as the system has them, or as chosen: the one rule for dark holds always, or never.
function colour() {
  const chosen = byId("colours").value, media = { "": "(prefers-color-scheme: dark)", light: "not all", dark: "all" };
  for (const rule of [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])) {
    if (rule.cssText.includes("--page:") && rule.media) rule.media.mediaText = media[chosen];
  }
  document.documentElement.style.colorScheme = chosen;
  page.chart?.draw();
}

// what a person does

function choose(key) {
  page.chosen = key;
  page.shows = FEW;
  document.querySelectorAll("#tables tr[data-name]").forEach((one) => {
    if (one.dataset.name === key) one.setAttribute("aria-current", "true");
    else one.removeAttribute("aria-current");
  });
  return attempt(showTarget);
}

// Moves the focus in the tables, and shows what is focused.
function move(event) {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const buttons = [...document.querySelectorAll("#tables td button")];
  const at = buttons.indexOf(document.activeElement);
  if (!by || at < 0) return;
  event.preventDefault();
  const next = buttons[Math.min(buttons.length - 1, Math.max(0, at + by))];
  next.focus();
  choose(next.closest("tr").dataset.name);
}

function showPlay() {
  byId("play").textContent = page.isPlaying ? "❚❚ Pause" : "▶ Play the day";
}

async function play() {
  page.isPlaying = !page.isPlaying;
  showPlay();
  while (page.isPlaying) {
    await attempt(async () => { await ask("play", { minutes: STEP }); await refresh(); });
    const { minute, day } = page.overview;
    if (minute % day < STEP) page.isPlaying = false; // the day is over
  }
  showPlay();
}

async function send(event) {
  event.preventDefault();
  await attempt(async () => {
    const given = { text: byId("text").value, dry_run: byId("dry-run").checked };
    const answer = await ask("message", given);
    const lines = [...answer.staged, ...answer.lines];
    byId("answer").replaceChildren(...lines.map((content) => element("li", content)));
    await refresh();
  });
}

async function apply() {
  const button = byId("apply");
  if (button.dataset.asks === "true" && !confirm("Do this in the account?")) return;
  await attempt(async () => {
    const { done, left } = await ask("apply", { plan_number: Number(button.dataset.number) });
    await refresh();
    byId("applied").textContent = [...done, ...left].join("\n");
  });
}

async function load(event) {
  const factor = Number(event.target.dataset.factor);
  if (!factor) return;
  await attempt(async () => {
    await ask("load", { ...ofChosen(), factor, minutes: 20 });
    byId("answer").replaceChildren(element("li", `The load of ${page.chosen} is × ${factor} for 20 minutes.`));
  });
  if (!page.isPlaying) play();
}

async function sample() {
  await attempt(async () => {
    const { message } = await ask(`sample?${new URLSearchParams(ofChosen())}`);
    byId("text").value = JSON.stringify(message, null, 2);
  });
}

function listen() {
  const hour = () => attempt(async () => { await ask("play", { minutes: 60 }); await refresh(); });
  byId("refresh").addEventListener("click", () => attempt(refresh));
  byId("play").addEventListener("click", play);
  byId("hour").addEventListener("click", hour);
  byId("more").addEventListener("click", () => { page.shows = Infinity; showEvents(); });
  byId("message").addEventListener("submit", send);
  byId("apply").addEventListener("click", apply);
  byId("surge").addEventListener("click", load);
  byId("sample").addEventListener("click", sample);
  byId("tables").addEventListener("keydown", move);
  byId("filter").addEventListener("input", showTables);
  byId("colours").addEventListener("change", colour);
  byId("hours").addEventListener("change", () => { page.drawn = null; attempt(showTarget); });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("textarea, input[type=search]");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "r") attempt(refresh);
    if (event.key === "/" && !byId("filter").hidden) {
      event.preventDefault();
      byId("filter").focus();
    }
    if (event.key === "p" && page.overview?.kind === "embedded") play();
  });
}

listen();
attempt(refresh).then(() => {
  if (page.overview?.kind === "embedded" && page.overview.minute === 0) play();
});
