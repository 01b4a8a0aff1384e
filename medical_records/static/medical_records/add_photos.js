"use strict";

/* Photos that are chosen or dropped are shown with a caption each, and sent one by one: each is saved by itself. Without this
   script, the form sends all chosen files at once, and the next page asks for the captions. */
{
    const form = document.getElementById("add-photos");
    const list = form.querySelector(".chosen-photos");
    const status = form.querySelector(".adding-status");
    const submit = form.querySelector("[type=submit]");
    const files = new WeakMap();
    const texts = form.dataset;
    let isSending = false;

    const rows = (...states) => [...list.children].filter((row) => states.includes(row.dataset.state));

    // Read aloud where it changes, and not with each packet that is sent.
    const say = (row, text) => {
        const place = row.querySelector(".chosen-state");
        if (place.textContent !== text) {
            place.textContent = text;
        }
    };

    const setState = (row, state, text) => {
        row.dataset.state = state;
        say(row, text);
        row.querySelector("progress").hidden = state !== "sending";
        row.querySelector("textarea").readOnly = state === "sending" || state === "saved";
        row.querySelector(".leave-out").hidden = state === "sending" || state === "saved";
    };

    // One after the other: each takes the memory of all its pixels for a moment.
    let drawing = Promise.resolve();

    const draw = async (canvas, file) => {
        const image = await createImageBitmap(file);
        const scale = Math.max(canvas.width / image.width, canvas.height / image.height);
        const [width, height] = [image.width * scale, image.height * scale];
        canvas.getContext("2d").drawImage(image, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
        image.close();
    };

    const add = (file) => {
        const row = document.getElementById("chosen-photo").content.firstElementChild.cloneNode(true);
        const canvas = row.querySelector("canvas");
        row.querySelector(".chosen-name").textContent = file.name;
        row.querySelector("textarea").setAttribute("aria-description", file.name);
        row.querySelector(".leave-out").setAttribute("aria-description", file.name);
        canvas.setAttribute("aria-label", file.name);
        files.set(row, file);
        list.append(row);
        if (file.size > Number(texts.maxBytes)) {
            setState(row, "failed", texts.tooLarge);
            return;
        }
        setState(row, "waiting", texts.waiting);
        drawing = drawing.then(() => draw(canvas, file)).then(
            () => canvas.classList.add("is-drawn"),
            () => canvas.classList.add("is-unknown"), // the browser may not know what the server does
        );
    };

    const chosen = (fileList) => {
        status.textContent = "";
        [...fileList].forEach(add);
    };

    // Else somebody else has logged in on another tab, and would be said to have added these. The drafts note who it is.
    const isSameUser = () => {
        try {
            return localStorage.getItem("drafts-of") === document.getElementById("drafts").dataset.user;
        } catch {
            return true; // this browser stores nothing, and nobody can tell
        }
    };

    const post = (body, told) => new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        request.upload.addEventListener("progress", (event) => told(event.loaded / event.total));
        request.addEventListener("load", () => resolve(request));
        request.addEventListener("error", reject);
        request.addEventListener("abort", reject);
        request.open("POST", form.action);
        request.setRequestHeader("Accept", "application/json");
        // As it is now: whoever has logged in again on another tab has another token.
        const token = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];
        if (token && isSameUser()) {
            request.setRequestHeader("X-CSRFToken", token);
        }
        request.send(body);
    });

    const errorOf = (request) => {
        if (request.getResponseHeader("Content-Type") === "application/json" && request.status === 200) {
            return JSON.parse(request.responseText).files[0].error;
        }
        const isLedAway = new URL(request.responseURL).pathname !== window.location.pathname;
        return isLedAway ? texts.login : texts.failed;
    };

    const bodyOf = (row) => {
        const body = new FormData();
        const file = files.get(row);
        body.append("photos", file, file.name);
        body.append("caption", row.querySelector("textarea").value);
        return body;
    };

    const send = async (row) => {
        setState(row, "sending", texts.sending);
        const progress = row.querySelector("progress");
        try {
            const request = await post(bodyOf(row), (part) => {
                progress.value = part;
                say(row, part < 1 ? texts.sending : texts.working);
            });
            const error = errorOf(request);
            setState(row, error ? "failed" : "saved", error || texts.saved);
        } catch {
            setState(row, "failed", texts.offline);
        }
    };

    const sendAll = async () => {
        isSending = true;
        submit.setAttribute("aria-disabled", "true");
        for (let row; (row = rows("waiting")[0]);) {
            await send(row);
        }
        isSending = false;
        submit.removeAttribute("aria-disabled");
        if (!rows("failed").length) {
            status.textContent = texts.allSaved;
            window.location.assign(texts.next);
            return;
        }
        status.textContent = texts.someFailed;
        rows("failed")[0].querySelector("textarea").focus();
    };

    const leaveOut = (row) => {
        const next = row.nextElementSibling ?? row.previousElementSibling;
        row.remove();
        (next?.querySelector(".leave-out:not([hidden])") ?? form.querySelector("[type=file]")).focus();
    };

    form.addEventListener("change", (event) => {
        if (event.target.type === "file") {
            chosen(event.target.files);
            event.target.value = "";
        }
    });

    form.addEventListener("click", (event) => {
        const button = event.target.closest(".leave-out");
        if (button) {
            leaveOut(button.closest("li"));
        }
    });

    form.addEventListener("submit", (event) => {
        event.preventDefault();
        if (isSending) {
            return;
        }
        const isTooLarge = (row) => files.get(row).size > Number(texts.maxBytes);
        rows("failed").filter((row) => !isTooLarge(row)).forEach((row) => setState(row, "waiting", texts.waiting));
        if (list.children.length) {
            sendAll();
        } else {
            status.textContent = texts.none;
        }
    });

    // Anywhere on the page: what misses a small target would be opened by the browser instead of the page.
    document.addEventListener("dragover", (event) => {
        if (event.dataTransfer.types.includes("Files")) {
            event.preventDefault();
            form.classList.add("is-target");
        }
    });
    document.addEventListener("dragleave", (event) => {
        if (!event.relatedTarget) {
            form.classList.remove("is-target");
        }
    });
    document.addEventListener("drop", (event) => {
        form.classList.remove("is-target");
        if (event.dataTransfer.files.length) {
            event.preventDefault();
            chosen(event.dataTransfer.files);
        }
    });

    window.addEventListener("beforeunload", (event) => {
        if (rows("waiting", "sending", "failed").length) {
            event.preventDefault();
        }
    });

    form.classList.add("has-script");
    form.querySelector(".drop-hint").hidden = false;
}
