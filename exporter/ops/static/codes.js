"use strict";
// Narrows the table of codes while somebody types. Without it the form asks the server.
(() => {
  const query = document.getElementById("query");
  const found = document.getElementById("found");
  const nothing = document.getElementById("nothing");
  const rows = Array.from(document.querySelectorAll("#codes tbody tr"));
  // As the server normalises spellings: case, spaces, hyphens and underscores inside words.
  const plain = (text) =>
    text.replace(/([\p{L}\p{N}])[-_]+(?=[\p{L}\p{N}])/gu, "$1 ").toLowerCase().trim().replace(/\s+/g, " ");
  const spellings = (row) => row.dataset.spellings.split("|");
  const words = (row) => row.dataset.words;

  // A number is the beginning of a code, never text: "17" is not to find "17 minutes".
  const has = (row, word) =>
    /^\d+$/.test(word)
      ? spellings(row).some((one) => one.split(" ").some((part) => part.startsWith(word)))
      : words(row).includes(word) || spellings(row).some((one) => one.includes(word));
  const matches = (row, asked) =>
    spellings(row).includes(asked) || asked.split(" ").every((word) => has(row, word));

  const filter = () => {
    const asked = plain(query.value);
    let shown = 0;
    for (const row of rows) {
      row.hidden = asked !== "" && !matches(row, asked);
      shown += row.hidden ? 0 : 1;
    }
    found.textContent = `${shown} of ${rows.length} codes`;
    nothing.hidden = shown > 0;
  };
  const first = () => {
    const asked = plain(query.value);
    const left = rows.filter((row) => !row.hidden);
    return left.find((row) => spellings(row).includes(asked)) || left[0];
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
    // With nothing left the server is asked: it knows what is nearly spelled like it.
    if (row === undefined) return;
    event.preventDefault();
    // So that Back leads to what was found.
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
