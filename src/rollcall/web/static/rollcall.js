// Comforts on top of pages that are complete without them: instant search, keys, and a guard for what was typed.

const WAIT = 250; // milliseconds after the last key before a search starts

// Instant search: the results are replaced, the address follows, and an answer that is no longer wanted is dropped.
function searchInstantly(form) {
  let timer = 0;
  let running = null;

  const address = () => {
    const given = [...new FormData(form)].filter(([, value]) => value.trim());
    const query = new URLSearchParams(given).toString();
    return form.action + (query ? `?${query}` : "");
  };

  const search = async () => {
    clearTimeout(timer);
    running?.abort();
    running = new AbortController();
    const wanted = address();
    const results = document.getElementById("results");
    results.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(wanted, { signal: running.signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("results");
      if (!fresh) return location.assign(wanted); // logged out, or an error: the page says it better
      results.replaceChildren(...fresh.childNodes);
      enhance(results);
      history.replaceState(null, "", wanted);
    } catch (error) {
      if (error.name !== "AbortError") location.assign(wanted);
      return;
    }
    results.removeAttribute("aria-busy");
  };

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, WAIT);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
}

// A form that was changed and not sent asks before it is left.
function guardChanges(form) {
  const state = () => new URLSearchParams(new FormData(form)).toString();
  const before = state();
  let sent = false;
  form.addEventListener("submit", () => (sent = true));
  addEventListener("beforeunload", (event) => {
    if (!sent && state() !== before) event.preventDefault();
  });
}

// One press is one request: a form that is on its way takes no second one.
function sendOnce(form) {
  const buttons = form.querySelectorAll("button");
  form.addEventListener("submit", (event) => {
    if (buttons[0]?.ariaBusy) event.preventDefault();
    buttons.forEach((button) => button.setAttribute("aria-busy", "true"));
  });
  // Back from another page, which browsers may show as it was left.
  addEventListener("pageshow", () => buttons.forEach((button) => button.removeAttribute("aria-busy")));
}

function listenToKeys() {
  const help = document.getElementById("keys");
  const search = document.querySelector("[data-search] input[type=search]");
  addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.target.closest("form")?.requestSubmit();
    } else if (event.key === "Escape" && event.target === search) {
      search.value = "";
      search.dispatchEvent(new Event("input", { bubbles: true }));
    } else if (event.ctrlKey || event.metaKey || event.altKey || typing) {
      return;
    } else if (event.key === "/" && search) {
      event.preventDefault();
      search.select();
    } else if (event.key === "?") {
      help?.showModal();
    }
  });
}

// Exact times in the reader's own zone; without this they are in UTC.
function showLocalTimes(part) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  for (const time of part.querySelectorAll("time[title]")) time.title = format.format(new Date(time.dateTime));
}

// What a part of a page needs, also one that has just come.
function enhance(part) {
  for (const form of part.querySelectorAll("form[method=post]")) sendOnce(form);
  showLocalTimes(part);
}

for (const form of document.querySelectorAll("[data-search]")) searchInstantly(form);
for (const form of document.querySelectorAll("[data-guard]")) guardChanges(form);
enhance(document);
listenToKeys();
