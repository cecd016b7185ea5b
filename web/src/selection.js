// Rows chosen by their check boxes, and the bar of acts that appears for them.
export const rows = () => [...document.querySelectorAll("[data-queue] tbody tr[id]")];
export const cursorRow = () => document.querySelector("[data-queue] tr.cursor");
const box = (row) => row?.querySelector("input[type=checkbox]");

export function chosen() {
  return rows().filter((row) => box(row)?.checked);
}

export function choose(row, on) {
  const input = box(row);
  if (!input) return;
  input.checked = on ?? !input.checked;
  show();
}

export function show() {
  const bar = document.querySelector("[data-bulk]");
  if (!bar) return;
  const count = chosen().length;
  bar.hidden = count === 0;
  bar.querySelectorAll("[data-count]").forEach((element) => {
    element.textContent = String(count);
  });
  const all = document.querySelector("[data-choose-all]");
  if (all) {
    all.checked = count > 0 && count === rows().length;
    all.indeterminate = count > 0 && count < rows().length;
  }
}

export function moveCursor(step, extend = false) {
  const all = rows();
  if (!all.length) return null;
  const at = all.findIndex((row) => row.classList.contains("cursor"));
  const next = all[Math.min(all.length - 1, Math.max(0, at + step))];
  if (extend && at >= 0) choose(all[at], true);
  all.forEach((row) => row.classList.remove("cursor"));
  next.classList.add("cursor");
  next.scrollIntoView({ block: "nearest" });
  if (extend) choose(next, true);
  return next;
}

export function keepSelection() {
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-choose-all]")) {
      rows().forEach((row) => choose(row, event.target.checked));
    } else if (event.target.closest("[data-queue]")) {
      show();
    }
  });
  document.querySelectorAll("[data-submit-on-change]").forEach((element) => {
    element.addEventListener("change", () => element.form?.requestSubmit());
  });
  show();
}
