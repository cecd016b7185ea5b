// Keys of the console. Single keys are off while typing and can be switched off in the profile.
import { closeFlyout, isOpen, openRow } from "./flyout.js";
import { choose, chosen, cursorRow, moveCursor } from "./selection.js";

const PLACES = { h: "/", a: "/alerts", c: "/cases", s: "/search", d: "/collection" };
const help = () => document.querySelector("[data-help-dialog]");
const typing = (target) => Boolean(target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]"));

/** The act's button of the open detail, else of the chosen rows, else of the row under the cursor. */
function act(name) {
  const inDetail = document.querySelector(`[data-detail] [data-act="${name}"]`);
  if (inDetail) {
    inDetail.click();
    return;
  }
  if (!chosen().length) choose(cursorRow(), true);
  if (chosen().length) document.querySelector(`[data-bulk] [data-act="${name}"]`)?.click();
}

/** Moves to the reason box with "false positive" chosen; does not submit. */
function askWhyFalse() {
  if (!document.querySelector("[data-detail]")) return;
  const disposition = document.querySelector("[data-detail] [name=disposition]");
  if (!disposition) return;
  disposition.closest("details")?.setAttribute("open", "");
  disposition.value = "false_positive";
  document.querySelector("[data-detail] [name=reason]")?.focus();
}

function step(direction) {
  const link = document.querySelector(direction > 0 ? "a[rel=next]" : "a[rel=prev]");
  if (link) link.click();
  else if (isOpen()) openRow(moveCursor(direction));
}

function setHelp(open) {
  const dialog = help();
  if (!dialog) return;
  dialog.hidden = !open;
  if (open) dialog.querySelector("button")?.focus();
}

const SINGLE_KEYS = {
  j: () => moveCursor(1),
  k: () => moveCursor(-1),
  J: () => moveCursor(1, true),
  K: () => moveCursor(-1, true),
  x: () => choose(cursorRow()),
  a: () => act("acknowledge"),
  m: () => act("assign-me"),
  e: () => act("escalate"),
  f: askWhyFalse,
  n: () => step(1),
  p: () => step(-1),
  u: () => document.querySelector("[data-act=undo]")?.click(),
  "/": () => document.querySelector("input[type=search]")?.focus(),
  "?": () => setHelp(true),
};

export function listenToKeys() {
  let waitingForPlace = false;
  document.querySelectorAll("[data-help]").forEach((b) => b.addEventListener("click", () => setHelp(true)));
  document.querySelectorAll("[data-help-close]").forEach((b) => b.addEventListener("click", () => setHelp(false)));

  addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      if (help() && !help().hidden) setHelp(false);
      else if (typing(event.target)) event.target.blur();
      else if (isOpen()) closeFlyout();
      return;
    }
    if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter") {
      if (!event.target.closest("a, button, summary, input")) openRow(cursorRow());
      return;
    }
    if (document.body.dataset.singleKeys === "off") return;
    if (waitingForPlace) {
      waitingForPlace = false;
      if (PLACES[event.key]) location.href = PLACES[event.key];
      return;
    }
    if (event.key === "g") {
      waitingForPlace = true;
      setTimeout(() => {
        waitingForPlace = false;
      }, 1200);
      return;
    }
    const run = SINGLE_KEYS[event.key];
    if (!run) return;
    event.preventDefault();
    run();
  });
}
