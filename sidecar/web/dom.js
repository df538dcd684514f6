// Building the page. Everything that comes from outside becomes a text node or an attribute, never markup.

const SVG = 'http://www.w3.org/2000/svg';
const ICONS = {
    copy: 'M9 9h10v10H9zM5 15V5h10',
    close: 'M6 6l12 12M18 6L6 18',
    up: 'M6 14l6-6 6 6',
    down: 'M6 10l6 6 6-6',
    plus: 'M12 5v14M5 12h14',
    check: 'M5 13l4 4L19 7',
    brand: 'M3 17l6-7 5 4 7-9',
};

/** h('a', {href: '#', class: 'x', onclick: f, vars: {'--share': 0.5}}, 'text', element, null)  an element */
export function h(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) set(element, name, value);
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return element;
}

function set(element, name, value) {
    if (value === null || value === undefined || value === false) return;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'vars') for (const [key, part] of Object.entries(value)) element.style.setProperty(key, part);
    else element.setAttribute(name, value === true ? '' : value);
}

/** Replaces what an element holds. */
export function fill(element, ...children) {
    element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return element;
}

/** Writes a text only when it is another one, so that a selection or a screen reader is not disturbed. */
export function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
}

export function icon(name) {
    const svg = document.createElementNS(SVG, 'svg');
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', ICONS[name]);
    svg.setAttribute('viewBox', '0 0 24 24');
    svg.setAttribute('class', 'icon');
    svg.setAttribute('aria-hidden', 'true');
    svg.append(path);
    return svg;
}

/** A button that holds an icon alone; its name is read out and shown on hover. */
export function iconButton(name, label, onclick) {
    return h('button', {type: 'button', class: 'icon-button', title: label, 'aria-label': label, onclick}, icon(name));
}

let counter = 0;
export const newId = (prefix) => `${prefix}-${++counter}`;

/** A form control below its label, with a line that explains it. */
export function field(label, control, hint) {
    control.id ||= newId('field');
    const explanation = hint && h('span', {class: 'hint', id: newId('hint')}, hint);
    if (explanation) control.setAttribute('aria-describedby', explanation.id);
    return h('div', {class: 'field'}, h('label', {for: control.id}, label), control, explanation);
}

/** A table: columns are {title, number?, untitled?}; rows are arrays of cells. On narrow screens each row becomes a card. */
export function table(caption, columns, rows) {
    const head = columns.map(({title, number, untitled}) =>
        h('th', {scope: 'col', class: number && 'number'}, untitled ? h('span', {class: 'visually-hidden'}, title) : title));
    return h('table', {class: 'data'},
        h('caption', {class: 'visually-hidden'}, caption),
        h('thead', {}, h('tr', {}, head)),
        h('tbody', {}, rows.map((cells) => tableRow(columns, cells))));
}

export function tableRow(columns, cells) {
    return h('tr', {}, cells.map((cell, i) =>
        h('td', {class: columns[i].number && 'number', 'data-label': columns[i].untitled ? '' : columns[i].title}, cell)));
}

/** Calls `work` now and then again `seconds` after it ended, while the page is looked at, until the signal. */
export async function repeat(seconds, signal, work) {
    while (!signal.aborted) {
        if (!document.hidden) await work();
        await sleep(seconds, signal);
    }
}

export function sleep(seconds, signal) {
    return new Promise((resolve) => {
        const timer = setTimeout(resolve, seconds * 1000);
        signal?.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, {once: true});
    });
}
