// Text that is there to be copied: a button of the page does so (data-copy names its place), or one is added
// beside it (data-copies). What is shown once also leaves the history: loading the page again asks for the list.
async function copy(place, button) {
  const text = place.dataset.copies ?? place.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Without https there is no clipboard for pages: mark it, so that the keys copy it.
    getSelection().selectAllChildren(place);
    button.textContent = "Marked: press Ctrl+C";
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(document.getElementById(button.dataset.copy), button));
}
for (const place of document.querySelectorAll("[data-copies]")) {
  place.dataset.copies = place.textContent;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", () => copy(place, button));
  place.append(button);
}
const once = document.querySelector("[data-once]");
if (once) history.replaceState(null, "", once.dataset.once);
