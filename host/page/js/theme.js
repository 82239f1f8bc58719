// Before the first paint, so that nothing flashes: the theme that was chosen here, else the system's.
try {
  const chosen = localStorage.getItem("kitaru-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // No storage, no choice.
}
