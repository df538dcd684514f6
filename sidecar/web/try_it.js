// Try it: a user and clicks, what is recommended and why, and the same call to copy.
import {address, get, post, withQuery} from './api.js';
import {combobox} from './combobox.js';
import {field, fill, h, iconButton} from './dom.js';
import {duration, language, number, percent, t} from './i18n.js';
import {itemList} from './item_list.js';
import {code, errorDetails, errorNotice, explain, nextStep, notice} from './notices.js';
import {curlPost, sqlCall} from './snippets.js';
import {Titles} from './titles.js';

const OFFERED_USERS = 8;
const DEFAULT_K = 10;
const LEAST_SHOWN = 0.0005; // with three decimals

export function open(root, signal) {
    const content = h('div', {}, h('p', {class: 'loading'}, t('app.loading')));
    fill(root, h('div', {class: 'page-head'}, h('div', {}, h('h1', {}, t('nav.try')), h('p', {class: 'lead'}, t('try.lead')))), content);
    const load = async () => {
        try {
            const {models} = await get('/models', {signal});
            const active = models.filter((model) => model.active);
            fill(content, active.length ? new TryIt(active, signal).element
                : nextStep(t('empty.active'), t('empty.active.text'), h('p', {class: 'actions'}, h('a', {class: 'button primary', href: '#/training'}, t('empty.models.train')))));
        } catch (error) {
            if (!signal.aborted) fill(content, explain(error, load));
        }
    };
    load();
}

/** The object of a JSON text, null when it is none. */
function objectOf(text) {
    try {
        const value = JSON.parse(text);
        return value && typeof value === 'object' && !Array.isArray(value) ? value : null;
    } catch {
        return null;
    }
}

class TryIt {
    constructor(models, signal) {
        this.signal = signal;
        this.titles = new Titles();
        this.asked = false;
        this.asking = 0;
        this.results = h('div', {class: 'results', 'aria-live': 'polite'}, this.invitation());
        this.calls = h('div');
        this.element = h('div', {class: 'try'}, this.form(models), h('div', {class: 'stack'}, this.results, this.calls));
        this.showCalls();
    }

    invitation() {
        return h('section', {class: 'card empty-card'}, h('h2', {}, t('try.empty')), h('p', {class: 'muted'}, t('try.empty.text')));
    }

    form(models) {
        const names = models.map((model) => model.model);
        const changed = () => { this.showCalls(); if (this.asked) this.ask(); };
        this.model = h('select', {onchange: () => { this.titles.model = this.model.value; changed(); }}, names.map((name) => h('option', {value: name}, name)));
        this.model.value = names.includes('default') ? 'default' : names[0];
        this.titles.model = this.model.value;
        const users = async (query) => {
            const {users: found} = await get(withQuery('/users', {query, limit: OFFERED_USERS, model: this.model.value}), {quiet: true});
            return found.map(({user_id: value}) => ({value}));
        };
        this.user = combobox({search: users, placeholder: t('try.user.placeholder'), onChoose: changed});
        this.user.input.addEventListener('input', () => this.showCalls());
        const items = (label, hint, empty, ordered) => itemList({label, hint, empty, ordered, titles: this.titles, onChange: changed});
        this.clicks = items(t('try.clicks'), t('try.clicks.hint'), t('try.clicks.empty'), true);
        this.excluded = items(t('try.exclude'), null, t('try.exclude.empty'), false);
        this.candidates = items(t('try.candidates'), null, t('try.candidates.empty'), false);
        this.k = h('input', {type: 'number', min: '1', max: '100', step: '1', value: String(DEFAULT_K), required: true, inputmode: 'numeric', onchange: changed});
        this.minScore = h('input', {type: 'number', step: 'any', inputmode: 'decimal', onchange: changed});
        this.minProbability = h('input', {type: 'number', min: '0', max: '1', step: 'any', inputmode: 'decimal', onchange: changed});
        this.diversity = h('input', {type: 'number', min: '0', max: '1', step: 'any', inputmode: 'decimal', onchange: changed});
        this.context = h('input', {autocomplete: 'off', spellcheck: 'false', placeholder: '{"device": "phone"}', oninput: () => this.checkContext(), onchange: changed});
        this.seen = h('select', {onchange: changed},
            h('option', {value: ''}, t('try.seen.trained')), h('option', {value: 'true'}, t('try.seen.out')), h('option', {value: 'false'}, t('try.seen.in')));
        const button = h('button', {type: 'submit', class: 'primary wide-button'}, t('try.submit'));
        return h('form', {class: 'card try-form', autocomplete: 'off', onsubmit: (event) => { event.preventDefault(); this.ask(); }},
            names.length > 1 && field(t('try.model'), this.model),
            h('div', {class: 'field'}, h('label', {for: this.user.input.id}, t('try.user')), this.user.element, h('span', {class: 'hint'}, t('try.user.hint'))),
            this.clicks.element,
            h('div', {class: 'inline-fields'}, field(t('try.k'), this.k), field(t('try.seen'), this.seen)),
            h('details', {}, h('summary', {}, t('try.filters')), field(t('try.min_score'), this.minScore), field(t('try.min_probability'), this.minProbability, t('try.min_probability.hint')),
                field(t('try.diversity'), this.diversity, t('try.diversity.hint')),
                field(t('try.context'), this.context, t('try.context.hint')), this.excluded.element, this.candidates.element),
            button);
    }

    checkContext() {
        const text = this.context.value.trim();
        this.context.setCustomValidity(!text || objectOf(text) ? '' : t('start.options.invalid'));
    }

    /** The request, with only those fields that differ from the defaults. */
    body() {
        const body = {user_id: this.user.input.value.trim() || t('try.somebody')};
        const lists = {recent_clicks: this.clicks, exclude_item_ids: this.excluded, candidate_item_ids: this.candidates};
        for (const [name, list] of Object.entries(lists)) if (list.ids().length) body[name] = list.ids();
        body.top_k = Number(this.k.value) || DEFAULT_K;
        if (this.model.value !== 'default') body.model = this.model.value;
        if (this.seen.value) body.exclude_seen = this.seen.value === 'true';
        if (this.minScore.value !== '') body.min_score = Number(this.minScore.value);
        if (this.minProbability.value !== '') body.min_probability = Number(this.minProbability.value);
        if (Number(this.diversity.value) > 0) body.diversity = Number(this.diversity.value);
        const context = objectOf(this.context.value);
        if (context) body.context = context;
        return body;
    }

    async ask() {
        const turn = ++this.asking; // of two that are under way the later counts
        const body = this.body();
        try {
            const answer = await post('/recommend', {...body, explain: true, language}, {signal: this.signal});
            await this.titles.fetch(answer.recommended_item_ids, this.signal);
            if (turn !== this.asking) return;
            this.asked = true;
            fill(this.results, this.answer(body, answer));
        } catch (error) {
            if (!this.signal.aborted && turn === this.asking) fill(this.results, this.refusal(error));
        }
    }

    /** Own rows that can't be read are no failure of the service: clicks are a way on. */
    refusal(error) {
        if (error.kind !== 'history-unavailable') return errorNotice(error);
        return notice('warn', h('p', {}, h('strong', {}, t('try.history')), ' ', t('try.history.text')), h('p', {}, error.message), errorDetails(error));
    }

    answer(body, answer) {
        const ids = answer.recommended_item_ids;
        return h('section', {class: 'card'},
            h('div', {class: 'card-head'}, h('h2', {}, t('try.results', {count: number(ids.length)})),
                h('p', {class: 'card-note'}, [answer.took_ms !== undefined && t('try.took', {time: duration(answer.took_ms / 1000)}),
                    answer.model_version && t('try.version', {version: String(answer.model_version).slice(0, 8)})].filter(Boolean).join(' · '))),
            answer.fallback && notice('info', h('p', {}, h('strong', {}, t('try.fallback')), ' ', t('try.fallback.text'))),
            answer.unknown_item_ids?.length > 0 && notice('warn',
                h('p', {}, t('try.unknown'), ' ', answer.unknown_item_ids.map((id) => [h('code', {}, id), ' ']))),
            answer.unknown_context?.length > 0 && notice('warn',
                h('p', {}, t('try.unknown_context'), ' ', answer.unknown_context.map((key) => [h('code', {}, key), ' ']))),
            ids.length === 0 && h('p', {class: 'muted'}, t('try.nothing')),
            ids.length > 0 && this.recommendations(ids, answer),
            answer.request_id && h('p', {class: 'fine'}, t('error.request', {id: answer.request_id})));
    }

    recommendations(ids, {scores = [], probabilities, reasons = []}) {
        const best = Math.max(...scores, 1e-9);
        return h('ol', {class: 'recommendations'}, ids.map((id, i) => {
            const title = this.titles.of(id);
            const score = scores[i];
            return h('li', {},
                h('span', {class: 'rank'}, number(i + 1)),
                h('div', {class: 'what'}, h('span', {class: 'title'}, title ?? id), title && h('code', {}, id), this.reason(reasons[i])),
                score !== undefined && h('div', {class: 'score'},
                    h('span', {class: 'bar bar-own', vars: {'--share': String(probabilities ? probabilities[i] : Math.max(0, score) / best)}}), h('span', {class: 'bar-value'}, probabilities ? percent(probabilities[i], 1) : number(score, 3))),
                iconButton('plus', t('try.add_click', {item: title ?? id}), () => this.clicks.add(id)));
        }));
    }

    /** The server's own sentence: its templates are the shop's to change. */
    reason(reason) {
        if (!reason) return null;
        const part = reason.source !== 'popular' && reason.contribution >= LEAST_SHOWN && t('reason.part', {part: number(reason.contribution, 3)});
        return h('span', {class: 'reason'}, reason.text, part && [' ', h('span', {class: 'reason-part'}, `· ${part}`)]);
    }

    showCalls() {
        const body = this.body();
        const {user_id: user, recent_clicks: clicks, top_k: k, model, exclude_item_ids: exclude, exclude_seen: seen, candidate_item_ids: candidates, min_score: least,
            min_probability: probability, diversity, context} = body;
        const named = Object.fromEntries(Object.entries({model, exclude, exclude_seen: seen, candidates, min_score: least, min_probability: probability, diversity, context}).filter(([, value]) => value !== undefined));
        const sql = `SELECT * FROM ${sqlCall('seqrec_recommend', [user, clicks ?? null, k], named)} ORDER BY rank;`;
        const needsToken = Boolean(sessionStorage.getItem('seqrec.read-token') || sessionStorage.getItem('seqrec.admin-token'));
        const key = JSON.stringify(body);
        if (key === this.callsKey) return;
        this.callsKey = key;
        fill(this.calls, h('section', {class: 'card'}, h('h2', {}, t('try.calls')),
            h('h3', {}, 'curl'), code(curlPost(address('/recommend'), body, needsToken), 'curl'),
            h('h3', {}, 'SQL'), code(sql, 'SQL')));
    }
}
