// Serving: what this process has answered and how fast, read from its /metrics every few seconds.
import {get} from './api.js';
import {barChart, lineChart} from './charts.js';
import {fill, h, newId, repeat, table, write} from './dom.js';
import {clockTime, compact, duration, number, percent, t} from './i18n.js';
import {buckets, parse, quantile, since, sum, sumBy} from './prometheus.js';
import {explain} from './notices.js';

const EVERY_S = 3;
const KEPT = 100;       // readings, five minutes
const MINUTE_MS = 62e3; // twenty readings and their delays
const LATENCY = 'seqrec_http_request_duration_seconds';
const REQUESTS = 'seqrec_http_requests_total';
// Not asked by the shop: probes, scrapes and this page itself. Feeds stay open, so their time says nothing.
const APART = ['/', '/assets/{version}/{file}', '/livez', '/readyz', '/metrics', '/openapi.json', '/jobs/{job_id}/events'];

export function open(root, signal) {
    const page = new ServingPage(root, signal);
    repeat(EVERY_S, signal, () => page.read());
}

class ServingPage {
    constructor(root, signal) {
        this.signal = signal;
        this.readings = [];
        this.period = 'minute';
        this.build(root);
    }

    build(root) {
        this.problem = h('div');
        this.tiles = h('dl', {class: 'tiles'});
        this.route = h('select', {id: newId('route'), onchange: () => this.show()}, h('option', {value: ''}, t('serving.all_routes')));
        this.requests = h('div');
        this.database = h('dl', {class: 'facts'});
        this.updated = h('p', {class: 'fine'});
        this.idle = h('p', {class: 'muted idle'}, t('serving.idle'));
        this.collecting = h('p', {class: 'muted idle'}, t('serving.collecting'));
        const canvas = () => h('canvas', {role: 'img', tabindex: '0'});
        const [latency, traffic, batches] = [canvas(), canvas(), canvas()];
        this.latencyChart = barChart(latency, this.signal, {x: t('serving.latency.x'), y: t('serving.latency.y'), yFormat: compact});
        this.trafficChart = lineChart(traffic, this.signal, {xFormat: clockTime, yFormat: compact, fromZero: true, xTicks: {maxTicksLimit: 5}});
        this.batchChart = barChart(batches, this.signal, {y: t('serving.batches.y'), yFormat: compact});
        this.trafficBox = h('div', {class: 'canvas'}, traffic);
        this.latencyBox = h('div', {class: 'canvas'}, latency);
        this.batchBox = h('figure', {hidden: true}, h('figcaption', {}, t('serving.batches')), h('div', {class: 'canvas'}, batches));
        this.content = h('div', {class: 'stack', hidden: true},
            h('div', {class: 'toolbar'}, this.periodChoice(),
                h('div', {class: 'inline'}, h('label', {for: this.route.id}, t('serving.route')), this.route), this.updated),
            this.tiles,
            h('section', {class: 'card charts'},
                h('figure', {}, h('figcaption', {}, t('serving.latency')), this.idle, this.latencyBox),
                h('figure', {}, h('figcaption', {}, t('serving.traffic')), this.collecting, this.trafficBox)),
            h('section', {class: 'card'}, h('h2', {}, t('serving.requests')), this.requests),
            h('section', {class: 'card'}, h('h2', {}, t('serving.database')), h('div', {class: 'split'}, this.database, this.batchBox)));
        fill(root,
            h('div', {class: 'page-head'}, h('div', {}, h('h1', {}, t('nav.serving')), h('p', {class: 'lead'}, t('serving.lead')))),
            this.problem, this.content);
    }

    periodChoice() {
        const name = newId('period');
        const choice = (value, text) => {
            const radio = h('input', {type: 'radio', name, value, checked: value === this.period, onchange: () => { this.period = value; this.show(); }});
            return h('label', {}, radio, h('span', {}, text));
        };
        return h('fieldset', {class: 'segments'}, h('legend', {class: 'visually-hidden'}, t('serving.window')),
            choice('minute', t('serving.minute')), choice('all', t('serving.all')));
    }

    async read() {
        try {
            const families = parse(await get('/metrics', {text: true, signal: this.signal}));
            this.readings = [...this.readings, {at: Date.now(), families}].slice(-KEPT);
            fill(this.problem);
            this.content.hidden = false;
            this.show();
        } catch (error) {
            if (!this.signal.aborted) fill(this.problem, explain(error, () => this.read()));
        }
    }

    /** The newest reading, and the one that the period begins with: none for all that there was. */
    range() {
        const now = this.readings.at(-1);
        if (this.period === 'all' || this.readings.length < 2) return {now, start: null};
        return {now, start: this.readings.find(({at}) => at >= now.at - MINUTE_MS)};
    }

    show() {
        if (!this.readings.length) return;
        const {now, start} = this.range();
        const passes = ({route}) => (this.route.value ? route === this.route.value : !APART.includes(route));
        this.showRoutes(now.families);
        this.showTiles(now, start, passes);
        this.showLatency(this.histogram(now, start, LATENCY, passes));
        this.showTraffic(passes);
        this.showRequests(now, start);
        this.showDatabase(now, start);
        write(this.updated, t('serving.updated', {time: clockTime(now.at)}));
    }

    histogram(now, start, name, passes) {
        const all = buckets(now.families, name, passes);
        return start ? since(all, buckets(start.families, name, passes)) : all;
    }

    showRoutes(families) {
        const routes = [...sumBy(families, REQUESTS, 'route').keys()].sort();
        const shown = [...this.route.options].map((option) => option.value).slice(1);
        if (routes.join('\n') === shown.join('\n')) return;
        const chosen = this.route.value;
        fill(this.route, h('option', {value: ''}, t('serving.all_routes')), routes.map((route) => h('option', {value: route}, nameOf(route))));
        this.route.value = routes.includes(chosen) ? chosen : '';
    }

    showTiles(now, start, passes) {
        const added = (name, filter = passes) => growth(now, start, name, filter);
        const latency = this.histogram(now, start, LATENCY, passes);
        const count = added(REQUESTS);
        const failed = added(REQUESTS, (labels) => passes(labels) && labels.code?.startsWith('5'));
        const fallbacks = added('seqrec_recommend_fallback_total', () => true);
        const asked = added(REQUESTS, (labels) => labels.route?.startsWith('/recommend') && labels.code?.startsWith('2'));
        const seconds = start ? (now.at - start.at) / 1000 : uptime(now);
        const tiles = [
            [t('serving.rate'), seconds > 0 ? number(count / seconds, count / seconds < 10 ? 1 : 0) : '–'],
            [t('serving.p50'), duration(quantile(latency, 0.5))],
            [t('serving.p95'), duration(quantile(latency, 0.95))],
            [t('serving.p99'), duration(quantile(latency, 0.99))],
            [t('serving.errors'), percent(count ? failed / count : 0, 2), failed > 0 && 'bad'],
            [t('serving.fallbacks'), asked ? percent(Math.min(1, fallbacks / asked), 1) : '–'],
        ];
        fill(this.tiles, tiles.map(([name, value, kind]) => h('div', {class: `tile ${kind ? `tile-${kind}` : ''}`}, h('dt', {}, name), h('dd', {}, value))));
    }

    showLatency(histogram) {
        const used = trimmed(histogram);
        this.idle.hidden = used.length > 0;
        this.latencyBox.hidden = used.length === 0;
        if (!used.length) return;
        const bars = used.map(({le, count}, i) => ({label: Number.isFinite(le) ? duration(le) : `> ${duration(used[i - 1]?.le ?? 0)}`, value: count}));
        this.latencyChart.show(bars, `${t('serving.latency')}. ${[0.5, 0.95, 0.99].map((share) => `${percent(share)}: ${duration(quantile(histogram, share))}`).join(', ')}`);
    }

    showTraffic(passes) {
        const points = [];
        for (let i = 1; i < this.readings.length; ++i) {
            const [before, now] = [this.readings[i - 1], this.readings[i]];
            points.push({x: now.at, y: growth(now, before, REQUESTS, passes) / ((now.at - before.at) / 1000)});
        }
        this.collecting.hidden = points.length > 1;
        this.trafficBox.hidden = points.length < 2;
        if (points.length < 2) return;
        this.trafficChart.show({series: [{label: t('serving.per_second'), colorIndex: 0, points}]},
            `${t('serving.traffic')}: ${number(points.at(-1).y, 1)}`);
    }

    showRequests(now, start) {
        const columns = [{title: t('serving.route')}, {title: t('serving.count'), number: true}, {title: t('serving.p50'), number: true},
            {title: t('serving.p99'), number: true}, {title: '2xx', number: true}, {title: '4xx', number: true}, {title: '5xx', number: true}];
        const counts = [...sumBy(now.families, REQUESTS, 'route').keys()]
            .map((route) => [route, growth(now, start, REQUESTS, (labels) => labels.route === route)])
            .filter(([, count]) => count > 0).sort(([a, x], [b, y]) => y - x || a.localeCompare(b));
        const rows = counts.map(([route, count]) => {
            const here = (labels) => labels.route === route;
            const coded = (digit) => growth(now, start, REQUESTS, (labels) => here(labels) && labels.code?.startsWith(digit));
            const latency = this.histogram(now, start, LATENCY, here);
            return [h('code', {}, nameOf(route)), number(count), duration(quantile(latency, 0.5)), duration(quantile(latency, 0.99)),
                number(coded('2')), number(coded('4')), number(coded('5'))];
        });
        fill(this.requests, rows.length ? table(t('serving.requests'), columns, rows) : h('p', {class: 'muted'}, t('serving.idle')));
    }

    showDatabase(now, start) {
        const value = (name) => sum(now.families, name);
        const query = this.histogram(now, start, 'seqrec_db_query_duration_seconds', () => true);
        const pairs = [
            [t('serving.pool'), value('seqrec_db_pool_max')], [t('serving.pool_free'), value('seqrec_db_pool_available')],
            [t('serving.queue'), value('seqrec_db_pool_waiting')], [t('serving.in_flight'), value('seqrec_http_in_flight')],
            [t('serving.unknown_items'), growth(now, start, 'seqrec_unknown_item_ids_total')],
        ].filter(([, found]) => found !== undefined).map(([name, found]) => [name, number(found)]);
        if (query.length) pairs.push([t('serving.query_p50'), duration(quantile(query, 0.5))], [t('serving.query_p99'), duration(quantile(query, 0.99))]);
        fill(this.database, pairs.map(([name, shown]) => h('div', {}, h('dt', {}, name), h('dd', {}, shown))));
        const batches = trimmed(this.histogram(now, start, 'seqrec_batch_size', () => true));
        this.batchBox.hidden = batches.length === 0;
        if (batches.length) this.batchChart.show(batches.map(({le, count}) => ({label: Number.isFinite(le) ? number(le) : '…', value: count})), t('serving.batches'));
    }
}

const nameOf = (route) => (route === 'none' ? t('serving.unknown_route') : route);

/** How much counters grew between two readings; all of it without an earlier one, or when the server began anew. */
function growth(now, start, name, passes = () => true) {
    const value = sum(now.families, name, passes) ?? 0;
    const before = start ? sum(start.families, name, passes) ?? 0 : 0;
    return value < before ? value : value - before;
}

function uptime({at, families}) {
    const started = sum(families, 'process_start_time_seconds');
    return started ? at / 1000 - started : NaN;
}

/** Without the empty buckets at both ends. */
function trimmed(histogram) {
    const first = histogram.findIndex(({count}) => count > 0);
    const last = histogram.findLastIndex(({count}) => count > 0);
    return first < 0 ? [] : histogram.slice(Math.max(0, first - 1), last + 2);
}
