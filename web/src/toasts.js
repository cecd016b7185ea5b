// The result of an act stays for 30 seconds, as long as it can be undone.
export function keepToasts() {
  document.querySelectorAll(".toast[data-until-seconds]").forEach((toast) => {
    setTimeout(() => toast.remove(), Number(toast.dataset.untilSeconds) * 1000);
  });
}
