// Prometheus' text format, and what two readings of it say about the time between them.

/** {name: [{labels, value}]} */
export function parse(text) {
    const families = {};
    for (const line of text.split('\n')) {
        const found = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/.exec(line);
        if (found) (families[found[1]] ??= []).push({labels: parseLabels(found[2]), value: Number(found[3].replace('Inf', 'Infinity'))});
    }
    return families;
}

function parseLabels(text = '') {
    const labels = {};
    for (const [, name, value] of text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
        labels[name] = value.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    return labels;
}

/** The sum over the samples whose labels pass; undefined when there are none. */
export function sum(families, name, passes = () => true) {
    const samples = (families[name] ?? []).filter(({labels}) => passes(labels));
    return samples.length ? samples.reduce((total, {value}) => total + value, 0) : undefined;
}

/** Sums by a label's value. */
export function sumBy(families, name, label) {
    const totals = new Map();
    for (const {labels, value} of families[name] ?? []) totals.set(labels[label], (totals.get(labels[label]) ?? 0) + value);
    return totals;
}

/** A histogram added up over its other labels: [{le, count}], where count is of that bucket alone. */
export function buckets(families, name, passes = () => true) {
    const cumulative = new Map();
    for (const {labels, value} of families[`${name}_bucket`] ?? []) {
        if (!passes(labels)) continue;
        const le = Number(labels.le.replace('Inf', 'Infinity'));
        cumulative.set(le, (cumulative.get(le) ?? 0) + value);
    }
    let before = 0;
    return [...cumulative].sort(([a], [b]) => a - b).map(([le, total]) => {
        const count = total - before;
        before = total;
        return {le, count};
    });
}

/** What was added to a histogram since an earlier reading of it. */
export function since(now, earlier) {
    const old = new Map(earlier.map(({le, count}) => [le, count]));
    const difference = now.map(({le, count}) => ({le, count: count - (old.get(le) ?? 0)}));
    return difference.some(({count}) => count < 0) ? now : difference; // the server was started anew
}

/** The value below which a share of the observations lie, linear within its bucket; undefined without any. */
export function quantile(histogram, share) {
    const total = histogram.reduce((all, {count}) => all + count, 0);
    if (!total) return undefined;
    let below = 0;
    let low = 0;
    for (const {le, count} of histogram) {
        if (count && below + count >= share * total)
            return Number.isFinite(le) ? low + (le - low) * (share * total - below) / count : low;
        below += count;
        low = le;
    }
    return low;
}
