/** The keyboard on the search page: arrows walk from the box through the titles and back. */
import { useEffect } from "./vendor/preact-htm.js";

const BOX = "#query";
const TITLES = ".result .title";

/** Focus the search box and select its text; false when this page has none. */
export function focusSearch() {
  const box = document.querySelector(BOX);
  box?.focus();
  box?.select();
  return Boolean(box);
}

export function useArrowKeys() {
  useEffect(() => {
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.defaultPrevented) return;
      if (event.key === "ArrowDown" && step(event.target, 1)) event.preventDefault();
      if (event.key === "ArrowUp" && step(event.target, -1)) event.preventDefault();
      if (event.key === "Escape" && event.target.closest(".result")) focusSearch();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

/** Move the focus `by` one title; false where arrows should scroll as ever. */
function step(from, by) {
  const titles = [...document.querySelectorAll(TITLES)];
  const place = titles.indexOf(from.closest(".result")?.querySelector(".title"));
  if (place < 0 && !from.matches(BOX)) return false;
  const next = titles[place + by];
  if (next) next.focus();
  else if (by < 0 && place === 0) focusSearch();
  return Boolean(next) || place === 0;
}
