// An ordered list of items that can be searched for, added, moved and removed.
import {combobox} from './combobox.js';
import {fill, h, iconButton} from './dom.js';
import {t} from './i18n.js';

/** `titles` knows items' titles and finds them; `onChange` is called after each change. `ids()` is what it holds. */
export function itemList({label, hint, empty, titles, ordered, onChange}) {
    let ids = [];
    const list = h(ordered ? 'ol' : 'ul', {class: 'picked', 'aria-label': label});
    const box = combobox({
        search: titles.search, clears: true, placeholder: t('try.search_items'),
        onChoose: ({value, label: title}) => { titles.learn(value, title); add(value); },
    });

    function add(id) {
        if (!ordered && ids.includes(id)) return;
        ids.push(id);
        changed();
        if (!titles.of(id)) titles.fetch([id]).then(render);
    }

    function move(index, step) {
        [ids[index], ids[index + step]] = [ids[index + step], ids[index]];
        changed();
        list.children[index + step].querySelector(`[data-step="${step}"]:not([disabled])`)?.focus();
    }

    function remove(index) {
        ids.splice(index, 1);
        changed();
        (list.children[Math.min(index, ids.length - 1)]?.querySelector('[data-remove]') ?? box.input).focus();
    }

    function changed() {
        render();
        onChange();
    }

    function row(id, index) {
        const title = titles.of(id);
        const name = title ?? id;
        const button = (icon, text, action) => iconButton(icon, text, action);
        const up = ordered && button('up', t('try.earlier', {item: name}), () => move(index, -1));
        const down = ordered && button('down', t('try.later', {item: name}), () => move(index, 1));
        const away = button('close', t('try.remove', {item: name}), () => remove(index));
        if (up) Object.assign(up, {disabled: index === 0}).dataset.step = '-1';
        if (down) Object.assign(down, {disabled: index === ids.length - 1}).dataset.step = '1';
        away.dataset.remove = '';
        return h('li', {}, h('span', {class: 'picked-name'}, name, title && h('code', {}, id)), up, down, away);
    }

    function render() {
        fill(list, ids.map(row));
        list.hidden = ids.length === 0;
        nothing.hidden = ids.length > 0;
    }

    const nothing = h('p', {class: 'fine'}, empty);
    const element = h('div', {class: 'field'}, h('label', {for: box.input.id}, label), box.element,
        hint && h('span', {class: 'hint'}, hint), nothing, list);
    render();
    return {element, ids: () => [...ids], add, render, set: (next) => { ids = [...next]; render(); }};
}
