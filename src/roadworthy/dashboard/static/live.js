// Live regions: the stream says that something changed, the region is fetched again and morphed in place.
//
//   <section data-live="run review" data-block="rows" data-hold>   topics ("run:run_01…" for one thing), Jinja block
//
// A link with data-swap in a region changes the address and fetches the region again, in place of the page.
// With data-hold a region stands still while the pointer or the keyboard is on it, and says how much is new.
// The stream is closed while nobody sees the page: browsers give one host few connections.
import { morph } from "./morph.js";

const GATHER_MS = 250;
const AGAIN_MS = [1000, 2000, 5000, 10_000, 30_000];
const sign = document.getElementById("live");
const regions = [...document.querySelectorAll("[data-live]")].map((place) => ({
  place,
  topics: place.dataset.live.split(/\s+/),
  changed: new Set(),
  timer: 0,
  busy: false,
}));
sign.hidden = !regions.length;
let source = null;
let failures = 0;
let reopening = 0;

function tell(state, text) {
  sign.dataset.state = state;
  if (sign.textContent !== text) sign.textContent = text;
}

const isUsed = ({ place }) => place.dataset.hold !== undefined && (place.matches(":hover") || place.contains(document.activeElement));

function note(topic, id) {
  for (const region of regions) {
    if (!region.topics.some((one) => one === topic || one === `${topic}:${id}`)) continue;
    region.changed.add(id);
    clearTimeout(region.timer);
    region.timer = setTimeout(() => settle(region), GATHER_MS);
  }
}

function settle(region) {
  if (!region.changed.size) return;
  if (isUsed(region)) hold(region);
  else refresh(region);
}

function hold(region) {
  let button = region.place.querySelector(":scope > .held");
  if (!button) {
    button = document.createElement("button");
    button.type = "button";
    button.className = "held";
    button.dataset.keep = "";
    button.dataset.hotkey = ".";
    button.dataset.keyName = "Show what is new";
    button.addEventListener("click", () => refresh(region));
    region.place.prepend(button);
  }
  button.textContent = `${region.changed.size} changed: show`;
}

export async function refresh(region) {
  if (region.busy) return;
  region.busy = true;
  const count = region.changed.size;
  const address = location.href;
  try {
    const answer = await fetch(address, { headers: { "X-Fragment": region.place.dataset.block } });
    if (answer.status === 401) {
      tell("lost", "Signed out");
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    if (address !== location.href) return; // somebody went on in the meantime: that is fetched next
    if (region.changed.size === count) region.changed.clear();
    region.place.querySelector(":scope > .held")?.remove();
    morph(region.place, text);
  } catch {
    tell("lost", "Not connected");
  } finally {
    region.busy = false;
    if (region.changed.size) region.timer = setTimeout(() => settle(region), GATHER_MS);
  }
}

for (const region of regions) {
  const left = () => setTimeout(() => settle(region), GATHER_MS);
  region.place.addEventListener("pointerleave", left);
  region.place.addEventListener("focusout", left);
}

function open() {
  if (!regions.length || source) return;
  source = new EventSource(document.body.dataset.events);
  source.onopen = () => {
    if (failures) for (const region of regions) refresh(region);
    failures = 0;
    tell("live", "Live");
  };
  for (const topic of ["run", "step", "review"]) {
    source.addEventListener(`${topic}.changed`, (event) => note(topic, JSON.parse(event.data).id));
  }
  source.addEventListener("reload", () => regions.forEach(refresh));
  source.addEventListener("closing", (event) => {
    close();
    const ended = JSON.parse(event.data).reason === "the run has ended"; // then there is nothing to come
    tell("off", ended ? "Ended" : "Not live");
    if (!ended) again();
  });
  source.onerror = () => {
    close();
    tell("lost", "Not connected");
    again();
  };
}

function again() {
  clearTimeout(reopening);
  reopening = setTimeout(open, AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)]);
  failures += 1;
}

function close() {
  source?.close();
  source = null;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(reopening);
    close();
  } else if (!source && regions.length) {
    for (const region of regions) refresh(region);
    open();
  }
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-swap]");
  const region = link && regions.find(({ place }) => place.contains(link));
  if (!region || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  swap(region);
});
let shown = location.pathname + location.search;
addEventListener("popstate", () => {
  if (shown !== location.pathname + location.search) regions.forEach(swap);
});

async function swap(region) {
  const address = location.href;
  shown = location.pathname + location.search;
  region.changed.add("address");
  await refresh(region);
  if (region.changed.size && !region.busy && sign.dataset.state === "lost") location.assign(address);
}

for (const place of document.querySelectorAll("[data-scroll]")) {
  place.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}
open();
