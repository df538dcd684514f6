// Chart.js in the colours of the page. Colours are read when a chart is drawn, so that it follows light and dark.
/* global Chart */

const dark = matchMedia('(prefers-color-scheme: dark)');
const SERIES = 6; // --series-1 … in style.css
const FEW_POINTS = 40;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const seriesColor = (index) => color(`--series-${(index % SERIES) + 1}`);

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
        for (const {label, y} of lines) {
            const at = scales.y.getPixelForValue(y);
            const below = at < (top + bottom) / 2; // a good model's curve runs above a good baseline
            ctx.strokeText(label, right, below ? at + 14 : at - 6);
            ctx.fillText(label, right, below ? at + 14 : at - 6);
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
