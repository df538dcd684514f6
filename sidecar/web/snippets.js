// Calls as text to copy: SQL and curl, with whatever the ids hold quoted.

const quote = (text) => `'${String(text).replaceAll("'", "''")}'`;

/** A value as an SQL literal: text, number, boolean, list of texts, or an object as JSON. */
export function sqlLiteral(value) {
    if (value === null || value === undefined) return 'NULL';
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    if (Array.isArray(value)) return value.length ? `ARRAY[${value.map(quote).join(', ')}]` : "'{}'::text[]";
    return quote(typeof value === 'object' ? JSON.stringify(value) : value);
}

/** name('a', ARRAY['b'], k => 10) */
export function sqlCall(name, values, named = {}) {
    const parts = [...values.map(sqlLiteral), ...Object.entries(named).map(([key, value]) => `${key} => ${sqlLiteral(value)}`)];
    return `${name}(${parts.join(', ')})`;
}

const shellQuote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** A POST of JSON by curl; a token is named, never shown. */
export function curlPost(url, body, withToken) {
    const token = withToken ? ` \\\n  -H "Authorization: Bearer $SEQREC_TOKEN"` : '';
    return `curl -sS ${shellQuote(url)} \\\n  -H 'Content-Type: application/json'${token} \\\n  -d ${shellQuote(JSON.stringify(body))}`;
}
