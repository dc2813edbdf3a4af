// Asks before what cannot be undone, and sends no form twice.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  const asks = form.querySelector("[data-asks]:checked")?.dataset.asks;
  const question = event.submitter?.dataset.confirm || asks || form.dataset.confirm;
  if (question && !form.dataset.agreed) {
    event.preventDefault();
    if (await agreed(question, event.submitter)) {
      form.dataset.agreed = "yes";
      form.requestSubmit(event.submitter);
    }
    return;
  }
  delete form.dataset.agreed;
  if (form.method === "get") return;
  if (form.dataset.sending) {
    event.preventDefault();
    return;
  }
  form.dataset.sending = "yes";
});
// Back in the browser's history a page comes as it was left.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sending]")) delete form.dataset.sending;
});

export function agreed(question, button) {
  return new Promise((resolve) => {
    const dialog = document.createElement("dialog");
    const text = document.createElement("p");
    text.textContent = question;
    text.id = "question";
    dialog.setAttribute("aria-labelledby", "question");
    const row = document.createElement("div");
    row.className = "actions";
    const yes = document.createElement("button");
    yes.className = "primary";
    yes.textContent = button?.dataset.verb || button?.textContent.trim() || "Yes";
    yes.addEventListener("click", () => dialog.close("yes"));
    const no = document.createElement("button");
    no.textContent = "Keep as it is";
    no.autofocus = true;
    no.addEventListener("click", () => dialog.close("no"));
    row.append(yes, no);
    dialog.append(text, row);
    dialog.addEventListener("close", () => {
      dialog.remove();
      button?.focus();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
