/* A row that is added to a draft gets its live check too. */
"use strict";

document.addEventListener("formset:added", (event) => {
  for (const field of event.target.querySelectorAll(".expression")) {
    field.setAttribute("aria-describedby", `${field.id}-check`);
    window.htmx.process(field);
  }
});
