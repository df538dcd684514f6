// The two languages, and numbers and times as their readers write them.
import {texts} from './texts.js';

/** The tag as Intl takes it, in a list; none for what is no tag. Others write en_US, too. */
function canonical(tag) {
    try {
        return Intl.getCanonicalLocales(tag.replaceAll('_', '-'));
    } catch {
        return [];
    }
}

const languageOf = (tag) => tag.split('-')[0];
const wanted = new URLSearchParams(location.search).get('lang') ?? '';
const preferred = [wanted, ...navigator.languages].flatMap(canonical);

/** 'en' or 'zh': the first of the reader's languages that is here. */
export const language = preferred.map(languageOf).find((name) => Object.hasOwn(texts, name)) ?? 'en';
const locale = preferred.find((tag) => languageOf(tag) === language) ?? language;

/** The text of that name, with {names} replaced. */
export function t(name, values = {}) {
    const text = texts[language][name] ?? texts.en[name] ?? name;
    return text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? '');
}

const formats = new Map();
function format(options) {
    const key = JSON.stringify(options);
    if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(locale, options));
    return formats.get(key);
}

const MISSING = '–';
const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

/** A number with so many decimals. */
export function number(value, decimals = 0) {
    if (!isNumber(value)) return MISSING;
    return format({minimumFractionDigits: decimals, maximumFractionDigits: decimals}).format(value);
}

/** A number of any size in about three digits. */
export function compact(value) {
    if (!isNumber(value)) return MISSING;
    return format({notation: 'compact', maximumSignificantDigits: 3}).format(value);
}

export function percent(share, decimals = 0) {
    if (!isNumber(share)) return MISSING;
    return format({style: 'percent', minimumFractionDigits: decimals, maximumFractionDigits: decimals}).format(share);
}

/** Three digits at most, without zeros at the end. */
const short = (value) => Number(value.toPrecision(value < 1 ? 2 : 3));
const unit = (value, name) => t(`unit.${name}`, {value: format({maximumFractionDigits: 3}).format(value)});

/** A length of time, in the two largest units that count. */
export function duration(seconds) {
    if (!isNumber(seconds)) return MISSING;
    if (seconds < 1) return unit(short(seconds * 1e3), 'millisecond');
    if (seconds < 10) return unit(short(seconds), 'second');
    const whole = Math.round(seconds);
    if (whole < 60) return unit(whole, 'second');
    if (whole < 3600) return pair(Math.floor(whole / 60), 'minute', whole % 60, 'second');
    if (whole < 86400) return pair(Math.floor(whole / 3600), 'hour', Math.floor(whole / 60) % 60, 'minute');
    return pair(Math.floor(whole / 86400), 'day', Math.floor(whole / 3600) % 24, 'hour');
}

function pair(large, largeUnit, small, smallUnit) {
    return small ? `${unit(large, largeUnit)} ${unit(small, smallUnit)}` : unit(large, largeUnit);
}

const relative = new Intl.RelativeTimeFormat(locale, {numeric: 'auto'});
const AGES = [['second', 1, 60], ['minute', 60, 60], ['hour', 3600, 24], ['day', 86400, 30], ['month', 2629800, 12], ['year', 31557600, Infinity]];

/** "3 minutes ago". */
export function ago(time) {
    const seconds = (Date.now() - Date.parse(time)) / 1000;
    if (!isNumber(seconds)) return MISSING;
    const [name, size] = AGES.find(([, size, most]) => Math.abs(seconds) / size < most);
    return relative.format(-Math.round(seconds / size), name);
}

const dates = new Intl.DateTimeFormat(locale, {dateStyle: 'medium', timeStyle: 'medium'});

/** Date and time of the reader's place. */
export function dateTime(time) {
    const parsed = Date.parse(time);
    return isNumber(parsed) ? dates.format(parsed) : MISSING;
}

const clock = new Intl.DateTimeFormat(locale, {hour: '2-digit', minute: '2-digit', second: '2-digit'});
export const clockTime = (milliseconds) => clock.format(milliseconds);
