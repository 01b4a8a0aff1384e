"use strict";

/* The buttons of the question editor send the form and show it again, edited. With this script, the questions alone are
   replaced: the page stays where it is. Without it, the same buttons load the whole page. */
{
    const questions = () => document.getElementById("questions");

    const say = (text) => {
        questions().querySelector(".editor-status").textContent = text;
    };

    const edit = async (form, button) => {
        const body = new URLSearchParams(new FormData(form));
        body.append(button.name, button.value);
        form.inert = true;
        try {
            const response = await fetch(window.location.href, {method: "POST", body});
            const page = new DOMParser().parseFromString(await response.text(), "text/html");
            const edited = page.getElementById("questions");
            if (!edited) {
                throw new Error(`${response.status} without questions`);
            }
            questions().replaceWith(document.adoptNode(edited));
            form.dispatchEvent(new Event("change", {bubbles: true}));
        } finally {
            form.inert = false;
        }
        questions().querySelector("[autofocus]")?.focus();
    };

    document.addEventListener("submit", (event) => {
        const button = event.submitter;
        if (button?.name !== "_edit" || button.value === "preview" || !questions()) {
            return;
        }
        event.preventDefault();
        edit(event.target, button).catch(() => {
            say(questions().dataset.failure);
            button.focus();
        });
    });

    document.addEventListener("input", (event) => {
        const name = event.target.closest(".input-label")?.closest(".question").querySelector(".question-name");
        if (name) {
            name.textContent = event.target.value;
        }
    });
}
