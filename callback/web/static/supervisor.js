"use strict";
// Puts what has changed into the page. Without it, and without the stream, the page is whole: reload it.
const live = document.getElementById("live");
const words = document.getElementById("live-words");
const body = document.getElementById("rows");

function rowOf(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html.trim();
  return holder.content.firstElementChild;
}

function putRow(id, html) {
  const old = document.getElementById(`row-${id}`);
  const row = rowOf(html);
  if (!old || old.dataset.state !== row.dataset.state) row.classList.add("fresh");
  if (old) old.replaceWith(row);
  else body.append(row);
}

function put(change) {
  const focused = document.activeElement?.closest("tr")?.id;
  for (const [id, html] of Object.entries(change.rows ?? {})) putRow(id, html);
  if (change.order) {
    const wanted = change.order.map((id) => document.getElementById(`row-${id}`));
    body.replaceChildren(...wanted.filter((row) => row));
  }
  for (const [name, html] of Object.entries(change.panels ?? {})) {
    for (const panel of document.querySelectorAll(`#panel-${name}, [data-panel="${name}"]`)) {
      if (panel.innerHTML !== html) panel.innerHTML = html;
    }
  }
  if (focused && !document.activeElement?.closest("tr")) document.getElementById(focused)?.querySelector("a")?.focus();
}

if (live && body) {
  const stream = new EventSource(live.dataset.stream);
  stream.onopen = () => { live.classList.add("on"); words.textContent = "live"; };
  stream.onmessage = (event) => put(JSON.parse(event.data));
  stream.onerror = () => {
    live.classList.remove("on");
    words.textContent = stream.readyState === EventSource.CLOSED ? "not live, reload the page: as of" : "connecting again: as of";
  };
}
