// Calls of seqrec-http. Tokens live in this tab's sessionStorage and nowhere else.

/** An error as problem+json tells it; status 0 when the server could not be reached at all. */
export class ApiError extends Error {
    constructor(status, problem = {}) {
        super(problem.detail || problem.title || `HTTP ${status}`);
        this.status = status;
        this.kind = (problem.type || '').replace('urn:seqrec:problem:', '');
        this.hint = problem.hint || '';
        this.sqlstate = problem.sqlstate || '';
        this.requestId = problem.request_id || '';
    }
}

/** Where a path of the API is: beside this page, which may lie below a path of a proxy's. */
export const address = (path) => new URL(`.${path}`, document.baseURI).href;

const KEYS = {read: 'seqrec.read-token', admin: 'seqrec.admin-token'};
const TIMEOUT_S = 30;
let askForToken = async () => null; // (access, wasRefused) → token or null
let question = null;                // the one that is open
const declined = new Set();         // what the person did not want to be asked again

export function onTokenNeeded(ask) {
    askForToken = ask;
}

/** Lets the next refusal ask again. */
export function forgetDeclined() {
    declined.clear();
}

function tokenFor(access) {
    const other = access === 'read' ? 'admin' : 'read';
    return sessionStorage.getItem(KEYS[access]) || sessionStorage.getItem(KEYS[other]);
}

/** Asks once, however many calls were refused meanwhile. True when there is a token to try. */
async function obtainToken(access, refused) {
    if (declined.has(access)) return false;
    if (refused && tokenFor(access) !== refused) return true; // somebody else just asked
    question ??= askForToken(access, Boolean(refused)).finally(() => { question = null; });
    const token = await question;
    if (token) sessionStorage.setItem(KEYS[access], token);
    else declined.add(access);
    return Boolean(token);
}

async function send(path, options, access, quiet = false) {
    for (;;) {
        const token = tokenFor(access);
        const headers = {...options.headers};
        if (token) headers.Authorization = `Bearer ${token}`;
        const response = await reach(path, {...options, headers});
        if (response.ok) return response;
        const error = new ApiError(response.status, await response.json().catch(() => ({})));
        const wantsAnother = response.status === 401 || error.kind === 'admin-only';
        if (!wantsAnother || quiet || !await obtainToken(access, token)) throw error;
    }
}

async function reach(path, options) {
    try {
        return await fetch(address(path), {cache: 'no-store', ...options});
    } catch (error) {
        if (error.name === 'AbortError') throw error;
        throw new ApiError(0, {type: 'unreachable', detail: error.message});
    }
}

/** GET: the JSON (or the text) that is there. What is `quiet` asks nobody for a token. */
export async function get(path, {signal, text, quiet} = {}) {
    const limit = AbortSignal.timeout(TIMEOUT_S * 1000);
    const response = await send(path, {signal: signal ? AbortSignal.any([signal, limit]) : limit}, 'read', quiet);
    return text ? response.text() : response.json();
}

/** POST of JSON; `access` says which token it needs. */
export async function post(path, body, {access = 'read', signal} = {}) {
    const options = {method: 'POST', signal, headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body ?? {})};
    const response = await send(path, options, access);
    return response.json();
}

/** Server-sent events as they arrive: {event, data}. EventSource can't send a token, so this reads the stream. */
export async function* events(path, signal) {
    const response = await send(path, {signal, headers: {Accept: 'text/event-stream'}}, 'read');
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
        const {value, done} = await reader.read();
        if (done) return;
        const blocks = (rest + value).replaceAll('\r\n', '\n').split('\n\n');
        rest = blocks.pop();
        for (const block of blocks) {
            const event = parseEvent(block);
            if (event) yield event;
        }
    }
}

function parseEvent(block) {
    let event = 'message';
    const data = [];
    for (const line of block.split('\n')) {
        if (line.startsWith('event:')) event = line.slice(6).trim();
        else if (line.startsWith('data:')) data.push(line.slice(5).trimStart());
    }
    return data.length || event !== 'message' ? {event, data: data.join('\n')} : null; // comments keep the line open
}

/** A path with a query, without the parameters that are empty. */
export function withQuery(path, parameters) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters))
        for (const part of [value].flat())
            if (part !== undefined && part !== null && part !== '') query.append(name, part);
    const text = query.toString();
    return text ? `${path}?${text}` : path;
}
