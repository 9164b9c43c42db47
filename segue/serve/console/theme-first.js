// Not a module, so that it runs before the first paint: a page chosen dark must not flash white.
try {
  document.documentElement.dataset.theme = localStorage.getItem("segue-theme") ?? "auto";
} catch {
  document.documentElement.dataset.theme = "auto"; // storage is switched off
}
