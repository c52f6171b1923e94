// Draw the page's charts with Vega where scripts run: hovering shows values, Ctrl and the wheel zoom, dragging moves.
// No ampersands or less-than signs are used, so that the page is well-formed XML.
(async () => {
  if (!window.DecompressionStream) return;
  const packed = atob(document.getElementById("vega").textContent);
  const bytes = Uint8Array.from(packed, (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  new Function(await new Response(stream).text())();

  const tip = document.body.appendChild(document.createElement("div"));
  tip.className = "tip";
  tip.hidden = true;
  const describe = (datum, { hover, time }) =>
    Object.entries(hover).filter(([field]) => datum[field] != null).map(([field, about]) => {
      const [name, labels] = Array.isArray(about) ? about : [about];
      let value = datum[field];
      if (labels) value = labels[value];
      else if (field === "x" ? time : false) value = new Date(value).toISOString().slice(0, 16).replace("T", " ");
      else if (Number.isInteger(value)) value = value.toLocaleString("en-US");
      else if (typeof value === "number") value = value.toLocaleString("en-US", { maximumSignificantDigits: 4 });
      return name ? name + ": " + value : value;
    }).join("\n");
  const tooltipOf = (about) => (_, event, item, datum) => {
    tip.hidden = datum == null;
    if (tip.hidden) return;
    tip.textContent = describe(datum, about);
    const right = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = window.scrollX + Math.max(0, Math.min(event.clientX + 14, right)) + "px";
    tip.style.top = window.scrollY + event.clientY + 18 + "px";
  };

  const draw = async (chart) => {
    const spec = JSON.parse(chart.querySelector("script").textContent);
    const live = document.createElement("div");
    live.className = "live";
    chart.append(live);
    spec.width = chart.clientWidth;
    const { view } = await vegaEmbed(live, spec, {
      mode: "vega",
      renderer: "svg",
      actions: false,
      tooltip: tooltipOf(spec.usermeta),
    });
    // Vega gives the element the role of a document.
    live.setAttribute("role", "img");
    live.setAttribute("aria-label", chart.querySelector("svg").getAttribute("aria-label"));
    chart.classList.add("drawn");
    new ResizeObserver(() => {
      if (chart.clientWidth) view.width(chart.clientWidth).runAsync();
    }).observe(chart);
  };
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((entry) => entry.isIntersecting)) {
      seen.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "400px" });
  document.querySelectorAll(".chart").forEach((chart) => seen.observe(chart));
})();
