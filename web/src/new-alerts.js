// "12 new alerts": asked every five seconds while the page is looked at; the list itself never moves by itself.
export function watchNewAlerts() {
  const chip = document.querySelector("[data-new-alerts]");
  if (!chip) return;
  const ask = async () => {
    if (document.hidden) return;
    const answer = await fetch(chip.dataset.newAlerts, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const { count, text } = await answer.json();
    chip.hidden = count === 0;
    chip.querySelector("[data-text]").textContent = text;
  };
  const quietly = () => ask().catch(() => undefined); // the desk may be starting again: ask later
  setInterval(quietly, 5000);
  document.addEventListener("visibilitychange", quietly);
}
