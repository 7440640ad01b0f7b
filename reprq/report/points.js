for (const svg of document.querySelectorAll("svg.points")) {
  const NEAR = 24; // pixels of the screen
  const figure = svg.closest("figure");
  const [tip, panel, closely] = [figure.querySelector(".tip"), figure.querySelector("#chosen"), figure.querySelector("#closely")];
  const links = Array.from(svg.querySelectorAll("a.point"));
  const idOf = (link) => link.getAttribute("href").slice(1);
  const groups = Map.groupBy ? Map.groupBy(links, (link) => link.dataset.group) : new Map();
  if (!groups.size) {
    links.forEach((link) => groups.set(link.dataset.group, [...(groups.get(link.dataset.group) || []), link]));
  }
  const networks = Array.from(groups.values());
  const places = links.map((link) => ["x", "y"].map((name) => Number(link.firstElementChild.getAttribute(name))));
  const ring = document.createElementNS(svg.namespaceURI, "use"); // over all points, of which many may hide one
  ring.setAttribute("class", "ring");
  ring.setAttribute("aria-hidden", "true");
  svg.append(ring);
  let near = null;
  let chosen = null;
  let first = null;

  // What the table of layers says of a point, the pair that is plotted first.
  const numbers = (link) => {
    const row = document.getElementById(idOf(link));
    const heads = Array.from(row.closest("table").querySelectorAll("thead th"), (head) => head.dataset.title);
    const cells = heads.map((title, i) => [title, row.cells[i].textContent]);
    const shown = [svg.dataset.x, svg.dataset.y];
    const names = ["data set", "network", "layer"].map((title) => cells.find(([own]) => own === title));
    const rest = cells.filter(([title]) => !["data set", "network", "layer", ...shown].includes(title));
    const plotted = shown.flatMap((title) => cells.filter(([own]) => own === title));
    return { title: names.filter(Boolean).map(([, text]) => text).join(" \u00b7 "), plotted, rest };
  };

  const list = (element, { plotted, rest }) => {
    element.replaceChildren(...[...plotted, ...rest].map(([title, text], i) => {
      const [line, term, value] = ["div", "dt", "dd"].map((name) => document.createElement(name));
      [term.textContent, value.textContent] = [title, text];
      line.classList.toggle("shown", i < plotted.length);
      line.append(term, value);
      return line;
    }));
  };

  const mark = (link) => {
    ring.toggleAttribute("hidden", !link);
    if (link) ["href", "x", "y"].forEach((name) => ring.setAttribute(name, link.firstElementChild.getAttribute(name)));
  };

  const hide = () => {
    if (near) near.classList.remove("near");
    near = null;
    mark(chosen);
    tip.hidden = true;
  };

  const show = (link) => {
    if (near === link) return;
    hide();
    near = link;
    link.classList.add("near");
    mark(link);
    const said = numbers(link);
    const [title, values] = [document.createElement("strong"), document.createElement("dl")];
    title.textContent = said.title;
    list(values, said);
    tip.replaceChildren(title, values);
    tip.hidden = false;
    const [point, frame] = [link.getBoundingClientRect(), figure.getBoundingClientRect()];
    const right = point.right + 12 + tip.offsetWidth <= frame.right;
    const left = right ? point.right + 12 : point.left - 12 - tip.offsetWidth;
    const below = point.bottom + tip.offsetHeight <= window.innerHeight;
    tip.style.left = `${Math.max(0, Math.min(left, frame.right - tip.offsetWidth) - frame.left)}px`;
    tip.style.top = `${Math.max(0, (below || !right ? point.bottom + 6 : point.top - tip.offsetHeight) - frame.top)}px`;
  };

  const nearest = (event) => {
    const matrix = svg.getScreenCTM();
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    let [found, least] = [null, NEAR / matrix.a];
    places.forEach(([x, y], i) => {
      const away = Math.hypot(at.x - x, at.y - y);
      if (away < least) [found, least] = [links[i], away];
    });
    return found;
  };

  // The one that Tab reaches.
  const here = (link) => {
    if (first) first.setAttribute("tabindex", "-1");
    link.setAttribute("tabindex", "0");
    first = link;
  };

  const close = () => {
    if (!chosen) return;
    chosen.classList.remove("chosen");
    chosen.removeAttribute("aria-current");
    const kept = panel.querySelector("article");
    if (kept) closely.append(kept);
    panel.hidden = true;
    chosen = null;
    mark(near);
  };

  const choose = (link) => {
    close();
    hide();
    chosen = link;
    here(link);
    link.classList.add("chosen");
    mark(link);
    link.setAttribute("aria-current", "true");
    const said = numbers(link);
    panel.querySelector("h3").textContent = said.title;
    list(panel.querySelector("dl"), said);
    const found = document.getElementById(`${idOf(link)}-closely`);
    panel.querySelector(".missing").hidden = found !== null;
    if (found) panel.querySelector(".slot").append(found);
    panel.hidden = false;
    panel.querySelector("h3").focus();
  };

  const leave = () => {
    const back = chosen;
    hide();
    close();
    if (back) back.focus();
  };

  const moved = (key, link) => {
    const network = networks.findIndex((group) => group.includes(link));
    const place = networks[network].indexOf(link);
    const other = networks[network + { ArrowUp: -1, ArrowDown: 1 }[key]];
    const along = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: networks[network].length - 1 }[key];
    return along === undefined ? other && other[Math.min(place, other.length - 1)] : networks[network][along];
  };

  svg.addEventListener("pointermove", (event) => {
    const link = nearest(event);
    if (link) show(link);
    else hide();
    svg.style.cursor = link ? "pointer" : "";
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("click", (event) => {
    const link = (event.detail && nearest(event)) || event.target.closest("a.point"); // Enter clicks, too, at no place
    event.preventDefault();
    if (link) choose(link);
  });
  svg.addEventListener("focusin", (event) => {
    const link = event.target.closest("a.point");
    here(link);
    show(link);
  });
  svg.addEventListener("focusout", hide);
  svg.addEventListener("keydown", (event) => {
    const link = event.target.closest("a.point");
    const next = link && !event.altKey && !event.ctrlKey && !event.metaKey && moved(event.key, link);
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
  figure.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leave();
  });
  panel.querySelector(".close").addEventListener("click", leave);
  figure.querySelector(".scripted").hidden = false;
  mark(null);
  links.forEach((each) => each.setAttribute("tabindex", "-1"));
  if (links.length) here(links[0]);
}
