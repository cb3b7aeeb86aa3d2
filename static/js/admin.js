/* A row that is added to a draft gets its live check too. */
"use strict";

document.addEventListener("formset:added", (event) => window.htmx.process(event.target));
