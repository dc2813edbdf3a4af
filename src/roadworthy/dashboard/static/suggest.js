// A filter that is typed: names of fields first, then what a field may say. Works by arrows, Enter, Tab and pointer.
for (const place of document.querySelectorAll("[data-suggest]")) {
  const input = place.querySelector("input");
  const known = JSON.parse(place.dataset.suggest);
  const list = document.createElement("ul");
  list.className = "suggestions";
  list.id = "suggestions";
  list.role = "listbox";
  list.ariaLabel = "Suggestions";
  list.hidden = true;
  place.append(list);
  input.role = "combobox";
  input.ariaAutoComplete = "list";
  input.ariaExpanded = "false";
  input.setAttribute("aria-controls", list.id);
  let at = -1;

  const word = () => {
    const before = input.value.slice(0, input.selectionStart);
    return before.slice(before.lastIndexOf(" ") + 1);
  };

  function choices() {
    const typed = word();
    const [name, value] = typed.includes(":") ? typed.split(/:(.*)/s) : [typed, null];
    if (value === null) {
      return Object.entries(known)
        .filter(([one]) => one.startsWith(name))
        .map(([one, field]) => ({ text: `${one}:`, said: field.said }));
    }
    return (known[name]?.values ?? [])
      .filter((one) => one.startsWith(value) && one !== value)
      .slice(0, 12)
      .map((one) => ({ text: `${name}:${/\s/.test(one) ? `"${one}"` : one} `, said: "" }));
  }

  function show() {
    const found = document.activeElement === input ? choices() : [];
    at = -1;
    list.replaceChildren(
      ...found.map((one, number) => {
        const item = document.createElement("li");
        item.id = `suggestion-${number}`;
        item.role = "option";
        item.ariaSelected = "false";
        item.textContent = one.text;
        const said = document.createElement("span");
        said.textContent = one.said;
        item.append(said);
        item.dataset.text = one.text;
        item.addEventListener("mousedown", (event) => {
          event.preventDefault();
          take(one.text);
        });
        return item;
      }),
    );
    list.hidden = !found.length;
    input.ariaExpanded = String(!list.hidden);
    input.removeAttribute("aria-activedescendant");
  }

  function take(text) {
    const end = input.selectionStart;
    const start = end - word().length;
    input.value = input.value.slice(0, start) + text + input.value.slice(end);
    input.selectionStart = input.selectionEnd = start + text.length;
    show();
  }

  function mark(by) {
    const items = [...list.children];
    items[at]?.setAttribute("aria-selected", "false");
    at = (at + by + items.length) % items.length;
    items[at].setAttribute("aria-selected", "true");
    items[at].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", items[at].id);
  }

  input.addEventListener("input", show);
  input.addEventListener("focus", show);
  input.addEventListener("blur", show);
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      mark(event.key === "ArrowDown" ? 1 : at < 0 ? 0 : -1);
    } else if ((event.key === "Enter" || event.key === "Tab") && at >= 0) {
      event.preventDefault();
      take(list.children[at].dataset.text);
    } else if (event.key === "Escape") {
      event.preventDefault();
      list.hidden = true;
      input.ariaExpanded = "false";
    }
  });
}
