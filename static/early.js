/// <reference lib="dom" />

// Before the page's modules have run: the buttons that are pressed, also by Enter in the
// field, are marked, and app.js presses them again.
document.onclick = ({ target }) => {
  const button = target instanceof Element && target.closest("button");
  if (button) button.dataset.pressed = "";
};
