// A text field that offers what is found for it (ARIA's combobox with a list): arrows, Enter, Escape.
import {fill, h, newId} from './dom.js';

const PAUSE_MS = 150;

/**
 * `search(text)` resolves to [{value, label}]; `onChoose({value, label})` gets what was chosen, or the typed text
 * when nothing was. The chosen value stays in the field unless `clears`. `element` is the whole, `input` the field.
 */
export function combobox({search, onChoose, clears = false, placeholder, value = ''}) {
    const list = h('ul', {role: 'listbox', class: 'options', id: newId('options'), hidden: true});
    const input = h('input', {
        id: newId('combobox'), type: 'text', role: 'combobox', 'aria-autocomplete': 'list', 'aria-expanded': 'false', 'aria-controls': list.id,
        autocomplete: 'off', spellcheck: 'false', placeholder, maxlength: '512', value,
    });
    let options = [];
    let active = -1;
    let timer;
    let asked = 0;

    function close() {
        clearTimeout(timer);
        ++asked; // an answer that is under way comes too late
        list.hidden = true;
        active = -1;
        input.setAttribute('aria-expanded', 'false');
        input.removeAttribute('aria-activedescendant');
    }

    function show(found) {
        options = found;
        active = -1;
        fill(list, found.map(({value, label}, i) => h('li', {
            role: 'option', id: `${list.id}-${i}`, 'aria-selected': 'false',
            onpointerdown: (event) => { event.preventDefault(); choose(i); },
        }, label && label !== value ? [h('span', {class: 'option-label'}, label), h('code', {}, value)] : h('span', {class: 'option-label'}, value))));
        list.hidden = found.length === 0;
        input.setAttribute('aria-expanded', String(found.length > 0));
    }

    function ask() {
        clearTimeout(timer);
        const number = ++asked;
        timer = setTimeout(async () => {
            const found = await search(input.value.trim()).catch(() => []);
            if (number === asked) show(found);
        }, PAUSE_MS);
    }

    function move(step) {
        if (list.hidden) return ask();
        active = (active + step + options.length) % options.length;
        [...list.children].forEach((item, i) => item.setAttribute('aria-selected', String(i === active)));
        list.children[active].scrollIntoView({block: 'nearest'});
        input.setAttribute('aria-activedescendant', list.children[active].id);
    }

    function choose(index) {
        const text = input.value.trim();
        const chosen = options[index] ?? (text && {value: text, label: null});
        close();
        if (!chosen) return;
        input.value = clears ? '' : chosen.value;
        onChoose(chosen);
    }

    input.addEventListener('input', ask);
    input.addEventListener('focus', ask);
    input.addEventListener('blur', close);
    input.addEventListener('keydown', (event) => {
        if (event.isComposing) return; // an input method is still at work
        if (event.key === 'ArrowDown') move(1);
        else if (event.key === 'ArrowUp') move(-1);
        else if (event.key === 'Escape' && !list.hidden) close();
        else if (event.key === 'Enter' && (clears || active >= 0)) choose(active);
        else return;
        event.preventDefault();
    });
    return {element: h('div', {class: 'combobox'}, input, list), input};
}
