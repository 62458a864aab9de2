// The index of findings: what is typed is looked for in code, level, stage and words.
const findings = () => {
  const box = document.getElementById("findings-search");
  if (!box) return;
  const rows = [...document.querySelectorAll("details.finding")], said = document.getElementById("findings-shown");
  const filter = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      count += !row.hidden;
    }
    said.textContent = count + " of " + rows.length;
  };
  box.addEventListener("input", filter);
  const open = () => {
    const row = document.getElementById(location.hash.slice(1));
    if (row && row.tagName === "DETAILS") { row.open = true; row.scrollIntoView(); }
  };
  addEventListener("hashchange", open);
  filter();
  open();
};

// What the theme leaves out for screen readers and keyboards.
const accessible = () => {
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
  document.querySelectorAll(".md-nav[aria-labelledby]").forEach((nav, number) => {
    const label = document.getElementById(nav.getAttribute("aria-labelledby"));
    nav.removeAttribute("aria-labelledby");
    nav.setAttribute("aria-label", (label ? label.textContent.trim() : "Pages") + ", menu " + (number + 1));
  });
  document.querySelectorAll(".md-code__nav").forEach((nav, number) => nav.setAttribute("aria-label", "Code " + (number + 1)));
  document.querySelectorAll(".md-typeset__scrollwrap").forEach((region, number) => {
    region.tabIndex = 0;
    region.setAttribute("role", "region");
    region.setAttribute("aria-label", "Table " + (number + 1));
  });
};

document.addEventListener("DOMContentLoaded", () => { findings(); setTimeout(accessible); });
