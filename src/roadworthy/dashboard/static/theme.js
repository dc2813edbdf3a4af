// Light, dark, or as the browser has it; the choice is kept in a cookie so that pages arrive in it.
const root = document.documentElement;

document.getElementById("theme")?.addEventListener("click", () => {
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `roadworthy_theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax${secure}`;
});
