(() => {
  const dialog = document.getElementById("lightbox"), stage = dialog.querySelector(".stage");
  const named = document.getElementById("lightbox-name"), said = document.getElementById("lightbox-said");
  let shown = null, zoom = 1, heads = [];
  const figures = () => [...document.querySelectorAll(".shot")].filter((one) => !one.hidden);
  // Heads as the points' paths have them, with what is known of each.
  const read = (figure) => {
    const known = JSON.parse(figure.dataset.heads || "{}"), found = [];
    for (const [kind, rows] of Object.entries(known))
      for (const [id, x, y, side, distance, visible] of rows) found.push({ kind, id, x, y, side, distance, visible });
    return found;
  };
  const show = (figure) => {
    shown = figure; zoom = 1; heads = read(figure);
    const image = figure.querySelector("svg").cloneNode(true), layers = figure.closest(".shots");
    stage.className = "stage " + [...layers.classList].filter((one) => one.startsWith("no-")).join(" ");
    stage.replaceChildren(image); image.style.width = "100%";
    named.textContent = figure.dataset.name; said.textContent = heads.length ? "Point at a head to read what is known of it." : "";
    if (!dialog.open) dialog.showModal();
    stage.focus();
  };
  const step = (by) => { const all = figures(); show(all[(all.indexOf(shown) + by + all.length) % all.length]); };
  const scale = (by) => {
    const image = stage.querySelector("svg"), middle = [stage.scrollLeft + stage.clientWidth / 2, stage.scrollTop + stage.clientHeight / 2];
    const before = zoom; zoom = Math.min(8, Math.max(1, zoom * by)); image.style.width = 100 * zoom + "%";
    stage.scrollTo(middle[0] * zoom / before - stage.clientWidth / 2, middle[1] * zoom / before - stage.clientHeight / 2);
  };
  const acts = { before: () => step(-1), after: () => step(1), in: () => scale(1.5), out: () => scale(1 / 1.5), close: () => dialog.close() };
  dialog.addEventListener("click", (event) => { const act = event.target.dataset.do; if (act) acts[act](); else if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    const act = { ArrowLeft: "before", ArrowRight: "after", "+": "in", "=": "in", "-": "out" }[event.key];
    if (act && !(zoom > 1 && event.key.startsWith("Arrow"))) { event.preventDefault(); acts[act](); }
  });
  stage.addEventListener("wheel", (event) => { if (event.ctrlKey) { event.preventDefault(); scale(event.deltaY < 0 ? 1.2 : 1 / 1.2); } }, { passive: false });
  stage.addEventListener("pointermove", (event) => {
    const image = stage.querySelector("svg"), box = image.getBoundingClientRect(), wide = image.viewBox.baseVal.width;
    const x = (event.clientX - box.left) / box.width * wide, y = (event.clientY - box.top) / box.width * wide;
    let best = null, least = Infinity;
    for (const head of heads) {
      const away = Math.hypot(head.x - x, head.y - y) - Math.max(head.side || 0, 0.01 * wide) * 0.7;
      if (away < least) [best, least] = [head, away];
    }
    if (!best || least > 0) return;
    const words = { counted: "counted", ignored: "ignored", absent: "out of frame or hidden" };
    said.textContent = ["head " + best.id, words[best.kind], best.side === null ? null : best.side + " px",
      best.distance === null ? null : best.distance + " m away", best.visible === null ? null : best.visible + " % visible"].filter((one) => one).join(" · ");
  });
  document.addEventListener("click", (event) => { const button = event.target.closest(".shot button.open"); if (button) show(button.closest(".shot")); });
})();
