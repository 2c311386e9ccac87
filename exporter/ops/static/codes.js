"use strict";
// Filters the table of codes while the user types. Without the script, the form requests a filtered page.
(() => {
  const query = document.getElementById("query");
  const count = document.getElementById("count");
  const nothing = document.getElementById("nothing");
  const rows = Array.from(document.querySelectorAll("#codes tbody tr"));
  // The server's rule: case, spaces, hyphens and underscores in words do not matter.
  const normalize = (text) =>
    text.replace(/([\p{L}\p{N}])[-_]+(?=[\p{L}\p{N}])/gu, "$1 ").toLowerCase().trim().replace(/\s+/g, " ");
  const spellings = (row) => row.dataset.spellings.split("|");
  const words = (row) => row.dataset.words;

  // A number is the beginning of a code and never matches text: "17" must not match "17 minutes".
  const hasWord = (row, word) =>
    /^\d+$/.test(word)
      ? spellings(row).some((spelling) => spelling.split(" ").some((part) => part.startsWith(word)))
      : words(row).includes(word) || spellings(row).some((spelling) => spelling.includes(word));
  const matches = (row, text) =>
    spellings(row).includes(text) || text.split(" ").every((word) => hasWord(row, word));

  const filter = () => {
    const text = normalize(query.value);
    let shown = 0;
    for (const row of rows) {
      row.hidden = text !== "" && !matches(row, text);
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${rows.length} codes`;
    nothing.hidden = shown > 0;
  };
  const first = () => {
    const text = normalize(query.value);
    const visible = rows.filter((row) => !row.hidden);
    return visible.find((row) => spellings(row).includes(text)) || visible[0];
  };

  query.addEventListener("input", filter);
  query.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      query.value = "";
      filter();
    }
  });
  query.form.addEventListener("submit", (event) => {
    const row = query.value.trim() === "" ? undefined : first();
    // Without a match the form is submitted: the server suggests similar queries.
    if (row === undefined) return;
    event.preventDefault();
    // For the Back button: it returns to the filtered table.
    history.replaceState(null, "", `?q=${encodeURIComponent(query.value)}`);
    location.assign(row.querySelector("a").href);
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.matches("input, textarea");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    query.focus();
    query.select();
  });
  document.getElementById("keys").hidden = false;
})();
