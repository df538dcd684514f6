// Models: every version with its quality beside the baselines; which one is served; activate, roll back.
import {get, post} from './api.js';
import {fill, h, iconButton, repeat, table} from './dom.js';
import {ago, compact, dateTime, duration, number, percent, t} from './i18n.js';
import {kindView} from './kind_view.js';
import {code, confirm, errorNotice, explain, nextStep, notice} from './notices.js';

const REFRESH_S = 15;

export function open(root, signal) {
    const content = h('div', {class: 'stack', 'aria-busy': 'true'}, h('p', {class: 'loading'}, t('app.loading')));
    const message = h('div', {'aria-live': 'polite'});
    let shown = '';
    let drawn = new AbortController();
    fill(root, h('div', {class: 'page-head'}, h('div', {}, h('h1', {}, t('nav.models')), h('p', {class: 'lead'}, t('models.lead')))), message, content);

    async function load() {
        try {
            const {models} = await get('/models', {signal});
            const now = JSON.stringify(models);
            if (now !== shown) show(models); // focus stays otherwise
            shown = now;
        } catch (error) {
            if (signal.aborted) return;
            shown = '';
            fill(content, explain(error, load));
        }
        content.setAttribute('aria-busy', 'false');
    }

    /** Charts go with the cards that they are on. */
    function show(models) {
        drawn.abort();
        drawn = new AbortController();
        const alive = AbortSignal.any([signal, drawn.signal]);
        fill(content, models.length ? byName(models).map((versions) => card(versions, {activate, refresh}, alive)) : noModels());
    }

    async function activate(version, active) {
        const back = active && isOlder(version, active);
        const title = t(back ? 'models.roll_back' : 'models.activate');
        const sure = await confirm(`${title}?`, t('models.activate.text', {model: version.model, version: short(version)}), title);
        if (!sure) return;
        try {
            await post(`/models/${encodeURIComponent(version.model_id)}/activate`, {}, {access: 'admin'});
            fill(message, h('div', {class: 'notice notice-good'}, t('models.activated', {version: short(version)})));
            await load();
        } catch (error) {
            fill(message, errorNotice(error));
        }
    }

    async function refresh(version) {
        const title = t('models.refresh');
        if (!await confirm(`${title}?`, t('models.refresh.text', {model: version.model}), title)) return;
        try {
            const {job_id: job} = await post(`/models/${encodeURIComponent(version.model)}/refresh`, {}, {access: 'admin'});
            fill(message, h('div', {class: 'notice notice-good'}, t('models.refreshing', {job})));
        } catch (error) {
            fill(message, errorNotice(error));
        }
    }

    repeat(REFRESH_S, signal, load);
}

const short = (version) => String(version.version).slice(0, 8);
/** Whether it knows items by what their table says of them. */
const readsItems = (version) => Object.keys(version.config?.content ?? {}).length > 0;
const isOlder = (a, b) => Date.parse(a.created_at) < Date.parse(b.created_at);

function byName(models) {
    const groups = new Map();
    for (const model of models) groups.set(model.model, [...(groups.get(model.model) ?? []), model]);
    return [...groups.values()];
}

function noModels() {
    return nextStep(t('empty.models'), t('empty.models.text'),
        code("SELECT seqrec_train('ratings');   -- a table with user_id, item_id and timestamp", 'SQL'),
        h('p', {class: 'actions'}, h('a', {class: 'button primary', href: '#/training'}, t('empty.models.train'))));
}

function card(versions, actions, signal) {
    const active = versions.find((version) => version.active);
    const first = active ?? versions[0];
    return h('section', {class: 'card'},
        h('div', {class: 'card-head'},
            h('h2', {}, first.model),
            h('span', {class: 'badge'}, first.kind),
            active
                ? h('p', {class: 'card-note'}, t('models.serving', {version: short(active), ago: ago(active.created_at)}))
                : h('p', {class: 'card-note warn-text'}, t('models.none_active')),
            active && readsItems(active) && h('button', {type: 'button', class: 'small', onclick: () => actions.refresh(active)}, t('models.refresh'))),
        h('div', {class: 'split'}, quality(first.metrics ?? {}), facts(first)),
        kindView(first, signal),
        h('h3', {}, t('models.versions')),
        versionTable(versions, active, actions.activate));
}

/** This model and the baselines, with bars of a common scale. */
function quality(metrics) {
    const methods = [
        [t('models.this'), metrics['ndcg@10'], metrics['hr@10'], 'own'],
        [t('models.markov'), metrics['markov_ndcg@10'], metrics['markov_hr@10'], 'other'],
        [t('models.personal'), metrics['personal_ndcg@10'], metrics['personal_hr@10'], 'other'],
        [t('models.popularity'), metrics['popularity_ndcg@10'], metrics['popularity_hr@10'], 'other'],
    ].filter(([, ndcg, hr]) => ndcg !== undefined || hr !== undefined);
    if (!methods.length) return h('p', {class: 'muted'}, t('models.no_metrics'));
    const largest = Math.max(...methods.flatMap(([, ndcg, hr]) => [ndcg ?? 0, hr ?? 0]), 1e-9);
    const bar = (value, kind) => h('div', {class: 'bar-cell'},
        h('span', {class: `bar bar-${kind}`, vars: {'--share': String((value ?? 0) / largest)}}), h('span', {class: 'bar-value'}, number(value, 3)));
    const times = metrics['ndcg@10'] / metrics['popularity_ndcg@10'];
    return h('div', {class: 'quality'},
        h('table', {class: 'quality-table'},
            h('caption', {}, t('models.quality')),
            h('thead', {}, h('tr', {}, h('td', {}), h('th', {scope: 'col'}, 'NDCG@10'), h('th', {scope: 'col'}, 'HR@10'))),
            h('tbody', {}, methods.map(([name, ndcg, hr, kind]) =>
                h('tr', {}, h('th', {scope: 'row'}, name), h('td', {}, bar(ndcg, kind)), h('td', {}, bar(hr, kind)))))),
        Number.isFinite(times) && h('p', {class: 'fine'},
            t('models.times', {times: number(times, 1), users: number(metrics.users_evaluated)})),
        // What ranks by how probable an outcome is does not rank by what comes next, and need not.
        ['markov', 'personal'].filter((baseline) => !('auc' in metrics) && metrics['ndcg@10'] < metrics[`${baseline}_ndcg@10`])
            .map((baseline) => notice('warn', h('p', {}, t(`models.below_${baseline}`)))));
}

function facts(version) {
    const metrics = version.metrics ?? {};
    const pairs = [
        [t('models.users'), compact(version.n_users)],
        [t('models.items'), compact(version.n_items)],
        [t('models.interactions'), compact(metrics.interactions)],
        [t('models.width'), number(version.dim)],
        [t('models.coverage'), percent(metrics['coverage@10'], 1)],
        [t('models.trained_in'), duration(metrics.train_seconds)],
    ];
    return h('dl', {class: 'facts'}, pairs.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
}

function versionTable(versions, active, activate) {
    const columns = [
        {title: t('models.version')}, {title: t('models.trained')},
        {title: 'NDCG@10', number: true}, {title: t('models.vs_popularity'), number: true}, {title: 'HR@10', number: true},
        {title: t('models.items'), number: true}, {title: t('models.users'), number: true}, {title: t('models.actions'), untitled: true},
    ];
    const cells = (version) => {
        const metrics = version.metrics ?? {};
        const times = metrics['ndcg@10'] / metrics['popularity_ndcg@10'];
        return [
            h('span', {class: 'version'}, h('code', {title: version.version}, short(version)),
                version.active && h('span', {class: 'badge badge-good'}, t('models.active')),
                version.pinned && h('span', {class: 'badge'}, t('models.pinned'))),
            h('time', {datetime: version.created_at, title: dateTime(version.created_at)}, ago(version.created_at)),
            number(metrics['ndcg@10'], 4), Number.isFinite(times) ? `${number(times, 1)}×` : '–', number(metrics['hr@10'], 4),
            number(version.n_items), number(version.n_users),
            h('div', {class: 'row-actions'},
                !version.active && h('button', {type: 'button', class: 'small', onclick: () => activate(version, active)},
                    t(active && isOlder(version, active) ? 'models.roll_back' : 'models.activate')),
                h('button', {type: 'button', class: 'small quiet-button', 'aria-label': t('models.details_of', {version: short(version)}), onclick: () => showDetails(version)},
                    t('models.details'))),
        ];
    };
    return table(t('models.versions_of', {model: versions[0].model}), columns, versions.map(cells));
}

function showDetails(version) {
    const list = (object) => h('dl', {class: 'pairs'}, Object.entries(object ?? {})
        .sort(([a], [b]) => a.localeCompare(b, 'en', {numeric: true}))
        .map(([name, value]) => h('div', {class: String(value).length > 40 ? 'long' : null}, h('dt', {}, name), h('dd', {}, plain(value)))));
    const dialog = h('dialog', {class: 'dialog wide', 'aria-labelledby': 'details-title'},
        h('div', {class: 'dialog-head'},
            h('h2', {id: 'details-title'}, `${version.model} · ${short(version)}`),
            iconButton('close', t('action.close'), () => dialog.close())),
        h('p', {class: 'fine'}, t('models.owner', {owner: version.owner, time: dateTime(version.created_at)})),
        h('h3', {}, t('models.metrics')), list(figuresOf(version.metrics)),
        h('h3', {}, t('models.options')), list(version.config));
    dialog.addEventListener('close', () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
}

/** Without tables, which are drawn. */
const figuresOf = (metrics) => Object.fromEntries(Object.entries(metrics ?? {}).filter(([, value]) => !Array.isArray(value)));

function plain(value) {
    if (value === null) return '–';
    if (typeof value === 'number') return number(value, Number.isInteger(value) ? 0 : Math.abs(value) < 1 ? 4 : 2);
    return typeof value === 'string' ? value : JSON.stringify(value);
}
