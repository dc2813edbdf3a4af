// A button beside each text that is there to be copied; browsers let only safe pages do so.
if (navigator.clipboard) {
  for (const place of document.querySelectorAll("[data-copy]")) {
    const text = place.textContent;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    });
    place.append(button);
  }
}
