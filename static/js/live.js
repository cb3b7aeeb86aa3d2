/* What moves by itself: clocks, the claim's renewal, the quiet refresh of the desk, what a screen reader is told,
   and a verdict that waits for the connection to come back. */
"use strict";

(() => {
  const RENEW_MS = 60_000;
  const REFRESH_MS = 10_000;
  const PRESENCE_MS = 10_000;
  const SETTLED_MS = 2_000;
  const RESEND_MS = 3_000;
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);

  /* ---- Clocks: `data-clock` says how a <time> is read ---- */
  const span = (seconds) => {
    const minutes = Math.floor(seconds / 60);
    if (minutes < 1) return `${Math.floor(seconds)} s`;
    if (minutes < 60) return `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    return hours < 48 ? `${hours} h ${String(minutes % 60).padStart(2, "0")}` : `${Math.floor(hours / 24)} days`;
  };
  const READ = {
    countdown: (left) => (left > 0 ? `${Math.floor(left / 60)}:${String(Math.floor(left % 60)).padStart(2, "0")}` : "over"),
    due: (left) => (left > 0 ? span(left) : `${span(-left)} late`),
    "due-in": (left) => (left > 0 ? `due in ${span(left)}` : `${span(-left)} late`),
    hold: (left) => (left > 0 ? `${Math.ceil(left)} s` : ""),
    age: (left) => span(Math.max(0, -left)),
  };

  // The server's clock, not this machine's: pages carry the moment at which they were made.
  const skew = () => {
    const made = document.querySelector("[data-made-at]");
    return made ? made.skew ?? (made.skew = Date.parse(made.dataset.madeAt) - Date.now()) : 0;
  };

  function tick() {
    const now = Date.now() + skew();
    for (const time of all("time[data-clock]")) {
      const left = (Date.parse(time.dateTime) - now) / 1000;
      const text = READ[time.dataset.clock](left);
      if (time.textContent !== text) time.textContent = text;
      if (time.dataset.clock === "hold" && left <= 0) for (const gone of all("[data-in-hold]")) gone.hidden = true;
    }
  }

  /* ---- The claim lives while its page is looked at ---- */
  let renewedAt = Date.now();
  let refreshedAt = Date.now();
  function beat() {
    if (document.visibilityState !== "visible") return;
    const now = Date.now();
    const claim = document.querySelector("[data-renew]");
    if (claim && now - renewedAt >= RENEW_MS) {
      renewedAt = now;
      htmx.trigger(claim, "renew");
    }
    const list = document.querySelector("[data-refresh]");
    if (list && now - refreshedAt >= REFRESH_MS) {
      refreshedAt = now;
      htmx.trigger(list, "refresh");
    }
    // Said of a ticket that somebody stays at, not of each that goes by.
    const others = document.querySelector("[data-presence]");
    if (others && now >= (others.dueAt ??= now + SETTLED_MS)) {
      others.dueAt = now + PRESENCE_MS;
      htmx.trigger(others, "presence");
    }
  }
  // What the page does by itself keeps nobody logged in.
  const BY_ITSELF = ["renew", "refresh", "presence"];
  const isByItself = (config) => BY_ITSELF.includes(config?.triggeringEvent?.type);
  document.addEventListener("htmx:configRequest", (event) => {
    if (isByItself(event.detail)) event.detail.headers["X-Unattended"] = "1";
  });

  /* ---- The desk never moves under a pointer or a focus; unchanged answers are 304 ---- */
  document.addEventListener("htmx:configRequest", (event) => {
    const list = event.target.closest("[data-refresh]");
    if (list && list.dataset.tag && event.detail.triggeringEvent?.type === "refresh") {
      event.detail.headers["If-None-Match"] = list.dataset.tag;
    }
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const list = event.detail.target;
    if (!list.matches("[data-refresh]") || event.detail.xhr.status !== 200) return;
    const busy = list.querySelector("[data-rows]:hover, [data-rows]:focus-within, [data-fold]:focus-within");
    if (busy && event.detail.requestConfig.triggeringEvent?.type === "refresh") {
      event.detail.shouldSwap = false;
      byId("stale").hidden = false;
    }
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const list = event.target.closest("[data-refresh]");
    const tag = event.detail.xhr?.getResponseHeader("ETag");
    if (list && tag && event.detail.xhr.status === 200) byId(list.id).dataset.tag = tag;
  });

  // A refusal is shown where the server names the place for it; any other 403 is none of our fragments.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status === 403 && event.detail.xhr.getResponseHeader("HX-Retarget")) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });

  /* ---- Focus goes where the work goes, and live regions say what happened ---- */
  function arrived(root) {
    const said = all("[data-announce]", root).map((element) => element.dataset.announce || element.textContent);
    const region = byId("announce");
    // Emptied first, so that the same words twice are heard twice.
    region.textContent = "";
    setTimeout(() => (region.textContent = said.join(" ").replace(/\s+/g, " ").trim()), 60);
    const focus = root.querySelector("[data-focus]");
    if (!focus) return;
    focus.focus({ preventScroll: !focus.matches("input, textarea") });
    if (focus.matches("input")) focus.setSelectionRange(focus.value.length, focus.value.length);
  }
  document.addEventListener("htmx:afterSettle", (event) => {
    if (!event.detail.target.matches("#ticket, main")) return;
    renewedAt = Date.now();
    if (event.detail.requestConfig?.verb === "post") scrollTo({ top: 0, behavior: "instant" });
    arrived(byId("ticket") || document);
    watchEnd();
    tick();
  });

  /* ---- A long payload is read to its end before it can be approved ---- */
  let observer;
  function watchEnd() {
    observer?.disconnect();
    const end = document.querySelector("[data-end]");
    const approve = document.querySelector("[data-needs-end]");
    if (!end || !approve) return;
    approve.setAttribute("aria-disabled", "true");
    const bar = document.querySelector(".decide");
    // What lies under the bar was not seen.
    const foot = bar && getComputedStyle(bar).position === "fixed" ? Math.ceil(bar.offsetHeight) : 0;
    observer = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      approve.removeAttribute("aria-disabled");
      const note = byId("unread");
      if (note) note.hidden = true;
      observer.disconnect();
    }, { rootMargin: `0px 0px -${foot}px` });
    observer.observe(end);
    const note = byId("unread");
    if (note) note.hidden = end.checkVisibility() && end.getBoundingClientRect().top < innerHeight - foot;
  }
  document.addEventListener(
    "click",
    (event) => {
      const control = event.target.closest("[aria-disabled=true]");
      if (!control) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      byId("announce").textContent = "Read the payload to its end first, then approve.";
    },
    true,
  );

  /* ---- One at a time; and when the connection is lost, kept and sent once (its request key sees to that) ---- */
  let kept = null;
  // What the page fetches by itself takes no refusal off the screen.
  let refusedLast = false;
  const decides = (element) => element instanceof HTMLFormElement && element.matches("[data-decides]");

  document.addEventListener("submit", (event) => {
    if (decides(event.target)) event.target.submitter = event.submitter;
  }, true);
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (decides(event.detail.elt)) document.body.setAttribute("data-sending", "");
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const status = event.detail.xhr?.status || 0;
    const lost = status === 0 || (status >= 502 && status <= 504);
    const byItself = isByItself(event.detail.requestConfig);
    if (!lost && !(byItself && refusedLast)) connected();
    // The form that sent it may be gone by now, with the ticket that it was for.
    const sender = event.detail.requestConfig.elt;
    if (!decides(sender)) {
      if (lost) disconnected("No connection. What you see may be out of date.");
      else if (event.detail.failed && !byItself && ![409, 412, 422, 428].includes(status)) refused(status);
      return;
    }
    if (lost) {
      keep(sender);
      return;
    }
    kept = null;
    document.body.removeAttribute("data-sending");
    if (event.detail.failed && ![409, 412, 422, 428].includes(status)) refused(status);
  });

  function keep(form) {
    kept = form;
    form.inert = true;
    disconnected("Connection lost. Your answer is kept and will be sent once, when it returns.");
  }
  function resend() {
    if (!kept) return;
    if (!kept.isConnected) {
      kept = null;
      return;
    }
    const form = kept;
    form.inert = false;
    form.setAttribute("data-resending", "");
    form.requestSubmit(form.submitter);
    form.removeAttribute("data-resending");
  }
  function disconnected(text) {
    const line = byId("connection");
    if (line.hidden || line.textContent !== text) line.textContent = text;
    line.hidden = false;
  }
  function connected() {
    byId("connection").hidden = true;
    refusedLast = false;
  }
  function refused(status) {
    disconnected(`That didn't work (${status}). Load the page again.`);
    refusedLast = true;
  }
  addEventListener("online", resend);
  addEventListener("beforeunload", (event) => {
    if (kept) event.preventDefault();
  });

  // While old and new stand in the page together, a browser would close the new panel of the same name.
  document.addEventListener("htmx:beforeSwap", () => {
    for (const panel of all("details[data-panel][name]")) panel.removeAttribute("name");
  });
  // Opening one panel closes the other.
  document.addEventListener("toggle", (event) => {
    if (!event.target.matches("details[data-panel][open]")) return;
    for (const other of all("details[data-panel][open]")) if (other !== event.target) other.open = false;
  }, true);

  setInterval(tick, 1000);
  setInterval(beat, 1000);
  setInterval(resend, RESEND_MS);
  tick();
  watchEnd();
  const focus = document.querySelector("[data-focus]");
  if (focus && document.activeElement === document.body) focus.focus({ preventScroll: true });
})();
