// Deadlines and the wall clock count on the reader's own screen, from times the server gave.
const pad = (n) => String(n).padStart(2, "0");

function hoursAndMinutes(milliseconds) {
  const minutes = Math.floor(Math.abs(milliseconds) / 60000);
  return `${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
}

export function keepClocks() {
  const skew = Number(document.body.dataset.now || Date.now()) - Date.now(); // server minus screen
  const tick = () => {
    const now = Date.now() + skew;
    document.querySelectorAll("[data-due]").forEach((element) => {
      element.textContent = hoursAndMinutes(Date.parse(element.dataset.due) - now);
    });
    document.querySelectorAll("[data-since]").forEach((element) => {
      element.textContent = hoursAndMinutes(now - Date.parse(element.dataset.since));
    });
    document.querySelectorAll("[data-wall]").forEach((element) => {
      const local = new Date(now + Number(element.dataset.wall) * 60000);
      element.textContent = `${pad(local.getUTCHours())}:${pad(local.getUTCMinutes())}`;
    });
  };
  tick();
  setInterval(tick, 15000);
}
