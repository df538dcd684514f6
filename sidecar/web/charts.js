// Chart.js in the colours of the page. Colours are read when a chart is drawn, so that it follows light and dark.
/* global Chart */

const dark = matchMedia('(prefers-color-scheme: dark)');
const SERIES = 6; // --series-1 … in style.css
const FEW_POINTS = 40;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const seriesColor = (index) => color(`--series-${(index % SERIES) + 1}`);

const LABEL_HEIGHT = 14;

/** Names of lines, by their height in pixels; those of lines too close together stand beside each other. */
function namesOf(lines, scale) {
    const names = [];
    for (const {label, at} of lines.map(({label, y}) => ({label, at: scale.getPixelForValue(y)})).sort((a, b) => a.at - b.at)) {
        const last = names.at(-1);
        if (last && at - last.low < LABEL_HEIGHT) Object.assign(last, {label: `${last.label} · ${label}`, low: at});
        else names.push({label, high: at, low: at});
    }
    return names;
}

/** Horizontal lines, and over the data their names: [{label, y}] in options.plugins.baselines.lines. */
const baselines = {
    id: 'baselines',
    beforeDatasetsDraw({ctx, chartArea: {left, right}, scales}, _, {lines = []}) {
        ctx.save();
        ctx.strokeStyle = color('--muted');
        ctx.setLineDash([5, 4]);
        for (const {y} of lines) {
            const at = scales.y.getPixelForValue(y);
            ctx.beginPath();
            ctx.moveTo(left, at);
            ctx.lineTo(right, at);
            ctx.stroke();
        }
        ctx.restore();
    },
    afterDatasetsDraw({ctx, chartArea: {top, bottom, right}, scales}, _, {lines = []}) {
        ctx.save();
        ctx.font = `12px ${color('--font')}`;
        ctx.textAlign = 'right';
        ctx.lineWidth = 4;
        ctx.lineJoin = 'round';
        ctx.strokeStyle = color('--surface');
        ctx.fillStyle = color('--muted');
        for (const {label, high, low} of namesOf(lines, scales.y)) {
            const below = high < (top + bottom) / 2; // a good model's curve runs above a good baseline
            const at = below ? low + LABEL_HEIGHT : high - 6;
            ctx.strokeText(label, right, at);
            ctx.fillText(label, right, at);
        }
        ctx.restore();
    },
};

function axis(title, format, ticks) {
    return {
        border: {display: false},
        grid: {color: color('--grid'), drawBorder: false, drawTicks: false},
        title: {display: Boolean(title), text: title, color: color('--muted')},
        ticks: {color: color('--muted'), padding: 8, maxRotation: 0, callback: (value) => format(value), ...ticks},
    };
}

function baseOptions({x, y, xFormat, yFormat, xTicks, tooltip}) {
    return {
        animation: false,
        responsive: true,
        maintainAspectRatio: false,
        interaction: {mode: 'nearest', axis: 'x', intersect: false},
        layout: {padding: {top: 8, right: 4}},
        plugins: {
            legend: {display: false},
            tooltip: {
                backgroundColor: color('--tooltip'), padding: 10, cornerRadius: 6, boxPadding: 4, usePointStyle: true,
                callbacks: tooltip,
            },
        },
        scales: {x: {...axis(x, xFormat, xTicks), grid: {display: false, drawBorder: false}}, y: axis(y, yFormat, {maxTicksLimit: 6})},
    };
}

/** A chart that is drawn again when its data or the colour scheme change; `configure` makes Chart.js' configuration. */
class Drawing {
    constructor(canvas, signal, configure) {
        this.canvas = canvas;
        this.configure = configure;
        dark.addEventListener('change', () => this.redraw(), {signal});
        signal.addEventListener('abort', () => this.chart?.destroy());
    }

    /** Shows `data`; `summary` is what the picture says, for those who do not see it. */
    show(data, summary) {
        this.data = data;
        this.canvas.setAttribute('aria-label', summary);
        const {data: drawn, options} = this.configure(data);
        if (!this.chart) return this.redraw();
        this.chart.data = drawn;
        this.chart.options = options;
        this.chart.update('none');
    }

    redraw() {
        if (!this.data) return;
        this.chart?.destroy();
        Chart.defaults.font.family = color('--font');
        this.chart = new Chart(this.canvas, this.configure(this.data));
    }
}

function lineSet({label, points, colorIndex}) {
    const line = seriesColor(colorIndex);
    return {
        label, data: points, borderColor: line, backgroundColor: line, borderWidth: 2, spanGaps: false,
        pointRadius: points.length <= FEW_POINTS ? 2.5 : 0, pointHoverRadius: 4,
    };
}

/** Lines over a common x: show({series: [{label, points: [{x, y}], colorIndex}], lines: [{label, y}]}, summary). */
export function lineChart(canvas, signal, {x, y, xFormat, yFormat, xMin, xTicks = {maxTicksLimit: 7}, fromZero}) {
    return new Drawing(canvas, signal, ({series, lines = []}) => {
        const options = baseOptions({
            x, y, xFormat, yFormat, xTicks,
            tooltip: {
                title: (items) => (items.length ? `${x ? `${x} ` : ''}${xFormat(items[0].parsed.x)}` : ''),
                label: (item) => ` ${item.dataset.label}  ${yFormat(item.parsed.y)}`,
            },
        });
        Object.assign(options.scales.x, {type: 'linear', bounds: 'data', min: xMin});
        if (fromZero) options.scales.y.beginAtZero = true;
        if (lines.length) options.scales.y.suggestedMax = 1.1 * Math.max(...lines.map((line) => line.y));
        options.plugins.baselines = {lines};
        return {type: 'line', data: {datasets: series.map(lineSet)}, options, plugins: [baselines]};
    });
}

/** Bars with a name each: show([{label, value}], summary). */
export function barChart(canvas, signal, {x, y, yFormat}) {
    return new Drawing(canvas, signal, (bars) => {
        const options = baseOptions({
            x, y, yFormat,
            xFormat: (index) => bars[index]?.label ?? '',
            tooltip: {label: (item) => ` ${yFormat(item.parsed.y)}`},
        });
        options.scales.y.beginAtZero = true;
        options.scales.y.ticks.precision = 0; // they count
        const data = {
            labels: bars.map((bar) => bar.label),
            datasets: [{data: bars.map((bar) => bar.value), backgroundColor: seriesColor(0), borderRadius: 3, maxBarThickness: 72, categoryPercentage: 0.94, barPercentage: 0.92}],
        };
        return {type: 'bar', data, options};
    });
}

/** What a value may be apart from its bar's end: a line from low to high, in options.plugins.whiskers.ranges. */
const whiskers = {
    id: 'whiskers',
    afterDatasetsDraw({ctx, scales: {x, y}}, _, {ranges = []}) {
        ctx.save();
        ctx.strokeStyle = color('--text');
        ctx.lineWidth = 1.25;
        ctx.beginPath();
        for (const [i, range] of ranges.entries()) {
            if (!range) continue;
            const [from, to, at] = [x.getPixelForValue(range[0]), x.getPixelForValue(range[1]), y.getPixelForValue(i)];
            ctx.moveTo(from, at);
            ctx.lineTo(to, at);
            for (const end of [from, to]) {
                ctx.moveTo(end, at - 3);
                ctx.lineTo(end, at + 3);
            }
        }
        ctx.stroke();
        ctx.restore();
    },
};

/** Bars that lie, to either side of zero: show([{label, value, error?}], summary); an error is drawn as a line of its length both ways. */
export function signedBarChart(canvas, signal, {x, xFormat, tooltip}) {
    return new Drawing(canvas, signal, (bars) => {
        const options = baseOptions({
            x, xFormat, xTicks: {maxTicksLimit: 7}, yFormat: (index) => shortened(bars[index]?.label ?? '', canvas.parentElement.clientWidth),
            tooltip: {title: (items) => bars[items[0]?.dataIndex]?.label ?? '', label: (item) => tooltip(bars[item.dataIndex])},
        });
        Object.assign(options, {indexAxis: 'y', interaction: {mode: 'nearest', axis: 'y', intersect: false}});
        options.scales.x.grid = {...options.scales.y.grid, color: (line) => color(line.tick?.value === 0 ? '--muted' : '--grid')};
        options.scales.y.grid = {display: false, drawBorder: false};
        Object.assign(options.scales.y.ticks, {autoSkip: false, maxTicksLimit: bars.length});
        const ranges = bars.map(({value, error}) => (error > 0 ? [value - error, value + error] : null));
        options.scales.x.suggestedMin = Math.min(0, ...ranges.map((range) => range?.[0] ?? 0));
        options.scales.x.suggestedMax = Math.max(0, ...ranges.map((range) => range?.[1] ?? 0));
        options.plugins.whiskers = {ranges};
        const data = {
            labels: bars.map((bar) => bar.label),
            datasets: [{data: bars.map((bar) => bar.value), backgroundColor: bars.map(({value}) => seriesColor(value < 0 ? 1 : 0)), borderRadius: 3, maxBarThickness: 22, barPercentage: 0.8}],
        };
        return {type: 'bar', data, options, plugins: [whiskers]};
    });
}

/** As much of a name as leaves room for bars. */
function shortened(text, width) {
    const longest = width < 420 ? 16 : 28;
    return text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
}

/** Behind the points how many pairs a bin has: [{from, to, share}] in options.plugins.sizes.bins, the largest a third of the height. */
const sizes = {
    id: 'sizes',
    beforeDatasetsDraw({ctx, chartArea: {bottom, top}, scales: {x}}, _, {bins = []}) {
        ctx.save();
        ctx.fillStyle = color('--grid');
        for (const {from, to, share} of bins) {
            const [left, right] = [x.getPixelForValue(from), x.getPixelForValue(to)];
            const height = share * (bottom - top) / 3;
            ctx.fillRect(left + 1, bottom - height, right - left - 2, height);
        }
        ctx.restore();
    },
};

/** What was said against what happened: show([{from, to, pairs, probability, positives}], summary); on the diagonal both are the same. */
export function reliabilityChart(canvas, signal, {x, y, format, tooltip}) {
    return new Drawing(canvas, signal, (bins) => {
        const options = baseOptions({
            x, y, xFormat: format, yFormat: format, xTicks: {maxTicksLimit: 6},
            tooltip: {title: () => '', label: (item) => tooltip(bins[item.dataIndex])},
        });
        Object.assign(options.scales.x, {type: 'linear', min: 0, max: 1});
        Object.assign(options.scales.y, {min: 0, max: 1});
        options.plugins.tooltip.filter = (item) => item.datasetIndex === 1;
        const most = Math.max(...bins.map((bin) => bin.pairs), 1);
        options.plugins.sizes = {bins: bins.map(({from, to, pairs}) => ({from, to, share: pairs / most}))};
        const line = seriesColor(0);
        const datasets = [
            {data: [{x: 0, y: 0}, {x: 1, y: 1}], borderColor: color('--muted'), borderDash: [5, 4], borderWidth: 1, pointRadius: 0, pointHoverRadius: 0},
            {data: bins.map(({probability, positives}) => ({x: probability, y: positives})), borderColor: line, backgroundColor: line, borderWidth: 2, pointRadius: 4, pointHoverRadius: 6},
        ];
        return {type: 'line', data: {datasets}, options, plugins: [sizes]};
    });
}
