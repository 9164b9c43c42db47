/** The drawings on buttons: strokes on a 24 × 24 field, in the colour of the text. */
import { html } from "./vendor/preact-htm.js";

const PATHS = {
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5 20 20",
  play: "M8 5.5v13l10.5-6.5z",
  pause: "M9 6v12M15 6v12",
  back: "M14 7l-5 5 5 5",
  next: "M10 7l5 5-5 5",
  save: "M7 4.5h10v15l-5-4-5 4z",
  like: "M7.5 11v8.5h-3V11zM7.5 11l4-7c1.6 0 2.5 1.2 2.2 2.7L13 10h5.2c1.2 0 2 1.1 1.7 2.2l-1.5 5.8c-.2.9-1 1.5-1.9 1.5h-9",
  dislike: "M7.5 13V4.5h-3V13zM7.5 13l4 7c1.6 0 2.5-1.2 2.2-2.7L13 14h5.2c1.2 0 2-1.1 1.7-2.2L18.4 6c-.2-.9-1-1.5-1.9-1.5h-9",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  open: "M8 10l4 4 4-4",
  again: "M19 12a7 7 0 1 1-2.2-5.1M17.5 3.5v4h-4",
  undo: "M8 8.5h7a4.5 4.5 0 0 1 0 9h-4M11 5 7.5 8.5 11 12",
  auto: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  dark: "M19 14.5A7.5 7.5 0 0 1 9.5 5 7.5 7.5 0 1 0 19 14.5z",
  light: "M12 8.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1 1M17.4 17.4l1 1M18.4 5.6l-1 1M6.6 17.4l-1 1",
};

export const has = (name) => name in PATHS;

export const Icon = ({ name }) =>
  html`<svg class="icon" data-icon=${name} viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
