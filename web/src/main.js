// The console's behaviour. Every page works without it, where a page can.
import "htmx.org";
import { keepClocks } from "./clocks.js";
import { keepFlyout } from "./flyout.js";
import { listenToKeys } from "./keyboard.js";
import { watchNewAlerts } from "./new-alerts.js";
import { keepSelection } from "./selection.js";
import { keepTheme } from "./theme.js";
import { keepToasts } from "./toasts.js";

keepTheme();
keepClocks();
keepSelection();
keepFlyout();
keepToasts();
watchNewAlerts();
// htmx makes the page its own in a timer of its own; a key pressed before that would follow the plain link.
setTimeout(() => {
  listenToKeys();
  document.documentElement.dataset.ready = "";
});
