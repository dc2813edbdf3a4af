// Turns one region into its newer self in place: what is typed, focused, opened or scrolled stays as it is.
export function morph(old, text) {
  const parsed = document.createElement("template");
  parsed.innerHTML = text;
  children(old, parsed.content);
  old.dispatchEvent(new CustomEvent("roadworthy:morphed", { bubbles: true }));
}

const keeps = (one) => one.nodeType === Node.ELEMENT_NODE && one.hasAttribute("data-keep");
const blank = (one) => one.nodeType === Node.TEXT_NODE && !one.nodeValue.trim();
const same = (a, b) =>
  a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

// Children with an id are known by it wherever they stand, others by their place. What goes is taken out first:
// what is moved loses the focus, so as little as possible is.
function children(old, fresh) {
  const wantedIds = new Set([...fresh.children].map((one) => one.id).filter(Boolean));
  const byId = new Map();
  for (const one of [...old.childNodes]) {
    if (blank(one) || (one.id && !wantedIds.has(one.id) && !keeps(one))) one.remove();
    else if (one.id) byId.set(one.id, one);
  }
  let here = old.firstChild;
  const goesOn = () => {
    const next = here.nextSibling;
    here.remove();
    here = next;
  };
  for (const wanted of [...fresh.childNodes]) {
    while (here && keeps(here)) here = here.nextSibling;
    const known = wanted.id ? byId.get(wanted.id) : null;
    if (known) while (here && here !== known && !here.id && !keeps(here)) goesOn();
    else if (here?.nextSibling && !same(here, wanted) && !here.id && same(here.nextSibling, wanted) && !blank(wanted)) goesOn();
    const now = known ?? here;
    if (now && same(now, wanted) && !blank(wanted)) {
      if (now !== here) old.insertBefore(now, here);
      here = now.nextSibling;
      node(now, wanted);
    } else {
      if (known) {
        if (known === here) here = here.nextSibling;
        known.remove();
      }
      if (wanted.nodeType === Node.ELEMENT_NODE && wanted.matches("tr[data-row]")) wanted.classList.add("fresh");
      old.insertBefore(wanted, here);
    }
  }
  while (here) {
    if (keeps(here)) here = here.nextSibling;
    else goesOn();
  }
}

function node(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if (old.hasAttribute("data-keep")) return;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !kept(old, name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !kept(old, name)) old.setAttribute(name, value);
  }
  if (!old.matches("textarea, select")) children(old, fresh);
}

// What a person did to it is not the server's to undo.
function kept(old, name) {
  return name === "open" || name === "class" && old.classList.contains("fresh") || (old.matches("input, textarea, select") && name === "value")
    || (old.hasAttribute("data-bulk") && name === "hidden");
}
