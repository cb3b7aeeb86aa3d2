/* The keyboard. One table says what each key does; the help sheet and the key caps on the controls are made from it,
   so neither can say what isn't so. Keys press controls that are on the page: whatever a key does, a click does too. */
"use strict";

(() => {
  // act: presses the control marked data-act with that word. decides: waits until the ticket could be read.
  const KEYS = [
    { key: "Enter", says: "Start, take, confirm", act: "confirm next" },
    { key: "a", says: "Approve", act: "approve", decides: true },
    { key: "e", says: "Edit", act: "edit" },
    { key: "o", says: "Override, then a digit picks the action", act: "override" },
    { key: "r", says: "Reject, then a digit picks the reason", act: "reject" },
    { key: "1–9", says: "Pick from the open list", digits: true, decides: true },
    { key: "q", says: "Ask upstream", act: "ask" },
    { key: "x", says: "Escalate", act: "escalate", decides: true },
    { key: "s", says: "Skip", act: "skip", decides: true },
    { key: "u", says: "Undo", act: "undo" },
    { key: "v", says: "View a sensitive item", act: "reveal" },
    { key: "n", says: "Write a note", act: "note" },
    { key: "t", says: "Rate the AI's reasoning", act: "rate" },
    { key: "j", says: "Move down", move: 1 },
    { key: "k", says: "Move up", move: -1 },
    { key: "/", says: "Search", act: "search" },
    { key: "g d", says: "Go to the desk", act: "go-desk" },
    { key: "g l", says: "Go to the log", act: "go-log" },
    { key: "g i", says: "Go to insights", act: "go-insights" },
    { key: "?", says: "All keys", act: "help" },
    { key: "Esc", says: "Close, go back, leave a text box", escape: true },
    { key: "Ctrl+Enter", says: "Send from a text box", send: true },
  ];
  // Longer than a reflex: nobody decides on what wasn't there to be read.
  const READ_MS = 400;
  const SEQUENCE_MS = 1500;

  const down = new Set();
  let paintedAt = Infinity;
  let prefix = "";
  let prefixAt = 0;

  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const visible = (element) => element.checkVisibility({ visibilityProperty: true });
  const named = (act) => act.split(" ").flatMap((word) => all(`[data-act~="${word}"]`));
  const control = (act) => named(act).find(visible) || named(act).find((element) => element.closest("[data-fold]"));
  const openPanel = () => document.querySelector("details[data-panel][open]");

  function painted() {
    paintedAt = Infinity;
    requestAnimationFrame(() => requestAnimationFrame((now) => (paintedAt = now)));
  }

  /* A decision counts when the ticket has been on the screen for long enough and nothing else is being sent. */
  function readable() {
    return performance.now() - paintedAt >= READ_MS && !document.body.hasAttribute("data-sending");
  }

  function isTyping(target) {
    return target.closest(
      "textarea, select, [contenteditable], input:not([type=radio], [type=checkbox], [type=submit], [type=button])",
    );
  }

  function press(element) {
    const fold = element.closest("[data-fold]");
    if (fold) fold.open = true;
    if (element.matches("input, textarea, select, fieldset")) {
      (element.matches("fieldset") ? element.querySelector("input") : element).focus();
      return;
    }
    element.click();
    const panel = element.closest("details[data-panel]");
    if (panel && element.matches("summary") && panel.open) focusIn(panel);
  }

  function focusIn(panel) {
    const first = panel.querySelector("[data-first]") || panel.querySelector("input, textarea, button, a[href]");
    if (first) first.focus();
  }

  function pick(digit) {
    const scope = openPanel() || document.querySelector("[data-digits]");
    const choice = scope && all(`[data-digit="${digit}"]`, scope).find(visible);
    if (choice) choice.click();
    return Boolean(choice);
  }

  function move(step) {
    const rows = all("[data-row]").filter(visible);
    if (!rows.length) {
      scrollBy({ top: step * innerHeight * 0.6, behavior: "instant" });
      return;
    }
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const row = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1)];
    (row.querySelector("a[href], button") || row).focus();
  }

  function escape(target) {
    const panel = openPanel();
    if (panel) {
      panel.open = false;
      panel.querySelector("summary").focus();
    } else if (isTyping(target)) {
      // What was typed stays; a second Esc goes back.
      target.blur();
    } else if (control("cancel")) {
      control("cancel").click();
    } else {
      return false;
    }
    return true;
  }

  function send(target) {
    const scope = target.closest("[data-panel], [data-sends], form");
    const button = scope && all("[data-act~=send], [data-act~=confirm]", scope).find(visible);
    if (button) {
      if (readable()) button.click();
      return true;
    }
    // Where sending means choosing, the choice is next: a digit, or Enter on one of them.
    const choice = document.querySelector("[data-digits] button");
    if (choice) choice.focus();
    return Boolean(choice);
  }

  function spelled(event) {
    if (event.key.length > 1) return event.key === "Escape" ? "Esc" : event.key;
    const key = event.shiftKey ? event.key : event.key.toLowerCase();
    const sequence = prefix && performance.now() - prefixAt < SEQUENCE_MS ? `${prefix} ${key}` : key;
    prefix = "";
    return sequence;
  }

  /* What the event means, from the table alone; undefined where it means nothing. */
  function entryFor(event) {
    const key = spelled(event);
    if (key === "g") {
      prefix = "g";
      prefixAt = performance.now();
      return undefined;
    }
    return KEYS.find((entry) => (entry.digits ? /^[1-9]$/.test(key) : entry.key === key));
  }

  function act(entry, event) {
    if (entry.escape) return escape(event.target);
    if (entry.digits) return pick(event.key);
    if (entry.move) {
      move(entry.move);
      return true;
    }
    if (entry.act === "help") {
      help();
      return true;
    }
    const found = entry.act && control(entry.act);
    if (found) press(found);
    return Boolean(found);
  }

  document.addEventListener("keydown", (event) => {
    const others = [...down].some((code) => code !== event.code);
    if (!event.repeat) down.add(event.code);
    const modified = event.ctrlKey || event.metaKey || event.altKey;
    if (event.isComposing || event.repeat || event.defaultPrevented) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && isTyping(event.target)) {
      if (send(event.target)) event.preventDefault();
      return;
    }
    if (modified || (document.querySelector("dialog[open]") && event.key !== "?")) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape" && escape(event.target)) event.preventDefault();
      // One line of text has one thing to send; a browser would press the form's first button instead.
      if (event.key === "Enter" && event.target.matches("input[data-enter]")) {
        event.preventDefault();
        send(event.target);
      }
      return;
    }
    // Enter and Space on a focused control act on that control only.
    if (event.key === "Enter" && event.target.closest("a[href], button, summary, input")) return;
    const entry = entryFor(event);
    if (!entry || ((entry.decides || entry.key === "Enter") && (others || !readable()))) return;
    if (act(entry, event)) event.preventDefault();
  });
  document.addEventListener("keyup", (event) => down.delete(event.code));
  addEventListener("blur", () => down.clear());

  // The same guard for the pointer, for Space and Enter on a focused button, and for held ones.
  document.addEventListener(
    "submit",
    (event) => {
      if (event.target.matches("[data-decides]") && !readable() && !event.target.hasAttribute("data-resending")) {
        event.preventDefault();
        event.stopImmediatePropagation();
      }
    },
    true,
  );
  document.addEventListener(
    "keydown",
    (event) => {
      if (event.repeat && (event.key === "Enter" || event.key === " ") && event.target.closest("button, summary, a")) {
        event.preventDefault();
      }
    },
    true,
  );

  function help() {
    const sheet = document.getElementById("keys");
    if (sheet.open) {
      sheet.close();
      return;
    }
    const title = Object.assign(document.createElement("h2"), { id: "keys-title", textContent: "All keys" });
    const list = Object.assign(document.createElement("dl"), { className: "keys" });
    for (const entry of KEYS) {
      const row = document.createElement("div");
      const name = document.createElement("dt");
      name.append(...entry.key.split(" ").flatMap((key) => [cap(key), " "]));
      row.append(name, Object.assign(document.createElement("dd"), { textContent: entry.says }));
      list.append(row);
    }
    const note = "Keys are off while you type and while a key is held. Decisions wait until a ticket could be read.";
    const hint = Object.assign(document.createElement("p"), { className: "hint", textContent: note });
    const form = Object.assign(document.createElement("form"), { method: "dialog" });
    form.append(Object.assign(document.createElement("button"), { textContent: "Close" }));
    sheet.replaceChildren(title, list, hint, form);
    sheet.showModal();
  }

  function cap(key) {
    return Object.assign(document.createElement("kbd"), { textContent: key });
  }

  /* Puts its key on each control that has one: only where keys work at all is one shown. */
  function label(root) {
    for (const entry of KEYS.filter((known) => known.act)) {
      for (const word of entry.act.split(" ")) {
        for (const element of all(`[data-act~="${word}"]:not([data-labelled], input, textarea, fieldset)`, root)) {
          element.setAttribute("data-labelled", "");
          element.setAttribute("aria-keyshortcuts", entry.key.replace(" ", " "));
          if (!element.hasAttribute("data-unlabelled")) element.append(hidden(cap(entry.key)));
        }
      }
    }
    for (const element of all("[data-act~=send]:not([data-labelled])", root)) {
      element.setAttribute("data-labelled", "");
      element.append(hidden(cap("Ctrl+Enter")));
    }
    for (const element of all("[data-digit]:not([data-labelled])", root)) {
      element.setAttribute("data-labelled", "");
      element.prepend(hidden(cap(element.dataset.digit)));
    }
  }

  function hidden(element) {
    element.setAttribute("aria-hidden", "true");
    return element;
  }

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-act~=help]")) help();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    label(document);
    if (event.detail.target.matches("#ticket, main")) painted();
  });
  document.addEventListener("visibilitychange", painted);
  addEventListener("pageshow", painted);
  label(document);
  painted();
})();
