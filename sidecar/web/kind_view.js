// What some kinds of models have beside the ranking: metrics of probabilities, how reliable those are, coefficients.
import {get, withQuery} from './api.js';
import {reliabilityChart, signedBarChart} from './charts.js';
import {h} from './dom.js';
import {number, percent, t} from './i18n.js';

const TOP = 20;
const OWN = ['auc', 'log_loss', 'brier', 'ece', 'accuracy', 'precision', 'recall', 'f1', 'threshold'];

/** Charts and figures of a version, or null when its kind has none; coefficients are those of the version that is served. */
export function kindView(version, signal) {
    const metrics = version.metrics ?? {};
    const charts = h('div', {class: 'charts own-charts', hidden: true});
    const bins = reliabilityOf(metrics);
    if (bins.length) drawReliability(charts, bins, metrics, signal);
    if (version.active) loadCoefficients(charts, version, signal);
    return [ownMetrics(metrics), charts];
}

function ownMetrics(metrics) {
    const found = OWN.filter((name) => typeof metrics[name] === 'number');
    if (!found.length) return null;
    return h('div', {class: 'own-metrics'},
        h('h3', {}, t('kind.metrics')),
        h('dl', {class: 'facts'}, found.map((name) => h('div', {title: t(`metric.${name}.hint`)}, h('dt', {}, t(`metric.${name}`)), h('dd', {}, number(metrics[name], 3))))),
        Number.isFinite(metrics.pairs_evaluated) && h('p', {class: 'fine'}, t('kind.pairs', {pairs: number(metrics.pairs_evaluated)})));
}

const isBin = (bin) => ['from', 'to', 'pairs', 'probability', 'positives'].every((name) => typeof bin?.[name] === 'number');
const reliabilityOf = ({reliability}) => (Array.isArray(reliability) ? reliability.filter(isBin) : []);

function figure(charts, title, note, canvas) {
    charts.hidden = false;
    charts.append(h('figure', {}, h('figcaption', {}, title, ' ', h('span', {class: 'muted'}, note)), h('div', {class: 'canvas'}, canvas)));
}

const picture = () => h('canvas', {role: 'img', tabindex: '0'});

function drawReliability(charts, bins, metrics, signal) {
    const canvas = picture();
    figure(charts, t('kind.reliability'), t('kind.reliability.note'), canvas);
    const chart = reliabilityChart(canvas, signal, {
        x: t('kind.said'), y: t('kind.happened'), format: (value) => percent(value),
        tooltip: (bin) => ` ${t('kind.bin', {said: percent(bin.probability, 1), happened: percent(bin.positives, 1), pairs: number(bin.pairs)})}`,
    });
    queueMicrotask(() => chart.show(bins, t('kind.reliability.summary', {bins: number(bins.length), ece: number(metrics.ece, 3)}))); // once it is on the page
}

async function loadCoefficients(charts, version, signal) {
    let found;
    try {
        found = await get(withQuery(`/models/${encodeURIComponent(version.model)}/coefficients`, {top: TOP}), {signal, quiet: true});
    } catch { return; } // the page is whole without
    if (signal.aborted || !found.coefficients.length) return;
    const bars = found.coefficients.map(({feature, value, coefficient, standard_error: error, rows}) =>
        ({label: value === null ? feature : `${feature} = ${value}`, value: coefficient, error, rows}));
    const canvas = picture();
    figure(charts, t('kind.coefficients'), t('kind.coefficients.note', {shown: number(bars.length), count: number(found.count)}), canvas);
    canvas.parentElement.style.setProperty('--bars', String(bars.length));
    canvas.parentElement.classList.add('canvas-bars');
    const told = (bar) => ` ${t(bar.error === null ? 'kind.coefficient' : 'kind.coefficient.error', {value: number(bar.value, 3), error: number(bar.error, 3), rows: number(bar.rows)})}`;
    signedBarChart(canvas, signal, {x: t('kind.coefficient.x'), xFormat: (value) => number(value, 1), tooltip: told})
        .show(bars, t('kind.coefficients.summary', {list: bars.slice(0, 5).map((bar) => `${bar.label} ${number(bar.value, 2)}`).join(', ')}));
}
