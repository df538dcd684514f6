// One training in the list of trainings; updated in place, so that focus stays where it is.
import {post} from './api.js';
import {fill, h, newId, write} from './dom.js';
import {ago, compact, dateTime, duration, number, t} from './i18n.js';
import {confirm, errorNotice, notice} from './notices.js';

const OVER = ['done', 'failed', 'cancelled', 'interrupted'];
const LOOKS = {done: 'good', failed: 'bad', interrupted: 'warn', cancelled: 'plain'};
const SPOKEN_EVERY_PERCENT = 25;

export const isOver = (job) => OVER.includes(job.state);

/** A refresh trains nothing while its trainer is at work. */
const stateOf = (job) => job.refreshes && job.state === 'training' ? 'refreshing' : job.state;

/** Which network is being trained, where there are several: the validation of each starts from nothing. */
export function networkOf({member, members, stage}) {
    const place = members > 1 && t('run.network.of', {member: number(member), members: number(members)});
    const name = stage && (['trial', 'student'].includes(stage) ? t(`run.network.${stage}`) : stage);
    return [name, place].filter(Boolean).join(' ');
}

export class RunView {
    constructor(job, {onToggle, onCancelled}) {
        this.job = job;
        this.onCancelled = onCancelled;
        this.name = `#${job.job_id} ${job.model}`;
        this.box = h('input', {type: 'checkbox', id: newId('run'), onchange: () => onToggle(this.box.checked)});
        this.badge = h('span', {class: 'badge'});
        this.when = h('time', {class: 'run-when'});
        this.progress = h('progress', {max: '100', 'aria-label': t('run.progress', {run: this.name})});
        this.percent = h('span', {class: 'run-percent'});
        this.bar = h('div', {class: 'run-bar'}, this.progress, this.percent);
        this.facts = h('dl', {class: 'run-facts'});
        this.notes = h('div', {class: 'run-notes'});
        this.message = h('div');
        this.cancelButton = h('button', {type: 'button', class: 'small', onclick: () => this.cancel()}, t('run.cancel'));
        this.element = h('li', {class: 'run', 'data-job': job.job_id},
            h('div', {class: 'run-head'},
                h('label', {class: 'run-name', for: this.box.id}, this.box, h('span', {class: 'swatch'}), h('strong', {}, `#${job.job_id}`), h('span', {}, job.model)),
                job.refreshes && h('span', {class: 'badge'}, t('run.refresh')), this.badge, this.when, h('div', {class: 'row-actions'}, this.cancelButton)),
            this.bar, this.facts, this.notes, this.message);
        this.spoken = '';
    }

    /** Shows the job as it is now; returns what is worth being read out, or ''. */
    update(job) {
        // The list and the feed arrive in any order: of one phase, what is less far is older.
        if (job.state === this.job.state && job.phase === this.job.phase && job.percent < this.job.percent) return '';
        this.job = {...this.job, ...job};
        const over = isOver(this.job);
        this.element.dataset.state = this.job.state;
        this.badge.className = `badge badge-${LOOKS[this.job.state] ?? 'live'}`;
        write(this.badge, t(`state.${stateOf(this.job)}`));
        this.showTime();
        this.bar.hidden = over;
        this.cancelButton.hidden = over && this.job.state !== 'interrupted';
        this.progress.value = this.job.percent ?? 0;
        write(this.percent, `${number(Math.floor(this.job.percent ?? 0))} %`);
        this.showFacts(over);
        this.showNotes();
        return this.announcement();
    }

    setDrawn(colorIndex) {
        this.box.checked = colorIndex !== undefined;
        if (colorIndex === undefined) this.element.removeAttribute('data-color');
        else this.element.dataset.color = String(colorIndex % 6 + 1);
    }

    showTime() {
        const {queued_at: queued, started_at: started, finished_at: finished} = this.job;
        const time = started ?? queued;
        this.when.dateTime = time ?? '';
        this.when.title = dateTime(time);
        const took = finished && started ? duration((Date.parse(finished) - Date.parse(started)) / 1000) : '';
        write(this.when, [ago(time), took && t('run.took', {time: took})].filter(Boolean).join(' · '));
    }

    showFacts(over) {
        const {job} = this;
        const metrics = job.metrics ?? {};
        const left = job.eta ? (Date.parse(job.eta) - Date.now()) / 1000 : null;
        const times = metrics['ndcg@10'] / metrics['popularity_ndcg@10'];
        const facts = over && job.refreshes
            ? ['items_new', 'items_changed', 'items_dropped'].map((name) => [t(`run.${name}`), metrics[name] !== undefined && number(metrics[name])])
            : over
            ? [['NDCG@10', metrics['ndcg@10'] !== undefined && number(metrics['ndcg@10'], 4)], ['HR@10', metrics['hr@10'] !== undefined && number(metrics['hr@10'], 4)],
                [t('models.vs_popularity'), Number.isFinite(times) && `${number(times, 1)}×`],
                [t('run.epochs'), job.epoch && number(job.epoch)], [t('run.loss'), job.loss !== null && number(job.loss, 3)]]
            : [[t('run.phase'), job.state === 'queued' ? t('state.queued') : t(`phase.${job.phase === 'training' && job.refreshes ? 'loading' : job.phase ?? job.state}`)], [t('run.network'), networkOf(job)], [t('training.epoch'), job.epoch && number(job.epoch)],
                [t('run.loss'), job.loss && number(job.loss, 3)],
                [t('run.speed'), job.labels_per_s && t('run.per_second', {count: compact(job.labels_per_s)})],
                [t('run.left'), left > 0 && duration(left < 10 ? Math.ceil(left) : left)]];
        const shown = facts.filter(([, value]) => value);
        fill(this.facts, shown.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
        this.facts.hidden = shown.length === 0;
    }

    showNotes() {
        const {error, hint, detail, sqlstate, warnings} = this.job;
        const key = JSON.stringify([error, hint, detail, sqlstate, warnings]);
        if (key === this.notesKey) return;
        this.notesKey = key;
        const failed = error && this.job.state !== 'cancelled' && notice(this.job.state === 'failed' ? 'bad' : 'warn',
            h('p', {}, h('strong', {}, error)),
            hint && h('p', {class: 'hint-line'}, hint),
            detail && h('details', {}, h('summary', {}, t('run.detail')), h('pre', {}, detail)),
            sqlstate && h('p', {class: 'fine'}, `SQLSTATE ${sqlstate}`));
        fill(this.notes, failed, (warnings ?? []).map((warning) => notice('warn', h('p', {}, typeof warning === 'string' ? warning : warning.message ?? JSON.stringify(warning)))));
    }

    announcement() {
        const {percent} = this.job;
        const step = isOver(this.job) ? '' : Math.floor((percent ?? 0) / SPOKEN_EVERY_PERCENT) * SPOKEN_EVERY_PERCENT;
        const text = t('run.spoken', {run: this.name, state: t(`state.${stateOf(this.job)}`), percent: step === '' ? '' : `${step} %`});
        const news = this.spoken && this.spoken !== text;
        this.spoken = text;
        return news ? text : '';
    }

    async cancel() {
        if (!await confirm(t('run.cancel.title', {run: this.name}), t('run.cancel.text'), t('run.cancel'), t('run.keep'))) return;
        try {
            await post(`/jobs/${this.job.job_id}/cancel`, {}, {access: 'admin'});
            fill(this.message);
            this.onCancelled();
        } catch (error) {
            fill(this.message, errorNotice(error));
        }
    }
}
