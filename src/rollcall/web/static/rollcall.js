// Comforts on top of pages that are complete without them: instant search, keys, and a guard for what was typed.

const WAIT = 250; // milliseconds after the last key before a search starts
const SLOW = 300; // milliseconds before work under way is mentioned

// With it the server says where an answer leads. A redirect would be followed unseen, and its page's messages would be gone.
const SCRIPT = { "X-Requested-With": "rollcall" };

const parse = (html) => new DOMParser().parseFromString(html, "text/html");

// What could not be done is said above the part of the page that it is about, until the next try.
function say(part, text) {
  part.parentElement.querySelector(":scope > .unanswered")?.remove();
  if (!text) return;
  const alert = document.createElement("p");
  alert.className = "problems unanswered";
  alert.setAttribute("role", "alert");
  alert.textContent = text;
  part.before(alert);
}

// A sign of work, on the page of the list, once the work has taken a while. No text takes it away.
let slow = 0;
function sayWorking(text) {
  const place = document.getElementById("working");
  if (!text) place.textContent = "";
  else if (slow) return;
  clearTimeout(slow);
  slow = text && setTimeout(() => (place.textContent = text), SLOW);
}

// Instant search: the results are replaced, the address follows, and an answer that is no longer wanted is dropped.
function searchInstantly(form) {
  const box = form.querySelector("[type=search]");
  let timer = 0;
  let running = null;

  const address = () => {
    const given = [...new FormData(form)].filter(([, value]) => value.trim());
    const query = new URLSearchParams(given).toString();
    return form.action + (query ? `?${query}` : "");
  };
  let shown = address(); // what the list is the answer to

  const search = async () => {
    clearTimeout(timer);
    running?.abort();
    running = new AbortController();
    const wanted = address();
    const results = document.getElementById("results");
    say(results, "");
    results.setAttribute("aria-busy", "true");
    sayWorking("Searching…");
    try {
      const answer = await fetch(wanted, { signal: running.signal });
      const page = parse(await answer.text());
      const fresh = page.getElementById("results");
      if (!fresh) return location.assign(wanted); // logged out, or an error: the page says it better
      results.replaceChildren(...fresh.childNodes);
      enhance(results);
      shown = wanted;
      history.replaceState(null, "", wanted);
    } catch (error) {
      if (error.name === "AbortError") return; // another search has taken its place
      say(results, "Rollcall did not answer, so the list is not the one that you searched for. Check the connection and search again.");
    }
    results.removeAttribute("aria-busy");
    sayWorking("");
  };

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, WAIT);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // Enter opens the only hit of a search that is done.
    const [hit, ...others] = document.querySelectorAll("#results .by-id a, #results tbody th a");
    if (box.value.trim() && shown === address() && document.activeElement === box && hit && !others.length) hit.click();
    else search();
  });

  // From the box the arrows lead into the list, and along it.
  document.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const stops = [box, ...document.querySelectorAll("#results .by-id a, #results tbody th a")];
    const place = stops.indexOf(event.target);
    if (place < 0 || !stops[place + step]) return;
    event.preventDefault();
    stops[place + step].focus();
  });

  if (document.activeElement === box) box.select(); // so that a new search takes the place of the one before
  document.getElementById("results").addEventListener("click", (event) => {
    const link = event.target.closest(".pages a, thead a, .chips a, tbody th a");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) sayWorking("Loading…");
  });
  addEventListener("pageshow", () => sayWorking(""));
}

// A menu of actions closes as menus do: by Esc, which goes back to its button, and by a press beside it. Arrows lead along it.
function handleMenus() {
  const openMenu = () => document.querySelector("details.menu[open]");
  document.addEventListener("click", (event) => {
    const menu = openMenu();
    if (menu && !menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest("details.menu");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" && openMenu() && !document.querySelector("dialog[open]")) leaveMenu(openMenu());
    if (!menu || !step) return;
    event.preventDefault();
    menu.open = true;
    const stops = [...menu.querySelectorAll("summary, a, button")];
    stops[stops.indexOf(event.target) + step]?.focus();
  });
  document.addEventListener("toggle", ({ target }) => {
    if (!target.matches("details.menu[open]")) return;
    target.classList.remove("up");
    const { bottom } = target.querySelector("ul").getBoundingClientRect();
    target.classList.toggle("up", bottom > innerHeight);
  }, { capture: true });
}

function leaveMenu(menu) {
  menu.open = false;
  menu.querySelector("summary").focus();
}

// Acting on the list without leaving it: questions open above it, and the list and the messages of the answer take the place
// of these. Any other answer, a refusal, an error, the log-in page, is shown above the list as it is.
function actInPlace(results) {
  const dialog = document.getElementById("question");
  let row = null; // where the focus was: the id of the row, and its place among the others

  const show = (nodes) => {
    dialog.firstElementChild.replaceChildren(...nodes);
    dialog.querySelector(".toasts:empty")?.remove(); // the page has one
    dialog.ariaLabel = dialog.querySelector("h1, h2").textContent;
    enhance(dialog);
    const menu = document.activeElement?.closest("details.menu");
    if (menu) leaveMenu(menu); // where the focus returns to
    if (!dialog.open) dialog.showModal();
    (dialog.querySelector("[autofocus], [data-cancel], input:not([type=hidden])") ?? dialog.querySelector("button")).focus();
  };

  const replace = (page) => {
    dialog.close();
    results.replaceChildren(...page.getElementById("results").childNodes);
    const toasts = document.querySelector(".toasts");
    for (const alert of page.querySelectorAll(".toast.bad")) toasts.before(alert);
    toasts.replaceChildren(...page.querySelector(".toasts").childNodes);
    toasts.classList.add("floating"); // where it is seen, however far the list is scrolled
    enhance(toasts.parentElement);
    if (document.activeElement !== document.body) return; // its reader has gone on already
    const same = document.getElementById(row?.id)?.querySelector(".actions summary");
    const instead = results.querySelectorAll("tbody tr")[row?.place]?.querySelector("th a");
    (same ?? instead ?? results.querySelector("[data-all]") ?? document.getElementById("content")).focus();
  };

  const send = async (button, address, options) => {
    const pressed = button.closest("tr");
    if (pressed) row = { id: pressed.id, place: pressed.sectionRowIndex };
    else if (!dialog.contains(button)) row = { id: `user-${button.form?.elements.id?.value}` }; // an undo
    button.ariaBusy = "true";
    const inQuestion = dialog.contains(button);
    if (inQuestion) lock(true);
    try {
      const page = parse(await (await fetch(address, options)).text());
      if (page.getElementById("results")) replace(page);
      else show(page.getElementById("content").childNodes);
    } catch {
      show(document.getElementById("unanswered").content.cloneNode(true).childNodes);
    }
    if (inQuestion) lock(false);
    button.ariaBusy = null;
    if (button.form) release(button.form);
  };

  // An action that runs cannot be cancelled, so its question stays until there is an answer.
  let locked = false;
  const lock = (wanted) => {
    locked = wanted;
    if (locked) dialog.setAttribute("closedby", "none"); // for browsers that know it; the others have the two events below
    else dialog.removeAttribute("closedby");
    dialog.querySelector("form[method=dialog] button").disabled = locked;
  };
  dialog.addEventListener("cancel", (event) => locked && event.preventDefault());
  addEventListener("keydown", (event) => locked && event.key === "Escape" && event.preventDefault(), { capture: true });

  dialog.addEventListener("close", () => dialog.firstElementChild.replaceChildren());
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-ask], a[data-cancel]");
    if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if ("cancel" in link.dataset) dialog.close();
    else if (!link.ariaBusy) send(link, link.href);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const button = event.submitter ?? form.querySelector("button"); // there is none after Ctrl and Enter
    const asks = button?.matches("[data-ask]");
    if (event.defaultPrevented || !(asks || form.matches("[data-act]"))) return;
    event.preventDefault();
    const values = new URLSearchParams(new FormData(form));
    if (asks) send(button, `${button.formAction}?${values}`);
    else send(button, form.action, { method: "POST", body: values });
  });
}

// What is selected in the list: the bar to act on it comes with the first, and says how many they are.
function countSelected(bar) {
  const boxes = [...document.querySelectorAll("[form=bulk]")];
  const all = document.querySelector("[data-all]");
  const show = () => {
    const count = boxes.filter((box) => box.checked).length;
    bar.querySelector("[role=status]").textContent = count ? `${count} selected` : "";
    for (const part of bar.querySelectorAll(".row, .all")) part.hidden = !count;
    all.checked = count === boxes.length;
    all.indeterminate = count > 0 && !all.checked;
  };
  all.parentElement.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    show();
  });
  for (const box of boxes) box.addEventListener("change", show);
  show();
}

// The live parts of this page follow the server as long as somebody sees them and wants it (WCAG 2.2.2). What is around them
// stays, and with it the focus and how far a table is scrolled.
function keepFresh(head) {
  const stale = document.getElementById("stale");
  const wish = head.querySelector("[type=checkbox]");
  let timer = 0;

  const refresh = async () => {
    clearTimeout(timer);
    let page = null;
    try {
      const answer = await fetch(location.href);
      if (answer.redirected) return location.reload(); // logged out
      if (answer.ok) page = parse(await answer.text());
    } catch {} // no answer at all is said like a refusal
    stale.hidden = page !== null;
    for (const part of page ? document.querySelectorAll("[data-live]") : []) {
      const fresh = page.getElementById(part.id);
      if (!fresh) return location.reload(); // another version of Rollcall
      showLocalTimes(fresh);
      if (fresh.innerHTML !== part.innerHTML) part.replaceChildren(...fresh.childNodes); // else it would be read out again
    }
    wait();
  };
  const wait = () => {
    clearTimeout(timer);
    if (wish.checked && !document.hidden) timer = setTimeout(refresh, head.dataset.refresh * 1000);
  };

  wish.closest("[hidden]").hidden = false;
  wish.addEventListener("change", () => (wish.checked ? refresh() : wait()));
  document.addEventListener("visibilitychange", () => (wish.checked && !document.hidden ? refresh() : wait()));
  wait();
}

// A form that was changed and not sent, or was refused, asks before it is left.
function guardChanges(form) {
  const state = () => new URLSearchParams(new FormData(form)).toString();
  const before = form.parentElement.querySelector(".problems") ? null : state();
  addEventListener("beforeunload", (event) => {
    if (form.isConnected && !form.ariaBusy && state() !== before) event.preventDefault();
  });
}

// One press is one request: a form that is on its way takes no second one, and says what runs. Its links wait with it, since
// to leave would not stop what runs.
function sendOnce(form) {
  const { running } = form.dataset;
  const status = running && form.appendChild(document.createElement("p"));
  status?.setAttribute("role", "status");
  status?.classList.add("running");
  form.addEventListener("submit", (event) => {
    if (event.submitter?.dataset.download !== undefined) return; // the page stays
    if (form.ariaBusy) return event.preventDefault();
    form.ariaBusy = "true";
    for (const button of form.querySelectorAll("button")) button.ariaBusy = "true";
    for (const link of form.querySelectorAll("a")) link.ariaDisabled = "true";
    if (status) status.textContent = running;
  });
  // Back from another page, which browsers may show as it was left.
  addEventListener("pageshow", (event) => event.persisted && release(form));
}

function release(form) {
  form.ariaBusy = null;
  for (const button of form.querySelectorAll("button")) button.ariaBusy = null;
  for (const link of form.querySelectorAll("a")) link.ariaDisabled = null;
  form.querySelector(":scope > .running")?.replaceChildren();
}

// Forms are sent without leaving their page, so that what was typed is still there if Rollcall does not answer.
function sendInPlace() {
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post" || "import" in form.dataset) return;
    if (event.submitter?.dataset.download !== undefined) return; // the answer is a file
    event.preventDefault();
    say(form, "");
    try {
      const body = new URLSearchParams(new FormData(form, event.submitter));
      const answer = await fetch(form.action, { method: "POST", body, headers: SCRIPT });
      const target = answer.headers.get("Location");
      if (target) return location.assign(target);
      const page = parse(await answer.text());
      const main = document.adoptNode(page.querySelector("main"));
      document.querySelector("main").replaceWith(main);
      document.title = page.title;
      scrollTo(0, 0);
      enhance(main);
      (main.querySelector("[autofocus]") ?? main).focus();
    } catch {
      release(form);
      say(form, "Rollcall did not answer, so the change may or may not have been saved. Your input is still here: check the connection and try again.");
    }
  });
  document.addEventListener("click", (event) => event.target.closest("a[aria-disabled]") && event.preventDefault(), { capture: true });
}

// An import that runs, wherever that is, is shown until it has ended; then its own page says what has become of it.
async function followImport(address, place, wanted = () => true) {
  while (wanted()) {
    await new Promise((wake) => setTimeout(wake, 1000));
    const answer = await fetch(address).catch(() => null);
    const run = answer?.ok && parse(await answer.text()).getElementById("run");
    if (!run || run.dataset.state === "checked" || !wanted()) continue; // no answer just now, or not begun yet
    if (run.dataset.state !== "running") return location.assign(address);
    place.replaceChildren(...run.childNodes);
  }
}

// A file is checked and imported without leaving the page, so that it stays chosen.
function importInPlace(form) {
  const report = form.querySelector("#report");
  let busy = false;
  const show = async (answer) => {
    const target = answer.headers.get("Location"); // what became of the import; or the log-in
    if (target) return location.assign(target);
    const page = parse(await answer.text());
    const fresh = page.getElementById("report");
    if (!fresh) return document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main"))); // an error's page
    const problem = page.getElementById("file-problem");
    fresh.querySelector("[autofocus]")?.removeAttribute("autofocus"); // browsers do that once in a page
    report.replaceChildren(...(problem ? [problem] : fresh.childNodes));
    report.querySelector("h2")?.focus();
  };

  form.querySelector("[type=file]").addEventListener("change", () => report.replaceChildren()); // it was about another file
  form.addEventListener("submit", async (event) => {
    const button = event.submitter ?? form.querySelector("button");
    const { download, run } = button.dataset;
    if (download !== undefined) return;
    event.preventDefault();
    if (busy) return;
    busy = true;
    const answer = fetch(form.action, { method: "POST", body: new FormData(form, button), headers: SCRIPT });
    if (run) followImport(run, report, () => busy);
    try {
      await show(await answer);
    } catch {
      // Something on the way was too impatient. An import goes on, and its own page follows it.
      if (run) location.assign(run);
      else report.textContent = "Rollcall did not answer, so the file may or may not have been checked. Check the connection and try again.";
    }
    busy = false;
    release(form);
  });
}

function listenToKeys() {
  const help = document.getElementById("keys");
  const list = document.querySelector("[data-search] input[type=search]");
  const search = list ?? document.getElementById("find");
  addEventListener("keydown", (event) => {
    const { target } = event;
    // A search that nobody has typed into since it got the focus, which is where the list begins.
    const fresh = target.type === "search" && target.selectionStart === 0 && target.selectionEnd === target.value.length;
    const typing = !fresh && target.closest("input, select, textarea");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      target.closest("form")?.requestSubmit();
    } else if (event.key === "Escape" && list && target === list) {
      if (!list.value) return list.blur(); // so that keys are keys again
      list.value = "";
      list.dispatchEvent(new Event("input", { bubbles: true }));
    } else if (event.ctrlKey || event.metaKey || event.altKey || typing) {
      return;
    } else if (event.key === "/" && search) {
      event.preventDefault();
      (fresh ? target : search).select();
    } else if (event.key === "?") {
      help?.showModal();
    }
  });
}

// Exact times in the reader's own zone; without this they are in UTC.
function showLocalTimes(part) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const parts = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" };
  const short = new Intl.DateTimeFormat(undefined, parts);
  for (const time of part.querySelectorAll("time[title]")) {
    time.title = format.format(new Date(time.dateTime));
    const exact = time.querySelector(".exact");
    if (exact) exact.textContent = short.format(new Date(time.dateTime));
  }
}

// A finger has no tooltip: a tap shows the exact time, another one how long ago it was.
document.addEventListener("click", (event) => event.target.closest("time[title]:not(.whole)")?.classList.toggle("told"));

// Browsers let pages reach the clipboard on https and on this machine only.
function copyOnPress(button) {
  button.hidden = !navigator.clipboard;
  const word = button.firstChild;
  button.addEventListener("click", async () => {
    const copied = navigator.clipboard.writeText(button.dataset.copy);
    word.data = await copied.then(() => "Copied", () => "Not copied");
    document.getElementById("copied").textContent = button.textContent;
    setTimeout(() => (word.data = "Copy"), 2000);
  });
}

// What went wrong stays to be read until its reader is done with it.
function dismissOnPress(button) {
  button.hidden = false;
  button.addEventListener("click", () => {
    button.parentElement.remove();
    document.getElementById("content").focus(); // else it would be nowhere
  });
}

// A one-time link has its secret behind the #, which browsers send to no server. It goes into the form, and out of the address.
function takeSecret(form) {
  const isSecret = () => /^#[\w-]{43}$/.test(location.hash);
  addEventListener("hashchange", () => isSecret() && location.reload()); // another link was pasted over this address
  if (!isSecret()) return;
  form.elements[form.dataset.fragment].value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  form.requestSubmit();
}

// What a part of a page needs, also one that has just come.
function enhance(part) {
  for (const form of part.querySelectorAll("form[method=post]")) sendOnce(form);
  for (const form of part.querySelectorAll("[data-guard]")) guardChanges(form);
  for (const button of part.querySelectorAll("[data-copy]")) copyOnPress(button);
  for (const bar of part.querySelectorAll("#bulk")) countSelected(bar);
  for (const button of part.querySelectorAll("[data-dismiss]")) dismissOnPress(button);
  showLocalTimes(part);
}

for (const form of document.querySelectorAll("[data-search]")) searchInstantly(form);
for (const form of document.querySelectorAll("[data-import]")) importInPlace(form);
for (const link of document.querySelectorAll("[data-follow]")) followImport(link.href, document.getElementById("run"));
for (const head of document.querySelectorAll("[data-refresh]")) keepFresh(head);
for (const results of document.querySelectorAll("#results")) actInPlace(results);
handleMenus();
enhance(document);
sendInPlace(); // after the list, which has its own way with its forms
for (const form of document.querySelectorAll("[data-fragment]")) takeSecret(form);
listenToKeys();
