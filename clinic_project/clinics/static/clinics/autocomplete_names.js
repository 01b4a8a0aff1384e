// Gives what Select2 makes of a choice the name that its label says.
'use strict';

function nameChoice(select) {
    const label = document.querySelector(`label[for="${CSS.escape(select.id)}"]`);
    const made = select.parentElement.querySelector('.select2-selection');
    if (label === null || made === null) {
        return;
    }
    label.id ||= `${select.id}_label`;
    const shown = made.querySelector('.select2-selection__rendered');
    shown.setAttribute('aria-labelledby', label.id);
    made.setAttribute('aria-labelledby', `${label.id} ${shown.id}`);
    django.jQuery(select).on('select2:open', () => {
        document.querySelector('.select2-search__field').setAttribute('aria-labelledby', label.id);
    });
}

// jQuery runs this after what it was given before, Django's script that makes them.
window.addEventListener('load', () => {
    if (document.querySelector('select.admin-autocomplete') !== null) {
        django.jQuery(() => document.querySelectorAll('select.admin-autocomplete').forEach(nameChoice));
    }
});
