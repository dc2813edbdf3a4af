// The page of one review: what is typed is kept and compared, who is at work is told, the form is sent in place.
import { differences } from "./diff.js";
import { Draft } from "./drafts.js";
import { morph } from "./morph.js";

const CLAIM_SECONDS = 60;
const CLAIM_AGAIN_MS = 20_000;
const CONTEXT = 160;
const form = document.querySelector("form[data-review]");
const csrf = () => document.querySelector("meta[name=csrf]").content;
const one = (selector) => form.querySelector(selector);
const inputs = () => [...form.querySelectorAll("[data-field], #note")];
const isOpen = () => form.dataset.open !== undefined;

const valueOf = (input) => (input.type === "checkbox" ? input.checked : input.value);

function originalOf(input) {
  if (input.dataset.original !== undefined) return input.type === "checkbox" ? input.dataset.original === "on" : input.dataset.original;
  if (input.type === "checkbox") return input.defaultChecked;
  if (input.tagName === "SELECT") return ([...input.options].find((option) => option.defaultSelected) ?? input.options[0]).value;
  return input.id === "note" ? "" : input.defaultValue;
}

const changed = () => inputs().filter((input) => input.id !== "note" && valueOf(input) !== originalOf(input));

function showChanges() {
  const parts = [];
  for (const input of changed()) {
    const name = document.createElement("h3");
    name.textContent = input.dataset.field;
    const text = document.createElement("p");
    const said = (value) => (value === true ? "yes" : value === false ? "no" : value);
    const found = differences(said(originalOf(input)), said(valueOf(input)));
    text.append(...found.map(([kind, words], at) => {
      if (kind === "same") return shortened(words, at === 0, at === found.length - 1);
      const element = document.createElement(kind);
      element.textContent = words;
      return element;
    }));
    parts.push(name, text);
  }
  const place = one("#diff");
  place.replaceChildren(...parts);
  place.hidden = !parts.length;
  const asis = one("[data-asis]");
  if (asis && parts.length) asis.dataset.confirm = "Decide on the answer as it was, and leave your edit out?";
  else if (asis) delete asis.dataset.confirm;
}

function shortened(words, isFirst, isLast) {
  if (words.length <= 2 * CONTEXT) return words;
  const head = isFirst ? "" : words.slice(0, CONTEXT);
  const tail = isLast ? "" : words.slice(-CONTEXT);
  return `${head} … ${tail}`;
}

function trouble(text) {
  const place = one("#trouble");
  if (!place) return;
  place.textContent = text;
  place.hidden = !text;
}

function begin(draft) {
  let comparing = 0;
  const typed = () => inputs().some((input) => valueOf(input) !== originalOf(input));
  const all = () => Object.fromEntries(inputs().map((input) => [input.name, valueOf(input)]));
  const tell = () => { one("#discard").hidden = !typed(); };

  form.addEventListener("input", () => {
    if (!isOpen()) return;
    trouble("");
    draft.save(typed() ? all() : null);
    cancelAnimationFrame(comparing);
    comparing = requestAnimationFrame(showChanges);
    tell();
  });
  one("#discard").addEventListener("click", () => {
    for (const input of inputs()) put(input, originalOf(input));
    draft.save(null);
    one("#draft").textContent = "";
    showChanges();
    tell();
  });
  const kept = draft.kept();
  if (form.dataset.said !== undefined) draft.forget();
  else if (kept && inputs().some((input) => input.name in kept.fields && kept.fields[input.name] !== valueOf(input))) {
    for (const input of inputs()) if (input.name in kept.fields) put(input, kept.fields[input.name]);
    one("#draft").textContent = "What you wrote before is back";
    if (isOpen()) draft.save(all());
  }
  showChanges();
  tell();
  addEventListener("online", () => draft.send());
  addEventListener("pagehide", () => draft.send());
}

function put(input, value) {
  if (input.type === "checkbox") input.checked = value === true;
  else input.value = String(value);
}

async function send(button, draft) {
  const body = new URLSearchParams(new FormData(form));
  body.set("verdict", button.value);
  let answer;
  try {
    answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { "X-Fragment": "work" } });
  } catch {
    trouble("Not sent: there is no connection. What you wrote is kept on this device.");
    return;
  }
  if (answer.status === 201) {
    draft.forget();
    location.assign(answer.headers.get("Location"));
    return true;
  }
  if (answer.headers.get("Content-Type")?.startsWith("text/html")) {
    morph(document.getElementById("work"), await answer.text());
    showChanges();
    document.querySelector("#faults, #outcome")?.focus();
    return;
  }
  const problem = await answer.json().catch(() => ({}));
  trouble(`Not sent: ${problem.detail ?? "the service did not take it"} What you wrote is kept.`);
}

function listen(draft) {
  let busy = false;
  document.addEventListener("submit", async (event) => {
    if (event.target !== form || event.defaultPrevented) return;
    event.preventDefault();
    if (busy) return;
    const button = event.submitter;
    const note = one("#note");
    delete form.dataset.sending;
    if (button.dataset.needsNote !== undefined && !note.value.trim()) {
      note.focus();
      note.dataset.sends = button.value;
      one("#note-told").textContent = "say why, then Ctrl+Enter";
      return;
    }
    if (button.dataset.sendEdit !== undefined && !changed().length) {
      trouble("Nothing is changed: approve it as it is, or edit it first.");
      return;
    }
    busy = true;
    trouble("");
    busy = Boolean(await send(button, draft));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !isOpen()) return;
    if (document.querySelector("dialog[open]")) return;
    event.preventDefault();
    const note = one("#note");
    const isReason = document.activeElement === note && note.dataset.sends;
    const button = isReason ? one("[data-needs-note]") : one("[data-hotkey='Ctrl+Enter']");
    form.requestSubmit(button);
  });
  form.addEventListener("click", (event) => {
    if (!event.target.closest("[data-edit]")) return;
    event.preventDefault();
    one("[data-field]").focus();
  });
}

function claims() {
  const address = `/v1/reviews/${form.dataset.review}`;
  const post = (what, body, keepalive = false) =>
    fetch(`${address}/${what}`, {
      method: "POST",
      keepalive,
      headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf() },
      body: JSON.stringify(body),
    }).catch(() => {}); // without a connection the claim ends by itself
  const claim = () => {
    if (!document.hidden && isOpen() && navigator.onLine) post("claim", { seconds: CLAIM_SECONDS });
  };
  claim();
  setInterval(claim, CLAIM_AGAIN_MS);
  document.addEventListener("visibilitychange", claim);
  addEventListener("pagehide", () => {
    if (isOpen()) post("release", {}, true);
  });
}

if (form) {
  const draft = new Draft(form, csrf, (text) => { one("#draft").textContent = text; });
  begin(draft);
  listen(draft);
  claims();
}
