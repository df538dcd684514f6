// Items' titles, as far as the server has them.
import {get, withQuery} from './api.js';

const AT_ONCE = 50;
const OFFERED = 8;

export class Titles {
    #known = new Map();

    /** The title, or null when there is none or it has not been asked for. */
    of = (id) => this.#known.get(id) ?? null;

    learn(id, title) {
        if (title) this.#known.set(id, title);
    }

    /** Asks for the titles that are not known yet. Without them ids are shown, so errors are let go. */
    async fetch(ids, signal) {
        const missing = [...new Set(ids)].filter((id) => !this.#known.has(id));
        for (let i = 0; i < missing.length; i += AT_ONCE) {
            const {items} = await get(withQuery('/items', {id: missing.slice(i, i + AT_ONCE)}), {signal}).catch(() => ({items: []}));
            for (const {item_id: id, title} of items) this.learn(id, title);
        }
    }

    /** Items for a combobox. */
    search = async (query) => {
        const {items} = await get(withQuery('/items', {query, limit: OFFERED, model: this.model}));
        return items.map(({item_id: value, title}) => ({value, label: title}));
    };
}
