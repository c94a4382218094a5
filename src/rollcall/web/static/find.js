// Find a user from any page: the search in the head as a combobox (ARIA Authoring Practices, "list autocomplete with manual
// selection"). Without this script it is a form that leads to the list.

const PAUSE = 150; // milliseconds after the last key before a search starts
const SLOW = 300; // milliseconds before a search that runs is mentioned

const form = document.querySelector("[data-find]");
const box = form.querySelector("input");
const panel = form.querySelector(".hits");
const status = panel.querySelector("[role=status]");
const list = panel.querySelector("[role=listbox]");
const rest = panel.querySelector(".rest");

let timer = 0;
let slow = 0;
let running = null; // the search under way
let found = null; // the term that the hits are for
let entered = false; // Enter was pressed before its answer came

const term = () => box.value.trim();
const address = (base) => `${base}?${new URLSearchParams({ search: term() })}`;
const hits = () => [...list.children];
const chosen = () => list.querySelector("[aria-selected=true]");

function choose(hit) {
  chosen()?.setAttribute("aria-selected", "false");
  hit?.setAttribute("aria-selected", "true");
  if (hit) box.setAttribute("aria-activedescendant", hit.id);
  else box.removeAttribute("aria-activedescendant");
  hit?.scrollIntoView({ block: "nearest" });
}

const isOpen = () => panel.classList.contains("open");

function stop() {
  clearTimeout(timer);
  clearTimeout(slow);
  running?.abort();
  running = null;
}

// Hits, or a sentence in their place; nothing at all closes the panel.
function show(text, fresh = [], more = false) {
  choose(null);
  list.replaceChildren(...fresh);
  list.hidden = !list.children.length;
  box.ariaExpanded = String(!list.hidden);
  rest.hidden = !more;
  rest.firstChild.href = address(form.action);
  panel.classList.toggle("open", text !== "");
  status.textContent = text;
}

function close() {
  stop();
  entered = false;
  found = null;
  show("");
}

function say(text) {
  panel.classList.add("open");
  status.textContent = text;
}

async function search() {
  stop();
  const wanted = term();
  if (!wanted) return close();
  const mine = (running = new AbortController());
  slow = setTimeout(() => say("Searching…"), SLOW);
  try {
    const answer = await fetch(address(form.dataset.find), { signal: mine.signal });
    const part = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-hits]");
    if (running !== mine) return; // another search has taken its place
    stop();
    if (!part) {
      show(answer.redirected ? "Your session has ended. Log in to search." : "Rollcall cannot search at the moment. Try again later.");
    } else {
      found = wanted;
      show(part.dataset.hits, part.children, "more" in part.dataset);
      if (entered) enter();
    }
  } catch {
    if (running !== mine) return;
    stop();
    show("Rollcall did not answer. Check the connection and try again.");
  }
  entered = false;
}

// Enter opens the hit that is chosen, or the only one; otherwise it leads to the list.
function enter() {
  const all = hits();
  const target = chosen() ?? (all.length === 1 ? all[0] : null);
  say("Opening…");
  location.assign(target ? target.href : address(form.action));
}

box.role = "combobox";
box.setAttribute("aria-autocomplete", "list");
box.setAttribute("aria-controls", list.id);
box.ariaExpanded = "false";
form.querySelector("kbd").hidden = false;

box.addEventListener("input", () => {
  stop();
  found = null;
  entered = false;
  choose(null); // it is a hit of another search
  if (!term()) return close();
  timer = setTimeout(search, PAUSE);
});

box.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && !event.altKey) {
    event.preventDefault();
    const all = hits();
    if (!all.length) return term() && search();
    const place = all.indexOf(chosen()) + step;
    choose(place < -1 ? all.at(-1) : all[place]); // before the first and after the last there is the box itself
  } else if (event.key === "Escape" && isOpen()) {
    event.preventDefault(); // the browser would clear the box
    close();
  }
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (chosen() || (found !== null && found === term())) return enter();
  if (!term()) return location.assign(form.action);
  entered = true;
  if (!running) search();
});

form.addEventListener("focusout", (event) => form.contains(event.relatedTarget) || close());
list.addEventListener("mousedown", (event) => event.preventDefault()); // the focus stays in the box
box.addEventListener("focus", () => term() && !isOpen() && search());

addEventListener("hashchange", close); // the user was shown already
addEventListener("pageshow", (event) => event.persisted && close());

addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
  if (document.querySelector("dialog[open]")) return; // the page behind it is inert
  event.preventDefault();
  box.select();
});
