"use strict";
// A button beside each query that copies it. Without a script there are no buttons, and the text can be
// selected as any other.
(() => {
  const said = document.getElementById("said");

  // navigator.clipboard is there on https and on this machine only; an exporter in the next rack has neither.
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
      // Said again when it is the same text: an unchanged region is silent.
      said.textContent = "";
      requestAnimationFrame(() => { said.textContent = text; });
      clearTimeout(timer);
      timer = setTimeout(() => { button.textContent = idle; }, 2000);
    });
  }
})();
