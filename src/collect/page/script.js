// Keeps the page as the server draws it: each message has the parts that have changed since the last.
"use strict";

const state = document.getElementById("state");
const source = new EventSource("events");

source.addEventListener("open", () => { state.textContent = "live"; });
source.addEventListener("error", () => { state.textContent = "collect is away: trying again"; });
source.addEventListener("whole", (event) => {
  // What is open stays open.
  const open = [...document.querySelectorAll("details[open]")].map((each) => each.closest("[id]")?.id);
  document.querySelector("main").innerHTML = JSON.parse(event.data);
  open.forEach((id) => id && document.getElementById(id)?.querySelector("details")?.setAttribute("open", ""));
});
source.addEventListener("parts", (event) => {
  for (const [id, html] of Object.entries(JSON.parse(event.data))) {
    const part = document.getElementById(id);
    if (!part) continue;
    const open = part.querySelector("details")?.open;
    part.innerHTML = html;
    if (open) part.querySelector("details")?.setAttribute("open", "");
  }
});
