// Sorting and searching of the report's tables; without it they are complete, only fixed.
"use strict";

function value(row, column) {
  const cell = row.cells[column];
  return "key" in cell.dataset ? (cell.dataset.key === "" ? NaN : Number(cell.dataset.key)) : cell.textContent.trim();
}

function compare(a, b, direction) {
  if (typeof a === "number") {
    if (isNaN(a) || isNaN(b)) return isNaN(a) - isNaN(b); // a missing number is last, whichever the direction
    return direction * (a - b);
  }
  return direction * a.localeCompare(b, undefined, { numeric: true });
}

function sort(table, column, heading) {
  const direction = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => compare(value(a, column), value(b, column), direction));
  table.tBodies[0].append(...rows);
}

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(table, column, heading));
    heading.append(button);
  });
}

function makeSearchable(table) {
  const filter = document.createElement("div");
  const input = document.createElement("input");
  const count = document.createElement("span");
  filter.className = "filter";
  input.type = "search";
  input.placeholder = "Search this table";
  input.setAttribute("aria-label", "Search: " + table.caption.textContent);
  count.setAttribute("role", "status");
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    count.textContent = shown < rows.length ? `${shown} of ${rows.length} rows` : "";
  });
  filter.append(input, count);
  table.parentElement.before(filter);
}

// A table or a figure that its frame cuts off says so: not every browser shows bars to scroll by.
function tellMore(sheet) {
  const more = [], table = sheet.querySelector("table"), rows = table.querySelectorAll("tbody tr:not(.group)").length;
  if (!table.caption) return; // the page is still being read, and is looked at again when it is whole
  if (sheet.scrollHeight > sheet.clientHeight + 4) more.push(`down for all ${rows} rows`);
  if (sheet.scrollWidth > sheet.clientWidth + 4) more.push("sideways for all columns");
  if (more.length) table.caption.dataset.more = `Scroll ${more.join(" and ")}`;
  else delete table.caption.dataset.more;
}

function tellWide(figure) {
  const canvas = figure.querySelector(".canvas"), caption = figure.querySelector("figcaption");
  if (!caption) return;
  if (canvas.scrollWidth > canvas.clientWidth + 4) caption.dataset.more = "Scroll sideways for the whole figure";
  else delete caption.dataset.more;
}

function tellAll(place) {
  place.querySelectorAll(".sheet").forEach(tellMore);
  place.querySelectorAll("figure.plot.wide").forEach(tellWide);
}

// The theme's buttons that unfold the pages under a page show an arrow only: screen readers need words.
function nameFold(summary) {
  const page = summary.closest("li").querySelector("a");
  summary.setAttribute("aria-label", "Pages under " + (page ? page.textContent.trim() : "this one"));
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".has-children > details > summary").forEach(nameFold);
  document.querySelectorAll("table[data-sortable]").forEach(makeSortable);
  document.querySelectorAll("table[data-search]").forEach(makeSearchable);
  tellAll(document);
  // of many populations, the one that is shown stands in sight
  const here = document.querySelector(".bd-sidebar-primary li li.current.active > a");
  if (here) here.closest("ul").scrollTop = here.offsetTop - here.closest("ul").offsetTop - 60;
});
window.addEventListener("resize", () => tellAll(document));

// A figure that was folded away when it was drawn does not know its width.
document.addEventListener('toggle', (event) => {
    tellAll(event.target);
    for (const plot of event.target.querySelectorAll('.js-plotly-plot')) {
        Plotly.Plots.resize(plot);
    }
}, true);
