"use strict";
// Shows a copy button beside each query.
(() => {
  const status = document.getElementById("copied");

  // navigator.clipboard exists on https and on localhost only, execCommand everywhere.
  const select = (code) => {
    const range = document.createRange();
    range.selectNodeContents(code);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };
  const copy = async (code) => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      return true;
    } catch {
      select(code);
      return document.execCommand("copy");
    }
  };

  for (const button of document.querySelectorAll("button.copy")) {
    const idle = button.textContent;
    let timer;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const done = await copy(document.getElementById(button.dataset.copies));
      const text = done ? "Copied" : "Selected: press Ctrl+C";
      button.textContent = text;
      // Emptied first: a screen reader does not announce an unchanged text.
      status.textContent = "";
      requestAnimationFrame(() => { status.textContent = text; });
      clearTimeout(timer);
      timer = setTimeout(() => { button.textContent = idle; }, 2000);
    });
  }
})();
