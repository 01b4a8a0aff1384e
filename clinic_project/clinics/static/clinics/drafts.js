"use strict";

/* Keeps what is typed into a form in this browser until it is saved, and offers it when the form is opened again.

   A form asks for it by `data-draft`, on itself or on an element in it: what tells this form from any other one. With
   `data-draft-restore`, a draft is sent to the server, as the value of that parameter and with all that was typed, and the
   server shows the form with it: so are forms restored whose inputs can be added and removed. Others are filled in here.

   Drafts are encrypted. The key comes with each page for who is logged in, and is never stored. They are deleted when the
   form was saved, at the logout, when somebody else logs in, and, by the next page of ours, after twelve hours. */
{
    const LIFETIME = 12 * 60 * 60 * 1000;
    const PAUSE = 250;
    const PREFIX = "draft:";
    const OWNER = "drafts-of";
    const SENT = "_draft";
    const SAVED = "saved_draft";
    const TOKEN = "csrfmiddlewaretoken";
    const VERSION = "version";

    const page = document.getElementById("drafts");
    const user = page.dataset.user;

    // The storage. Each page in which something is typed has a draft of its own: two tabs don't overwrite each other's.

    const read = (id) => {
        try {
            return JSON.parse(localStorage.getItem(PREFIX + id));
        } catch {
            return null;
        }
    };

    const forget = (id) => localStorage.removeItem(PREFIX + id);

    const storedIds = () =>
        Object.keys(localStorage).filter((name) => name.startsWith(PREFIX)).map((name) => name.slice(PREFIX.length));

    const cookie = (name) => document.cookie.split("; ").find((text) => text.startsWith(`${name}=`))?.slice(name.length + 1);

    const isMine = () => localStorage.getItem(OWNER) === user;

    const tidy = () => {
        const isOver = "over" in page.dataset || (user && !isMine());
        for (const id of storedIds()) {
            if (isOver || !(Math.abs(Date.now() - read(id)?.at) < LIFETIME)) {
                forget(id);
            }
        }
        if ("over" in page.dataset) {
            localStorage.removeItem(OWNER);
        } else if (user) {
            localStorage.setItem(OWNER, user);
        }
        const saved = cookie(SAVED);
        if (saved) {
            forget(saved);
            document.cookie = `${SAVED}=; path=/; max-age=0`;
        }
    };

    // Encryption.

    const toBytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const toText = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    let imported;
    const key = () => (imported ??= crypto.subtle.importKey("raw", toBytes(page.dataset.key), "AES-GCM", false, ["encrypt", "decrypt"]));

    const encrypt = async (content) => {
        const iv = crypto.getRandomValues(new Uint8Array(12));
        const plain = new TextEncoder().encode(JSON.stringify(content));
        const sealed = await crypto.subtle.encrypt({name: "AES-GCM", iv}, await key(), plain);
        return {iv: toText(iv), sealed: toText(new Uint8Array(sealed))};
    };

    const decrypt = async ({iv, sealed}) => {
        const plain = await crypto.subtle.decrypt({name: "AES-GCM", iv: toBytes(iv)}, await key(), toBytes(sealed));
        return JSON.parse(new TextDecoder().decode(plain));
    };

    /* Return the draft with its content; null, and no draft, if another key has made it. */
    const open = async (id) => {
        const draft = read(id);
        try {
            return {id, at: draft.at, ...(await decrypt(draft))};
        } catch {
            forget(id);
            return null;
        }
    };

    // The inputs of a form: [name, value, text of the option].

    const NEVER_KEPT = ["password", "file", "submit", "button", "image", "reset"];

    const inputs = (form) =>
        [...form.elements].filter(
            (input) =>
                input.matches("input, select, textarea") &&
                input.name &&
                input.name !== TOKEN &&
                !input.matches(":disabled, [autocomplete=one-time-code]") &&
                !NEVER_KEPT.includes(input.type),
        );

    const isTicked = (input) => ["checkbox", "radio"].includes(input.type);

    const entry = (input) => {
        if (input.matches("select")) {
            return [...input.selectedOptions].map((option) => [input.name, option.value, option.text]);
        }
        return isTicked(input) && !input.checked ? [] : [[input.name, input.value.replaceAll("\r\n", "\n")]];
    };

    const entriesOf = (form) => inputs(form).flatMap(entry);

    const grouped = (entries) => {
        const groups = new Map();
        for (const [name, value] of entries) {
            groups.set(name, [...(groups.get(name) ?? []), value]);
        }
        return groups;
    };

    /* Return the names of the inputs that are different. */
    const differences = (one, other) => {
        const [left, right] = [grouped(one), grouped(other)];
        const names = new Set([...left.keys(), ...right.keys()]);
        return [...names].filter((name) => JSON.stringify(left.get(name)) !== JSON.stringify(right.get(name)));
    };

    const choose = (select, chosen) => {
        for (const [, value, text] of chosen) {
            // A list that is searched has the options alone that were chosen on this page.
            if (![...select.options].some((option) => option.value === value)) {
                select.add(new Option(text, value));
            }
        }
        const values = chosen.map(([, value]) => value);
        for (const option of select.options) {
            option.selected = values.includes(option.value);
        }
    };

    const fill = (input, entries) => {
        if (input.matches("select")) {
            choose(input, entries);
        } else if (isTicked(input)) {
            input.checked = entries.some(([, value]) => value === input.value);
        } else if (entries.length) {
            input.value = entries.shift()[1];
        }
        input.dispatchEvent(new Event("input", {bubbles: true}));
        input.dispatchEvent(new Event("change", {bubbles: true}));
    };

    /* Fill in what the person changed, and return what the form has no input for. The version stays the one that was read,
       so that the server tells whether somebody else has saved another one. */
    const fillIn = (form, {base, entries}) => {
        const found = inputs(form);
        const changed = new Set([VERSION, ...differences(base, entries)]);
        const left = new Map([...changed].map((name) => [name, entries.filter(([other]) => other === name)]));
        found.filter((input) => changed.has(input.name)).forEach((input) => fill(input, left.get(input.name)));
        const placed = new Set(found.map((input) => input.name));
        return entries.filter(([name, value]) => changed.has(name) && !placed.has(name) && value.trim());
    };

    /* Send all that was typed to the server, which shows the form with it. */
    const send = (form, {id, entries}, parameter) => {
        const copy = document.createElement("form");
        copy.method = "post";
        copy.action = form.getAttribute("action") ?? window.location.href;
        for (const [name, value] of [...entries, [parameter, "draft"], [SENT, id], [TOKEN, form.elements[TOKEN].value]]) {
            const input = document.createElement("input");
            Object.assign(input, {type: "hidden", name, value});
            copy.append(input);
        }
        document.body.append(copy);
        copy.submit();
    };

    // What is said.

    const time = (at) =>
        new Date(at).toLocaleTimeString(document.documentElement.lang, {hour: "2-digit", minute: "2-digit", hourCycle: "h23"});

    /* Put a notice above the form. It is empty at first: what comes into it then is read out. */
    const notice = (form, name, at = 0) => {
        const place = document.createElement("div");
        place.setAttribute("role", "status");
        form.before(place);
        const content = page.content.querySelector(`[data-notice=${name}]`).cloneNode(true);
        for (const element of content.querySelectorAll("[data-time]")) {
            element.textContent = element.textContent.replace("{time}", time(at));
        }
        requestAnimationFrame(() => place.append(content));
        return content;
    };

    // One form.

    const locks = new Set();

    /* Take the lock that tells other tabs that a draft is in use here; return whether no other tab has it. */
    const hold = (id, patience) =>
        new Promise((resolve) => {
            if (locks.has(id)) {
                resolve(true);
                return;
            }
            const held = () => {
                locks.add(id);
                resolve(true);
                return new Promise(() => {});
            };
            const options = {signal: AbortSignal.timeout(patience)};
            navigator.locks.request(PREFIX + id, options, held).catch(() => resolve(false));
        });

    const lockedElsewhere = async () => {
        const {held} = await navigator.locks.query();
        return held.map((lock) => lock.name.slice(PREFIX.length)).filter((id) => !locks.has(id));
    };

    class Draft {
        constructor(holder) {
            this.form = holder.closest("form");
            this.name = holder.dataset.draft;
            this.parameter = holder.dataset.draftRestore;
            this.shown = this.base = entriesOf(this.form);
            this.writing = Promise.resolve();
            this.listen();
            this.ready = this.begin().catch(() => this.fail());
        }

        listen() {
            for (const event of ["input", "change"]) {
                this.form.addEventListener(event, () => (this.timer ??= setTimeout(() => this.keep(), PAUSE)));
            }
            this.form.addEventListener("submit", () => this.flush());
            window.addEventListener("pagehide", () => this.flush());
            this.form.addEventListener("formdata", (event) => this.complete(event.formData));
        }

        /* Let the server say whether this draft was saved. Whoever has logged in again in another tab has another token. */
        complete(data) {
            if (this.id && isMine()) {
                data.set(SENT, this.id);
                data.set(TOKEN, cookie("csrftoken") ?? data.get(TOKEN));
            }
        }

        async begin() {
            const before = sessionStorage.getItem(PREFIX + this.name);
            if (before) {
                // The page before this one may be letting it go just now.
                await hold(before, 1000);
            }
            const elsewhere = await lockedElsewhere();
            const drafts = await this.drafts();
            const own = drafts.find((draft) => draft.id === before && locks.has(before) && this.shows(draft));
            await (own ? this.goOn(own) : this.use(crypto.randomUUID()));
            const others = drafts.filter((draft) => draft !== own && !elsewhere.includes(draft.id));
            others.filter((draft) => !this.shows(draft)).forEach((draft) => this.offer(draft));
            if (drafts.some((draft) => elsewhere.includes(draft.id))) {
                notice(this.form, "elsewhere");
            }
        }

        async drafts() {
            const mine = storedIds().filter((id) => read(id)?.form === this.name);
            const drafts = (await Promise.all(mine.map(open))).filter(Boolean);
            return drafts.sort((one, other) => one.at - other.at);
        }

        /* Whether the page has what is in the draft: the form with it was sent, and came back. */
        shows(draft) {
            return draft.id === page.dataset.sent || !differences(entriesOf(this.form), draft.entries).length;
        }

        /* Whether somebody else has saved the form since it was opened. Hidden inputs may be other ones on each page. */
        isOlder(draft) {
            const hidden = new Set(inputs(this.form).filter((input) => input.type === "hidden").map((input) => input.name));
            return differences(this.shown, draft.base).some((name) => name === VERSION || !hidden.has(name));
        }

        async goOn(draft) {
            await this.use(draft.id);
            this.base = draft.base;
            if (sessionStorage.getItem("continued-draft") === draft.id) {
                notice(this.form, "continued", draft.at);
            }
            sessionStorage.removeItem("continued-draft");
        }

        /* Write into that draft from now on; return false if another tab does. */
        async use(id) {
            if (!(await hold(id, 1000))) {
                return false;
            }
            sessionStorage.setItem(PREFIX + this.name, id);
            this.id = id;
            return true;
        }

        offer(draft) {
            const offer = notice(this.form, "offer", draft.at);
            offer.querySelector(".draft-older").hidden = !this.isOlder(draft);
            offer.querySelector(".draft-continue").addEventListener("click", () => this.take(draft, offer));
            offer.querySelector(".draft-discard").addEventListener("click", () => {
                forget(draft.id);
                offer.remove();
                inputs(this.form).find((input) => input.checkVisibility())?.focus();
            });
        }

        async take({id, at}, offer) {
            const draft = (await this.use(id)) && (await open(id));
            offer.remove();
            if (!draft) {
                notice(this.form, "elsewhere");
                return;
            }
            if (this.parameter) {
                sessionStorage.setItem("continued-draft", id);
                send(this.form, draft, this.parameter);
                return;
            }
            this.base = draft.base;
            const left = fillIn(this.form, draft);
            const said = notice(this.form, left.length ? "without-place" : "continued", at);
            said.querySelector("ul")?.append(
                ...left.map(([, value, text]) => Object.assign(document.createElement("li"), {textContent: text ?? value})),
            );
            inputs(this.form).find((input) => input.checkVisibility())?.focus();
        }

        flush() {
            if (this.timer) {
                this.keep();
            }
        }

        keep() {
            clearTimeout(this.timer);
            this.timer = undefined;
            this.writing = this.writing.then(() => this.write()).catch(() => this.fail());
        }

        async write() {
            await this.ready;
            const content = {base: this.base, entries: entriesOf(this.form)};
            const draft = {form: this.name, at: Date.now(), ...(await encrypt(content))};
            if (!isMine()) {
                throw new Error("Somebody has logged out in another tab, or somebody else has logged in.");
            }
            localStorage.setItem(PREFIX + this.id, JSON.stringify(draft));
        }

        /* The storage is full, or the browser has none for us. */
        fail() {
            if (!this.hasFailed) {
                this.hasFailed = true;
                notice(this.form, "unavailable");
            }
        }
    }

    try {
        tidy();
    } catch {
        // Where nothing can be stored there is nothing to delete.
    }
    if (user) {
        document.querySelectorAll("[data-draft]").forEach((holder) => new Draft(holder));
    }
}
