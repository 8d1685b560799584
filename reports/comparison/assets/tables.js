// Sorts tables by their headings and saves them as CSV.
"use strict";
(() => {
  const value = (cell) => (cell.dataset.v === undefined ? null : JSON.parse(cell.dataset.v));
  const key = (found) => (Array.isArray(found) ? found[0] : found);
  const before = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null); // what does not exist comes last
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  };

  function sort(button) {
    const heading = button.closest("th"), table = button.closest("table"), body = table.tBodies[0];
    const upwards = heading.getAttribute("aria-sort") !== "ascending";
    const rows = [...body.rows].map((row) => [key(value(row.cells[heading.cellIndex])), row]);
    rows.sort(([a], [b]) => (a === null || b === null ? before(a, b) : upwards ? before(a, b) : before(b, a)));
    body.append(...rows.map(([, row]) => row));
    table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", upwards ? "ascending" : "descending");
  }

  // A text that a spreadsheet would take for a formula gets an apostrophe in front.
  const safe = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);
  const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  const field = (found) => quoted(found === null ? "" : typeof found === "number" ? String(found) : safe(String(found)));

  function csv(table) {
    const kinds = [...table.tHead.rows[0].cells].map((cell) => cell.dataset.kind);
    const names = [...table.tHead.rows[0].cells].flatMap((cell) => {
      const name = safe(cell.dataset.name);
      return cell.dataset.kind === "interval" ? [`${name} low`, `${name} high`] : [name];
    });
    const lines = [...table.tBodies[0].rows].map((row) =>
      [...row.cells].flatMap((cell, i) => {
        const found = value(cell);
        return kinds[i] === "interval" ? (found ?? [null, null]).map(field) : [field(found)];
      }).join(","),
    );
    return [names.map(quoted).join(","), ...lines].join("\r\n") + "\r\n";
  }

  function save(button) {
    const table = document.getElementById(button.dataset.table);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv(table)], { type: "text/csv;charset=utf-8" }));
    link.download = button.dataset.file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.matches("th button")) sort(button);
    if (button?.matches(".save")) save(button);
  });
})();
