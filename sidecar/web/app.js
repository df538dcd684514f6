// The frame around the pages: navigation, language, the server's state, the question for a token.
import {address, forgetDeclined, onTokenNeeded} from './api.js';
import {fill, h, icon, iconButton, newId, repeat} from './dom.js';
import {language, t} from './i18n.js';
import * as models from './models.js';
import * as serving from './serving.js';
import * as training from './training.js';
import * as tryIt from './try_it.js';

const PAGES = {models, training, try: tryIt, serving};
const READY_EVERY_S = 10;

const links = Object.keys(PAGES).map((name) => h('a', {href: `#/${name}`, 'data-page': name}, t(`nav.${name}`)));
const main = h('main', {id: 'main', tabindex: '-1'});
const state = h('span', {class: 'state', role: 'status'});
let leave = new AbortController();

function header() {
    const other = language === 'en' ? 'zh' : 'en';
    const languageLink = h('a', {class: 'quiet', lang: other, hreflang: other, href: `?lang=${other}`}, t('app.other_language'));
    languageLink.addEventListener('click', () => { languageLink.href = `?lang=${other}${location.hash}`; });
    return h('header', {class: 'top'},
        h('div', {class: 'top-inner'},
            h('a', {class: 'brand', href: '#/models'}, h('span', {class: 'brand-mark'}, icon('brand')), 'seqrec'),
            h('nav', {'aria-label': t('app.pages')}, links),
            h('div', {class: 'top-right'}, state, languageLink)));
}

/** The page of the address, e.g. #/training; the first one for any other address. */
function open() {
    if (location.hash && !location.hash.startsWith('#/')) return; // a link within the page
    const name = location.hash.slice(2).split('?')[0];
    const current = Object.hasOwn(PAGES, name) ? name : 'models';
    leave.abort();
    leave = new AbortController();
    forgetDeclined();
    for (const link of links) {
        if (link.dataset.page === current) link.setAttribute('aria-current', 'page');
        else link.removeAttribute('aria-current');
    }
    document.title = `${t(`nav.${current}`)} · seqrec`;
    const root = h('div', {class: `page page-${current}`});
    fill(main, root);
    PAGES[current].open(root, leave.signal);
}

async function showState() {
    const ready = await fetch(address('/readyz'), {cache: 'no-store'}).then((answer) => answer.json(), () => null);
    const kind = !ready ? 'bad' : ready.ready ? 'good' : 'warn';
    const text = t(`state.${kind}`);
    if (state.dataset.kind !== kind) fill(state, h('span', {class: 'dot'}), h('span', {class: 'state-text'}, text));
    state.dataset.kind = kind;
    state.title = ready?.reasons?.length ? ready.reasons.join('; ') : text;
}

/** Asks for a token in a dialog; null when it is closed without one. */
function askForToken(access, wasRefused) {
    const input = h('input', {id: newId('token'), type: 'password', autocomplete: 'off', autofocus: true, required: true, spellcheck: 'false'});
    const dialog = h('dialog', {class: 'dialog', 'aria-labelledby': 'token-title'},
        h('form', {method: 'dialog'},
            h('div', {class: 'dialog-head'},
                h('h2', {id: 'token-title'}, t(`token.${access}.title`)),
                iconButton('close', t('action.close'), () => dialog.close())),
            h('p', {}, t(`token.${access}.text`)),
            wasRefused && h('p', {class: 'error-text', role: 'alert'}, t('token.refused')),
            h('label', {for: input.id}, t('token.label')),
            input,
            h('p', {class: 'hint'}, t('token.kept')),
            h('div', {class: 'actions'},
                h('button', {type: 'submit', class: 'primary', value: 'token'}, t('token.use')),
                h('button', {type: 'button', onclick: () => dialog.close()}, t('action.cancel')))));
    // form-action is closed by the page's policy, so the dialog is ended here.
    dialog.querySelector('form').addEventListener('submit', (event) => {
        event.preventDefault();
        dialog.close(input.value.trim());
    });
    document.body.append(dialog);
    dialog.showModal();
    return new Promise((resolve) => {
        dialog.addEventListener('close', () => { dialog.remove(); resolve(dialog.returnValue || null); });
    });
}

function skipLink() {
    return h('a', {class: 'skip', href: '#main', onclick: (event) => { event.preventDefault(); main.focus(); }}, t('app.skip'));
}

document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
document.body.prepend(skipLink(), header(), main);
onTokenNeeded(askForToken);
addEventListener('hashchange', open);
open();
repeat(READY_EVERY_S, new AbortController().signal, showState);
