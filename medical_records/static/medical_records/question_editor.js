"use strict";

/* The buttons of the question editor send the form and show it again, edited. With this script, the questions alone are
   replaced: the page stays where it is. Without it, the same buttons load the whole page. Questions can be dragged, too. */
{
    const BEGINS_AFTER = 4;
    const EDGE = 60;
    const SPEED = 12;

    document.documentElement.classList.add("can-drag");

    const questions = () => document.getElementById("questions");

    /* The status stays where it is, so that what comes into it is read out. */
    const say = (text, isFailure) => {
        const status = document.getElementById("editor-status");
        status.textContent = text;
        status.classList.toggle("is-failure", isFailure);
    };

    const fail = () => say(document.getElementById("editor-status").dataset.failure, true);

    const edit = async (form, value) => {
        const body = new URLSearchParams(new FormData(form));
        body.append("_edit", value);
        form.inert = true;
        try {
            const response = await fetch(window.location.href, {method: "POST", body});
            const page = new DOMParser().parseFromString(await response.text(), "text/html");
            const edited = page.getElementById("questions");
            if (!edited) {
                throw new Error(`${response.status} without questions`);
            }
            questions().replaceWith(document.adoptNode(edited));
            say(page.getElementById("editor-status").textContent, false);
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
        edit(event.target, button.value).catch(() => {
            fail();
            button.focus();
        });
    });

    document.addEventListener("input", (event) => {
        const name = event.target.closest(".input-label")?.closest(".question").querySelector(".question-name");
        if (name) {
            name.textContent = event.target.value;
        }
    });

    // Dragging. All questions are folded while one is dragged, so that many are in sight.

    const inOrder = () => [...questions().querySelectorAll(".question")];

    class Drag {
        constructor(handle, {pointerId, clientY}) {
            [this.handle, this.pointerId, this.began, this.y] = [handle, pointerId, clientY, clientY];
            this.question = handle.closest(".question");
            this.before = inOrder();
        }

        /* Fold the questions. `offset` is where the question then is, seen from the pointer. */
        begin() {
            const top = () => this.handle.getBoundingClientRect().top;
            const before = top();
            questions().classList.add("is-sorting");
            this.question.classList.add("is-dragged");
            window.scrollBy({top: top() - before, behavior: "instant"});
            this.offset = top() - before;
            this.scroll();
        }

        move(y) {
            this.y = y;
            if (this.offset === undefined && Math.abs(y - this.began) > BEGINS_AFTER) {
                this.begin();
            }
            if (this.offset !== undefined) {
                this.follow();
            }
        }

        /* Put the others above or below: the dragged one isn't taken out of the page, which would end the dragging. */
        follow() {
            const middle = (element) => {
                const {top, height} = element.getBoundingClientRect();
                return top + height / 2;
            };
            const y = this.y + this.offset;
            const isQuestion = (element) => element?.matches(".question");
            for (let sibling = this.question.previousElementSibling; isQuestion(sibling) && y < middle(sibling); ) {
                this.question.after(sibling);
                sibling = this.question.previousElementSibling;
            }
            for (let sibling = this.question.nextElementSibling; isQuestion(sibling) && y > middle(sibling); ) {
                this.question.before(sibling);
                sibling = this.question.nextElementSibling;
            }
        }

        /* At the edges of the window, the page moves on. */
        scroll() {
            const step = this.y < EDGE ? -SPEED : this.y > window.innerHeight - EDGE ? SPEED : 0;
            if (step) {
                window.scrollBy({top: step, behavior: "instant"});
                this.follow();
            }
            this.frame = requestAnimationFrame(() => this.scroll());
        }

        end() {
            cancelAnimationFrame(this.frame);
            questions().classList.remove("is-sorting");
            this.question.classList.remove("is-dragged");
        }

        cancel() {
            this.end();
            const rest = this.before.filter((question) => question !== this.question);
            this.question.before(...rest.slice(0, this.before.indexOf(this.question)));
            this.question.after(...rest.slice(this.before.indexOf(this.question)));
        }

        drop() {
            const [from, to] = [this.before, inOrder()].map((order) => order.indexOf(this.question));
            this.end();
            this.question.scrollIntoView({block: "nearest"});
            if (from !== to) {
                edit(this.question.closest("form"), `move-${from}-to-${to}`).catch(() => {
                    this.cancel();
                    fail();
                });
            }
        }
    }

    let drag = null;

    const release = (how) => {
        const dragged = drag;
        drag = null;
        dragged?.[how]();
    };

    document.addEventListener("pointerdown", (event) => {
        const handle = event.target.closest?.(".drag-handle");
        if (handle && event.button === 0 && !drag) {
            event.preventDefault();
            handle.setPointerCapture(event.pointerId);
            drag = new Drag(handle, event);
        }
    });

    document.addEventListener("pointermove", (event) => {
        if (event.pointerId === drag?.pointerId) {
            drag.move(event.clientY);
        }
    });

    document.addEventListener("pointerup", (event) => event.pointerId === drag?.pointerId && release("drop"));
    document.addEventListener("pointercancel", (event) => event.pointerId === drag?.pointerId && release("cancel"));
    document.addEventListener("keydown", (event) => event.key === "Escape" && release("cancel"));
}
