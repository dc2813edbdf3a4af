// Turns one region into its newer self in place: what is typed, focused, opened or scrolled stays as it is.
export function morph(old, text) {
  const parsed = document.createElement("template");
  parsed.innerHTML = text;
  children(old, parsed.content);
  old.dispatchEvent(new CustomEvent("roadworthy:morphed", { bubbles: true }));
}

const same = (a, b) =>
  a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

const blank = (one) => one.nodeType === Node.TEXT_NODE && !one.nodeValue.trim();

function children(old, fresh) {
  const byId = new Map();
  const stays = new Set();
  for (const one of old.children) if (one.id) byId.set(one.id, one);
  for (const one of fresh.children) if (byId.has(one.id)) stays.add(byId.get(one.id));
  let here = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const known = wanted.id ? byId.get(wanted.id) : null;
    // What is moved loses the focus: rather take out what stands before it and goes anyway.
    while (known && here && here !== known && !stays.has(here) && !here.hasAttribute?.("data-keep")) here = without(here);
    if (known && known !== here) old.insertBefore(known, here);
    if (!known && here?.nextSibling && blank(here) && !same(here, wanted) && same(here.nextSibling, wanted)) here = without(here);
    const now = known ?? here;
    if (now && same(now, wanted)) {
      here = now.nextSibling;
      node(now, wanted);
    } else {
      if (wanted.nodeType === Node.ELEMENT_NODE && wanted.matches("tr[data-row]")) wanted.classList.add("fresh");
      old.insertBefore(wanted, here);
    }
  }
  while (here) {
    const next = here.nextSibling;
    if (!(here.nodeType === Node.ELEMENT_NODE && here.hasAttribute("data-keep"))) here.remove();
    here = next;
  }
}

function without(one) {
  const next = one.nextSibling;
  one.remove();
  return next;
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
