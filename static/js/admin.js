/* A row that is added to a draft gets its live check too. */
"use strict";

document.addEventListener("formset:added", (event) => {
  for (const field of event.target.querySelectorAll(".expression")) {
    field.setAttribute("aria-describedby", `${field.id}-check`);
    window.htmx.process(field);
  }
});

/* What was changed in a draft and not saved isn't lost to a link or a button above it without a question. */
const draft = document.getElementById("policyversion_form");
let unsaved = false;

for (const kind of ["input", "change", "formset:added", "formset:removed"]) {
  document.addEventListener(kind, (event) => {
    unsaved ||= draft?.contains(event.target) || kind === "formset:removed";
  });
}

draft?.addEventListener("submit", () => {
  unsaved = false;
});

window.addEventListener("beforeunload", (event) => {
  if (unsaved) {
    event.preventDefault();
  }
});
