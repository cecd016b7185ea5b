// The detail beside the list: filled by htmx, closed by Esc, focus goes back to its row.
import { cursorRow, rows } from "./selection.js";

export const flyout = () => document.querySelector("#flyout");
export const isOpen = () => Boolean(flyout()?.querySelector("[data-detail]"));

function pageAddress(key) {
  const address = new URL(location.href);
  if (key) address.searchParams.set("open", key);
  else address.searchParams.delete("open");
  return address;
}

export function openRow(row) {
  row?.querySelector("a[data-open]")?.click();
}

export function closeFlyout() {
  const pane = flyout();
  if (!pane) return;
  pane.replaceChildren();
  pane.hidden = true;
  history.replaceState(null, "", pageAddress(null));
  rows().forEach((row) => row.removeAttribute("aria-selected"));
  cursorRow()?.querySelector("a[data-open]")?.focus();
}

export function keepFlyout() {
  document.addEventListener("click", (event) => {
    const closing = event.target.closest?.("[data-close-flyout]");
    if (closing) {
      event.preventDefault();
      closeFlyout();
      return;
    }
    const opening = event.target.closest?.("a[data-open]");
    if (!opening || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const row = opening.closest("tr");
    rows().forEach((other) => {
      other.classList.toggle("cursor", other === row);
      other.toggleAttribute("aria-selected", other === row);
    });
    row?.setAttribute("aria-selected", "true");
    flyout()?.removeAttribute("hidden");
    history.replaceState(null, "", pageAddress(opening.dataset.open));
  });
}
