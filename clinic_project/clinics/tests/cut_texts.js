// Returns the texts of the page that nobody can read whole: cut by an element, out of the screen, or headings below a link.

const MARGIN = 2; // px: letters may reach out of their line a little.
const WIDTH = document.documentElement.clientWidth;

function isShown(element) {
    return element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
}

// Such a text is in a box of a pixel, or out of the screen until it has the focus.
function isForScreenReaders(element) {
    for (let parent = element; parent; parent = parent.parentElement) {
        if (parent.getBoundingClientRect().width <= 4 || getComputedStyle(parent).clipPath === 'inset(50%)') {
            return true;
        }
    }
    return element.matches('.visually-hidden, .skip-to-content-link');
}

// Code may be scrolled: breaking its lines would change it.
function isCode(element) {
    return element.closest('pre') !== null;
}

function cuts(box, style, text) {
    const across = style.overflowX !== 'visible' && (text.right > box.right + MARGIN || text.left < box.left - MARGIN);
    const down = style.overflowY !== 'visible' && style.overflowY !== 'auto' && style.overflowY !== 'scroll'
        && (text.bottom > box.bottom + MARGIN || text.top < box.top - MARGIN);
    return across || down;
}

function cutter(element, text) {
    if (text.right > WIDTH + MARGIN || text.left < -MARGIN) {
        return document.documentElement;
    }
    for (let parent = element; parent && parent !== document.body; parent = parent.parentElement) {
        if (cuts(parent.getBoundingClientRect(), getComputedStyle(parent), text)) {
            return parent;
        }
    }
    return null;
}

function name(element) {
    return element.tagName.toLowerCase() + (element.id ? `#${element.id}` : '')
        + [...element.classList].map((one) => `.${one}`).join('');
}

function cutTexts() {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !isShown(element) || isForScreenReaders(element) || isCode(element)
            || element.closest('option, script, style')) {
            continue;
        }
        const range = document.createRange();
        range.selectNodeContents(walker.currentNode);
        for (const text of range.getClientRects()) {
            const by = text.width && cutter(element, text);
            if (by) {
                found.push(`“${walker.currentNode.data.trim().slice(0, 60)}” in ${name(element)} is cut by ${name(by)}`);
                break;
            }
        }
    }
    return found;
}

function cutChoices() {
    return [...document.querySelectorAll('select, input:not([type=hidden], [type=checkbox], [type=radio])')]
        .filter((input) => isShown(input) && !isForScreenReaders(input) && input.scrollWidth > input.clientWidth + MARGIN)
        .map((input) => `“${input.value.slice(0, 60)}” in ${name(input)} is longer than that`);
}

function wide() {
    const page = document.documentElement.scrollWidth;
    return page > WIDTH ? [`the page is ${page} px wide, the screen ${WIDTH} px`] : [];
}

function textBoxes(element) {
    const range = document.createRange();
    range.selectNodeContents(element);
    return [...range.getClientRects()];
}

function overlap(one, other) {
    return Math.min(one.right, other.right) - Math.max(one.left, other.left) > MARGIN
        && Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > MARGIN;
}

function coveredHeadings() {
    const links = [...document.querySelectorAll('#content a, #content button')].filter(isShown);
    return [...document.querySelectorAll('#content h1, #content h2')].filter(isShown).flatMap((heading) => {
        const boxes = textBoxes(heading);
        return links
            .filter((link) => !heading.contains(link) && boxes.some((box) => overlap(box, link.getBoundingClientRect())))
            .map((link) => `“${heading.textContent.trim().slice(0, 60)}” is covered by “${link.textContent.trim()}”`);
    });
}

return [...wide(), ...cutTexts(), ...cutChoices(), ...coveredHeadings()];
