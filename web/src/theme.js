// Light or dark at once; the choice is kept by the same form that serves without scripts.
export function keepTheme() {
  const root = document.documentElement;
  document.querySelectorAll("form[data-theme-form]").forEach((form) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const dark = root.dataset.theme
        ? root.dataset.theme === "dark"
        : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      const choice = new FormData(form);
      choice.set("theme", root.dataset.theme);
      fetch(form.action, { method: "POST", body: new URLSearchParams(choice), headers: { "HX-Request": "true" } });
    });
  });
}
