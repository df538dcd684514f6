// The form that starts a training, and the same call in SQL.
import {get, post} from './api.js';
import {field, fill, h} from './dom.js';
import {t} from './i18n.js';
import {code, errorNotice, notice} from './notices.js';
import {sqlCall} from './snippets.js';

const DEFAULTS = {model: 'default', kind: '', user_column: 'user_id', item_column: 'item_id', time_column: 'timestamp', items: '', users: ''};

const input = (name, more) => h('input', {name, autocomplete: 'off', spellcheck: 'false', maxlength: '512', ...more});

function wide(element) {
    element.classList.add('wide');
    return element;
}

/** `onStarted` is called when the server has taken the job. */
export function startForm(onStarted) {
    const message = h('div', {'aria-live': 'polite'});
    const kinds = h('select', {name: 'kind'}, h('option', {value: ''}, t('start.kind.default')));
    const offered = h('details', {hidden: true}, h('summary', {}, t('start.kind.options')), h('div', {class: 'fields option-fields'}));
    const sql = h('div');
    const submit = h('button', {type: 'submit', class: 'primary'}, t('start.submit'));
    const form = h('form', {class: 'start-form', autocomplete: 'off'},
        h('div', {class: 'fields'},
            field(t('start.ratings'), input('ratings', {required: true, value: 'ratings'}), t('start.ratings.hint')),
            field(t('start.model'), input('model', {placeholder: DEFAULTS.model}), t('start.model.hint')),
            field(t('start.seconds'), input('max_seconds', {type: 'number', min: '1', max: '31536000', step: '1', inputmode: 'numeric'}), t('start.seconds.hint'))),
        h('details', {},
            h('summary', {}, t('start.more')),
            h('div', {class: 'fields'},
                field(t('start.user_column'), input('user_column', {placeholder: DEFAULTS.user_column})),
                field(t('start.item_column'), input('item_column', {placeholder: DEFAULTS.item_column})),
                field(t('start.time_column'), input('time_column', {placeholder: DEFAULTS.time_column})),
                field(t('start.kind'), kinds),
                field(t('start.items'), input('items'), t('start.sides.hint')),
                field(t('start.users'), input('users'), t('start.sides.hint')),
                wide(field(t('start.options'), h('textarea', {name: 'options', rows: '3', spellcheck: 'false', placeholder: '{"dim": 64, "epochs": 20}'}), t('start.options.hint')))),
            offered,
            h('h3', {}, t('start.sql')), sql),
        h('div', {class: 'actions'}, submit));

    let busy = false;
    const showSql = () => {
        const body = read(form, false);
        const {ratings, ...named} = body;
        fill(sql, code(`SELECT ${sqlCall('seqrec_train', [ratings ?? ''], named)};`, 'SQL'));
    };
    // A field that is wrong must be seen to be told so.
    form.addEventListener('invalid', ({target}) => { for (let at = target.closest('details'); at; at = at.parentElement.closest('details')) at.open = true; }, true);
    form.addEventListener('input', () => { form.elements.options.setCustomValidity(''); showSql(); });
    form.addEventListener('submit', async (event) => {
        event.preventDefault();
        const body = read(form, true);
        if (!body || busy) return;
        busy = true; // a disabled button would lose the focus
        try {
            const {job_id: id} = await post('/train', body, {access: 'admin'});
            fill(message, notice('good', h('p', {}, t('start.started', {job: id}))));
            onStarted();
        } catch (error) {
            fill(message, errorNotice(error));
        }
        busy = false;
    });
    showSql();
    offerKinds(kinds, offered, showSql);
    return h('section', {class: 'card'}, h('h2', {}, t('start.title')), form, message);
}

/** Fills in the kinds that the server knows, the default first; without them the default stays. */
async function offerKinds(select, offered, changed) {
    try {
        const {kinds} = await get('/kinds');
        fill(select, ...kinds.map(({kind, meaning}, place) => h('option', {value: place ? kind : '', title: meaning}, kind)));
        const offer = () => {
            offerOptions(offered.lastElementChild, kinds[select.selectedIndex].options);
            offered.hidden = false;
            changed();
        };
        select.addEventListener('change', offer);
        offer();
    } catch { /* the form works without */ }
}

/** A field for each option of a kind; the longest time has one already. */
function offerOptions(fields, options) {
    fill(fields, Object.entries(options).filter(([name]) => name !== 'max_seconds').map(([name, option]) => field(name, optionInput(name, option), option.meaning)));
}

const shownDefault = (value) => (value === null ? t('start.option.from_data') : typeof value === 'string' ? value : JSON.stringify(value));

function optionInput(name, {type, default: usual, minimum, maximum, choices}) {
    const common = {'data-option': name, 'data-type': type};
    const few = type === 'boolean' ? ['true', 'false'] : choices;
    if (few) return h('select', common, h('option', {value: ''}, t('start.option.default', {value: shownDefault(usual)})), few.map((choice) => h('option', {value: choice}, choice)));
    const more = {...common, placeholder: shownDefault(usual), autocomplete: 'off', spellcheck: 'false'};
    if (type === 'integer' || type === 'number') return h('input', {...more, type: 'number', min: minimum, max: maximum, step: type === 'integer' ? 1 : 'any', inputmode: 'decimal'});
    const control = h('input', more);
    if (type === 'json') control.addEventListener('input', () => control.setCustomValidity(jsonOf(control.value) === undefined ? t('start.option.invalid') : ''));
    return control;
}

/** The value of a JSON text, undefined when it is none; an empty one is null. */
function jsonOf(text) {
    try {
        return JSON.parse(text.trim() || 'null');
    } catch {
        return undefined;
    }
}

/** What was filled in for options, each with its type. */
function filledOptions(form) {
    const options = {};
    for (const {dataset, value} of form.querySelectorAll('[data-option]')) {
        const given = dataset.type === 'text' ? value.trim() : jsonOf(value);
        if (value.trim() && given !== undefined) options[dataset.option] = given;
    }
    return options;
}

/** The request's body: only what differs from the defaults. Null when the options are not JSON and `strict`. */
function read(form, strict) {
    const body = {};
    for (const name of ['ratings', ...Object.keys(DEFAULTS)]) {
        const value = form.elements[name].value.trim();
        if (value && value !== DEFAULTS[name]) body[name] = value;
    }
    const options = readOptions(form, strict);
    if (!options) return null;
    Object.assign(options, filledOptions(form));
    if (form.elements.max_seconds.value) options.max_seconds = Number(form.elements.max_seconds.value);
    if (Object.keys(options).length) body.options = options;
    return body;
}

function readOptions(form, strict) {
    const {options} = form.elements;
    try {
        const value = JSON.parse(options.value.trim() || '{}');
        if (value && typeof value === 'object' && !Array.isArray(value)) return value;
    } catch { /* told below */ }
    if (!strict) return {};
    form.querySelector('details').open = true;
    options.setCustomValidity(t('start.options.invalid'));
    options.reportValidity();
    return null;
}
