// Training: start one, watch it, compare its curves with those of others, see why one failed.
import {events, get, post} from './api.js';
import {lineChart} from './charts.js';
import {fill, h, repeat} from './dom.js';
import {number, t} from './i18n.js';
import {explain, nextStep} from './notices.js';
import {RunView, isOver} from './run_view.js';
import {startForm} from './start_form.js';

const LIST_EVERY_S = 5;
const POLL_EVERY_S = 1;
const STREAMS = 2;    // each keeps one of the browser's six connections
const OVERLAID = 2;   // runs that are drawn at first
const SHOWN_RUNS = 50;
const REFUSED = Symbol('an answer that will be no other');

export function open(root, signal) {
    new TrainingPage(root, signal).start();
}

class TrainingPage {
    constructor(root, signal) {
        this.signal = signal;
        this.views = new Map();    // job id → RunView, newest first
        this.epochs = new Map();   // job id → Map of epoch → row
        this.drawn = new Map();    // job id → index of its colour
        this.followed = new Set();
        this.touched = false;      // whether the person chose what is drawn
        this.build(root);
    }

    build(root) {
        const canvas = () => h('canvas', {role: 'img', tabindex: '0'});
        const [loss, quality] = [canvas(), canvas()];
        const common = {x: t('training.epoch'), xFormat: (x) => number(x), xMin: 0, xTicks: {maxTicksLimit: 8, precision: 0}};
        this.lossChart = lineChart(loss, this.signal, {...common, yFormat: (y) => number(y, 2)});
        this.qualityChart = lineChart(quality, this.signal, {...common, yFormat: (y) => number(y, 2), fromZero: true});
        this.parts = h('p', {class: 'fine', hidden: true}, t('training.parts'));
        this.charts = h('section', {class: 'card charts', hidden: true, 'aria-label': t('training.curves')},
            h('figure', {}, h('figcaption', {}, t('training.loss')), h('div', {class: 'canvas'}, loss)),
            h('figure', {}, h('figcaption', {}, t('training.ndcg'), ' ', h('span', {class: 'muted'}, t('training.ndcg.note'))),
                h('div', {class: 'canvas'}, quality)),
            this.parts);
        this.problem = h('div');
        this.list = h('ol', {class: 'runs'});
        this.runs = h('section', {class: 'card', hidden: true}, h('h2', {}, t('training.runs')),
            h('p', {class: 'fine'}, t('training.runs.note')), this.list);
        this.spoken = h('p', {class: 'visually-hidden', role: 'status'});
        fill(root,
            h('div', {class: 'page-head'}, h('div', {}, h('h1', {}, t('nav.training')), h('p', {class: 'lead'}, t('training.lead')))),
            this.spoken, startForm(() => this.load()), this.problem, this.charts, this.runs);
    }

    start() {
        repeat(LIST_EVERY_S, this.signal, () => this.load());
    }

    async load() {
        try {
            const {jobs} = await get(`/jobs?limit=${SHOWN_RUNS}`, {signal: this.signal});
            fill(this.problem, jobs.length ? null : nextStep(t('empty.jobs'), t('empty.jobs.text')));
            this.show(jobs);
        } catch (error) {
            if (!this.signal.aborted) fill(this.problem, explain(error, () => this.load()));
        }
    }

    show(jobs) {
        this.runs.hidden = jobs.length === 0;
        for (const job of [...jobs].reverse()) this.update(job);
        if (!this.touched) this.drawLatest(jobs);
        for (const job of jobs) if (!isOver(job) && this.followed.size < STREAMS) this.follow(job.job_id);
        this.draw();
    }

    update(job) {
        let view = this.views.get(job.job_id);
        if (!view) {
            view = new RunView(job, {
                onToggle: (drawn) => { this.touched = true; this.toggle(job.job_id, drawn); },
                onCancelled: () => this.load(),
            });
            this.views.set(job.job_id, view);
            this.list.prepend(view.element);
        }
        const announcement = view.update(job);
        if (announcement) this.spoken.textContent = announcement;
    }

    /** The newest runs that go on or came to something; others when they are ticked. */
    drawLatest(jobs) {
        const wanted = jobs.filter((job) => job.state === 'done' || !isOver(job)).slice(0, OVERLAID).map((job) => job.job_id);
        for (const id of [...this.drawn.keys()]) if (!wanted.includes(id)) this.toggle(id, false);
        for (const id of wanted) if (!this.drawn.has(id)) this.toggle(id, true);
    }

    toggle(id, drawn) {
        if (drawn) {
            const taken = new Set(this.drawn.values());
            let index = 0;
            while (taken.has(index)) ++index;
            this.drawn.set(id, index);
            if (!this.followed.has(id)) this.loadEpochs(id);
        } else {
            this.drawn.delete(id);
        }
        this.views.get(id).setDrawn(this.drawn.get(id));
        this.draw();
    }

    async loadEpochs(id) {
        try {
            const job = await get(`/jobs/${id}`, {signal: this.signal});
            for (const row of job.epochs ?? []) this.addEpoch(id, row);
            this.update(job);
            this.draw();
            return job;
        } catch (error) {
            if (error.status === 404) this.forget(id);
            return [401, 403, 404].includes(error.status) ? REFUSED : null; // the list tells what is wrong
        }
    }

    /** A job that is gone. */
    forget(id) {
        this.views.get(id)?.element.remove();
        for (const known of [this.views, this.epochs, this.drawn]) known.delete(id);
        this.draw();
    }

    addEpoch(id, row) {
        if (!this.epochs.has(id)) this.epochs.set(id, new Map());
        this.epochs.get(id).set(`${row.epoch}/${row.step}`, row);
    }

    /** Follows a running job to its end: by its stream, or by asking when there is none. */
    async follow(id) {
        if (this.followed.has(id)) return;
        this.followed.add(id);
        this.loadEpochs(id);
        const ended = await this.stream(id).catch(() => false);
        if (!ended) await this.poll(id);
        this.followed.delete(id);
        if (!this.signal.aborted) {
            await this.loadEpochs(id);
            await this.load();
        }
    }

    async stream(id) {
        for await (const {event, data} of events(`/jobs/${id}/events`, this.signal)) {
            if (event === 'end') return true;
            if (event === 'job') this.update(JSON.parse(data));
            if (event === 'epoch') {
                this.addEpoch(id, JSON.parse(data));
                this.draw();
            }
        }
        return false;
    }

    async poll(id) {
        const over = new AbortController();
        const until = AbortSignal.any([this.signal, over.signal]);
        await repeat(POLL_EVERY_S, until, async () => {
            const job = await this.loadEpochs(id);
            if (job === REFUSED || (job && isOver(job))) over.abort();
        });
    }

    draw() {
        const drawn = [...this.drawn].filter(([id]) => this.epochs.get(id)?.size).sort(([a], [b]) => b - a);
        this.charts.hidden = drawn.length === 0;
        if (!drawn.length) return;
        const curves = (valueOf) => drawn.map(([id, colorIndex]) => ({
            label: this.views.get(id).name, colorIndex, points: pointsOf(this.epochs.get(id), valueOf),
        }));
        const loss = curves((row) => row.loss);
        const quality = curves((row) => row.metrics?.['ndcg@10']);
        this.parts.hidden = !loss.some(({points}) => points.some(({y}) => Number.isNaN(y)));
        this.lossChart.show({series: loss}, summary(t('training.loss'), loss, 3));
        this.qualityChart.show({series: quality, lines: this.baselines(drawn)}, summary('NDCG@10', quality, 4));
    }

    /** Baselines depend on the data: they come from a drawn run, or from the newest other run of its model. */
    baselines(drawn) {
        const jobs = drawn.map(([id]) => this.views.get(id).job);
        const others = [...this.views.values()].map((view) => view.job).filter((job) => job.model === jobs[0].model).reverse();
        const metrics = [...jobs, ...others].map((job) => job.metrics).find((metrics) => metrics?.['popularity_ndcg@10'] !== undefined);
        return ['markov', 'personal', 'popularity'].map((name) => ({label: t(`models.${name}`), y: metrics?.[`${name}_ndcg@10`]}))
            .filter(({y}) => y !== undefined);
    }
}

/** A curve's points. Where a training begins anew (its next network, its best weights again) so do its steps, and so does the line. */
function pointsOf(rows, valueOf) {
    const valid = [...rows.values()].filter((row) => typeof valueOf(row) === 'number').sort((a, b) => a.epoch - b.epoch);
    const points = [];
    for (const [i, row] of valid.entries()) {
        if (i && row.step < valid[i - 1].step) points.push({x: row.epoch, y: NaN});
        points.push({x: row.epoch, y: valueOf(row)});
    }
    return points;
}

/** What a chart shows, in words. */
function summary(name, curves, decimals) {
    const parts = curves.filter(({points}) => points.length).map(({label, points}) =>
        t('training.summary', {run: label, first: number(points[0].y, decimals), last: number(points.at(-1).y, decimals), epochs: number(points.at(-1).x)}));
    return `${name}. ${parts.join(' ')}`;
}
