// Lists with boxes: one for each row, one for all of them, and a bar of what can be done with the chosen.
function count(form) {
  const boxes = [...form.querySelectorAll("[data-select]")];
  const chosen = boxes.filter((one) => one.checked).length;
  const bar = form.querySelector("[data-bulk]");
  if (!bar) return;
  bar.hidden = !chosen;
  bar.querySelector("[data-bulk-count]").textContent = `${chosen} selected`;
  const all = form.querySelector("[data-select-all]");
  all.checked = chosen === boxes.length;
  all.indeterminate = chosen > 0 && chosen < boxes.length;
}

document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (!form) return;
  if (event.target.matches("[data-select-all]")) {
    for (const one of form.querySelectorAll("[data-select]")) one.checked = event.target.checked;
    count(form);
  } else if (event.target.matches("[data-select]")) count(form);
});
document.addEventListener("roadworthy:morphed", () => {
  for (const form of document.querySelectorAll("form:has([data-select])")) count(form);
});
