// Keys: whatever carries data-hotkey is pressed (or focused, when it is a field) by it, outside of fields.
// "g r" is two keys in a row; j and k move over rows, Enter opens one; ? lists what the page knows.
const PAUSE_MS = 1200;
let first = "";
let timer = 0;

export function inField(target) {
  return target instanceof Element && target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
}

const visible = (one) => one.getClientRects().length > 0 && !one.disabled;
const find = (key) => [...document.querySelectorAll(`[data-hotkey="${CSS.escape(key)}"]`)].find(visible);

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && inField(event.target)) {
    event.target.blur();
    return;
  }
  if (inField(event.target) || document.querySelector("dialog[open]")) return;
  const pressed = first ? `${first} ${event.key}` : event.key;
  first = "";
  clearTimeout(timer);
  const found = find(pressed);
  if (found) {
    event.preventDefault();
    if (found.matches("input, textarea, select")) {
      found.focus();
      found.select?.();
    } else found.click();
  } else if (document.querySelector(`[data-hotkey^="${CSS.escape(event.key)} "]`)) {
    first = event.key;
    timer = setTimeout(() => { first = ""; }, PAUSE_MS);
  } else if (event.key === "j" || event.key === "k") {
    move(event.key === "j" ? 1 : -1);
  }
});

function move(by) {
  const links = [...document.querySelectorAll("[data-row-link]")].filter(visible);
  if (!links.length) return;
  const now = links.indexOf(document.activeElement);
  links[Math.min(links.length - 1, Math.max(0, now < 0 ? (by > 0 ? 0 : links.length - 1) : now + by))].focus();
}

document.getElementById("help")?.addEventListener("click", () => {
  const dialog = document.createElement("dialog");
  const title = document.createElement("h2");
  title.textContent = "Keys";
  const list = document.createElement("dl");
  list.className = "facts";
  const add = (key, text) => {
    const term = document.createElement("dt");
    const shown = document.createElement("kbd");
    shown.textContent = key;
    term.append(shown);
    const said = document.createElement("dd");
    said.textContent = text;
    list.append(term, said);
  };
  for (const one of document.querySelectorAll("[data-hotkey]")) {
    if (!visible(one) || one.id === "help") continue;
    const shown = one.cloneNode(true);
    for (const part of shown.querySelectorAll("kbd, .count")) part.remove();
    add(one.dataset.hotkey, one.ariaLabel || one.dataset.keyName || shown.textContent.trim());
  }
  if (document.querySelector("[data-row-link]")) add("j / k", "Next and previous row; Enter opens it");
  add("Esc", "Leave a field, close this");
  const close = document.createElement("button");
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.append(title, list, close);
  dialog.setAttribute("aria-label", "Keys");
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
});
