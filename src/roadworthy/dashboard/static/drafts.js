// What somebody has typed and not sent: kept in this browser at once, on the server soon after; the newest wins.
// A draft is {at, fields: {name: text or true/false}}; `at` is in the server's time, so that two devices agree.
const START = "roadworthy:draft:";
const SAVE_AFTER_MS = 800;
const MOST_KEPT_ALIVE = 20_000; // a browser sends 64 KB at most for a page that is gone
const KEPT_MS = 30 * 86_400_000;

export class Draft {
  constructor(form, csrf, tell) {
    this.key = `${START}${form.dataset.person}:${form.dataset.review}`;
    this.address = `/v1/reviews/${form.dataset.review}/draft`;
    this.ahead = Number(form.dataset.now) - Date.now();
    this.onServer = JSON.parse(form.dataset.draft);
    this.csrf = csrf;
    this.tell = tell;
    this.timer = 0;
    this.unsaved = false;
  }

  now() {
    return Date.now() + this.ahead;
  }

  // The newest of what this browser and the server keep; null without any.
  kept() {
    const here = read(this.key);
    const there = this.onServer?.fields ? this.onServer : null;
    if (here && (!there || here.at >= there.at)) return here;
    return there;
  }

  save(fields) {
    const draft = fields && { at: this.now(), fields };
    try {
      if (draft) localStorage.setItem(this.key, JSON.stringify(draft));
      else localStorage.removeItem(this.key);
    } catch {
      // A full or forbidden storage leaves the server's copy.
    }
    this.latest = draft;
    this.unsaved = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), SAVE_AFTER_MS);
  }

  async send() {
    clearTimeout(this.timer);
    if (!this.unsaved) return;
    const draft = this.latest;
    const body = JSON.stringify({ draft });
    try {
      const answer = await fetch(this.address, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRF-Token": this.csrf() },
        body,
        keepalive: body.length < MOST_KEPT_ALIVE,
      });
      if (!answer.ok) throw new Error(String(answer.status));
      if (this.latest === draft) this.unsaved = false;
      this.tell(draft ? "Draft saved" : "");
    } catch {
      this.tell(draft ? "Draft kept on this device only" : "");
    }
  }

  forget() {
    clearTimeout(this.timer);
    this.unsaved = false;
    localStorage.removeItem(this.key);
  }
}

function read(key) {
  try {
    const draft = JSON.parse(localStorage.getItem(key));
    return draft?.fields ? draft : null;
  } catch {
    return null;
  }
}

// Old drafts go by themselves, and all of them with whoever signs out.
function sweep(isOver) {
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith(START) && isOver(read(key))) localStorage.removeItem(key);
  }
}
sweep((draft) => !draft || draft.at < Date.now() - KEPT_MS);
document.addEventListener("submit", (event) => {
  if (event.target.getAttribute("action") === "/sign-out") sweep(() => true);
});
