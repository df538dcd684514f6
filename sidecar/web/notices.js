// What is shown where something is missing or went wrong, and what to do about it.
import {forgetDeclined} from './api.js';
import {h, iconButton, icon, fill} from './dom.js';
import {t} from './i18n.js';

/** Browsers keep the clipboard from pages that came over plain HTTP from another machine; there it is selected too. */
async function copyText(text, element) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    getSelection().selectAllChildren(element);
    document.execCommand('copy');
}

/** Text with a button that copies it. */
export function code(text, label) {
    const copy = h('button', {type: 'button', class: 'copy'}, icon('copy'), h('span', {}, t('action.copy')));
    const source = h('code', {}, text);
    copy.addEventListener('click', async () => {
        await copyText(text, source);
        fill(copy, icon('check'), h('span', {role: 'status'}, t('action.copied')));
        setTimeout(() => fill(copy, icon('copy'), h('span', {}, t('action.copy'))), 2000);
    });
    return h('div', {class: 'code'}, h('pre', {tabindex: '0', 'aria-label': label}, source), copy);
}

/** A panel that says what to do next. */
export function nextStep(title, text, ...more) {
    return h('section', {class: 'card next-step'}, h('h2', {}, title), h('p', {}, text), more);
}

/** A coloured line: kind is info, warn or bad. */
export function notice(kind, ...content) {
    return h('div', {class: `notice notice-${kind}`, role: kind === 'bad' ? 'alert' : 'note'}, content);
}

const ROLES = 'psql -v api=shop_api -v trainer=shop_trainer -f packaging/roles.sql shop';
const GRANTS = `GRANT SELECT, INSERT ON ratings TO shop_trainer;
GRANT SELECT ON products TO shop_api;   -- titles`;

/** What an error of the API means for the person in front of the page, with a way on where there is one. */
export function explain(error, retry) {
    const again = retry && h('button', {type: 'button', onclick: () => { forgetDeclined(); retry(); }},
        t(error.status === 401 ? 'error.enter_token' : 'action.retry'));
    switch (error.kind) {
        case 'not-installed':
            return nextStep(t('empty.extension'), t('empty.extension.text'), code('CREATE EXTENSION seqrec;', 'SQL'), again);
        case 'forbidden':
            return nextStep(t('empty.forbidden'), t('empty.forbidden.text'), code(ROLES, 'psql'), h('p', {}, t('empty.forbidden.tables')), code(GRANTS, 'SQL'), again);
        case 'database-unavailable':
            return nextStep(t('error.database'), t('error.database.text'), again);
        case 'unreachable':
            return nextStep(t('error.unreachable'), t('error.unreachable.text'), again);
        default:
            return nextStep(t('error.title'), error.message, errorDetails(error), again);
    }
}

/** Hint, SQLSTATE and request id of an error. */
export function errorDetails(error) {
    return [
        error.hint && h('p', {class: 'hint-line'}, error.hint),
        (error.sqlstate || error.requestId) && h('p', {class: 'fine'},
            [error.sqlstate && `SQLSTATE ${error.sqlstate}`, error.requestId && t('error.request', {id: error.requestId})].filter(Boolean).join(' · ')),
    ];
}

/** An error that belongs to one action, in one line. */
export function errorNotice(error) {
    const disabled = error.kind === 'disabled' ? h('p', {}, t('error.disabled')) : null;
    return notice('bad', h('p', {}, h('strong', {}, error.message)), disabled, errorDetails(error));
}

/** Asks before something is done; resolves to true or false. `keep` is on the button that leaves things as they are. */
export function confirm(title, text, action, keep = t('action.cancel')) {
    const dialog = h('dialog', {class: 'dialog', 'aria-labelledby': 'confirm-title'},
        h('div', {class: 'dialog-head'}, h('h2', {id: 'confirm-title'}, title), iconButton('close', t('action.close'), () => dialog.close())),
        h('p', {}, text),
        h('div', {class: 'actions'},
            h('button', {type: 'button', class: 'primary', autofocus: true, onclick: () => dialog.close('yes')}, action),
            h('button', {type: 'button', onclick: () => dialog.close()}, keep)));
    document.body.append(dialog);
    dialog.showModal();
    return new Promise((resolve) => {
        dialog.addEventListener('close', () => { dialog.remove(); resolve(dialog.returnValue === 'yes'); });
    });
}
