"use strict";
for (const box of document.querySelectorAll(".table")) {
  const body = box.querySelector("tbody");
  const rows = Array.from(body.rows);
  const search = box.querySelector("input");
  const selects = Array.from(box.querySelectorAll("select"));
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const headers = Array.from(box.querySelectorAll("thead th"));

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let kept = 0;
    for (const row of rows) {
      const holds = words.every((word) => texts.get(row).includes(word));
      const chosen = selects.every(
        (select) => !select.value || "=" + row.cells[Number(select.dataset.column)].textContent === select.value,
      );
      row.hidden = !(holds && chosen);
      kept += row.hidden ? 0 : 1;
    }
    const all = kept === rows.length;
    box.querySelector("output").textContent = all ? `${kept} rows` : `${kept} of ${rows.length} rows`;
  };

  const sort = (column, down) => {
    const numeric = headers[column].classList.contains("number");
    const sign = down ? -1 : 1;
    const key = (row) => {
      const cell = row.cells[column];
      return numeric ? (cell.dataset.number === undefined ? null : Number(cell.dataset.number)) : cell.textContent;
    };
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === null || y === null) return (x === null) - (y === null); // what is missing stands last, either way
      return sign * (numeric ? x - y : x.localeCompare(y, "en", { numeric: true }));
    };
    body.append(...rows.sort(compare));
    headers.forEach((header, i) => {
      header.setAttribute("aria-sort", i !== column ? "none" : down ? "descending" : "ascending");
    });
  };

  headers.forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => {
      const now = header.getAttribute("aria-sort");
      sort(column, now === "none" ? header.classList.contains("number") : now === "ascending");
    });
  });
  search.addEventListener("input", filter);
  selects.forEach((select) => select.addEventListener("change", filter));
  filter(); // a browser keeps what was typed when the page is loaded again
}
const folded = document.querySelectorAll("details:not([open])");
window.addEventListener("beforeprint", () => folded.forEach((part) => { part.open = true; }));
window.addEventListener("afterprint", () => folded.forEach((part) => { part.open = false; }));
