// Keeps "3 min ago" true while the page stays open.
const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

export function ago(then, now = Date.now()) {
  const distance = Math.abs(now - then) / 1000;
  for (const [size, name] of units) {
    if (distance >= size) {
      const span = `${Math.floor(distance / size)} ${name}`;
      return then <= now ? `${span} ago` : `in ${span}`;
    }
  }
  return "now";
}

setInterval(() => {
  for (const one of document.querySelectorAll("time[data-ago]")) {
    const text = ago(Date.parse(one.dateTime));
    if (one.textContent !== text) one.textContent = text;
  }
}, 10_000);
